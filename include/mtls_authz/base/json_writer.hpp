// Writes JSON (RFC 8259), member by member, in the order of the calls.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mtls {

// The text is ASCII: other characters are escaped (\u00fc, surrogate pairs above U+FFFF), and so are control
// characters. Bytes that are not UTF-8 become U+FFFD, one for each longest prefix of a character (Unicode 3.9, table
// 3-8).
class JsonWriter {
public:
    // `indent`: blanks per level, or 0 for one line without blanks. `expected`: bytes to make room for.
    explicit JsonWriter(std::size_t indent = 0, std::size_t expected = 0) : indent_(indent) { room(expected); }

    // What was written. Nothing can be written after it.
    std::string text() &&;

    JsonWriter& begin_object() { return begin('{'); }
    JsonWriter& end_object() { return end('}'); }
    JsonWriter& begin_array() { return begin('['); }
    JsonWriter& end_array() { return end(']'); }

    // The name of the next value: a literal, or a word that needs no escape.
    JsonWriter& key(std::string_view name);

    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(bool truth) { return literal(truth ? "true" : "false"); }
    template <std::integral Number>
    requires(!std::same_as<Number, bool>) JsonWriter& value(Number number) {
        if constexpr (std::signed_integral<Number>) {
            return integer(number);
        } else {
            return natural(number);
        }
    }
    JsonWriter& value(std::optional<bool> truth) { return truth ? value(*truth) : null(); }
    JsonWriter& null() { return literal("null"); }

    template <class Value>
    JsonWriter& member(std::string_view name, const Value& of) {
        return key(name).value(of);
    }
    // Null if the text is empty.
    JsonWriter& member_or_null(std::string_view name, std::string_view text) {
        return text.empty() ? key(name).null() : member(name, text);
    }
    // An array of texts or numbers.
    template <class Values>
    JsonWriter& array(std::string_view name, const Values& values) {
        key(name).begin_array();
        for (const auto& one : values) value(one);
        return end_array();
    }

    // Members written before, by this class and without an indent.
    JsonWriter& members(std::string_view written) { return literal(written); }

private:
    JsonWriter& begin(char bracket);
    JsonWriter& end(char bracket);
    JsonWriter& literal(std::string_view word);
    JsonWriter& integer(std::int64_t number);
    JsonWriter& natural(std::uint64_t number);
    void separate();
    void break_line();
    void escape(char32_t c);
    void escape_unit(unsigned unit);

    // A string's own append() costs several times as much as copying a name of ten bytes.
    char* room(std::size_t size) {
        if (out_.size() - used_ < size) out_.resize(2 * out_.size() + size);
        return out_.data() + used_;
    }
    void put(char c) {
        *room(1) = c;
        ++used_;
    }
    void put(std::string_view text) {
        text.copy(room(text.size()), text.size());
        used_ += text.size();
    }

    std::string out_;
    std::size_t used_ = 0;  // bytes of out_
    std::size_t indent_;
    std::size_t depth_ = 0;
    bool is_first_ = true;      // nothing written yet at this level
    bool follows_key_ = false;  // the next value belongs to the name that was just written
};

}  // namespace mtls
