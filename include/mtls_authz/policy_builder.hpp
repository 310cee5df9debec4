// Turns directives into a policy. One grammar for httpd.conf, policy files and the tool.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/directive.hpp"
#include "mtls_authz/policy.hpp"

namespace mtls {

constexpr std::size_t kLargestCertificateFile = 16UL << 20;

// Whether a name can be a partner's or a group's: [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
bool is_valid_name(std::string_view name);

// The names of `MTLSSuspend NAME... [note=TEXT]`, as it stands outside of a partner.
Result<std::vector<std::string>> read_suspension(const Directive& directive);

class PolicyBuilder {
public:
    // Relative paths in directives are under `root` (httpd's ServerRoot).
    explicit PolicyBuilder(std::string root) : root_(std::move(root)) {}

    // Takes one directive of the top level: <MTLSPartner>, or MTLSTrustAnchor, MTLSSuspend and MTLSRevoke outside of
    // one. Files that it names are read now. What is wrong goes to diagnostics().
    void add(const Directive& directive);

    // The policy, or nullptr where an error was found. The builder is spent afterwards.
    std::unique_ptr<const Policy> build();

    const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }
    bool has_errors() const;

    // The files that were read so far, with the SHA-256 of what they held.
    const std::map<std::string, std::string>& files_read() const { return files_read_; }

    // The directives that it reads, at the top level and inside a partner.
    static std::vector<std::string_view> top_level_directives();
    static std::vector<std::string_view> partner_directives();

private:
    struct Handler;
    static const Handler kHandlers[];
    static const Handler* find_handler(std::string_view name);

    void error(const Where& where, std::string message);
    void warning(const Where& where, std::string message);

    void begin_partner(const Directive& section);
    void identity(const Directive& d, Partner& partner);
    void trust_anchor(const Directive& d, Partner* partner);
    void intermediate(const Directive& d, Partner& partner);
    void group(const Directive& d, Partner& partner);
    void valid(const Directive& d, Partner& partner);
    void attribute(const Directive& d, Partner& partner);
    void suspend(const Directive& d, Partner* partner);
    void revoke(const Directive& d, Partner* partner);
    void crl_presence(const Directive& d, Partner* partner);
    void crl_stale(const Directive& d, Partner* partner);

    bool read_selectors(const Directive& d, const std::vector<std::string>& words, std::vector<Selector>& out);
    bool read_file(const Directive& d, const std::string& file, std::vector<AnchorCertificate>& out);
    void finish_partner(Partner& partner);
    void check_anchor_reference(const Partner& partner, const Identity& identity);
    void warn_of_anchors_below_others();

    std::string root_;
    std::vector<Diagnostic> diagnostics_;
    std::vector<std::unique_ptr<Partner>> partners_;
    std::map<std::string, Where> places_;  // lower-cased name -> where it was defined
    std::map<const Partner*, std::shared_ptr<AnchorSet>> own_anchors_;
    std::shared_ptr<AnchorSet> default_anchors_;
    std::vector<std::pair<std::string, Where>> suspended_;
    RevocationSet revocations_;
    CrlRules crl_rules_;
    std::map<std::string, std::string> files_read_;
};

}  // namespace mtls
