// What an index files selectors under, and under what it looks for those that a certificate could satisfy.
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

// Steps on the way through a trie of names: each is the hash of the one before and the next label or segment.
class NameTrie {
public:
    explicit NameTrie(const KeyedHash& hash) : hash_(hash) {}
    IndexKey root(char kind, std::string_view first) const { return step(static_cast<unsigned char>(kind), first); }
    IndexKey step(IndexKey from, std::string_view piece) const;

private:
    KeyedHash hash_;
};

// The networks' prefix lengths that the selectors of an index use.
struct PrefixLengths {
    std::bitset<33> v4;
    std::bitset<129> v6;
    void add(const Selector& selector);
};

class IndexKeys {
public:
    explicit IndexKeys(const KeyedHash& hash) : hash_(hash), trie_(hash) {}

    // The key of a selector; nothing where none can stand for it: negations, and what asks about the path. `rank`: how
    // selective its type is (smaller is better).
    struct Key {
        IndexKey key;
        int rank;
    };
    std::optional<Key> of(const Selector& selector) const;
    // For a URI pattern: the steps of the trie that lead to its key.
    std::vector<IndexKey> steps_of(const Selector& selector) const;

    // The keys of all selectors that could hold for this certificate, each once. Work is linear in the size of its
    // names, times the prefix lengths for addresses; for URIs, in the steps of the trie that fit (`is_step`).
    std::vector<IndexKey> of(const CertificateFacts& facts, const PrefixLengths& prefixes,
                             const std::function<bool(IndexKey)>& is_step) const;

    // Of pins on a CA above the certificate: sha256: and spki-sha256:.
    std::array<IndexKey, 2> of_ca(const std::string& sha256, const std::string& spki_sha256) const;

private:
    void add_dns(const std::string& name, std::vector<IndexKey>& out) const;
    void add_uri(const std::string& canonical, const std::function<bool(IndexKey)>& is_step,
                 std::vector<IndexKey>& out) const;
    void add_email(const std::string& address, std::vector<IndexKey>& out) const;
    void add_ip(const std::string& raw, const PrefixLengths& prefixes, std::vector<IndexKey>& out) const;
    void add_attributes(char kind, const DistinguishedName& name, std::vector<IndexKey>& out) const;

    KeyedHash hash_;
    NameTrie trie_;
};

}  // namespace mtls
