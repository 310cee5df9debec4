// Looks at the MTLSCRLFiles, and keeps the lists that are in force.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/crl.hpp"
#include "mtls_authz/file.hpp"

namespace mtls {

// A file that is broken, empty, unsafe or gone leaves in force what was read before.
class CrlFiles {
public:
    // `trust` (may be null) has to outlive this.
    explicit CrlFiles(const FileTrust* trust = nullptr) : trust_(trust) {}
    void set_trust(const FileTrust& trust) { trust_ = &trust; }

    // What to look at from now on. Lists that were read through a pattern that is no longer there go. Returns whether
    // crls() changed.
    bool watch(const std::vector<WatchedFiles>& patterns, const CasByName& known);
    bool empty() const { return patterns_.empty(); }

    // One look; as RevocationFiles::look(). `known`: to verify with at once. `anchors`: of each key apart.
    bool look(const CasByName& known, const CasByName& anchors, std::vector<Diagnostic>& findings);
    std::shared_ptr<const CrlSet> crls() const { return crls_; }
    // After a look: adds to `shared`, what processes of one server write of the lists that they have in force, those of
    // this one; drops those that were replaced. Of the others, crls() expects what its patterns would have found.
    // `shared` has to be read before the look, or it may know of a file that came after. Returns whether crls()
    // changed.
    bool merge(std::string& shared, std::vector<Diagnostic>& findings);
    // The files that were looked at.
    std::vector<std::string> paths() const;

private:
    struct Pattern {
        WatchedFiles files;
        std::string fault;  // last reported
    };
    struct File {
        std::string pattern;                            // through which it was found
        std::string stamp;                              // of the last look that read it
        std::string digest;                             // of its content, or the fault, then
        std::string thrown;                             // at the last look; empty: nothing
        bool is_whole = false;                          // it held lists then, and nothing that cannot be read
        std::vector<std::shared_ptr<const Crl>> lists;  // read from it, as far as they are in force
        std::map<std::string, std::string> unusable;    // issuers of lists in it that cannot be used, and why
    };
    struct Shared;
    static std::map<std::string, Shared> read_shared(std::string_view text);
    static std::string write_shared(const std::map<std::string, Shared>& lists);
    bool is_missing(const Shared& list) const;
    bool look_apart(const std::string& path, File& file, const CasByName& known, CrlSet& into,
                    std::vector<Diagnostic>& findings);
    bool look_at(const std::string& path, File& file, const CasByName& known, CrlSet& into,
                 std::vector<Diagnostic>& findings);
    void mark_unusable(CrlSet& set) const;

    const FileTrust* trust_;
    std::vector<Pattern> patterns_;
    std::map<std::string, File> files_;
    std::shared_ptr<const CrlSet> crls_ = std::make_shared<const CrlSet>();
    std::set<std::string> missing_;  // digests of the lists that crls_ expects
};

}  // namespace mtls
