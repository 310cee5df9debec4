#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "commands.hpp"
#include "facts_json.hpp"
#include "input.hpp"
#include "log_line.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "terminal.hpp"

namespace mtls::tool {

namespace {

bool is_handshake(const LogLine& told) { return told.kind == LogLine::Kind::kHandshake; }
bool is_refusal(const LogLine& told) { return told.kind != LogLine::Kind::kGrant; }

// What has to be changed, as it is written; empty where no edit mends it.
struct Edit {
    std::string where;
    std::string line;
};

// The name that identifies best of those in the line.
std::string selector_of(const LogLine& told) {
    const std::string san = told.get("san"), subject = told.get("subject");
    const std::string first = san.substr(0, san.find(','));
    if (!first.empty() && !first.ends_with("...")) return config_quote(first);
    return subject.empty() || subject.ends_with("...") ? "SELECTOR..." : config_quote("subject:" + subject);
}

std::string block_of(const LogLine& told, const Policy* policy) {
    const std::string partner = told.get("partner"), names = partner.empty() ? told.get("claimed") : partner;
    const std::string name = names.substr(0, names.find(','));
    const Partner* const known = policy != nullptr ? policy->find(name) : nullptr;
    return "<MTLSPartner " + (name.empty() ? "NAME" : name) + ">" +
           (known != nullptr ? " at " + known->where.str() : "");
}

std::string at_gate(const LogLine& told) {
    const std::string gate = told.get("gate");
    return gate.empty() ? "the gate in httpd.conf" : "the gate at " + gate;
}

Edit edit_for(const LogLine& told, const Policy* policy) {
    const std::string block = block_of(told, policy), claimed = told.get("claimed");
    const std::string request = (told.method.empty() ? "GET" : told.method) + " " + config_quote(told.path);
    const std::string_view word = told.reason;
    if (is_handshake(told)) {
        if (word == "unknown-ca")
            return {block + ", with MTLSClientCA On in the virtual host", "MTLSTrustAnchor CA.pem"};
        if (word == "wrong-purpose")
            return {block + ", where it was made for servers alone", "MTLSPurpose serverAuth until=DATE"};
        return {};
    }
    if (word == "no-certificate") return {"the virtual host " + told.get("vhost"), "SSLVerifyClient optional"};
    if (word == "not-verified") return {block, "MTLSTrustAnchor CA.pem"};
    if (word == "unknown-partner") return {block, "MTLSIdentity " + selector_of(told)};
    if (word == "wrong-issuer" && told.get("detail").find(kNoSvid) != std::string::npos)
        return {block + ", where its bundle is the one of the trust domain that the certificate names",
                "MTLSTrustAnchor bundle:FILE trust-domain=NAME"};
    if (word == "wrong-issuer")
        return {block + ", once the partner has confirmed its new CA", "MTLSTrustAnchor NEW-CA.pem"};
    if (word == "ambiguous")
        return {"the MTLSIdentity lines of " + claimed, "one selector more, so that only one of them fits"};
    if (word == "suspended") return {block + ", or in the revocation file", "no MTLSSuspend for " + claimed};
    if (word == "outside-contract") return {block, "MTLSValid until=DATE"};
    if (word == "wrong-network")
        return {block + ", once the partner has confirmed its new address", "MTLSNetwork CIDR"};
    if (word == "not-allowed") {
        if (told.path.empty()) return {at_gate(told), "MTLSAllow partner " + claimed};
        return {at_gate(told) + ", or behind MTLSAllow by-grant in " + block,
                "MTLSAllow partner " + (claimed.empty() ? "NAME" : claimed) + ", or MTLSGrant " + request};
    }
    if (word == "method-not-granted") {
        const std::string grant = told.get("grant");
        return {grant.empty() ? at_gate(told) : grant,
                grant.empty() ? "methods= with " + told.method : "MTLSGrant " + request};
    }
    return {};
}

// A word for a shell.
std::string shell_quoted(const std::string& text) {
    const auto plain = [](char c) { return is_alnum(c) || std::string_view("/._-").find(c) != std::string_view::npos; };
    if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return text;
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
}

// What shows whether the edit, or the certificate that the partner sends, mends it.
std::string command_for(const LogLine& told, const WhyOptions& options) {
    std::string out = "mtls-authz explain";
    for (const std::string& file : options.policy) out += " --policy " + shell_quoted(file);
    if (options.policy.empty()) out += " --policy 'POLICY/*.conf'";
    if (options.root != ".") out += " --root " + shell_quoted(options.root);
    out += " --cert CERT.pem";
    if (told.path.starts_with('/'))
        out += " --method " + shell_quoted(told.method) + " --path " + shell_quoted(told.path);
    return out;
}

std::string who_it_is(const LogLine& told) {
    const std::string claimed = told.get("claimed");
    if (told.fields.contains("partner")) return told.get("partner");
    // These are asked after the path was verified.
    static constexpr std::string_view kAfterPath[] = {"revocation-stale",  "revocation-unknown", "suspended",
                                                      "outside-contract",  "wrong-network",      "not-allowed",
                                                      "method-not-granted"};
    const bool is_proved = !is_handshake(told) &&
                           std::find(std::begin(kAfterPath), std::end(kAfterPath), told.reason) != std::end(kAfterPath);
    if (!claimed.empty()) return claimed + (is_proved ? "" : " (the certificate names it; that is not proved)");
    if (told.get("sha256").empty()) return "unknown: there is no certificate";
    return "unknown: no partner's MTLSIdentity fits";
}

constexpr std::pair<const char*, const char*> kMeaning[] = {
    {"detail", "what was found"},
    {"via", "the front that handed the certificate on; what is said of TLS is of its connection"},
    {"contact", "whom to call"},
    {"rule", "the MTLSIdentity line that fits"},
    {"grant", "the MTLSGrant line that fits the path"},
    {"gate", "the line of the gate that decided"},
    {"vhost", "the virtual host"},
    {"at", "the certificate that it is about"},
    {"subject", "the certificate's subject"},
    {"san", "its other names"},
    {"issuer", "who says to have issued it"},
    {"issuer_spki",
     "the key that signed it: compare it with what the partner says, or revoke it with MTLSRevoke issuer.spki-sha256:"},
    {"sha256", "the certificate: MTLSRevoke sha256: takes it out"},
    {"not_after", "when it expires"},
    {"generation", "the policy that decided: mtls-authz check prints that of the files"}};

const char* word_of(LogLine::Kind kind) {
    switch (kind) {
        case LogLine::Kind::kGrant:
            return "granted";
        case LogLine::Kind::kDenial:
            return "denied";
        case LogLine::Kind::kWouldDeny:
            return "would be denied";
        case LogLine::Kind::kHandshake:
            return "refused handshake";
    }
    return "denied";
}

void print(const LogLine& told, const Edit& edit, const std::string& command) {
    const std::string request = told.path.empty() ? "" : " " + shown(told.method) + " " + shown(told.path);
    std::cout << coloured(word_of(told.kind), is_refusal(told) ? Colour::kBad : Colour::kGood) << request << ": "
              << told.reason << "\n  " << told.sentence << "\n  who: " << shown(who_it_is(told)) << '\n';
    for (const auto& [key, meaning] : kMeaning) {
        const std::string value = told.get(key);
        if (!value.empty()) std::cout << "  " << key << "=" << shown(value) << "  " << meaning << '\n';
    }
    if (!is_refusal(told)) return;
    if (!edit.line.empty()) {
        std::cout << "  if that is meant to pass: " << shown(edit.line) << "\n    in " << shown(edit.where) << '\n';
    } else {
        std::cout << "  no edit of the policy mends it\n";
    }
    if (!told.get("sha256").empty()) std::cout << "  to see what it changes: " << shown(command) << '\n';
}

Json json_of(const LogLine& told, const Edit& edit, const std::string& command) {
    return {{"kind", word_of(told.kind)},
            {"reason", told.reason},
            {"advice", told.sentence},
            {"who", who_it_is(told)},
            {"method", told.method},
            {"path", told.path},
            {"edit", edit.line.empty() ? Json(nullptr) : Json({{"where", edit.where}, {"line", edit.line}})},
            {"command", command},
            {"fields", told.fields}};
}

// The lines of the logs that bear a request id.
Result<std::vector<std::string>> look_up(const std::string& id, const std::vector<std::string>& logs) {
    std::vector<std::string> out;
    const auto take_from = [&](std::istream& in) {
        for (std::string line; std::getline(in, line);) {
            if (line.find(id) == std::string::npos) continue;
            const auto told = read_log_line(line);
            if (told && told.value().get("request_id") == id) out.push_back(line);
        }
    };
    for (const std::string& log : logs) {
        if (log == "-") {
            take_from(std::cin);
            continue;
        }
        std::ifstream in(log);
        if (!in) return Error{log + ": " + std::strerror(errno)};
        take_from(in);
    }
    if (out.empty()) return Error{"no line of the module there has request_id=" + shown(id)};
    return out;
}

bool may_be_request_id(const std::string& word) { return word.find_first_of(" ={") == std::string::npos; }

class Teller {
public:
    Teller(const WhyOptions& options, const Policy* policy) : options_(options), policy_(policy) {}

    Result<bool> tell(const std::string& line) {
        const auto told = read_log_line(line);
        if (!told) return Error{told.error()};
        const Edit edit = edit_for(told.value(), policy_);
        const std::string command = command_for(told.value(), options_);
        if (options_.json) {
            std::cout << one_line(json_of(told.value(), edit, command)) << '\n';
        } else {
            print(told.value(), edit, command);
        }
        std::cout.flush();  // a log may be followed
        is_refusal_ = is_refusal_ || is_refusal(told.value());
        return true;
    }
    // Lines that are not the module's are passed over: whole logs come this way.
    int tell_all_of_input() {
        bool any = false;
        for (std::string line; std::getline(std::cin, line);) any = tell(line).ok() || any;
        return any ? status() : complain("no line of the module in standard input");
    }
    int status() const { return is_refusal_ ? kDenied : kFine; }

private:
    const WhyOptions& options_;
    const Policy* policy_;
    bool is_refusal_ = false;
};

}  // namespace

int explain_lines(const WhyOptions& options) {
    PolicyInput input;
    if (!options.policy.empty()) {
        input = read_policy(options.policy, options.root);
        if (!input.policy) {
            print_findings(std::cerr, input.findings);
            return complain("the policy has errors; mtls-authz check lists them");
        }
    }
    Teller teller(options, input.policy.get());
    if (options.lines.empty()) return teller.tell_all_of_input();
    for (const std::string& line : options.lines) {
        if (line == "-") {
            const int status = teller.tell_all_of_input();
            if (status == kNotDone) return status;
            continue;
        }
        std::vector<std::string> lines = {line};
        if (may_be_request_id(line)) {
            if (options.logs.empty()) {
                return complain(
                    "'" + shown(line) +
                    "' is no line of the module; where it is a request id, name the logs that have it with --log");
            }
            auto found = look_up(line, options.logs);
            if (!found) return complain(found.error());
            lines = std::move(found.value());
        }
        for (const std::string& one : lines) {
            const auto told = teller.tell(one);
            if (!told) return complain(told.error());
        }
    }
    return teller.status();
}

}  // namespace mtls::tool
