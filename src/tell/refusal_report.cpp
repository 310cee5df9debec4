#include "mtls_authz/tell/refusal_report.hpp"

#include <algorithm>
#include <ctime>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/ledger/seen_revocation.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/load/refusal_directives.hpp"
#include "mtls_authz/rules/revocation.hpp"

namespace mtls {

namespace {

constexpr std::size_t kMostLines = 10;
constexpr std::size_t kMostPartners = 5;

std::string local_time(std::int64_t seconds, std::int64_t now) {
    const auto then = static_cast<std::time_t>(seconds);
    const auto today = static_cast<std::time_t>(now);
    std::tm at{}, of_now{};
    localtime_r(&then, &at);
    localtime_r(&today, &of_now);
    const bool is_today = at.tm_yday == of_now.tm_yday && at.tm_year == of_now.tm_year;
    char text[32];
    return {text, std::strftime(text, sizeof text, is_today ? "%H:%M" : "%Y-%m-%d %H:%M", &at)};
}

std::string last_seen(const std::string& name, std::int64_t seen, std::int64_t now) {
    return name + ", last seen " + local_time(seen, now);
}

std::string list_of(const std::vector<std::string>& partners) {
    std::string out;
    for (std::size_t i = 0; i < std::min(partners.size(), kMostPartners); ++i)
        out += (i == 0 ? "" : ", ") + partners[i];
    if (partners.size() > kMostPartners) out += ", and " + std::to_string(partners.size() - kMostPartners) + " more";
    return out;
}

// A seen partner, and those of its certificates that are kept.
struct SeenPartner {
    std::string name;
    std::int64_t seen;
    std::vector<KeptCertificate> certificates;
    bool is_whole;  // every certificate that was seen is here, with its path
};

std::vector<SeenPartner> read_seen(const Policy& policy, const Sightings& sightings, std::int64_t now) {
    std::vector<SeenPartner> out;
    for (const Sightings::Seen& seen : sightings.all()) {
        if (!seen.last) continue;
        SeenPartner partner{seen.name, seen.last->seen, {}, seen.certificates.size() < Sightings::kCertificates};
        for (const auto& certificate : seen.certificates) {
            auto kept = kept_certificate(policy, sightings, seen.number, certificate.sighting, now);
            partner.is_whole = partner.is_whole && kept && kept->is_path_known;
            if (kept) partner.certificates.push_back(std::move(*kept));
        }
        out.push_back(std::move(partner));
    }
    return out;
}

class Describer {
public:
    Describer(const Policy& policy, const Sightings& sightings, std::int64_t now)
        : policy_(policy), seen_(read_seen(policy, sightings, now)), now_(now) {}

    std::string describe(const Directive& line) const {
        return line.where.str() + " " +
               (equal_nocase(line.name, "MTLSRevoke") ? of_revocation(line) : of_suspension(line));
    }

private:
    std::string of_revocation(const Directive& line) const {
        auto revocation = read_revocation(line);
        if (!revocation) return "cannot be used";
        Arena arena;
        RevocationSetBuilder builder;
        builder.add(std::move(revocation.value()));
        const RevocationSet set = builder.finish(arena);
        std::vector<const SeenPartner*> hit;
        for (const SeenPartner& partner : seen_) {
            const auto& all = partner.certificates;
            if (std::any_of(all.begin(), all.end(), [&](const auto& c) { return c.is_hit_by(set); }))
                hit.push_back(&partner);
        }
        if (!hit.empty()) return refuses(hit);
        const auto unkept = std::count_if(seen_.begin(), seen_.end(), [](const auto& p) { return !p.is_whole; });
        return "fits nobody seen so far" + (unkept == 0 ? ""
                                                        : "; of " + std::to_string(unkept) +
                                                              " partner(s) not every certificate that was seen is "
                                                              "known with its path (more than 4, or above 12 KiB)");
    }

    std::string of_suspension(const Directive& line) const {
        const auto suspension = read_suspension(line);
        std::vector<const SeenPartner*> hit;
        std::string unseen;
        for (const std::string& name : suspension.value().names) {
            // One that was seen may be gone, or have another name.
            if (policy_.find(name) == nullptr) continue;
            const auto seen = std::find_if(seen_.begin(), seen_.end(), [&](const auto& p) { return p.name == name; });
            if (seen != seen_.end()) {
                hit.push_back(&*seen);
            } else {
                unseen += (unseen.empty() ? "refuses " : ", ") + name;
            }
        }
        if (!hit.empty()) return refuses(hit);
        return unseen + (unseen.empty() ? "" : ", ") + "fits nobody seen so far";
    }

    std::string refuses(const std::vector<const SeenPartner*>& hit) const {
        std::vector<std::string> names;
        for (const SeenPartner* partner : hit) names.push_back(last_seen(partner->name, partner->seen, now_));
        return "refuses " + list_of(names);
    }

    const Policy& policy_;
    const std::vector<SeenPartner> seen_;
    const std::int64_t now_;
};

}  // namespace

std::string describe_refusals(const std::vector<Directive>& lines, const Policy& policy, const Sightings& sightings,
                              std::int64_t now) {
    const Describer describer(policy, sightings, now);
    std::string out;
    for (std::size_t i = 0; i < std::min(lines.size(), kMostLines); ++i) {
        out += (i == 0 ? "" : "; ") + describer.describe(lines[i]);
    }
    if (lines.size() > kMostLines) out += "; and " + std::to_string(lines.size() - kMostLines) + " more line(s)";
    return out;
}

std::string describe_listed(const CrlSet& crls, const Policy& policy, const Sightings& sightings, std::int64_t now) {
    std::vector<std::string> partners;
    for (const Sightings::Seen& seen : sightings.all()) {
        const auto& all = seen.certificates;
        const bool is_hit = std::any_of(all.begin(), all.end(), [&](const Sightings::SeenWith& with) {
            if (with.is_revoked.value_or(false)) return false;
            const auto kept = kept_certificate(policy, sightings, seen.number, with.sighting, now);
            return kept && kept->is_listed(policy, crls, now);
        });
        if (is_hit && seen.last) partners.push_back(last_seen(seen.name, seen.last->seen, now));
    }
    return partners.empty() ? "" : "CRLs refuse " + list_of(partners);
}

std::string list_refusals(const std::vector<Directive>& lines) {
    constexpr std::size_t kMostArgs = 200;
    std::string out;
    for (std::size_t i = 0; i < std::min(lines.size(), kMostLines); ++i) {
        out += (i == 0 ? "" : "; ") + lines[i].where.str() + " " + lines[i].name + " " +
               escape_hidden(lines[i].args.substr(0, kMostArgs));
    }
    if (lines.size() > kMostLines) out += "; and " + std::to_string(lines.size() - kMostLines) + " more line(s)";
    return out;
}

}  // namespace mtls
