#include <nlohmann/json.hpp>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/tell/status_report.hpp"

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

Json day_of(const HourlyCounts::Day& day) {
    Json allowed = Json::array(), denied = Json::array();
    for (const HourlyCounts::Hour& hour : day) {
        allowed.push_back(hour.allowed);
        denied.push_back(hour.denied);
    }
    return {{"allow", allowed}, {"deny", denied}};
}

Json certificate_of(const StatusReport::CertificateStatus& certificate) {
    const Sighting& s = certificate.sighting;
    return {{"subject", s.subject.str()},
            {"issuer", s.issuer.str()},
            {"san", s.san.str()},
            {"serial", s.serial.str()},
            {"sha256", s.sha256.str()},
            {"key", s.key.str()},
            {"not_before", format_time(s.not_before)},
            {"not_after", format_time(s.not_after)},
            {"last_seen", format_time(s.seen)},
            {"late", certificate.is_late},
            {"revoked", certificate.is_revoked},
            {"made_for_servers", s.is_purpose_waived}};
}

Json partner_of(const StatusReport::PartnerStatus& partner) {
    Json out = {{"partner", partner.name},
                {"in_policy", partner.in_policy},
                {"states", Json::array()},
                {"decisions", counts_of(partner.counts)}};
    for (std::size_t i = 0; i < StatusReport::kStates; ++i) {
        if (partner.is(static_cast<StatusReport::State>(i))) out["states"].push_back(kPartnerStates[i]);
    }
    if (!partner.contact.empty()) out["contact"] = partner.contact;
    if (partner.last) {
        out["last_seen"] = format_time(partner.last->seen);
        out["last_24_hours"] = day_of(partner.day);
        out["certificate"] = certificate_of(partner.certificates.front());
        out["certificates"] = Json::array();
        for (const auto& certificate : partner.certificates) out["certificates"].push_back(certificate_of(certificate));
    }
    if (partner.refused != 0) out["handshake_refused"] = format_time(partner.refused);
    if (partner.waiver) {
        const auto& until = partner.waiver->until;
        out["purpose"] = {{"waived_until", until ? Json(format_time(*until)) : Json(nullptr)},
                          {"ends_soon", partner.waiver->ends_soon},
                          {"requests", partner.purposes_waived}};
    }
    return out;
}

Json troubles_of(const Troubles& troubles) {
    Json out = {{"total", troubles.total()}, {"counts", Json::object()}, {"shown", Json::array()}};
    for (const TroubleText& text : kTroubles)
        out["counts"][std::string(text.word)] = troubles.counts[static_cast<std::size_t>(text.kind)];
    for (const Trouble& trouble : troubles.shown) {
        Json one = {{"trouble", text_of(trouble.kind).word},
                    {"what", trouble.what},
                    {"headline", trouble.headline},
                    {"advice", trouble.advice}};
        if (!trouble.partner.empty()) one["partner"] = trouble.partner;
        if (!trouble.contact.empty()) one["contact"] = trouble.contact;
        if (trouble.time != 0) one["time"] = format_time(trouble.time);
        if (!trouble.lines.empty()) one["lines"] = trouble.lines;
        out["shown"].push_back(std::move(one));
    }
    return out;
}

Json refused_of(const std::vector<RefusedHandshake>& all) {
    Json out = Json::array();
    for (const RefusedHandshake& refused : all) {
        out.push_back({{"time", format_time(refused.time)},
                       {"reason", text_of(refused.reason).word},
                       {"detail", refused.detail.str()},
                       {"claimed", refused.claimed.str()},
                       {"subject", refused.subject.str()},
                       {"issuer", refused.issuer.str()},
                       {"san", refused.san.str()},
                       {"client", refused.client.str()},
                       {"sha256", refused.sha256.str()}});
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
    out["since"] = format_time(report.since);
    out["watched_since"] = format_time(report.watched_since);
    out["needs_you"] = troubles_of(report.troubles);
    out["last_24_hours"] = day_of(report.day);
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
    out["partners"] = Json::array();
    for (const auto& partner : report.counted_partners()) out["partners"].push_back(partner_of(partner));
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
    out["refused_handshakes"] = refused_of(report.refused_handshakes);
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
