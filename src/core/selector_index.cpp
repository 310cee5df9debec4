#include "mtls_authz/selector_index.hpp"

#include <algorithm>
#include <bit>
#include <tuple>

namespace mtls {

namespace {

bool all_below(std::span<const std::uint32_t> numbers, std::size_t end) {
    return std::all_of(numbers.begin(), numbers.end(), [end](std::uint32_t n) { return n < end; });
}

}  // namespace

bool SelectorIndex::lies_in(const Bounds& in) const {
    const auto has = [this](const Place& place) {
        return place.first <= ids_.size() && place.count <= ids_.size() - place.first;
    };
    // A search ends at a free place.
    const auto is_free = [](const Place& place) { return place.count == 0; };
    return in.hold_all(steps_, places_, ids_, linear_, unclear_) && std::all_of(places_.begin(), places_.end(), has) &&
           has(longest_) &&
           (places_.empty() ||
            (std::has_single_bit(places_.size()) && std::any_of(places_.begin(), places_.end(), is_free)));
}

bool SelectorIndex::has_ids_below(std::size_t lines) const {
    return all_below(ids_, lines) && all_below(linear_, lines) && all_below(unclear_, lines);
}

void SelectorIndexBuilder::add(std::uint32_t id, const std::vector<Selector>& selectors) {
    bool has_key = false;
    bool asks_spiffe = false;
    for (const Selector& selector : selectors) {
        prefixes_.add(selector);
        const auto steps = keys_.steps_of(selector);
        steps_.insert(steps_.end(), steps.begin(), steps.end());
        asks_spiffe = asks_spiffe || selector.asks_spiffe();
        const auto key = keys_.of(selector);
        if (!key) continue;
        filed_.push_back({key->key, id, static_cast<std::uint8_t>(key->rank)});
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

void SelectorIndexBuilder::keep(std::vector<Filed> chosen, Arena& arena, SelectorIndex& out) {
    std::sort(chosen.begin(), chosen.end(),
              [](const Filed& a, const Filed& b) { return std::tie(a.key, a.id) < std::tie(b.key, b.id); });
    if (chosen.empty()) return;
    std::vector<Place> places(std::bit_ceil(chosen.size() + chosen.size() / 2 + 1));  // some are always free
    std::vector<std::uint32_t> ids;
    ids.reserve(chosen.size());
    for (auto from = chosen.begin(); from != chosen.end();) {
        const auto to = std::find_if(from, chosen.end(), [from](const Filed& f) { return f.key != from->key; });
        std::size_t at = from->key & (places.size() - 1);
        while (places[at].count != 0) at = (at + 1) & (places.size() - 1);
        places[at] = {from->key, static_cast<std::uint32_t>(ids.size()), static_cast<std::uint32_t>(to - from)};
        for (; from != to; ++from) ids.push_back(from->id);
        if (places[at].count > out.longest_.count) out.longest_ = places[at];
    }
    out.places_ = arena.keep(places);
    out.ids_ = arena.keep(ids);
}

const SelectorIndex::Place* SelectorIndex::find(IndexKey key) const {
    if (places_.empty()) return nullptr;
    for (std::size_t at = key & (places_.size() - 1); places_[at].count != 0; at = (at + 1) & (places_.size() - 1)) {
        if (places_[at].key == key) return &places_[at];
    }
    return nullptr;
}

bool SelectorIndex::is_step(IndexKey key) const { return std::binary_search(steps_.begin(), steps_.end(), key); }

std::vector<std::uint32_t> SelectorIndex::candidates(const CertificateFacts& facts,
                                                     const std::vector<CaDigests>& above) const {
    std::vector<std::uint32_t> ids(linear_.begin(), linear_.end());
    if (!unclear_.empty() && Selector::has_unclear_spiffe(facts))
        ids.insert(ids.end(), unclear_.begin(), unclear_.end());
    const auto add = [&](IndexKey key) {
        const Place* const place = find(key);
        if (place == nullptr) return;
        const auto first = ids_.begin() + place->first;
        ids.insert(ids.end(), first, first + place->count);
    };
    if (!places_.empty()) {
        for (const IndexKey key : keys_.of(facts, prefixes_, [this](IndexKey k) { return is_step(k); })) add(key);
    }
    for (const CaDigests& ca : above) {
        for (const IndexKey key : keys_.of_ca(ca.sha256, ca.spki_sha256)) add(key);
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

}  // namespace mtls
