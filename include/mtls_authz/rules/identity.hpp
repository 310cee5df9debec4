// MTLSIdentity: which certificates belong to a partner.
#pragma once

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/rules/conditions.hpp"

namespace mtls {

// One MTLSIdentity directive: all selectors must hold. Borrows the memory that it was written to.
struct Identity {
    Conditions selectors;        // empty for `any`
    bool any = false;            // matches every certificate issued under the partner's own anchor
    std::optional<Text> anchor;  // only under this anchor, by the file name in its MTLSTrustAnchor directive
    StoredWhere where;

    // Canonical text of the directive's arguments.
    std::string text() const;

    // Serialises all members except `where`, for read(); read() returns nothing if `record` is invalid.
    std::string record() const;
    static std::optional<Identity> read(std::string_view record);
};

// The MTLSIdentity directives of one partner, up to a million. Borrows from the arena passed to keep().
class IdentityLines {
public:
    std::size_t size() const { return ends_.size(); }
    bool empty() const { return ends_.empty(); }
    Identity at(std::size_t i) const;
    // Whether a directive is `any`, or names an anchor.
    bool name_anchors() const { return name_anchors_; }

    bool is_inside(const Bounds& in) const;

    class Iterator {
    public:
        Iterator(const IdentityLines& lines, std::size_t i) : lines_(&lines), i_(i) {}
        Identity operator*() const { return lines_->at(i_); }
        Iterator& operator++() {
            ++i_;
            return *this;
        }
        bool operator!=(const Iterator& other) const { return i_ != other.i_; }

    private:
        const IdentityLines* lines_;
        std::size_t i_;
    };
    Iterator begin() const { return {*this, 0}; }
    Iterator end() const { return {*this, size()}; }

private:
    friend class WrittenIdentities;
    struct File {
        std::uint32_t first;  // index of the first directive in this file; those after it are in the same file
        Text name;
        bool is_inside(const Bounds& in) const { return name.is_inside(in); }
    };
    std::string_view record(std::size_t i) const;

    Text records_;
    Span<std::uint32_t> ends_;   // end offset of each record in records_, ascending
    Span<std::uint32_t> lines_;  // line numbers in the file
    Span<File> files_;           // nearly always one; the first begins at index 0
    bool name_anchors_ = false;
};

// Collects the directives while they are read.
class WrittenIdentities {
public:
    // Copies the identity.
    void add(const Identity& identity);
    // Frees unused capacity; call after the last add().
    void shrink();
    std::size_t size() const { return ends_.size(); }
    bool empty() const { return ends_.empty(); }
    bool name_anchors() const { return name_anchors_; }

    // `keep_name` stores a file name; called once per file.
    template <class KeepName>
    IdentityLines keep(Arena& arena, KeepName&& keep_name) const {
        std::vector<IdentityLines::File> files;
        for (const File& file : files_) files.push_back({file.first, keep_name(file.name)});
        IdentityLines out;
        out.records_ = arena.keep(records_);
        out.ends_ = arena.keep(ends_);
        out.lines_ = arena.keep(lines_);
        out.files_ = arena.keep(files);
        out.name_anchors_ = name_anchors_;
        return out;
    }

private:
    struct File {
        std::uint32_t first;
        std::string name;
    };
    std::string records_;
    std::vector<std::uint32_t> ends_;
    std::vector<std::uint32_t> lines_;
    std::vector<File> files_;
    bool name_anchors_ = false;
};

}  // namespace mtls
