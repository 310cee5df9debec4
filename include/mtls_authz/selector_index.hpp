// Finds, among many lines of selectors, those that a certificate could satisfy, without walking them all.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "mtls_authz/selector.hpp"

namespace mtls {

class SelectorIndex {
public:
    // Files a line (all of whose selectors have to hold) under its most selective positive selector.
    void add(std::uint32_t id, const std::vector<Selector>& selectors);

    // The ids of lines that may hold, each once, ascending. `more_keys`: those of ca_index_keys().
    std::vector<std::uint32_t> candidates(const CertificateFacts& facts,
                                          const std::vector<std::string>& more_keys) const;

private:
    std::unordered_map<std::string, std::vector<std::uint32_t>> by_key_;
    std::vector<std::uint32_t> unindexed_;  // lines of nothing but negations, EKU: and the like
    std::set<unsigned> v4_prefixes_;
    std::set<unsigned> v6_prefixes_;
};

}  // namespace mtls
