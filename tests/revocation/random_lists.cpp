#include "random_lists.hpp"

#include <algorithm>

namespace revocation {

namespace {

constexpr const char* kUri1 = "http://crl.example/1";
constexpr const char* kUri2 = "http://crl.example/2";
// Of ReasonFlags: two parts that together are all, and one that overlaps.
constexpr unsigned kKeys = 0x006, kRest = 0x1f8, kSome = 0x01a;

test::PointName uri(const char* text) { return {{text}, {}, {}}; }
test::PointName relative() { return {{}, {}, "Part 1"}; }
// What relative() is, where the CA is the base.
test::PointName same_in_full() { return {{}, {{"CN", "Issuing CA"}, {"CN", "Part 1"}}, {}}; }

Identity ca(const std::string& cn, const Identity* issuer, const char* usage = "", mtls::EvpPkeyPtr key = {},
            std::int64_t not_after = 864000) {
    test::CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    spec.key_usage = usage;
    spec.not_before = -864000;
    spec.not_after = not_after;
    return test::issue(spec, issuer, std::move(key));
}

List made(test::ListSpec spec) {
    mtls::X509CrlPtr crl = test::make_list(spec);
    X509_CRL_up_ref(crl.get());
    auto read = mtls::Crl::read(mtls::X509CrlPtr(crl.get()));
    return {std::move(spec), std::move(crl), std::move(read)};
}

mtls::EvpPkeyPtr share_key(const Identity& id) {
    EVP_PKEY_up_ref(id.key.get());
    return mtls::EvpPkeyPtr(id.key.get());
}

}  // namespace

Pki::Pki() {
    root = ca("Root", nullptr);
    old_ca = ca("Issuing CA", &root);
    new_ca = ca("Issuing CA", &root);
    silent_ca = ca("Issuing CA", &root, "critical,keyCertSign", share_key(old_ca));
    past_ca = ca("Issuing CA", &root, "", {}, -3600);
    test::CertSpec for_lists;
    for_lists.subject = {{"CN", "Issuing CA"}};
    for_lists.key_usage = "critical,cRLSign";
    for_lists.eku = "";
    list_key = test::issue(for_lists, &root);
    crl_issuer = ca("CRL Issuer", &root);
    other_root = ca("Root", nullptr);
    other_ca = ca("Issuing CA", &other_root);
    other_crl_issuer = ca("CRL Issuer", &other_root);
    stranger = ca("Issuing CA", nullptr);

    struct Shape {
        const char* text;
        std::vector<test::PointSpec> points = {};
        bool is_ca = false;
        const char* usage = "";
        const char* serial = "";
        bool has_no_rev_avail = false;
    };
    const std::vector<Shape> shapes = {
        {"plain", {}},
        {"plain, serial 80", {}, false, "", "80"},
        {"plain, serial -80", {}, false, "", "-80"},
        {"CA:TRUE", {}, true, "critical,digitalSignature,keyCertSign"},
        {"CA:TRUE without keyCertSign", {}, true, "critical,digitalSignature"},
        {"point 1", {{uri(kUri1)}}},
        {"point 1, its host in another case", {{uri("http://CRL.example/1")}}},
        {"points 1 or 2", {{{{kUri1, kUri2}, {}, {}}}}},
        {"points 1 and 2", {{uri(kUri1)}, {uri(kUri2)}}},
        {"relative point", {{relative()}}},
        {"the same in full", {{same_in_full()}}},
        {"point 1 for keys, point 2 for the rest", {{uri(kUri1), {}, kKeys}, {uri(kUri2), {}, kRest}}},
        {"point 1 for keys", {{uri(kUri1), {}, kKeys}}},
        {"a point of another CRL issuer", {{uri(kUri1), {&crl_issuer}}}},
        {"another CRL issuer", {{{}, {&crl_issuer}}}},
        {"another CRL issuer, or the CA", {{uri(kUri1), {&crl_issuer}}, {uri(kUri2)}}},
        {"the CA, named as CRL issuer", {{uri(kUri1), {&old_ca}}}},
        {"a relative point of another CRL issuer", {{relative(), {&crl_issuer}}}},
        {"noRevAvail", {}, false, "", "", true},
    };
    for (const Identity* issuer : {&old_ca, &new_ca, &root}) {
        for (const Shape& shape : shapes) {
            test::CertSpec spec;
            spec.subject = {{"O", "Acme"}, {"CN", "leaf " + std::to_string(leaves.size())}};
            spec.ca = shape.is_ca;
            spec.key_usage = shape.usage;
            if (spec.ca) spec.eku = "";
            spec.serial = issuer == &new_ca ? "" : shape.serial;
            if (!shape.points.empty()) spec.raw.push_back(test::distribution_points(shape.points));
            if (shape.has_no_rev_avail) spec.raw.push_back({"2.5.29.56", std::string("\5\0", 2)});
            const char* const by = issuer == &old_ca ? "old CA" : issuer == &new_ca ? "new CA" : "root";
            leaves.push_back({test::issue(spec, issuer), issuer, std::string(shape.text) + ", by the " + by,
                              shape.is_ca, shape.points, shape.has_no_rev_avail});
        }
    }
}

std::vector<const Identity*> Pki::intermediates() const {
    return {&old_ca, &new_ca, &silent_ca, &list_key, &past_ca, &crl_issuer, &other_ca, &other_crl_issuer};
}

test::ScopeSpec RandomLists::scope(bool indirect) {
    test::ScopeSpec out;
    out.indirect = indirect;
    out.critical = !one_in(8);
    switch (below(10)) {
        case 0:
            out.user = true;
            break;
        case 1:
            out.ca = true;
            break;
        case 2:
            out.user = true;
            out.ca = one_in(2);
            out.attribute = !out.ca && one_in(4);
            break;
        case 3:
        case 4:
            out.name = uri(one_in(2) ? kUri1 : kUri2);
            break;
        case 5:
            out.name = one_in(2) ? relative() : same_in_full();
            break;
        default:
            break;
    }
    if (one_in(3)) out.reasons = one_in(5) ? kSome : one_in(2) ? kKeys : kRest;
    return out;
}

void RandomLists::add_dates(test::ListSpec& spec) {
    // The later list has the higher number, where it has one.
    const long number = 1 + below(5);
    spec.number = number;
    spec.this_update = -40000 + number * 4000 + below(3) * 600;
    if (one_in(4)) spec.next_update = -100;
    if (one_in(30)) spec.next_update.reset();
    if (one_in(25)) spec.this_update = 5000;
    if (one_in(4)) {
        spec.base = std::max(1L, number - below(3));
        spec.has_freshest = true;
    } else if (one_in(12)) {
        spec.number.reset();
    }
}

void RandomLists::add_entries(test::ListSpec& spec) {
    constexpr long kReasons[] = {-1, 1, 4, 6, 8};
    const bool indirect = spec.scope && spec.scope->indirect;
    const auto add = [&](const Identity& id, const Identity& issuer) {
        test::EntrySpec entry{test::serial_of(id), kReasons[below(5)]};
        if (indirect && !one_in(4)) {
            entry.issuers = {&issuer};
            if (one_in(4)) entry.issuers.push_back(&pki_.crl_issuer);
        }
        entry.unknown_critical = one_in(1000);
        spec.entries.push_back(std::move(entry));
    };
    for (const Pki::Leaf& leaf : pki_.leaves) {
        if (!one_in(4)) continue;
        add(leaf.id, *leaf.issuer);
        if (one_in(8)) add(leaf.id, *leaf.issuer);
    }
    if (one_in(10)) add(one_in(2) ? pki_.old_ca : pki_.new_ca, pki_.root);
}

List RandomLists::list(const Identity& signer) {
    test::ListSpec spec;
    spec.signer = &signer;
    spec.now = now_;
    const bool of_other = &signer == &pki_.crl_issuer || &signer == &pki_.other_crl_issuer;
    add_dates(spec);
    if (one_in(3) || of_other) spec.scope = scope(of_other ? !one_in(8) : one_in(8));
    add_entries(spec);
    spec.names_key = !one_in(5);
    spec.has_freshest = true;
    spec.unknown_critical = one_in(80);
    spec.damaged = one_in(60);
    return made(std::move(spec));
}

RandomLists::RandomLists(const Pki& pki, std::int64_t now, unsigned seed) : pki_(pki), now_(now), random_(seed) {
    constexpr int kOfEach = 150;
    const std::vector<std::pair<std::deque<List>*, std::vector<const Identity*>>> kinds = {
        {&of_root_, {&pki.root, &pki.root, &pki.root, &pki.other_root}},
        {&of_ca_,
         {&pki.old_ca, &pki.old_ca, &pki.new_ca, &pki.new_ca, &pki.list_key, &pki.past_ca, &pki.other_ca,
          &pki.stranger}},
        {&of_others_, {&pki.crl_issuer, &pki.crl_issuer, &pki.other_crl_issuer}},
    };
    for (const auto& [lists, signers] : kinds) {
        for (int i = 0; i < kOfEach; ++i) {
            for (const Identity* signer : signers) lists->push_back(list(*signer));
        }
    }
    for (const Identity* signer : {&pki.root, &pki.old_ca, &pki.new_ca}) {
        test::ListSpec spec;
        spec.signer = signer;
        spec.now = now_;
        spec.number = 9;
        spec.has_freshest = true;
        if (signer == &pki.root) spec.scope = test::ScopeSpec{{}, false, true};
        good_.push_back(made(std::move(spec)));
    }
}

std::vector<const List*> RandomLists::some() {
    std::vector<const List*> out;
    const auto take = [&](const std::deque<List>& from, int most) {
        for (int i = below(most + 1); i > 0; --i) {
            out.push_back(&from[static_cast<std::size_t>(below(static_cast<int>(from.size())))]);
        }
    };
    if (one_in(3)) take(of_root_, 3);
    // So that what matters is the leaf's, mostly.
    if (!one_in(6)) out.push_back(&good_.front());
    if (one_in(8)) out.push_back(&good_[static_cast<std::size_t>(1 + below(2))]);
    take(of_ca_, 4);
    if (one_in(3)) take(of_others_, 3);
    std::shuffle(out.begin(), out.end(), random_);
    return out;
}

}  // namespace revocation
