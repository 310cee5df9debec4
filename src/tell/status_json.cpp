#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/json_writer.hpp"
#include "mtls_authz/tell/status_report.hpp"

namespace mtls {

namespace {

// 0: null.
void put_time(JsonWriter& json, std::string_view name, std::int64_t seconds) {
    json.member_or_null(name, seconds == 0 ? std::string() : format_time(seconds));
}

void put_counts(JsonWriter& json, const StatusReport::Counts& counts) {
    json.key("decisions").begin_object();
    for (std::size_t i = 0; i < kOutcomes.size(); ++i) json.member(kOutcomes[i], counts[i]);
    json.end_object();
}

void put_day(JsonWriter& json, const HourlyCounts::Day& day) {
    json.key("last_24_hours").begin_object();
    json.key("allow").begin_array();
    for (const HourlyCounts::Hour& hour : day) json.value(hour.allowed);
    json.end_array().key("deny").begin_array();
    for (const HourlyCounts::Hour& hour : day) json.value(hour.denied);
    json.end_array().end_object();
}

void put_example(JsonWriter& json, const Example& e) {
    json.begin_object()
        .member("time", format_time(e.time))
        .member("decision", word_of(e.outcome))
        .member("who", e.who.str())
        .member("method", e.method.str())
        .member("path", e.path.str())
        .member("client", e.client.str())
        .member("gate", e.gate.str())
        .member("detail", e.detail.str())
        .member("directive", e.directive.str())
        .member("subject", e.subject.str())
        .member("sha256", e.sha256.str())
        .end_object();
}

void put_decisions(JsonWriter& json, const StatusReport& report) {
    json.key("decisions").begin_array();
    for (const auto& status : report.reasons) {
        json.begin_object().member("reason", word_of(status.reason));
        put_counts(json, status.counts);
        json.key("newest").begin_array();
        for (const Example& example : status.examples) put_example(json, example);
        json.end_array().end_object();
    }
    json.end_array();
}

void put_certificate(JsonWriter& json, const StatusReport::CertificateStatus& certificate) {
    const Sighting& s = certificate.sighting;
    json.begin_object()
        .member("subject", s.subject.str())
        .member("issuer", s.issuer.str())
        .member("san", s.san.str())
        .member("serial", s.serial.str())
        .member("sha256", s.sha256.str())
        .member("key", s.key.str())
        .member("not_before", format_time(s.not_before))
        .member("not_after", format_time(s.not_after))
        .member("last_seen", format_time(s.seen))
        .member("late", certificate.is_late)
        .member("revoked", certificate.is_revoked)
        .member("made_for_servers", s.is_purpose_waived)
        .end_object();
}

void put_partner(JsonWriter& json, const StatusReport::PartnerStatus& partner) {
    json.begin_object().member("partner", partner.name).member("in_policy", partner.in_policy);
    json.key("states").begin_array();
    for (std::size_t i = 0; i < StatusReport::kStates; ++i) {
        if (partner.is(static_cast<StatusReport::State>(i))) json.value(kPartnerStates[i]);
    }
    json.end_array();
    put_counts(json, partner.counts);
    if (!partner.contact.empty()) json.member("contact", partner.contact);
    if (partner.last) {
        json.member("last_seen", format_time(partner.last->seen));
        put_day(json, partner.day);
        json.key("certificate");
        put_certificate(json, partner.certificates.front());
        json.key("certificates").begin_array();
        for (const auto& certificate : partner.certificates) put_certificate(json, certificate);
        json.end_array();
    }
    if (partner.refused != 0) json.member("handshake_refused", format_time(partner.refused));
    if (partner.waiver) {
        const auto& until = partner.waiver->until;
        json.key("purpose").begin_object();
        json.member_or_null("waived_until", until ? format_time(*until) : std::string());
        json.member("ends_soon", partner.waiver->ends_soon).member("requests", partner.purposes_waived).end_object();
    }
    json.end_object();
}

void put_troubles(JsonWriter& json, const Troubles& troubles) {
    json.key("needs_you").begin_object().member("total", troubles.total());
    json.key("counts").begin_object();
    for (const TroubleText& text : kTroubles) {
        json.member(text.word, troubles.counts[static_cast<std::size_t>(text.kind)]);
    }
    json.end_object().key("shown").begin_array();
    for (const Trouble& trouble : troubles.shown) {
        json.begin_object()
            .member("trouble", text_of(trouble.kind).word)
            .member("what", trouble.what)
            .member("headline", trouble.headline)
            .member("advice", trouble.advice);
        if (!trouble.partner.empty()) json.member("partner", trouble.partner);
        if (!trouble.contact.empty()) json.member("contact", trouble.contact);
        if (trouble.time != 0) json.member("time", format_time(trouble.time));
        if (!trouble.lines.empty()) json.array("lines", trouble.lines);
        json.end_object();
    }
    json.end_array().end_object();
}

void put_policy(JsonWriter& json, const StatusReport& report) {
    json.key("policy").begin_object().member_or_null("generation", report.generation);
    put_time(json, "in_force_since", report.in_force_since);
    json.member("partners", report.partners_in_policy).member("identities", report.identities);
    json.key("reloads").begin_object();
    json.member("ok", report.reloads_ok).member("failed", report.reloads_failed).end_object();
    put_time(json, "refused_since", report.refused_since);
    json.member("keeper_up", report.keeper_is_up).end_object();
}

void put_dates(JsonWriter& json, const StatusReport& report) {
    json.key("anchors").begin_array();
    for (const auto& anchor : report.anchors) {
        json.begin_object()
            .member("partner", anchor.partner)
            .member("anchor", anchor.name)
            .member("not_before", format_time(anchor.from))
            .member("not_after", format_time(anchor.at))
            .member("late", anchor.is_late);
        if (!anchor.contact.empty()) json.member("contact", anchor.contact);
        json.end_object();
    }
    json.end_array().key("crls").begin_array();
    for (const auto& crl : report.crls) {
        json.begin_object().member("issuer", crl.name);
        put_time(json, "next_update", crl.at);
        json.member("overdue", crl.is_late).end_object();
    }
    json.end_array();
}

void put_handshakes(JsonWriter& json, const StatusReport& report) {
    json.key("handshakes_refused").begin_object();
    for (const HandshakeRefusalText& text : kHandshakeRefusals) {
        json.member(text.word, report.handshakes_refused[static_cast<std::size_t>(text.refusal)]);
    }
    json.end_object().key("refused_handshakes").begin_array();
    for (const RefusedHandshake& refused : report.refused_handshakes) {
        json.begin_object()
            .member("time", format_time(refused.time))
            .member("reason", text_of(refused.reason).word)
            .member("detail", refused.detail.str())
            .member("at", refused.at.str())
            .member("claimed", refused.claimed.str())
            .member("subject", refused.subject.str())
            .member("issuer", refused.issuer.str())
            .member("san", refused.san.str())
            .member("client", refused.client.str())
            .member("sha256", refused.sha256.str())
            .member("advice", advice_for(refused.reason, refused.advice.view()))
            .end_object();
    }
    json.end_array();
}

void put_durations(JsonWriter& json, const DecisionCounters::Durations& durations) {
    json.key("decision_time").begin_object().key("buckets").begin_array();
    for (std::size_t i = 0; i < durations.buckets.size(); ++i) {
        json.begin_object().key("up_to_ns");
        if (i < kDurationBounds.size()) {
            json.value(kDurationBounds[i]);
        } else {
            json.null();
        }
        json.member("count", durations.buckets[i]).end_object();
    }
    json.end_array().member("sum_ns", durations.nanoseconds).end_object();
}

void put_children(JsonWriter& json, const StatusReport& report) {
    json.key("children").begin_array();
    for (const ChildInfo& child : report.children) {
        json.begin_object().member("pid", child.pid).member_or_null("generation", child.generation.str());
        put_time(json, "in_force_since", child.in_force_since);
        put_time(json, "looked", child.looked);
        json.end_object();
    }
    json.end_array();
}

}  // namespace

std::string status_json(const StatusReport& report) {
    constexpr std::size_t kIndent = 1;
    JsonWriter json(kIndent);
    json.begin_object()
        .member("time", format_time(report.now))
        .member("host", report.host)
        .member("since", format_time(report.since))
        .member("watched_since", format_time(report.watched_since));
    put_troubles(json, report.troubles);
    put_day(json, report.day);
    put_policy(json, report);
    put_decisions(json, report);
    json.key("partners").begin_array();
    for (const auto& partner : report.counted_partners()) put_partner(json, partner);
    json.end_array().key("other_partners").begin_object();
    put_counts(json, report.other_partners);
    json.end_object();
    put_dates(json, report);
    put_handshakes(json, report);
    put_durations(json, report.durations);
    json.member("audit_dropped", report.audit_dropped).member("purposes_waived", report.purposes_waived);
    json.key("events").begin_object();
    json.member("ok", report.events_ok).member("failed", report.events_failed).end_object();
    put_children(json, report);
    json.end_object();
    return std::move(json).text() + "\n";
}

}  // namespace mtls
