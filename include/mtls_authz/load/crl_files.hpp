// Polls the files of MTLSCRLFile, and keeps the lists that are in force.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/image.hpp"
#include "mtls_authz/load/database_view.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls {

// A file that becomes broken, empty, unsafe or missing leaves the lists in force that were read from it before.
class CrlFiles {
public:
    // `trust` (may be null) must outlive this object.
    explicit CrlFiles(const FileTrust* trust = nullptr) : trust_(trust) {}
    void set_trust(const FileTrust& trust) { trust_ = &trust; }
    // Sets the database whose rows `db:NAME` names; it must outlive this object.
    void set_database(const DatabaseView& database) { database_ = &database; }

    // Sets the patterns to poll. Drops the lists of files that no pattern names any more. Returns whether crls()
    // changed.
    bool watch(const std::vector<WatchedFiles>& patterns, const CasByName& cas);

    // Polls once, like RevocationFiles::look(). Verifies new lists with the CAs of `cas`; warns of find_gap().
    bool look(const CasByName& cas, const CasByName& anchors, std::vector<Diagnostic>& findings);
    std::shared_ptr<const CrlSet> crls() const { return crls_; }
    // Files that the last poll did not find or could not read, and whose lists are still in force.
    const std::vector<std::string>& missing() const { return missing_; }

    // From now on, writes the lists in force to an image.
    void share() { is_shared_ = true; }
    // The image, after share().
    const std::shared_ptr<const Image>& image() const { return image_; }
    // Replaces the lists by those that another process wrote from its last poll. The next poll starts from them.
    void take(const std::shared_ptr<const CrlRecords>& records, std::shared_ptr<const Image> image,
              const CasByName& cas);
    // Lets the next poll report again what it finds.
    void report_again();
    // The files that were polled.
    std::vector<std::string> paths() const;
    // The files and the patterns.
    std::vector<std::string> names() const;

private:
    struct Pattern {
        WatchedFiles files;
        std::string fault = {};  // reported last
        bool was_seen = false;   // warn_of_empty() was asked
    };
    struct File {
        std::string stamp;                              // stamp at the last read
        std::string digest;                             // of its content at the last read, or the error
        std::string exception;                          // exception of the last poll; empty: none
        std::vector<std::shared_ptr<const Crl>> lists;  // read from it and in force
        std::map<std::string, std::string> unusable;    // issuer of an unusable list in it -> why
        bool is_there = false;                          // the last poll could read it
        std::set<std::string> digests;                  // of all lists in it at the last read
    };
    bool poll_guarded(const std::string& path, File& file, const CasByName& cas, CrlSet& into,
                      std::vector<Diagnostic>& findings);
    bool poll_file(const std::string& path, File& file, const CasByName& cas, CrlSet& into,
                   std::vector<Diagnostic>& findings);
    void note_missing(const std::set<std::string>& present, const CrlSet& next, std::vector<Diagnostic>& findings);
    bool is_elsewhere(const Crl& list, const File& file) const;
    bool has_lists_of(const std::string& pattern) const;
    void warn_of_end(const std::string& path, const CrlSet& next, std::vector<Diagnostic>& findings);
    void mark_unusable(CrlSet& set) const;
    void put_in_force(std::shared_ptr<CrlSet> next);
    void read_again();
    const CrlRecords* write(Arena& arena) const;
    void bind(const std::shared_ptr<const CrlRecords>& records);

    const FileTrust* trust_;
    const DatabaseView* database_ = nullptr;
    DatabaseSight sight_{nullptr, "there is no MTLSPolicyDatabase"};  // of this poll
    std::vector<Pattern> patterns_;
    std::map<std::string, File> files_;
    std::vector<std::string> missing_;
    std::set<std::string> reported_gone_;
    std::set<std::string> reported_ends_;  // digests of the lists that warn_of_end() has reported
    std::shared_ptr<const CrlSet> crls_ = std::make_shared<const CrlSet>();
    bool is_shared_ = false;
    bool is_image_current_ = true;  // image_ contains everything in crls_
    std::shared_ptr<const Image> image_;
};

}  // namespace mtls
