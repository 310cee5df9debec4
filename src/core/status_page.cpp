#include "mtls_authz/calendar.hpp"
#include "mtls_authz/html.hpp"
#include "mtls_authz/status_report.hpp"

namespace mtls {

const std::string_view kStatusStyle = R"(
.good, .warn, .bad { font-weight: 600; }
.good { color: var(--good); }
.warn { color: var(--warn); }
.bad { color: var(--bad); }
ul { margin: 0; padding: 0; list-style: none; }
li { padding: .25rem 0; }
h3 { font-size: 1rem; margin: 1rem 0 0; }
th { white-space: nowrap; }
td { overflow-wrap: break-word; font-variant-numeric: tabular-nums; }
.long { overflow-wrap: anywhere; }
.example { border-left: 3px solid var(--line); padding: .25rem 0 .25rem .75rem; margin: .5rem 0; overflow-wrap: anywhere; }
@media (max-width: 44rem) {
  table, tbody, tr, td { display: block; }
  thead { display: none; }
  tr { border-top: 1px solid var(--line); padding: .5rem 0; }
  td { border: 0; padding: 0; display: grid; grid-template-columns: 8rem 1fr; gap: .5rem; }
  td.empty { display: none; }
  td::before { content: attr(data-label); font-weight: 600; }
}
)";

namespace {

constexpr std::int64_t kDay = 86400;

std::string span(const char* kind, const std::string& text) {
    return std::string("<span class=\"") + kind + "\">" + text + "</span>";
}

std::string breakable(const std::string& text) { return span("long", html_escape(text)); }

std::int64_t days_between(std::int64_t now, std::int64_t at) { return at < now ? -1 : (at - now) / kDay; }

std::string counted(std::uint64_t n, const char* one, const char* many) {
    return std::to_string(n) + " " + (n == 1 ? one : many);
}

// "3 min ago"
std::string age_text(std::int64_t now, std::int64_t then) {
    const std::int64_t age = now - then;
    constexpr std::int64_t kMinute = 60;
    constexpr std::int64_t kHour = 3600;
    if (age < kMinute) return "just now";
    if (age < 2 * kHour) return std::to_string(age / kMinute) + " min ago";
    if (age < 2 * kDay) return std::to_string(age / kHour) + " h ago";
    return std::to_string(age / kDay) + " days ago";
}

// `past`: what it is called once that is over. `is_late`: it is near its end.
std::string time_left(std::int64_t now, std::int64_t at, bool is_late, const char* past) {
    const std::int64_t days = days_between(now, at);
    if (days < 0) return span("bad", past + (" " + format_time(at)));
    const std::string text = counted(static_cast<std::uint64_t>(days), "day", "days");
    return is_late ? span("warn", text) : text;
}

std::string with_contact(const std::string& html, const std::string& contact) {
    return contact.empty() ? html : html + "<br>" + breakable("contact: " + contact);
}

// One row after the other; on a phone each becomes a block, its cells named.
class Table {
public:
    explicit Table(std::vector<const char*> columns) : columns_(std::move(columns)) {}
    // Cells are HTML.
    void add(const std::vector<std::string>& cells) {
        rows_ += "<tr>";
        for (std::size_t i = 0; i < cells.size(); ++i) {
            rows_ += std::string(cells[i].empty() ? "<td class=\"empty\"" : "<td") + " data-label=\"" + columns_[i] +
                     "\"><span>" + cells[i] + "</span></td>";
        }
        rows_ += "</tr>\n";
    }
    std::string html() const {
        if (rows_.empty()) return "<p class=\"note\">None.</p>\n";
        std::string head;
        for (const char* column : columns_) head += std::string("<th>") + column + "</th>";
        return "<table>\n<thead><tr>" + head + "</tr></thead>\n<tbody>\n" + rows_ + "</tbody>\n</table>\n";
    }

private:
    std::vector<const char*> columns_;
    std::string rows_;
};

std::string section(const char* title, const std::string& html) {
    return std::string("<section>\n<h2>") + title + "</h2>\n" + html + "</section>\n";
}

std::string policy_health(const StatusReport& report) {
    if (report.generation.empty()) {
        return span("bad", "No policy in force") + ": this process refuses everything; see the error log.";
    }
    std::string out = report.refused_since == 0
                          ? span("good", "Policy in force")
                          : span("bad", "Policy files refused since " + format_time(report.refused_since)) +
                                "; the error log says why. What was in force stays so";
    if (!report.keeper_is_up) {
        out = span("bad", "The keeper is down") + ": no change of a file counts until it is back. " + out;
    }
    return out + ": generation " + html_code(report.generation) + " since " + format_time(report.in_force_since) +
           ", " + counted(report.partners_in_policy, "partner", "partners") + ", " +
           counted(report.identities, "identity", "identities") + ".";
}

std::string children_health(const StatusReport& report) {
    std::size_t others = 0;
    for (const ChildInfo& child : report.children) {
        if (child.generation.str() != report.generation) ++others;
    }
    const std::string all = counted(report.children.size(), "child process", "child processes");
    if (others == 0) return span("good", "Same generation") + " in " + all + ".";
    return span("warn", std::to_string(others) + " of " + all) +
           " at another generation: a change takes a second or two to "
           "reach all.";
}

// At most so many are named; the tables below have all.
class Named {
public:
    void add(const std::string& name, const std::string& contact) {
        constexpr std::size_t kMostNamed = 5;
        if (++count_ > kMostNamed) return;
        text_ +=
            (text_.empty() ? ": " : "; ") + breakable(name + (contact.empty() ? "" : " (contact: " + contact + ")"));
    }
    std::size_t count() const { return count_; }
    std::string text() const { return text_ + (text_.empty() ? "" : "."); }

private:
    std::size_t count_ = 0;
    std::string text_;
};

std::string expiry_health(const StatusReport& report) {
    Named late;
    for (const auto& partner : report.partners) {
        if (partner.is_late) late.add(partner.name, partner.contact);
    }
    if (late.count() == 0) return span("good", "No certificate") + " that was seen is near its end.";
    return span("warn", counted(late.count(), "partner's certificate", "partners' certificates")) + " near the end" +
           late.text();
}

std::string issuer_health(const StatusReport& report) {
    Named anchors;
    Named overdue;
    for (const auto& anchor : report.anchors) {
        if (anchor.is_late) anchors.add(anchor.name, anchor.contact);
    }
    for (const auto& crl : report.crls) {
        if (crl.is_late) overdue.add(crl.name, "");
    }
    std::string out = anchors.count() == 0 ? span("good", "No trust anchor") + " is near its end; "
                                           : span("warn", counted(anchors.count(), "trust anchor", "trust anchors")) +
                                                 " near the end" + anchors.text() + " ";
    return out + (overdue.count() == 0
                      ? span("good", "no CRL") + " is overdue."
                      : span("bad", counted(overdue.count(), "CRL", "CRLs")) + " past nextUpdate" + overdue.text());
}

// What MTLSPurpose serverAuth lets in; "" where no partner has it.
std::string purpose_health(const StatusReport& report) {
    Named waivers;
    Named ending;
    for (const auto& partner : report.partners) {
        if (!partner.waiver) continue;
        const auto& until = partner.waiver->until;
        const std::string end = until ? (*until < report.now ? ", ended " : ", until ") + format_time(*until) : "";
        (partner.waiver->ends_soon ? ending : waivers).add(partner.name + end, partner.contact);
    }
    std::string out;
    const auto add = [&out](const char* kind, const Named& named, const char* what) {
        if (named.count() == 0) return;
        out +=
            (out.empty() ? "" : " ") + span(kind, counted(named.count(), "partner", "partners")) + what + named.text();
    };
    add("warn", ending, " whose MTLSPurpose serverAuth ends soon, or has ended");
    add("note", waivers, " with MTLSPurpose serverAuth");
    return out;
}

std::string decisions_health(const StatusReport& report) {
    StatusReport::Counts all{};
    for (const auto& status : report.reasons) {
        for (std::size_t i = 0; i < all.size(); ++i) all[i] += status.counts[i];
    }
    std::string out = std::to_string(all[0]) + " allowed, " + std::to_string(all[1]) + " denied, " +
                      std::to_string(all[2]) + " let through by LogOnly that would be denied.";
    std::uint64_t refused = 0;
    for (const std::uint64_t n : report.handshakes_refused) refused += n;
    return out + " " + counted(refused, "handshake", "handshakes") + " refused before any gate was asked.";
}

std::string health(const StatusReport& report) {
    std::string out = "<ul>\n";
    for (const std::string& line : {policy_health(report), children_health(report), expiry_health(report),
                                    issuer_health(report), decisions_health(report)}) {
        out += "<li>" + line + "</li>\n";
    }
    if (const std::string purpose = purpose_health(report); !purpose.empty()) out += "<li>" + purpose + "</li>\n";
    if (report.events_failed > 0) {
        out += "<li>" + span("warn", counted(report.events_failed, "run", "runs")) +
               " of MTLSEventCmd failed: see the error log.</li>\n";
    }
    if (report.audit_dropped > 0) {
        out += "<li>" + span("warn", counted(report.audit_dropped, "audit line", "audit lines")) +
               " dropped: the reader of MTLSAuditLog is too slow, or the disk full.</li>\n";
    }
    return out + "</ul>\n";
}

std::string certificate_cell(const StatusReport::PartnerStatus& partner) {
    std::string out;
    if (partner.last) {
        out = breakable(partner.last->subject.str()) + "<br>serial " + html_code(partner.last->serial.str()) +
              "<br>key " + html_escape(partner.last->key.str());
    }
    if (!partner.waiver) return out;
    if (partner.last && partner.last->is_purpose_waived) out += "<br>made for servers alone";
    const auto& until = partner.waiver->until;
    const std::string text = "MTLSPurpose serverAuth" + (until ? " until " + format_time(*until) : std::string());
    return out + (out.empty() ? "" : "<br>") + (partner.waiver->ends_soon ? span("warn", text) : text) + ": " +
           counted(partner.purposes_waived, "request", "requests");
}

std::string partners(const StatusReport& report) {
    Table table({"Partner", "Last seen", "Certificate", "Days left", "Allowed", "Denied", "Would deny"});
    for (const auto& partner : report.partners) {
        const auto& last = partner.last;
        const std::string late = partner.is_late ? " " + span("warn", "late") : "";
        table.add(
            {with_contact(breakable(partner.name) + (partner.in_policy ? "" : " (no longer in the policy)") + late,
                          partner.contact),
             last ? age_text(report.now, last->seen) : "never", certificate_cell(partner),
             last ? time_left(report.now, last->not_after, partner.is_late, "expired") : "",
             std::to_string(partner.counts[0]), std::to_string(partner.counts[1]), std::to_string(partner.counts[2])});
    }
    const auto& others = report.other_partners;
    if (others[0] + others[1] + others[2] > 0) {
        table.add({"all others", "", "", "", std::to_string(others[0]), std::to_string(others[1]),
                   std::to_string(others[2])});
    }
    return table.html();
}

std::string example_text(const StatusReport& report, const Example& e) {
    std::string out = age_text(report.now, e.time) + ": " + html_code(e.method.str() + " " + e.path.str()) + " from " +
                      html_escape(e.client.str());
    const std::string who = e.who.str();
    const std::string subject = e.subject.str();
    if (!who.empty()) out += ", as " + html_escape(who);
    if (!e.gate.str().empty()) out += ", at gate " + html_code(e.gate.str());
    if (e.outcome == Outcome::kWouldDeny) out += " (let through by LogOnly)";
    if (!e.sha256.str().empty()) out += "<br>" + html_escape(subject) + "<br>" + html_code(e.sha256.str());
    return "<div class=\"example\">" + out + "</div>\n";
}

std::string denials(const StatusReport& report) {
    std::string out;
    for (const auto& status : report.reasons) {
        const auto denied = status.counts[static_cast<std::size_t>(Outcome::kDeny)];
        const auto would = status.counts[static_cast<std::size_t>(Outcome::kWouldDeny)];
        if (denied + would == 0) continue;
        out += "<h3>" + std::string(word_of(status.reason)) + ": " + std::to_string(denied) + " denied" +
               (would > 0 ? ", " + std::to_string(would) + " would be" : "") + "</h3>\n<p class=\"note\">" +
               html_escape(text_of(status.reason).sentence) + ".</p>\n";
        for (const Example& e : status.examples) out += example_text(report, e);
    }
    return out.empty() ? "<p class=\"note\">None.</p>\n" : out;
}

std::string handshakes(const StatusReport& report) {
    Table table({"Reason", "Refused", "What it may mean"});
    for (const HandshakeRefusalText& text : kHandshakeRefusals) {
        const std::uint64_t n = report.handshakes_refused[static_cast<std::size_t>(text.refusal)];
        if (n > 0) table.add({std::string(text.word), std::to_string(n), html_escape(text.sentence)});
    }
    return table.html();
}

std::string issuers(const StatusReport& report) {
    Table table({"Of", "Anchor or CRL", "Days left"});
    for (const auto& anchor : report.anchors) {
        table.add({anchor.partner == "*" ? "the default" : with_contact(breakable(anchor.partner), anchor.contact),
                   breakable(anchor.name), time_left(report.now, anchor.at, anchor.is_late, "expired")});
    }
    for (const auto& crl : report.crls) {
        table.add({"CRL", breakable(crl.name),
                   crl.at == 0 ? span("bad", "has no nextUpdate")
                               : time_left(report.now, crl.at, crl.is_late, "overdue since")});
    }
    return table.html();
}

std::string children(const StatusReport& report) {
    Table table({"Process", "Generation", "In force since", "Last sign of life"});
    for (const ChildInfo& child : report.children) {
        const std::string generation = child.generation.str();
        const bool same = generation == report.generation;
        table.add({std::to_string(child.pid),
                   generation.empty() ? span("bad", "none: refuses everything")
                   : same             ? html_code(generation)
                                      : span("warn", html_code(generation)),
                   child.in_force_since != 0 ? format_time(child.in_force_since) : "",
                   child.looked != 0 ? age_text(report.now, child.looked) : ""});
    }
    return table.html();
}

}  // namespace

std::string status_page(const StatusReport& report) {
    constexpr const char* kTitle = "Partners by client certificate";
    return html_page(kTitle, kStatusStyle,
                     std::string("<h1>") + kTitle + "</h1>\n<p class=\"note\">mod_mtls_authz on " +
                         html_escape(report.host) + ", " + format_time(report.now) + "</p>\n" +
                         section("Health", health(report)) + section("Partners", partners(report)) +
                         section("Denials", denials(report)) + section("Refused handshakes", handshakes(report)) +
                         section("Trust anchors and CRLs", issuers(report)) + section("Processes", children(report)));
}

}  // namespace mtls
