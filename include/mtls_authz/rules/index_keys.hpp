// The keys under which the index stores selectors, and the keys that it looks up for a certificate.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/keyed_hash.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls {

using IndexKey = std::uint64_t;

// Steps in a trie of names: the key of a node is the hash of its parent's key and the next label or segment.
class NameTrie {
public:
    explicit NameTrie(const KeyedHash& hash) : hash_(hash) {}
    IndexKey root(char kind, std::string_view first) const { return step(static_cast<unsigned char>(kind), first); }
    IndexKey step(IndexKey from, std::string_view piece) const;

private:
    KeyedHash hash_;
};

// The prefix lengths of all networks in the selectors of an index.
struct PrefixLengths {
    std::bitset<33> v4;
    std::bitset<129> v6;
    void add(const Selector& selector);
};

// The kinds of keys that an index has: a certificate's names of other kinds need no keys.
class KeyKinds {
public:
    void add(char kind) { bits_ |= bit_of(kind); }
    bool has(char kind) const { return (bits_ & bit_of(kind)) != 0; }

private:
    static std::uint64_t bit_of(char kind) { return std::uint64_t{1} << (kind & 63); }  // letters differ in these bits
    std::uint64_t bits_ = 0;
};

class IndexKeys {
public:
    explicit IndexKeys(const KeyedHash& hash) : hash_(hash), trie_(hash) {}

    // The key of a selector; nothing for selectors that cannot be indexed: negations, and those that test the path.
    // `rank`: selectivity of its type (smaller is more selective).
    struct Key {
        IndexKey key;
        int rank;
        char kind;
    };
    std::optional<Key> of(const Selector& selector) const;
    // For a URI pattern: the keys of all trie nodes on the way to its own.
    std::vector<IndexKey> steps_of(const Selector& selector) const;

    // The keys of all selectors of these kinds that could hold for this certificate, without duplicates. Takes time
    // linear in the size of its names, times the number of prefix lengths for addresses; for URIs, linear in the
    // matching trie nodes (`is_step` says whether a node exists).
    std::vector<IndexKey> of(const CertificateFacts& facts, const KeyKinds& kinds, const PrefixLengths& prefixes,
                             const std::function<bool(IndexKey)>& is_step) const;

    // For pins on a CA above the certificate: sha256: and spki-sha256:.
    std::array<IndexKey, 2> of_ca(const std::string& sha256, const std::string& spki_sha256) const;

private:
    void add_dns(const std::string& name, const KeyKinds& kinds, std::vector<IndexKey>& out) const;
    void add_uri(const std::string& canonical, const std::function<bool(IndexKey)>& is_step,
                 std::vector<IndexKey>& out) const;
    void add_email(const std::string& address, std::size_t at, std::vector<IndexKey>& out) const;
    void add_ip(const std::string& raw, const PrefixLengths& prefixes, std::vector<IndexKey>& out) const;
    void add_attributes(char kind, const DistinguishedName& name, const KeyKinds& kinds,
                        std::vector<IndexKey>& out) const;

    KeyedHash hash_;
    NameTrie trie_;
};

}  // namespace mtls
