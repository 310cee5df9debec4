// Turns directives into a policy. One grammar for httpd.conf, policy files and the tool.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mtls_authz/directive.hpp"
#include "mtls_authz/file.hpp"
#include "mtls_authz/policy.hpp"

namespace mtls {

// Limits of a policy; what is beyond them is an error.
constexpr std::size_t kLargestCertificateFile = 16UL << 20;
constexpr std::size_t kLargestPolicyFile = 512UL << 20;
constexpr std::size_t kMostPartners = 1'000'000;
constexpr std::size_t kMostIdentities = 4'000'000;
constexpr std::size_t kMostSelectors = 32;  // on one line
constexpr std::size_t kMostGrants = 1'000;  // paths of one partner, or of every partner
constexpr std::size_t kMostExpectations = 10'000;

// Where a directive was written: some belong into httpd.conf alone. The tool reads what the server prints, too, which
// holds the default anchor.
enum class Origin { kServerConfig, kPolicyFile, kTool };

// Whether a name can be a partner's or a group's: [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
bool is_valid_name(std::string_view name);

// The names of `MTLSSuspend NAME... [note=TEXT]`, as it stands outside of a partner.
Result<std::vector<std::string>> read_suspension(const Directive& directive);

class PolicyBuilder {
public:
    // Relative paths in directives are under `root` (httpd's ServerRoot). Borrows `files`.
    PolicyBuilder(std::string root, FileSource& files) : root_(std::move(root)), files_(files) {}

    // Takes one directive of the top level: <MTLSPartner>, or one of top_level_directives(). Files that it names are
    // read now. What is wrong goes to diagnostics().
    void add(const Directive& directive, Origin origin = Origin::kServerConfig);
    // Takes all directives of one policy file, or of the files that a pattern names; each file once. A literal file has
    // to be there; a pattern may name none.
    void add_files(const WatchedFiles& files, Origin origin = Origin::kPolicyFile);

    // The policy, or nullptr where an error was found, a broken expectation included. The builder is spent afterwards.
    std::unique_ptr<const Policy> build();

    const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }
    bool has_errors() const;

    struct FileRead {
        std::string digest;  // SHA-256 of what it held, or why it could not be read
        std::size_t limit;   // of its size
    };
    const std::map<std::string, FileRead>& files_read() const { return files_read_; }

    // What an earlier builder has decoded, to be used again. And what this one has used.
    void reuse(CertificateFiles known) { known_certificates_ = std::move(known); }
    CertificateFiles take_certificates() { return std::move(certificates_); }
    // The patterns that were expanded, with the files found, or why none could be.
    const std::map<std::string, Result<std::vector<std::string>>>& patterns_read() const { return patterns_read_; }
    std::string absolute(const std::string& file) const { return file.starts_with('/') ? file : root_ + "/" + file; }

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
    void crl_file(const Directive& d, Partner* partner);
    void grant(const Directive& d, Partner* partner);
    void expect(const Directive& d, Partner* partner);

    bool read_selectors(const Directive& d, const std::vector<std::string>& words, std::vector<Selector>& out);
    std::optional<std::string> read_content(const Directive& d, const std::string& file, std::size_t limit);
    bool read_file(const Directive& d, const std::string& file, CertificateFile& out);
    void finish_partner(Partner& partner);
    void check_anchor_reference(const Partner& partner, const Identity& identity);
    void warn_of_anchors_below_others();
    void check_expectations(const Policy& policy);

    std::string root_;
    FileSource& files_;
    std::vector<Diagnostic> diagnostics_;
    std::vector<std::unique_ptr<Partner>> partners_;
    std::map<std::string, Where> places_;  // lower-cased name -> where it was defined
    std::map<const Partner*, std::shared_ptr<AnchorSet>> own_anchors_;
    std::shared_ptr<AnchorSet> default_anchors_;
    std::size_t identities_ = 0;                   // of partners_
    SelectorIndex index_{Repeats::kMustBeSingle};  // of all identities, in file order
    std::vector<std::pair<std::string, Where>> suspended_;
    RevocationSet revocations_;
    CrlRules crl_rules_;
    std::vector<Grant> grants_;
    std::vector<Expectation> expectations_;
    std::vector<WatchedFiles> crl_files_;
    std::map<std::string, FileRead> files_read_;
    CertificateFiles known_certificates_;                               // that an earlier one named
    CertificateFiles certificates_;                                     // that this policy names
    std::unordered_map<std::string, CertificateFile> certificates_at_;  // by path
    std::map<std::string, Result<std::vector<std::string>>> patterns_read_;
};

}  // namespace mtls
