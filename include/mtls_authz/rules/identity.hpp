// MTLSIdentity: which certificates are a partner's.
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

// One MTLSIdentity line: all selectors must hold. Borrowed from where it was written.
struct Identity {
    Conditions selectors;        // empty for `any`
    bool any = false;            // everything issued under the partner's own anchor
    std::optional<Text> anchor;  // only under this anchor, spelled as in its MTLSTrustAnchor line
    Place where;

    // In its canonical spelling.
    std::string text() const;

    // What says all of it but `where`, to be read by read(); nothing where `record` is none.
    std::string record() const;
    static std::optional<Identity> read(std::string_view record);
};

// The lines of one partner. There may be a million. Borrowed from the arena that they were kept in.
class IdentityLines {
public:
    std::size_t size() const { return ends_.size(); }
    bool empty() const { return ends_.empty(); }
    Identity at(std::size_t i) const;
    // Whether some line is `any`, or names an anchor.
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
        std::uint32_t first;  // line that stands in it, as those after it do
        Text name;
        bool is_inside(const Bounds& in) const { return name.is_inside(in); }
    };
    std::string_view record(std::size_t i) const;

    Text records_;
    Span<std::uint32_t> ends_;   // of each line in records_, ascending
    Span<std::uint32_t> lines_;  // numbers in the file
    Span<File> files_;           // nearly always one; the first begins at line 0
    bool name_anchors_ = false;
};

// The same while they are read.
class WrittenIdentities {
public:
    // Copies it.
    void add(const Identity& identity);
    // After the last one.
    void shrink();
    std::size_t size() const { return ends_.size(); }
    bool empty() const { return ends_.empty(); }
    bool name_anchors() const { return name_anchors_; }

    // `keep_name`: keeps the name of a file, of which there are few.
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
