#include <algorithm>
#include <charconv>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/tell/status_report.hpp"

namespace mtls {

namespace {

using Label = std::pair<std::string_view, std::string_view>;

std::string number_text(double value) {
    constexpr std::size_t kLongest = 32;
    std::array<char, kLongest> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    return {text.data(), end};
}

// Writes the text format: a metric's description, then its series.
class Exposition {
public:
    void describe(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        text_ += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " + std::string(type) + "\n";
    }
    template <class Number>
    void add(std::initializer_list<Label> labels, Number value, std::string_view suffix = "") {
        text_ += name_ + std::string(suffix);
        char before = '{';
        for (const auto& [label, label_value] : labels) {
            text_ += before + std::string(label) + "=\"" + escaped(label_value) + "\"";
            before = ',';
        }
        if (labels.size() > 0) text_ += '}';
        if constexpr (std::is_floating_point_v<Number>) {
            text_ += " " + number_text(value) + "\n";
        } else {
            text_ += " " + std::to_string(value) + "\n";
        }
    }
    std::string text() && { return std::move(text_); }

private:
    // Writes bytes outside printable ASCII as \xHH: values may come from certificates, and need not be UTF-8.
    static std::string escaped(std::string_view value) {
        std::string out;
        for (const char c : value) {
            if (c == '\\' || c == '"') out += '\\';
            const bool plain = c >= 0x20 && c < 0x7f;
            out += plain ? std::string(1, c) : "\\\\x" + hex(bytes_of({&c, 1}));
        }
        return out;
    }

    std::string name_;
    std::string text_;
};

void describe_decisions(const StatusReport& report, Exposition& out) {
    out.describe("mtls_authz_decisions_total", "counter", "Decisions of gates, by what was decided and why.");
    for (const auto& status : report.reasons) {
        for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
            const bool is_allow = static_cast<Outcome>(i) == Outcome::kAllow;
            if (is_allow != (status.reason == Reason::kGranted)) continue;
            out.add({{"decision", kOutcomes[i]}, {"reason", word_of(status.reason)}}, status.counts[i]);
        }
    }
    out.describe("mtls_authz_partner_decisions_total", "counter",
                 "Decisions about identified partners; beyond the first 1000 together as other.");
    constexpr std::string_view kOther = "other";
    StatusReport::Counts others = report.other_partners;
    for (const auto& partner : report.counted_partners()) {
        for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
            if (partner.name == kOther) {
                others[i] += partner.counts[i];
            } else {
                out.add({{"partner", partner.name}, {"decision", kOutcomes[i]}}, partner.counts[i]);
            }
        }
    }
    for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
        out.add({{"partner", kOther}, {"decision", kOutcomes[i]}}, others[i]);
    }
}

void describe_partners(const StatusReport& report, Exposition& out) {
    const auto each_seen = [&](auto add) {
        for (const auto& partner : report.counted_partners()) {
            if (partner.in_policy && partner.last) add(partner);
        }
    };
    out.describe("mtls_authz_partner_certificate_not_after_timestamp_seconds", "gauge",
                 "When the certificate expires by which the partner was last identified.");
    each_seen([&](const auto& partner) { out.add({{"partner", partner.name}}, partner.last->not_after); });
    out.describe("mtls_authz_partner_certificate_info", "gauge",
                 "The kind of that certificate's public key: EC:P-256, RSA:2048, ML-DSA-65.");
    each_seen([&](const auto& partner) { out.add({{"partner", partner.name}, {"key", partner.last->key.str()}}, 1); });
    out.describe("mtls_authz_partner_certificate_not_before_timestamp_seconds", "gauge",
                 "When that certificate began to be valid.");
    each_seen([&](const auto& partner) { out.add({{"partner", partner.name}}, partner.last->not_before); });
    out.describe("mtls_authz_partner_certificate_late", "gauge",
                 "Whether that certificate is near its end, or past it, as MTLSWarn has it.");
    each_seen([&](const auto& partner) { out.add({{"partner", partner.name}}, partner.is_late ? 1 : 0); });
    out.describe("mtls_authz_partner_last_seen_timestamp_seconds", "gauge",
                 "When the partner was last identified, to the minute.");
    each_seen([&](const auto& partner) { out.add({{"partner", partner.name}}, partner.last->seen); });
    const auto each_waiver = [&](auto add) {
        for (const auto& partner : report.counted_partners()) {
            if (partner.waiver) add(partner);
        }
    };
    out.describe("mtls_authz_partner_purpose_waived_total", "counter",
                 "Requests of the partner that were let in by a certificate made for servers alone.");
    each_waiver([&](const auto& partner) { out.add({{"partner", partner.name}}, partner.purposes_waived); });
    out.describe("mtls_authz_partner_purpose_until_timestamp_seconds", "gauge",
                 "When the partner's MTLSPurpose serverAuth ends; only where it does.");
    each_waiver([&](const auto& partner) {
        if (partner.waiver->until) out.add({{"partner", partner.name}}, *partner.waiver->until);
    });
}

// For each partner with its own series: its last certificate, and its settings in the policy.
void describe_states(const StatusReport& report, Exposition& out) {
    out.describe("mtls_authz_partner_certificates", "gauge",
                 "By how many certificates the partner was identified, of the newest four: two in a rollover.");
    for (const auto& partner : report.counted_partners())
        out.add({{"partner", partner.name}}, partner.certificates.size());
    out.describe("mtls_authz_partner_certificates_revoked", "gauge", "How many of these a revocation in force hits.");
    for (const auto& partner : report.counted_partners()) {
        const auto revoked = std::count_if(partner.certificates.begin(), partner.certificates.end(),
                                           [](const auto& c) { return c.is_revoked.value_or(false); });
        out.add({{"partner", partner.name}}, revoked);
    }
    out.describe("mtls_authz_partner_suspended", "gauge", "Whether the partner is suspended.");
    for (const auto& partner : report.counted_partners())
        out.add({{"partner", partner.name}}, partner.is_suspended ? 1 : 0);
    out.describe(
        "mtls_authz_partner_handshake_refused_timestamp_seconds", "gauge",
        "When a handshake was refused last whose certificate claims to be the partner's; 0: not within a day.");
    for (const auto& partner : report.counted_partners()) out.add({{"partner", partner.name}}, partner.refused);
}

void describe_troubles(const StatusReport& report, Exposition& out) {
    out.describe("mtls_authz_needs_attention", "gauge", "What needs a person now, as the page has it, by kind.");
    for (const TroubleText& text : kTroubles)
        out.add({{"trouble", text.word}}, report.troubles.counts[static_cast<std::size_t>(text.kind)]);
    out.describe("mtls_authz_counting_since_timestamp_seconds", "gauge",
                 "When counting began: at the server's start, and not anew at a graceful restart.");
    out.add({}, report.since);
}

void describe_expiries(const StatusReport& report, Exposition& out) {
    out.describe("mtls_authz_anchor_not_after_timestamp_seconds", "gauge",
                 "When a trust anchor expires; partner * stands for the default anchors.");
    for (const auto& anchor : report.anchors) {
        out.add({{"partner", anchor.partner}, {"anchor", anchor.name}}, anchor.at);
    }
    out.describe("mtls_authz_anchor_not_before_timestamp_seconds", "gauge", "When a trust anchor began to be valid.");
    for (const auto& anchor : report.anchors) {
        out.add({{"partner", anchor.partner}, {"anchor", anchor.name}}, anchor.from);
    }
    out.describe("mtls_authz_anchor_late", "gauge",
                 "Whether a trust anchor is near its end, or past it, as MTLSWarn has it.");
    for (const auto& anchor : report.anchors) {
        out.add({{"partner", anchor.partner}, {"anchor", anchor.name}}, anchor.is_late ? 1 : 0);
    }
    out.describe("mtls_authz_crl_next_update_timestamp_seconds", "gauge",
                 "When the next list of this issuer is due; 0 where the list at hand does not say.");
    for (const auto& crl : report.crls) out.add({{"issuer", crl.name}}, crl.at);
}

void describe_policy(const StatusReport& report, Exposition& out) {
    out.describe("mtls_authz_policy_info", "gauge", "The policy in force in the child that answers.");
    if (!report.generation.empty()) out.add({{"generation", report.generation}}, 1);
    out.describe("mtls_authz_policy_partners", "gauge", "Partners of the policy in force.");
    out.add({}, report.partners_in_policy);
    out.describe("mtls_authz_policy_identities", "gauge", "MTLSIdentity lines of the policy in force.");
    out.add({}, report.identities);
    out.describe("mtls_authz_policy_loaded_timestamp_seconds", "gauge", "When it came into force.");
    out.add({}, report.in_force_since);
    out.describe("mtls_authz_policy_reloads_total", "counter",
                 "Changes of the policy files that were taken, and that were refused.");
    out.add({{"result", "ok"}}, report.reloads_ok);
    out.add({{"result", "failed"}}, report.reloads_failed);
    out.describe("mtls_authz_policy_refused_timestamp_seconds", "gauge",
                 "Since when the policy files are refused as they are now; 0 while they are not.");
    out.add({}, report.refused_since);
    out.describe("mtls_authz_keeper_up", "gauge",
                 "Whether the process that looks at the files is there and gives signs of life.");
    out.add({}, report.keeper_is_up ? 1 : 0);
}

void describe_durations(const StatusReport& report, Exposition& out) {
    constexpr double kNano = 1e-9;
    out.describe("mtls_authz_decision_seconds", "histogram", "How long decisions took.");
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < kDurationBounds.size(); ++i) {
        below += report.durations.buckets[i];
        out.add({{"le", number_text(static_cast<double>(kDurationBounds[i]) / 1e9)}}, below, "_bucket");
    }
    below += report.durations.buckets.back();
    out.add({{"le", "+Inf"}}, below, "_bucket");
    out.add({}, static_cast<double>(report.durations.nanoseconds) * kNano, "_sum");
    out.add({}, below, "_count");
}

}  // namespace

std::string prometheus_text(const StatusReport& report) {
    Exposition out;
    describe_decisions(report, out);
    describe_partners(report, out);
    describe_states(report, out);
    describe_troubles(report, out);
    describe_expiries(report, out);
    describe_policy(report, out);
    out.describe("mtls_authz_handshake_refused_total", "counter",
                 "Client certificates that the handshake turned away before any gate was asked.");
    for (const HandshakeRefusalText& text : kHandshakeRefusals) {
        out.add({{"reason", text.word}}, report.handshakes_refused[static_cast<std::size_t>(text.refusal)]);
    }
    describe_durations(report, out);
    out.describe("mtls_authz_audit_dropped_total", "counter",
                 "Lines of MTLSAuditLog that were not written, since its reader was too slow or the disk full.");
    out.add({}, report.audit_dropped);
    out.describe(
        "mtls_authz_purpose_waived_total", "counter",
        "Requests that were let in by a certificate made for servers alone, as MTLSPurpose serverAuth has it.");
    out.add({}, report.purposes_waived);
    out.describe("mtls_authz_events_total", "counter",
                 "Runs of MTLSEventCmd, by whether it ended in time and with status 0.");
    out.add({{"result", "ok"}}, report.events_ok);
    out.add({{"result", "failed"}}, report.events_failed);
    return std::move(out).text();
}

}  // namespace mtls
