#include "rule_remedy.hpp"

#include "../policy/policy_text.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/rules/grant.hpp"
#include "mtls_authz/rules/method_set.hpp"
#include "withheld.hpp"

namespace mtls::tool {

namespace {

// The path as MTLSGrant takes it, where a grant of it reaches that path alone; of a recursive method, all of its
// folder.
std::string path_of(const LogLine& log_line) {
    if (log_line.get("detail").starts_with(kActsBelow)) {
        const std::string all = log_line.path.substr(0, log_line.path.rfind('/') + 1) + "**";
        return PathPattern::parse(all).ok() && can_be_pasted(config_quote(all)) ? config_quote(all) : "PATH/**";
    }
    const auto path = PathPattern::parse(log_line.path);
    const bool is_literal = path.ok() && !path.value().reaches_below() && !log_line.path.ends_with("...") &&
                            path.value().literal_prefix() == path.value().text();
    std::string word = config_quote(log_line.path);
    return is_literal && can_be_pasted(word) ? word : "PATH";
}

std::string at_gate(const LogLine& log_line) {
    const std::string gate = log_line.get("gate");
    return gate.empty() ? "the gate in httpd.conf" : "the gate at " + gate;
}

// The request's method as MTLSGrant and methods= write it: no line can name one that httpd does not know.
std::string method_of(const LogLine& log_line) {
    const bool is_get = log_line.method.empty() || log_line.method == "HEAD";
    return is_get ? "GET" : is_known_method(log_line.method) ? log_line.method : "write";
}

// Behind an edit with method_of().
std::string note_of_method(const LogLine& log_line) {
    return method_of(log_line) == "write" ? " (write: all methods that write, " + log_line.method + " among them)" : "";
}

// A denial, with what is known of its partner.
struct Denied {
    const LogLine& log_line;
    const std::string& block;
    const Places& places;
    std::string name = log_line.get("claimed");  // may be several
    const Partner* partner = places.policy != nullptr ? places.policy->find(name) : nullptr;

    std::string detail() const { return log_line.get("detail"); }
    std::string request() const { return method_of(log_line) + " " + path_of(log_line); }
};

Edit undecided(const std::string& withheld, const std::string& line) {
    return {{}, {}, withheld + ": decide whether that is meant; " + line + " would take it away"};
}

constexpr const char* kUnseen =
    "; where a line with if, %{cert:TYPE} or %{partner} has that path, this one was left out on purpose (--policy and "
    "--live look)";

Edit grant_edit(const Denied& denied, const std::string& place, const std::string& conditions, const char* beside) {
    const LogLine& line = denied.log_line;
    if (!known_in_upper_case(line.method).empty()) return {};  // no grant of GET lets `get` in
    const bool is_below = denied.detail().starts_with(kActsBelow);
    if (denied.partner != nullptr && !is_below) {
        const std::string withheld = withheld_grant(*denied.places.policy, *denied.partner, line);
        if (!withheld.empty()) return undecided(withheld, "an MTLSGrant without that");
    }
    return {place, "MTLSGrant " + denied.request() + conditions + beside + note_of_method(line),
            "it lets in every certificate of " + (denied.name.empty() ? "the partner" : denied.name) +
                (conditions.empty() ? "" : " that fits the if") + " there" +
                (denied.partner == nullptr ? kUnseen : "")};
}

// A grant has the path, and not for this method.
Edit edit_of_grant_method(const Denied& denied, const std::string& place) {
    constexpr const char* kBeside = ", beside the line that is there";
    if (denied.partner == nullptr) return grant_edit(denied, place, "", kBeside);
    const PlacedGrant found = grant_at(*denied.places.policy, *denied.partner, place);
    if (found.grant == nullptr) return grant_edit(denied, place, "", kBeside);
    if (found.grant->methods.contains(denied.log_line.method))
        return {at_gate(denied.log_line),
                "methods= with " + method_of(denied.log_line) + note_of_method(denied.log_line),
                "it limits the grants of all partners there; the grant at " + place + " has the method"};
    const bool is_for_all = found.is_of_everybody;
    return grant_edit(denied, is_for_all ? denied.block : place,
                      found.grant->conditions.empty() ? "" : " if" + found.grant->conditions.text(),
                      is_for_all ? "" : kBeside);
}

// What a line in the section of a gate or Require opens.
std::string reach_of(const Denied& denied, const std::string& line) {
    const MappedSection* const section =
        denied.places.gates != nullptr ? section_at(*denied.places.gates, denied.log_line.get("gate")) : nullptr;
    const std::string path = path_of(denied.log_line);
    return "it opens all that " + (section != nullptr ? section->title : "that section") +
           " covers, folders of others too; for " + path + " alone write a <Location " + path +
           "> behind it, with all lines of that section and " + line;
}

Edit edit_of_require(const Denied& denied, const std::string& directive) {
    const std::string gate = denied.log_line.get("gate");
    if (directive.starts_with("AuthType"))
        return {gate, denied.name + " in a Require line of the section", reach_of(denied, "that one")};
    const auto words = config_words(directive);
    const std::string provider = words.size() > 1 ? words[1] : "";
    if (provider == "mtls-grant") return grant_edit(denied, denied.block, "", "");
    if (provider == "mtls-group") {
        const std::vector<std::string> groups(words.begin() + 2, words.end());
        const std::string withheld = denied.partner != nullptr ? withheld_group(*denied.partner, groups) : "";
        if (!withheld.empty()) return undecided(withheld, "an MTLSGroup without that");
        return {denied.block,
                groups.size() == 1 ? "MTLSGroup " + groups.front() : "MTLSGroup with one of the names in " + directive,
                "every gate that names the group lets in all its certificates then; for this place alone, name the "
                "partner in a Require mtls-partner"};
    }
    if (provider == "mtls-partner") return {gate, denied.name + " in " + directive, reach_of(denied, "that one")};
    return {};  // of mtls-identity: a certificate that fits, not a name
}

Edit edit_of_gate(const Denied& denied) {
    const LogLine& line = denied.log_line;
    const std::string name = denied.name.empty() ? "NAME" : denied.name;
    const MappedSection* const section =
        denied.places.gates != nullptr ? section_at(*denied.places.gates, line.get("gate")) : nullptr;
    const std::string withheld =
        section != nullptr && denied.partner != nullptr ? withheld_by_gate(*section, *denied.partner) : "";
    const std::string allow = "MTLSAllow partner " + name;
    if (!withheld.empty()) return undecided(withheld, allow);
    if (line.reason == "method-not-granted")
        return {at_gate(line), "methods= with " + method_of(line) + note_of_method(line),
                "it lets in all whom that line names, at all that its section covers; for " + name +
                    " alone, and where the line is no by-grant, write " + allow + " methods=" + method_of(line) +
                    " beside it"};
    return {at_gate(line), allow, reach_of(denied, allow + " methods=" + method_of(line))};
}

// `is_by_method`: of method-not-granted.
Edit edit_of_known_client(const Denied& denied, bool is_by_method) {
    const LogLine& log_line = denied.log_line;
    const std::string detail = denied.detail(), directive = log_line.get("directive");
    if (!is_by_method && !directive.empty()) return edit_of_require(denied, directive);
    if (is_by_method) {
        const std::string place = log_line.get("grant");
        return place.empty() ? edit_of_gate(denied) : edit_of_grant_method(denied, place);
    }
    if (detail == kDetailDeny)
        return {at_gate(log_line), "no MTLSDeny for " + denied.name,
                "take out this name alone; where the line names a group, decide whether the partner stays in it"};
    if (detail.starts_with(kDetailDeny)) return {at_gate(log_line), "an MTLSDeny of partners that there are", {}};
    if (detail == kDetailByGrant || detail.starts_with(kActsBelow)) return grant_edit(denied, denied.block, "", "");
    return edit_of_gate(denied);
}

}  // namespace

Edit edit_of_rule(const LogLine& log_line, const std::string& block, const Places& places) {
    const Denied denied{log_line, block, places};
    const std::string detail = denied.detail();
    if (detail.ends_with(kSentNone) || detail.ends_with(kInOtherCase)) return {};
    // httpd answers it before any access check, so a gate refuses it whatever is granted.
    const bool is_by_method = log_line.reason == "method-not-granted";
    if (is_by_method && log_line.method == "TRACE") return {};
    if (denied.partner != nullptr && denied.partner->front() != nullptr)
        return {{},
                {},
                denied.name +
                    " is a front: let in for itself, it lets in every client of its own; decide whether its "
                    "clients' certificates count there (MTLSAcceptFront " +
                    denied.name + ")"};
    Edit out = edit_of_known_client(denied, is_by_method);
    const bool is_allowing = !out.line.empty() && !detail.starts_with(kDetailDeny);
    if (denied.partner == nullptr && is_allowing)
        out.caution += "; and never for a front (MTLSFront), all of whose clients it would let in";
    return out;
}

}  // namespace mtls::tool
