#include "mtls_authz/rules/identity.hpp"

#include <algorithm>
#include <iterator>

#include "mtls_authz/base/record.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

// The first byte of a record.
enum Kind : std::uint8_t { kSelectors = 0, kAny = 1, kWithAnchor = 2 };

}  // namespace

std::string Identity::text() const {
    std::string out = any ? "any" : selectors.text().substr(1);
    if (!anchor) return out;
    out += ' ';
    append_config_quoted(out, "anchor=" + std::string(*anchor));
    return out;
}

std::string Identity::record() const {
    std::string out(1, static_cast<char>((any ? kAny : kSelectors) | (anchor ? kWithAnchor : kSelectors)));
    if (anchor) append_sized(out, *anchor);
    return out += selectors.records();
}

std::optional<Identity> Identity::read(std::string_view record) {
    RecordReader in(record);
    Identity out;
    const unsigned kind = in.byte();
    out.any = (kind & kAny) != 0;
    if ((kind & kWithAnchor) != 0) out.anchor.emplace(in.sized());
    out.selectors = Conditions(in.rest());
    // An identity without selectors would match every certificate.
    return in.failed() || out.any != out.selectors.empty() ? std::nullopt : std::optional(out);
}

void WrittenIdentities::add(const Identity& identity) {
    if (files_.empty() || identity.where.file != files_.back().name) {
        files_.push_back({static_cast<std::uint32_t>(size()), std::string(identity.where.file)});
    }
    records_ += identity.record();
    ends_.push_back(static_cast<std::uint32_t>(records_.size()));
    lines_.push_back(identity.where.line);
    name_anchors_ = name_anchors_ || identity.any || identity.anchor;
}

void WrittenIdentities::shrink() {
    records_.shrink_to_fit();
    ends_.shrink_to_fit();
    lines_.shrink_to_fit();
    files_.shrink_to_fit();
}

std::string_view IdentityLines::record(std::size_t i) const {
    const std::size_t start = i == 0 ? 0 : ends_[i - 1];
    return records_.substr(start, ends_[i] - start);
}

bool IdentityLines::is_inside(const Bounds& in) const {
    const bool has_lines = in.hold_all(records_, ends_, lines_, files_) && lines_.size() == ends_.size() &&
                           std::is_sorted(ends_.begin(), ends_.end()) &&
                           (ends_.empty() || ends_.back() <= records_.size()) &&
                           (ends_.empty() || (!files_.empty() && files_.front().first == 0));
    for (std::size_t i = 0; has_lines && i < size(); ++i) {
        const auto identity = Identity::read(record(i));
        if (!identity || !identity->selectors.is_inside(in)) return false;
    }
    return has_lines;
}

Identity IdentityLines::at(std::size_t i) const {
    const auto after = std::upper_bound(files_.begin(), files_.end(), i,
                                        [](std::size_t line, const File& file) { return line < file.first; });
    Identity out = Identity::read(record(i)).value();
    out.where = {std::prev(after)->name, lines_[i]};
    return out;
}

}  // namespace mtls
