// What the module's core says, in the words of the plain rules.
#pragma once

#include <memory>
#include <string>

#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "plain.hpp"

namespace answers {

// Null where it has errors, which are printed. Files are below `folder`.
std::shared_ptr<const mtls::Policy> read_policy(const std::string& text, const std::string& folder);

// As for a connection, and for one request on it.
mtls::Identification identify(const mtls::Policy& policy, const mtls::PresentedCertificate& certificate,
                              std::int64_t now);
plain::Answer decide(const mtls::Identification& who, const plain::Gate& gate, const plain::Request& request);

}  // namespace answers
