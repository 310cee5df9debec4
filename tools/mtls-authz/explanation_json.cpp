#include "explanation_json.hpp"

namespace mtls::tool {

namespace {

Json claimed_json(const Identification& who, Reason reason) {
    Json names = Json::array();
    if (reason == Reason::kGranted) return names;
    if (who.partner != nullptr) names.push_back(who.partner->name);
    for (const Partner* partner : who.claimed) names.push_back(partner->name);
    return names;
}

}  // namespace

Json explanation_json(const Policy& policy, const Explanation& told, const std::vector<std::string>& left) {
    const Identification& who = told.who;
    const bool granted = told.reason == Reason::kGranted;
    const std::optional<Identity>& rule = who.identity ? who.identity : who.claimed_identity;
    return {{"decision", granted ? "allow" : "deny"},
            {"reason", word_of(told.reason)},
            {"detail", told.detail},
            {"partner", granted ? Json(who.partner->name) : Json(nullptr)},
            {"claimed", claimed_json(who, told.reason)},
            {"rule", rule ? Json(rule->where.str()) : Json(nullptr)},
            {"groups", who.groups},
            {"steps", told.steps},
            {"hints", told.hints},
            {"generation", policy.generation()},
            {"advice", text_of(told.reason).sentence},
            {"not_asked", left}};
}

}  // namespace mtls::tool
