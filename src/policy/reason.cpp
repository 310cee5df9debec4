#include "mtls_authz/policy/reason.hpp"

#include <openssl/x509_vfy.h>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/path_fault.hpp"
#include "mtls_authz/trust/ca_directory.hpp"

namespace mtls {

const std::array<ReasonText, kReasonCount> kReasons = {{
    {Reason::kGranted, "granted", "the certificate belongs to a partner that this gate lets in"},
    {Reason::kBadPath, "bad-path",
     "backends read a segment of the path as '..', or the whole path as one behind another gate, or it holds a control "
     "byte (detail= says which); no honest client sends it: look at who does"},
    {Reason::kNestedGate, "nested-gate",
     "a recursive DAV method would reach below another gate; use Depth: 0, or address the gated place itself"},
    {Reason::kNoTls, "no-tls",
     "the request came without TLS, hence without a client certificate; serve this place from a virtual host with "
     "SSLEngine on, and redirect plain http there"},
    {Reason::kFrontNotTrusted, "front-not-trusted",
     "the request has a header by which a front (MTLSFront) hands certificates on, but it does not come from that "
     "front, or the header does not hold exactly one certificate; detail= says which: a front connects with a "
     "certificate of its own that is in force, and sets the header itself in place of what its client sent"},
    {Reason::kNoCertificate, "no-certificate",
     "the client sent no certificate; if a partner should have, check that the virtual host asks for one "
     "(SSLVerifyClient optional) and that the client was given its certificate and key"},
    {Reason::kMalformedCertificate, "malformed-certificate",
     "the certificate can be read in more than one way, so its owner is unclear; ask the partner for one issued "
     "without the fault named in detail="},
    {Reason::kExpired, "expired",
     "the certificate's notAfter has passed; ask the partner to renew, and if a new certificate is there already, to "
     "restart the client with it"},
    {Reason::kNotYetValid, "not-yet-valid",
     "the certificate's notBefore lies in the future; check this server's clock and the issuing CA's"},
    {Reason::kRevoked, "revoked",
     "the certificate is revoked; detail= says by what; if the partner should go on, it needs a new certificate with a "
     "new key"},
    {Reason::kNotVerified, "not-verified",
     "no path leads from the certificate to any CA of the policy; if the partner is genuine, add its CA with "
     "MTLSTrustAnchor, or the missing intermediate with MTLSIntermediate"},
    {Reason::kUnknownPartner, "unknown-partner",
     "the certificate comes from a known CA, but no MTLSIdentity fits it; compare subject and SAN with the partner's "
     "MTLSIdentity lines"},
    {Reason::kWrongIssuer, "wrong-issuer",
     "the certificate names this partner but is not validly issued under its trust anchor: either the partner changed "
     "its CA without saying so (call them on a number that you know, compare issuer= and issuer_spki=, then add the CA "
     "with MTLSTrustAnchor), or somebody else has a certificate with this partner's name"},
    {Reason::kAmbiguous, "ambiguous",
     "the certificate fits two partners, identity and anchor both; make their MTLSIdentity lines disjoint"},
    {Reason::kRevocationStale, "revocation-stale",
     "the issuing CA's CRL is past its nextUpdate or cannot be used (detail= says which), so the certificate's "
     "revocation status is unknown; fetch the current CRL into MTLSCRLFile and see why it was not fetched, or mend "
     "what detail= names"},
    {Reason::kRevocationUnknown, "revocation-unknown",
     "MTLSCRL required asks for a CRL of the issuing CA, and there is none; fetch it into MTLSCRLFile"},
    {Reason::kSuspended, "suspended",
     "the partner is suspended by MTLSSuspend; take that line out when it may come back, and leave a comment in a "
     "revocation file that would be empty: an empty or deleted one goes on refusing"},
    {Reason::kOutsideContract, "outside-contract",
     "the partner's MTLSValid does not cover this moment; extend it if the contract was extended"},
    {Reason::kWrongNetwork, "wrong-network",
     "the certificate is this partner's, but the request comes from an address outside of its MTLSNetwork: either the "
     "partner has new addresses (ask them, then add the network to MTLSNetwork), or somebody else uses its key; behind "
     "a proxy, mod_remoteip has to say who asks"},
    {Reason::kNotAllowed, "not-allowed",
     "the partner is known, but this gate does not name it or denies it, or none of its grants fits this path; add it "
     "with MTLSAllow, which opens all that its section covers, or with MTLSGrant behind by-grant, if it may use this "
     "place"},
    {Reason::kMethodNotGranted, "method-not-granted",
     "the partner may use this place, but not with this method; if it may, add a line with this method beside the one "
     "at gate=, or beside the MTLSGrant at grant= with the conditions of that: these may be for others, too"},
    {Reason::kPolicyUnavailable, "policy-unavailable",
     "this process has no policy to decide with; look for the module's errors since the start, and mend the policy "
     "files or restart the server"},
    {Reason::kInternalError, "internal-error",
     "the decision failed, so access is refused; look at detail= and report it"},
}};

const ReasonText& text_of(Reason reason) { return kReasons[static_cast<std::size_t>(reason)]; }

// The class of the error whose text `detail` begins with, as describe_verify_error() and PathSearch write it.
HandshakeRefusal path_fault_in(std::string_view detail) {
    if (detail.ends_with(kUnusableExtension)) return HandshakeRefusal::kMalformed;
    if (detail.starts_with("malformed: ")) return HandshakeRefusal::kMalformed;
    constexpr int kPastLast = 128;  // OpenSSL 3.5 has 95 codes
    HandshakeRefusal out = HandshakeRefusal::kOther;
    std::size_t longest = 0;
    for (int code = 1; code < kPastLast; ++code) {
        const std::string_view text = X509_verify_cert_error_string(code);
        if (text.size() <= longest || !detail.starts_with(text)) continue;
        longest = text.size();
        out = handshake_refusal_of(code, nullptr);
    }
    return out;
}

bool is_negated_requirement(std::string_view directive) {
    constexpr std::string_view kRequire = "Require";
    if (!starts_nocase(directive, kRequire)) return false;
    const std::string_view rest = trim(directive.substr(kRequire.size()));
    std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
    if (word.starts_with('"') && word.ends_with('"')) word = word.substr(1, word.size() - 2);
    return equal_nocase(word, "not");
}

std::string_view advice_for(Reason reason, std::string_view detail, std::string_view directive) {
    const bool is_by_rule = reason == Reason::kNotAllowed || reason == Reason::kMethodNotGranted;
    if (is_by_rule && detail.ends_with(kSentNone)) {
        return "the front's client sent no certificate; if a partner should have, check that the front asks for one "
               "and hands it on; never let the front in for itself: every client without a certificate would pass";
    }
    if (reason == Reason::kNotAllowed && is_negated_requirement(directive)) {
        return detail.empty() ? "directive= does not name the partner, so it refuses nothing here: where the request "
                                "was denied, another line did that"
                              : "directive= has to be mended as detail= says";
    }
    if (reason == Reason::kNotAllowed && !directive.empty()) {
        return "the partner is known, but directive= does not let it in, and an MTLSAllow does not help there; name it "
               "in that Require line (for mtls-group give it that MTLSGroup, for mtls-grant an MTLSGrant, for AuthType "
               "MTLS add a Require line, for mtls-identity it needs a certificate that fits), if it may use this place";
    }
    if (reason == Reason::kNotAllowed && detail.starts_with(kDetailDeny)) {
        return detail != kDetailDeny
                   ? "the MTLSDeny at gate= has to be mended as detail= says"
                   : "the partner is known, but the MTLSDeny at gate= denies it; take it out there, if it may use this "
                     "place";
    }
    if (reason == Reason::kNotAllowed && detail == kDetailByGrant) {
        return "the partner is known, but none of its grants fits this path; add an MTLSGrant, if it may use this "
               "place (where one has this path with an if or %{cert:TYPE} that does not fit this certificate, it may "
               "not)";
    }
    if (reason != Reason::kWrongIssuer && reason != Reason::kNotVerified) return text_of(reason).sentence;
    switch (path_fault_in(detail)) {
        case HandshakeRefusal::kExpired:
            return "a CA between the certificate and the partner's trust anchor, or the anchor, has expired (detail= "
                   "names it): put its new certificate into MTLSTrustAnchor or MTLSIntermediate, or have the client "
                   "send it";
        case HandshakeRefusal::kNotYetValid:
            return "a CA of the path begins in the future (detail= names it): check this server's clock and the "
                   "issuing CA's";
        case HandshakeRefusal::kWrongPurpose:
            return "the issuer is the partner's, but a certificate of the path was not made for this: a client needs "
                   "clientAuth among its extendedKeyUsage, a CA basicConstraints and keyCertSign; ask the partner for "
                   "another one, or, where its CA makes them for servers alone, add MTLSPurpose serverAuth";
        case HandshakeRefusal::kBadSignature:
            return "the issuer is the partner's, but a key or signature of the path is too weak, or does not hold "
                   "(detail= says which): 112 bits are required, as RSA with 2048 bits, P-256 and SHA-256 have, or "
                   "what @SECLEVEL of SSLCipherSuite asks for; ask the partner for a certificate with a stronger key";
        case HandshakeRefusal::kConstraint:
            return "the issuer is the partner's, but the certificate breaks a limit that a CA above it sets (names, "
                   "length of the path, policies), or has a critical extension that this OpenSSL does not process "
                   "(detail= says which): its issuer has to issue another one";
        case HandshakeRefusal::kMalformed:
            return "the issuer is the partner's, but a certificate of the path does not have the form that RFC 5280 "
                   "gives it (detail= has the rule): its issuer has to issue another one";
        case HandshakeRefusal::kUnknownCa:
            return "the issuer is the partner's, but the certificate names an older certificate of that CA "
                   "(authorityKeyIdentifier, detail=), as after a renewal under the same key: put that certificate "
                   "beside the new one into MTLSTrustAnchor, or MTLSIntermediate, or ask the partner for a "
                   "certificate that the renewed CA issued";
        default:
            return text_of(reason).sentence;
    }
}

}  // namespace mtls
