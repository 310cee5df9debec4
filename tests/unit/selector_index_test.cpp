// The index over many lines of selectors.
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <algorithm>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "selectors.hpp"

using namespace mtls;
using namespace test::selectors;

CLAIM(a_certificate_of_thousands_of_names_asks_for_no_more_keys_than_it_has_labels) {
    constexpr std::size_t kNames = 4096, kLabels = 20;
    CertificateFacts facts;
    for (std::size_t i = 0; i < kNames; ++i) {
        std::string name = "n" + std::to_string(i);
        for (std::size_t label = 1; label < kLabels; ++label) name += ".l" + std::to_string((i * label) % 7);
        facts.dns.push_back(name);
    }
    const IndexKeys keys(KeyedHash::random());
    KeyKinds all;
    for (char kind = 'A'; kind <= 'z'; ++kind) all.add(kind);
    const auto asked = keys.of(facts, all, {}, [](IndexKey) { return true; });
    CHECK(asked.size() > kNames);
    CHECK(asked.size() <= kNames * (kLabels + 1) + 20);
    CHECK(keys.of(facts, {}, {}, [](IndexKey) { return true; }).empty());

    // Among as many wildcards, those alone are tried that fit.
    SelectorIndexBuilder builder(Repeats::kMustBeSingle);
    for (std::uint32_t i = 0; i < 20000; ++i) {
        const auto line = conditions({"DNS:**.p" + std::to_string(i) + ".example"});
        builder.add(i, line.view());
    }
    Arena arena;
    const SelectorIndex index = builder.finish(arena);
    CHECK(index.candidates(facts, {}).empty());
    facts.dns.emplace_back("api.eu.p777.example");
    facts.dns.emplace_back("p778.example");
    CHECK(index.candidates(facts, {}) == std::vector<std::uint32_t>{777});
}

CLAIM(a_uri_is_found_among_patterns_that_share_their_beginning_by_all_its_segments) {
    SelectorIndexBuilder builder(Repeats::kMustBeSingle);
    for (std::uint32_t i = 0; i < 20000; ++i) {
        const std::string word = "URI:https://a.example/*/tenants/" + std::to_string(i) + (i % 2 == 0 ? "/*" : "/**");
        const auto line = conditions({word});
        builder.add(i, line.view());
    }
    Arena arena;
    const SelectorIndex index = builder.finish(arena);
    CertificateFacts facts;
    facts.uri = {"https://a.example/v1/tenants/77/users/3", "https://a.example/v1/tenants/78/users/3",
                 "https://a.example/v2/tenants/80/x", "https://a.example/tenants/82/x",
                 "https://b.example/v1/tenants/84/x"};
    CHECK(index.candidates(facts, {}) == (std::vector<std::uint32_t>{77, 80}));
}

CLAIM(nobody_can_tell_which_names_meet_in_the_index_of_another_process) {
    const auto parsed = Selector::parse("DNS:api.acme.example");
    const Selector selector = parsed.value().selector();
    CHECK(IndexKeys(KeyedHash::random()).of(selector)->key != IndexKeys(KeyedHash::random()).of(selector)->key);
    // SipHash-1-3 of the bytes 0, 1, 2, ... under the key 00 01 ... 0f.
    const KeyedHash hash(0x0706050403020100, 0x0f0e0d0c0b0a0908);
    std::string text;
    for (const std::uint64_t expected : {0xabac0158050fc4dcULL, 0xc9f49bf37d57ca93ULL, 0x82cb9b024dc7d44dULL}) {
        CHECK_EQUAL(hash(text), expected);
        text += static_cast<char>(text.size());
    }
}

CLAIM(a_line_is_found_by_the_selector_that_the_fewest_share) {
    SelectorIndexBuilder builder(Repeats::kMustBeSingle);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const auto line = conditions({"O:Acme", "RID:1.2.3." + std::to_string(i)});
        builder.add(i, line.view());
    }
    Arena arena;
    const SelectorIndex index = builder.finish(arena);
    CHECK_EQUAL(index.longest().size(), 1U);
    test::CertSpec spec;
    spec.subject = {{"O", "Acme"}};
    CertificateFacts facts = facts_of(spec);
    CHECK(index.candidates(facts, {}).empty());
    facts.rid = {"1.2.3.4"};
    CHECK(index.candidates(facts, {}) == std::vector<std::uint32_t>{4});
}
