// The sources of a policy: directives of httpd.conf, policy files, and the files that both name. Builds the policy at
// start, and again after a file changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/image.hpp"
#include "mtls_authz/load/disk_files.hpp"
#include "mtls_authz/load/policy_builder.hpp"

namespace mtls {

// The directives of a policy file that refuse, for messages.
constexpr std::string_view kRefusingLines =
    "that refuse (MTLSRevoke, MTLSSuspend, MTLSCRL, MTLSCRLFile, MTLSShortLived)";

// Policy files of `before` that `after` no longer reads, although they contain lines that refuse (PolicyFile::refuses),
// which no other file has; or MTLSSuspend On or stricter CRL rules of a partner that remains without them. `read`: the
// files of `after`.
std::set<std::string> find_vanished_refusals(const Policy& before, const Policy& after,
                                             const std::map<std::string, WrittenFile>& read);

class PolicySource {
public:
    // Borrows `disk`.
    PolicySource(std::string root, DiskFiles& disk) : root_(std::move(root)), disk_(disk) {}

    // Adds one top-level directive and checks it on its own. Returns the errors of its text: those of files that it
    // names are found by build(), since they must not end a server that is restarted.
    std::vector<Diagnostic> add(Directive directive);
    const std::vector<Directive>& directives() const { return directives_; }
    // MTLSPolicyFile.
    void watch(WatchedFiles files) { watched_.push_back(std::move(files)); }

    // From now on, allocates policies in images.
    void share() { is_shared_ = true; }
    // The image of the policy in force, if this object built or followed it.
    const std::shared_ptr<const Image>& image() const { return image_; }

    // Builds a policy from everything added. Null if there are errors, which are in `findings`. After follow() also an
    // error: policy files that look() would miss.
    std::shared_ptr<const Policy> build(std::vector<Diagnostic>& findings);

    // Called with a new policy before it comes into force.
    using Prepare = std::function<void(const std::shared_ptr<const Policy>&)>;

    // Polls all files once. Returns the new policy if two polls in a row saw the same change and its content is valid,
    // else null. Each faulty content is reported once. Not thread-safe.
    std::shared_ptr<const Policy> look(std::vector<Diagnostic>& findings, const Prepare& prepare = {});

    // Adopts a policy that another process built from the current files.
    void follow(std::shared_ptr<const Policy> policy, std::shared_ptr<const Image> image);
    // Forgets the policy in force: any content of the files is then new.
    void invalidate() { follow(nullptr, nullptr); }
    // The policy in force was built from another httpd.conf: the next poll builds one, even if no file of the former
    // has changed.
    void build_anew() { builds_anew_ = true; }
    // Reports once why the database cannot be read.
    void look_at_database(std::vector<Diagnostic>& findings);
    // Lets the next poll report why the database cannot be read, even if that was reported before.
    void report_database_again() { database_faults_.clear(); }

    // Whether a change was seen once: the next poll should follow soon.
    bool is_waiting() const { return draft_ && !draft_->confirmed; }
    // Whether the current files were refused, or the database cannot be read.
    bool is_failing() const { return (draft_ && draft_->confirmed) || disk_.is_database_away(); }
    // A digest that identifies the refused content; only if is_failing().
    std::string failing_content() const;
    // All files that the policy in force was read from.
    std::vector<std::string> paths() const;
    // All files and patterns that the next poll depends on.
    std::vector<std::string> names() const;
    // The revision of the database at the last poll, if its rows are in force.
    std::optional<std::int64_t> revision_in_force() const;

private:
    // file -> hash of its stamp when its digest was last compared and equal. While the stamp is the same, the file need
    // not be read.
    using Stamps = std::map<std::string, std::uint64_t, std::less<>>;
    // A policy built from changed files, not in force until a second poll sees the same files.
    struct Draft {
        std::shared_ptr<const Policy> policy;  // null: refused
        std::shared_ptr<const Image> image;
        std::vector<Diagnostic> findings;
        std::map<std::string, WrittenFile> digests;  // by path or pattern
        Stamps stamps;
        std::shared_ptr<const DatabaseRows> rows;  // last rows that were compared and equal
        bool confirmed = false;  // by a second poll; with a policy: it could not be put in force, and each poll tries
        // Time of the last attempt that failed only for lack of memory for the image.
        std::optional<std::chrono::steady_clock::time_point> out_of_memory_at;
    };
    Draft make_draft(const Policy* reused) const;
    void find_vanished(Draft& draft) const;
    std::shared_ptr<const Policy> put_in_force(Draft& draft);
    bool is_in_force();
    bool holds(const std::string& name, std::size_t limit, std::string_view digest, std::uint64_t& last_stamp);
    bool row_holds(const std::string& name, std::size_t limit, std::string_view digest) const;
    bool is_drafted();
    void report_database(std::vector<Diagnostic>& findings);
    void keep_stamps(Draft& draft) const;

    std::string root_;
    DiskFiles& disk_;
    std::vector<Directive> directives_;
    std::vector<WatchedFiles> watched_;
    std::shared_ptr<const Policy> in_force_;
    std::shared_ptr<const Image> image_;
    bool is_shared_ = false;
    bool builds_anew_ = false;
    std::optional<Draft> draft_;
    Stamps stamps_;                             // of the files in force
    std::shared_ptr<const DatabaseRows> rows_;  // last rows that were compared with the policy in force, and equal
    std::set<std::string> database_faults_;     // reported since the database was last read
};

}  // namespace mtls
