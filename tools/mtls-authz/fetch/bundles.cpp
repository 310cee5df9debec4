
#include "bundles.hpp"

#include <algorithm>
#include <optional>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/trust/spiffe_bundle.hpp"
#include "mtls_authz/trust/trust.hpp"

namespace mtls::tool {

namespace {

// A trust domain whose name is usable as a file name.
bool is_trust_domain(std::string_view name) { return trust_domain_fault(name).empty() && name.front() != '.'; }

std::vector<X509Ptr> certificates_of(const SpiffeBundle& bundle) {
    std::vector<X509Ptr> out;
    for (std::string_view der : bundle.authorities) {
        X509Ptr certificate = take_x509(der);
        if (certificate) out.push_back(std::move(certificate));
    }
    return out;
}

std::string describe(const SpiffeBundle& bundle) {
    return bundle.sequence ? "sequence " + std::to_string(*bundle.sequence) : std::string("no sequence number");
}

// Whether the server proves this SPIFFE ID by a CA of the bundle (X509-SVID 5): "", or the fault.
std::string find_server_fault(X509& leaf, const std::vector<X509Ptr>& sent, const std::string& id,
                              const SpiffeBundle& bundle, std::int64_t now) {
    const CertificateFacts facts = read_facts(leaf);
    const std::string fault = facts.malformed.empty() ? svid_fault(facts, trust_domain_of(id)) : facts.malformed;
    if (!fault.empty()) return "its certificate is no X509-SVID of the trust domain: " + fault;
    if (facts.uri.front() != id) return "it is " + facts.uri.front();
    if (now < facts.not_before || facts.not_after < now) return "its certificate is not in force";
    const std::vector<X509Ptr> authorities = certificates_of(bundle);
    PathQuestion question{Link(&leaf), {}, {}};
    for (const X509Ptr& authority : authorities) question.trusted.emplace_back(authority.get());
    for (const X509Ptr& helper : sent) question.helpers.emplace_back(helper.get());
    question.now = now;
    question.purpose = X509_PURPOSE_SSL_SERVER;
    const PathAnswer path = verify_path(question);
    return path.ok ? "" : "its certificate has no path to a CA of the bundle at hand (" + path.detail + ")";
}

// The stored bundle; nullopt if there is no file.
Result<std::optional<SpiffeBundle>> read_kept(const Store& store, const std::string& file) {
    const auto content = store.read(file);
    if (!content) return Error{"cannot be read: " + content.error()};
    if (content.value().empty()) return std::optional<SpiffeBundle>();
    auto bundle = read_spiffe_bundle(content.value());
    if (!bundle) return Error{bundle.error()};
    return std::optional(std::move(bundle.value()));
}

std::string objection_to(const SpiffeBundle& bundle, const std::optional<SpiffeBundle>& kept, std::int64_t now) {
    const auto authorities = certificates_of(bundle);
    const bool is_in_force = std::any_of(authorities.begin(), authorities.end(), [&](const X509Ptr& ca) {
        return epoch_of(X509_get0_notAfter(ca.get())).value_or(0) >= now;
    });
    if (!is_in_force) return "the bundle holds no CA that is in force";
    if (!kept || (!kept->sequence && !bundle.sequence)) return {};
    if (bundle.sequence && (!kept->sequence || *bundle.sequence >= *kept->sequence)) return {};
    return "the bundle has " + describe(bundle) + ", and the one at hand has " + describe(*kept);
}

}  // namespace

Result<BundleEndpoint> BundleEndpoint::parse(const std::string& text) {
    BundleEndpoint out;
    const std::size_t equals = text.find('=');
    const std::size_t comma = text.rfind("," + std::string(kSpiffeScheme));
    out.trust_domain = text.substr(0, equals);
    if (equals == std::string::npos || !is_trust_domain(out.trust_domain)) {
        return Error{"'" + escape_for_log(text, 200) +
                     "': expected TRUST-DOMAIN=URL, or TRUST-DOMAIN=URL,spiffe://ID-OF-THE-ENDPOINT"};
    }
    out.url = text.substr(equals + 1, comma == std::string::npos ? comma : comma - equals - 1);
    if (comma != std::string::npos) out.endpoint_id = text.substr(comma + 1);
    if (!out.endpoint_id.empty() && !is_trust_domain(trust_domain_of(out.endpoint_id))) {
        return Error{"'" + escape_for_log(out.endpoint_id, 200) + "' is no SPIFFE ID"};
    }
    const auto url = parse_url(out.url);
    if (!url) return Error{url.error()};
    if (url.value().scheme != "https") return Error{"'" + escape_for_log(out.url, 200) + "' is not https"};
    return out;
}

namespace {

FetchedFile ask_endpoint(const BundleEndpoint& at, const Store& store, const Client& client, std::int64_t now) {
    const std::string path = store.path(at.file());
    const auto failed = [&](const std::string& what, const std::string& in_force) {
        return FetchedFile{{Fetched::kFailed, "bundle", at.url, path, what, in_force}};
    };
    const auto kept = read_kept(store, at.file());
    if (!kept) {
        return failed("the bundle at hand " + kept.error(), "remove it to take what the endpoint has");
    }
    const std::string in_force =
        kept.value() ? "the bundle with " + describe(*kept.value()) + " stays in force" : "there is no bundle";
    HttpRequest question{at.url};
    question.limit = kLargestBundle;
    std::optional<SpiffeBundle> of_endpoint;
    if (!at.endpoint_id.empty()) {
        const std::string file = BundleEndpoint{std::string(trust_domain_of(at.endpoint_id)), "", ""}.file();
        const auto stored = read_kept(store, file);
        if (!stored || !stored.value()) {
            return failed("the endpoint cannot prove that it is " + at.endpoint_id + ": " + store.path(file) + " " +
                              (stored ? "is not there; put the first bundle there by hand" : stored.error()),
                          in_force);
        }
        question.check_server = [&, bundle = *stored.value()](X509& leaf, const std::vector<X509Ptr>& sent) {
            return find_server_fault(leaf, sent, at.endpoint_id, bundle, now);
        };
    }
    const auto content = store.read(at.file());
    const std::string digest = content ? hex(bytes_of(sha256(content.value()))) : std::string();
    const auto noted = store.files.find(at.file());
    if (kept.value() && noted != store.files.end() && noted->second.sha256 == digest && noted->second.url == at.url) {
        question.validators = noted->second.validators;
    }
    const HttpAnswer answer = client.ask(question);
    if (!answer.fault.empty()) return failed(answer.fault, in_force);
    const auto unchanged = [&](const FileNote& note) {
        return FetchedFile{
            {Fetched::kUnchanged, "bundle", at.url, path, "the bundle with " + describe(*kept.value())}, "", note};
    };
    if (answer.not_modified) return unchanged(noted->second);
    if (kept.value() && answer.content == content.value()) return unchanged({at.url, answer.validators, digest});
    const auto bundle = read_spiffe_bundle(answer.content);
    if (!bundle) {
        return failed("the answer (" + std::to_string(answer.content.size()) + " bytes) " + bundle.error(), in_force);
    }
    const std::string objection = objection_to(bundle.value(), kept.value(), now);
    if (!objection.empty()) return failed(objection, in_force);
    const std::string what =
        "the bundle with " + describe(bundle.value()) + ", " + std::to_string(bundle.value().authorities.size()) +
        " CA(s)" +
        (bundle.value().refresh_hint ? ", to be asked for every " + std::to_string(*bundle.value().refresh_hint) + " s"
                                     : "");
    return {{Fetched::kNew, "bundle", at.url, path, what},
            answer.content,
            {at.url, answer.validators, hex(bytes_of(sha256(answer.content)))}};
}

}  // namespace

FetchedFile fetch_bundle(const std::vector<BundleEndpoint>& endpoints, const Store& store, const Client& client,
                         std::int64_t now) {
    FetchedFile out;
    for (const BundleEndpoint& endpoint : endpoints) {
        FetchedFile one = ask_endpoint(endpoint, store, client, now);
        if (one.result.result != Fetched::kFailed) return one;
        if (out.result.what.empty()) {
            out = std::move(one);
        } else {
            out.result.what += "; " + endpoint.url + ": " + one.result.what;
        }
    }
    return out;
}

}  // namespace mtls::tool
