#include "mtls_authz/keeper_board.hpp"

#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <new>
#include <string_view>

namespace mtls {

namespace {

// Of address space; what is not filled takes no memory.
constexpr std::size_t kMostRefusals = 128UL << 20;
constexpr std::size_t kMostCrls = 512UL << 20;
constexpr std::size_t kLargestPolicy = 64UL << 20;
constexpr unsigned kMostHalvings = 7;

}  // namespace

KeeperBoard* KeeperBoard::create() {
    void* const memory = mmap(nullptr, sizeof(KeeperBoard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    auto* const board = new (memory) KeeperBoard;
    board->build = build_id();
    for (unsigned halvings = 0; halvings <= kMostHalvings; ++halvings) {
        const auto policies = PolicyMemory::create(kLargestPolicy >> halvings);
        board->refusals = SharedText::create(kMostRefusals >> halvings);
        board->crls = SharedText::create(kMostCrls >> halvings);
        if (policies != nullptr) board->policies = policies->place();
        if (policies != nullptr && board->refusals != nullptr && board->crls != nullptr) return board;
        if (policies != nullptr) policies->discard();
        if (board->refusals != nullptr) board->refusals->discard();
        if (board->crls != nullptr) board->crls->discard();
    }
    munmap(memory, sizeof(KeeperBoard));
    return nullptr;
}

KeeperBoard* KeeperBoard::adopt(void* memory) {
    auto* const board = static_cast<KeeperBoard*>(memory);
    return board != nullptr && board->build == build_id() && board->build != 0 ? board : nullptr;
}

std::int64_t KeeperBoard::silence() const {
    const auto& oldest = *std::min_element(std::begin(signs_of_life), std::end(signs_of_life));
    return monotonic_seconds() - oldest;
}

std::int64_t monotonic_seconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

namespace {

struct Note {
    ElfW(Addr) address = 0;  // of something in the object that is wanted
    std::uint64_t id = 0;
};

bool holds(const dl_phdr_info& object, const ElfW(Phdr) & part, ElfW(Addr) address) {
    const ElfW(Addr) begin = object.dlpi_addr + part.p_vaddr;
    return part.p_type == PT_LOAD && begin <= address && address - begin < part.p_memsz;
}

// The first bytes of the build-id among the notes of a part.
std::uint64_t find_id(const char* at, std::size_t left) {
    constexpr std::string_view kName("GNU\0", 4);
    const auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
    while (left >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) head{};
        std::memcpy(&head, at, sizeof head);
        const std::size_t size = sizeof head + padded(head.n_namesz) + padded(head.n_descsz);
        if (size > left) return 0;
        const char* const name = at + sizeof head;
        std::uint64_t id = 0;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_descsz >= sizeof id &&
            std::string_view(name, head.n_namesz) == kName) {
            std::memcpy(&id, name + padded(head.n_namesz), sizeof id);
            return id;
        }
        at += size;
        left -= size;
    }
    return 0;
}

int look_for_note(dl_phdr_info* object, std::size_t, void* data) {
    auto& note = *static_cast<Note*>(data);
    const auto* const begin = object->dlpi_phdr;
    const auto* const end = begin + object->dlpi_phnum;
    if (std::none_of(begin, end, [&](const auto& part) { return holds(*object, part, note.address); })) return 0;
    for (const auto* part = begin; part != end && note.id == 0; ++part) {
        if (part->p_type != PT_NOTE) continue;
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader speaks in numbers
        note.id = find_id(reinterpret_cast<const char*>(object->dlpi_addr + part->p_vaddr), part->p_memsz);
    }
    return 1;
}

}  // namespace

std::uint64_t build_id() {
    Note note{reinterpret_cast<ElfW(Addr)>(&look_for_note), 0};
    dl_iterate_phdr(look_for_note, &note);
    return note.id;
}

}  // namespace mtls
