// Polls the MTLSRevocationFiles, and decides when a refusal begins and ends.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/image.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/load/database_view.hpp"
#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/policy/refusals.hpp"

namespace mtls {

// An added refusal is in force at once. A removed refusal ends after two polls that read the same complete file without
// it. Nothing else ends a refusal: not a file that is missing, empty, unreadable or unsafe, or that has an invalid
// line.
class RevocationFiles {
public:
    // From now on, writes the refusals in force to an image.
    void share() { is_shared_ = true; }
    // `trust` must outlive this object.
    void set_trust(const FileTrust& trust) { trust_ = &trust; }
    // Sets the database whose rows the pattern kAllRows matches; it must outlive this object.
    void set_database(const DatabaseView& database) { database_ = &database; }
    void watch(WatchedFiles files) { patterns_.push_back({std::move(files)}); }

    // Polls all files once. Appends new faults to `findings`, once per content. Returns whether refusals() changed. Not
    // thread-safe. If it throws (std::bad_alloc), refusals() is unchanged, and the next poll tries again.
    bool look(std::vector<Diagnostic>& findings);

    // Whether the removal of a refusal was seen once: the next poll should follow soon.
    bool is_waiting() const;

    // The refusals in force; never null.
    std::shared_ptr<const Refusals> refusals() const { return refusals_; }
    // The lines that the last poll added; moved out.
    std::vector<Directive> take_added() { return std::exchange(added_, {}); }
    // The lines that it took away; moved out.
    std::vector<Directive> take_ended() { return std::exchange(ended_, {}); }
    // Sources that the last poll found missing, empty or unreadable: files, and patterns whose folder cannot be read.
    const std::vector<std::string>& missing() const { return missing_; }
    // Current faults of the files that exist: invalid lines, and files that others may write.
    std::vector<Diagnostic> bad_lines() const;
    // The files that were polled.
    std::vector<std::string> paths() const;
    // The files and the patterns.
    std::vector<std::string> names() const;

    // The image, after share().
    const std::shared_ptr<const Image>& image() const { return image_; }
    // Replaces the refusals by those that another process wrote from its last poll. The next poll starts from them.
    void take(std::shared_ptr<const Refusals> refusals, std::shared_ptr<const Image> image);
    // Ends the lines of files that no pattern names any more: the next look() rebuilds.
    void end_unnamed();
    // Lets the next poll report again what it finds.
    void report_again();

private:
    // The last report about one source; not repeated while it applies.
    struct Report {
        std::string cause;  // the fault, or the digest of the content
        std::vector<Diagnostic> diagnostics;
    };
    struct Pattern {
        WatchedFiles files;
        Report report = {};
        bool was_seen = false;  // warn_of_empty() was asked
    };
    struct File {
        std::map<std::string, Directive> in_force;  // by the line's text
        std::string complete_digest;                // digest of the content that equals `in_force`
        std::string removal_digest;                 // digest of a content that removes lines, seen once
        std::string stamp;  // stamp of the file when it was last read completely; "": read it again
        Report report;
        bool is_there = false;  // readable and not empty
    };

    void report(Report& report, std::string cause, std::vector<Diagnostic> faults, std::vector<Diagnostic>& findings);
    bool has_files_of(const std::string& pattern) const;
    // The place of the directive that names this very file, to be added to a message; "" if it is found by a pattern.
    std::string naming_line(const std::string& path) const;
    void report_gone(const std::vector<std::string>& paths, std::vector<Diagnostic>& findings);
    void poll_guarded(const std::string& path, File& file, std::vector<Diagnostic>& findings);
    void poll_file(const std::string& path, File& file, std::vector<Diagnostic>& findings);
    void poll_row(const std::string& name, File& file, std::vector<Diagnostic>& findings);
    bool apply_content(const std::string& path, File& file, const std::string& content, const std::string& digest,
                       std::vector<Diagnostic> faults, std::vector<Diagnostic>& findings);
    void keep_all(const std::string& path, File& file, const std::string& fault, std::vector<Diagnostic>& findings);
    void apply(File& file, std::map<std::string, Directive> lines, const std::string& digest);
    void rebuild();
    const Refusals* write(Arena& arena) const;

    const FileTrust* trust_ = nullptr;
    const DatabaseView* database_ = nullptr;
    DatabaseSight sight_;  // of this poll
    std::vector<Pattern> patterns_;
    std::map<std::string, File> files_;
    Report gone_;
    bool is_changed_ = false;  // files_ differ from refusals_
    std::vector<Directive> added_, ended_;
    std::vector<std::string> missing_;
    std::shared_ptr<const Refusals> refusals_ = std::make_shared<const Refusals>();
    bool is_shared_ = false;
    std::shared_ptr<const Image> image_;
};

}  // namespace mtls
