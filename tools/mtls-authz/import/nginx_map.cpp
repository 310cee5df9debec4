// Reads ngx_http_map_module's maps over variables of ngx_http_ssl_module.
#include <algorithm>
#include <array>
#include <optional>

#include "../terminal.hpp"
#include "import.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

struct Token {
    std::size_t line;
    std::string text;
    bool is_mark = false;  // one of ; { }
};

// nginx's tokens: separated by blanks, optionally quoted, with comments to the end of the line.
std::vector<Token> tokens_of(std::string_view text) {
    std::vector<Token> out;
    std::size_t line = 1;
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        if (c == '\n') ++line;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            ++i;
        } else if (c == '#') {
            i = std::min(text.find('\n', i), text.size());
        } else if (c == ';' || c == '{' || c == '}') {
            out.push_back({line, std::string(1, c), true});
            ++i;
        } else {
            Token token{line, {}};
            const char quote = c == '"' || c == '\'' ? c : '\0';
            if (quote != '\0') ++i;
            const std::string_view ends = quote == '"' ? "\"" : quote == '\'' ? "'" : " \t\r\n;{";
            while (i < text.size() && ends.find(text[i]) == std::string_view::npos) {
                // Only a backslash before a quote escapes; others belong to regular expressions and names.
                if (text[i] == '\\' && quote != '\0' && i + 1 < text.size() && text[i + 1] == quote) ++i;
                if (text[i] == '\n') ++line;
                token.text += text[i++];
            }
            if (quote != '\0') ++i;
            out.push_back(std::move(token));
        }
    }
    return out;
}

bool is_among(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// The compared field, by the map's variable; without one, guessed from `key`.
enum class Source { kSubject, kCommonName, kDigest, kSerial, kIssuer, kOther };

Source source_of(std::string_view variable, std::string_view key) {
    if (variable.empty()) {
        constexpr std::size_t kShortestDigest = 40;
        if (key.find('=') != std::string_view::npos) return Source::kSubject;
        if (key.size() >= kShortestDigest && key.find_first_not_of("0123456789abcdefABCDEF:") == std::string_view::npos)
            return Source::kDigest;
        return Source::kOther;
    }
    if (is_among(variable, {"$ssl_client_s_dn", "$ssl_client_s_dn_legacy"})) return Source::kSubject;
    if (variable.find("_i_dn") != std::string_view::npos) return Source::kIssuer;
    if (variable.ends_with("_cn") || variable.ends_with("_CN")) return Source::kCommonName;
    if (variable == "$ssl_client_fingerprint") return Source::kDigest;
    if (variable == "$ssl_client_serial") return Source::kSerial;
    return Source::kOther;
}

// The selector for a regular expression that matches one whole attribute with plain and escaped characters only:
// ~(^|,)CN=api\.acme\.example(,|$)
std::optional<std::string> selector_of_pattern(std::string_view pattern, bool is_legacy) {
    pattern.remove_prefix(pattern.starts_with("~*") ? 2 : 1);
    for (const std::string_view begin : {"^", "(^|,)", "(?:^|,)", "(^|/)", "(?:^|/)", ".*,", ".*/", ",", "/"}) {
        if (!pattern.starts_with(begin)) continue;
        pattern.remove_prefix(begin.size());
        break;
    }
    // Without an end anchor, longer names match as well.
    bool has_end = false;
    for (const std::string_view end : {"(,|$)", "(?:,|$)", "($|,)", "(?:$|,)", "(/|$)", "(?:/|$)", "($|/)", "(?:$|/)",
                                       ",.*$", ",.*", "/.*$", "/.*", "$", ",", "/"}) {
        if (!pattern.ends_with(end)) continue;
        // In the order of RFC 2253, the last attribute is the most general one.
        if (end == "$" && !is_legacy) return std::nullopt;
        pattern.remove_suffix(end.size());
        has_end = true;
        break;
    }
    if (!has_end) return std::nullopt;
    const std::size_t equals = pattern.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    std::string value;
    for (std::size_t i = equals + 1; i < pattern.size(); ++i) {
        const bool is_escaped = pattern[i] == '\\' && i + 1 < pattern.size() && !is_alnum(pattern[i + 1]);
        if (is_escaped) ++i;
        if (!is_escaped && std::string_view("\\.*+?()[]{}|^$,/=").find(pattern[i]) != std::string_view::npos)
            return std::nullopt;
        value += pattern[i];
    }
    if (value.empty()) return std::nullopt;
    return std::string(pattern.substr(0, equals)) + ":" + value;
}

class MapReader {
public:
    explicit MapReader(const Sha1Lookup& by_sha1) : by_sha1_(by_sha1) {}

    Imported read(std::string_view text) {
        const auto tokens = tokens_of(text);
        std::string variable;
        std::vector<Token> statement;
        for (const Token& token : tokens) {
            if (!token.is_mark) {
                statement.push_back(token);
            } else if (token.text == "{") {
                const bool is_map = statement.size() == 3 && statement.front().text == "map";
                variable = is_map ? statement[1].text : std::string("$other");
                if (!is_map && !statement.empty())
                    out_.reject(statement.front().line, "'" + shown(statement.front().text) + "' is no map");
                statement.clear();
            } else {
                if (!statement.empty()) take(variable, statement);
                statement.clear();
                if (token.text == "}") variable.clear();
            }
        }
        if (!statement.empty()) out_.reject(statement.front().line, "the line ends without a ';'");
        return std::move(out_);
    }

private:
    void take(const std::string& variable, const std::vector<Token>& statement) {
        const std::size_t line = statement.front().line;
        std::string key = statement.front().text;
        if (is_among(key, {"hostnames", "volatile"})) return;
        if (statement.size() != 2) return out_.reject(line, "not a line of a map: KEY VALUE;");
        const std::string& value = statement[1].text;
        if (key == "include") return out_.reject(line, "another file: import '" + shown(value) + "' by itself");
        const std::string flag = lower(value);
        if (is_among(flag, {"", "0", "no", "off", "deny", "denied", "false", "none"})) {
            ++out_.denying;
            return;
        }
        if (key == "default")
            return out_.reject(line,
                               "lets in every certificate: MTLSAllow any-partner in the gate lets in partners alone");
        if (key == "''" || key.empty()) return out_.reject(line, "lets in clients without a certificate");
        if (value.find('$') != std::string::npos)
            return out_.reject(line,
                               "takes a part of the name for another map: import that one, or write CN: selectors");
        ImportedEntry entry;
        entry.line = line;
        if (!is_among(flag, {"1", "yes", "on", "ok", "true", "allow", "allowed", "valid"})) entry.partner = value;
        const std::string why = add_selector(variable, key, entry);
        if (!why.empty()) return out_.reject(line, why);
        out_.entries.push_back(std::move(entry));
    }

    std::string add_selector(const std::string& variable, std::string key, ImportedEntry& entry) {
        if (key.starts_with('~')) {
            const Source source = source_of(variable, key);
            const auto selector = source == Source::kSubject || variable.empty()
                                      ? selector_of_pattern(key, variable.ends_with("_legacy"))
                                      : std::optional<std::string>();
            if (!selector)
                return "'" + shown(key) +
                       "' is a regular expression that asks more or less than one attribute from its "
                       "beginning to its end: write the selectors that it means";
            entry.selectors = {*selector};
            entry.remarks = {"was " + key};
            return {};
        }
        if (key.starts_with('\\')) key.erase(0, 1);
        std::string why;
        switch (source_of(variable, key)) {
            case Source::kSubject:
                entry.selectors = {"subject:" + key};
                break;
            case Source::kCommonName:
                entry.selectors = {"CN:" + key};
                break;
            case Source::kDigest:
                entry.selectors = {digest_selector(key, by_sha1_, why)};
                break;
            case Source::kSerial:
                entry.selectors = {"cert-serial:" + key};
                entry.remarks = {"a serial number means something under one CA alone: name that CA's file"};
                break;
            case Source::kIssuer:
                why = "an issuer's name proves nothing: give the file of that CA to its partners as MTLSTrustAnchor";
                break;
            case Source::kOther:
                why = variable.empty() ? "'" + shown(key) + "' is no subject and no digest"
                                       : "nothing is known about " + shown(variable);
                break;
        }
        if (why.empty()) why = fault_of_literal(entry.selectors.front());
        return why;
    }

    const Sha1Lookup& by_sha1_;
    Imported out_;
};

}  // namespace

Imported read_nginx_map(std::string_view text, const Sha1Lookup& by_sha1) { return MapReader(by_sha1).read(text); }

}  // namespace mtls::tool
