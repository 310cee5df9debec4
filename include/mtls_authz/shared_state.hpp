// What the processes of one server tell each other, so that the log says everything once: memory without a name, made
// before they are forked. Nothing in it decides about a request.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

namespace mtls {

class SharedState {
public:
    // Null where the memory cannot be had.
    static std::unique_ptr<SharedState> create();
    ~SharedState();
    SharedState(const SharedState&) = delete;
    SharedState& operator=(const SharedState&) = delete;

    // Whether this is the first process to say it, within an hour or since it was forgotten.
    bool is_first_to_say(std::string_view text, std::int64_t now);
    void forget(std::string_view text);
    // Whether this is the first process to report that it moved to this generation.
    bool is_first_to_move_to(std::string_view generation);
    // The same for what revocation files hold.
    bool is_first_to_refuse(std::string_view digest);

private:
    struct Layout;
    explicit SharedState(Layout* layout) : layout_(layout) {}

    Layout* const layout_;
};

}  // namespace mtls
