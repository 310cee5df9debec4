// Which list replaces which: lists of the future, and deltas with their bases (RFC 5280 5.2.4).
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "claims.hpp"
#include "crl_site.hpp"
#include "lists.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;
using namespace test::lists;

CLAIM(a_list_of_the_future_replaces_nothing_before_its_time) {
    const test::Identity ca = make_ca("CA"), bad = make_client("b", "b.example", ca);
    const Site site(ca.cert_pem());
    const auto known = [&](const std::string& name) { return site.lax->cas().cas_named(name); };
    ListSpec next = list_by(ca), later = list_by(ca);
    next.number = 2;
    next.this_update = 500;
    later.number = 3;
    later.this_update = 1500;
    const CrlSet set = set_of({list_by(ca, {&bad}), next, later}, known);
    CHECK_EQUAL(set.size(), 2U);
    CHECK_EQUAL(site.answers(bad, set), "revoked revoked");
    CHECK_EQUAL(std::string(word_of(ask(*site.lax, bad, {}, now() + 1600, {}, {}, set).reason)), "granted");
    CHECK(ask(*site.lax, bad, {}, now(), {}, {}, set).valid_until < now() + 1501);
}

CLAIM(a_delta_takes_back_with_its_base_alone_and_revokes_in_any_case) {
    const test::Identity root = ca_named("Root", nullptr), old = ca_named("CA", &root), current = ca_named("CA", &root);
    const test::Identity held = make_client("h", "h.example", old), good = make_client("g", "g.example", old);
    const Site site(root.cert_pem(), old.cert_pem() + current.cert_pem());
    ListSpec base = list_by(old, {&held}, 6), delta = list_by(old, {&held}, 8);
    base.number = 10;
    delta.number = 12;
    delta.base = 10;
    const auto answer = [&](const ListSpec& with, const test::Identity& who) {
        return site.answers(who, set_of({base, with, list_by(root)}));
    };
    CHECK_EQUAL(answer(delta, held), "granted granted");
    ListSpec odd = delta;
    odd.base = 11;
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = delta;
    odd.number = 10;
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = delta;
    odd.next_update = -10;
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = delta;
    odd.signer = &current;
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = scoped(delta, only_user());
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = delta;
    odd.entries.push_back({serial_of(held), 1});
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    // What a delta adds counts with whatever base, until a base says the same.
    delta.entries = {{serial_of(good), 1}};
    CHECK_EQUAL(answer(delta, good), "revoked revoked");
    CHECK_EQUAL(site.answers(good, set_of({delta})), "revoked revoked");
    CHECK_EQUAL(site.answers(held, set_of({delta, list_by(root)})), "granted revocation-unknown");
    base.number = 12;
    CHECK_EQUAL(answer(delta, good), "granted granted");
}

CLAIM(a_complete_list_is_as_current_as_the_delta_that_completes_it) {
    const test::Identity ca = make_ca("CA"), bad = make_client("b", "b.example", ca),
                         good = make_client("g", "g.example", ca);
    const Site site(ca.cert_pem());
    ListSpec base = list_by(ca), delta = list_by(ca, {&bad});
    base.number = 10;
    delta.number = 12;
    delta.base = 10;
    const auto answer = [&](const std::vector<ListSpec>& lists) { return site.answers(good, set_of(lists)); };
    CHECK_EQUAL(answer({base, delta}), "granted granted");
    ListSpec late = delta;
    late.next_update = -10;
    CHECK_EQUAL(answer({base, late}), "revocation-stale revocation-stale");
    CHECK_EQUAL(ask(*site.lax, good, {}, now(), {}, {}, set_of({base, late})).detail,
                "the delta CRL of \"CN=CA,O=CA Inc,C=US\" is past its nextUpdate");
    CHECK_EQUAL(Site::word(*site.forgiving, good, set_of({base, late})), "granted");
    CHECK_EQUAL(Site::word(*site.forgiving, bad, set_of({base, late})), "revoked");
    // At its second, without another list.
    ListSpec ends = delta;
    ends.next_update = 100;
    CHECK(ask(*site.lax, good, {}, now(), {}, {}, set_of({base, ends})).valid_until < now() + 102);
    CHECK_EQUAL(word_of(ask(*site.lax, good, {}, now() + 200, {}, {}, set_of({base, ends})).reason),
                "revocation-stale");
    // A newer delta, or a complete list of its number, takes its place; one that does not complete the list is nothing.
    ListSpec newer = delta;
    newer.number = 13;
    CHECK_EQUAL(answer({base, late, newer}), "granted granted");
    ListSpec complete = base;
    complete.number = 12;
    CHECK_EQUAL(answer({base, late, complete}), "granted granted");
    late.base = 11;
    CHECK_EQUAL(answer({base, late}), "granted granted");
}

CLAIM(a_delta_takes_the_place_of_another_only_where_what_that_says_is_covered) {
    const test::Identity ca = make_ca("CA"), listed = make_client("l", "l.example", ca),
                         other = make_client("o", "o.example", ca);
    const CasByName known = [&](const std::string&) {
        std::vector<X509Ptr> out;
        out.push_back(share(*ca.cert));
        return out;
    };
    const Site site(ca.cert_pem());
    const auto numbered = [&](ListSpec list, long number, std::optional<long> base = {}) {
        list.number = number;
        list.base = base;
        list.this_update = -10000 + number * 100;
        return list;
    };
    const auto answer = [&](std::vector<ListSpec> lists, const test::Identity& who) {
        const std::string first = site.answers(who, set_of(lists));
        CHECK_EQUAL(site.answers(who, set_of(lists, known)), first);
        std::reverse(lists.begin(), lists.end());
        CHECK_EQUAL(site.answers(who, set_of(lists)), first);
        CHECK_EQUAL(site.answers(who, set_of(lists, known)), first);
        return first;
    };
    const ListSpec full = numbered(list_by(ca), 5), older = numbered(list_by(ca, {&listed}), 7, 5);
    CHECK_EQUAL(answer({full, older}, listed), "revoked revoked");
    // Its base is one that is not at hand: of the changes between, the older one alone speaks.
    for (const long base : {6, 7, 8}) {
        CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 9, base)}, listed), "revoked revoked");
        CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 9, base)}, other), "granted granted");
    }
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 8, 6), numbered(list_by(ca), 9, 8)}, listed),
                "revoked revoked");
    // From the same base on, or an earlier one, it lists all changes.
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 9, 5)}, listed), "granted granted");
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 9, 4)}, listed), "granted granted");
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca, {&listed}, 8), 9, 5)}, listed), "granted granted");
    // With a complete list that it completes, too; so does a complete list that is as new as the older one.
    const ListSpec base = numbered(list_by(ca), 6), newer = numbered(list_by(ca), 9, 6);
    CHECK_EQUAL(answer({full, older, base}, listed), "revoked revoked");
    CHECK_EQUAL(answer({full, older, base, newer}, listed), "granted granted");
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 7), numbered(list_by(ca), 9, 8)}, listed),
                "granted granted");
    // Not with one that another key signed, or of another scope, or of the future.
    ListSpec future = base;
    future.this_update = 5000;
    CHECK_EQUAL(answer({full, older, newer, future}, listed), "revoked revoked");
    CHECK_EQUAL(answer({full, older, newer, scoped(base, only_user())}, listed), "revoked revoked");
}
