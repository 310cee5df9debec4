// One text that one process writes and the others of a server read: memory without a name, made before they are forked.
// It outlives what made it, so that it is there after a restart: the process keeps it until it ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mtls_authz/shared_record.hpp"

namespace mtls {

class SharedText {
public:
    // `most`: bytes of the longest text; only what is filled takes memory. Null where it cannot be had.
    static SharedText* create(std::size_t most);
    void discard();
    SharedText(const SharedText&) = delete;
    SharedText& operator=(const SharedText&) = delete;

    std::size_t most() const { return most_; }
    // Changes with each text; 0: none yet.
    std::uint64_t serial() const { return writes_; }
    // False where it is too long, or another process is writing just now: what was written before stays.
    bool write(std::string_view text);
    // What was written last, whole; nothing where there is none.
    std::optional<std::string> read() const;

private:
    struct Slot;
    explicit SharedText(std::size_t most) : most_(most) {}
    static std::size_t size_for(std::size_t most);
    Slot& slot(std::uint64_t number) const;
    void release(Slot& before) const;

    const std::size_t most_;
    ProcessLock lock_;
    std::atomic<std::uint64_t> writes_{0};  // the slot of the last one is its number modulo 2
};

// A text of fields, each of any bytes.
void put_field(std::string& out, std::string_view field);
class FieldReader {
public:
    explicit FieldReader(std::string_view written) : rest_(written) {}
    bool at_end() const { return rest_.empty(); }
    std::string next();

private:
    std::string_view rest_;
};

}  // namespace mtls
