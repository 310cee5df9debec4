#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/tell/html.hpp"
#include "mtls_authz/tell/page_parts.hpp"
#include "mtls_authz/tell/status_partners.hpp"
#include "mtls_authz/tell/status_report.hpp"

namespace mtls::page {

namespace {

// "12:04:10 UTC", with the date after it.
std::string now_text(std::int64_t now) {
    const std::string text = format_time(now);  // 2026-11-27T12:04:10Z
    constexpr std::size_t kDate = 10, kTime = 8;
    return "<p class=\"clock\"><b>" + text.substr(kDate + 1, kTime) + " UTC</b> " + text.substr(0, kDate) + "</p>";
}

std::string header(const StatusReport& report) {
    const std::string policy =
        report.generation.empty()
            ? span("bad", "no policy in force")
            : "generation " + code(report.generation) + " in force since " + clock(report.now, report.in_force_since);
    return "<header><div><h1>" + words(report.host) + "</h1><p class=\"note\">mod_mtls_authz · " + policy +
           "</p></div>" + now_text(report.now) + "</header>\n";
}

bool is_urgent(const Troubles& troubles) {
    for (const TroubleText& text : kTroubles) {
        if (text.is_urgent && troubles.counts[static_cast<std::size_t>(text.kind)] > 0) return true;
    }
    return false;
}

// Notes if counting started less than a day ago.
std::string hours_text(const StatusReport& report) {
    return report.since > report.now - kDay ? "by hour, since start " + clock(report.now, report.since)
                                            : "last 24 hours, by hour";
}

std::string state(const StatusReport& report) {
    const std::size_t troubles = report.troubles.total();
    const bool urgent = is_urgent(report.troubles);
    const char* const kind = troubles == 0 ? "good" : urgent ? "bad" : "warn";
    const std::string verdict =
        troubles == 0 ? "Nothing needs you" : counted(troubles, "thing needs you", "things need you");
    const HourlyCounts::Hour all = sum_of(report.day);
    const auto figure = [](const std::string& value, const std::string& title) {
        return "<li><b>" + value + "</b><span>" + title + "</span></li>";
    };
    return std::string("<section class=\"state is-") + kind + "\" aria-label=\"State\"><div><p class=\"verdict\">" +
           span(kind, verdict) + "</p><ul class=\"figures\">" +
           figure(number(report.partners_in_policy), report.partners_in_policy == 1 ? "partner" : "partners") +
           figure(number(all.allowed), "<span class=\"key up\"></span>allowed in 24 h") +
           figure(number(all.denied), "<span class=\"key down\"></span>denied in 24 h") + "</ul></div>\n<figure>" +
           bars(report.day, "large") + "<figcaption><span>24 h ago</span><span>" + hours_text(report) +
           "</span><span>now</span></figcaption></figure></section>\n";
}

// The section of the page with details.
std::string link_of(const Trouble& trouble, const StatusReport& report, const PageQuery& query) {
    switch (trouble.kind) {
        case TroubleKind::kHandshakeRefused:
        case TroubleKind::kUnknownIssuer:
            return trouble.kind == TroubleKind::kHandshakeRefused ? "#handshakes" : "#denials";
        case TroubleKind::kCrlOverdue:
        case TroubleKind::kAnchorLate:
            return "#issuers";
        default:
            return trouble.partner.empty() ? "#server" : partner_link(report, query, trouble.partner);
    }
}

std::string time_of(const Trouble& trouble, std::int64_t now) {
    if (trouble.time == 0) return {};
    const bool is_state =
        trouble.kind == TroubleKind::kPolicyRefused || trouble.kind == TroubleKind::kRefusalSourceGone;
    return span("note", is_state ? "since " + clock(now, trouble.time) : age(now, trouble.time));
}

std::string capital(std::string text) {
    if (!text.empty() && text.front() >= 'a' && text.front() <= 'z')
        text.front() = static_cast<char>(text.front() - 32);
    return text;
}

std::string trouble_item(const Trouble& trouble, const StatusReport& report, const PageQuery& query) {
    std::string lines;
    for (const std::string& line : trouble.lines) lines += "<li>" + words(line) + "</li>";
    const std::string time = time_of(trouble, report.now);
    return std::string("<li") + (text_of(trouble.kind).is_urgent ? " class=\"urgent\"" : "") +
           "><span class=\"sign\" aria-hidden=\"true\">!</span><div><h3><a href=\"" + link_of(trouble, report, query) +
           "\">" + words(trouble.what) + "</a></h3><p>" + html_escape(capital(trouble.headline)) +
           (time.empty() ? "" : " " + time) + "</p>" + (lines.empty() ? "" : "<ul class=\"lines\">" + lines + "</ul>") +
           (trouble.advice.empty() ? "" : "<p class=\"advice\">" + html_escape(capital(trouble.advice)) + "</p>") +
           (trouble.contact.empty() ? "" : "<p>Contact: " + words(trouble.contact) + "</p>") + "</div></li>\n";
}

std::string needs(const StatusReport& report, const PageQuery& query) {
    const Troubles& troubles = report.troubles;
    if (troubles.total() == 0) return {};
    std::string items;
    for (const Trouble& trouble : troubles.shown) items += trouble_item(trouble, report, query);
    const std::size_t more = troubles.total() - std::min(troubles.total(), troubles.shown.size());
    return "<section aria-labelledby=\"needs\"><h2 id=\"needs\">Needs you now</h2>\n<ul class=\"troubles\">\n" + items +
           "</ul>\n" +
           (more == 0 ? "" : "<p class=\"note\">And " + number(more) + " more: see below, or ?format=json.</p>\n") +
           "</section>\n";
}

std::string example_text(const StatusReport& report, Reason reason, const Example& e) {
    std::string out = age(report.now, e.time) + ": " + code(e.method.str() + " " + e.path.str()) + " from " +
                      html_escape(e.client.view());
    if (!e.who.view().empty()) out += ", as " + words(e.who.view());
    if (!e.gate.view().empty()) out += ", at gate " + code(e.gate.view());
    if (e.outcome == Outcome::kWouldDeny) out += " (let through by LogOnly)";
    if (!e.detail.view().empty()) out += "<br>" + words(e.detail.view());
    const std::string_view advice = advice_for(reason, e.detail.view(), e.directive.view());
    if (advice != text_of(reason).sentence) out += "<br>" + html_escape(advice);
    if (!e.sha256.view().empty()) out += "<br>" + words(e.subject.view()) + "<br>" + code(e.sha256.view());
    return "<div class=\"example\">" + out + "</div>\n";
}

std::string denials(const StatusReport& report) {
    std::string out;
    std::uint64_t all = 0;
    for (const auto& status : report.reasons) {
        const auto denied = status.counts[static_cast<std::size_t>(Outcome::kDeny)];
        const auto would = status.counts[static_cast<std::size_t>(Outcome::kWouldDeny)];
        all += denied;
        if (denied + would == 0) continue;
        out += "<h3>" + std::string(word_of(status.reason)) + ": " + number(denied) + " denied" +
               (would > 0 ? ", " + number(would) + " would be" : "") + "</h3>\n<p class=\"note\">" +
               html_escape(text_of(status.reason).sentence) + ".</p>\n";
        for (const Example& e : status.examples) out += example_text(report, status.reason, e);
    }
    return drawer("denials", "Denials", number(all) + " since " + clock(report.now, report.since),
                  out.empty() ? "<p class=\"note\">None.</p>\n" : out);
}

// Without the "; " that joins it to the reason's sentence.
std::string_view own_advice(std::string_view advice) { return advice.starts_with("; ") ? advice.substr(2) : advice; }

std::string handshakes(const StatusReport& report) {
    std::string out;
    std::uint64_t all = 0;
    for (const HandshakeRefusalText& text : kHandshakeRefusals) {
        const std::uint64_t n = report.handshakes_refused[static_cast<std::size_t>(text.refusal)];
        all += n;
        if (n == 0) continue;
        out += "<h3>" + std::string(text.word) + ": " + number(n) + "</h3>\n<p class=\"note\">" +
               html_escape(text.sentence) + ".</p>\n";
        for (const RefusedHandshake& refused : report.refused_handshakes) {
            if (refused.reason != text.refusal) continue;
            out += "<div class=\"example\">" + age(report.now, refused.time) +
                   (refused.claimed.view().empty() ? std::string(": no partner's name")
                                                   : ": claimed " + words(refused.claimed.view())) +
                   (refused.client.view().empty() ? "" : ", from " + html_escape(refused.client.view())) + "<br>" +
                   words(refused.detail.view()) + ", at " + words(refused.at.view()) + "<br>" +
                   words(refused.subject.view()) + "<br>by " + words(refused.issuer.view()) + "<br>" +
                   code(refused.sha256.view()) +
                   (refused.advice.view().empty() ? "" : "<br>" + words(own_advice(refused.advice.view()))) +
                   "</div>\n";
        }
    }
    return drawer("handshakes", "Refused handshakes", number(all) + " since " + clock(report.now, report.since),
                  out.empty() ? "<p class=\"note\">None.</p>\n" : out);
}

std::string issuers(const StatusReport& report) {
    Table table({"Anchor or CRL", "Of", "Ends in"});
    std::size_t late = 0;
    for (const auto& anchor : report.anchors) {
        late += anchor.is_late ? 1 : 0;
        const std::string contact = anchor.contact.empty() ? "" : span("sub", words(anchor.contact));
        table.add({words(anchor.name), anchor.partner == "*" ? "the default" : words(anchor.partner) + contact,
                   time_left(report.now, anchor.at, anchor.is_late)});
    }
    constexpr std::int64_t kSoon = 6 * kHour;
    for (const auto& crl : report.crls) {
        late += crl.is_late ? 1 : 0;
        table.add({words(crl.name), "CRL",
                   crl.at == 0   ? span("bad", "has no nextUpdate")
                   : crl.is_late ? span("bad", "was due " + clock(report.now, crl.at))
                                 : time_left(report.now, crl.at, crl.at - report.now < kSoon)});
    }
    const std::size_t all = report.anchors.size() + report.crls.size();
    return drawer("issuers", "Trust anchors and CRLs", number(all) + (late > 0 ? ", " + number(late) + " late" : ""),
                  table.html());
}

std::string children(const StatusReport& report) {
    Table table({"Process", "Generation", "In force since", "Last heartbeat"});
    for (const ChildInfo& child : report.children) {
        const std::string generation = child.generation.str();
        const bool same = generation == report.generation;
        table.add({std::to_string(child.pid),
                   generation.empty() ? span("bad", "none: refuses everything")
                   : same             ? code(generation)
                                      : span("warn", code(generation)),
                   child.in_force_since != 0 ? clock(report.now, child.in_force_since) : "",
                   child.looked != 0 ? age(report.now, child.looked) : ""});
    }
    return table.html();
}

// Partners with MTLSPurpose serverAuth; "" if there are none.
std::string waivers(const StatusReport& report) {
    constexpr std::size_t kMostNamed = 10;
    std::size_t count = 0;
    std::string names;
    for (const auto& partner : report.partners) {
        if (!partner.waiver || ++count > kMostNamed) continue;
        const auto& until = partner.waiver->until;
        const std::string end =
            until ? (*until < report.now ? "ended " : "until ") + clock(report.now, *until) : "no end";
        names += (names.empty() ? "" : "; ") + words(partner.name) + " (" + end + ", " +
                 counted(partner.purposes_waived, "request", "requests") + ")";
    }
    if (count == 0) return {};
    return counted(count, "partner", "partners") + " with MTLSPurpose serverAuth: " + names +
           (count > kMostNamed ? " and others" : "") + ".";
}

std::string server(const StatusReport& report) {
    std::size_t others = 0;
    for (const ChildInfo& child : report.children) others += child.generation.str() != report.generation ? 1 : 0;
    std::uint64_t would = 0;
    for (const auto& status : report.reasons) would += status.counts[static_cast<std::size_t>(Outcome::kWouldDeny)];
    const std::string all = counted(report.children.size(), "child process", "child processes");
    std::vector<std::string> lines = {
        report.keeper_is_up ? "The keeper looks at the files."
                            : span("bad", "The keeper is down, or cannot hand out what it read."),
        others == 0 ? "Same generation in " + all + "."
                    : span("warn", number(others) + " of " + all) +
                          " at another generation: a change takes a second or two to reach all.",
        counted(report.partners_in_policy, "partner", "partners") + ", " +
            counted(report.identities, "identity", "identities") + "; " +
            counted(report.reloads_ok, "change", "changes") + " of policy files taken, " +
            number(report.reloads_failed) + " refused since " + clock(report.now, report.since) + "."};
    if (would > 0) lines.push_back(number(would) + " let through by LogOnly that would be denied.");
    if (const std::string text = waivers(report); !text.empty()) lines.push_back(text);
    if (report.events_failed > 0)
        lines.push_back(span("warn", counted(report.events_failed, "run", "runs")) +
                        " of MTLSEventCmd failed: see the error log.");
    if (report.audit_dropped > 0)
        lines.push_back(span("warn", counted(report.audit_dropped, "audit line", "audit lines")) +
                        " dropped: the reader of MTLSAuditLog is too slow, or the disk full.");
    std::string out = "<ul class=\"plain\">";
    for (const std::string& line : lines) out += "<li>" + line + "</li>";
    return drawer("server", "Server", all, out + "</ul>\n" + children(report));
}

}  // namespace

}  // namespace mtls::page

namespace mtls {

std::string status_page(const StatusReport& report, const PageQuery& query) {
    using namespace page;
    const std::size_t troubles = report.troubles.total();
    const std::string title =
        (troubles == 0 ? "" : "(" + number(troubles) + ") ") + std::string("Partners by client certificate");
    return html_page(title, kStatusStyle,
                     "<a class=\"skip\" href=\"#partners\">Skip to the partners</a>\n" + header(report) + "<main>\n" +
                         state(report) + needs(report, query) + partners_section(report, query) + denials(report) +
                         handshakes(report) + issuers(report) + server(report) + "</main>\n",
                     HasForm::kYes);
}

}  // namespace mtls
