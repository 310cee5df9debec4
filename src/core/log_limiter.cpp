#include "mtls_authz/log_limiter.hpp"

#include <bit>

namespace mtls {

namespace {

std::uint64_t key_of(std::string_view identity) noexcept {
    // FNV-1a: whoever makes two kinds collide only shares their count.
    std::uint64_t key = 0xcbf29ce484222325;
    for (const char c : identity) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return key != 0 ? key : 1;
}

}  // namespace

// The kind's own place, or one that nobody counts in any more; else the one of all others.
LogLimiter::Place& LogLimiter::place_of(std::uint64_t key, const Kind& kind, std::int64_t now) noexcept {
    const std::size_t first = key % (kPlaces / kNeighbours) * kNeighbours;
    for (std::size_t i = 0; i < kNeighbours; ++i) {
        if (places_[first + i].key.load() == key) return places_[first + i];
    }
    for (std::size_t i = 0; i < kNeighbours; ++i) {
        Place& place = places_[first + i];
        std::uint64_t known = place.key.load();
        const auto minute = std::bit_cast<Minute>(place.minute.load());
        if (known != 0 && (minute.has_left_out() || !minute.is_over(now))) continue;
        if (place.key.compare_exchange_strong(known, key)) {
            place.label.write({kind.about, kind.level});
            return place;
        }
        if (known == key) return place;
    }
    others_.label.write({std::string_view("of many kinds"), kind.level});
    return others_;
}

bool LogLimiter::admits(const Kind& kind, std::int64_t now) noexcept {
    Place& place = place_of(key_of(kind.identity), kind, now);
    std::uint64_t known = place.minute.load();
    Minute next{};
    do {
        next = std::bit_cast<Minute>(known);
        // A minute that left nothing out begins anew here; the others are closed by take_left_out().
        if (!next.has_left_out() && next.is_over(now)) next = {static_cast<std::uint32_t>(now), 0};
        if (next.seen < UINT32_MAX) ++next.seen;
    } while (!place.minute.compare_exchange_weak(known, std::bit_cast<std::uint64_t>(next)));
    if (!next.has_left_out()) return true;
    has_left_out_.store(true);
    return false;
}

std::vector<LogLimiter::LeftOut> LogLimiter::take_left_out(std::int64_t now) {
    std::vector<LeftOut> out;
    if (!has_left_out_.exchange(false)) return out;
    const auto take = [&](Place& place) {
        std::uint64_t known = place.minute.load();
        const auto minute = std::bit_cast<Minute>(known);
        if (!minute.has_left_out()) return;
        if (!minute.is_over(now)) return has_left_out_.store(true);
        const Minute next{static_cast<std::uint32_t>(now), 0};
        if (!place.minute.compare_exchange_strong(known, std::bit_cast<std::uint64_t>(next))) return;
        const auto label = place.label.read();
        if (label) out.push_back({label->about.str(), label->level, minute.seen - kInFull, minute.since});
    };
    for (Place& place : places_) take(place);
    take(others_);
    return out;
}

}  // namespace mtls
