// The decision about one certificate, with the steps that led to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

// Of a policy with fronts: the answer is that for a client which connects by itself.
constexpr const char* kFrontsNotAsked =
    "whether a front hands the certificate on, and is accepted there (MTLSAcceptFront)";

struct Explanation {
    Reason reason = Reason::kInternalError;
    std::string detail;
    Identification who;
    std::vector<std::string> steps;  // what was found, in order
    std::vector<std::string> hints;  // what would have to change
};

// As the module decides behind `MTLSAllow by-grant`; with an empty path, only who it is. `from`: the client's address,
// or empty: then networks are left out. `who` borrows from `policy`.
Explanation explain_request(const Policy& policy, const PresentedCertificate& certificate,
                            const IdentifyContext& context, const std::string& method, const std::string& path,
                            const std::string& from);

}  // namespace mtls::tool
