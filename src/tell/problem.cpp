#include "mtls_authz/tell/problem.hpp"

#include "mtls_authz/base/json_writer.hpp"
#include "mtls_authz/tell/html.hpp"

namespace mtls {

const std::string_view kProblemStyle = "h1 { color: var(--bad); }\n";

namespace {

struct ProblemText {
    std::string_view title;
    std::string_view detail;
};

// `reason`: a result of outside_reason().
ProblemText text_for(Reason reason) {
    switch (reason) {
        case Reason::kBadPath:
            return {"The path is not acceptable", "A segment of the path can be read in more than one way."};
        case Reason::kNestedGate:
            return {"The operation reaches too far",
                    "It would act on places below that are decided about by themselves; use Depth: 0."};
        case Reason::kNoTls:
            return {"This place needs TLS", "Use https, with your client certificate."};
        case Reason::kFrontNotTrusted:
            return {"Your client certificate did not arrive in a way that counts",
                    "A proxy on the way, or your client, sent a header that only a trusted proxy may send, or one that "
                    "holds no single certificate; tell the operator of this server the request id."};
        case Reason::kNoCertificate:
            return {"No client certificate was sent",
                    "Configure your client with its certificate and private key, and send the intermediate "
                    "certificates along."};
        case Reason::kMalformedCertificate:
            return {"The client certificate is malformed",
                    "It can be read in more than one way; ask your certification authority for another one."};
        case Reason::kExpired:
            return {"The client certificate has expired",
                    "Renew it; if you have done so already, restart your client so that it uses the new one."};
        case Reason::kNotYetValid:
            return {"The client certificate is not valid yet",
                    "Wait until its notBefore, or ask your certification authority for one that is valid now."};
        case Reason::kRevoked:
            return {"The client certificate is revoked", "Ask for a new certificate with a new key."};
        case Reason::kRevocationStale:
        case Reason::kRevocationUnknown:
            return {"The client certificate cannot be checked for revocation",
                    "This is the server's to mend; tell its operator the request id."};
        case Reason::kSuspended:
            return {"Access is suspended", "Ask the operator of this server, and name the request id."};
        case Reason::kOutsideContract:
            return {"The agreed term does not cover this moment",
                    "Ask the operator of this server, and name the request id."};
        case Reason::kWrongNetwork:
            return {"Your address is not one that was agreed",
                    "Use your certificate from the agreed network, or ask the operator of this server, and name the "
                    "request id."};
        case Reason::kNotAllowed:
            return {"This place is not open to you",
                    "Your certificate is known, but not admitted here; ask the operator if it should be."};
        case Reason::kMethodNotGranted:
            return {"This method is not open to you",
                    "Your certificate is admitted here, but not with this method; ask the operator if it should be."};
        case Reason::kPolicyUnavailable:
        case Reason::kInternalError:
            return {"The request could not be decided",
                    "This is the server's to mend; tell its operator the request id."};
        default:
            return {"The client certificate is not known here",
                    "Check that it is the one agreed with the operator of this server, and tell them if it has "
                    "changed."};
    }
}

}  // namespace

Reason outside_reason(Reason reason) {
    switch (reason) {
        case Reason::kWrongIssuer:
        case Reason::kAmbiguous:
        case Reason::kNotVerified:
            return Reason::kUnknownPartner;
        default:
            return reason;
    }
}

std::string problem_json(const Problem& problem) {
    const Reason reason = outside_reason(problem.reason);
    const ProblemText wording = text_for(reason);
    constexpr std::size_t kIndent = 2;
    JsonWriter json(kIndent);
    json.begin_object()
        .member("type", "urn:mtls-authz:reason:" + std::string(word_of(reason)))
        .member("title", wording.title)
        .member("status", problem.status)
        .member("detail", wording.detail)
        .member("reason", word_of(reason))
        .member("request_id", problem.request_id);
    if (!problem.certificate.sha256.empty()) {
        json.key("certificate")
            .begin_object()
            .member("subject", problem.certificate.subject)
            .member("issuer", problem.certificate.issuer)
            .member("serial", problem.certificate.serial)
            .member("not_before", problem.certificate.not_before)
            .member("not_after", problem.certificate.not_after)
            .member("sha256", problem.certificate.sha256)
            .end_object();
    }
    json.end_object();
    return std::move(json).text() + "\n";
}

std::string problem_page(const Problem& problem) {
    const Reason reason = outside_reason(problem.reason);
    const ProblemText wording = text_for(reason);
    std::string rows;
    const auto add = [&rows](const char* term, const std::string& text) {
        if (!text.empty()) rows += std::string("<dt>") + term + "</dt><dd>" + html_escape(text) + "</dd>\n";
    };
    add("Reason", std::string(word_of(reason)));
    add("Request id", problem.request_id);
    add("Your certificate", problem.certificate.subject);
    add("Issued by", problem.certificate.issuer);
    add("Serial number", problem.certificate.serial);
    add("Valid from", problem.certificate.not_before);
    add("Valid until", problem.certificate.not_after);
    add("SHA-256", problem.certificate.sha256);
    return html_page(wording.title, kProblemStyle,
                     "<h1>" + html_escape(wording.title) + "</h1>\n<p>" + html_escape(wording.detail) +
                         "</p>\n<section>\n<dl>\n" + rows + "</dl>\n</section>\n");
}

}  // namespace mtls
