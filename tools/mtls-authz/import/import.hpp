// What administrators have today, made into partners: a map of nginx, a password file of SSLOptions +FakeBasicAuth, a
// table, rules of mod_ssl. Each format is read into entries, and what has no counterpart is said, never guessed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mtls::tool {

struct ImportOptions {
    std::string format;  // one of kImportFormats
    std::string file;
    std::string anchor;                     // MTLSTrustAnchor of all that name none; empty: mod_ssl
    std::vector<std::string> certificates;  // files, to find by their SHA-1
    std::string root = ".";
    bool json = false;
};
inline const std::vector<std::string> kImportFormats = {"nginx-map", "passwd", "csv", "sslrequire"};

// Prints policy files' text. kErrorsFound where something could not be converted: standard error says what.
int import_policy(const ImportOptions& options);

// ---- between the formats and the printing ---------------------------------------------------------------------------

// One MTLSIdentity, and what else its source says of its partner.
struct ImportedEntry {
    std::size_t line = 0;
    std::string partner;                 // as its source calls it; empty: named by its selectors
    std::vector<std::string> selectors;  // all must hold
    std::string anchor, contact, until;
    std::vector<std::string> groups, grants;
    std::vector<std::string> remarks;  // of this entry, for its reader
};

struct NotImported {
    std::size_t line = 0;
    std::string why;
};

struct Imported {
    std::vector<ImportedEntry> entries;
    std::vector<NotImported> rest;
    std::size_t denying = 0;  // entries that only deny: what has no partner is denied anyway

    void leave(std::size_t line, std::string why) { rest.push_back({line, std::move(why)}); }
};

// Certificates that were found by their SHA-1.
class KnownBySha1 {
public:
    virtual ~KnownBySha1() = default;
    // The selector of the one with this digest, in hex; empty where none is known.
    virtual std::string selector_of(const std::string& sha1) const = 0;
};

// `map $ssl_client_... $var { ... }`, or the lines of one, as an included file has them.
Imported read_nginx_map(std::string_view text, const KnownBySha1& known);
// `DN:password`, as mod_ssl's FakeBasicAuth asks for it.
Imported read_passwd(std::string_view text);
// A table with a line of headings (RFC 4180; also with semicolons or tabs).
Imported read_csv(std::string_view text, const KnownBySha1& known);
// SSLRequire and Require expr lines of httpd.conf.
Imported read_sslrequire(std::string_view text);

// ---- for the formats ------------------------------------------------------------------------------------------------

// The selector for a digest in hex, with or without colons: of 32 bytes, or of the 20 of SHA-1 where the certificate is
// known. Empty, and `why` set, where there is none.
std::string digest_selector(std::string_view digest, const KnownBySha1& known, std::string& why);

}  // namespace mtls::tool
