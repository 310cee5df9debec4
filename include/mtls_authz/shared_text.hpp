// One text that the processes of a server share: memory without a name, made before they are forked. Not more than
// `most` bytes of it are ever taken, and only as far as it was filled.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace mtls {

class SharedText {
public:
    // Null where the memory cannot be had.
    static std::unique_ptr<SharedText> create(std::size_t most);
    ~SharedText();
    SharedText(const SharedText&) = delete;
    SharedText& operator=(const SharedText&) = delete;

    std::size_t most() const { return most_; }
    // False where it is too long, or another process is writing just now: what was written before stays.
    bool write(std::string_view text);
    // What was written last, whole; nothing where there is none.
    std::optional<std::string> read() const;

private:
    struct Layout;
    struct Slot;
    SharedText(Layout* layout, std::size_t most) : layout_(layout), most_(most) {}
    Slot& slot(unsigned number) const;

    Layout* const layout_;
    const std::size_t most_;
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
