// Random chains and CRLs.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "lists.hpp"

namespace revocation {

using test::Identity;

// A root that issued two certificates of one CA, before and after a change of key, and what else may sign its lists;
// beside it another root with CAs of the same names.
struct Pki {
    Identity root, old_ca, new_ca;
    Identity silent_ca;   // the old key, in a certificate without cRLSign
    Identity list_key;    // the CA's name, for CRLs alone
    Identity past_ca;     // the CA's name and another key, expired
    Identity crl_issuer;  // below the root, for indirect lists
    Identity other_root, other_ca, other_crl_issuer;
    Identity stranger;  // the CA's name, of no known path

    struct Leaf {
        Identity id;
        const Identity* issuer;
        std::string shape;  // for people
        bool is_ca;
        std::vector<test::PointSpec> points;
        bool has_no_rev_avail;  // and lives no longer than MTLSShortLived
    };
    std::deque<Leaf> leaves;

    Pki();
    Pki(const Pki&) = delete;
    Pki& operator=(const Pki&) = delete;
    std::vector<const Identity*> intermediates() const;
};

struct List {
    test::ListSpec spec;
    mtls::X509CrlPtr crl;
    mtls::Result<std::shared_ptr<const mtls::Crl>> read;
};

// Signatures are what takes time: lists are made once, and put together anew for each case.
class RandomLists {
public:
    RandomLists(const Pki& pki, std::int64_t now, unsigned seed);

    // Those that are at hand when a leaf comes.
    std::vector<const List*> some();
    int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
    bool one_in(int n) { return below(n) == 0; }

private:
    List list(const Identity& signer);
    test::ScopeSpec scope(bool indirect);
    void add_dates(test::ListSpec& spec);
    void add_entries(test::ListSpec& spec);

    const Pki& pki_;
    const std::int64_t now_;
    std::mt19937 random_;
    std::deque<List> of_root_, of_ca_, of_others_;
    std::deque<List> good_;  // of each issuer, complete and in time, and without entries
};

}  // namespace revocation
