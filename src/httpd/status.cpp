#include "status.hpp"

#include "config.hpp"

namespace mtls::httpd {

namespace {

constexpr const char* kHandler = "mtls-authz-status";

// Prometheus' text format, version 0.0.4.
class Metrics {
public:
    void describe(const char* name, const char* type, const char* help) {
        text_ += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
    }
    void add(const char* name, const std::string& labels, std::int64_t value) {
        text_ += name + (labels.empty() ? "" : "{" + labels + "}") + " " + std::to_string(value) + "\n";
    }
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

void describe_policy(Metrics& metrics) {
    const Live& live = state().live;
    const auto snapshot = state().snapshot();
    metrics.describe("mtls_authz_policy_info", "gauge", "The policy in force in the child that answers.");
    if (snapshot) metrics.add("mtls_authz_policy_info", "generation=\"" + snapshot->policy->generation() + "\"", 1);
    metrics.describe("mtls_authz_policy_partners", "gauge", "Partners of the policy in force.");
    metrics.add("mtls_authz_policy_partners", "",
                snapshot ? static_cast<std::int64_t>(snapshot->policy->partners().size()) : 0);
    metrics.describe("mtls_authz_policy_loaded_timestamp_seconds", "gauge", "When it came into force.");
    metrics.add("mtls_authz_policy_loaded_timestamp_seconds", "", live.policy.in_force_since());
    metrics.describe("mtls_authz_policy_reloads_total", "counter",
                     "Changes of the policy files that were taken, and that were refused.");
    for (const bool ok : {true, false}) {
        const std::uint64_t count = live.shared ? live.shared->reloads(ok).load() : 0;
        metrics.add("mtls_authz_policy_reloads_total", ok ? "result=\"ok\"" : "result=\"failed\"",
                    static_cast<std::int64_t>(count));
    }
}

int answer(request_rec* r) {
    if (r->handler == nullptr || std::string_view(r->handler) != kHandler) return DECLINED;
    if (!dir_config(r).status.value_or(false)) return HTTP_NOT_FOUND;
    if (r->method_number != M_GET) {
        r->allowed |= AP_METHOD_BIT << M_GET;
        return HTTP_METHOD_NOT_ALLOWED;
    }
    Metrics metrics;
    describe_policy(metrics);
    ap_set_content_type(r, "text/plain; version=0.0.4; charset=utf-8");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_set_content_length(r, static_cast<apr_off_t>(metrics.text().size()));
    if (r->header_only == 0) ap_rwrite(metrics.text().data(), static_cast<int>(metrics.text().size()), r);
    return OK;
}

extern "C" int on_handler(request_rec* r) {
    return guarded(r, [&] { return answer(r); });
}

}  // namespace

void register_status_hooks() { ap_hook_handler(on_handler, nullptr, nullptr, APR_HOOK_MIDDLE); }

}  // namespace mtls::httpd
