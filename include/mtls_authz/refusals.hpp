// What the MTLSRevocationFiles take away: revocations and suspensions that load by themselves, whatever else is wrong.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/file.hpp"
#include "mtls_authz/result.hpp"
#include "mtls_authz/revocation.hpp"

namespace mtls {

// Immutable once shared.
struct Refusals {
    Arena memory;  // what the revocations lie in
    RevocationSet revocations;
    std::map<std::string, Where, std::less<>> suspended;  // by partner's name

    const Where* suspends(std::string_view partner) const {
        const auto found = suspended.find(partner);
        return found == suspended.end() ? nullptr : &found->second;
    }
};

// Looks at the files. What adds a refusal counts at once. What takes one away counts after two looks that saw the same,
// and never because a file is empty, unreadable, holds a line that cannot be read, or is gone from a folder that cannot
// be read, nor while somebody else than its owners could have written it.
class RevocationFiles {
public:
    // `trust` has to outlive this.
    void set_trust(const FileTrust& trust) { trust_ = &trust; }
    void watch(WatchedFiles files) { patterns_.push_back(std::move(files)); }
    bool empty() const { return patterns_.empty(); }

    // One look at everything. What is newly wrong is appended to `findings`, once for each content. Returns whether
    // refusals() changed. Not thread-safe.
    bool look(std::vector<Diagnostic>& findings);

    // Whether something that takes a refusal away was seen once: the next look should come soon.
    bool is_waiting() const;

    // What is in force; never null.
    std::shared_ptr<const Refusals> refusals() const { return refusals_; }
    // The files that were looked at.
    std::vector<std::string> paths() const;

private:
    struct File {
        std::map<std::string, Directive> in_force;  // by the line's text
        std::string awaited;                        // digest of a content that takes lines away, seen once
        std::string reported;                       // digest of the content or fault that was last reported
    };

    bool look_at(const std::string& path, File& file, std::vector<Diagnostic>& findings);
    bool settle(File& file, std::map<std::string, Directive> lines, const std::string& digest);
    void rebuild();

    const FileTrust* trust_ = nullptr;
    std::vector<WatchedFiles> patterns_;
    std::map<std::string, File> files_;
    std::map<std::string, std::string> pattern_faults_;
    std::shared_ptr<const Refusals> refusals_ = std::make_shared<const Refusals>();
};

}  // namespace mtls
