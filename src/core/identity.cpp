#include "mtls_authz/identity.hpp"

#include <algorithm>
#include <iterator>

#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr std::string_view kAny = "any";
constexpr std::string_view kAnchor = "anchor=";

}  // namespace

std::string Identity::text() const {
    std::string out;
    append_text(out);
    return out;
}

void Identity::append_text(std::string& out) const {
    if (any) out += kAny;
    for (const Selector& selector : selectors) {
        if (&selector != &selectors.front()) out += ' ';
        append_config_quoted(out, selector.text());
    }
    if (!anchor) return;
    out += ' ';
    append_config_quoted(out, std::string(kAnchor) + *anchor);
}

void WrittenIdentities::add(const Identity& identity) {
    if (files_.empty() || files_.back().name != identity.where.file) {
        files_.push_back({static_cast<std::uint32_t>(size()), identity.where.file});
    }
    identity.append_text(text_);
    ends_.push_back(static_cast<std::uint32_t>(text_.size()));
    lines_.push_back(identity.where.line);
    name_anchors_ = name_anchors_ || identity.any || identity.anchor;
}

void WrittenIdentities::shrink() {
    text_.shrink_to_fit();
    ends_.shrink_to_fit();
    lines_.shrink_to_fit();
    files_.shrink_to_fit();
}

std::string_view IdentityLines::text(std::size_t i) const {
    const std::size_t start = i == 0 ? 0 : ends_[i - 1];
    return text_.substr(start, ends_[i] - start);
}

bool IdentityLines::lies_in(const Bounds& in) const {
    return in.hold_all(text_, ends_, lines_, files_) && lines_.size() == ends_.size() &&
           std::is_sorted(ends_.begin(), ends_.end()) && (ends_.empty() || ends_.back() <= text_.size()) &&
           (ends_.empty() || (!files_.empty() && files_.front().first == 0));
}

std::shared_ptr<const Identity> IdentityLines::at(std::size_t i) const {
    auto out = std::make_shared<Identity>();
    const auto after = std::upper_bound(files_.begin(), files_.end(), i,
                                        [](std::size_t line, const File& file) { return line < file.first; });
    out->where = {std::string(std::prev(after)->name.view()), lines_[i]};
    for (const std::string& word : config_words(text(i))) {
        if (word == kAny) {
            out->any = true;
        } else if (word.starts_with(kAnchor)) {
            out->anchor = word.substr(kAnchor.size());
        } else {
            out->selectors.push_back(std::move(Selector::parse(word).value().selector));
        }
    }
    return out;
}

}  // namespace mtls
