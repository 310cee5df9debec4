// Where a policy comes from: directives of httpd.conf, policy files, and the files that both name. Builds it at start,
// and again when a file changed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/file.hpp"
#include "mtls_authz/policy_builder.hpp"

namespace mtls {

// The contents of all files that a policy was built from, as one string and back: what a process that starts while they
// are broken needs, to decide as its siblings do.
class FileRecord : public FileSource {
public:
    Result<std::string> read(const std::string& path, std::size_t limit) override;
    Result<std::vector<std::string>> files_of(const std::string& pattern) override;

    void keep(const std::string& path, std::string content) { contents_[path] = std::move(content); }
    void keep(const std::string& pattern, std::vector<std::string> files) { files_[pattern] = std::move(files); }

    std::string encode() const;
    // About how long that would be.
    std::size_t size() const;
    // Nothing where the text is not one that encode() made.
    static std::optional<FileRecord> decode(std::string_view text);

private:
    std::map<std::string, std::string> contents_;
    std::map<std::string, std::vector<std::string>> files_;
};

class PolicySource {
public:
    // Borrows `disk`.
    PolicySource(std::string root, DiskFiles& disk) : root_(std::move(root)), disk_(disk) {}

    // One directive of the top level; what is wrong with it alone is found now. Returns its errors, joined, or "".
    std::string add(Directive directive);
    // MTLSPolicyFile.
    void watch(WatchedFiles files) { watched_.push_back(std::move(files)); }

    // Builds from everything added. Null where something is wrong; `findings` has what.
    std::shared_ptr<const Policy> build(std::vector<Diagnostic>& findings);

    // One look at all files. Where two looks in a row saw the same change, and what they hold is good, the new policy;
    // otherwise null. What is wrong is reported once for each content. Not thread-safe.
    std::shared_ptr<const Policy> look(std::vector<Diagnostic>& findings);

    // What the policy in force was built from; only after look() returned it, and once.
    std::string take_record();
    // About the size of the record of what build() built.
    std::size_t record_size() const { return record_size_; }
    // The policy that another process built from what it recorded; null where that is damaged.
    std::shared_ptr<const Policy> restore(std::string_view record);
    // Nothing is in force any more: whatever the files hold is new.
    void invalidate();

    // Whether a change was seen once: the next look should come soon.
    bool is_waiting() const { return draft_ && !draft_->settled; }
    // Whether the files as they are now were refused.
    bool is_failing() const { return draft_ && draft_->settled; }
    // What tells their content from any other that was refused; only where is_failing().
    std::string failing_content() const;
    // All files that the policy in force was read from.
    std::vector<std::string> paths() const;

private:
    struct Digest {
        std::string text;       // SHA-256 of the content, or why it could not be read; of a pattern, the names
        std::size_t limit = 0;  // of its size
    };
    using Digests = std::map<std::string, Digest>;  // by path or pattern

    // A policy as the files would have it, until a second look agrees.
    struct Draft {
        std::shared_ptr<const Policy> policy;  // null: refused
        std::vector<Diagnostic> findings;
        Digests digests;
        std::map<std::string, std::size_t> counts;  // files by pattern
        FileRecord record;
        CertificateFiles certificates;
        bool settled = false;
    };
    Draft make_draft(FileSource& files) const;
    void adopt(Draft& draft);
    Digests scan();
    std::string digest_of(const std::string& path, std::size_t limit);
    static bool agree(const Digests& known, const Digests& seen);

    std::string root_;
    DiskFiles& disk_;
    std::vector<Directive> directives_;
    std::vector<WatchedFiles> watched_;
    Digests in_force_;
    std::map<std::string, std::size_t> counts_;  // files by pattern, in force
    std::optional<Draft> draft_;
    CertificateFiles certificates_;  // of the policy in force
    FileRecord record_;
    std::size_t record_size_ = 0;
    struct Stamped {
        std::string stamp;
        std::string digest;
    };
    std::map<std::string, Stamped> stamps_;  // what needs no reading while it looks the same
};

}  // namespace mtls
