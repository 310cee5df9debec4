// Serialisation of a selector: two bytes of flags, sizes, text, and the operand unless the text ends with it.
#include "mtls_authz/base/record.hpp"
#include "mtls_authz/certificate/attribute_types.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls {

namespace {

// First byte: the field and these flags.
constexpr unsigned kFieldBits = 0x1f;
constexpr unsigned kNegated = 0x20;
constexpr unsigned kIsSuffix = 0x40;  // the operand is a suffix of the text
constexpr unsigned kHasMore = 0x80;   // followed by a number, and the exact attributes of a name
// Second byte: the form and this flag.
constexpr unsigned kForm = 0x07;
constexpr unsigned kIsAttributeType = 0x08;  // instead of the OID: its index in the table of attribute types

static_assert(static_cast<unsigned>(kLastField) <= kFieldBits);

}  // namespace

std::string Selector::record() const {
    const bool is_suffix = text_.ends_with(operand_);
    const bool has_more = number_ != 0 || !exact_.empty();
    const auto attribute = attribute_index(oid_);
    std::string out;
    out += static_cast<char>(static_cast<unsigned>(field_) | (negated_ ? kNegated : 0) | (is_suffix ? kIsSuffix : 0) |
                             (has_more ? kHasMore : 0));
    out += static_cast<char>(static_cast<unsigned>(form_) | (attribute ? kIsAttributeType : 0));
    append_number(out, text_.size());
    append_number(out, attribute.value_or(oid_.size()));
    append_number(out, operand_.size());
    if (has_more) {
        append_number(out, number_);
        append_number(out, exact_.size());
    }
    out += text_;
    if (!attribute) out += oid_;
    if (!is_suffix) out += operand_;
    out += exact_;
    return out;
}

std::optional<Selector> Selector::take(std::string_view& records) {
    if (records.empty()) return std::nullopt;
    RecordReader in(records);
    const unsigned head = in.byte(), kind = in.byte();
    const std::size_t text_size = in.number(), oid = in.number(), operand_size = in.number();
    Selector out;
    out.field_ = static_cast<Field>(head & kFieldBits);
    out.form_ = static_cast<Form>(kind & kForm);
    out.negated_ = (head & kNegated) != 0;
    std::size_t exact_size = 0;
    if ((head & kHasMore) != 0) {
        out.number_ = static_cast<unsigned>(in.number());
        exact_size = in.number();
    }
    out.text_ = in.bytes(text_size);
    const bool is_attribute = (kind & kIsAttributeType) != 0;
    out.oid_ = is_attribute ? attribute_oid_at(oid) : in.bytes(oid);
    const bool is_suffix = (head & kIsSuffix) != 0;
    const bool fits = !is_suffix || operand_size <= out.text_.size();
    if (fits) out.operand_ = is_suffix ? out.text_.substr(out.text_.size() - operand_size) : in.bytes(operand_size);
    out.exact_ = in.bytes(exact_size);
    records = in.rest();
    const bool is_one = !in.failed() && fits && out.field_ <= kLastField && out.form_ <= kLastForm &&
                        !out.text_.empty() && (!is_attribute || !out.oid_.empty());
    if (!is_one) records = {};
    return is_one ? std::optional(out) : std::nullopt;
}

}  // namespace mtls
