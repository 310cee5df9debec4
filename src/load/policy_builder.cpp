#include "mtls_authz/load/policy_builder.hpp"

#include <algorithm>
#include <ctime>
#include <span>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/public_ca.hpp"
#include "mtls_authz/load/refusal_directives.hpp"
#include "mtls_authz/rules/partner_name.hpp"

namespace mtls {

struct PolicyBuilder::Handler {
    std::string_view name;
    void (PolicyBuilder::*in_partner)(const Directive&, WrittenPartner&);
    void (PolicyBuilder::*anywhere)(const Directive&, WrittenPartner*);
};

constinit const PolicyBuilder::Handler PolicyBuilder::kHandlers[] = {
    {"MTLSIdentity", &PolicyBuilder::identity, nullptr},
    {"MTLSTrustAnchor", nullptr, &PolicyBuilder::trust_anchor},
    {"MTLSIntermediate", &PolicyBuilder::intermediate, nullptr},
    {"MTLSGroup", &PolicyBuilder::group, nullptr},
    {"MTLSValid", &PolicyBuilder::valid, nullptr},
    {"MTLSPurpose", &PolicyBuilder::purpose, nullptr},
    {"MTLSNetwork", &PolicyBuilder::network, nullptr},
    {"MTLSFront", &PolicyBuilder::front, nullptr},
    {"MTLSAttribute", &PolicyBuilder::attribute, nullptr},
    {"MTLSContact", &PolicyBuilder::contact, nullptr},
    {"MTLSSuspend", nullptr, &PolicyBuilder::suspend},
    {"MTLSRevoke", nullptr, &PolicyBuilder::revoke},
    {"MTLSCRL", nullptr, &PolicyBuilder::crl_presence},
    {"MTLSCRLStale", nullptr, &PolicyBuilder::crl_stale},
    {"MTLSShortLived", nullptr, &PolicyBuilder::short_lived},
    {"MTLSCRLFile", nullptr, &PolicyBuilder::crl_file},
    {"MTLSGrant", nullptr, &PolicyBuilder::grant},
    {"MTLSExpect", nullptr, &PolicyBuilder::expect},
};

namespace {

// Directives that apply to the whole policy, and so are not allowed inside of a partner.
constexpr std::string_view kNotInPartner[] = {"MTLSRevoke", "MTLSCRLFile", "MTLSExpect"};

bool is_allowed_in_partner(std::string_view name) {
    return std::find(std::begin(kNotInPartner), std::end(kNotInPartner), name) == std::end(kNotInPartner);
}

// Where a directive of this module, or of httpd's access control, belongs that is not allowed in a policy. Nothing for
// other directives.
std::optional<std::string> place_of_other(std::string_view name, const std::string& here) {
    static constexpr std::string_view kServer[] = {
        "MTLSPolicyFile", "MTLSRevocationFile", "MTLSPolicyStart", "MTLSPolicyRefresh", "MTLSClientCA",
        "MTLSAuditLog",   "MTLSWarn",           "MTLSEventCmd",    "MTLSFetchUser",     "MTLSPolicyDatabase"};
    static constexpr std::string_view kGate[] = {"MTLSAllow",       "MTLSDeny",        "MTLSAuthz",   "MTLSRemoteUser",
                                                 "MTLSEnv",         "MTLSErrorDetail", "MTLSForward", "MTLSStatus",
                                                 "MTLSAcceptFront", "Require",         "AuthType",    "Satisfy"};
    static constexpr std::string_view kSection[] = {
        "Location", "LocationMatch", "Directory",  "DirectoryMatch", "Files",       "FilesMatch", "VirtualHost",
        "Proxy",    "ProxyMatch",    "RequireAll", "RequireAny",     "RequireNone", "Limit",      "LimitExcept"};
    const auto is_among = [name](std::span<const std::string_view> words) {
        return std::any_of(words.begin(), words.end(), [name](std::string_view w) { return equal_nocase(w, name); });
    };
    const std::string place = std::string(name) + " belongs in httpd.conf, not in " + here;
    const std::string grants = " (what a partner may do is said by MTLSGrant)";
    if (is_among(kServer)) return place;
    if (is_among(kSection)) return place + ": gates are there" + grants;
    if (!is_among(kGate)) return std::nullopt;
    return place + ": it is of a gate, in a section like <Location /orders>" + grants;
}

// Why a directive is not allowed in a policy file, if it is not.
std::optional<std::string> fault_in_policy_file(const Directive& d) {
    static constexpr std::string_view kConditions[] = {"Define", "UnDefine", "Include",   "IncludeOptional",
                                                       "Use",    "Macro",    "LoadModule"};
    const bool conditional = std::any_of(std::begin(kConditions), std::end(kConditions),
                                         [&](std::string_view name) { return equal_nocase(d.name, name); }) ||
                             (d.is_section && starts_nocase(d.name, "If"));
    if (conditional) {
        return in_quotes(d.name) + " is refused in policy files, so that the tool and the server read the same";
    }
    if (equal_nocase(d.name, "MTLSTrustAnchor")) {
        return "MTLSTrustAnchor outside of <MTLSPartner>, the default for all, belongs in httpd.conf only";
    }
    return place_of_other(d.name, "a policy file");
}

bool is_misspelled(std::string_view name, std::string_view right, const std::vector<std::string_view>& known) {
    return equal_nocase(name, right) || nearest_of(name, known) == right;
}

}  // namespace

const PolicyBuilder::Handler* PolicyBuilder::find_handler(std::string_view name) {
    for (const Handler& handler : kHandlers) {
        if (equal_nocase(handler.name, name)) return &handler;
    }
    return nullptr;
}

std::vector<std::string_view> PolicyBuilder::top_level_directives() {
    std::vector<std::string_view> names = {"MTLSPartner"};
    for (const Handler& handler : kHandlers) {
        if (handler.anywhere != nullptr) names.push_back(handler.name);
    }
    return names;
}

std::vector<std::string_view> PolicyBuilder::partner_directives() {
    std::vector<std::string_view> names;
    for (const Handler& handler : kHandlers) {
        if (is_allowed_in_partner(handler.name)) names.push_back(handler.name);
    }
    return names;
}

bool PolicyBuilder::has_errors() const { return has_error(diagnostics_); }

void PolicyBuilder::error(const Where& where, std::string message) {
    diagnostics_.push_back({Diagnostic::Severity::kError, where, std::move(message)});
}

void PolicyBuilder::warning(const Where& where, std::string message) {
    diagnostics_.push_back({Diagnostic::Severity::kWarning, where, std::move(message)});
}

std::string PolicyBuilder::earlier_place(const Directive& d, bool in_partner, const std::string& name) {
    const auto [at, is_first] =
        (in_partner ? given_in_partner_ : given_).try_emplace(lower(d.name + ' ' + name), d.where);
    return is_first ? "" : at->second.str();
}

bool PolicyBuilder::is_second(const Directive& d, bool in_partner) {
    const std::string place = earlier_place(d, in_partner);
    if (!place.empty()) error(d.where, d.name + ": already given at " + place + ": take one of the two out");
    return !place.empty();
}

void PolicyBuilder::add(const Directive& d, Origin origin) {
    const std::string comment = comment_fault(d.args);
    if (!comment.empty()) return error(d.where, (d.is_section ? "<" + d.name + ">: " : d.name + ": ") + comment);
    if (origin != Origin::kServerConfig) {
        const auto fault = fault_in_policy_file(d);
        const bool is_printed = origin == Origin::kDump && equal_nocase(d.name, "MTLSTrustAnchor");
        if (fault && !is_printed) return error(d.where, *fault);
    }
    if (d.is_section && equal_nocase(d.name, "MTLSPartner")) return begin_partner(d);
    const Handler* const handler = find_handler(d.name);
    if (handler != nullptr && handler->anywhere != nullptr && !d.is_section) {
        return (this->*handler->anywhere)(d, nullptr);
    }
    if (handler != nullptr && !d.is_section) {
        return error(d.where, std::string(handler->name) + " belongs inside <MTLSPartner NAME>");
    }
    if (equal_nocase(d.name, "MTLSPartner")) {
        return error(d.where, "a partner is a section: <MTLSPartner " + escape_for_reader(d.args, 60) +
                                  ">, its lines, </MTLSPartner>");
    }
    std::vector<std::string_view> known = top_level_directives();
    for (const std::string_view name : partner_directives()) known.push_back(name);
    error(d.where, "unknown directive " + in_quotes(d.name) + did_you_mean(d.name, known));
}

void PolicyBuilder::begin_partner(const Directive& section) {
    const auto words = config_words(section.args);
    const std::string name = words.size() == 1 ? words.front() : section.args;
    if (!is_valid_name(name)) {
        return error(section.where,
                     "<MTLSPartner>: " + in_quotes(name) +
                         " cannot be a partner's name: expected 1 to 64 letters, digits, '.', '_' or '-', "
                         "beginning with a letter or digit");
    }
    if (written_.partners.size() == kMostPartners) {
        return error(section.where,
                     "<MTLSPartner " + name + ">: more than " + std::to_string(kMostPartners) + " partners");
    }
    if (is_reserved_name(name)) {
        return error(section.where, "<MTLSPartner>: " + in_quotes(name) + " is reserved; choose another name");
    }
    const auto [entry, is_new] = defined_at_.emplace(lower(name), section.where);
    if (!is_new) {
        return error(section.where, "<MTLSPartner " + name + ">: already defined at " + entry->second.str() +
                                        " (names that differ only in case count as the same)");
    }
    auto partner = std::make_unique<WrittenPartner>();
    partner->name = name;
    partner->where = section.where;
    given_in_partner_.clear();
    bool has_identity = false;  // also if its line is faulty: that is reported already
    const auto known = partner_directives();
    for (const Directive& d : section.children) {
        const Handler* const handler = find_handler(d.name);
        const bool is_asked = !has_identity && (handler == nullptr || equal_nocase(d.name, "MTLSIdentity"));
        if (is_asked) has_identity = is_misspelled(d.name, "MTLSIdentity", known);
        if (const std::string comment = comment_fault(d.args); !comment.empty()) {
            error(d.where, d.name + ": " + comment);
        } else if (handler == nullptr || d.is_section) {
            const auto elsewhere = place_of_other(d.name, "<MTLSPartner " + name + ">");
            error(d.where, elsewhere.value_or("unknown directive " + in_quotes(d.name) + " in <MTLSPartner " + name +
                                              ">" + did_you_mean(d.name, known)));
        } else if (!is_allowed_in_partner(handler->name)) {
            error(d.where, d.name + " belongs outside of <MTLSPartner>: it applies to the whole policy");
        } else if (handler->in_partner != nullptr) {
            (this->*handler->in_partner)(d, *partner);
        } else {
            (this->*handler->anywhere)(d, partner.get());
        }
    }
    partner->identities.shrink();
    written_.identities += partner->identities.size();
    if (written_.identities > kMostIdentities) {
        return error(section.where, "<MTLSPartner " + name + ">: more than " + std::to_string(kMostIdentities) +
                                        " MTLSIdentity lines in all; use wildcards");
    }
    if (!has_identity) {
        error(section.where, "<MTLSPartner " + name +
                                 "> has no MTLSIdentity: empty means nobody; say which certificates "
                                 "are this partner's, like MTLSIdentity DNS:api.acme.example");
    }
    written_.partners.push_back(std::move(partner));
}

void PolicyBuilder::add_files(const WatchedFiles& watched, Origin origin) {
    const bool is_database = watched.pattern == kAllRows;
    const bool literal = !is_glob(watched.pattern) && !is_database;
    const std::string named_by = is_database ? "MTLSPolicyDatabase" : "MTLSPolicyFile";
    auto found = files_.files_of(watched.pattern);
    if (!literal) {
        files_read_.insert_or_assign(
            watched.pattern, WrittenFile{digest_of_names(found), 0, found ? found.value().size() : 0, found.ok()});
    }
    if (!found) return error(watched.where, named_by + " " + watched.spelled + ": " + found.error());
    if (found.value().empty()) {
        return warning(watched.where, named_by + " " + watched.spelled + ": " +
                                          (is_database ? "it holds no policy yet" : "no file fits yet"));
    }
    for (const std::string& path : found.value()) {
        if (files_read_.contains(path)) continue;
        check_name_is_once(path, is_database);
        Directive d;
        d.name = literal ? named_by : named_by + " " + watched.spelled;
        d.where = watched.where;
        const auto content = read_content(d, path, kLargestPolicyFile);
        if (!content) continue;
        if (trim(*content).empty()) {
            error({path, 0},
                  "the policy file is empty, so it may be half written; one that is meant to hold nothing "
                  "holds a comment");
            continue;
        }
        read_each_directive(*content, path, diagnostics_, [&](const Directive& directive) { add(directive, origin); });
    }
}

// An error if a file and a row have the same name: one of them was probably forgotten when files were moved.
void PolicyBuilder::check_name_is_once(const std::string& path, bool is_row) {
    const std::string name = path.substr(path.find_last_of(is_row ? ":" : "/") + 1);
    const auto [place, is_new] = policy_files_.emplace(name, path);
    if (is_new || is_database_name(place->second) == is_row) return;
    error({path, 0}, "has the name of " + in_quotes(place->second) +
                         ": files and the database add up, and a name in both is an error; take one away");
}

void PolicyBuilder::check_anchor_reference(const WrittenPartner& partner, const Identity& identity) {
    const WrittenAnchorSet& set = *partner.anchors;
    const std::string what = "MTLSIdentity of " + partner.name + ": ";
    if (identity.any && !partner.has_own_anchors) {
        error(identity.where, what +
                                  "'any' needs an MTLSTrustAnchor of this partner's own: under the default anchor it "
                                  "would take in everybody");
    } else if (identity.any && set.uses_mod_ssl) {
        error(identity.where, what + "'any' cannot stand with the trust anchor mod_ssl: it would take in everybody");
    }
    if (!identity.anchor) return;
    const bool is_anchor = (set.uses_mod_ssl && *identity.anchor == kModSsl) ||
                           std::any_of(set.anchors.begin(), set.anchors.end(),
                                       [&](const WrittenAnchor& a) { return a.file == *identity.anchor; });
    if (is_anchor) return;
    std::vector<std::string_view> files;
    for (const WrittenAnchor& anchor : set.anchors) files.push_back(anchor.file);
    error(identity.where, what + "anchor=" + escape_for_reader(*identity.anchor, 200) +
                              " is none of the partner's anchors" + did_you_mean(*identity.anchor, files) +
                              ": spell it as in its MTLSTrustAnchor line");
}

// Every operator of a web site has a server certificate under a public CA.
void PolicyBuilder::check_public_anchors(const WrittenPartner& partner, const Identity& any) {
    for (const WrittenAnchor& anchor : partner.anchors->anchors) {
        for (const AnchorCertificate& c : anchor.certificates) {
            const std::string why = why_public_ca(*c.decode());
            if (why.empty()) continue;
            error(any.where, "MTLSIdentity any of " + partner.name + " with MTLSPurpose serverAuth (" +
                                 partner.purpose->str() + ") would take in the certificates of web sites: the CA " +
                                 in_double_quotes(c.subject_text) + " is public, since " + why +
                                 "; say which certificates are this partner's, like MTLSIdentity DNS:api.acme.example");
        }
    }
}

void PolicyBuilder::warn_of_purpose(const WrittenPartner& partner) {
    const auto& until = partner.server_purpose->until;
    const std::string what = "MTLSPurpose serverAuth of " + partner.name;
    if (until && *until < std::time(nullptr)) {
        return warning(*partner.purpose, what + " has ended on " + format_time(*until) + ": it counts no more");
    }
    warning(*partner.purpose, what + (until ? ", until " + format_time(*until) : " without an end") +
                                  ": certificates that were made for servers are let in as this partner's, and the "
                                  "handshake lets them in for other rules on SSL_CLIENT_* too");
}

void PolicyBuilder::finish_partner(WrittenPartner& partner) {
    const auto own = own_anchors_.find(&partner);
    partner.has_own_anchors = own != own_anchors_.end();
    partner.anchors = partner.has_own_anchors ? own->second : default_anchors_;
    if (!partner.anchors) {
        return error(partner.where, "<MTLSPartner " + partner.name +
                                        "> has no trust anchor: any trusted CA can issue any name; say which CA issues "
                                        "this partner's certificates with MTLSTrustAnchor FILE");
    }
    if (partner.server_purpose) warn_of_purpose(partner);
    check_bundles(partner);
    if (partner.identities.name_anchors()) {
        const auto keep_name = [this](const std::string& name) { return arena_.keep(name); };
        const IdentityLines lines = partner.identities.keep(arena_, keep_name);
        for (const Identity& identity : lines) {
            check_anchor_reference(partner, identity);
            if (identity.any && partner.server_purpose) check_public_anchors(partner, identity);
        }
    }
}

// The lower CA alone decides about certificates under it: the upper partner's identities do not apply there. Two CAs
// with one name and different keys are two CAs; within one partner, they are a key rollover.
void PolicyBuilder::warn_of_related_anchors() {
    struct NamedCa {
        const WrittenPartner* partner;
        std::string_view key;
        Where where;
        bool is_reported = false;
    };
    std::map<std::string_view, NamedCa> by_ca;
    for (const auto& partner : written_.partners) {
        if (!partner->has_own_anchors) continue;
        for (const WrittenAnchor& anchor : partner->anchors->anchors) {
            for (const AnchorCertificate& c : anchor.certificates) {
                const auto [entry, is_new] =
                    by_ca.try_emplace(c.subject, NamedCa{partner.get(), c.spki_sha256, anchor.where});
                NamedCa& first = entry->second;
                if (is_new || !c.is_ca || first.partner == partner.get() || first.key == c.spki_sha256) continue;
                if (std::exchange(first.is_reported, true)) continue;
                warning(anchor.where, "MTLSTrustAnchor of " + partner->name + ": the CA " +
                                          in_double_quotes(c.subject_text) + " has the same name as one of " +
                                          first.partner->name + " (" + first.where.str() +
                                          ") and another key: certificates are told apart by the key that signed them, "
                                          "but issuer: selectors fit both; ask for a CA with a name of its own");
            }
        }
    }
    for (const auto& partner : written_.partners) {
        if (!partner->has_own_anchors) continue;
        for (const WrittenAnchor& anchor : partner->anchors->anchors) {
            for (const AnchorCertificate& c : anchor.certificates) {
                const auto above = by_ca.find(c.issuer);
                const bool self_issued = c.issuer == c.subject;
                if (self_issued || above == by_ca.end() || above->second.partner == partner.get()) continue;
                const std::string& upper = above->second.partner->name;
                std::string text =
                    "MTLSTrustAnchor of " + partner->name + ": the " + (c.is_ca ? "CA " : "certificate ");
                text += in_double_quotes(c.subject_text) + " stands below an anchor of " + upper;
                text += " (" + above->second.partner->where.str() + "): ";
                text += c.is_ca ? "certificates under it" : "it";
                const bool can_be = !c.is_ca || has_ca_flag(*c.decode());
                text += " can be " + (can_be ? partner->name + "'s, never " + upper + "'s" : "nobody's");
                if (anchor.window.from || anchor.window.until) {
                    text += ", between from= and until= alone: outside of these dates the anchor does not exist, and " +
                            upper + "'s decides. To end trust, use MTLSSuspend, MTLSValid until= of " + partner->name +
                            " or MTLSRevoke instead";
                }
                warning(anchor.where, std::move(text));
            }
        }
    }
}

void PolicyBuilder::check_expectations(const Policy& policy) {
    for (const Expectation& expectation : written_.expectations) {
        const ExpectationAnswer answer = check_expectation(expectation, policy, nullptr);
        if (answer.state == ExpectationState::kBroken) error(expectation.where, answer.message);
        if (answer.state == ExpectationState::kUndecidable) warning(expectation.where, answer.message);
    }
}

std::vector<std::string> PolicyBuilder::suspended_names() const {
    std::vector<std::string> out;
    for (const auto& [suspension, where] : suspended_) {
        out.insert(out.end(), suspension.names.begin(), suspension.names.end());
    }
    return out;
}

std::shared_ptr<const Policy> PolicyBuilder::build() {
    auto arena = std::make_shared<Arena>();
    const Policy* const policy = build(*arena);
    return policy != nullptr ? std::shared_ptr<const Policy>(std::move(arena), policy) : nullptr;
}

const Policy* PolicyBuilder::build(Arena& arena) {
    std::unordered_map<std::string_view, WrittenPartner*> by_name;
    if (!suspended_.empty()) {
        for (const auto& partner : written_.partners) by_name.emplace(partner->name, partner.get());
    }
    std::vector<std::string_view> names;
    for (const auto& [name, partner] : by_name) names.push_back(name);
    for (const auto& [suspension, where] : suspended_) {
        for (const std::string& name : suspension.names) {
            const auto found = by_name.find(name);
            if (found == by_name.end() && !names.empty()) {
                warning(where, unknown_suspension(name, names));
            } else if (found != by_name.end()) {
                found->second->suspended = where;
                found->second->suspension_note = suspension.note;
            }
        }
    }
    for (const auto& partner : written_.partners) finish_partner(*partner);
    if (has_errors()) return nullptr;
    warn_of_related_anchors();

    written_.files = files_read_;
    const Policy& policy = write_policy(written_, arena);
    check_expectations(policy);
    return has_errors() ? nullptr : &policy;
}

std::string digest_of_names(const Result<std::vector<std::string>>& files) {
    if (!files.ok()) return files.error();
    std::string out;
    for (const std::string& file : files.value()) out += file + "\n";
    return out;
}

}  // namespace mtls
