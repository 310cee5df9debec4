// Finds, among many lines of selectors, those that a certificate could satisfy, without walking them all.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/rules/conditions.hpp"
#include "mtls_authz/rules/index_keys.hpp"

namespace mtls {

// Made by SelectorIndexBuilder; borrowed from the arena that it was kept in.
class SelectorIndex {
public:
    SelectorIndex() : keys_(KeyedHash(0, 0)) {}  // of no lines

    // The ids of lines that may hold, each once, ascending; `above`: pins on these CAs are asked for too.
    std::vector<std::uint32_t> candidates(const CertificateFacts& facts, const std::vector<CaDigests>& above) const;

    // Lines that are tried for every certificate: nothing but negations, issuer.spki-sha256: and
    // cert-policy:.
    std::span<const std::uint32_t> linear() const { return linear_; }
    // The most lines that one key finds.
    std::span<const std::uint32_t> longest() const { return {ids_.data() + longest_first_, longest_count_}; }

    bool is_inside(const Bounds& in) const;
    // Whether each line has a number below this.
    bool has_ids_below(std::size_t lines) const;

private:
    friend class SelectorIndexBuilder;
    explicit SelectorIndex(const IndexKeys& keys) : keys_(keys) {}
    std::span<const std::uint32_t> find(IndexKey key) const;
    bool is_step(IndexKey key) const;

    IndexKeys keys_;
    PrefixLengths prefixes_;
    Span<IndexKey> steps_;        // sorted: of URI patterns
    Span<IndexKey> filed_;        // sorted
    Span<std::uint32_t> ids_;     // of the line under each
    Span<std::uint32_t> begins_;  // by their upper bits: the first of filed_ with these; behind all, how many there are
    Span<std::uint32_t> linear_;
    Span<std::uint32_t> unclear_;  // to be found where a SPIFFE ID cannot be told
    std::uint32_t longest_first_ = 0;
    std::uint32_t longest_count_ = 0;
};

class SelectorIndexBuilder {
public:
    // `repeats`: how the lines will be asked. Where what cannot be told counts, lines that ask for a SPIFFE ID are
    // found from every certificate whose own cannot be told.
    explicit SelectorIndexBuilder(Repeats repeats) : repeats_(repeats), keys_(KeyedHash::random()) {}

    // A line, all of whose selectors have to hold. Ids ascend.
    void add(std::uint32_t id, const Conditions& selectors);
    // Once, after all lines: files each under the one of its selectors that the fewest lines share.
    SelectorIndex finish(Arena& arena);

private:
    struct Filed {
        IndexKey key;
        std::uint32_t id;
        std::uint8_t rank;
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
