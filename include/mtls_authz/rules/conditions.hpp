// A list of selectors that must all hold, as stored in a policy.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "mtls_authz/base/relative.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls {

// Concatenated selector records; a view of the memory that holds them.
class Conditions {
public:
    Conditions() = default;
    explicit Conditions(std::string_view records) : records_(records) {}

    bool empty() const { return records_.empty(); }
    std::string_view records() const { return records_; }

    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Selector;
        using difference_type = std::ptrdiff_t;
        using pointer = const Selector*;
        using reference = const Selector&;

        explicit Iterator(std::string_view records) : at_(records), rest_(records), selector_(Selector::take(rest_)) {}
        // Throws at an invalid record; is_inside() has checked all records before.
        const Selector& operator*() const { return selector_.value(); }
        // Equal for selectors that ask for the same.
        std::string_view record() const { return at_.substr(0, at_.size() - rest_.size()); }
        Iterator& operator++() { return *this = Iterator(rest_); }
        bool operator==(const Iterator& other) const { return at_.size() == other.at_.size(); }

    private:
        std::string_view at_;
        std::string_view rest_;  // after the selector
        std::optional<Selector> selector_;
    };
    Iterator begin() const { return Iterator(records_); }
    Iterator end() const { return Iterator({}); }

    // Whether every selector answers kYes.
    bool hold(const CertificateFacts& facts, const PathFacts* path) const;
    // Whether no selector answers kNo, with Repeats::kAnyCounts.
    bool may_hold(const CertificateFacts& facts, const PathFacts& path) const;
    bool all_negated() const;
    // "A and B": two selectors that no certificate satisfies both; "" if there are none.
    std::string contradiction() const;

    // Each selector in the form that config_words() reads, with a blank before it.
    std::string text() const;
    // The text of each, once: the same for lists that ask for the same.
    std::set<std::string> texts() const;

    bool is_inside(const Bounds& in) const;

private:
    Text records_;
};

// Owns the records during the build of a policy; Conditions borrows them.
class WrittenConditions {
public:
    void add(const ParsedSelector& parsed) {
        records_ += parsed.record;
        ++size_;
    }
    std::size_t size() const { return size_; }
    std::string_view records() const { return records_; }
    Conditions view() const& { return Conditions(records_); }
    Conditions view() const&& = delete;

private:
    std::string records_;
    std::size_t size_ = 0;
};

}  // namespace mtls
