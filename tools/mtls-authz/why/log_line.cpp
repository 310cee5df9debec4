
#include "log_line.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "../facts_json.hpp"
#include "../terminal.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace mtls::tool {

std::string LogLine::get(const std::string& field) const {
    const auto found = fields.find(field);
    return found == fields.end() ? "" : found->second;
}

namespace {

// Reverses escape_for_log().
std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text.substr(i, 2) == "\\x";
        const auto byte = escape ? from_hex(text.substr(i + 2, 2), false) : std::nullopt;
        out += byte && !byte->empty() ? *byte : std::string(1, text[i]);
        if (byte && !byte->empty()) i += 3;
    }
    return out;
}

// The key=value and key="value" pairs of a line, up to its sentence. Other quoted text is skipped: a request's path may
// hold anything except quotes.
std::map<std::string, std::string> pairs_of(std::string_view line) {
    std::map<std::string, std::string> out;
    std::string key;
    for (std::size_t i = 0; i < line.size();) {
        const char c = line[i];
        if (c == '"') {
            i = std::min(line.find('"', i + 1), line.size() - 1) + 1;
            key.clear();
        } else if (c == '=' && !key.empty()) {
            const bool quoted = line.substr(i + 1).starts_with('"');
            const std::size_t from = i + (quoted ? 2 : 1);
            const std::size_t end = std::min(line.find(quoted ? '"' : ' ', from), line.size());
            std::string_view value = line.substr(from, end - from);
            const bool is_cut = quoted && end == line.size();
            const bool is_last = quoted ? line.substr(end).starts_with("\":") : value.ends_with(':');
            if (!quoted && is_last) value.remove_suffix(1);
            out.emplace(std::exchange(key, {}), unescaped(value) + (is_cut ? "..." : ""));
            if (is_last) break;
            i = end + 1;
        } else {
            const bool goes_on = is_alnum(c) || c == '_';
            if (goes_on) key += c;
            if (!goes_on) key.clear();
            ++i;
        }
    }
    return out;
}

// Reads method and path of `denied GET "/orders": ...`.
void read_request(std::string_view line, LogLine& out) {
    const std::size_t open = line.find(" \"");
    const std::size_t close = open == std::string_view::npos ? open : line.find("\":", open + 2);
    if (close == std::string_view::npos) return;
    const std::string_view before = line.substr(0, open);
    out.method = before.substr(before.rfind(' ') + 1);
    out.path = unescaped(line.substr(open + 2, close - open - 2));
}

// The line that a collector of logs wrapped into JSON (Docker, journald and others), or "".
std::string wrapped_in(const Json& json) {
    for (const char* key : {"log", "MESSAGE", "message", "msg"}) {
        if (json.is_object() && json.contains(key) && json[key].is_string()) return json[key].get<std::string>();
    }
    return {};
}

std::optional<LogLine> read_json(const Json& json) {
    if (!json.is_object()) return std::nullopt;
    LogLine out;
    for (const auto& [key, value] : json.items())
        out.fields.emplace(key, value.is_string() ? value.get<std::string>() : value.dump());
    if (out.get("decision") == "would-deny") out.kind = LogLine::Kind::kWouldDeny;
    out.method = out.get("method");
    out.path = out.get("path");
    return out;
}

// The address in "[client 192.0.2.1:4711]", which httpd writes before the message.
std::string client_in(std::string_view prefix) {
    constexpr std::string_view kClient = "[client ";
    const std::size_t at = prefix.find(kClient);
    if (at == std::string_view::npos) return {};
    prefix.remove_prefix(at + kClient.size());
    const std::string_view address = prefix.substr(0, prefix.find(']'));
    return std::string(address.substr(0, address.rfind(':')));
}

constexpr std::string_view kMisdirected = "misdirected ";

LogLine read_text(std::string_view line) {
    constexpr std::string_view kModule = "mtls_authz: ";
    constexpr std::string_view kHandshake = "refused handshake";
    const std::size_t at = line.find(kModule);
    const std::string client = client_in(line.substr(0, at));
    if (at != std::string_view::npos) line.remove_prefix(at + kModule.size());
    LogLine out;
    if (line.find(kHandshake) < line.find('=')) {
        out.kind = LogLine::Kind::kHandshake;
    } else {
        if (line.starts_with("would-deny")) out.kind = LogLine::Kind::kWouldDeny;
        if (line.starts_with("not satisfied")) out.kind = LogLine::Kind::kNotSatisfied;
        if (line.starts_with(kMisdirected)) out.kind = LogLine::Kind::kMisdirected;
        read_request(line, out);
    }
    out.fields = pairs_of(line);
    if (!client.empty()) out.fields.emplace("client", client);
    return out;
}

// Reverses the escapes of httpd (`\\` for a backslash) and of programs that quote its lines (`\"`). The module itself
// writes backslashes only in `\xHH`, so a client cannot forge these.
std::string without_escapes(std::string line) {
    constexpr int kMostLayers = 4;
    const auto is_escape = [](char c) { return c == '\\' || c == '"'; };
    for (int layer = 0; layer < kMostLayers; ++layer) {
        std::string out;
        for (std::size_t i = 0; i < line.size(); ++i) {
            if (line[i] == '\\' && i + 1 < line.size() && is_escape(line[i + 1])) ++i;
            out += line[i];
        }
        if (out.size() == line.size()) break;
        line = std::move(out);
    }
    return line;
}

// The texts of a reason; nothing for an unknown word.
bool add_reason(std::string_view word, std::string_view line, LogLine& out) {
    if (out.kind == LogLine::Kind::kHandshake) {
        for (const HandshakeRefusalText& text : kHandshakeRefusals) {
            if (text.word != word) continue;
            out.reason = text.word;
            out.sentence = text.sentence;
            // With a clause about this certificate, or another sentence. No certificate can name its own digest.
            const std::string before = "sha256=" + out.get("sha256") + ": ";
            const std::size_t at = line.find(before);
            if (at != std::string::npos) out.sentence = unescaped(line.substr(at + before.size()));
            return true;
        }
        return false;
    }
    for (const ReasonText& text : kReasons) {
        if (text.word != word) continue;
        out.reason = text.word;
        out.sentence = advice_for(text.reason, out.get("detail"), out.get("directive"));
        return true;
    }
    return false;
}

}  // namespace

Result<LogLine> read_log_line(const std::string& line) {
    const bool is_json = trim(line).starts_with('{');
    const Json json = is_json ? Json::parse(line, nullptr, false) : Json();
    const std::string inner = is_json && !json.contains("reason") ? wrapped_in(json) : "";
    if (!inner.empty()) return read_log_line(inner);
    const std::string text = is_json ? line : without_escapes(line);
    auto out = is_json ? read_json(json) : read_text(text);
    if (out && out->kind == LogLine::Kind::kMisdirected) {
        out->reason = trim(kMisdirected);
        out->sentence = kMisdirectedSentence;
        return std::move(*out);
    }
    const std::string word = out ? out->get("reason") : "";
    if (word.empty())
        return Error{"no reason in it: expected a line of the module from httpd's error log or its audit log"};
    if (!add_reason(word, trim(text), *out)) return Error{"'" + shown(word) + "' is no reason that this version knows"};
    if (out->kind == LogLine::Kind::kDenial && word == word_of(Reason::kGranted)) out->kind = LogLine::Kind::kGrant;
    return std::move(*out);
}

}  // namespace mtls::tool
