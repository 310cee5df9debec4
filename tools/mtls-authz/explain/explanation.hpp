// The decision about one certificate, with its steps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

// For policies with fronts: the answer is for a client that connects directly.
constexpr const char* kFrontsNotAsked =
    "whether a front hands the certificate on, and is accepted there (MTLSAcceptFront)";

// An entry of "not asked" if the path has a query or percent-encoding, as in a request line; otherwise "".
std::string other_spelling_of(std::string_view path);

// The partner that CAs of mod_ssl may identify a refused certificate as, where none were at hand; null if there is
// none.
const Partner* partner_by_unseen_cas(const Identification& who);

// "acme (p.conf:3) nearly fits: CN:api does not, the certificate has ..."
std::string describe(const NearMiss& miss);

struct Explanation {
    Reason reason = Reason::kInternalError;
    std::string detail;
    Identification who;
    std::vector<std::string> steps;  // the results of each step, in order
    std::vector<std::string> hints;  // changes that would lead to a grant
    std::string at;                  // the time that was asked for, if it is not now
};

// Decides as the module does behind `MTLSAllow by-grant`; with an empty path, identifies only. `from`: the client's
// address; empty: skip MTLSNetwork. `who` borrows from `policy`.
Explanation explain_request(const Policy& policy, const PresentedCertificate& certificate,
                            const IdentifyContext& context, const std::string& method, const std::string& path,
                            const std::string& from);

}  // namespace mtls::tool
