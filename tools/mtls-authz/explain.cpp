#include <algorithm>
#include <ctime>
#include <iostream>
#include <map>

#include "commands.hpp"
#include "explanation.hpp"
#include "facts_json.hpp"
#include "input.hpp"
#include "mtls_authz/gate.hpp"
#include "mtls_authz/text.hpp"
#include "terminal.hpp"

namespace mtls::tool {

namespace {

std::string shown(std::string_view text) { return escape_for_log(text, 300); }

Result<ServerCas> read_server_cas(const std::vector<std::string>& files) {
    ServerCas out;
    for (const std::string& file : files) {
        const auto content = read_input(file);
        if (!content) return Error{file + ": " + content.error()};
        auto certificates = read_any_certificates(content.value());
        if (!certificates) return Error{file + ": " + certificates.error()};
        for (X509Ptr& certificate : certificates.value()) out.certificates.push_back(std::move(certificate));
    }
    return out;
}

Json claimed_json(const Identification& who, Reason reason) {
    Json names = Json::array();
    if (reason == Reason::kGranted) return names;
    if (who.partner != nullptr) names.push_back(who.partner->name);
    for (const Partner* partner : who.claimed) names.push_back(partner->name);
    return names;
}

int complain(const std::string& text) {
    std::cerr << "mtls-authz: " << text << '\n';
    return kNotDone;
}

void print(const Explanation& told) {
    const bool granted = told.reason == Reason::kGranted;
    std::cout << coloured(granted ? "allow" : "deny", granted ? Colour::kGood : Colour::kBad) << ": "
              << word_of(told.reason) << (told.detail.empty() ? "" : " (" + shown(told.detail) + ")") << '\n';
    for (const std::string& step : told.steps) std::cout << "  " << step << '\n';
    for (const std::string& hint : told.hints) std::cout << "  - " << hint << '\n';
    if (!granted) std::cout << text_of(told.reason).sentence << '\n';
}

Json explanation_json(const Policy& policy, const Explanation& told) {
    const Identification& who = told.who;
    const bool granted = told.reason == Reason::kGranted;
    const Identity* const rule = (who.identity != nullptr ? who.identity : who.claimed_identity).get();
    return {{"decision", granted ? "allow" : "deny"},
            {"reason", word_of(told.reason)},
            {"detail", told.detail},
            {"partner", granted ? Json(who.partner->name) : Json(nullptr)},
            {"claimed", claimed_json(who, told.reason)},
            {"rule", rule != nullptr ? Json(rule->where.str()) : Json(nullptr)},
            {"groups", who.groups},
            {"steps", told.steps},
            {"hints", told.hints},
            {"generation", policy.generation()},
            {"advice", text_of(told.reason).sentence}};
}

}  // namespace

int explain(const ExplainOptions& options) {
    std::int64_t now = std::time(nullptr);
    if (!options.at.empty()) {
        const auto at = parse_date(options.at, DateEdge::kFrom);
        if (!at) return complain("--at: " + at.error());
        now = at.value();
    }
    if (!options.method.empty() && !is_known_method(options.method)) {
        return complain("--method: '" + shown(options.method) +
                        "' is no method that httpd knows; write GET, POST, ...");
    }
    if (!options.path.empty() && !options.path.starts_with('/'))
        return complain("--path: expected a path like /orders/17");
    const PolicyInput input = read_policy(options.policy, options.root);
    if (!input.policy) {
        for (const Diagnostic& finding : input.findings) std::cerr << finding.str() << '\n';
        return complain("the policy has errors; mtls-authz check lists them");
    }
    const auto certificate = read_client(options.certificate, options.intermediates);
    if (!certificate) return complain(certificate.error());
    const auto server = read_server_cas(options.server_cas);
    if (!server) return complain(server.error());
    const Policy& policy = *input.policy;
    const Explanation told =
        explain_request(policy, *certificate.value(), server.value(), now, options.method, options.path);
    if (options.json) {
        std::cout << one_line(explanation_json(policy, told)) << '\n';
    } else {
        print(told);
    }
    return told.reason == Reason::kGranted ? kFine : kDenied;
}

namespace {

// key=value and key="value" of a denial line.
std::map<std::string, std::string> pairs_of(const std::string& line) {
    std::map<std::string, std::string> out;
    for (std::size_t at = 0; at < line.size();) {
        const std::size_t equals = line.find('=', at);
        if (equals == std::string::npos) break;
        std::size_t start = equals;
        while (start > at && (is_alnum(line[start - 1]) || line[start - 1] == '_')) --start;
        const bool quoted = equals + 1 < line.size() && line[equals + 1] == '"';
        const std::size_t from = equals + (quoted ? 2 : 1);
        std::size_t end = line.find(quoted ? '"' : ' ', from);
        if (end == std::string::npos) end = line.size();
        std::string value = line.substr(from, end - from);
        if (!quoted && value.ends_with(':')) value.pop_back();
        out.emplace(line.substr(start, equals - start), std::move(value));
        at = end + 1;
    }
    return out;
}

}  // namespace

int explain_log_line(const std::string& line) {
    const auto pairs = pairs_of(line);
    const auto word = pairs.find("reason");
    if (word == pairs.end())
        return complain("--log-line: no reason= in it: expected a line of the module in httpd's error log");
    const auto known = std::find_if(kReasons.begin(), kReasons.end(),
                                    [&](const ReasonText& text) { return text.word == word->second; });
    if (known == kReasons.end())
        return complain("--log-line: '" + shown(word->second) + "' is no reason that this version knows");
    std::cout << word->second << ": " << known->sentence << '\n';
    static constexpr std::pair<const char*, const char*> kMeaning[] = {
        {"detail", "what was found"},
        {"partner", "the partner"},
        {"claimed", "whom the certificate names; that is not proved"},
        {"rule", "the MTLSIdentity line that fits"},
        {"grant", "the MTLSGrant line that fits the path"},
        {"gate", "the line of the gate that decided"},
        {"subject", "the certificate's subject"},
        {"san", "its other names"},
        {"issuer", "who says to have issued it"},
        {"issuer_spki",
         "the key that signed it: compare it with what the partner tells you, or revoke it with MTLSRevoke "
         "issuer.spki-sha256:"},
        {"sha256", "the certificate: MTLSRevoke sha256: takes it out"},
        {"not_after", "when it expires"},
        {"generation", "the policy that decided"}};
    for (const auto& [key, meaning] : kMeaning) {
        const auto found = pairs.find(key);
        if (found != pairs.end() && !found->second.empty()) {
            std::cout << "  " << key << "=" << shown(found->second) << "  " << meaning << '\n';
        }
    }
    return word->second == "granted" ? kFine : kDenied;
}

}  // namespace mtls::tool
