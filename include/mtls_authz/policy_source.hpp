// Where a policy comes from: directives, and the files that they name. Builds it at start, and again when a file
// changed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mtls_authz/policy_builder.hpp"

namespace mtls {

class PolicySource {
public:
    explicit PolicySource(std::string root) : root_(std::move(root)) {}

    // One directive of the top level; what is wrong with it alone is found now. Returns its errors, joined, or "".
    std::string add(Directive directive);

    // Builds from everything added. Null where something is wrong; `findings` has what.
    std::shared_ptr<const Policy> build(std::vector<Diagnostic>& findings);

    // One look at the files that the policy names. Where two looks in a row saw the same change, and what they hold is
    // good, the new policy; otherwise null. What is wrong is reported once for each content. Not thread-safe.
    std::shared_ptr<const Policy> look(std::vector<Diagnostic>& findings);

    // Whether a change was seen once: the next look should come soon.
    bool is_waiting() const { return !awaited_.empty(); }

private:
    struct File {
        std::string stamp;   // of the last look that read it
        std::string digest;  // of its content, or the fault, then
    };
    std::string fingerprint();

    std::string root_;
    std::vector<Directive> directives_;
    std::map<std::string, File> files_;
    std::string in_force_;  // fingerprint of the files of the policy in force
    std::string awaited_;   // one that was seen once
    std::string refused_;   // one that was built from and found wrong
};

}  // namespace mtls
