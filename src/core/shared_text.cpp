#include "mtls_authz/shared_text.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <new>

#include "mtls_authz/shared_record.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

// Written by turns, so that one is whole while the other is written, or half written by a process that was killed.
struct SharedText::Slot {
    std::atomic<std::uint64_t> size;
    std::array<char, 32> digest;  // SHA-256 of the text, which follows

    char* bytes() { return reinterpret_cast<char*>(this + 1); }
};

struct SharedText::Layout {
    ProcessLock lock;
    std::atomic<std::uint32_t> writes;  // the slot of the last one is its number modulo 2; 0: none yet
};

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t aligned(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

SharedText::Slot& SharedText::slot(unsigned number) const {
    char* const first = reinterpret_cast<char*>(layout_) + aligned(sizeof(Layout));
    return *reinterpret_cast<Slot*>(first + (number % 2) * aligned(sizeof(Slot) + most_));
}

std::unique_ptr<SharedText> SharedText::create(std::size_t most) {
    const std::size_t size = aligned(sizeof(Layout)) + 2 * aligned(sizeof(Slot) + most);
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    return std::unique_ptr<SharedText>(new SharedText(new (memory) Layout{}, most));
}

SharedText::~SharedText() { munmap(layout_, aligned(sizeof(Layout)) + 2 * aligned(sizeof(Slot) + most_)); }

bool SharedText::write(std::string_view text) {
    if (text.size() > most_ || !layout_->lock.try_lock()) return false;
    const std::uint32_t next = layout_->writes + 1;
    Slot& into = slot(next);
    text.copy(into.bytes(), text.size());
    sha256(text).copy(into.digest.data(), into.digest.size());
    into.size = text.size();
    layout_->writes = next;
    layout_->lock.unlock();
    return true;
}

std::optional<std::string> SharedText::read() const {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
        const std::uint32_t last = layout_->writes;
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
