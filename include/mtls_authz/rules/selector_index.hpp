// Finds the lines of selectors that a certificate may satisfy, without testing all lines.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/rules/conditions.hpp"
#include "mtls_authz/rules/index_keys.hpp"

namespace mtls {

// Made by SelectorIndexBuilder; borrows from the arena passed to finish().
class SelectorIndex {
public:
    SelectorIndex() : keys_(KeyedHash(0, 0)) {}  // an empty index

    // The ids of lines that may hold, ascending, without duplicates; `above`: also the lines with pins on these CAs.
    std::vector<std::uint32_t> candidates(const CertificateFacts& facts, const std::vector<CaDigests>& above) const;

    // Lines that must be tested for every certificate: those with only negations, issuer.spki-sha256: and cert-policy:.
    std::span<const std::uint32_t> linear() const { return linear_; }
    // The ids under the key with the most lines.
    std::span<const std::uint32_t> longest() const { return {ids_.data() + longest_first_, longest_count_}; }

    bool is_inside(const Bounds& in) const;
    // Whether all ids are below `lines`.
    bool has_ids_below(std::size_t lines) const;

private:
    friend class SelectorIndexBuilder;
    explicit SelectorIndex(const IndexKeys& keys) : keys_(keys) {}
    std::span<const std::uint32_t> find(IndexKey key) const;
    bool is_step(IndexKey key) const;

    IndexKeys keys_;
    KeyKinds kinds_;  // of filed_
    PrefixLengths prefixes_;
    Span<IndexKey> steps_;        // sorted; trie nodes of URI patterns
    Span<IndexKey> filed_;        // sorted
    Span<std::uint32_t> ids_;     // the line of each key in filed_
    Span<std::uint32_t> begins_;  // by the upper bits of a key: the index in filed_ of the first key with these bits;
                                  // the last element is filed_.size()
    Span<std::uint32_t> linear_;
    Span<std::uint32_t> unclear_;  // candidates for certificates whose SPIFFE ID is unclear
    std::uint32_t longest_first_ = 0;
    std::uint32_t longest_count_ = 0;
};

class SelectorIndexBuilder {
public:
    // `repeats`: how the lines will be tested. With kAnyCounts, lines that test a SPIFFE ID are candidates for every
    // certificate with an unclear one.
    explicit SelectorIndexBuilder(Repeats repeats) : repeats_(repeats), keys_(KeyedHash::random()) {}

    // Adds a line whose selectors must all hold. Ids ascend.
    void add(std::uint32_t id, const Conditions& selectors);
    // Call once, after all lines. Stores each line under the one of its selectors that the fewest lines share.
    SelectorIndex finish(Arena& arena);

private:
    struct Filed {
        IndexKey key;
        std::uint32_t id;
        std::uint8_t rank;
        char kind;
    };
    std::vector<Filed> choose();
    static void keep(std::vector<Filed> chosen, Arena& arena, SelectorIndex& out);

    Repeats repeats_;
    IndexKeys keys_;
    PrefixLengths prefixes_;
    std::vector<Filed> filed_;  // each line under each of its selectors
    std::vector<IndexKey> steps_;
    std::vector<std::uint32_t> linear_;
    std::vector<std::uint32_t> unclear_;
};

}  // namespace mtls
