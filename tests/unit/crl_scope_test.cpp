// The lists that cover a certificate, and the result of several together (RFC 5280 6.3.3).
#include <fstream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "crl_site.hpp"
#include "lists.hpp"
#include "mtls_authz/load/crl_files.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;
using namespace test::lists;

namespace {

constexpr unsigned kKeys = 0x006, kRest = 0x1f8;

ScopeSpec only_ca() { return {{}, false, true}; }
ScopeSpec only_reasons(unsigned reasons) { return {{}, false, false, false, false, reasons}; }
ScopeSpec at(const std::string& uri) { return {{{uri}}}; }

test::Identity leaf_with(const std::vector<PointSpec>& points, const test::Identity& ca) {
    CertSpec spec = client_spec("pointed");
    spec.raw.push_back(distribution_points(points));
    return issue(spec, &ca);
}

}  // namespace

CLAIM(parts_of_a_list_that_is_split_by_reasons_count_together) {
    const test::Identity ca = make_ca("CA"), stolen = make_client("s", "s.example", ca),
                         old = make_client("o", "o.example", ca), good = make_client("g", "g.example", ca);
    const Site site(ca.cert_pem());
    const ListSpec keys = scoped(list_by(ca, {&stolen}, 1), only_reasons(kKeys));
    const ListSpec rest = scoped(list_by(ca, {&old}, 4), only_reasons(kRest));
    for (const auto& lists : {std::vector{keys, rest}, std::vector{rest, keys}}) {
        for (const CasByName& known : {CasByName(), CasByName([&](const std::string&) {
                                           std::vector<X509Ptr> out;
                                           out.push_back(share(*ca.cert));
                                           return out;
                                       })}) {
            const CrlSet both = set_of(lists, known);
            CHECK_EQUAL(site.answers(stolen, both), "revoked revoked");
            CHECK_EQUAL(site.answers(old, both), "revoked revoked");
            CHECK_EQUAL(site.answers(good, both), "granted granted");
        }
    }
    CHECK_EQUAL(site.answers(stolen, set_of({keys})), "revoked revoked");
    CHECK_EQUAL(site.answers(good, set_of({keys})), "granted revocation-unknown");
    // A part that is out of date is not made good for by the other one; a complete list makes it so.
    ListSpec late = rest;
    late.next_update = -10;
    CHECK_EQUAL(site.answers(good, set_of({keys, late})), "revocation-stale revocation-stale");
    CHECK_EQUAL(site.answers(good, set_of({keys, late, list_by(ca)})), "granted granted");
    // A certificate may say itself for which reasons a point is.
    const test::Identity for_keys = leaf_with({{{{"u:1"}}, {}, kKeys}}, ca);
    const test::Identity for_all = leaf_with({{{{"u:1"}}, {}, kKeys}, {{{"u:1"}}, {}, kRest}}, ca);
    const CrlSet one = set_of({scoped(list_by(ca), at("u:1"))});
    CHECK_EQUAL(site.answers(for_keys, one), "granted revocation-unknown");
    CHECK_EQUAL(site.answers(for_all, one), "granted granted");
    CHECK_EQUAL(site.answers(for_keys, set_of({list_by(ca)})), "granted granted");
}

CLAIM(basic_constraints_decide_which_lists_are_about_a_certificate) {
    const test::Identity root = make_ca("Root"), sub = make_ca("Sub", &root), deep = make_client("d", "d.example", sub);
    const test::Identity user = make_client("u", "u.example", root);
    const Site site(root.cert_pem());
    for (const char* usage : {"critical,digitalSignature", "critical,digitalSignature,keyCertSign"}) {
        CertSpec spec = client_spec("as-ca");
        spec.ca = true;
        spec.key_usage = usage;  // says nothing of what it is
        const test::Identity as_ca = issue(spec, &root);
        const CrlSet of_cas = set_of({scoped(list_by(root, {&as_ca}), only_ca())});
        CHECK_EQUAL(site.answers(as_ca, of_cas), "revoked revoked");
        CHECK_EQUAL(site.answers(user, of_cas), "granted revocation-unknown");
        const CrlSet of_users = set_of({scoped(list_by(root, {&user}), only_user())});
        CHECK_EQUAL(site.answers(as_ca, of_users), "granted revocation-unknown");
        CHECK_EQUAL(site.answers(user, of_users), "revoked revoked");
        CHECK_EQUAL(site.answers(as_ca, set_of({scoped(list_by(root), only_ca())})), "granted granted");
    }
    // Intermediates are asked of the lists for CAs.
    const ListSpec by_sub = list_by(sub);
    CHECK_EQUAL(site.answers(deep, set_of({by_sub, scoped(list_by(root), only_ca())}), {&sub}), "granted granted");
    CHECK_EQUAL(site.answers(deep, set_of({by_sub, scoped(list_by(root, {&sub}), only_ca())}), {&sub}),
                "revoked revoked");
    CHECK_EQUAL(site.answers(deep, set_of({by_sub, scoped(list_by(root), only_user())}), {&sub}),
                "granted revocation-unknown");
}

CLAIM(a_cas_own_list_does_not_answer_for_another_crl_issuer) {
    const test::Identity ca = ca_named("CA", nullptr), other = ca_named("CRL Issuer", &ca);
    const Site site(ca.cert_pem(), other.cert_pem());
    const PointName point{{}, {{"CN", "Point"}}};
    const test::Identity foreign = leaf_with({{point, {&other}}}, ca), own = leaf_with({{point, {&ca}}}, ca),
                         plain = leaf_with({{point}}, ca), either = leaf_with({{point, {&other}}, {point}}, ca),
                         nameless = leaf_with({{{}, {&other}}}, ca);
    const ScopeSpec at_point{point};
    for (const ListSpec& list : {scoped(list_by(ca), at_point), list_by(ca)}) {
        CHECK_EQUAL(site.answers(foreign, set_of({list})), "granted revocation-unknown");
        CHECK_EQUAL(site.answers(nameless, set_of({list})), "granted revocation-unknown");
        CHECK_EQUAL(site.answers(own, set_of({list})), "granted granted");
        CHECK_EQUAL(site.answers(plain, set_of({list})), "granted granted");
        CHECK_EQUAL(site.answers(either, set_of({list})), "granted granted");
    }
    CHECK_EQUAL(site.answers(foreign, set_of({list_by(ca, {&foreign})})), "revoked revoked");
    ScopeSpec indirect = at_point;
    indirect.indirect = true;
    ListSpec theirs = scoped(list_by(other), indirect);
    CHECK_EQUAL(site.answers(foreign, set_of({theirs})), "granted granted");
    CHECK_EQUAL(site.answers(own, set_of({theirs})), "granted revocation-unknown");
    CHECK_EQUAL(site.answers(nameless, set_of({theirs})), "granted revocation-unknown");
    theirs.entries = {{serial_of(foreign), 1, {&other, &ca}}, {serial_of(nameless)}, {serial_of(own)}};
    CHECK_EQUAL(site.answers(foreign, set_of({theirs})), "revoked revoked");
    CHECK_EQUAL(site.answers(nameless, set_of({theirs})), "revoked revoked");
    // Entries of other issuers in a list that is not indirect: it cannot be used, and is not taken for none.
    theirs.scope->indirect = false;
    CHECK_EQUAL(site.answers(foreign, set_of({theirs})), "revocation-stale revocation-stale");
    // A list of theirs that cannot be used is not taken for none.
    test::Identity forger = copy_of(other);
    forger.key = make_key();
    CHECK_EQUAL(site.answers(foreign, set_of({scoped(list_by(forger), indirect)})),
                "revocation-stale revocation-stale");
}

CLAIM(a_distribution_point_is_compared_by_any_of_its_names) {
    const test::Identity ca = ca_named("CA", nullptr);
    const Site site(ca.cert_pem());
    const PointName relative{{}, {}, "Part"}, in_full{{}, {{"CN", "CA"}, {"CN", "Part"}}}, uris{{"u:1", "u:2"}};
    const auto answer = [&](const PointName& of_certificate, const PointName& of_list) {
        return site.answers(leaf_with({{of_certificate}}, ca), set_of({scoped(list_by(ca), {of_list})}));
    };
    CHECK_EQUAL(answer(relative, in_full), "granted granted");
    CHECK_EQUAL(answer(in_full, relative), "granted granted");
    CHECK_EQUAL(answer(relative, relative), "granted granted");
    CHECK_EQUAL(answer(relative, {{}, {}, "Other"}), "granted revocation-unknown");
    CHECK_EQUAL(answer(uris, {{"u:2"}}), "granted granted");
    CHECK_EQUAL(answer({{"u:2"}}, uris), "granted granted");
    CHECK_EQUAL(answer(uris, {{"u:3"}}), "granted revocation-unknown");
    // A scope counts whether its extension is critical or not, and a name of any type restricts.
    ScopeSpec elsewhere = at("u:3");
    elsewhere.critical = false;
    CHECK_EQUAL(site.answers(leaf_with({{uris}}, ca), set_of({scoped(list_by(ca), elsewhere)})),
                "granted revocation-unknown");
    CrlSpec by_dns;
    by_dns.idp = "fullname:DNS:crl.example";
    CrlSet set;
    set.add(
        Crl::read(std::move(decode_crls(make_crl(ca, by_dns)).lists.front())).value(),
        [](const std::string&) { return std::vector<X509Ptr>(); }, now());
    CHECK_EQUAL(site.answers(make_client("x", "x.example", ca), set), "granted revocation-unknown");
}

CLAIM(an_entry_revokes_outside_of_the_lists_scope_and_a_missing_one_proves_nothing_there) {
    const test::Identity root = ca_named("Root", nullptr), sub = ca_named("Sub", &root),
                         other = ca_named("CRL Issuer", &root), user = make_client("u", "u.example", root),
                         deep = make_client("d", "d.example", sub), pointed = leaf_with({{{{"http://crl/a"}}}}, root);
    const Site site(root.cert_pem(), other.cert_pem());
    const ScopeSpec here = at("http://CRL/a");
    const std::string unknown = "granted revocation-unknown", revoked = "revoked revoked";
    const auto of_root = [&](const std::vector<const test::Identity*>& listed, const ScopeSpec& scope) {
        return set_of({scoped(list_by(root, listed), scope), list_by(sub)});
    };
    for (const test::Identity* who : {&pointed, &user, &deep}) {
        const test::Identity& listed = who == &deep ? sub : *who;
        for (const ScopeSpec& scope : {here, who == &deep ? only_user() : only_ca()}) {
            CHECK_EQUAL(site.answers(*who, of_root({&listed}, scope), {&sub}), revoked);
            CHECK_EQUAL(site.answers(*who, of_root({}, scope), {&sub}), unknown);
            // It is past its nextUpdate: what it lists is revoked, and what it does not is not stale by it.
            ListSpec late = scoped(list_by(root, {&listed}), scope);
            late.next_update = -10;
            CHECK_EQUAL(site.answers(*who, set_of({late, list_by(root), list_by(sub)}), {&sub}), revoked);
            late.entries.clear();
            CHECK_EQUAL(site.answers(*who, set_of({late, list_by(root), list_by(sub)}), {&sub}), "granted granted");
        }
    }
    // For a part of the reasons, and by a delta alone; a delta of the same scope takes it back.
    ScopeSpec part = here;
    part.reasons = kKeys;
    ListSpec base = scoped(list_by(root, {&user}, 6), part), delta = scoped(list_by(root, {&user}), part);
    delta.number = 2;
    delta.base = 1;
    CHECK_EQUAL(site.answers(user, set_of({base})), revoked);
    CHECK_EQUAL(site.answers(user, set_of({delta})), revoked);
    delta.entries.front().reason = 8;
    CHECK_EQUAL(site.answers(user, set_of({base, delta})), unknown);
    CHECK_EQUAL(site.answers(user, set_of({base, scoped(delta, here)})), revoked);
    // Of an indirect list, the entries that name the certificate's issuer: of another CA's only where the certificate
    // names that one.
    ScopeSpec indirect = here;
    indirect.indirect = true;
    const test::Identity names_it = leaf_with({{{{"http://crl/a"}}, {&other}}}, root);
    const auto by = [&](const test::Identity& signer, const test::Identity& listed, const test::Identity& issuer) {
        ListSpec list = scoped(list_by(signer, {&listed}), indirect);
        list.entries.front().issuers = {&issuer};
        return set_of({list});
    };
    CHECK_EQUAL(site.answers(names_it, by(other, names_it, root)), revoked);
    CHECK_EQUAL(site.answers(names_it, by(other, names_it, other)), unknown);
    CHECK_EQUAL(site.answers(user, by(other, user, root)), unknown);
    CHECK_EQUAL(site.answers(user, by(root, user, root)), revoked);
    CHECK_EQUAL(site.answers(user, by(root, user, other)), unknown);
    CHECK_EQUAL(site.answers(names_it, set_of({scoped(list_by(other, {&names_it}), here)})), unknown);
}

CLAIM(serials_of_entries_are_numbers) {
    const test::Identity ca = make_ca("CA");
    const Site site(ca.cert_pem());
    const char* const serials[] = {"80", "-80", "7F", "0", "0080FF", "-1"};
    for (const char* listed : serials) {
        ListSpec list = list_by(ca);
        list.entries = {{listed}};
        for (const char* serial : serials) {
            CertSpec spec = client_spec("x");
            spec.serial = serial;
            const std::string expected = std::string(serial) == listed ? "revoked revoked" : "granted granted";
            CHECK_EQUAL(site.answers(issue(spec, &ca), set_of({list})), expected);
        }
    }
}

CLAIM(lists_that_cannot_be_used_are_not_taken_for_none) {
    const test::Identity ca = make_ca("CA"), other = make_ca("Other"), good = make_client("g", "g.example", ca),
                         elsewhere = make_client("e", "e.example", other);
    const Site site(ca.cert_pem() + other.cert_pem());
    const auto known = [&](const std::string& name) { return site.lax->cas().cas_named(name); };
    const std::string usable = der_of(*make_list(list_by(ca)));
    const auto edited = [&](const std::string& from, const std::string& to) {
        std::string out = usable;
        const std::size_t found = out.find(from);
        CHECK(found != std::string::npos);
        return out.replace(found, from.size(), to);
    };
    ScopeSpec none = only_user();
    none.ca = true;
    ListSpec odd = list_by(ca), odd_entry = list_by(ca, {&elsewhere}), damaged = list_by(ca);
    odd.unknown_critical = true;
    odd_entry.entries.front().unknown_critical = true;
    damaged.damaged = true;
    ScopeSpec attribute;
    attribute.attribute = true;
    const std::string files[] = {
        der_of(*make_list(scoped(list_by(ca), none))),
        der_of(*make_list(scoped(list_by(ca), attribute))),
        der_of(*make_list(odd)),
        der_of(*make_list(odd_entry)),
        der_of(*make_list(damaged)),
        edited(std::string("\x02\x01\x01", 3), std::string("\x04\x01\x01", 3)),          // the version
        edited(std::string("\x30\x0a\x06\x08", 4), std::string("\x30\x0a\x05\x08", 4)),  // the inner algorithm
        edited(std::string("\x30\x0a\x06\x08\x2a\x86", 6), std::string("\x30\x0a\x06\x08\x2a\x87", 6)),
        usable.substr(0, usable.size() / 2),
        // Beside one that is good.
        pem_of(*make_list(list_by(other))) + "-----BEGIN X509 CRL-----\n" +
            pem_of(*make_list(list_by(ca))).substr(25, 200),
    };
    for (const std::string& content : files) {
        const std::string path = site.draft.folder() + "/a.crl";
        std::ofstream(path, std::ios::binary) << content;
        CrlFiles crls;
        crls.watch({{path, "a.crl", {"p.conf", 1}}}, known);
        std::vector<Diagnostic> said;
        CHECK(crls.look(known, known, said));
        CHECK_EQUAL(said.size(), 1U);
        CHECK_EQUAL(site.answers(good, *crls.crls()), "revocation-stale revocation-stale");
        const std::string detail = ask(*site.lax, good, {}, now(), {}, {}, *crls.crls()).detail;
        CHECK_CONTAINS(detail, "cannot be used");
        CHECK(detail.find("nextUpdate") == std::string::npos);
        CHECK_EQUAL(Site::word(*site.lax, elsewhere, *crls.crls()), "granted");
        // A usable one beside it ends that; so does an edit that leaves a part of the reasons.
        CrlSet beside = *crls.crls();
        beside.add(Crl::read(make_list(list_by(ca))).value(), known, now());
        CHECK_EQUAL(site.answers(good, beside), "granted granted");
        std::ofstream(path, std::ios::binary) << pem_of(*make_list(scoped(list_by(ca), only_reasons(kKeys))));
        CHECK(crls.look(known, known, said));
        CHECK_EQUAL(said.size(), 1U);
        CHECK_EQUAL(site.answers(good, *crls.crls()), "granted revocation-unknown");
    }
    std::ofstream(site.draft.folder() + "/b.crl", std::ios::binary) << files[9];
    CrlFiles crls;
    crls.watch({{site.draft.folder() + "/b.crl", "b.crl", {"p.conf", 1}}}, known);
    std::vector<Diagnostic> said;
    crls.look(known, known, said);
    CHECK_EQUAL(site.answers(elsewhere, *crls.crls()), "granted granted");
}

CLAIM(entries_of_many_issuers_at_once_are_kept_up_to_a_limit) {
    const test::Identity ca = ca_named("CA", nullptr);
    const auto read = [&](std::size_t issuers, int entries) {
        ListSpec spec = scoped(list_by(ca), {});
        spec.scope->indirect = true;
        for (int i = 0; i < entries; ++i) spec.entries.push_back({std::to_string(1000 + i), -1});
        spec.entries.front().issuers.assign(issuers, &ca);
        const auto crl = Crl::read(make_list(spec));
        return crl.ok() ? "" : crl.error();
    };
    CHECK_EQUAL(read(1000, 1000), "");
    CHECK_EQUAL(read(1, 1001), "");
    CHECK_CONTAINS(read(1000, 1001), "entries of several issuers at once");
}
