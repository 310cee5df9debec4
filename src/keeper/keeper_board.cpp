#include "mtls_authz/keeper/keeper_board.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

#include "mtls_authz/base/calendar.hpp"

namespace mtls {

KeeperBoard* KeeperBoard::create() {
    const auto shelf = ImageShelf::create();
    if (!shelf) return nullptr;
    void* const memory = mmap(nullptr, sizeof(KeeperBoard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    auto* const board = new (memory) KeeperBoard;
    board->layout = layout_id();
    board->shelf = *shelf;
    return board;
}

KeeperBoard* KeeperBoard::adopt(void* memory) {
    auto* const board = static_cast<KeeperBoard*>(memory);
    return board != nullptr && board->layout == layout_id() ? board : nullptr;
}

std::optional<ShelfContents> KeeperBoard::kept() const {
    const std::uint64_t least = least_publisher;  // before the look, so that what it finds is not older by then
    auto out = shelf.look_at_kept();
    return out && out->publisher >= least ? std::move(out) : std::nullopt;
}

void KeeperBoard::raise_least_publisher(std::uint64_t publisher) {
    std::uint64_t before = least_publisher;
    while (before < publisher && !least_publisher.compare_exchange_weak(before, publisher)) {
    }
}

std::int64_t KeeperBoard::silence() const {
    const auto& oldest = *std::min_element(std::begin(heartbeats), std::end(heartbeats));
    return monotonic_seconds() - oldest;
}

bool KeeperBoard::is_kept() const {
    if (keeper == 0) return false;
    const bool is_busy = monotonic_seconds() - busy_at < kLongestSilence;
    return silence() < (is_busy ? kLongestBusySilence : kLongestSilence);
}

}  // namespace mtls
