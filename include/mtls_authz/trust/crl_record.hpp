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

    // In an image: the key that signed the list, as SHA-256 and encoded; or the whole list, if no key has verified it
    // yet.
    Text signer_key;
    Text signer;
    Text unverified;

    std::size_t size() const;  // entries
    // A copy in this arena, with the signer or the whole list.
    CrlRecord keep(Arena& arena, std::string_view key_digest, std::string_view key, std::string_view whole) const;

    bool is_inside(const Bounds& in) const {
        return in.hold_all(issuer, issuer_text, digest, scope, number, base_number, authority_key, points, entries,
                           signer_key, signer, unverified);
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
