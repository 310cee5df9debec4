// What the rules say, written down as plainly as they read: no index, no cache, no OpenSSL, every partner asked in
// turn. Slow, and obviously right; what is fast has to give the same answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plain {

// A CA is its name and its key. `parent`: the CA that issued its certificate; none: it did itself.
struct Ca {
    std::string name;
    std::optional<std::size_t> parent;
    std::string sha256;  // of its certificate; hex, as all digests here
    std::string spki;
};

struct Certificate {
    std::vector<std::pair<std::string, std::string>> subject;  // type and value, in encoded order
    std::vector<std::string> dns, email, uri, ip;              // IP as text
    std::vector<std::string> eku;
    std::string serial;
    std::string sha256, spki;
    std::string key;  // "EC", "RSA" or "Ed25519"
    std::string curve;
    int key_bits = 0;
    std::size_t issuer = 0;            // index of a CA
    std::vector<std::size_t> helpers;  // CAs whose certificates the client sent, roots left out
    std::int64_t not_before = 0, not_after = 0;
    bool malformed = false;
    bool signs = false;  // its keyUsage lets it sign CRLs
    // If its issuer made it for a CA: the name and key of that CA.
    std::optional<std::string> ca_name;
    // The digest with the other form of its ECDSA signature, if the issuer's key has one.
    std::optional<std::string> twin;
};

struct Selector {
    bool negated = false;
    std::string type, value;
};

struct Window {
    std::optional<std::int64_t> from, until;
};

struct Anchor {
    std::string file;
    std::optional<std::size_t> ca;    // one of the CAs,
    std::optional<std::string> leaf;  // or an end-entity certificate by its digest
    Window window;
    std::string trust_domain;  // of a SPIFFE bundle, else empty
};

struct Identity {
    std::vector<Selector> selectors;  // empty: any
    std::optional<std::string> anchor;
};

struct Group {
    std::string name;
    std::vector<Selector> conditions;
};

struct Grant {
    std::string method;  // or "*"
    std::string path;
};

struct Partner {
    std::string name;
    std::vector<Identity> identities;
    std::vector<Anchor> anchors;
    std::vector<std::size_t> intermediates;
    std::vector<Group> groups;
    std::vector<Grant> grants;
    Window validity;
    std::vector<std::string> networks;  // none: from anywhere
    bool suspended = false;
    bool needs_crl = false;
};

struct Policy {
    std::vector<Ca> cas;
    std::vector<Partner> partners;  // in file order
    std::vector<std::vector<Selector>> revocations;
    std::vector<Grant> grants;  // of every partner
};

struct Gate {
    std::string allowed_group, denied_group;  // the latter may be empty
    bool by_grant = false;                    // instead of the allowed group
};

struct Request {
    std::string client;  // an IPv4 address
    std::string method, path;
};

struct Answer {
    std::string reason;   // "granted", or as in the log
    std::string partner;  // where one is identified
};

Answer evaluate(const Policy& policy, const Gate& gate, Certificate certificate, const Request& request,
                std::int64_t now);

}  // namespace plain
