#include "mtls_authz/shared_text.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <new>

#include "mtls_authz/text.hpp"

namespace mtls {

// Written by turns, so that one is whole while the other is written, or half written by a process that was killed.
struct SharedText::Slot {
    std::atomic<std::uint64_t> size;
    std::array<char, 32> digest;  // SHA-256 of the text, which follows

    char* bytes() { return reinterpret_cast<char*>(this + 1); }
};

namespace {

std::size_t whole_pages(std::size_t size) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return (size + page - 1) / page * page;
}

}  // namespace

// Of address space: this object, and two texts.
std::size_t SharedText::size_for(std::size_t most) {
    return whole_pages(sizeof(SharedText)) + 2 * whole_pages(sizeof(Slot) + most);
}

// Gives back the memory of the text before. Whoever reads it just now reads again.
void SharedText::release(Slot& before) const {
#ifdef MADV_REMOVE
    madvise(&before, whole_pages(sizeof(Slot) + most_), MADV_REMOVE);
#endif
}

SharedText::Slot& SharedText::slot(std::uint64_t number) const {
    char* const first = const_cast<char*>(reinterpret_cast<const char*>(this)) + whole_pages(sizeof(SharedText));
    return *reinterpret_cast<Slot*>(first + (number % 2) * whole_pages(sizeof(Slot) + most_));
}

SharedText* SharedText::create(std::size_t most) {
    void* const memory =
        mmap(nullptr, size_for(most), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory != MAP_FAILED ? new (memory) SharedText(most) : nullptr;
}

void SharedText::discard() { munmap(this, size_for(most_)); }

bool SharedText::write(std::string_view text) {
    if (text.size() > most_ || !lock_.try_lock()) return false;
    const std::uint64_t next = writes_ + 1;
    Slot& into = slot(next);
    text.copy(into.bytes(), text.size());
    sha256(text).copy(into.digest.data(), into.digest.size());
    into.size = text.size();
    writes_ = next;
    release(slot(next + 1));
    lock_.unlock();
    return true;
}

std::optional<std::string> SharedText::read() const {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
        const std::uint64_t last = writes_;
        if (last == 0) return std::nullopt;
        Slot& from = slot(last);
        const std::size_t size = from.size;
        if (size > most_) continue;
        std::string text(from.bytes(), size);
        // Two writes later this slot is written again.
        if (sha256(text) == std::string_view(from.digest.data(), from.digest.size())) return text;
    }
    return std::nullopt;
}

void put_field(std::string& out, std::string_view field) {
    out += std::to_string(field.size()) + ":" + std::string(field);
}

std::string FieldReader::next() {
    std::size_t size = 0;
    const auto [colon, fault] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
    rest_.remove_prefix(std::min(rest_.size(), static_cast<std::size_t>(colon - rest_.data()) + 1));
    std::string out(rest_.substr(0, size));
    rest_.remove_prefix(out.size());
    return out;
}

}  // namespace mtls
