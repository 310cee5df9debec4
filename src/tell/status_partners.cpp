#include "mtls_authz/tell/status_partners.hpp"

#include <algorithm>
#include <tuple>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/tell/html.hpp"
#include "mtls_authz/tell/page_parts.hpp"

namespace mtls::page {

namespace {

using Partner = StatusReport::PartnerStatus;
using State = StatusReport::State;

constexpr std::size_t kOnePage = 500;

bool contains_nocase(std::string_view text, std::string_view lower_part) {
    return lower(text).find(lower_part) != std::string::npos;
}

bool fits(const Partner& partner, const PageQuery& query) {
    if (query.state && !partner.is(*query.state)) return false;
    if (query.text.empty()) return true;
    const std::string part = lower(query.text);
    return contains_nocase(partner.name, part) || contains_nocase(partner.contact, part) ||
           std::any_of(partner.certificates.begin(), partner.certificates.end(), [&](const auto& c) {
               return contains_nocase(c.sighting.san.view(), part) ||
                      contains_nocase(c.sighting.subject.view(), part) || c.sighting.sha256.view() == part;
           });
}

// Sorted by trouble, late ones by the end of their certificate, then by name.
std::vector<const Partner*> chosen(const StatusReport& report, const PageQuery& query) {
    struct Ranked {
        State worst;
        std::int64_t end;
        const Partner* partner;
    };
    std::vector<Ranked> ranked;
    for (const Partner& partner : report.partners) {
        if (!fits(partner, query)) continue;
        const State worst = partner.worst();
        ranked.push_back({worst, worst == State::kLate ? partner.last->not_after : 0, &partner});
    }
    std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
        return std::tie(a.worst, a.end, a.partner->name) < std::tie(b.worst, b.end, b.partner->name);
    });
    std::vector<const Partner*> out;
    for (const Ranked& r : ranked) out.push_back(r.partner);
    return out;
}

// "?filter=late&amp;q=acme"
std::string link(const PageQuery& query, std::optional<State> state, std::string_view text, std::size_t from = 0) {
    std::string out;
    const auto add = [&out](std::string_view key, const std::string& value) {
        out += (out.empty() ? "?" : "&amp;") + std::string(key) + "=" + value;
    };
    if (query.names_format) add("format", "html");
    if (state) add("filter", std::string(kPartnerStates[static_cast<std::size_t>(*state)]));
    if (!text.empty()) add("q", url_escape(text));
    if (from > 0) add("from", std::to_string(from));
    return out.empty() ? "?" : out;
}

std::string tools(const StatusReport& report, const PageQuery& query) {
    std::string nav;
    const auto add = [&](std::string_view title, std::optional<State> state, std::size_t count) {
        nav += std::string("<a") + (query.state == state ? " aria-current=\"page\"" : "") +
               (count == 0 ? " class=\"none\"" : "") + " href=\"" + link(query, state, query.text) + "#partners\">" +
               std::string(title) + "<b>" + number(count) + "</b></a>\n";
    };
    static constexpr std::string_view kTitles[] = {"late",      "denied",  "refused handshakes",
                                                   "suspended", "revoked", "never seen"};
    add("all", std::nullopt, report.partners.size());
    for (std::size_t i = 0; i < StatusReport::kStates; ++i) {
        const auto state = static_cast<State>(i);
        const auto count = std::count_if(report.partners.begin(), report.partners.end(),
                                         [state](const Partner& p) { return p.is(state); });
        add(kTitles[i], state, static_cast<std::size_t>(count));
    }
    std::string form = "<form method=\"get\" role=\"search\" action=\"#partners\">";
    if (query.names_format) form += "<input type=\"hidden\" name=\"format\" value=\"html\">";
    if (query.state)
        form += "<input type=\"hidden\" name=\"filter\" value=\"" +
                std::string(kPartnerStates[static_cast<std::size_t>(*query.state)]) + "\">";
    form +=
        "<label class=\"hidden\" for=\"q\">Name, contact or certificate</label><input id=\"q\" type=\"search\" "
        "name=\"q\" placeholder=\"name or certificate\" value=\"" +
        html_escape(query.text) + "\"><button>Find</button></form>\n";
    return "<div class=\"tools\"><nav aria-label=\"Partners by state\">" + nav + "</nav>" + form + "</div>\n";
}

std::string tag(std::string_view kind, const std::string& html) {
    return "<span class=\"tag" + (kind.empty() ? "" : " is-" + std::string(kind)) + "\">" + html + "</span>";
}

std::string state_cell(const StatusReport& report, const Partner& partner) {
    std::string out;
    if (!partner.in_policy) out += tag("", "not in the policy");
    if (partner.is(State::kLate))
        out += partner.last->not_after < report.now ? tag("bad", "expired") : tag("warn", "late");
    if (partner.is(State::kDenied)) out += tag("bad", "denied");
    if (partner.is(State::kRefused)) out += tag("bad", "handshake refused");
    if (partner.is(State::kSuspended)) out += tag("bad", "suspended");
    if (partner.is(State::kRevoked)) out += tag("bad", "revoked");
    if (partner.waiver && partner.waiver->ends_soon) out += tag("warn", "serverAuth ends");
    if (partner.is(State::kNever)) out += tag("", "never seen");
    return out.empty() ? tag("good", "fine") : out;
}

std::string day_cell(const Partner& partner) {
    const HourlyCounts::Hour all = sum_of(partner.day);
    if (all.allowed + all.denied == 0) return {};
    return bars(partner.day, "small") +
           span("sub", number(all.allowed) + (all.denied > 0 ? " · " : "") +
                           (all.denied > 0 ? span("bad", number(all.denied) + " denied") : ""));
}

// The CN of a name, or the whole name.
std::string short_name(std::string_view name) {
    constexpr std::string_view kCommonName = "CN=";
    if (!name.starts_with(kCommonName)) return std::string(name);
    std::size_t end = kCommonName.size();
    while (end < name.size() && name[end] != ',' && name[end] != '+') end += name[end] == '\\' ? 2 : 1;
    return std::string(name.substr(kCommonName.size(), end - kCommonName.size()));
}

std::string certificate_cell(const StatusReport::CertificateStatus& certificate) {
    const Sighting& s = certificate.sighting;
    const std::string_view name = s.san.view().empty() ? s.subject.view() : s.san.view();
    const bool is_revoked = certificate.is_revoked.value_or(false);
    std::string title = is_revoked ? span("gone", words(name)) + " " + tag("bad", "revoked") : words(name);
    if (s.is_purpose_waived) title += " " + tag("warn", "made for servers alone");
    const std::string issuer = s.issuer.view().empty() ? "" : span("sub", "by " + words(short_name(s.issuer.view())));
    return "<details><summary>" + title + "</summary>" +
           facts({{"Subject", words(s.subject.view())},
                  {"Issuer", words(s.issuer.view())},
                  {"Serial", code(s.serial.view())},
                  {"SHA-256", code(s.sha256.view())},
                  {"Key", html_escape(s.key.view())},
                  {"Valid", format_time(s.not_before) + " to " + format_time(s.not_after)},
                  {"Last seen", format_time(s.seen)},
                  {"Revoked", !certificate.is_revoked ? "not known"
                              : is_revoked            ? "yes"
                                                      : "no"}}) +
           "</details>" + issuer;
}

std::string not_seen(const StatusReport& report) {
    return "not since " + std::string(report.watched_since == report.since ? "start " : "") +
           clock(report.now, report.watched_since);
}

constexpr const char* kColumns[] = {"Partner", "State", "Last 24 hours", "Last seen", "Ends in", "Certificate"};

std::string certificate_cells(const StatusReport& report, const StatusReport::CertificateStatus& certificate) {
    const Sighting& s = certificate.sighting;
    return cell(kColumns[3], age(report.now, s.seen)) +
           cell(kColumns[4], time_left(report.now, s.not_after, certificate.is_late)) +
           cell(kColumns[5], certificate_cell(certificate));
}

std::string name_cell(const Partner& partner) {
    std::string out = words(partner.name);
    if (!partner.contact.empty()) out += span("sub", words(partner.contact));
    return out;
}

// One <tbody> per partner, with a row per certificate.
std::string partner_rows(const StatusReport& report, const Partner& partner) {
    const std::size_t rows = std::max<std::size_t>(partner.certificates.size(), 1);
    const std::string over = rows > 1 ? " rowspan=\"" + std::to_string(rows) + "\"" : "";
    std::string out = "<tbody role=\"rowgroup\" id=\"p-" + html_escape(partner.name) +
                      "\"><tr role=\"row\"><th scope=\"row" + std::string(rows > 1 ? "group" : "") +
                      "\" role=\"rowheader\"" + over + ">" + name_cell(partner) + "</th>" +
                      cell(kColumns[1], state_cell(report, partner), over) + cell(kColumns[2], day_cell(partner), over);
    if (partner.certificates.empty()) out += cell(kColumns[3], span("note", not_seen(report)), " colspan=\"3\"");
    for (std::size_t i = 0; i < partner.certificates.size(); ++i) {
        if (i > 0) out += "</tr><tr role=\"row\" class=\"more\">";
        out += certificate_cells(report, partner.certificates[i]);
    }
    return out + "</tr></tbody>\n";
}

std::string remark(const StatusReport& report, const PageQuery& query, std::size_t found, std::size_t from,
                   std::size_t shown) {
    std::string out;
    if (shown < found) {
        out = number(from + 1) + " to " + number(from + shown) + " of " + number(found) + ", by trouble.";
        const std::size_t before = from > kOnePage ? from - kOnePage : 0;
        if (from > 0) out += " <a href=\"" + link(query, query.state, query.text, before) + "#partners\">Before</a>";
        if (from + shown < found)
            out += " <a href=\"" + link(query, query.state, query.text, from + shown) + "#partners\">Next</a>";
    }
    if (report.partners_in_policy > report.partners.size())
        out += " The policy has " + number(report.partners_in_policy) + " partners; " + number(report.partners.size()) +
               " are looked at here.";
    const auto& others = report.other_partners;
    if (others[0] + others[1] > 0)
        out += " All partners after the first " + number(kCountedPartners) +
               " that came are only counted together: " + number(others[0]) + " allowed, " + number(others[1]) +
               " denied.";
    return out.empty() ? "" : "<p class=\"note\">" + out + "</p>\n";
}

}  // namespace

std::string partner_link(const StatusReport& report, const PageQuery& query, const std::string& name) {
    const auto all = chosen(report, query);
    const std::size_t from = std::min(query.from, all.size());
    const std::size_t end = std::min(all.size(), from + kOnePage);
    const bool is_here =
        std::any_of(all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(end),
                    [&](const Partner* p) { return p->name == name; });
    return is_here ? "#p-" + html_escape(name) : link(query, std::nullopt, name) + "#partners";
}

std::string partners_section(const StatusReport& report, const PageQuery& query) {
    const auto all = chosen(report, query);
    const std::size_t from = std::min(query.from, all.size());
    const std::size_t end = std::min(all.size(), from + kOnePage);
    std::string rows;
    for (std::size_t i = from; i < end; ++i) rows += partner_rows(report, *all[i]);
    const std::string table =
        rows.empty()
            ? "<p class=\"note\">No partner is like that.</p>\n"
            : "<table role=\"table\">\n" + table_head({std::begin(kColumns), std::end(kColumns)}) + rows + "</table>\n";
    return "<section id=\"partners\" aria-labelledby=\"partners-title\" tabindex=\"-1\">\n<h2 "
           "id=\"partners-title\">Partners</h2>\n" +
           tools(report, query) + table + remark(report, query, all.size(), from, end - from) + "</section>\n";
}

}  // namespace mtls::page
