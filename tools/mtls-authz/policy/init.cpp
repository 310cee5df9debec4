#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../terminal.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/load/directive.hpp"

namespace mtls::tool {

namespace {

namespace fs = std::filesystem;

struct Failed {
    std::string why;
};

// Configuration folders of Debian's and Enterprise Linux's packages.
struct Layout {
    const char* root;
    const char* snippets;
    const char* enable;  // command that enables a snippet
    const char* reload;
};
constexpr Layout kDebian = {"/etc/apache2", "conf-available",
                            "a2enmod ssl mtls_authz && a2enconf mtls-partners && apache2ctl configtest",
                            "systemctl reload apache2"};
constexpr Layout kRedHat = {"/etc/httpd", "conf.d", "httpd -t", "systemctl reload httpd"};

class FirstFiles {
public:
    FirstFiles(std::string root, bool json) : root_(std::move(root)), json_(json) {}

    void folder(const std::string& name, const char* purpose) {
        const std::string path = root_ + "/" + name;
        std::error_code failed;
        const bool is_new = fs::create_directories(path, failed);
        if (failed) throw Failed{path + ": " + failed.message()};
        report(is_new, path, purpose);
    }
    void file(const std::string& name, const std::string& content, const char* purpose) {
        const std::string path = root_ + "/" + name;
        const bool is_new = !fs::exists(path);
        if (is_new) {
            std::ofstream out(path, std::ios::binary);
            out << content;
            if (!out.flush()) throw Failed{path + ": " + std::strerror(errno)};
        }
        report(is_new, path, purpose);
    }
    bool made_something() const { return made_something_; }

    void report(bool is_new, const std::string& path, const std::string& purpose) {
        made_something_ = made_something_ || is_new;
        if (json_) {
            const Json out = {{"path", path}, {"made", is_new}, {"purpose", purpose}};
            std::cout << one_line(out) << '\n';
            return;
        }
        std::cout << (is_new ? "made   " : "stays  ") << path << "  " << purpose << "\n";
    }

private:
    std::string root_;
    bool json_;
    bool made_something_ = false;
};

const Layout& layout_of(const std::string& root) {
    std::error_code failed;
    if (!root.empty()) return fs::is_directory(root + "/" + kRedHat.snippets, failed) ? kRedHat : kDebian;
    return fs::is_directory(kRedHat.root, failed) && !fs::is_directory(kDebian.root, failed) ? kRedHat : kDebian;
}

std::string gate_at(const std::string& path) {
    return "# The policy, and the first gate. Relative paths begin at ServerRoot.\n"
           "MTLSPolicyFile     mtls/partners/*.conf\n"
           "MTLSRevocationFile mtls/revoked/*.conf\n"
           "MTLSCRLFile        mtls/crl/*.crl\n\n<Location " +
           config_quote(path) +
           ">\n    MTLSAllow any-partner\n"
           "    # Denies nobody yet: the error log says would-deny. Take this line away once it says what you expect.\n"
           "    MTLSAuthz LogOnly\n</Location>\n";
}

// FILE:LINE of a partner in any file of the folder of partners; "" if there is none. Two partners of one name are an
// error that stops the server.
std::string place_of(const std::string& partner, const std::string& root) {
    const auto files = expand(root + "/mtls/partners/*.conf");
    for (const std::string& file : files ? files.value() : std::vector<std::string>()) {
        const auto content = read_input(file);
        std::vector<Diagnostic> faults;
        const auto directives =
            content ? read_directives(content.value(), file, faults) : Result<std::vector<Directive>>(Error{});
        if (!directives) continue;
        for (const Directive& d : directives.value()) {
            const auto words = config_words(d.args);
            if (d.is_section && words.size() == 1 && equal_nocase(words.front(), partner)) return d.where.str();
        }
    }
    return {};
}

// A message if the gate file, which existed before, has no gate for this path; otherwise "".
std::string section_missing(const std::string& file, const std::string& path) {
    const auto content = read_input(file);
    const std::string section = "<Location " + config_quote(path) + ">";
    if (!content || content.value().find(section) != std::string::npos) return {};
    return file + " was there already, and has no " + section + ": write that gate yourself";
}

// Whether <Location PATH> covers the paths that begin so: no pattern, nothing that httpd expands, and nothing that no
// path of a request has once it is decoded and its dot segments are removed.
bool is_as_compared(std::string_view path) {
    if (path.find_first_of("*?[#%") != path.npos || path.find("${") != path.npos) return false;
    if (path.find("//") != path.npos) return false;
    const auto segments = split(path, '/');
    return std::none_of(segments.begin(), segments.end(), [](auto part) { return part == "." || part == ".."; });
}

struct FirstPartner {
    std::string name;
    std::string anchor;  // its CA's file: the certificates, as PEM
};

// The certificates alone, for a file that all may read: a private key may stand beside them.
std::string certificates_of(const std::string& file) {
    const auto content = read_input(file);
    if (!content) throw Failed{file + ": " + content.error()};
    const auto certificates = decode_certificates(content.value());
    if (!certificates) throw Failed{file + ": " + certificates.error()};
    return encode_certificates(certificates.value());
}

// Throws if the anchor would refuse the certificate: then nothing is to be made.
FirstPartner read_partner(const InitOptions& options) {
    std::string anchor = certificates_of(options.anchor);
    SuggestOptions suggested;
    suggested.name = options.name;
    suggested.anchors = {fs::absolute(options.anchor)};
    const auto tried = suggestion_for(options.certificate, suggested);
    if (!tried) throw Failed{tried.error()};
    if (!tried.value().objection.empty()) throw Failed{tried.value().objection};
    return {tried.value().name, std::move(anchor)};
}

void make_partner(FirstFiles& files, const FirstPartner& first, const InitOptions& options, const std::string& root) {
    const std::string& partner = first.name;
    const std::string there = place_of(partner, root);
    if (!there.empty()) return files.report(false, there, "the partner " + partner);
    SuggestOptions suggested;
    suggested.name = options.name;
    suggested.anchors = {"mtls/" + partner + "-ca.pem"};
    suggested.root = root;
    files.file(suggested.anchors.front(), first.anchor, "the CA of the partner");
    const auto made = suggestion_for(options.certificate, suggested);
    if (!made) throw Failed{made.error()};
    if (!made.value().objection.empty()) throw Failed{made.value().objection};
    files.file("mtls/partners/" + partner + ".conf", made.value().block, "the partner; look at its MTLSIdentity lines");
}

}  // namespace

int make_first_files(const InitOptions& options) {
    const Layout& layout = layout_of(options.root);
    const std::string root = options.root.empty() ? layout.root : options.root;
    if (options.certificate.empty() != options.anchor.empty())
        return complain("--cert and --anchor go together: a partner's certificate, and the CA that issued it");
    const auto is_plain = [](unsigned char c) {
        return c > ' ' && c != '"' && c != '<' && c != '>' && c != '\\' && c != '\x7f';
    };
    if (!options.path.starts_with('/')) return complain("--path: a path begins with /");
    if (!std::all_of(options.path.begin(), options.path.end(), is_plain))
        return complain("--path: write it without blanks, quotes, backslashes, < and >, and control characters");
    if (!is_as_compared(options.path))
        return complain(
            "--path: write it as httpd compares it, decoded and without a query: no *, ?, [, #, % or ${, and no "
            "segment that is empty, . or ..: such a gate would cover other paths, or none");
    std::error_code failed;
    if (!fs::is_directory(root, failed))
        return complain(root + ": no such folder; --root names the server's ServerRoot");
    // Folders 0755, files 0644: the server's run-time user must be able to read them after an edit.
    umask(S_IWGRP | S_IWOTH);
    FirstFiles files(root, options.json);
    std::string missing;
    try {
        std::optional<FirstPartner> first;
        if (!options.certificate.empty()) first = read_partner(options);
        files.folder("mtls/partners", "one file for each partner");
        files.folder("mtls/revoked", "MTLSRevoke and MTLSSuspend lines: an emergency stop");
        files.folder("mtls/crl", "CRLs");
        files.folder("mtls/expect", "certificates that the policy is tested with");
        files.file("mtls/partners/README.conf", "# One file for each partner: mtls-authz suggest CERT prints it.\n",
                   "an empty policy file");
        files.file("mtls/revoked/README.conf",
                   "# MTLSRevoke and MTLSSuspend lines, in any file that ends with .conf.\n",
                   "an empty revocation file");
        if (first) make_partner(files, *first, options, root);
        files.folder(layout.snippets, "configuration beside sites");
        const std::string gate = std::string(layout.snippets) + "/mtls-partners.conf";
        files.file(gate, gate_at(options.path), "the policy files, and a gate that only logs");
        if (options.path != kFirstPath) missing = section_missing(root + "/" + gate, options.path);
    } catch (const Failed& fault) {
        return complain(fault.why);
    }
    if (!missing.empty()) std::cerr << "mtls-authz: " << missing << "\n";
    if (options.json) return kFine;
    if (!files.made_something()) {
        std::cout << "\nAll of it was there already, and nothing was changed.\n";
        return kFine;
    }
    std::cout << "\nNow:\n"
              << "1. in the virtual host that serves TLS: SSLVerifyClient optional, SSLVerifyDepth 5, MTLSClientCA On\n"
              << "2. " << layout.enable << "\n3. " << layout.reload << "\n"
              << "4. look at the error log, and take MTLSAuthz LogOnly out of the gate\n";
    return kFine;
}

}  // namespace mtls::tool
