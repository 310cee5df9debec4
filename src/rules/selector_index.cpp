#include "mtls_authz/rules/selector_index.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <tuple>

namespace mtls {

namespace {

bool all_below(std::span<const std::uint32_t> numbers, std::size_t end) {
    return std::all_of(numbers.begin(), numbers.end(), [end](std::uint32_t n) { return n < end; });
}

}  // namespace

bool SelectorIndex::is_inside(const Bounds& in) const {
    const bool has_lists = in.hold_all(steps_, filed_, ids_, begins_, linear_, unclear_) &&
                           filed_.size() == ids_.size() && longest_first_ <= ids_.size() &&
                           longest_count_ <= ids_.size() - longest_first_;
    if (!has_lists || begins_.empty()) return has_lists && filed_.empty();
    return std::has_single_bit(begins_.size() - 1) && std::is_sorted(begins_.begin(), begins_.end()) &&
           begins_.back() == filed_.size();
}

bool SelectorIndex::has_ids_below(std::size_t lines) const {
    return all_below(ids_, lines) && all_below(linear_, lines) && all_below(unclear_, lines);
}

void SelectorIndexBuilder::add(std::uint32_t id, const Conditions& selectors) {
    bool has_key = false;
    bool asks_spiffe = false;
    for (const Selector& selector : selectors) {
        prefixes_.add(selector);
        const auto steps = keys_.steps_of(selector);
        steps_.insert(steps_.end(), steps.begin(), steps.end());
        asks_spiffe = asks_spiffe || selector.asks_spiffe();
        const auto key = keys_.of(selector);
        if (!key) continue;
        filed_.push_back({key->key, id, static_cast<std::uint8_t>(key->rank), key->kind});
        has_key = true;
    }
    if (!has_key) linear_.push_back(id);
    if (has_key && asks_spiffe && repeats_ == Repeats::kAnyCounts) unclear_.push_back(id);
}

SelectorIndex SelectorIndexBuilder::finish(Arena& arena) {
    std::sort(steps_.begin(), steps_.end());
    steps_.erase(std::unique(steps_.begin(), steps_.end()), steps_.end());
    SelectorIndex out(keys_);
    out.prefixes_ = prefixes_;
    out.steps_ = arena.keep(steps_);
    out.linear_ = arena.keep(linear_);
    out.unclear_ = arena.keep(unclear_);
    keep(choose(), arena, out);
    return out;
}

std::vector<SelectorIndexBuilder::Filed> SelectorIndexBuilder::choose() {
    std::vector<IndexKey> sorted;
    sorted.reserve(filed_.size());
    for (const Filed& f : filed_) sorted.push_back(f.key);
    std::sort(sorted.begin(), sorted.end());
    const auto lines_with = [&sorted](IndexKey key) {
        const auto [from, to] = std::equal_range(sorted.begin(), sorted.end(), key);
        return to - from;
    };
    std::vector<Filed> chosen;
    for (auto from = filed_.begin(); from != filed_.end();) {
        const auto to = std::find_if(from, filed_.end(), [from](const Filed& f) { return f.id != from->id; });
        chosen.push_back(to - from == 1 ? *from : *std::min_element(from, to, [&](const Filed& a, const Filed& b) {
            return std::tuple(lines_with(a.key), a.rank) < std::tuple(lines_with(b.key), b.rank);
        }));
        from = to;
    }
    filed_ = {};
    return chosen;
}

namespace {

// The upper bits of a key as an index into `count` buckets; `count` is a power of 2.
std::size_t bucket_of(IndexKey key, std::size_t count) {
    return count == 1 ? 0 : static_cast<std::size_t>(key >> (64 - std::countr_zero(count)));
}

}  // namespace

void SelectorIndexBuilder::keep(std::vector<Filed> chosen, Arena& arena, SelectorIndex& out) {
    if (chosen.empty()) return;
    std::sort(chosen.begin(), chosen.end(),
              [](const Filed& a, const Filed& b) { return std::tie(a.key, a.id) < std::tie(b.key, b.id); });
    constexpr std::size_t kKeysPerBucket = 4;  // keys per bucket on average; hashes are distributed evenly
    std::vector<std::uint32_t> begins(std::bit_ceil(chosen.size() / kKeysPerBucket + 1) + 1);
    const std::size_t count = begins.size() - 1;
    std::vector<IndexKey> keys;
    std::vector<std::uint32_t> ids;
    keys.reserve(chosen.size());
    ids.reserve(chosen.size());
    std::uint32_t equal_keys = 0;  // keys equal to the current one so far
    for (const Filed& filed : chosen) {
        equal_keys = !keys.empty() && keys.back() == filed.key ? equal_keys + 1 : 1;
        keys.push_back(filed.key);
        ids.push_back(filed.id);
        out.kinds_.add(filed.kind);
        ++begins[bucket_of(filed.key, count) + 1];
        if (equal_keys <= out.longest_count_) continue;
        out.longest_count_ = equal_keys;
        out.longest_first_ = static_cast<std::uint32_t>(keys.size()) - equal_keys;
    }
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    out.filed_ = arena.keep(keys);
    out.ids_ = arena.keep(ids);
    out.begins_ = arena.keep(begins);
}

std::span<const std::uint32_t> SelectorIndex::find(IndexKey key) const {
    const std::size_t bucket = bucket_of(key, begins_.size() - 1);
    const auto first = filed_.begin() + begins_[bucket], last = filed_.begin() + begins_[bucket + 1];
    const auto from = std::lower_bound(first, last, key);
    if (from == last || *from != key) return {};
    const auto to = std::upper_bound(from, last, key);
    return {ids_.begin() + (from - filed_.begin()), static_cast<std::size_t>(to - from)};
}

bool SelectorIndex::is_step(IndexKey key) const { return std::binary_search(steps_.begin(), steps_.end(), key); }

std::vector<std::uint32_t> SelectorIndex::candidates(const CertificateFacts& facts,
                                                     const std::vector<CaDigests>& above) const {
    std::vector<std::uint32_t> ids(linear_.begin(), linear_.end());
    if (!unclear_.empty() && Selector::has_unclear_spiffe(facts))
        ids.insert(ids.end(), unclear_.begin(), unclear_.end());
    const auto add = [&](IndexKey key) {
        const auto found = find(key);
        ids.insert(ids.end(), found.begin(), found.end());
    };
    if (!filed_.empty()) {
        for (const IndexKey key : keys_.of(facts, kinds_, prefixes_, [this](IndexKey k) { return is_step(k); }))
            add(key);
        for (const CaDigests& ca : above) {
            for (const IndexKey key : keys_.of_ca(ca.sha256, ca.spki_sha256)) add(key);
        }
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

}  // namespace mtls
