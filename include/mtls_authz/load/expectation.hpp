// Expectations: what a policy says about a certificate, written down beside it and checked whenever it is loaded.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

class Policy;

// One MTLSExpect line. It speaks of identity and grants; dates, revocation and suspension are left out, so that time
// and emergencies break nothing.
struct Expectation {
    enum class Kind { kIs, kIsRefused, kIsGranted, kIsNotGranted };
    Kind kind = Kind::kIs;
    std::string file;              // as written: a certificate, perhaps with its intermediates
    std::string partner;           // of kIs
    std::optional<Reason> reason;  // of kIsRefused
    std::string method, path;      // of kIsGranted and kIsNotGranted
    std::string from;              // of these, the client's address; empty: from anywhere
    Where where;
    std::shared_ptr<const PresentedCertificate> certificate;

    // Without the certificate: CERT is NAME, is-refused [REASON], is-granted METHOD PATH [from ADDRESS],
    // is-not-granted METHOD PATH [from ADDRESS].
    static Result<Expectation> parse(const Directive& directive);
    std::string text() const;
};

enum class ExpectationState { kHolds, kBroken, kUndecidable };
struct ExpectationAnswer {
    ExpectationState state = ExpectationState::kHolds;
    std::string message;  // what was expected, what would have happened, and why; unless it holds
};
// `server`: what mod_ssl trusts; without it, what depends on that is undecidable.
ExpectationAnswer check_expectation(const Expectation& expectation, const Policy& policy, const ServerCas* server);

// The certificate at the beginning of a PEM file, with the others as what its client would send.
Result<std::shared_ptr<const PresentedCertificate>> read_presented(const std::string& pem, const std::string& file);

}  // namespace mtls
