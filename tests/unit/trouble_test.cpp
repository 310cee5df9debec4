// What needs a person, and what the page, JSON and the metrics make of it.

#include <ctime>
#include <nlohmann/json.hpp>

#include "exposition.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "mtls_authz/tell/status_report.hpp"
#include "mtls_authz/tell/trouble.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

// A ledger, and a policy published as it is to requests.
class Server {
public:
    explicit Server(const std::string& policy) {
        ca_ = make_ca("Acme CA");
        auto next = std::make_unique<Snapshot>();
        next->policy = draft_.file("ca.pem", ca_.cert_pem()).policy(policy);
        next->refusals = std::make_shared<const Refusals>();
        next->crls = std::make_shared<const CrlSet>();
        next->serial = 1;
        published_.publish(std::move(next));
    }
    static std::string partner(const std::string& name, const std::string& lines = "") {
        return test::partner(name, "MTLSIdentity CN:" + name + "\nMTLSTrustAnchor ca.pem\n" + lines);
    }

    void see(const std::string& name, std::int64_t days_left, const std::string& sha256 = "aa", std::int64_t ago = 60) {
        Sighting s;
        s.seen = now() - ago;
        s.not_before = now() - 300 * kDay;
        s.not_after = now() + days_left * kDay + 100;
        s.sha256 = sha256;
        s.subject = "CN=" + name;
        ledger.sightings.see(ledger.sightings.number_of(partner_key(name), name), s);
    }
    void refuse(const std::string& claimed, const std::string& sha256, std::int64_t ago,
                HandshakeRefusal reason = HandshakeRefusal::kExpired) {
        RefusedHandshake out;
        out.time = now() - ago;
        out.reason = reason;
        out.claimed = claimed;
        out.sha256 = sha256;
        out.subject = "CN=" + claimed + " refused";
        out.detail = std::string("certificate has expired");
        out.at = "CN=" + claimed + " CA";
        ledger.refused_handshakes.add(out);
    }
    StatusReport report(bool keeper_is_up = true, bool has_policy = true) {
        const SnapshotReader snapshot = has_policy ? published_.read() : SnapshotReader();
        ledger.note_hours(now());
        return collect_status({ledger, snapshot, LateRule(), now() - 100, keeper_is_up, now()});
    }
    // "word what" of each.
    std::string troubles(bool keeper_is_up = true, bool has_policy = true) {
        std::string out;
        for (const Trouble& trouble : report(keeper_is_up, has_policy).troubles.shown)
            out += std::string(text_of(trouble.kind).word) + " " + trouble.what + "\n";
        return out;
    }

    Ledger& ledger = *Ledger::create();

private:
    Draft draft_;
    test::Identity ca_;
    mtls::Published<Snapshot> published_;
};

std::string page(const StatusReport& report, const PageQuery& query = {}) { return status_page(report, query); }

StatusReport with_partners(std::size_t count) {
    StatusReport out;
    out.now = now();
    out.partners_in_policy = count;
    for (std::size_t i = 0; i < count; ++i) {
        StatusReport::PartnerStatus partner;
        partner.name = "partner-" + std::to_string(i);
        partner.in_policy = true;
        Sighting s;
        s.seen = out.now - 60;
        s.not_after = out.now + kDay;
        s.san = "DNS:api." + partner.name + ".example";
        partner.last = s;
        partner.certificates = {{s, false, false}};
        for (auto& hour : partner.day) hour = {i, 0};
        out.partners.push_back(std::move(partner));
    }
    return out;
}

}  // namespace

CLAIM(each_thing_that_needs_a_person_is_named_once_and_nothing_else_is) {
    Server s(Server::partner("acme", "MTLSContact pki@acme.example") + Server::partner("globex") +
             Server::partner("initech", "MTLSPurpose serverAuth until=2020-01-01"));
    CHECK_EQUAL(s.troubles(), "");
    s.see("acme", 100);
    CHECK_EQUAL(s.troubles(), "");
    s.see("acme", 8);
    CHECK_EQUAL(s.troubles(), "certificate-late acme\n");
    s.see("acme", 300, "bb", 0);  // the renewed one came
    CHECK_EQUAL(s.troubles(), "");
    CHECK_EQUAL(s.troubles(false), "keeper-down keeper\n");
    CHECK_EQUAL(s.troubles(true, false), "no-policy policy\n");
    s.ledger.refused_since = now() - 5;
    CHECK_EQUAL(s.troubles(), "policy-refused policy files\n");
    FileTroubles files;
    files.policy = FileTroubles::Refused{"x", {"acme.conf:3: error: MTLSIdentity: 'DSN'", "b"}, "X stays in force"};
    files.gone = {{"gone.conf", now() - 60}, {"moved.conf", now() - 60}};
    files.bad_lines = {"r.conf:7: error: MTLSRevoke: no"};
    s.ledger.file_troubles.put(files);
    CHECK_EQUAL(s.troubles(),
                "policy-refused acme.conf:3\nrefusal-source-gone gone.conf\nrefusal-source-gone "
                "moved.conf\nrefusal-line-bad r.conf:7\n");
    const StatusReport report = s.report();
    const Trouble& refused = report.troubles.shown.front();
    CHECK_EQUAL(refused.advice, "X stays in force");
    CHECK_EQUAL(refused.lines.size(), 2U);
    CHECK_EQUAL(refused.time, s.ledger.refused_since.load());
    CHECK_EQUAL(report.troubles.shown[3].lines.front(), "error: MTLSRevoke: no");
    s.ledger.file_troubles.put({});
    s.ledger.refused_since = 0;
    CHECK_EQUAL(s.troubles(), "");
}

CLAIM(a_refused_handshake_needs_a_person_where_it_names_a_partner_until_it_is_let_in) {
    Server s(Server::partner("acme", "MTLSContact pki@acme.example") + Server::partner("globex"));
    s.refuse("", "stranger", 5);
    s.refuse("acme", "a1", 2 * kDay);
    CHECK_EQUAL(s.troubles(), "");
    s.refuse("acme", "a2", 100);
    s.refuse("acme", "a3", 50);
    s.refuse("globex,acme", "both", 40);
    CHECK_EQUAL(s.troubles(), "handshake-refused globex,acme\nhandshake-refused acme\n");
    const Trouble newest = s.report().troubles.shown[1];
    CHECK_EQUAL(newest.contact, "pki@acme.example");
    CHECK_EQUAL(newest.partner, "acme");
    CHECK_EQUAL(newest.headline, "its handshake is refused: expired");
    CHECK_EQUAL(newest.lines[0], "detail: certificate has expired");
    CHECK_EQUAL(newest.lines[1], "at: CN=acme CA");
    CHECK_CONTAINS(page(s.report()), "at: CN=acme CA");
    CHECK_EQUAL(newest.time, now() - 50);
    // Another certificate of theirs says nothing of this one.
    s.see("acme", 100, "good", 10);
    CHECK_EQUAL(s.troubles(), "handshake-refused globex,acme\nhandshake-refused acme\n");
    s.see("acme", 100, "a3", 10);
    s.see("acme", 100, "a2", 10);
    s.see("globex", 100, "both", 10);
    CHECK_EQUAL(s.troubles(), "");
    // By an unknown CA: one trouble, with both readings, and not two.
    UnknownIssuer incident;
    incident.time = now();
    incident.cause = 7;
    incident.claimed = std::string("globex");
    incident.sha256 = std::string("u");
    s.ledger.incidents.add(incident);
    s.refuse("globex", "u", 0, HandshakeRefusal::kUnknownCa);
    CHECK_EQUAL(s.troubles(), "unknown-issuer globex\n");
    CHECK_CONTAINS(page(s.report()), "or an attack");
}

CLAIM(many_troubles_are_counted_in_full_and_shown_in_part) {
    std::string policy;
    for (int i = 0; i < 60; ++i) policy += Server::partner("p" + std::to_string(i));
    Server s(policy);
    for (int i = 0; i < 60; ++i) s.see("p" + std::to_string(i), 3);
    FileTroubles files;
    for (int i = 0; i < 300; ++i) files.bad_lines.push_back("r.conf:" + std::to_string(i) + ": error: x");
    for (int i = 0; i < 300; ++i) files.gone.emplace("gone-" + std::to_string(i), now() - 60);
    s.ledger.file_troubles.put(files);
    const Troubles troubles = s.report().troubles;
    CHECK_EQUAL(troubles.counts[static_cast<std::size_t>(TroubleKind::kCertificateLate)], 60U);
    CHECK_EQUAL(troubles.counts[static_cast<std::size_t>(TroubleKind::kRefusalLineBad)], 300U);
    CHECK_EQUAL(troubles.counts[static_cast<std::size_t>(TroubleKind::kRefusalSourceGone)], 300U);
    CHECK(troubles.shown.size() < 100);
    CHECK_CONTAINS(page(s.report()), ">660 things need you</span>");
    const auto json = nlohmann::json::parse(status_json(s.report()));
    CHECK_EQUAL(json["needs_you"]["counts"]["certificate-late"].get<int>(), 60);
    CHECK_EQUAL(json["needs_you"]["total"].get<int>(), 660);
    const Exposition all = read_exposition(prometheus_text(s.report()));
    CHECK_EQUAL(all.fault, "");
    CHECK_EQUAL(all.value("mtls_authz_needs_attention{trouble=\"refusal-source-gone\"}"), 300);
    CHECK_EQUAL(all.value("mtls_authz_needs_attention{trouble=\"keeper-down\"}"), 0);
}

CLAIM(partners_are_sorted_by_trouble_and_each_filter_shows_its_own) {
    Server s(Server::partner("a-fine") + Server::partner("b-never") + Server::partner("c-suspended", "MTLSSuspend On") +
             Server::partner("d-refused") + Server::partner("e-denied") + Server::partner("f-late") +
             Server::partner("g-later") + Server::partner("h-revoked"));
    for (const char* name : {"a-fine", "c-suspended", "d-refused", "e-denied", "h-revoked"}) s.see(name, 200);
    s.see("f-late", 20);
    s.see("g-later", 8);
    s.refuse("d-refused", "d", 5);
    auto& sightings = s.ledger.sightings;
    const std::size_t denied = sightings.number_of(partner_key("e-denied"), "e-denied"),
                      revoked = sightings.number_of(partner_key("h-revoked"), "h-revoked");
    s.ledger.decisions.count(Outcome::kDeny, Reason::kNotAllowed, denied);
    Sighting known;
    known.sha256 = std::string("aa");
    sightings.mark(revoked, known, true);
    const StatusReport report = s.report();
    const auto order = [](const std::string& html) {
        std::string out;
        for (std::size_t at = html.find("id=\"p-"); at != std::string::npos; at = html.find("id=\"p-", at + 1))
            out += html.substr(at + 6, 1);
        return out;
    };
    CHECK_EQUAL(order(page(report)), "gfedchba");
    const std::pair<StatusReport::State, const char*> rows[] = {
        {StatusReport::State::kLate, "gf"},   {StatusReport::State::kDenied, "e"},
        {StatusReport::State::kRefused, "d"}, {StatusReport::State::kSuspended, "c"},
        {StatusReport::State::kRevoked, "h"}, {StatusReport::State::kNever, "b"},
    };
    for (const auto& [state, names] : rows) {
        PageQuery query;
        query.state = state;
        CHECK_EQUAL(order(page(report, query)), names);
    }
    PageQuery query;
    query.text = "-LATE";
    CHECK_EQUAL(order(page(report, query)), "gf");
    query.text = "nobody";
    CHECK_EQUAL(order(page(report, query)), "");
    CHECK_CONTAINS(page(report, query), "No partner is like that.");
    const std::string all = page(report);
    CHECK_CONTAINS(all, "not since start ");
    CHECK_CONTAINS(all, "href=\"?filter=late#partners\">late<b>2</b>");
    CHECK_CONTAINS(all, "href=\"#p-g-later\"");
    // One that is not on this page is linked to where it is.
    query.text = "a-fine";
    CHECK_CONTAINS(page(report, query), "href=\"?q=g-later#partners\"");
    query.names_format = true;
    CHECK_CONTAINS(page(report, query), "href=\"?format=html&amp;q=g-later#partners\"");
    const auto json = nlohmann::json::parse(status_json(report));
    for (const auto& partner : json["partners"]) {
        const bool is_late = partner["partner"] == "f-late" || partner["partner"] == "g-later";
        CHECK_EQUAL(partner["states"] == nlohmann::json({"late"}), is_late);
    }
    const Exposition metrics = read_exposition(prometheus_text(report));
    CHECK_EQUAL(metrics.fault, "");
    CHECK_EQUAL(metrics.value("mtls_authz_partner_suspended{partner=\"c-suspended\"}"), 1);
    CHECK_EQUAL(metrics.value("mtls_authz_partner_suspended{partner=\"a-fine\"}"), 0);
    CHECK_EQUAL(metrics.value("mtls_authz_partner_certificates_revoked{partner=\"h-revoked\"}"), 1);
    CHECK_EQUAL(metrics.value("mtls_authz_partner_certificates{partner=\"b-never\"}"), 0);
}

CLAIM(both_certificates_of_a_rollover_are_shown_newest_first) {
    Server s(Server::partner("acme"));
    s.see("acme", 20, "old", 5 * 3600);
    s.see("acme", 300, "new", 60);
    const std::string html = page(s.report());
    const std::size_t newer = html.find("<code>new</code>"), older = html.find("<code>old</code>");
    CHECK(newer < older && older != std::string::npos);
    CHECK_CONTAINS(html, "<th scope=\"rowgroup\" role=\"rowheader\" rowspan=\"2\">");
    CHECK_CONTAINS(html, "<span class=\"warn\">20 days</span>");  // of the old one
    CHECK_CONTAINS(html, "5 hours ago");
    CHECK_CONTAINS(html, "late<b>0</b>");  // the newest counts
}

CLAIM(a_page_shows_500_partners_and_leads_to_all_of_10000) {
    const auto shown = [](const std::string& html) { return test::times_in(html, "id=\"p-"); };
    CHECK_EQUAL(shown(page(with_partners(500))), 500U);
    CHECK_EQUAL(test::times_in(page(with_partners(500)), ">Next<"), 0U);
    const auto processor_time_of = [](const auto& work) {
        const std::clock_t before = std::clock();
        work();
        return std::max<std::clock_t>(std::clock() - before, 1);
    };
    const StatusReport few = with_partners(500), many = with_partners(10000);
    const auto of_few = processor_time_of([&] { CHECK_EQUAL(shown(page(few)), 500U); });
    std::size_t all = 0;
    PageQuery query;
    const auto of_many = processor_time_of([&] {
        for (; query.from < 10000; query.from += 500) all += shown(page(many, query));
    });
    CHECK_EQUAL(all, 10000U);
    // Each page is one of 500, and 400 times would be the whole list each time.
    CHECK(of_many < 200 * of_few);
    query.from = 0;
    CHECK_CONTAINS(page(many, query), "1 to 500 of 10,000, by trouble. <a href=\"?from=500#partners\">Next</a>");
    query.from = 9500;
    CHECK_CONTAINS(page(many, query), "<a href=\"?from=9000#partners\">Before</a>");
    query.from = 20000;
    CHECK_EQUAL(shown(page(many, query)), 0U);
    query = {};
    query.text = "partner-9999";
    CHECK_EQUAL(shown(page(many, query)), 1U);
    // JSON and metrics have the first thousand.
    CHECK_EQUAL(nlohmann::json::parse(status_json(many))["partners"].size(), kCountedPartners);
}

CLAIM(whatever_is_on_the_page_is_text) {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    const std::string hostile = "<script>x</script><img src=x onerror=y>'\"" + bytes;
    StatusReport report = with_partners(3);
    report.host = hostile;
    report.generation = hostile;
    Trouble trouble{TroubleKind::kUnknownIssuer, hostile, hostile, hostile, hostile, hostile, 5, {hostile}};
    report.troubles.shown = {trouble};
    report.troubles.counts[0] = 1;
    Sighting& s = report.partners[0].certificates[0].sighting;
    s.subject = s.issuer = s.san = hostile;
    s.serial = s.sha256 = hostile;
    s.key = hostile;
    report.partners[0].contact = hostile;
    report.refused_handshakes.resize(1);
    auto& refused = report.refused_handshakes[0];
    refused.subject = refused.issuer = refused.san = hostile;
    refused.claimed = hostile;
    refused.client = refused.sha256 = hostile;
    report.handshakes_refused.fill(1);
    Example e;
    e.who = e.client = e.sha256 = hostile;
    e.subject = e.path = hostile;
    e.gate = e.directive = hostile;
    e.detail = refused.detail = refused.at = hostile;
    e.method = hostile;
    report.reasons.push_back({Reason::kNotAllowed, {0, 1, 1}, {e}});
    report.anchors = {{hostile, hostile, 5, 1, true, hostile}};
    report.crls = {{"", hostile, 5}};
    PageQuery query;
    query.text = hostile;
    for (const PageQuery& q : {PageQuery(), query}) {
        const std::string html = page(report, q);
        CHECK_EQUAL(test::times_in(html, "<script"), 0U);
        CHECK_EQUAL(test::times_in(html, "<img"), 0U);
        for (const char c : html) CHECK(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
        CHECK_CONTAINS(html, "&lt;script&gt;");
    }
    CHECK_EQUAL(read_exposition(prometheus_text(report)).fault, "");
    CHECK(nlohmann::json::parse(status_json(report)).is_object());
}
