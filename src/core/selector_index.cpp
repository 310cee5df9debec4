#include "mtls_authz/selector_index.hpp"

#include <algorithm>

namespace mtls {

void SelectorIndex::add(std::uint32_t id, const std::vector<Selector>& selectors) {
    std::optional<Selector::Key> best;
    for (const Selector& selector : selectors) {
        auto key = selector.index_key();
        if (key && (!best || key->rank < best->rank)) best = std::move(key);
        if (const auto prefix = selector.network_prefix()) {
            (prefix->is_v4 ? v4_prefixes_ : v6_prefixes_).insert(prefix->length);
        }
    }
    if (best) {
        by_key_[best->bytes].push_back(id);
    } else {
        unindexed_.push_back(id);
    }
}

std::vector<std::uint32_t> SelectorIndex::candidates(const CertificateFacts& facts,
                                                     const std::vector<std::string>& more_keys) const {
    std::vector<std::uint32_t> ids = unindexed_;
    if (!by_key_.empty()) {
        const std::vector<unsigned> v4(v4_prefixes_.begin(), v4_prefixes_.end());
        const std::vector<unsigned> v6(v6_prefixes_.begin(), v6_prefixes_.end());
        std::vector<std::string> keys = fact_keys(facts, v4, v6);
        keys.insert(keys.end(), more_keys.begin(), more_keys.end());
        for (const std::string& key : keys) {
            const auto found = by_key_.find(key);
            if (found != by_key_.end()) ids.insert(ids.end(), found->second.begin(), found->second.end());
        }
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

}  // namespace mtls
