#include "plain.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace plain {

namespace {

enum class Holds { kNo, kYes, kUnclear };

std::string folded(const std::string& text) {
    std::string out;
    for (const char c : text) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

std::vector<std::string> pieces(const std::string& text, char separator) {
    std::vector<std::string> out;
    std::string piece;
    for (const char c : text + separator) {
        if (c == separator) {
            out.push_back(piece);
            piece.clear();
        } else {
            piece += c;
        }
    }
    return out;
}

bool is_within(const Window& window, std::int64_t now) {
    return (!window.from || *window.from <= now) && (!window.until || now <= *window.until);
}

bool has(const std::vector<std::string>& values, const std::string& value) {
    return std::find(values.begin(), values.end(), value) != values.end();
}

// ---- one field and one value ------------------------------------------------------------------------------------

bool dns_fits(const std::string& wanted, const std::string& name) {
    const bool one = wanted.starts_with("*."), deep = wanted.starts_with("**.");
    if (!one && !deep) return folded(wanted) == folded(name);
    const auto base = pieces(folded(wanted.substr(one ? 2 : 3)), '.');
    const auto labels = pieces(folded(name), '.');
    if (one ? labels.size() != base.size() + 1 : labels.size() <= base.size()) return false;
    const auto more = labels.size() - base.size();
    for (std::size_t i = 0; i < more; ++i) {
        if (labels[i].empty()) return false;
    }
    return std::equal(base.begin(), base.end(), labels.begin() + static_cast<std::ptrdiff_t>(more));
}

// At its last '@'.
bool email_fits_so(const std::string& wanted, const std::string& address) {
    const auto at = address.rfind('@'), wanted_at = wanted.rfind('@');
    if (folded(address.substr(at)) != folded(wanted.substr(wanted_at))) return false;
    return wanted.starts_with("*@") ? at > 0 : address.substr(0, at) == wanted.substr(0, wanted_at);
}

bool email_fits(const std::string& wanted, const std::string& address) {
    const bool is_clear = std::count(address.begin(), address.end(), '@') == 1;
    return is_clear && address.find_first_of("\"\\") == std::string::npos && email_fits_so(wanted, address);
}

// "scheme://host" in lower case, and the segments of the path.
std::vector<std::string> uri_pieces(const std::string& uri) {
    auto out = pieces(uri, '/');
    out[0] = folded(out[0]);
    out[2] = folded(out[2]);
    return out;
}

bool is_pattern(const std::vector<std::string>& pieces) { return has(pieces, "*") || has(pieces, "**"); }

// `odd`: a segment of dots, or an encoded slash, is a name like another.
bool pattern_fits(std::vector<std::string> pattern, const std::string& uri, bool odd) {
    const auto actual = uri_pieces(uri);
    const bool deep = pattern.back() == "**";
    if (deep) pattern.pop_back();
    if (deep ? actual.size() <= pattern.size() : actual.size() != pattern.size()) return false;
    if (uri.find_first_of(odd ? "?" : "?%") != std::string::npos) return false;
    for (std::size_t i = 0; i < actual.size(); ++i) {
        const bool is_segment = i >= 3;
        if (!odd && is_segment && (actual[i] == "." || actual[i] == "..")) return false;
        const bool is_free = i >= pattern.size() || (is_segment && pattern[i] == "*");
        if (is_free ? actual[i].empty() : pattern[i] != actual[i]) return false;
    }
    return true;
}

bool uri_fits(const std::string& wanted, const std::string& uri) {
    const auto pattern = uri_pieces(wanted);
    return is_pattern(pattern) ? pattern_fits(pattern, uri, false) : pattern == uri_pieces(uri);
}

// What the URIs of this test may be taken for.
std::set<std::string> spellings(const std::string& uri) {
    std::set<std::string> out = {uri};
    const auto replace = [](std::string text, const std::string& what, const std::string& by) {
        const auto at = text.find(what);
        return at == std::string::npos ? text : text.replace(at, what.size(), by);
    };
    const auto add = [&](const auto& change) {
        for (const std::string& one : std::set<std::string>(out)) out.insert(change(one));
    };
    add([&](const std::string& one) { return replace(one, "//u@", "//"); });
    add([&](const std::string& one) { return replace(one, ":443/", "/"); });
    add([&](const std::string& one) { return replace(one, ".org./", ".org/"); });
    add([](const std::string& one) { return one.substr(0, one.find('?')); });
    add([&](const std::string& one) { return replace(one, "%2F", "/"); });
    add([&](const std::string& one) { return replace(one, "/x/..", ""); });
    add([&](const std::string& one) { return replace(one, "/y/..", ""); });
    add([](const std::string& one) { return one.ends_with('/') ? one.substr(0, one.size() - 1) : one; });
    return out;
}

bool uri_may_fit(const std::string& wanted, const std::string& uri) {
    const auto pattern = uri_pieces(wanted);
    const auto all = spellings(uri);
    return std::any_of(all.begin(), all.end(), [&](const std::string& one) {
        return is_pattern(pattern) ? pattern_fits(pattern, one, true) : pattern == uri_pieces(one);
    });
}

bool dns_may_fit(const std::string& wanted, const std::string& name) {
    return name.ends_with('.') && dns_fits(wanted, name.substr(0, name.size() - 1));
}

bool email_may_fit(const std::string& wanted, const std::string& address) {
    auto parts = pieces(address, '@');
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        while (parts[i + 1].ends_with('.')) parts[i + 1].pop_back();
        if (email_fits_so(wanted, parts[i] + "@" + parts[i + 1])) return true;
    }
    return false;
}

unsigned long v4_number(const std::string& text) {
    unsigned long out = 0;
    for (const std::string& byte : pieces(text, '.')) out = out * 256 + std::stoul(byte);
    return out;
}

bool ip_fits(const std::string& wanted, const std::string& address) {
    const auto slash = wanted.find('/');
    const unsigned long bits = slash == std::string::npos ? 32 : std::stoul(wanted.substr(slash + 1));
    const unsigned long size = 1UL << (32 - bits);
    return v4_number(address) / size == v4_number(wanted.substr(0, slash)) / size;
}

bool key_fits(const std::string& wanted, const Certificate& c) {
    const auto size = wanted.find(">="), curve = wanted.find(':');
    if (wanted.substr(0, std::min(size, curve)) != c.key) return false;
    if (size != std::string::npos) return std::stoi(wanted.substr(size + 2)) <= c.key_bits;
    return curve == std::string::npos || wanted.substr(curve + 1) == c.curve;
}

// ---- one selector -----------------------------------------------------------------------------------------------

// Blanks around a value do not count where names are compared.
std::string without_outer_blanks(const std::string& text) {
    const auto first = text.find_first_not_of(' '), last = text.find_last_not_of(' ');
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

Holds attribute_holds(const Selector& selector, const Certificate& c, bool refuses) {
    int found = 0, fitting = 0;
    for (const auto& [type, value] : c.subject) {
        if (type != selector.type) continue;
        ++found;
        if (folded(without_outer_blanks(value)) == folded(selector.value)) ++fitting;
    }
    // A refusal that asks for one of several values, or for none of them, takes each reading.
    const bool is_clear = refuses && (fitting == 0 || fitting == found);
    if (found > 1 && selector.type != "OU" && !is_clear) return Holds::kUnclear;
    return fitting > 0 ? Holds::kYes : Holds::kNo;
}

template <class Fits, class MayFit>
Holds any_holds(const Selector& selector, const std::vector<std::string>& values, Fits fits, MayFit may_fit) {
    Holds out = Holds::kNo;
    for (const std::string& value : values) {
        if (fits(selector.value, value)) return Holds::kYes;
        if (may_fit(selector.value, value)) out = Holds::kUnclear;
    }
    return out;
}

template <class Fits>
Holds any_holds(const Selector& selector, const std::vector<std::string>& values, Fits fits) {
    for (const std::string& value : values) {
        if (fits(selector.value, value)) return Holds::kYes;
    }
    return Holds::kNo;
}

// `keys`: of the CAs on the path; null while there is none: what asks for them is then taken to hold.
Holds holds(const Selector& s, const Certificate& c, const std::vector<std::string>* keys, bool refuses) {
    const auto same = [](const std::string& a, const std::string& b) { return a == b; };
    if (s.type == "issuer.spki-sha256" && keys == nullptr) return Holds::kYes;
    Holds out = Holds::kNo;
    if (s.type == "DNS") {
        out = any_holds(s, c.dns, dns_fits, dns_may_fit);
    } else if (s.type == "email") {
        out = any_holds(s, c.email, email_fits, email_may_fit);
    } else if (s.type == "URI") {
        const bool asks_spiffe = s.value.starts_with("spiffe://");
        const bool has_spiffe =
            std::any_of(c.uri.begin(), c.uri.end(), [](const auto& u) { return folded(u).starts_with("spiffe://"); });
        const bool is_odd = c.uri.size() > 1 || c.signs;
        out = asks_spiffe && has_spiffe && is_odd ? Holds::kUnclear : any_holds(s, c.uri, uri_fits, uri_may_fit);
    } else if (s.type == "IP") {
        out = any_holds(s, c.ip, ip_fits);
    } else if (s.type == "EKU") {
        out = any_holds(s, c.eku, same);
    } else if (s.type == "cert-serial") {
        out = s.value == c.serial ? Holds::kYes : Holds::kNo;
    } else if (s.type == "sha256") {
        out = s.value == c.sha256 ? Holds::kYes : Holds::kNo;
        if (s.value == c.twin && keys != nullptr) out = Holds::kUnclear;
    } else if (s.type == "spki-sha256") {
        out = s.value == c.spki ? Holds::kYes : Holds::kNo;
    } else if (s.type == "key") {
        out = key_fits(s.value, c) ? Holds::kYes : Holds::kNo;
    } else if (s.type == "issuer.spki-sha256") {
        out = any_holds(s, *keys, same);
    } else {
        out = attribute_holds(s, c, refuses);
    }
    if (!s.negated || out == Holds::kUnclear) return out;
    return out == Holds::kYes ? Holds::kNo : Holds::kYes;
}

bool all_hold(const std::vector<Selector>& selectors, const Certificate& c, const std::vector<std::string>* keys) {
    return std::all_of(selectors.begin(), selectors.end(),
                       [&](const Selector& s) { return holds(s, c, keys, false) == Holds::kYes; });
}

// ---- the way up -------------------------------------------------------------------------------------------------

struct Way {
    bool is_leaf_itself = false;
    std::optional<std::size_t> nearest;  // CA
    std::vector<std::size_t> above;      // CAs that are known on the way, the nearest included, and above it
    bool same_name_other_key = false;
};

bool is_named(const Policy& policy, std::size_t ca, std::int64_t now) {
    for (const Partner& partner : policy.partners) {
        for (const Anchor& anchor : partner.anchors) {
            if (anchor.ca == ca && is_within(anchor.window, now)) return true;
        }
    }
    return false;
}

bool is_intermediate(const Policy& policy, std::size_t ca) {
    return std::any_of(policy.partners.begin(), policy.partners.end(), [ca](const Partner& partner) {
        return std::find(partner.intermediates.begin(), partner.intermediates.end(), ca) != partner.intermediates.end();
    });
}

// Adds the CAs from `at` upwards, as long as the policy contains them.
void add_known(const Policy& policy, std::optional<std::size_t> at, std::int64_t now, Way& way) {
    for (; at && (is_named(policy, *at, now) || is_intermediate(policy, *at)); at = policy.cas[*at].parent) {
        way.above.push_back(*at);
    }
}

Way way_up(const Policy& policy, const Certificate& c, std::int64_t now) {
    Way way;
    for (const Partner& partner : policy.partners) {
        for (const Anchor& anchor : partner.anchors) {
            if (anchor.leaf == c.sha256 && is_within(anchor.window, now)) way.is_leaf_itself = true;
        }
    }
    std::optional<std::size_t> at = c.issuer;
    if (way.is_leaf_itself) add_known(policy, at, now, way);
    if (way.is_leaf_itself) return way;
    while (at) {
        if (is_named(policy, *at, now)) {
            way.nearest = at;
            add_known(policy, at, now, way);
            return way;
        }
        bool known_by_name = false, known_by_key = false;
        for (const Partner& partner : policy.partners) {
            for (const Anchor& anchor : partner.anchors) {
                if (!anchor.ca || policy.cas[*anchor.ca].name != policy.cas[*at].name) continue;
                known_by_name = true;
                known_by_key = known_by_key || anchor.ca == at;
            }
        }
        if (known_by_name && !known_by_key) way.same_name_other_key = true;
        const bool is_sent = std::find(c.helpers.begin(), c.helpers.end(), *at) != c.helpers.end();
        if (!is_sent && !is_intermediate(policy, *at)) return way;
        way.above.push_back(*at);
        at = policy.cas[*at].parent;
    }
    return way;
}

// ---- an identity ------------------------------------------------------------------------------------------------

// One URI, spiffe://DOMAIN/ and a path that reads the same to everybody, in a certificate that signs nothing.
bool is_svid(const Certificate& c, const std::string& domain) {
    static const std::string kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (c.uri.size() != 1 || c.signs) return false;
    const auto parts = pieces(c.uri.front(), '/');
    if (parts.size() < 4 || parts[0] != "spiffe:" || !parts[1].empty() || parts[2] != domain) return false;
    for (std::size_t i = 3; i < parts.size(); ++i) {
        if (parts[i].empty() || parts[i] == "." || parts[i] == "..") return false;
        if (parts[i].find_first_not_of(kPlain) != std::string::npos) return false;
    }
    return true;
}

// Its partner trusts the nearest CA, for this certificate, and so does this line.
bool trusts_nearest(const Partner& partner, const Identity& identity, const Certificate& c, const Way& way,
                    std::int64_t now) {
    for (const Anchor& anchor : partner.anchors) {
        if (!is_within(anchor.window, now)) continue;
        if (identity.anchor && *identity.anchor != anchor.file) continue;
        if (!anchor.trust_domain.empty() && !is_svid(c, anchor.trust_domain)) continue;
        if (way.is_leaf_itself ? anchor.leaf == c.sha256 : way.nearest && anchor.ca == way.nearest) return true;
    }
    return false;
}

// The keys of the CAs from the issuer to the nearest, where the certificates between them are at hand for this partner.
std::optional<std::vector<std::string>> path_keys(const Policy& policy, const Partner& partner, const Certificate& c,
                                                  const Way& way) {
    if (!c.eku.empty() && !has(c.eku, "clientAuth")) return std::nullopt;
    std::vector<std::string> keys;
    if (way.is_leaf_itself) return keys;
    for (std::size_t at = c.issuer; at != *way.nearest; at = *policy.cas[at].parent) {
        bool at_hand = std::find(c.helpers.begin(), c.helpers.end(), at) != c.helpers.end();
        const auto& own = partner.intermediates;
        at_hand = at_hand || std::find(own.begin(), own.end(), at) != own.end();
        if (!at_hand) return std::nullopt;
        keys.push_back(policy.cas[at].spki);
    }
    keys.push_back(policy.cas[*way.nearest].spki);
    return keys;
}

bool is_revoked(const Policy& policy, const Certificate& c, const Way& way) {
    std::vector<std::string> keys;
    for (const std::size_t ca : way.above) keys.push_back(policy.cas[ca].spki);
    return std::any_of(policy.revocations.begin(), policy.revocations.end(), [&](const auto& selectors) {
        return std::all_of(selectors.begin(), selectors.end(), [&](const Selector& s) {
            for (const std::size_t ca : way.above) {
                if (!s.negated && s.type == "sha256" && s.value == policy.cas[ca].sha256) return true;
                if (!s.negated && s.type == "spki-sha256" && s.value == policy.cas[ca].spki) return true;
            }
            return holds(s, c, &keys, true) != Holds::kNo;
        });
    });
}

// What the policy names, as a CA or as itself, is its own partner's: it is no client of the CA above it. So with a new
// key or another name that the issuer of a CA gave it, and with the other form of a signature.
bool is_named_itself(const Policy& policy, const Certificate& c, const Way& way, std::int64_t now) {
    if (way.is_leaf_itself) return false;
    for (const Partner& partner : policy.partners) {
        for (const Anchor& anchor : partner.anchors) {
            if (!is_within(anchor.window, now)) continue;
            if (anchor.leaf && anchor.leaf == c.twin) return true;
            if (!anchor.ca || !c.ca_name) continue;
            const Ca& named = policy.cas[*anchor.ca];
            const bool has_name = named.name == *c.ca_name, has_key = named.spki == c.spki;
            if (has_name && has_key) return true;
            if ((has_name || has_key) && named.parent == c.issuer) return true;
        }
    }
    return false;
}

struct Found {
    std::vector<const Partner*> partners;  // that it fits
    std::vector<std::string> keys;         // of the first one's path
    bool names_somebody = false;           // whoever issued it, by more than `any`
    bool names_untrusting = false;         // who has no path to it
};

Found find_partners(const Policy& policy, const Certificate& c, const Way& way, std::int64_t now) {
    Found out;
    for (const Partner& partner : policy.partners) {
        for (const Identity& identity : partner.identities) {
            const bool any = identity.selectors.empty();
            const bool trusts = trusts_nearest(partner, identity, c, way, now);
            // `any` takes in what is under an anchor of the partner's, whatever the clock or anchor= say.
            bool under_own = false;
            for (const Anchor& anchor : partner.anchors) {
                under_own = under_own ||
                            (way.is_leaf_itself ? anchor.leaf == c.sha256 : way.nearest && anchor.ca == way.nearest);
            }
            if (any ? !under_own : !all_hold(identity.selectors, c, nullptr)) continue;
            if (!any) out.names_somebody = true;
            const bool leads = trusts && !is_named_itself(policy, c, way, now);
            const auto keys = leads ? path_keys(policy, partner, c, way) : std::nullopt;
            if (!keys) {
                out.names_untrusting = true;
                continue;
            }
            if (!all_hold(identity.selectors, c, &*keys)) continue;
            if (out.partners.empty()) out.keys = *keys;
            if (out.partners.empty() || out.partners.back() != &partner) out.partners.push_back(&partner);
        }
    }
    return out;
}

// The one value of a field that a grant's path may ask for, where no reader takes it for anything but a segment.
std::optional<std::string> segment_of(const std::string& type, const Certificate& c) {
    std::vector<std::string> values;
    if (type == "DNS") values = c.dns;
    for (const auto& [attribute, value] : c.subject) {
        if (attribute == type) values.push_back(value);
    }
    if (values.size() != 1) return std::nullopt;
    const std::string& value = values.front();
    const bool is_odd =
        value.empty() || value == "." || value == ".." || value.find_first_of("/\\%;?") != std::string::npos;
    return is_odd ? std::nullopt : std::optional(value);
}

bool grant_fits(const std::string& pattern, const std::string& path, const Partner& partner, const Certificate& c) {
    auto wanted = pieces(pattern, '/');
    const auto actual = pieces(path, '/');
    const bool deep = wanted.back() == "**";
    if (deep) wanted.pop_back();
    if (deep ? actual.size() <= wanted.size() : actual.size() != wanted.size()) return false;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const std::string& segment = actual[i];
        bool fits = segment == wanted[i];
        if (wanted[i] == "*") fits = !segment.empty() && segment.find('%') == std::string::npos;
        if (wanted[i] == "%{partner}") fits = segment == partner.name;
        if (wanted[i].starts_with("%{cert:")) {
            fits = segment == segment_of(wanted[i].substr(7, wanted[i].size() - 8), c);
        }
        if (!fits) return false;
    }
    return true;
}

std::string grant_reason(const Policy& policy, const Partner& partner, const Certificate& c, const Request& request) {
    std::string out = "not-allowed";
    for (const auto* grants : {&partner.grants, &policy.grants}) {
        for (const Grant& grant : *grants) {
            if (!grant_fits(grant.path, request.path, partner, c)) continue;
            if (grant.method == "*" || grant.method == request.method) return "granted";
            out = "method-not-granted";
        }
    }
    return out;
}

std::string gate_reason(const Policy& policy, const Gate& gate, const Partner& partner, const Certificate& c,
                        const std::vector<std::string>& keys, const Request& request) {
    bool allowed = false;
    for (const Group& group : partner.groups) {
        const bool perhaps = std::all_of(group.conditions.begin(), group.conditions.end(),
                                         [&](const Selector& s) { return holds(s, c, &keys, true) != Holds::kNo; });
        const bool member = all_hold(group.conditions, c, &keys);
        if (group.name == gate.denied_group && (member || perhaps)) return "not-allowed";
        if (group.name == gate.allowed_group && member) allowed = true;
    }
    if (gate.by_grant) return grant_reason(policy, partner, c, request);
    return allowed ? "granted" : "not-allowed";
}

}  // namespace

Answer evaluate(const Policy& policy, const Gate& gate, Certificate c, const Request& request, std::int64_t now) {
    if (c.malformed) return {"malformed-certificate", ""};
    if (c.not_after < now) return {"expired", ""};
    if (now < c.not_before) return {"not-yet-valid", ""};
    const Way way = way_up(policy, c, now);
    if (way.above.empty()) c.twin.reset();  // the key that signed it is not known
    if (is_revoked(policy, c, way)) return {"revoked", ""};
    const Found found = find_partners(policy, c, way, now);
    if (found.partners.size() > 1) return {"ambiguous", ""};
    if (found.partners.empty()) {
        const bool reachable = way.is_leaf_itself || way.nearest;
        if (!reachable && way.same_name_other_key && found.names_somebody) return {"wrong-issuer", ""};
        if (!reachable) return {"not-verified", ""};
        return {found.names_untrusting ? "wrong-issuer" : "unknown-partner", ""};
    }
    const Partner& partner = *found.partners.front();
    const bool has_ca = !way.is_leaf_itself;
    if (partner.needs_crl && has_ca) return {"revocation-unknown", partner.name};
    if (partner.suspended) return {"suspended", partner.name};
    if (!is_within(partner.validity, now)) return {"outside-contract", partner.name};
    const bool is_inside = std::any_of(partner.networks.begin(), partner.networks.end(),
                                       [&](const std::string& network) { return ip_fits(network, request.client); });
    if (!partner.networks.empty() && !is_inside) return {"wrong-network", partner.name};
    return {gate_reason(policy, gate, partner, c, found.keys, request), partner.name};
}

}  // namespace plain
