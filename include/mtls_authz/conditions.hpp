// Selectors that a policy keeps as text, since it may hold millions, and reads again for the few certificates that lead
// to them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/arena.hpp"
#include "mtls_authz/selector.hpp"

namespace mtls {

// All must hold. Borrowed from the arena that they were kept in.
class Conditions {
public:
    Conditions() = default;
    Conditions(const std::vector<Selector>& selectors, Arena& arena);

    bool empty() const { return texts_.empty(); }
    std::vector<Selector> read() const;
    std::span<const Text> texts() const { return texts_; }
    // As config_words() reads them back: each with a blank before it.
    std::string text() const;

    bool lies_in(const Bounds& in) const { return texts_.lies_in(in); }

private:
    Span<Text> texts_;
};

}  // namespace mtls
