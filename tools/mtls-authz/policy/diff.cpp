#include <ctime>
#include <iostream>
#include <set>

#include "../commands.hpp"
#include "../explain/explanation.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../terminal.hpp"
#include "diff.hpp"
#include "in_force.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/identification.hpp"

namespace mtls::tool {

namespace {

using Lines = std::set<std::string>;

void add_certificates(const std::string& directive, const Span<AnchorCertificate>& certificates,
                      const std::string& limits, Lines& out) {
    for (const AnchorCertificate& c : certificates) {
        std::string line = directive + " " + escape_for_log(c.subject_text, 200);
        line.append(" sha256:").append(hex(bytes_of(c.sha256))).append(limits);
        out.insert(std::move(line));
    }
}

bool is_named_by_identity(const Partner& partner, const Anchor& anchor) {
    for (const Identity& identity : partner.identities) {
        if (identity.anchor && std::string_view(*identity.anchor) == std::string_view(anchor.file)) return true;
    }
    return false;
}

// What a partner has, as lines.
Lines lines_of(const Partner& partner, const Policy& policy) {
    Lines out;
    for (const Identity& identity : partner.identities) out.insert("MTLSIdentity " + escape_hidden(identity.text()));
    if (partner.anchors->uses_mod_ssl) out.insert("MTLSTrustAnchor mod_ssl");
    for (const Anchor& anchor : partner.anchors->anchors) {
        std::string limits;
        if (!anchor.trust_domain.empty()) limits += " trust-domain=" + std::string(anchor.trust_domain);
        if (anchor.window.from) limits += " from=" + format_time(*anchor.window.from);
        if (anchor.window.until) limits += " until=" + format_time(*anchor.window.until);
        // Which of its anchors a line means by anchor=FILE.
        if (is_named_by_identity(partner, anchor)) limits += " in " + escape_hidden(config_quote(anchor.file));
        add_certificates("MTLSTrustAnchor", anchor.certificates, limits, out);
        if (anchor.sequence) {
            out.insert("MTLSTrustAnchor " + escape_hidden(config_quote(anchor.file)) +
                       " spiffe_sequence=" + std::to_string(*anchor.sequence));
        }
    }
    for (const auto& file : partner.intermediates) add_certificates("MTLSIntermediate", file, "", out);
    for (const auto grants : {std::span(partner.grants), policy.grants()}) {
        for (const Grant& grant : grants) out.insert("MTLSGrant " + grant.text());
    }
    if (partner.server_purpose) {
        const auto& until = partner.server_purpose->until;
        out.insert("MTLSPurpose serverAuth" + (until ? " until=" + format_time(*until) : std::string()));
    }
    for (const GroupMembership& membership : partner.groups) {
        std::string line = "MTLSGroup";
        for (const std::string_view name : membership.names) line += " " + std::string(name);
        for (const Selector& selector : membership.conditions) line += " if " + std::string(selector.text());
        out.insert(line);
    }
    for (const PartnerAttribute& attribute : partner.attributes) {
        out.insert("MTLSAttribute " + escape_hidden(attribute.text()));
    }
    if (const Front* const front = partner.front()) out.insert("MTLSFront " + front->text());
    if (!partner.contact.empty()) out.insert("MTLSContact " + escape_hidden(config_quote(partner.contact)));
    return out;
}

// `refusals` are those of revocation files.
Lines limits_of(const Partner& partner, const Refusals& refusals) {
    Lines out;
    if (partner.suspended) out.insert("MTLSSuspend On");
    // Such a line names a partner: it ends where the name does.
    if (const Suspension* const elsewhere = refusals.suspends(partner.name)) {
        out.insert("MTLSSuspend " + std::string(partner.name) + " at " + escape_hidden(elsewhere->where.str()));
    }
    if (!partner.suspension_note.empty()) {
        out.insert("MTLSSuspend " + escape_hidden(config_quote("note=" + std::string(partner.suspension_note))));
    }
    if (partner.validity.from) out.insert("MTLSValid from=" + format_time(*partner.validity.from));
    if (partner.validity.until) out.insert("MTLSValid until=" + format_time(*partner.validity.until));
    if (!partner.networks.empty()) out.insert("MTLSNetwork " + texts_of(partner.networks));
    return out;
}

Lines expectations_of(const Policy& policy) {
    Lines out;
    for (const std::string_view text : policy.expectations()) {
        out.insert("MTLSExpect " + escape_hidden(std::string(text)));
    }
    return out;
}

Lines expected_certificates_of(const Policy& policy) {
    Lines out;
    const std::string_view certificates = policy.expected_certificates();
    constexpr std::size_t kLength = 32;
    for (std::size_t at = 0; at + kLength <= certificates.size(); at += kLength) {
        out.insert("MTLSExpect about the certificate sha256:" + hex(bytes_of(certificates.substr(at, kLength))));
    }
    return out;
}

// Limits of all partners. MTLSCRLFile is one: what the lists name is refused, as with MTLSRevoke.
Lines limits_of(const Policy& policy) {
    Lines out;
    for (const RevocationLine& revocation : policy.revocations().all()) out.insert("MTLSRevoke " + revocation.text());
    for (const WatchedFiles& files : policy.crl_files()) {
        out.insert("MTLSCRLFile " + escape_hidden(config_quote(files.spelled)));
    }
    return out;
}

// One difference: "acme gains: MTLSGrant ...", "acme is new".
struct Change {
    std::string who, verb, what;

    std::string text() const {
        return who + (verb.starts_with("was ") ? ": " : " ") + verb + (what.empty() ? "" : ": " + what);
    }
};
using Changes = std::vector<Change>;

void compare(const std::string& who, const char* verb, const Lines& lines, const Lines& without, Changes& out) {
    for (const std::string& line : lines) {
        if (!without.contains(line)) out.push_back({who, verb, line});
    }
}

// MTLSCRL, MTLSCRLStale and MTLSShortLived, each as a line that gives or limits.
struct CrlLines {
    Lines given, limits;

    // `other`: the rules of the other policy. A directive that only `other` sets gets a line here, too: with the value
    // from `fallback`, and `whose` behind it.
    CrlLines(const CrlRules& rules, const CrlRules& other, const CrlRules& fallback, const std::string& whose) {
        CrlRules unset;
        if (!rules.required && other.required) unset.required = fallback.required;
        if (!rules.stale_after && other.stale_after) unset.stale_after = fallback.stale_after;
        if (!rules.short_life && other.short_life) unset.short_life = fallback.short_life;
        for (const std::string& line : texts_of(rules)) add(line, "");
        for (const std::string& line : texts_of(unset)) add(line, whose);
    }

private:
    void add(const std::string& line, const std::string& whose) {
        const bool is_limit = line == "MTLSCRL required" || line == "MTLSCRLStale deny" || line == "MTLSShortLived 0";
        (is_limit ? limits : given).insert(line + whose);
    }
};

constexpr CrlRules kDefaultCrlRules{false, 0, CrlRules::kDefaultShortLife};

void compare_rules(const std::string& who, const CrlLines& before, const CrlLines& after, Changes& out) {
    compare(who, "gains", after.given, before.given, out);
    compare(who, "loses", before.given, after.given, out);
    compare(who, "is limited by", after.limits, before.limits, out);
    compare(who, "is no longer limited by", before.limits, after.limits, out);
}

void compare_partners(const Policy& before, const Policy& after, const Refusals& refusals, Changes& out) {
    std::set<std::string> names;
    for (const auto* policy : {&before, &after}) {
        for (const Partner& partner : policy->partners()) names.emplace(partner.name);
    }
    for (const std::string& name : names) {
        const Partner* const was = before.find(name);
        const Partner* const is = after.find(name);
        const Lines old_lines = was != nullptr ? lines_of(*was, before) : Lines();
        const Lines new_lines = is != nullptr ? lines_of(*is, after) : Lines();
        if (was == nullptr) out.push_back({name, "is new", ""});
        if (is == nullptr) out.push_back({name, "is gone", ""});
        compare(name, "gains", new_lines, old_lines, out);
        compare(name, "loses", old_lines, new_lines, out);
        // Limits work the other way round.
        const Lines old_limits = was != nullptr ? limits_of(*was, refusals) : Lines();
        const Lines new_limits = is != nullptr ? limits_of(*is, refusals) : Lines();
        compare(name, "is limited by", new_limits, old_limits, out);
        compare(name, "is no longer limited by", old_limits, new_limits, out);
        const CrlRules old_rules = was != nullptr ? was->crl_rules : CrlRules();
        const CrlRules new_rules = is != nullptr ? is->crl_rules : CrlRules();
        // The common rules do not apply to a partner that does not exist.
        const auto fallback = [](const Partner* partner, const Policy& policy) {
            return partner != nullptr ? policy.crl_rules().over(kDefaultCrlRules) : CrlRules();
        };
        compare_rules(name, {old_rules, new_rules, fallback(was, before), " (everybody's)"},
                      {new_rules, old_rules, fallback(is, after), " (everybody's)"}, out);
    }
}

void compare_common(const Policy& before, const Policy& after, Changes& out) {
    const std::string who = "everybody";
    // If the lines are equal, a file that one of them names may still contain another certificate.
    const bool has_equal_lines = expectations_of(before) == expectations_of(after);
    const auto expected = has_equal_lines ? expected_certificates_of : expectations_of;
    compare(who, "gains", expected(after), expected(before), out);
    compare(who, "loses", expected(before), expected(after), out);
    compare(who, "is limited by", limits_of(after), limits_of(before), out);
    compare(who, "is no longer limited by", limits_of(before), limits_of(after), out);
    const CrlRules& old_rules = before.crl_rules();
    const CrlRules& new_rules = after.crl_rules();
    compare_rules(who, {old_rules, new_rules, kDefaultCrlRules, " (the default)"},
                  {new_rules, old_rules, kDefaultCrlRules, " (the default)"}, out);
}

Changes compare_policies(const Policy& before, const Policy& after, const Refusals& refusals) {
    Changes out;
    compare_partners(before, after, refusals, out);
    compare_common(before, after, out);
    if (!out.empty() || before.generation() == after.generation()) return out;
    // Perhaps a file's name or the order of lines; a directive that has no line above would come here, too.
    out.push_back({"the policies", "are of different generations, by something that no line of diff shows",
                   std::string(before.generation()) + " and " + std::string(after.generation())});
    return out;
}

// Refusals and CRLs, used with both policies.
struct RefusalSet {
    std::shared_ptr<const Refusals> refusals = std::make_shared<const Refusals>();
    std::shared_ptr<const CrlSet> crls = std::make_shared<const CrlSet>();
};

std::string verdict(const Policy& policy, const PresentedCertificate& certificate, const RefusalSet& refusal_set) {
    const Identification who =
        identify(policy, certificate, {{}, *refusal_set.refusals, *refusal_set.crls, std::time(nullptr)});
    if (const Partner* const partner = partner_by_unseen_cas(who))
        return "not known (" + std::string(partner->name) + ", if a CA of mod_ssl's issued it)";
    return std::string(who.reason == Reason::kGranted ? who.partner->name.view() : word_of(who.reason));
}

// `path`: a folder of certificates, or one. Returns whether all were readable.
bool compare_certificates(const Policy& before, const Policy& after, const RefusalSet& refusal_set,
                          const std::string& path, Changes& out) {
    const auto found = files_below(path);
    if (!found) {
        complain(path + ": " + found.error());
        return false;
    }
    const std::vector<std::string>& files = found.value();
    bool all_read = true;
    for (std::size_t i = 0; i < files.size(); ++i) {
        show_progress("asked about", i, files.size());
        const std::string& file = files[i];
        const auto certificate = read_client(file, {});
        if (!certificate) {
            complain(certificate.error());
            all_read = false;
            continue;
        }
        const std::string was = verdict(before, *certificate.value(), refusal_set);
        const std::string is = verdict(after, *certificate.value(), refusal_set);
        if (was != is) out.push_back({file, std::string("was ").append(was).append(", is ").append(is), ""});
    }
    show_progress("asked about", files.size(), files.size());
    return all_read;
}

Json change_json(const Change& change) {
    return {{"who", change.who},
            {"change", change.verb},
            {"line", change.what.empty() ? Json(nullptr) : Json(change.what)}};
}

// Reads a running server's policy instead of files; `refusal_set` gets its refusals, for both policies, and `server`
// what httpd.conf adds to the files.
Result<PolicyInput> read_live_policy(const std::string& socket, RefusalSet& refusal_set, GateMap& server) {
    auto now = read_in_force(socket);
    if (!now) return Error{now.error()};
    if (now.value().policy == nullptr) return Error{"no policy is in force, so every gate is closed"};
    refusal_set = {now.value().refusals, now.value().crls};
    server = std::move(now.value().gates);
    PolicyInput out;
    out.policy = now.value().policy;
    return out;
}

// MTLSSuspend lines for names that no partner has: with a partner of that name, they are limits of it.
Lines suspended_without_partner(const PolicyInput& input) {
    Lines out;
    for (const std::string& name : input.suspended_names) {
        if (input.policy->find(name) == nullptr) out.insert("MTLSSuspend " + escape_hidden(name));
    }
    return out;
}

}  // namespace

std::vector<std::string> differences(const Policy& before, const Policy& after) {
    std::vector<std::string> out;
    for (const Change& change : compare_policies(before, after, {})) out.push_back(change.text());
    return out;
}

int show_difference(const DiffOptions& options) {
    RefusalSet refusal_set;
    GateMap server;
    const auto first = options.live ? read_live_policy(options.socket, refusal_set, server)
                                    : Result<PolicyInput>(read_policy({options.before}, options.root));
    if (!first) return complain(first.error());
    const PolicyInput& before = first.value();
    const PolicyInput after =
        read_policy({options.after}, options.root, Dumps::kAnywhere, options.live ? &server : nullptr);
    for (const PolicyInput* input : {&before, &after}) {
        if (input->policy) continue;
        print_findings(std::cerr, input->findings);
        return kNotDone;
    }
    Changes changes = compare_policies(*before.policy, *after.policy, *refusal_set.refusals);
    // A running server does not say such names.
    if (!options.live) {
        const Lines was = suspended_without_partner(before), is = suspended_without_partner(after);
        compare("everybody", "is limited by", is, was, changes);
        compare("everybody", "is no longer limited by", was, is, changes);
    }
    bool all_read = true;
    if (!options.certificates.empty()) {
        all_read = compare_certificates(*before.policy, *after.policy, refusal_set, options.certificates, changes);
    }
    const std::string left = options.live
                                 ? "gates of httpd.conf (they stay)"
                                 : "gates of httpd.conf, revocation files, CRLs (--live asks a running server)";
    if (options.json) {
        Json all = Json::array();
        for (const Change& change : changes) all.push_back(change_json(change));
        std::cout << one_line({{"before", before.policy->generation()},
                               {"after", after.policy->generation()},
                               {"changes", std::move(all)},
                               {"not_asked", left}})
                  << '\n';
    } else {
        for (const Change& change : changes) std::cout << shown(change.text()) << '\n';
        // A script reads nothing where nothing differs, as of diff(1).
        if (changes.empty() && is_terminal()) std::cout << "no difference\n";
        if (!changes.empty() || is_terminal()) std::cout << "not asked: " << left << '\n';
    }
    return !all_read ? kNotDone : changes.empty() ? kFine : kErrorsFound;
}

}  // namespace mtls::tool
