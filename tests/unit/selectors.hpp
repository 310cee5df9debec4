// Certificates and selectors for the claims about selectors.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "claims.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/rules/selector_index.hpp"
#include "pki.hpp"

namespace test::selectors {

using namespace mtls;

inline const test::Identity& ca() {
    static const test::Identity it = test::make_ca("Selector CA");
    return it;
}

inline CertificateFacts facts_of(const test::CertSpec& spec) { return read_facts(*test::issue(spec, &ca()).cert); }

inline WrittenConditions conditions(const std::vector<std::string>& words) {
    WrittenConditions out;
    for (const std::string& word : words) out.add(Selector::parse(word).value());
    return out;
}

inline Answer ask(const std::string& word, const CertificateFacts& facts, Repeats repeats = Repeats::kMustBeSingle) {
    auto parsed = Selector::parse(word);
    test::check(parsed.ok(), parsed.ok() ? "" : parsed.error(), __FILE__, __LINE__);
    const PathFacts path{{}, facts.policies};  // the leaf's CA may assert any
    const Selector selector = parsed.value().selector();
    const Answer answer = selector.test(facts, &path, repeats);
    // Whatever matches has to be found through the index too, or it would be missed with many partners.
    SelectorIndexBuilder builder(repeats);
    const WrittenConditions line = conditions({word});
    builder.add(7, line.view());
    Arena arena;
    const SelectorIndex index = builder.finish(arena);
    const auto found = index.candidates(facts, {});
    const bool counts = answer == Answer::kYes || (answer == Answer::kCannotTell && repeats == Repeats::kAnyCounts);
    test::check(!counts || found == std::vector<std::uint32_t>{7}, "not in the index: " + word, __FILE__, __LINE__);
    return answer;
}

inline void yes(const std::string& word, const CertificateFacts& facts) {
    test::check(ask(word, facts) == Answer::kYes, word, __FILE__, __LINE__);
}
inline void no(const std::string& word, const CertificateFacts& facts) {
    test::check(ask(word, facts) == Answer::kNo, word, __FILE__, __LINE__);
}
inline void unsure(const std::string& word, const CertificateFacts& facts) {
    test::check(ask(word, facts) == Answer::kCannotTell, word, __FILE__, __LINE__);
}

inline std::string error_of(const std::string& word) {
    const auto parsed = Selector::parse(word);
    test::check(!parsed.ok(), "accepted: " + word, __FILE__, __LINE__);
    return parsed.error();
}

inline test::CertSpec san(std::vector<std::pair<int, std::string>> names) {
    test::CertSpec spec;
    spec.subject = {{"CN", "x"}};
    spec.san = std::move(names);
    return spec;
}

}  // namespace test::selectors
