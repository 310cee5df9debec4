#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../policy/in_force.hpp"
#include "../policy/policy_text.hpp"
#include "../terminal.hpp"
#include "log_line.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/rules/grant.hpp"
#include "mtls_authz/rules/method_set.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"
#include "suspect.hpp"

namespace mtls::tool {

namespace {

bool is_handshake(const LogLine& log_line) { return log_line.kind == LogLine::Kind::kHandshake; }
bool is_refusal(const LogLine& log_line) { return log_line.kind != LogLine::Kind::kGrant; }

// A line to change in the policy; empty if no edit helps.
struct Edit {
    std::string where;
    std::string line;
};

// Whether a line of the policy can hold the word, and shows what it says: a denied client wrote it.
bool can_be_pasted(const std::string& word) { return is_writable(word) && escape_hidden(word) == word; }

// The most specific name in the line, where its selector fits that text alone.
std::string selector_of(const LogLine& log_line) {
    const std::string san = log_line.get("san"), subject = log_line.get("subject");
    for (const std::string& selector : {san.substr(0, san.find(',')), "subject:" + subject}) {
        std::string word = config_quote(selector);
        const bool is_whole = Selector::parse(selector).ok() && !selector.ends_with("...");
        if (is_whole && fault_of_literal(selector).empty() && can_be_pasted(word)) return word;
    }
    return "SELECTOR...";
}

// The path as MTLSGrant takes it, where a grant of it reaches that path alone; of a recursive method, all of its
// folder.
std::string path_of(const LogLine& log_line) {
    if (log_line.get("detail").starts_with(kActsBelow)) {
        const std::string all = log_line.path.substr(0, log_line.path.rfind('/') + 1) + "**";
        return PathPattern::parse(all).ok() && can_be_pasted(config_quote(all)) ? config_quote(all) : "PATH/**";
    }
    const auto path = PathPattern::parse(log_line.path);
    const bool is_literal = path.ok() && !path.value().reaches_below() && !log_line.path.ends_with("...") &&
                            path.value().literal_prefix() == path.value().text();
    std::string word = config_quote(log_line.path);
    return is_literal && can_be_pasted(word) ? word : "PATH";
}

// Where to look up partners and the places of edits.
struct Places {
    std::shared_ptr<const Policy> policy;      // may be null
    std::shared_ptr<const Refusals> refusals;  // may be null
    bool is_live = false;                      // a server runs here, which --live can ask
};

std::string partner_in(const LogLine& log_line) {
    const std::string partner = log_line.get("partner"), names = partner.empty() ? log_line.get("claimed") : partner;
    return names.substr(0, names.find(','));
}

std::string block_of(const LogLine& log_line, const Suspect& suspect, const Policy* policy) {
    std::string name = partner_in(log_line);
    if (name.empty()) name = suspect.partner;
    const Partner* const found = policy != nullptr ? policy->find(name) : nullptr;
    return "<MTLSPartner " + (name.empty() ? "NAME" : name) + ">" +
           (found != nullptr ? " at " + found->where.str() : "");
}

std::string at_gate(const LogLine& log_line) {
    const std::string gate = log_line.get("gate");
    return gate.empty() ? "the gate in httpd.conf" : "the gate at " + gate;
}

// FILE:LINE in a detail like "MTLSSuspend at FILE:LINE: note"; "" if it begins otherwise.
std::string place_in_detail(const LogLine& log_line, std::string_view begin) {
    const std::string detail = log_line.get("detail");
    return detail.starts_with(begin) ? detail.substr(begin.size(), detail.find(": ") - begin.size()) : "";
}

// FILE:LINE of the MTLSSuspend line: from the denial, otherwise from the policy of now; "" if neither has it.
std::string suspension_of(const LogLine& log_line, const Places& places) {
    std::string said = place_in_detail(log_line, "MTLSSuspend at ");
    if (!said.empty()) return said;
    const std::string name = partner_in(log_line);
    const Suspension* const suspension = places.refusals != nullptr ? places.refusals->suspends(name) : nullptr;
    if (suspension != nullptr) return suspension->where.str();
    const Partner* const partner = places.policy != nullptr ? places.policy->find(name) : nullptr;
    return partner != nullptr && partner->suspended ? partner->suspended->str() : "";
}

// The request's method as MTLSGrant and methods= write it: no line can name one that httpd does not know.
std::string method_of(const LogLine& log_line) {
    const bool is_get = log_line.method.empty() || log_line.method == "HEAD";
    return is_get ? "GET" : is_known_method(log_line.method) ? log_line.method : "*";
}

// A refusal that is taken out of a revocation file.
constexpr const char* kLeaveComment = "; leave a comment in a revocation file that would be empty";

constexpr const char* kNewPartner = "a new file of the policy, once the partner has confirmed its CA";

// Where the front itself is refused by a line.
Edit edit_for_front(const LogLine& log_line) {
    const std::string detail = log_line.get("detail");
    const std::string of_front = " is a header of the front ", suspended = " is refused: suspended, MTLSSuspend at ";
    const std::size_t name = detail.find(of_front), at = detail.find(suspended);
    if (name == std::string::npos || at == std::string::npos) return {};
    const std::string from_name = detail.substr(name + of_front.size()), place = detail.substr(at + suspended.size());
    return {place.substr(0, place.find(": ")) + kLeaveComment,
            "no MTLSSuspend for " + from_name.substr(0, from_name.find(','))};
}

Edit edit_for(const LogLine& log_line, const Suspect& suspect, const Places& places) {
    const Policy* const policy = places.policy.get();
    const std::string block = block_of(log_line, suspect, policy), claimed = log_line.get("claimed");
    const auto request = [&] { return method_of(log_line) + " " + path_of(log_line); };
    const bool is_nameless = partner_in(log_line).empty() && suspect.partner.empty();
    const std::string with_anchor = "mtls-authz suggest CERT.pem --name NAME --anchor CA.pem";
    const std::string_view word = log_line.reason;
    const bool is_by_rule = word == "not-allowed" || word == "method-not-granted";
    if (is_by_rule && log_line.get("detail").ends_with(kSentNone)) return {};
    if (log_line.kind == LogLine::Kind::kMisdirected)
        return {"the virtual host " + log_line.get("vhost"), "MTLSClientCA On"};
    if (is_handshake(log_line)) {
        const std::string host = "the virtual host " + log_line.get("vhost");
        const std::size_t depth = log_line.sentence.rfind(kVerifyDepth);
        if (word == "too-deep" && depth != std::string::npos) return {host, log_line.sentence.substr(depth)};
        if (log_line.sentence.ends_with(kWithClientCa)) return {host, "MTLSClientCA On"};
        if (word == "unknown-ca" && log_line.sentence.ends_with(kSentAlone))
            return {block + ", with MTLSClientCA On in the virtual host",
                    "MTLSIntermediate ISSUER.pem where its issuer is an intermediate (better, the client sends it), or "
                    "MTLSTrustAnchor ISSUER.pem where it is a new CA that the partner has confirmed"};
        if (log_line.sentence.starts_with(kNoPolicyInForce))
            return {"the policy files; the errors since the start name file and line", "a policy that can be read"};
        if (word == "unknown-ca" && is_nameless) return {kNewPartner, with_anchor};
        if (word == "unknown-ca")
            return {block + ", once the partner has confirmed its new CA; with MTLSClientCA On in the virtual host",
                    "MTLSTrustAnchor CA.pem"};
        if (word == "wrong-purpose")
            return {block + ", where it was made for servers alone", "MTLSPurpose serverAuth until=DATE"};
        return {};
    }
    if (word == "no-certificate")
        return {
            "the virtual host " + log_line.get("vhost") + "; where it is there, the client has to send a certificate",
            "SSLVerifyClient optional"};
    if (word == "not-verified" && is_nameless) return {kNewPartner, with_anchor};
    if (word == "not-verified") return {block, "MTLSTrustAnchor CA.pem"};
    if (word == "revocation-stale" || word == "revocation-unknown")
        return {"MTLSCRLFile (mtls-authz fetch with --dry-run says whether it can be had)",
                "a current CRL of the issuer that detail= names"};
    if (word == "front-not-trusted") return edit_for_front(log_line);
    if (word == "unknown-partner") return {block, "MTLSIdentity " + selector_of(log_line)};
    if (word == "wrong-issuer" && log_line.get("detail").find(kNoSvid) != std::string::npos)
        return {block + ", where its bundle is the one of the trust domain that the certificate names",
                "MTLSTrustAnchor bundle:FILE trust-domain=NAME"};
    if (word == "wrong-issuer")
        return {block + ", once the partner has confirmed its new CA", "MTLSTrustAnchor NEW-CA.pem"};
    if (word == "ambiguous")
        return {"the MTLSIdentity lines of " + claimed, "one selector more, so that only one of them fits"};
    if (word == "suspended") {
        const std::string where = suspension_of(log_line, places);
        return {(where.empty() ? block + ", or in the revocation file" : where) + kLeaveComment,
                "no MTLSSuspend for " + claimed};
    }
    if (word == "outside-contract") {
        const bool is_early = log_line.get("detail").starts_with("begins ");
        return {block, std::string("MTLSValid ") + (is_early ? "from" : "until") + "=DATE, in the line that is there"};
    }
    if (word == "wrong-network")
        return {block + ", once the partner has confirmed its new address", "MTLSNetwork CIDR"};
    const std::string revoked = place_in_detail(log_line, "MTLSRevoke at ");
    if (word == "revoked" && !revoked.empty()) return {revoked + kLeaveComment, "no MTLSRevoke that fits it"};
    if (word == "not-allowed" && !log_line.get("directive").empty()) {
        const std::string directive = log_line.get("directive");
        if (directive.find("mtls-grant") != std::string::npos) return {block, "MTLSGrant " + request()};
        const bool is_authtype = directive.starts_with("AuthType");
        return {log_line.get("gate"),
                claimed + (is_authtype ? " in a Require line of the section" : " in " + directive)};
    }
    if (word == "not-allowed") {
        const std::string detail = log_line.get("detail");
        if (detail == kDetailDeny) return {at_gate(log_line), "no MTLSDeny for " + claimed};
        if (detail.starts_with(kDetailDeny)) return {at_gate(log_line), "an MTLSDeny of partners that there are"};
        if (detail == kDetailByGrant || detail.starts_with(kActsBelow)) return {block, "MTLSGrant " + request()};
        return {at_gate(log_line), "MTLSAllow partner " + (claimed.empty() ? "NAME" : claimed)};
    }
    // httpd answers it before any access check, so a gate refuses it whatever is granted.
    if (word == "method-not-granted" && log_line.method == "TRACE") return {};
    if (word == "method-not-granted") {
        const std::string grant = log_line.get("grant");
        return {grant.empty() ? at_gate(log_line) : grant,
                grant.empty() ? "methods= with " + method_of(log_line)
                              : "MTLSGrant " + request() + ", beside the line that is there"};
    }
    return {};
}

// A word of a command, in quotes where it needs them.
std::string shell_word(const std::string& text) {
    const auto plain = [](char c) {
        return is_alnum(c) || std::string_view("/._-:").find(c) != std::string_view::npos;
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), plain) ? text : shell_quoted(text);
}

// The file of the line that refuses the certificate, if it is none of the policy's own.
std::string revocation_file_of(const LogLine& log_line, const Places& places) {
    const Policy* const policy = places.policy.get();
    const std::string revoked = place_in_detail(log_line, "MTLSRevoke at ");
    const std::string place = log_line.reason == "suspended" ? suspension_of(log_line, places) : revoked;
    if (policy == nullptr || place.empty()) return {};
    const Partner* const partner = policy->find(partner_in(log_line));
    const auto own = policy->revocations().all();
    const bool is_own =
        (partner != nullptr && partner->suspended && partner->suspended->str() == place) ||
        std::any_of(own.begin(), own.end(), [&](const RevocationLine& r) { return r.where.str() == place; });
    return is_own ? "" : place.substr(0, place.rfind(':'));
}

// Whether another certificate may help.
bool is_about_certificate(const LogLine& log_line) {
    static constexpr std::string_view kWords[] = {"malformed-certificate", "expired", "not-yet-valid", "revoked"};
    return is_handshake(log_line) ||
           std::find(std::begin(kWords), std::end(kWords), log_line.reason) != std::end(kWords);
}

// The command that shows whether the edit, or a new certificate, helps; "" if neither can.
std::string command_for(const LogLine& log_line, const Edit& edit, const WhyOptions& options, const Places& places) {
    if (log_line.get("sha256").empty() || (edit.line.empty() && !is_about_certificate(log_line))) return {};
    const bool is_live = places.is_live;
    std::string out = "mtls-authz explain";
    for (const std::string& file : options.policy) out += " --policy " + shell_word(file);
    const std::string refuses = is_live ? "" : revocation_file_of(log_line, places);
    if (!refuses.empty()) out += " --revocations " + shell_word(refuses);
    if (is_live) {
        const std::string host = log_line.get("vhost");
        out += options.socket.empty() ? " --live" : " --socket " + shell_word(options.socket);
        if (!host.empty()) out += " --host " + shell_word(host);
    } else if (options.policy.empty()) {
        out += " --policy 'POLICY/*.conf'";
    }
    if (options.root != ".") out += " --root " + shell_word(options.root);
    out += " --cert CERT.pem";
    const std::string client = log_line.get("client");
    if (!client.empty() && !is_handshake(log_line)) out += " --from " + shell_word(client);
    if (log_line.path.starts_with('/'))
        out += " --method " + shell_word(log_line.method) + " --path " + shell_word(log_line.path);
    return out;
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
    const bool is_proved = !is_handshake(log_line) && (is_after_path || is_by_crl);
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
        case LogLine::Kind::kHandshake:
            return "refused handshake";
        case LogLine::Kind::kMisdirected:
            return "answered with 421";
    }
    return "denied";
}

void print(const LogLine& log_line, const std::string& who, const Edit& edit, const std::string& command) {
    const std::string request = log_line.path.empty() ? "" : " " + shown(log_line.method) + " " + shown(log_line.path);
    std::cout << coloured(word_of(log_line.kind), is_refusal(log_line) ? Colour::kBad : Colour::kGood) << request
              << ": " << log_line.reason << "\n  " << shown(log_line.sentence) << "\n  who: " << shown(who) << '\n';
    for (const auto& [key, meaning] : kMeaning) {
        const std::string value = log_line.get(key);
        if (!value.empty()) std::cout << "  " << key << "=" << shown(value) << "  " << meaning << '\n';
    }
    if (!is_refusal(log_line)) return;
    if (!edit.line.empty()) {
        std::cout << "  if that is meant to pass: " << shown(edit.line) << "\n    in " << shown(edit.where) << '\n';
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
                          edit.where + '\n' + edit.line;
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
