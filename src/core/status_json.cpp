#include <nlohmann/json.hpp>

#include "mtls_authz/calendar.hpp"
#include "mtls_authz/status_report.hpp"

namespace mtls {

namespace {

using Json = nlohmann::ordered_json;

Json time_of(std::int64_t seconds) { return seconds == 0 ? Json(nullptr) : Json(format_time(seconds)); }

Json counts_of(const StatusReport::Counts& counts) {
    Json out;
    for (std::size_t i = 0; i < kOutcomes.size(); ++i) out[std::string(kOutcomes[i])] = counts[i];
    return out;
}

Json examples_of(const std::vector<Example>& examples) {
    Json out = Json::array();
    for (const Example& e : examples) {
        out.push_back({{"time", format_time(e.time)},
                       {"decision", word_of(e.outcome)},
                       {"who", e.who.str()},
                       {"method", e.method.str()},
                       {"path", e.path.str()},
                       {"client", e.client.str()},
                       {"gate", e.gate.str()},
                       {"subject", e.subject.str()},
                       {"sha256", e.sha256.str()}});
    }
    return out;
}

Json partners_of(const StatusReport& report) {
    Json out = Json::array();
    for (const auto& partner : report.partners) {
        Json one = {
            {"partner", partner.name}, {"in_policy", partner.in_policy}, {"decisions", counts_of(partner.counts)}};
        if (!partner.contact.empty()) one["contact"] = partner.contact;
        if (partner.last) {
            one["last_seen"] = format_time(partner.last->seen);
            one["certificate"] = {{"subject", partner.last->subject.str()},
                                  {"serial", partner.last->serial.str()},
                                  {"sha256", partner.last->sha256.str()},
                                  {"key", partner.last->key.str()},
                                  {"not_before", format_time(partner.last->not_before)},
                                  {"not_after", format_time(partner.last->not_after)},
                                  {"late", partner.is_late},
                                  {"made_for_servers", partner.last->is_purpose_waived}};
        }
        if (partner.waiver) {
            const auto& until = partner.waiver->until;
            one["purpose"] = {{"waived_until", until ? Json(format_time(*until)) : Json(nullptr)},
                              {"ends_soon", partner.waiver->ends_soon},
                              {"requests", partner.purposes_waived}};
        }
        out.push_back(std::move(one));
    }
    return out;
}

Json durations_of(const DecisionCounters::Durations& durations) {
    Json buckets = Json::array();
    for (std::size_t i = 0; i < durations.buckets.size(); ++i) {
        const Json bound = i < kDurationBounds.size() ? Json(kDurationBounds[i]) : Json(nullptr);
        buckets.push_back({{"up_to_ns", bound}, {"count", durations.buckets[i]}});
    }
    return {{"buckets", buckets}, {"sum_ns", durations.nanoseconds}};
}

}  // namespace

std::string status_json(const StatusReport& report) {
    Json out;
    out["time"] = format_time(report.now);
    out["host"] = report.host;
    out["policy"] = {{"generation", report.generation.empty() ? Json(nullptr) : Json(report.generation)},
                     {"in_force_since", time_of(report.in_force_since)},
                     {"partners", report.partners_in_policy},
                     {"identities", report.identities},
                     {"reloads", {{"ok", report.reloads_ok}, {"failed", report.reloads_failed}}},
                     {"refused_since", time_of(report.refused_since)},
                     {"keeper_up", report.keeper_is_up}};
    out["decisions"] = Json::array();
    for (const auto& status : report.reasons) {
        out["decisions"].push_back({{"reason", word_of(status.reason)},
                                    {"decisions", counts_of(status.counts)},
                                    {"newest", examples_of(status.examples)}});
    }
    out["partners"] = partners_of(report);
    out["other_partners"] = {{"decisions", counts_of(report.other_partners)}};
    out["anchors"] = Json::array();
    for (const auto& anchor : report.anchors) {
        Json one = {{"partner", anchor.partner},
                    {"anchor", anchor.name},
                    {"not_before", format_time(anchor.from)},
                    {"not_after", format_time(anchor.at)},
                    {"late", anchor.is_late}};
        if (!anchor.contact.empty()) one["contact"] = anchor.contact;
        out["anchors"].push_back(std::move(one));
    }
    out["crls"] = Json::array();
    for (const auto& crl : report.crls) {
        out["crls"].push_back({{"issuer", crl.name}, {"next_update", time_of(crl.at)}, {"overdue", crl.is_late}});
    }
    for (const HandshakeRefusalText& text : kHandshakeRefusals) {
        out["handshakes_refused"][std::string(text.word)] =
            report.handshakes_refused[static_cast<std::size_t>(text.refusal)];
    }
    out["decision_time"] = durations_of(report.durations);
    out["audit_dropped"] = report.audit_dropped;
    out["purposes_waived"] = report.purposes_waived;
    out["events"] = {{"ok", report.events_ok}, {"failed", report.events_failed}};
    out["children"] = Json::array();
    for (const ChildInfo& child : report.children) {
        const std::string generation = child.generation.str();
        out["children"].push_back({{"pid", child.pid},
                                   {"generation", generation.empty() ? Json(nullptr) : Json(generation)},
                                   {"in_force_since", time_of(child.in_force_since)},
                                   {"looked", time_of(child.looked)}});
    }
    constexpr int kIndent = 1;
    constexpr bool kAscii = true;
    return out.dump(kIndent, ' ', kAscii, Json::error_handler_t::replace) + "\n";
}

}  // namespace mtls
