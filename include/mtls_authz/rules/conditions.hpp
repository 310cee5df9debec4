// Selectors that must all hold, as they lie in a policy.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mtls_authz/base/relative.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls {

// Records of selectors, one behind the other. Borrowed from where they were written.
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
        // Throws where there is none: lies_in() has found out about that before.
        const Selector& operator*() const { return selector_.value(); }
        Iterator& operator++() { return *this = Iterator(rest_); }
        bool operator==(const Iterator& other) const { return at_.size() == other.at_.size(); }

    private:
        std::string_view at_;
        std::string_view rest_;  // behind the selector
        std::optional<Selector> selector_;
    };
    Iterator begin() const { return Iterator(records_); }
    Iterator end() const { return Iterator({}); }

    // Whether each says yes.
    bool hold(const CertificateFacts& facts, const PathFacts* path) const;
    // Whether none says no, where any occurrence counts.
    bool may_hold(const CertificateFacts& facts, const PathFacts& path) const;
    bool all_negated() const;
    // "A and B": two that no certificate fits both; "" where there are none.
    std::string contradiction() const;

    // As config_words() reads them back: each with a blank before it.
    std::string text() const;

    bool is_inside(const Bounds& in) const;

private:
    Text records_;
};

// Owns the records while a policy is built; Conditions borrows them.
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
