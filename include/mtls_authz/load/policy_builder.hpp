// Builds a policy from directives. One grammar for httpd.conf, policy files and the tool.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/load/disk_files.hpp"
#include "mtls_authz/load/policy_writer.hpp"
#include "mtls_authz/load/refusal_directives.hpp"

namespace mtls {

// Limits of a policy; exceeding one is an error.
constexpr std::size_t kLargestCertificateFile = 16UL << 20;
constexpr std::size_t kLargestPolicyFile = 512UL << 20;
constexpr std::size_t kMostPartners = 1'000'000;
constexpr std::size_t kMostIdentities = 4'000'000;
constexpr std::size_t kMostSelectors = 32;    // per directive
constexpr std::size_t kMostGrants = 1'000;    // paths, per partner, and outside of partners
constexpr std::size_t kMostNetworks = 1'000;  // per partner
constexpr std::size_t kMostExpectations = 10'000;

// The source of a directive: some are allowed only in httpd.conf. kDump: the output of `httpd -t -D DUMP_MTLS_POLICY`,
// which contains the default anchor.
enum class Origin { kServerConfig, kPolicyFile, kDump };

// The file names that match a pattern, or the error, as one text for comparison.
std::string digest_of_names(const Result<std::vector<std::string>>& files);

class PolicyBuilder {
public:
    // `root` (httpd's ServerRoot) is the base of relative paths in directives. Borrows `files`.
    PolicyBuilder(std::string root, DiskFiles& files) : root_(std::move(root)), files_(files) {}

    // Adds one top-level directive: <MTLSPartner>, or one of top_level_directives(). Reads the files that it names.
    // Faults are added to diagnostics().
    void add(const Directive& directive, Origin origin = Origin::kServerConfig);
    // Adds all directives of one policy file, or of the files that match a pattern; each file once. A literal file must
    // exist; a pattern may match none.
    void add_files(const WatchedFiles& files, Origin origin = Origin::kPolicyFile);

    // The policy, or nullptr if there were errors, broken expectations included. The builder must not be used
    // afterwards. With an arena, the policy is allocated in it; throws std::bad_alloc if the arena is full.
    std::shared_ptr<const Policy> build();
    const Policy* build(Arena& arena);

    const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }
    bool has_errors() const;

    // Every file that was read and every pattern that was expanded.
    const std::map<std::string, WrittenFile>& files_read() const { return files_read_; }

    // Reuses the decoded certificates of `previous` for files that have not changed; `previous` must outlive build().
    void reuse(const Policy& previous) { previous_ = &previous; }
    // The names in MTLSSuspend lines outside of partners, whether there is such a partner or not.
    std::vector<std::string> suspended_names() const;
    // From now on reads no file that a directive names, and reports nothing that depends on one.
    void check_text_only() { is_text_only_ = true; }
    // The base of relative paths in directives that are added from now on.
    void set_root(std::string root) { root_ = std::move(root); }
    std::string absolute(const std::string& file) const {
        return file.starts_with('/') || is_database_name(file) ? file : root_ + "/" + file;
    }

    // The directives that the builder supports, at the top level and inside of a partner.
    static std::vector<std::string_view> top_level_directives();
    static std::vector<std::string_view> partner_directives();

private:
    struct Handler;
    static const Handler kHandlers[];
    static const Handler* find_handler(std::string_view name);

    void error(const Where& where, std::string message);
    void warning(const Where& where, std::string message);

    // Where the directive, which stands once in a partner or outside, was given before; "" for the first one. `name`:
    // of several that have one each.
    std::string earlier_place(const Directive& d, bool in_partner, const std::string& name = {});
    bool is_second(const Directive& d, bool in_partner);  // reports it

    void begin_partner(const Directive& section);
    void identity(const Directive& d, WrittenPartner& partner);
    void trust_anchor(const Directive& d, WrittenPartner* partner);
    bool read_bundle(const Directive& d, WrittenAnchor& anchor);
    std::optional<std::uint64_t> sequence_in_force(const WrittenAnchor& anchor);
    void intermediate(const Directive& d, WrittenPartner& partner);
    void group(const Directive& d, WrittenPartner& partner);
    void valid(const Directive& d, WrittenPartner& partner);
    void purpose(const Directive& d, WrittenPartner& partner);
    void network(const Directive& d, WrittenPartner& partner);
    void attribute(const Directive& d, WrittenPartner& partner);
    void suspend(const Directive& d, WrittenPartner* partner);
    void revoke(const Directive& d, WrittenPartner* partner);
    void note_refusal(const Directive& d);
    void crl_presence(const Directive& d, WrittenPartner* partner);
    void crl_stale(const Directive& d, WrittenPartner* partner);
    void crl_file(const Directive& d, WrittenPartner* partner);
    void short_lived(const Directive& d, WrittenPartner* partner);
    void contact(const Directive& d, WrittenPartner& partner);
    void grant(const Directive& d, WrittenPartner* partner);
    void front(const Directive& d, WrittenPartner& partner);
    void expect(const Directive& d, WrittenPartner* partner);

    bool read_selectors(const Directive& d, const std::vector<std::string>& words, WrittenConditions& out);
    std::optional<std::string> read_content(const Directive& d, const std::string& file, std::size_t limit);
    bool read_file(const Directive& d, const std::string& file, CertificateFile& out);
    CertificateFile keep_certificates(const Directive& d, const std::string& file,
                                      const std::vector<ReadCertificate>& read);
    void finish_partner(WrittenPartner& partner);
    void check_public_anchors(const WrittenPartner& partner, const Identity& any);
    void warn_of_purpose(const WrittenPartner& partner);
    void check_name_is_once(const std::string& path, bool is_row);
    void check_anchor_reference(const WrittenPartner& partner, const Identity& identity);
    void check_bundles(const WrittenPartner& partner);
    void check_trust_domains(const WrittenPartner& partner, std::string_view anchor, const Where& where,
                             const std::string& what, const Conditions& selectors);
    void warn_of_related_anchors();
    void check_expectations(const Policy& policy);

    std::string root_;
    DiskFiles& files_;
    bool is_text_only_ = false;
    std::vector<Diagnostic> diagnostics_;
    WrittenPolicy written_;
    std::map<std::string, Where> defined_at_;  // lower-cased name -> where it was defined
    // Directives that stand once: those outside of partners, and in the current one.
    std::map<std::string, Where> given_, given_in_partner_;
    std::map<const WrittenPartner*, std::shared_ptr<WrittenAnchorSet>> own_anchors_;
    std::shared_ptr<WrittenAnchorSet> default_anchors_;
    std::vector<std::pair<WrittenSuspension, Where>> suspended_;
    std::map<std::string, WrittenFile> files_read_;
    std::map<std::string, std::string> policy_files_;                   // name without folders -> path
    Arena arena_;                                                       // certificates that were read
    const Policy* previous_ = nullptr;                                  // the previous policy
    std::unordered_map<std::string, CertificateFile> certificates_at_;  // by path
    std::map<std::string, WrittenAnchor> bundles_;                      // content of each bundle, by path
    // From the previous policy: the highest sequence number per trust domain, and per file of a trust domain.
    using Sequences = std::map<std::pair<std::string, std::string>, std::optional<std::uint64_t>>;
    std::optional<Sequences> sequences_;
};

}  // namespace mtls
