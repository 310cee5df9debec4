// Converts existing configurations to partners: an nginx map, a password file of SSLOptions +FakeBasicAuth, a table,
// rules of mod_ssl. Each format is parsed into entries; what cannot be converted is reported, never guessed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mtls::tool {

struct ImportOptions {
    std::string format;  // one of kImportFormats
    std::string file;
    std::string anchor;                     // MTLSTrustAnchor for entries without one; empty: mod_ssl
    std::vector<std::string> certificates;  // files to look up by SHA-1
    std::string root = ".";
    bool json = false;
};
inline const std::vector<std::string> kImportFormats = {"nginx-map", "passwd", "csv", "sslrequire"};

// Prints policy files. kErrorsFound if something was not converted: standard error names it.
int import_policy(const ImportOptions& options);

// ---- shared by the formats and the printing -------------------------------------------------------------------------

// One MTLSIdentity, with its partner's other settings.
struct ImportedEntry {
    std::size_t line = 0;
    std::string partner;                 // name in the source; empty: derive it from the selectors
    std::vector<std::string> selectors;  // all must hold
    std::string anchor, contact, until;
    std::vector<std::string> groups, grants;
    std::vector<std::string> remarks;  // printed as comments for this entry
};

struct NotImported {
    std::size_t line = 0;
    std::string why;
};

struct Imported {
    std::vector<ImportedEntry> entries;
    std::vector<NotImported> rest;
    std::vector<std::string> remarks;  // about all of it
    std::size_t denying = 0;           // entries that only deny: without a partner a client is denied anyway

    void reject(std::size_t line, std::string why) { rest.push_back({line, std::move(why)}); }
};

// Certificates that can be looked up by SHA-1.
class Sha1Lookup {
public:
    virtual ~Sha1Lookup() = default;
    // Selector of the certificate with this hex digest; empty if it is not known.
    virtual std::string selector_of(const std::string& sha1) const = 0;
};

// `map $ssl_client_... $var { ... }`, or only its lines, as in an included file.
Imported read_nginx_map(std::string_view text, const Sha1Lookup& by_sha1);
// `DN:password`, as FakeBasicAuth of mod_ssl needs it.
Imported read_passwd(std::string_view text);
// A table with a header row (RFC 4180; also with semicolons or tabs).
Imported read_csv(std::string_view text, const Sha1Lookup& by_sha1);
// SSLRequire and Require expr lines of httpd.conf.
Imported read_sslrequire(std::string_view text);

void add_once(std::vector<std::string>& to, const std::string& text);

// A remark about rules that compare texts exactly.
inline constexpr const char* kFoldsCase =
    "the rules of today tell upper-case letters from lower-case ones and count each blank, selectors do not: names "
    "that differ in these alone fit as well";

// ---- for the formats ------------------------------------------------------------------------------------------------

// The selector for a hex digest, with or without colons: of 32 bytes, or of 20 (SHA-1) if the certificate is known. On
// failure returns "" and sets `why`.
std::string digest_selector(std::string_view digest, const Sha1Lookup& by_sha1, std::string& why);

}  // namespace mtls::tool
