#include "mtls_authz/load/policy_writer.hpp"

#include <algorithm>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/forwarding.hpp"
#include "mtls_authz/rules/partner_name.hpp"

namespace mtls {

class PolicyWriter {
public:
    PolicyWriter(WrittenPolicy& written, Arena& arena) : written_(written), arena_(arena) {}

    const Policy& write() {
        write_certificates();
        write_partners();
        write_rest();
        policy_.generation_ = keep(policy_.find_generation());
        return *arena_.keep_one(policy_);
    }

private:
    std::string_view keep(std::string_view text) { return arena_.keep(text); }

    // Stores each file name once; there are few, but every line refers to one.
    std::string_view keep_name(const std::string& name) {
        const auto known = names_.find(name);
        if (known != names_.end()) return known->second;
        return names_.emplace(name, keep(name)).first->second;
    }
    Conditions keep(const WrittenConditions& conditions) { return Conditions(keep(conditions.records())); }
    StoredWhere keep(const Where& where) { return {keep_name(where.file), where.line}; }

    std::span<const Text> keep(const std::vector<std::string>& texts) {
        std::vector<Text> out;
        for (const std::string& text : texts) out.emplace_back(keep(text));
        return arena_.keep(out);
    }

    void write_certificates() {
        std::vector<CertificatesByDigest> out;
        for (const auto& [digest, file] : written_.certificates) {
            std::vector<AnchorCertificate> certificates;
            for (const AnchorCertificate& c : file) certificates.emplace_back(c, arena_);
            out.push_back({keep(digest), arena_.keep(certificates)});
            moved_[file.data()] = out.back().certificates;
        }
        policy_.certificates_ = arena_.keep(out);
    }
    CertificateFile moved(const CertificateFile& file) const { return moved_.at(file.data()); }

    const AnchorSet* keep(const std::shared_ptr<WrittenAnchorSet>& set) {
        const AnchorSet*& out = sets_[set.get()];
        if (out != nullptr) return out;
        std::vector<Anchor> anchors;
        for (const WrittenAnchor& a : set->anchors) {
            anchors.push_back(
                {keep(a.file), keep(a.where), a.window, moved(a.certificates), keep(a.trust_domain), a.sequence});
            add_window(a.window);
            for (const AnchorCertificate& c : anchors.back().certificates) {
                cas_.add(c, a.window, a.trust_domain.empty());
                add_window({c.not_before, c.not_after});
            }
        }
        policy_.some_trust_mod_ssl_ = policy_.some_trust_mod_ssl_ || set->uses_mod_ssl;
        out = arena_.keep_one(AnchorSet{arena_.keep(anchors), set->uses_mod_ssl, keep(set->where)});
        return out;
    }

    std::span<const Grant> keep(const std::vector<WrittenGrant>& grants) {
        std::vector<Grant> out;
        for (const WrittenGrant& g : grants) {
            std::vector<PathPattern> paths;
            for (const std::string& path : g.paths) {
                paths.push_back(PathPattern::parse(keep(path)).value().with_fields(arena_));
            }
            out.push_back({g.methods, arena_.keep(paths), keep(g.conditions), keep(g.where)});
        }
        return arena_.keep(out);
    }

    std::span<const GroupMembership> keep(const std::vector<WrittenGroup>& groups) {
        std::vector<GroupMembership> out;
        for (const WrittenGroup& group : groups) {
            out.push_back({keep(group.names), keep(group.conditions)});
            groups_.insert(out.back().names.begin(), out.back().names.end());
        }
        return arena_.keep(out);
    }

    std::span<const Span<AnchorCertificate>> keep_intermediates(const std::vector<CertificateFile>& files) {
        std::vector<Span<AnchorCertificate>> out;
        for (const CertificateFile& file : files) {
            out.emplace_back(moved(file));
            for (const AnchorCertificate& c : out.back()) {
                cas_.add_intermediate(c);
                add_window({c.not_before, c.not_after});
            }
        }
        return arena_.keep(out);
    }

    std::span<const PartnerAttribute> keep(const std::vector<WrittenAttribute>& attributes) {
        std::vector<PartnerAttribute> out;
        for (const WrittenAttribute& a : attributes) {
            out.push_back({keep(a.name), keep(a.value), std::nullopt});
            if (a.is_field) out.back().field = FieldName::parse(a.value, arena_).value();
        }
        return arena_.keep(out);
    }

    std::span<const Front> keep(const std::optional<WrittenFront>& front) {
        if (!front) return {};
        Front out;
        out.header = keep(front->header);
        out.chain = keep(front->chain);
        out.key = keep(header_key(front->header));
        out.chain_key = keep(header_key(front->chain));
        out.format = front->format;
        out.networks = arena_.keep(front->networks);
        out.where = keep(front->where);
        for (const std::string_view key : {out.key.view(), out.chain_key.view()}) {
            if (!key.empty()) front_keys_.insert(key);
        }
        return arena_.keep(std::vector<Front>{out});
    }

    Partner keep(const WrittenPartner& p) {
        Partner out;
        out.name = keep(p.name);
        out.where = keep(p.where);
        out.identities = p.identities.keep(arena_, [this](const std::string& name) { return keep_name(name); });
        out.first_identity = static_cast<std::uint32_t>(policy_.identity_count_);
        out.anchors = keep(p.anchors);
        out.has_own_anchors = p.has_own_anchors;
        out.intermediates = keep_intermediates(p.intermediates);
        out.intermediate_files = keep(p.intermediate_files);
        out.groups = keep(p.groups);
        out.attributes = keep(p.attributes);
        out.validity = p.validity;
        add_window(p.validity);
        out.networks = arena_.keep(p.networks);
        out.server_purpose = p.server_purpose;
        if (p.server_purpose) add_window(*p.server_purpose);
        policy_.some_waive_purpose_ = policy_.some_waive_purpose_ || p.server_purpose;
        if (p.suspended) out.suspended = keep(*p.suspended);
        out.suspension_note = keep(p.suspension_note);
        out.contact = keep(p.contact);
        out.crl_rules = p.crl_rules;
        out.grants = keep(p.grants);
        out.fronts = keep(p.front);
        out.digest = keep(out.find_digest());
        out.key = partner_key(p.name);
        add_any_lines(out);
        policy_.identity_count_ += out.identities.size();
        return out;
    }

    // `any` identities are looked up by CA.
    void add_any_lines(const Partner& partner) {
        if (!partner.identities.name_anchors()) return;
        for (std::uint32_t i = 0; i < partner.identities.size(); ++i) {
            if (!partner.identities.at(i).any) continue;
            for (const Anchor& anchor : partner.anchors->anchors) {
                for (const AnchorCertificate& c : anchor.certificates) {
                    any_.push_back({c.is_ca ? keep(c.ca_id()) : c.sha256.view(), partner.first_identity + i});
                }
            }
        }
    }

    void write_partners() {
        std::vector<Partner> partners;
        partners.reserve(written_.partners.size());
        for (auto& partner : written_.partners) {
            partners.push_back(keep(*partner));
            partner.reset();  // frees memory for the next partners
        }
        policy_.partners_ = arena_.keep(partners);
        std::vector<Ptr<Partner>> by_name;
        for (const Partner& partner : policy_.partners_) by_name.emplace_back(&partner);
        std::sort(by_name.begin(), by_name.end(), [](const Partner* a, const Partner* b) { return a->name < b->name; });
        policy_.by_name_ = arena_.keep(by_name);
        std::stable_sort(any_.begin(), any_.end(), [](const auto& a, const auto& b) { return a.issuer < b.issuer; });
        policy_.any_by_issuer_ = arena_.keep(any_);
    }

    void write_rest() {
        policy_.index_ = written_.index.finish(arena_);
        policy_.cas_ = cas_.finish(arena_);
        policy_.edges_ = arena_.keep(std::vector<std::int64_t>(edges_.begin(), edges_.end()));
        policy_.groups_ = arena_.keep(std::vector<Text>(groups_.begin(), groups_.end()));
        policy_.front_keys_ = arena_.keep(std::vector<Text>(front_keys_.begin(), front_keys_.end()));
        policy_.revocations_ = written_.revocations.finish(arena_);
        policy_.crl_rules_ = written_.crl_rules;
        policy_.grants_ = keep(written_.grants);
        write_expectations();
        std::vector<Policy::CrlFile> crl_files;
        for (const WatchedFiles& f : written_.crl_files) {
            crl_files.push_back({keep(f.pattern), keep(f.spelled), keep(f.where)});
        }
        policy_.crl_files_ = arena_.keep(crl_files);
        std::vector<PolicyFile> files;
        for (const auto& [name, f] : written_.files)
            files.push_back({keep(name), keep(f.digest), f.limit, f.count, f.refuses});
        policy_.files_ = arena_.keep(files);
    }

    void write_expectations() {
        std::set<std::string> certificates;
        std::vector<std::string> texts;
        for (const Expectation& e : written_.expectations) {
            texts.push_back(e.text());
            certificates.insert(e.certificate->facts.sha256);
        }
        std::string digests;
        for (const std::string& digest : certificates) digests += digest;
        policy_.expectations_ = keep(texts);
        policy_.expected_certificates_ = keep(digests);
    }

    void add_window(const TimeWindow& window) {
        if (window.from) edges_.insert(*window.from);
        if (window.until && *window.until < INT64_MAX) edges_.insert(*window.until + 1);
    }

    WrittenPolicy& written_;
    Arena& arena_;
    Policy policy_;
    CaDirectoryBuilder cas_;
    std::map<std::string, std::string_view> names_;
    std::map<const AnchorCertificate*, CertificateFile> moved_;  // old array -> its copy in the arena
    std::map<const WrittenAnchorSet*, const AnchorSet*> sets_;
    std::set<std::string_view> groups_;
    std::set<std::string_view> front_keys_;
    std::set<std::int64_t> edges_;
    std::vector<Policy::AnyLine> any_;
};

const Policy& write_policy(WrittenPolicy& written, Arena& arena) { return PolicyWriter(written, arena).write(); }

}  // namespace mtls
