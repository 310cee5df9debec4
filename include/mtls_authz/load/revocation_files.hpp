// The MTLSRevocationFiles: what is read from them, and what it takes to end a refusal.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/image.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/policy/refusals.hpp"

namespace mtls {

// Looks at the files. What adds a refusal counts at once. What takes one away counts after two looks that saw the same
// file, there and whole, without it. Nothing else ends a refusal: not a file that is gone, empty, unreadable, unsafe,
// or holds a line that cannot be read.
class RevocationFiles {
public:
    // From now on what is in force is made in images.
    void share() { is_shared_ = true; }
    // `trust` has to outlive this.
    void set_trust(const FileTrust& trust) { trust_ = &trust; }
    void watch(WatchedFiles files) { patterns_.push_back({std::move(files), {}}); }
    bool empty() const { return patterns_.empty(); }

    // One look at everything. What is newly wrong is appended to `findings`, once for each content. Returns whether
    // refusals() changed. Not thread-safe. What it throws (std::bad_alloc) leaves refusals() as they are, until the
    // next look.
    bool look(std::vector<Diagnostic>& findings);

    // Whether something that takes a refusal away was seen once: the next look should come soon.
    bool is_waiting() const;

    // What is in force; never null.
    std::shared_ptr<const Refusals> refusals() const { return refusals_; }
    // The lines that the last look added to them; once.
    std::vector<Directive> take_added() { return std::exchange(added_, {}); }
    // What the last look found gone, empty or unreadable: files, and patterns whose folder cannot be read.
    const std::vector<std::string>& missing() const { return missing_; }
    // What is wrong with the files that are there, now: lines that do not count, and files that others may write.
    std::vector<Diagnostic> bad_lines() const;
    // The files that were looked at.
    std::vector<std::string> paths() const;
    // And the patterns.
    std::vector<std::string> names() const;

    // That image, where this shares it.
    const std::shared_ptr<const Image>& image() const { return image_; }
    // Takes what another process has made for what the last look brought. The next look goes on from there.
    void take(std::shared_ptr<const Refusals> refusals, std::shared_ptr<const Image> image);

private:
    // What was reported about one source, for as long as that holds.
    struct Report {
        std::string of;  // the fault, or the digest of the content
        std::vector<Diagnostic> said;
    };
    struct Pattern {
        WatchedFiles files;
        Report report;
    };
    struct File {
        std::map<std::string, Directive> in_force;  // by the line's text
        std::string settled;                        // digest of the content that `in_force` is all of
        std::string awaited;                        // digest of a content that takes lines away, seen once
        std::string stamp;  // with which all of it was found to be so; "" where it has to be read
        Report report;
        bool is_there = false;  // not empty, and it could be read
    };

    void report(Report& report, std::string of, std::vector<Diagnostic> faults, std::vector<Diagnostic>& findings);
    void report_gone(const std::vector<std::string>& paths, std::vector<Diagnostic>& findings);
    void look_apart(const std::string& path, File& file, std::vector<Diagnostic>& findings);
    void look_at(const std::string& path, File& file, std::vector<Diagnostic>& findings);
    void settle(File& file, std::map<std::string, Directive> lines, const std::string& digest);
    void rebuild();
    const Refusals* write(Arena& arena) const;

    const FileTrust* trust_ = nullptr;
    std::vector<Pattern> patterns_;
    std::map<std::string, File> files_;
    Report gone_;
    bool is_changed_ = false;  // files_ hold what refusals_ do not yet, or no longer
    std::vector<Directive> added_;
    std::vector<std::string> missing_;
    std::shared_ptr<const Refusals> refusals_ = std::make_shared<const Refusals>();
    bool is_shared_ = false;
    std::shared_ptr<const Image> image_;
};

}  // namespace mtls
