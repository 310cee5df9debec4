#include <algorithm>
#include <ctime>
#include <iostream>
#include <map>

#include "commands.hpp"
#include "facts_json.hpp"
#include "input.hpp"
#include "mtls_authz/gate.hpp"
#include "mtls_authz/lint.hpp"
#include "mtls_authz/request_path.hpp"
#include "mtls_authz/text.hpp"

namespace mtls::tool {

namespace {

constexpr std::size_t kMostMisses = 5;
constexpr std::size_t kLongest = 300;

std::string shown(std::string_view text) { return escape_for_log(text, kLongest); }

// Tells where it stops, and why.
class Story {
public:
    void step(const std::string& text) { steps_.push_back(text); }
    void hint(const std::string& text) { hints_.push_back(text); }
    const std::vector<std::string>& steps() const { return steps_; }
    const std::vector<std::string>& hints() const { return hints_; }

private:
    std::vector<std::string> steps_, hints_;
};

std::string names_of(const std::vector<const Partner*>& partners) {
    std::string out;
    for (const Partner* partner : partners) out += (out.empty() ? "" : ", ") + partner->name;
    return out;
}

void tell_near_misses(const Policy& policy, const CertificateFacts& facts, Story& story) {
    for (const NearMiss& miss : find_near_misses(policy, facts, nullptr, kMostMisses)) {
        std::string text = miss.partner->name + " (" + miss.identity->where.str() + ") nearly fits: ";
        for (const NearMiss::Failure& failure : miss.failures) {
            std::string actual;
            for (const std::string& value : failure.actual) actual += (actual.empty() ? "" : ", ") + shown(value);
            text += (&failure == &miss.failures.front() ? "" : "; ") + failure.selector->text() +
                    " does not, the certificate has " + (actual.empty() ? "nothing there" : actual) +
                    (failure.is_close ? " (a slip of the pen?)" : "");
        }
        story.hint(text);
    }
}

void tell_identity(const Identification& who, Story& story) {
    if (who.partner != nullptr) {
        story.step("identity: " + who.partner->name + ", by MTLSIdentity " + who.identity->text() + " at " +
                   who.identity->where.str());
        if (!who.ca_keys.empty()) story.step("path: verified, issued by the key " + hex(bytes_of(who.ca_keys.front())));
        std::string groups;
        for (const std::string& group : who.groups) groups += (groups.empty() ? "" : ", ") + group;
        story.step("groups: " + (groups.empty() ? "none" : groups));
        return;
    }
    if (who.claimed.empty()) return story.step("identity: no MTLSIdentity fits");
    story.step("identity: the certificate names " + names_of(who.claimed) +
               (who.claimed_identity != nullptr ? ", by MTLSIdentity at " + who.claimed_identity->where.str() : ""));
    for (const Partner* partner : who.claimed) {
        std::string files;
        for (const Anchor& anchor : partner->anchors->anchors) files += (files.empty() ? "" : ", ") + anchor.file;
        if (partner->anchors->uses_mod_ssl) files += (files.empty() ? "" : ", ") + std::string(kModSsl);
        story.hint(partner->name + " trusts " + files + ": the certificate has no valid path to these");
    }
}

// The gate that only asks for a grant: what MTLSAllow by-grant would say.
GateAnswer decide_by_grant(const Identification& who, const std::string& method, const std::string& path,
                           Story& story) {
    static const GateRules kByGrant = {GateRule::parse_allow("by-grant").value()};
    const GateAnswer answer = decide({GateMode::kOn, &kByGrant, nullptr}, who, {method, path, false}, {});
    if (answer.grant != nullptr) {
        story.step("grant: MTLSGrant " + answer.grant->text() + " at " + answer.grant->where.str() +
                   (answer.reason == Reason::kGranted ? "" : ", but not for " + method));
    } else {
        story.step("grant: none fits " + method + " " + path);
        for (const GrantedPath& granted : who.grants) {
            story.hint("it has MTLSGrant " + granted.grant->methods.text() + " " + granted.path->text() + " at " +
                       granted.grant->where.str());
        }
    }
    return answer;
}

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

void print(const Reason reason, const std::string& detail, const Story& story) {
    const bool granted = reason == Reason::kGranted;
    std::cout << (granted ? "allow" : "deny") << ": " << word_of(reason)
              << (detail.empty() ? "" : " (" + shown(detail) + ")") << '\n';
    for (const std::string& step : story.steps()) std::cout << "  " << step << '\n';
    for (const std::string& hint : story.hints()) std::cout << "  - " << hint << '\n';
    if (!granted) std::cout << text_of(reason).sentence << '\n';
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
    const bool with_request = !options.path.empty();
    if (with_request && !options.path.starts_with('/')) return complain("--path: expected a path like /orders/17");
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
    const CertificateFacts& facts = certificate.value()->facts;

    Story story;
    story.step("certificate: " + shown(facts.subject.text()) + ", issued by " + shown(facts.issuer.text()) +
               ", serial " + facts.serial + ", until " + format_time(facts.not_after));
    Reason reason = Reason::kBadPath;
    std::string detail;
    const Identification who = policy.identify(*certificate.value(), {server.value(), {}, {}, now});
    if (!with_request || find_path_fault(options.path) == PathFault::kNone) {
        reason = who.reason;
        detail = who.detail;
        tell_identity(who, story);
        if (who.reason == Reason::kUnknownPartner || who.reason == Reason::kNotVerified) {
            tell_near_misses(policy, facts, story);
        }
        if (reason == Reason::kGranted && with_request) {
            reason = decide_by_grant(who, options.method.empty() ? "GET" : options.method, options.path, story).reason;
        }
        if (options.server_cas.empty() && policy.some_trust_mod_ssl() && reason == Reason::kNotVerified) {
            story.hint("some partners trust mod_ssl: give the CAs of SSLCACertificateFile with --server-ca");
        }
    }
    if (!options.json) {
        print(reason, detail, story);
    } else {
        std::cout << one_line(
                         {{"decision", reason == Reason::kGranted ? "allow" : "deny"},
                          {"reason", word_of(reason)},
                          {"detail", detail},
                          {"partner", reason == Reason::kGranted && who.partner != nullptr ? Json(who.partner->name)
                                                                                           : Json(nullptr)},
                          {"claimed", claimed_json(who, reason)},
                          {"rule", who.identity != nullptr           ? Json(who.identity->where.str())
                                   : who.claimed_identity != nullptr ? Json(who.claimed_identity->where.str())
                                                                     : Json(nullptr)},
                          {"groups", who.groups},
                          {"steps", story.steps()},
                          {"hints", story.hints()},
                          {"generation", policy.generation()},
                          {"advice", text_of(reason).sentence}})
                  << '\n';
    }
    return reason == Reason::kGranted ? kFine : kDenied;
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
