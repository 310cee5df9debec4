// MTLSIdentity: which certificates are a partner's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/file.hpp"
#include "mtls_authz/selector.hpp"

namespace mtls {

// One MTLSIdentity line: all selectors must hold.
struct Identity {
    std::vector<Selector> selectors;    // empty for `any`
    bool any = false;                   // everything issued under the partner's own anchor
    std::optional<std::string> anchor;  // only under this anchor, spelled as in its MTLSTrustAnchor line
    Where where;

    std::string text() const;
};

// The lines of one partner. There may be a million: they are kept as text, and read again for the few that a
// certificate could fit.
class IdentityLines {
public:
    void add(const Identity& identity);
    // After the last one.
    void shrink();

    std::size_t size() const { return ends_.size(); }
    bool empty() const { return ends_.empty(); }
    std::shared_ptr<const Identity> at(std::size_t i) const;
    // In its canonical spelling.
    std::string_view text(std::size_t i) const;
    // Whether some line is `any`, or names an anchor.
    bool name_anchors() const { return name_anchors_; }

    class Iterator {
    public:
        Iterator(const IdentityLines& lines, std::size_t i) : lines_(lines), i_(i) {}
        Identity operator*() const { return *lines_.at(i_); }
        Iterator& operator++() {
            ++i_;
            return *this;
        }
        bool operator!=(const Iterator& other) const { return i_ != other.i_; }

    private:
        const IdentityLines& lines_;
        std::size_t i_;
    };
    Iterator begin() const { return {*this, 0}; }
    Iterator end() const { return {*this, size()}; }

private:
    struct File {
        std::uint32_t first;  // line that stands in it, as those after it do
        std::string name;
    };
    std::string text_;
    std::vector<std::uint32_t> ends_;   // of each line in text_
    std::vector<std::uint32_t> lines_;  // numbers in the file
    std::vector<File> files_;           // nearly always one
    bool name_anchors_ = false;
};

}  // namespace mtls
