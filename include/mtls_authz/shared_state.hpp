// What the processes of one server share: memory without a name, made before they are forked. Each of them checks what
// it reads from there; nothing in it decides about a request.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace mtls {

class SharedState {
public:
    // Null where the memory cannot be had. `capacity`: bytes of the largest record that can be kept; memory is used
    // only as far as it is written.
    static std::unique_ptr<SharedState> create(std::size_t capacity);
    ~SharedState();
    SharedState(const SharedState&) = delete;
    SharedState& operator=(const SharedState&) = delete;

    // Keeps what the policy now in force was built from, for processes that start while the files are broken. Whoever
    // dies in the middle leaves the one before.
    // kBusy: another process is writing. kTooLarge: the generation alone is kept.
    enum class Keeping { kKept, kBusy, kTooLarge };
    Keeping keep(std::string_view generation, std::string_view record);
    // The generation that the running processes have moved to; empty as long as that is the one of the start.
    std::string kept_generation() const;
    // Its record; nothing where there is none, or its checksum fails.
    std::optional<std::string> kept_record() const;

    // Whether this is the first process to say it, within an hour or since it was forgotten.
    bool is_first_to_say(std::string_view text, std::int64_t now);
    void forget(std::string_view text);
    // Whether this is the first process to report that it moved to this generation.
    bool is_first_to_move_to(std::string_view generation);

private:
    struct Layout;
    SharedState(Layout* layout, std::size_t size) : layout_(layout), size_(size) {}
    char* slot(std::uint32_t index) const;

    Layout* const layout_;
    const std::size_t size_;
};

}  // namespace mtls
