#include <algorithm>
#include <iostream>

#include "../commands.hpp"
#include "../explain/gate_question.hpp"
#include "../policy/in_force.hpp"
#include "../terminal.hpp"
#include "matrix.hpp"
#include "page.hpp"

namespace mtls::tool {

namespace {

bool names(const GateRule& rule, std::string_view name) {
    return std::any_of(rule.names.begin(), rule.names.end(),
                       [name](const NameReference& n) { return n.capture.empty() && n.literal == name; });
}

std::string captures_of(const GateRule& rule) {
    std::string out;
    for (const NameReference& name : rule.names) {
        if (!name.capture.empty()) out += (out.empty() ? "" : " or ") + name.text();
    }
    return out;
}

// Alternative conditions under which a rule matches a partner; empty: never.
std::vector<std::string> fits(const GateRule& rule, const Partner& partner) {
    const std::string captures = captures_of(rule);
    switch (rule.kind) {
        case GateRule::Kind::kNone:
            return {};
        case GateRule::Kind::kAnyPartner:
        case GateRule::Kind::kByGrant:
            return {""};
        case GateRule::Kind::kPartner:
            if (names(rule, partner.name)) return {""};
            return captures.empty() ? std::vector<std::string>() : std::vector{"it is " + captures + " of the path"};
        case GateRule::Kind::kGroup:
            break;
    }
    std::vector<std::string> out;
    for (const GroupMembership& membership : partner.groups) {
        const bool is_named = std::any_of(membership.names.begin(), membership.names.end(),
                                          [&rule](std::string_view group) { return names(rule, group); });
        if (is_named) out.push_back(condition_of(membership.conditions));
        if (!is_named && !captures.empty()) out.push_back("a group of it is " + captures + " of the path");
    }
    return out;
}

// Of a section that only httpd can match: the section around it, or all.
std::string path_of(const MappedSection& section) {
    const std::string& known = section.path.empty() ? section.path_around : section.path;
    return known.empty() ? "/" : known;
}

// Whether the section may cover a path of the grant.
bool may_cover(const MappedSection& section, const PathPattern& path) {
    using Match = MappedSection::Match;
    if (section.is_location) return path.may_be_in(literal_prefix_of(section), section.match == Match::kPrefix);
    return section.around != Match::kPrefix || path.may_be_in(section.path_around, true);
}

// Whether clients of a virtual host without TLS may come through a front.
bool may_come_through_front(const MappedHost& host, const Policy& policy) {
    const auto& all = policy.partners();
    return host.accepts_fronts && std::any_of(all.begin(), all.end(), [](const Partner& partner) {
               return partner.front() != nullptr && !partner.front()->networks.empty();
           });
}

class LiveMatrix {
public:
    explicit LiveMatrix(const InForce& now) : now_(now) {
        for (const MappedHost& host : now.gates.hosts) {
            if (!host.has_tls && !may_come_through_front(host, *now.policy)) continue;
            for (const MappedSection& section : host.sections) add_section(host, section);
        }
        std::stable_sort(rows_.begin(), rows_.end(), [](const MatrixRow& a, const MatrixRow& b) {
            return std::tie(a.host, a.partner) < std::tie(b.host, b.partner);
        });
    }
    const std::vector<MatrixRow>& rows() const { return rows_; }

private:
    void add_section(const MappedHost& host, const MappedSection& section) {
        const PlaceRules rules = rules_at(host, section);
        // Where another section takes its place, that one has the rows.
        if (rules.is_replaced && section.deny.empty() && !section.authorizes) return;
        MatrixRow row;
        row.host = title_of(host);
        row.gate = section.title + " at " + section.where.str();
        row.path = path_of(section);
        row.rule = section.where.str();
        row.methods = "*";
        if (!host.has_tls) join(row.condition, "through a front");
        if (section.match == MappedSection::Match::kUnknown) join(row.condition, section.title + " applies");
        if (rules.authorizes) join(row.condition, "Require mtls-* or AuthType MTLS there lets it in");
        if (rules.mode != GateMode::kOn) {
            const bool is_off = !rules.mode || *rules.mode == GateMode::kOff;
            row.partner = "*";
            join(row.condition, is_off ? "" : "LogOnly: everybody is let through");
            if (!is_off || rules.mode || rules.authorizes) rows_.push_back(std::move(row));
            return;
        }
        for (const Partner& partner : now_.policy->partners()) {
            for (const GateRule& rule : rules.allow) add_rule(partner, rule, rules, host, section, row);
        }
    }

    void add_rule(const Partner& partner, const GateRule& rule, const PlaceRules& rules, const MappedHost& host,
                  const MappedSection& section, const MatrixRow& row) {
        for (const std::string& condition : fits(rule, partner)) {
            MatrixRow one = row;
            one.partner = std::string(partner.name);
            one.methods = rule.methods.text();
            one.rule = rule.where.str();
            join(one.condition, condition);
            if (rule.kind != GateRule::Kind::kByGrant) {
                if (limit(partner, rules, one)) rows_.push_back(std::move(one));
                continue;
            }
            for (const auto grants : {std::span(partner.grants), now_.policy->grants()}) {
                for (const Grant& grant : grants) add_grant(partner, rule, grant, rules.owner, host, section, one);
            }
        }
    }

    void add_grant(const Partner& partner, const GateRule& rule, const Grant& grant, const MappedSection* owner,
                   const MappedHost& host, const MappedSection& section, const MatrixRow& row) {
        for (const PathPattern& path : grant.paths) {
            if (!may_cover(section, path)) continue;
            const PlaceRules there = rules_at(host, section, path);
            MatrixRow one = row;
            one.path = path_for(path, partner.name);
            // A section nearer to the path has rows of its own.
            if (there.owner != owner || !limit(partner, there, one)) continue;
            for (const MappedSection* inner : there.perhaps) {
                const bool is_nested =
                    inner->match == MappedSection::Match::kPrefix && path.may_be_in(inner->path, true);
                if (is_nested && may_refuse_granted(*inner, partner))
                    join(one.condition, "not at " + inner->path + ", where " + inner->title + " decides");
            }
            one.methods = grant.methods.text();
            one.rule = grant.where.str();
            // The grant is a URL, and the section a folder, or a part of its paths.
            const bool is_part = section.is_location && !there.is_of_all;
            if (is_part || section.match == MappedSection::Match::kDirectory)
                join(one.condition, section.title + " applies");
            if (!rule.methods.is_all()) join(one.condition, "methods=" + rule.methods.text());
            join(one.condition, condition_of(grant.conditions));
            rows_.push_back(std::move(one));
        }
    }

    // Adds the limits of MTLSDeny and others to a row; false if nothing is left.
    bool limit(const Partner& partner, const PlaceRules& rules, MatrixRow& row) const {
        for (const GateRule& deny : rules.deny) {
            const bool fits_all = !missing_partner(deny, *now_.policy).empty();
            for (const std::string& condition : fits_all ? std::vector<std::string>{""} : fits(deny, partner)) {
                if (condition.empty() && deny.methods.is_all()) return false;
                join(row.condition, "not MTLSDeny " + deny.text() + (condition.empty() ? "" : " (" + condition + ")"));
            }
        }
        for (const MappedSection* section : rules.perhaps) {
            const bool is_nested = section->around == MappedSection::Match::kPrefix && section->deny.empty() &&
                                   !row.path.starts_with(section->path_around);
            const bool has_own_rows = is_nested || section->match == MappedSection::Match::kPrefix;
            if (!has_own_rows && may_refuse(*section, partner, row))
                join(row.condition, "unless " + section->title + " applies");
        }
        add_limits(partner, *now_.refusals, row);
        return true;
    }

    bool denies(const MappedSection& section, const Partner& partner) const {
        return std::any_of(section.deny.begin(), section.deny.end(), [&](const GateRule& deny) {
            return !missing_partner(deny, *now_.policy).empty() || !fits(deny, partner).empty();
        });
    }
    static bool is_enforced(const MappedSection& section) {
        return section.mode.value_or(GateMode::kOn) == GateMode::kOn;
    }

    // Whether this section, where it applies, may deny what the row allows.
    bool may_refuse(const MappedSection& section, const Partner& partner, const MatrixRow& row) const {
        if (!is_enforced(section)) return false;
        if (denies(section, partner)) return true;
        return section.allow && std::none_of(section.allow->begin(), section.allow->end(), [&](const GateRule& rule) {
                   const auto conditions = fits(rule, partner);
                   const bool is_certain = std::find(conditions.begin(), conditions.end(), "") != conditions.end();
                   return is_certain && rule.kind != GateRule::Kind::kByGrant &&
                          (rule.methods.is_all() || rule.methods.text() == row.methods);
               });
    }
    // The same for what a grant allows.
    bool may_refuse_granted(const MappedSection& section, const Partner& partner) const {
        if (!is_enforced(section)) return false;
        if (denies(section, partner)) return true;
        return section.allow && std::none_of(section.allow->begin(), section.allow->end(), [](const GateRule& rule) {
                   return rule.kind == GateRule::Kind::kByGrant && rule.methods.is_all();
               });
    }

    const InForce& now_;
    std::vector<MatrixRow> rows_;
};

}  // namespace

int show_live_matrix(const MatrixOptions& options) {
    const auto now = read_in_force(options.socket);
    if (!now) return complain(now.error());
    if (now.value().policy == nullptr) return complain("no policy is in force, so every gate is closed");
    if (options.html) {
        std::cout << page_of(*now.value().policy, now.value().refusals.get());
        return kFine;
    }
    const LiveMatrix matrix(now.value());
    if (options.csv) {
        print_csv(matrix.rows(), true);
        return kFine;
    }
    if (options.json) {
        print_json(matrix.rows(), now.value().policy->generation(), true);
        return kFine;
    }
    std::cout << now.value().text() << "\n";
    now.value().print_not_in_force(std::cout);
    print_table(matrix.rows(), true);
    std::cout << "not asked: what other modules ask, and .htaccess; who holds which certificate\n";
    return kFine;
}

}  // namespace mtls::tool
