// A CRL as it lies in an arena or an image, and the serial numbers in it.
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

// Serial numbers as serial_key() has them, sorted: some 20 bytes each.
class SerialSet {
public:
    bool contains(std::string_view serial) const;
    SerialSet keep(Arena& arena) const;
    std::size_t size() const { return width_ == 0 ? 0 : bytes_.size() / width_; }

    bool lies_in(const Bounds& in) const {
        return bytes_.lies_in(in) && (width_ == 0 ? bytes_.empty() : bytes_.size() % width_ == 0);
    }

private:
    friend class SerialSetBuilder;
    Text bytes_;               // of all, one after the other: the ends of their SerialKeys
    std::uint32_t width_ = 0;  // of each; 0 where there are none
};

// A sign, and the number, right-aligned. One that is longer (RFC 5280 4.1.2.2: 20 bytes at most) as its SHA-256.
using SerialKey = std::array<unsigned char, 33>;

class SerialSetBuilder {
public:
    void add(std::string_view serial);
    SerialSet finish(Arena& arena);

private:
    std::vector<SerialKey> keys_;
};

// What a list says of one issuer's certificates.
struct CrlEntries {
    Text issuer;  // canonical; empty: the list's own
    SerialSet revoked;
    SerialSet removed;  // removeFromCRL, and not revoked by another entry

    bool lies_in(const Bounds& in) const { return in.hold_all(issuer, revoked, removed); }
};

struct CrlRecord {
    Text issuer;                      // canonical name
    Text issuer_text;                 // for people
    Text digest;                      // SHA-256 of the whole
    Text scope;                       // comparable
    std::optional<Text> number;       // as serial_key() has it
    std::optional<Text> base_number;  // of a delta
    std::int64_t this_update = 0;
    std::optional<std::int64_t> next_update;
    Text authority_key;  // encoded authorityKeyIdentifier; empty where absent
    bool only_user = false;
    bool only_ca = false;
    bool indirect = false;
    unsigned reasons = 0;
    std::optional<Span<Text>> points;  // names, sorted; absent: not restricted
    Span<CrlEntries> entries;          // by issuer

    // In an image: the key that signed it, as SHA-256 and encoded; or the whole list, where that is not known yet.
    Text signer_key;
    Text signer;
    Text unverified;

    std::size_t size() const;  // entries
    // The same in this arena, with what is known of its signer.
    CrlRecord keep(Arena& arena, std::string_view key_digest, std::string_view key, std::string_view whole) const;

    bool lies_in(const Bounds& in) const {
        return in.hold_all(issuer, issuer_text, digest, scope, number, base_number, authority_key, points, entries,
                           signer_key, signer, unverified);
    }
};

// What an MTLSCRLFile holds, as far as it is in force.
struct CrlFileRecord {
    struct Unusable {
        Text issuer;  // canonical
        Text why;
        bool lies_in(const Bounds& in) const { return in.hold_all(issuer, why); }
    };
    Text path;
    Text pattern;  // through which it was found
    Span<CrlRecord> lists;
    Span<Unusable> unusable;  // issuers of lists in it that cannot be used

    bool lies_in(const Bounds& in) const { return in.hold_all(path, pattern, lists, unusable); }
};

// All of them.
struct CrlRecords {
    Span<CrlFileRecord> files;
    bool lies_in(const Bounds& in) const { return files.lies_in(in); }
};

}  // namespace mtls
