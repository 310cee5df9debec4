// A CRL as stored in an arena or an image, with its set of serial numbers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/base/relative.hpp"

namespace mtls {

// Serial numbers in the form of serial_key(), sorted; about 20 bytes each.
class SerialSet {
public:
    bool contains(std::string_view serial) const;
    SerialSet keep(Arena& arena) const;
    std::size_t size() const { return width_ == 0 ? 0 : bytes_.size() / width_; }

    bool is_inside(const Bounds& in) const {
        return bytes_.is_inside(in) && (width_ == 0 ? bytes_.empty() : bytes_.size() % width_ == 0);
    }

private:
    friend class SerialSetBuilder;
    Text bytes_;               // all elements concatenated: the last width_ bytes of each SerialKey
    std::uint32_t width_ = 0;  // bytes per element; 0 if empty
};

// A sign byte, then the number, right-aligned. A number that does not fit (RFC 5280 4.1.2.2: 20 bytes at most) is
// replaced by its SHA-256.
using SerialKey = std::array<unsigned char, 33>;

class SerialSetBuilder {
public:
    void add(std::string_view serial);
    SerialSet finish(Arena& arena);

private:
    std::vector<SerialKey> keys_;
};

// The entries of a list for the certificates of one issuer.
struct CrlEntries {
    Text issuer;  // canonical; empty: the list's own issuer
    SerialSet revoked;
    SerialSet removed;  // removeFromCRL, and not revoked by another entry

    bool is_inside(const Bounds& in) const { return in.hold_all(issuer, revoked, removed); }
};

struct CrlRecord {
    Text issuer;                      // canonical name
    Text issuer_text;                 // for messages
    Text digest;                      // SHA-256 of the whole list
    Text scope;                       // comparable
    std::optional<Text> number;       // in the form of serial_key()
    std::optional<Text> base_number;  // only of a delta
    std::int64_t this_update = 0;
    std::optional<std::int64_t> next_update;
    Text authority_key;  // encoded authorityKeyIdentifier; empty if absent
    bool only_user = false;
    bool only_ca = false;
    bool indirect = false;
    unsigned reasons = 0;
    std::optional<Span<Text>> points;  // names, sorted; absent: not restricted
    Span<CrlEntries> entries;          // by issuer

    // What a key is asked with, at any time: to a signature of RSA or ECDSA, anybody can make a second key that
    // verifies it too, so the first key that does so is not the only one.
    int digest_nid = 0;  // of the signature algorithm's hash; 0: `whole` is kept in its place
    int key_nid = 0;     // of the signature algorithm's kind of key
    Text signature;
    Text signed_digest;  // of the signed part
    Text whole;          // DER

    struct Signer {
        Text sha256;  // in the form of key_sha256()
        Text key;     // SubjectPublicKeyInfo
        bool is_inside(const Bounds& in) const { return in.hold_all(sha256, key); }
    };
    Span<Signer> signers;  // in an image: the keys that have verified the list so far

    std::size_t size() const;            // entries
    CrlRecord keep(Arena& arena) const;  // a copy in this arena, without signers

    bool is_inside(const Bounds& in) const {
        return in.hold_all(issuer, issuer_text, digest, scope, number, base_number, authority_key, points, entries,
                           signature, signed_digest, whole, signers);
    }
};

// The lists in force from one file of MTLSCRLFile.
struct CrlFileRecord {
    struct Unusable {
        Text issuer;  // canonical
        Text why;
        bool is_inside(const Bounds& in) const { return in.hold_all(issuer, why); }
    };
    Text path;
    Span<CrlRecord> lists;
    Span<Unusable> unusable;  // issuers of lists in the file that cannot be used

    bool is_inside(const Bounds& in) const { return in.hold_all(path, lists, unusable); }
};

// The lists of all files.
struct CrlRecords {
    Span<CrlFileRecord> files;
    bool is_inside(const Bounds& in) const { return files.is_inside(in); }
};

}  // namespace mtls
