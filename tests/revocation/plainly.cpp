#include "plainly.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace revocation {

namespace {

constexpr unsigned kAll = 0x1fe;

std::string name_of(const Identity& id) {
    char text[100] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(id.cert.get()), NID_commonName, text, sizeof text);
    return text;
}

std::set<std::string> names_of(const test::PointName& name, const std::string& base) {
    std::set<std::string> out(name.uris.begin(), name.uris.end());
    if (!name.relative.empty()) out.insert(base + "/" + name.relative);
    std::string full;
    for (const test::Attr& a : name.directory) full += (full.empty() ? "" : "/") + a.value;
    if (!full.empty()) out.insert(full);
    return out;
}

struct Subject {
    const Identity* id;
    const Identity* issuer;
    bool is_ca;
    std::vector<test::PointSpec> points;
};

bool is_usable(const test::ListSpec& spec) {
    const bool odd = std::any_of(spec.entries.begin(), spec.entries.end(),
                                 [](const test::EntrySpec& entry) { return entry.unknown_critical; });
    const bool contradicts = spec.scope && (spec.scope->attribute || (spec.scope->user && spec.scope->ca));
    return !odd && !contradicts && !spec.unknown_critical && !spec.damaged && spec.this_update <= 0;
}

bool names(const test::PointSpec& point, const std::string& issuer) {
    return std::any_of(point.crl_issuers.begin(), point.crl_issuers.end(),
                       [&](const Identity* id) { return name_of(*id) == issuer; });
}

// The reasons for which a missing entry proves something; nothing where an entry proves nothing either. An entry counts
// in any list of the issuer, and of a CRL issuer that a distribution point names, whatever the list's scope.
std::optional<unsigned> reasons_about(const test::ListSpec& list, const Subject& subject) {
    const test::ScopeSpec scope = list.scope.value_or(test::ScopeSpec());
    const std::string issuer = name_of(*subject.issuer);
    const std::string lists_issuer = name_of(*list.signer);
    const bool own = issuer == lists_issuer;
    if (!own && !scope.indirect) return std::nullopt;
    const std::set<std::string> here = names_of(scope.name, lists_issuer);
    std::optional<unsigned> out;
    if (own) out = 0;
    bool all_elsewhere = !subject.points.empty();
    for (const test::PointSpec& point : subject.points) {
        const bool has_issuer = !point.crl_issuers.empty();
        if (!has_issuer || names(point, issuer)) all_elsewhere = false;
        if (has_issuer ? !names(point, lists_issuer) : !own) continue;
        const std::string base = has_issuer ? name_of(*point.crl_issuers.front()) : issuer;
        const unsigned of_point = point.reasons != 0 ? point.reasons : kAll;
        const std::set<std::string> there = names_of(point.name, base);
        const bool common =
            std::any_of(there.begin(), there.end(), [&](const std::string& name) { return here.contains(name); });
        out = out.value_or(0) | (here.empty() || common ? of_point : 0);
    }
    if (own && here.empty()) out = all_elsewhere ? 0 : kAll;
    const bool is_of_other_kind = subject.is_ca ? scope.user : scope.ca;
    if (out && is_of_other_kind) out = 0;
    if (out && scope.reasons != 0) *out &= scope.reasons;
    return out;
}

enum class Entry { kNone, kRevoked, kRemoved };

Entry entry_of(const test::ListSpec& list, const Subject& subject) {
    const std::string issuer = name_of(*subject.issuer);
    std::set<std::string> of = {name_of(*list.signer)};
    Entry out = Entry::kNone;
    for (const test::EntrySpec& entry : list.entries) {
        if (!entry.issuers.empty()) of.clear();
        for (const Identity* id : entry.issuers) of.insert(name_of(*id));
        if (entry.serial != test::serial_of(*subject.id) || !of.contains(issuer)) continue;
        constexpr long kRemoveFromCrl = 8;
        const bool removed = list.base && entry.reason == kRemoveFromCrl;
        if (out != Entry::kRevoked) out = removed ? Entry::kRemoved : Entry::kRevoked;
    }
    return out;
}

bool is_in_time(const test::ListSpec& spec) { return spec.next_update && *spec.next_update > 0; }

bool completes(const test::ListSpec& delta, const test::ListSpec& base) {
    return !base.base && delta.base && delta.signer == base.signer && scope_of(delta) == scope_of(base) &&
           delta.names_key == base.names_key && base.number && *delta.base <= *base.number &&
           *delta.number > *base.number;
}

bool is_taken_back(const test::ListSpec& base, const Subject& subject, const std::vector<const List*>& lists) {
    return std::any_of(lists.begin(), lists.end(), [&](const List* list) {
        return completes(list->spec, base) && entry_of(list->spec, subject) == Entry::kRemoved;
    });
}

// With the delta that completes it: that says what has changed since.
bool is_current(const test::ListSpec& base, const std::vector<const List*>& lists) {
    return is_in_time(base) && std::none_of(lists.begin(), lists.end(), [&](const List* list) {
               return completes(list->spec, base) && !is_in_time(list->spec);
           });
}

// What lists by these keys say; those by keys of the past cover nothing.
PlainAnswer ask(const Subject& subject, const std::vector<const List*>& lists, const std::set<const Identity*>& signers,
                const std::set<const Identity*>& past, bool forgiving) {
    std::vector<const List*> count;
    for (const List* list : lists) {
        const bool genuine = signers.contains(list->spec.signer) || past.contains(list->spec.signer);
        if (genuine && is_usable(list->spec) && reasons_about(list->spec, subject)) count.push_back(list);
    }
    const auto all = count;
    std::erase_if(count, [&](const List* list) { return is_superseded(*list, all); });
    auto in_time = count;
    std::erase_if(in_time, [&](const List* list) { return !forgiving && !is_in_time(list->spec); });
    PlainAnswer out;
    unsigned covered = 0;
    for (const List* list : count) {
        const bool revoked = entry_of(list->spec, subject) == Entry::kRevoked;
        out.listed = out.listed || (revoked && !is_taken_back(list->spec, subject, in_time));
        if (!list->spec.base && is_current(list->spec, count) && signers.contains(list->spec.signer))
            covered |= *reasons_about(list->spec, subject);
    }
    out.covered = covered == kAll;
    return out;
}

}  // namespace

std::string scope_of(const test::ListSpec& spec) {
    if (!spec.scope) return "";
    const test::ScopeSpec& scope = *spec.scope;
    std::string out = std::string(scope.user ? " user" : "") + (scope.ca ? " ca" : "") +
                      (scope.attribute ? " attribute" : "") + (scope.indirect ? " indirect" : "");
    if (scope.reasons != 0) out += " reasons " + std::to_string(scope.reasons);
    for (const std::string& name : names_of(scope.name, name_of(*spec.signer))) out += " " + name;
    return out;
}

// A delta says what changed since its base: of changes before that, a list that it completes says the same.
bool has_base_at(const List& delta, long number, const std::vector<const List*>& all) {
    if (*delta.spec.base <= number) return true;
    return std::any_of(all.begin(), all.end(), [&](const List* list) {
        const test::ListSpec& base = list->spec;
        return !base.base && !base.damaged && base.signer == delta.spec.signer && is_usable(base) &&
               scope_of(base) == scope_of(delta.spec) && base.names_key == delta.spec.names_key && base.number &&
               *delta.spec.base <= *base.number && *base.number < *delta.spec.number && !is_superseded(*list, all);
    });
}

bool is_superseded(const List& list, const std::vector<const List*>& all) {
    return std::any_of(all.begin(), all.end(), [&](const List* other) {
        const test::ListSpec& a = list.spec;
        const test::ListSpec& b = other->spec;
        if (a.signer != b.signer || a.damaged || !is_usable(b) || scope_of(a) != scope_of(b)) return false;
        if (a.base.has_value() != b.base.has_value())
            return a.base && b.number && *b.number >= *a.number && !is_superseded(*other, all);
        if (a.base && !has_base_at(*other, *a.base, all)) return false;
        return a.number && b.number && *a.number != *b.number ? *b.number > *a.number : b.this_update > a.this_update;
    });
}

PlainAnswer ask_plainly(const Pki& pki, const Pki::Leaf& leaf, const Identity& ca,
                        const std::vector<const List*>& lists, bool forgiving) {
    std::set<const Identity*> signers = {&pki.root}, past = {&pki.past_ca};
    for (const Identity* id : {&pki.old_ca, &pki.new_ca, &pki.list_key, &pki.crl_issuer}) {
        const Subject signer{id, &pki.root, id != &pki.list_key, {}};
        const bool revoked = id != &ca && ask(signer, lists, {&pki.root}, {}, false).listed;
        (revoked ? past : signers).insert(id);
    }
    PlainAnswer out = ask({&leaf.id, &ca, leaf.is_ca, leaf.points}, lists, signers, past, forgiving);
    if (leaf.has_no_rev_avail && !out.covered) {
        out.is_open = std::any_of(lists.begin(), lists.end(),
                                  [&](const List* list) { return name_of(*list->spec.signer) == name_of(ca); });
        out.covered = !out.is_open;
    }
    if (&ca == &pki.root) return out;
    const PlainAnswer of_ca = ask({&ca, &pki.root, true, {}}, lists, signers, past, forgiving);
    return {out.listed || of_ca.listed, out.covered && of_ca.covered, out.is_open};
}

}  // namespace revocation
