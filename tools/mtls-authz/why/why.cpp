#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../policy/in_force.hpp"
#include "../terminal.hpp"
#include "remedy.hpp"

namespace mtls::tool {

namespace {

bool is_refusal(const LogLine& log_line) {
    return log_line.kind != LogLine::Kind::kGrant && log_line.kind != LogLine::Kind::kNotSatisfied;
}

std::string identity_text(const LogLine& log_line, const Suspect& suspect) {
    const std::string claimed = log_line.get("claimed");
    if (log_line.fields.contains("partner")) return log_line.get("partner");
    // These reasons are decided after the path is verified.
    static constexpr std::string_view kAfterPath[] = {"revocation-stale",   "revocation-unknown", "suspended",
                                                      "outside-contract",   "wrong-network",      "not-allowed",
                                                      "method-not-granted", "ambiguous"};
    const bool is_by_crl = log_line.reason == "revoked" && place_in_detail(log_line, "MTLSRevoke at ").empty();
    const bool is_after_path =
        std::find(std::begin(kAfterPath), std::end(kAfterPath), log_line.reason) != std::end(kAfterPath);
    const bool is_front = log_line.reason == "front-not-trusted" && log_line.fields.contains("via");
    const bool is_proved = !is_handshake(log_line) && (is_after_path || is_by_crl || is_front);
    if (!claimed.empty()) return claimed + (is_proved ? "" : " (the certificate names it; that is not proved)");
    if (log_line.kind == LogLine::Kind::kMisdirected) return "not asked: the connection is another virtual host's";
    if (log_line.reason == "no-certificate") return "unknown: there is no certificate";
    if (log_line.get("sha256").empty()) return "unknown: the line has no certificate (is it cut?)";
    std::string out = "unknown: no partner's MTLSIdentity fits";
    for (const std::string& sign : suspect.signs) out += "; " + sign;
    return out;
}

constexpr std::pair<const char*, const char*> kMeaning[] = {
    {"detail", "what was found"},
    {"via", "the front that handed the certificate on; what is said of TLS is of its connection"},
    {"contact", "whom to call"},
    {"rule", "the MTLSIdentity line that fits"},
    {"grant", "the MTLSGrant line that fits the path"},
    {"directive", "what httpd asked, in place of a gate"},
    {"gate", "the line that decided"},
    {"vhost", "the virtual host"},
    {"client", "the address of the client"},
    {"at", "the certificate that it is about"},
    {"subject", "the certificate's subject"},
    {"san", "its other names"},
    {"issuer", "who says to have issued it"},
    {"issuer_spki",
     "the key that signed it: compare it with what the partner says, or revoke it with MTLSRevoke issuer.spki-sha256:"},
    {"sha256", "the certificate: MTLSRevoke sha256: takes it out"},
    {"not_after", "when it expires"},
    {"generation", "the policy that decided: mtls-authz check --live compares files with it"}};

const char* word_of(LogLine::Kind kind) {
    switch (kind) {
        case LogLine::Kind::kGrant:
            return "granted";
        case LogLine::Kind::kDenial:
            return "denied";
        case LogLine::Kind::kWouldDeny:
            return "would be denied";
        case LogLine::Kind::kNotSatisfied:
            return "not satisfied";
        case LogLine::Kind::kHandshake:
            return "refused handshake";
        case LogLine::Kind::kMisdirected:
            return "answered with 421";
    }
    return "denied";
}

void print(const LogLine& log_line, const std::string& who, const Edit& edit, const std::string& command) {
    const std::string request = log_line.path.empty() ? "" : " " + shown(log_line.method) + " " + shown(log_line.path);
    const bool is_of_one_line = log_line.kind == LogLine::Kind::kNotSatisfied;
    const Colour colour = is_of_one_line ? Colour::kDoubt : is_refusal(log_line) ? Colour::kBad : Colour::kGood;
    std::cout << coloured(word_of(log_line.kind), colour) << request << ": " << log_line.reason << "\n  "
              << shown(log_line.sentence) << "\n  who: " << shown(who) << '\n';
    for (const auto& [key, meaning] : kMeaning) {
        const std::string value = log_line.get(key);
        if (!value.empty()) std::cout << "  " << key << "=" << shown(value) << "  " << meaning << '\n';
    }
    if (is_of_one_line) std::cout << "  another line of the section may have let it in\n";
    if (log_line.kind == LogLine::Kind::kGrant) return;
    if (!edit.line.empty()) {
        std::cout << "  if that is meant to pass: " << shown(edit.line) << "\n    in " << shown(edit.where) << '\n';
        if (!edit.caution.empty()) std::cout << "    but " << shown(edit.caution) << '\n';
    } else if (!edit.caution.empty()) {
        std::cout << "  no line is offered: " << shown(edit.caution) << '\n';
    } else {
        std::cout << "  no edit of the policy mends it\n";
    }
    if (command.empty()) return;
    std::cout << (edit.line.empty() ? "  to try another certificate: " : "  to see what it changes: ") << shown(command)
              << '\n';
}

Json json_of(const LogLine& log_line, const std::string& who, const Edit& edit, const std::string& command) {
    return {{"kind", word_of(log_line.kind)},
            {"reason", log_line.reason},
            {"advice", log_line.sentence},
            {"who", who},
            {"method", log_line.method},
            {"path", log_line.path},
            {"edit", edit.line.empty() ? Json(nullptr) : Json({{"where", edit.where}, {"line", edit.line}})},
            {"caution", edit.caution.empty() ? Json(nullptr) : Json(edit.caution)},
            {"command", command.empty() ? Json(nullptr) : Json(command)},
            {"fields", log_line.fields}};
}

// Opens a file or a pipe: a device may have no end. Returns the fault, or "".
std::string open_log(const std::string& log, std::ifstream& in) {
    std::error_code fault;
    const auto type = std::filesystem::status(log, fault).type();
    using std::filesystem::file_type;
    if (type == file_type::directory) return shown(log) + ": is a folder";
    if (!fault && type != file_type::regular && type != file_type::fifo) return shown(log) + ": is no file and no pipe";
    in.open(log);
    return in ? "" : shown(log) + ": " + std::strerror(errno);
}

// The lines of the logs with this request id.
Result<std::vector<std::string>> look_up(const std::string& id, const std::vector<std::string>& logs) {
    std::vector<std::string> out;
    const auto take_from = [&](std::istream& in) {
        for (std::string line; std::getline(in, line);) {
            if (line.find(id) == std::string::npos) continue;
            const auto log_line = read_log_line(line);
            if (log_line && log_line.value().get("request_id") == id) out.push_back(line);
        }
    };
    for (const std::string& log : logs) {
        if (log == "-") {
            take_from(std::cin);
            continue;
        }
        std::ifstream in;
        if (const std::string fault = open_log(log, in); !fault.empty()) return Error{fault};
        take_from(in);
    }
    if (out.empty())
        return Error{"no line of the module there has request_id=" + shown(id) +
                     "; the error log leaves out repeats and no-certificate (at info): name the file of "
                     "MTLSAuditLog with --log"};
    return out;
}

bool may_be_request_id(const std::string& word) { return word.find_first_of(" ={") == std::string::npos; }

class LineExplainer {
public:
    LineExplainer(const WhyOptions& options, Places places) : options_(options), places_(std::move(places)) {}

    Result<bool> explain_line(const std::string& line) {
        const auto read = read_log_line(line);
        if (!read) return Error{read.error()};
        const LogLine& log_line = read.value();
        const Suspect& suspect = suspect_of(log_line);
        const std::string who = identity_text(log_line, suspect);
        const Edit edit = edit_for(log_line, suspect, places_);
        const std::string command = command_for(log_line, edit, options_, places_);
        if (options_.json) {
            std::cout << one_line(json_of(log_line, who, edit, command)) << '\n';
        } else if (is_new(log_line, edit)) {
            print(log_line, who, edit, command);
        }
        std::cout.flush();  // the input may be `tail -f`
        is_refusal_ = is_refusal_ || is_refusal(log_line);
        return true;
    }
    // Skips other lines: whole logs may be piped in.
    int explain_input(std::istream& in, const std::string& name) {
        bool any = false;
        for (std::string line; std::getline(in, line);) any = explain_line(line).ok() || any;
        return any ? status() : complain("no line of the module in " + name);
    }
    int status() const { return is_refusal_ ? kDenied : kFine; }
    void print_repeats() const {
        if (repeats_ > 0)
            std::cout << repeats_ << (repeats_ == 1 ? " line more says" : " lines more say") << " the same\n";
    }

private:
    // Looked for once per certificate: a log has many lines of one.
    const Suspect& suspect_of(const LogLine& log_line) {
        const std::string sha256 = log_line.get("sha256");
        const bool is_unknown = places_.policy != nullptr && partner_in(log_line).empty() && !sha256.empty();
        if (!is_unknown) return suspects_[""];
        const auto [found, is_first] = suspects_.try_emplace(sha256);
        if (is_first) found->second = find_suspect(log_line, *places_.policy);
        return found->second;
    }

    // Whether this is the first line with this cause, whatever its request, request id and time.
    bool is_new(const LogLine& log_line, const Edit& edit) {
        std::string key = std::string(word_of(log_line.kind)) + '\n' + std::string(log_line.reason) + '\n' +
                          edit.where + '\n' + edit.line + '\n' + edit.caution;
        for (const char* field : {"partner", "claimed", "sha256", "detail", "via", "gate", "vhost", "at", "rule"})
            key += '\n' + log_line.get(field);
        const bool out = seen_.insert(std::move(key)).second;
        if (!out) ++repeats_;
        return out;
    }

    const WhyOptions& options_;
    const Places places_;
    bool is_refusal_ = false;
    std::map<std::string, Suspect> suspects_;  // by sha256
    std::set<std::string> seen_;
    std::size_t repeats_ = 0;
};

// The policy that was named, or that of a running server.
Result<Places> find_places(const WhyOptions& options) {
    Places out;
    if (!options.policy.empty()) {
        PolicyInput input = read_policy(options.policy, options.root);
        print_findings(std::cerr, input.policy ? std::vector<Diagnostic>() : input.findings);
        if (!input.policy) return Error{"the policy has errors; mtls-authz check lists them"};
        out.policy = std::move(input.policy);
        return out;
    }
    const auto socket = options.socket.empty() ? find_socket() : Result<std::string>(options.socket);
    out.is_live = socket.ok();
    const auto now = socket ? read_in_force(socket.value()) : Result<InForce>(Error{socket.error()});
    if (options.live && !now) return Error{now.error()};
    if (!now) return out;  // not even root may be able to ask it
    out.policy = now.value().policy;
    out.refusals = now.value().refusals;
    out.gates = std::make_shared<const GateMap>(now.value().gates);
    return out;
}

int explain_logs(const WhyOptions& options, LineExplainer& explainer) {
    int status = kNotDone;
    for (const std::string& log : options.logs) {
        std::ifstream file;
        const std::string fault = log == "-" ? "" : open_log(log, file);
        if (!fault.empty()) return complain(fault);
        status = explainer.explain_input(log == "-" ? std::cin : file, log);
        if (status == kNotDone) return status;
    }
    return status;
}

int explain_named(const WhyOptions& options, LineExplainer& explainer) {
    for (const std::string& line : options.lines) {
        if (line == "-") {
            if (explainer.explain_input(std::cin, "standard input") == kNotDone) return kNotDone;
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
            const auto explained = explainer.explain_line(one);
            if (!explained) return complain(explained.error());
        }
    }
    return explainer.status();
}

}  // namespace

int explain_lines(const WhyOptions& options) {
    const auto is_id = [](const std::string& line) { return line != "-" && may_be_request_id(line); };
    if (!options.logs.empty() && !options.lines.empty() &&
        std::none_of(options.lines.begin(), options.lines.end(), is_id))
        return complain("--log is for request ids, and these are lines: leave it out, or the lines");
    const auto places = find_places(options);
    if (!places) return complain(places.error());
    LineExplainer explainer(options, places.value());
    const int status = !options.lines.empty()  ? explain_named(options, explainer)
                       : !options.logs.empty() ? explain_logs(options, explainer)
                                               : explainer.explain_input(std::cin, "standard input");
    explainer.print_repeats();
    return status;
}

}  // namespace mtls::tool
