#include "mtls_authz/conditions.hpp"

#include "mtls_authz/text.hpp"

namespace mtls {

Conditions::Conditions(const std::vector<Selector>& selectors, Arena& arena) {
    std::vector<Text> texts;
    texts.reserve(selectors.size());
    for (const Selector& selector : selectors) texts.emplace_back(arena.keep(selector.text()));
    texts_ = arena.keep(texts);
}

std::vector<Selector> Conditions::read() const {
    std::vector<Selector> out;
    out.reserve(texts_.size());
    // They were read once before.
    for (const std::string_view text : texts_) out.push_back(std::move(Selector::parse(text).value().selector));
    return out;
}

std::string Conditions::text() const {
    std::string out;
    for (const std::string_view text : texts_) out += " " + config_quote(text);
    return out;
}

}  // namespace mtls
