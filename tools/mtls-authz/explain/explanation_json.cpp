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

Json explanation_json(const Policy& policy, const Explanation& explanation, const std::vector<std::string>& left) {
    const Identification& who = explanation.who;
    const bool granted = explanation.reason == Reason::kGranted;
    const std::optional<Identity>& rule = who.identity ? who.identity : who.claimed_identity;
    return {{"decision", granted ? "allow" : "deny"},
            {"reason", word_of(explanation.reason)},
            {"detail", explanation.detail},
            {"partner", granted ? Json(who.partner->name) : Json(nullptr)},
            {"claimed", claimed_json(who, explanation.reason)},
            {"rule", rule ? Json(rule->where.str()) : Json(nullptr)},
            {"groups", who.groups},
            {"steps", explanation.steps},
            {"hints", explanation.hints},
            {"generation", policy.generation()},
            {"advice", advice_for(explanation.reason, explanation.detail)},
            {"at", explanation.at.empty() ? Json(nullptr) : Json(explanation.at)},
            {"not_asked", left}};
}

void set_unknown(Json& answer, const std::string& why) {
    answer["decision"] = "unknown";
    answer["reason"] = nullptr;
    answer["detail"] = why;
    answer["advice"] = "";
}

}  // namespace mtls::tool
