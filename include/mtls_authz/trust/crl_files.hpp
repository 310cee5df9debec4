// Looks at the MTLSCRLFiles, and keeps the lists that are in force.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/image.hpp"
#include "mtls_authz/trust/crl.hpp"

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

    // From now on what is in force is made in images.
    void share() { is_shared_ = true; }
    // That image, where this shares it.
    const std::shared_ptr<const Image>& image() const { return image_; }
    // Takes what another process has made for what the last look brought. The next look goes on from there.
    void take(const std::shared_ptr<const CrlRecords>& records, std::shared_ptr<const Image> image,
              const CasByName& known);
    // The files that were looked at.
    std::vector<std::string> paths() const;
    // And the patterns.
    std::vector<std::string> names() const;

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
        std::vector<std::shared_ptr<const Crl>> lists;  // read from it, as far as they are in force
        std::map<std::string, std::string> unusable;    // issuers of lists in it that cannot be used, and why
    };
    bool look_apart(const std::string& path, File& file, const CasByName& known, CrlSet& into,
                    std::vector<Diagnostic>& findings);
    bool look_at(const std::string& path, File& file, const CasByName& known, CrlSet& into,
                 std::vector<Diagnostic>& findings);
    void mark_unusable(CrlSet& set) const;
    void settle(std::shared_ptr<CrlSet> next);
    const CrlRecords* write(Arena& arena) const;
    void bind(const std::shared_ptr<const CrlRecords>& records);

    const FileTrust* trust_;
    std::vector<Pattern> patterns_;
    std::map<std::string, File> files_;
    std::shared_ptr<const CrlSet> crls_ = std::make_shared<const CrlSet>();
    bool is_shared_ = false;
    bool is_settled_ = true;  // image_ has all that crls_ has
    std::shared_ptr<const Image> image_;
};

}  // namespace mtls
