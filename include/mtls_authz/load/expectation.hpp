// Expectations: executable statements about certificates in the policy, checked at every load.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls {

class Policy;

// One MTLSExpect directive. It covers identity and grants; dates, revocation and suspension are ignored, so that time
// and emergencies break no policy.
struct Expectation {
    enum class Kind { kIs, kIsRefused, kIsGranted, kIsNotGranted };
    Kind kind = Kind::kIs;
    std::string file;              // as written: a certificate, optionally with its intermediates
    std::string partner;           // for kIs
    std::optional<Reason> reason;  // for kIsRefused
    std::string method, path;      // for kIsGranted and kIsNotGranted
    std::string from;              // for the same: the client's address; empty: any
    Where where;
    std::shared_ptr<const PresentedCertificate> certificate;

    // Parses the directive without reading the certificate: CERT is NAME, is-refused [REASON], is-granted METHOD PATH
    // [from ADDRESS], is-not-granted METHOD PATH [from ADDRESS].
    static Result<Expectation> parse(const Directive& directive);
    std::string text() const;
};

enum class ExpectationState { kHolds, kBroken, kUndecidable };
struct ExpectationAnswer {
    ExpectationState state = ExpectationState::kHolds;
    std::string message;  // what was expected, the actual result, and why; empty if it holds
};
// `server`: mod_ssl's CAs; null: results that depend on them are undecidable.
ExpectationAnswer check_expectation(const Expectation& expectation, const Policy& policy, const ServerCas* server);

// The first certificate of a PEM file, with the others as helpers that its client would send.
Result<std::shared_ptr<const PresentedCertificate>> read_presented(const std::string& pem, const std::string& file);

}  // namespace mtls
