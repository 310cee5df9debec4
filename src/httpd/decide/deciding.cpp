#include "httpd/decide/deciding.hpp"

#include <ctime>
#include <utility>

#include "httpd/decide/front.hpp"
#include "httpd/decide/nested.hpp"
#include "httpd/decide/readings.hpp"
#include "httpd/decide/request_state.hpp"

namespace mtls::httpd {

namespace {

// Steps 2 to 9 except for what depends on the request: by the connection's own certificate.
inline Reason identify_connection(const request_rec* r, Caller& out) {
    out.snapshot = state().snapshot();
    out.tls = tls_of(r->connection);
    if (out.tls == nullptr) return Reason::kNoTls;
    KnownCertificate* const known = out.tls->known().get();
    if (known == nullptr) return Reason::kNoCertificate;
    out.certificate = &known->certificate();
    if (!out.snapshot) return Reason::kPolicyUnavailable;
    out.now = std::time(nullptr);
    out.who = &known->identify(out.snapshot, server_config(r->server).cas, out.now);
    if (out.who->partner != nullptr) out.tls->keep_known();
    return Reason::kGranted;
}

std::optional<Objection> objection_to(const request_rec* r, const PathReadings& path) {
    if (path.is_bad) return Objection{Reason::kBadPath, path.detail};
    const GateSection* const nested = may_reach_below(r) ? nested_gate(r) : nullptr;
    if (nested == nullptr) return std::nullopt;
    return Objection{Reason::kNestedGate, nested->title() + " at " + short_place(nested->where)};
}

}  // namespace

void identify(request_rec* r, Caller& out) {
    out.missing = identify_connection(r, out);
    if (dir_config(r).fronts != nullptr) apply_front(r, out);
}

const char* effective_method(const request_rec* r) {
    return r->main != nullptr && has_destination(r->main) ? r->main->method : r->method;
}

std::optional<Objection> find_objection(request_rec* r) { return objection_to(r, read_path(r)); }

namespace {

// For a path with several readings, or a method that may act below it.
[[gnu::noinline]] void decide_with_readings(request_rec* r, const Gate& gate, Ask ask, RequestDecision& out) {
    const PathReadings path = read_path(r);
    const auto objection = objection_to(r, path);
    ask.objection = objection ? &*objection : nullptr;
    ask.readings = path.others;
    mtls::decide(gate, ask, out);
}

}  // namespace

void decide_request(request_rec* r, const Gate& gate, RequestDecision& out) {
    const RequestState& request = request_state(r);
    Ask ask;
    identify(r, out);
    ask.missing = out.missing;
    ask.missing_detail = out.missing_detail != nullptr ? out.missing_detail : "";
    ask.who = out.who;
    ask.policy = out.snapshot ? out.snapshot->policy.get() : nullptr;
    // Not per connection: mod_remoteip sets another client address for each request of a proxy.
    ask.address = raw_address(r->useragent_addr);
    ask.line = {effective_method(r), r->uri != nullptr ? r->uri : "", request.reaches_below};
    ask.captures = request.captures;
    out.has_one_reading = is_plain(r);
    if (out.has_one_reading && !may_reach_below(r)) {
        mtls::decide(gate, ask, out);
    } else {
        decide_with_readings(r, gate, ask, out);
    }
    if (out.reason == Reason::kNotVerified && out.detail.empty() && !out.empty_chain.empty()) {
        out.detail = std::string(out.empty_chain) +
                     " is empty: the front had no chain of its client (HAProxy: on resumed sessions), or could not "
                     "write it (HAProxy: larger than tune.bufsize); name intermediates with MTLSIntermediate";
    }
}

}  // namespace mtls::httpd
