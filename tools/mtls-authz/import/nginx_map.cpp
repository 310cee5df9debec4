// Reads ngx_http_map_module's maps over variables of ngx_http_ssl_module.
#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "../policy/policy_text.hpp"
#include "../terminal.hpp"
#include "import.hpp"
#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/attribute_types.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls::tool {

namespace {

struct Token {
    std::size_t line;
    std::string text;
    bool is_mark = false;  // one of ; { }
};

// nginx's tokens: separated by blanks, optionally quoted, with comments to the end of the line. \\ \" \' \t \r \n are
// escapes, in quotes and without; any other backslash stays, and the byte behind it ends no token.
std::vector<Token> tokens_of(std::string_view text) {
    constexpr std::string_view kEscapes = "\\\"'trn", kMeanings = "\\\"'\t\r\n";
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
            const auto is_variable = [&] { return text[i] == '{' && token.text.ends_with('$'); };
            for (; i < text.size() && (ends.find(text[i]) == std::string_view::npos || is_variable()); ++i) {
                char byte = text[i];
                if (byte == '\\' && i + 1 < text.size()) {
                    const std::size_t escape = kEscapes.find(text[++i]);
                    if (escape == std::string_view::npos) token.text += '\\';
                    byte = escape == std::string_view::npos ? text[i] : kMeanings[escape];
                }
                if (text[i] == '\n') ++line;
                token.text += byte;
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

// Whether a value of the map means that the client is not let in. In lower case.
bool is_denial(std::string_view word) {
    return is_among(word, {"",        "0",       "no",       "off",       "deny",     "denied", "false",
                           "none",    "block",   "blocked",  "reject",    "rejected", "forbid", "forbidden",
                           "revoked", "expired", "disabled", "suspended", "banned",   "invalid"});
}
// Whether it means that the client is let in, and names no partner.
bool is_permission(std::string_view word) {
    return is_among(word, {"1", "yes", "on", "ok", "true", "allow", "allowed", "valid"});
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

// Whether names in this variable have OpenSSL's one-line form (/C=US/O=Acme), and not that of RFC 2253.
bool has_slashes(std::string_view variable) { return variable.ends_with("_legacy"); }

// A regular expression that matches one whole attribute with plain and escaped characters only:
// ~(^|,)CN=api\.acme\.example(,|$)
struct Pattern {
    std::string selector;
    bool is_whole;  // it matches wherever the attribute is in the name: the selector fits no less
};

// How such an expression begins and ends, wherever the attribute is in the name: no selector says where. `separator` is
// that of the attributes.
struct Border {
    std::string_view text;
    char separator;
};
constexpr std::array kBegins = {Border{"(^|,)", ','}, Border{"(?:^|,)", ','}, Border{"(^|/)", '/'},
                                Border{"(?:^|/)", '/'}};
constexpr std::array kEnds = {Border{"(,|$)", ','},   Border{"(?:,|$)", ','}, Border{"($|,)", ','},
                              Border{"(?:$|,)", ','}, Border{"(/|$)", '/'},   Border{"(?:/|$)", '/'},
                              Border{"($|/)", '/'},   Border{"(?:$|/)", '/'}};

std::optional<Pattern> read_pattern(std::string_view pattern, std::string_view variable) {
    pattern.remove_prefix(pattern.starts_with("~*") ? 2 : 1);
    const auto begin = std::find_if(kBegins.begin(), kBegins.end(),
                                    [&](const Border& border) { return pattern.starts_with(border.text); });
    const bool has_begin = begin != kBegins.end();
    if (has_begin) pattern.remove_prefix(begin->text.size());
    // Without an end anchor, longer names match as well.
    const auto end =
        std::find_if(kEnds.begin(), kEnds.end(), [&](const Border& border) { return pattern.ends_with(border.text); });
    if (end == kEnds.end()) return std::nullopt;
    pattern.remove_suffix(end->text.size());
    // The separator of the other format is part of a value. Without the line `map`, the format is not known.
    const char separator = variable.empty() ? end->separator : has_slashes(variable) ? '/' : ',';
    if (end->separator != separator || (has_begin && begin->separator != separator)) return std::nullopt;
    const std::size_t equals = pattern.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    const std::string type(pattern.substr(0, equals));
    if (!attribute_oid(type)) return std::nullopt;
    std::string value;
    for (std::size_t i = equals + 1; i < pattern.size(); ++i) {
        const bool is_escaped = pattern[i] == '\\' && i + 1 < pattern.size() && !is_alnum(pattern[i + 1]);
        if (is_escaped) ++i;
        if (!is_escaped && std::string_view("\\.*+?()[]{}|^$,/=").find(pattern[i]) != std::string_view::npos)
            return std::nullopt;
        value += pattern[i];
    }
    // In names, OpenSSL writes these characters with escapes, which are not in the value of the certificate.
    const bool is_plain = std::all_of(value.begin(), value.end(), [](char c) {
        return c >= ' ' && c <= '~' && std::string_view("\\,+\"<>;").find(c) == std::string_view::npos;
    });
    if (value.empty() || !is_plain) return std::nullopt;
    const std::string selector = type + ":" + value;
    if (!fault_of_literal(selector).empty()) return std::nullopt;
    return Pattern{selector, has_begin};
}

constexpr const char* kReadsText =
    "a regular expression reads a name as one text, selectors its attributes: where one RDN has several (O=Acme+OU=x) "
    "or a value holds the separator, one may fit and the other not";

// What a variable of nginx has for a certificate of this name: OpenSSL's text, in its one-line form or that of RFC
// 2253.
std::string text_in_nginx(const DistinguishedName& name, bool with_slashes) {
    const X509NamePtr built(X509_NAME_new());
    int rdn = -1;
    for (const NameAttribute& attribute : name.attributes) {
        const Asn1ObjectPtr type(OBJ_txt2obj(attribute.oid.c_str(), 1));
        const auto* const text = reinterpret_cast<const unsigned char*>(attribute.text.data());
        X509_NAME_add_entry_by_OBJ(built.get(), type.get(), V_ASN1_UTF8STRING, text,
                                   static_cast<int>(attribute.text.size()), -1, attribute.rdn == rdn ? -1 : 0);
        rdn = attribute.rdn;
    }
    // Encoding sorts the attributes of one RDN.
    const std::string der = encode(i2d_X509_NAME, *built);
    const auto* next = reinterpret_cast<const unsigned char*>(der.data());
    const X509NamePtr encoded(d2i_X509_NAME(nullptr, &next, static_cast<long>(der.size())));
    if (!encoded) return {};
    if (with_slashes) {
        std::string line(10000, '\0');
        return X509_NAME_oneline(encoded.get(), line.data(), static_cast<int>(line.size()));
    }
    const BioPtr bio(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(bio.get(), encoded.get(), 0, XN_FLAG_RFC2253);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

// One line of a map.
struct Rule {
    std::size_t line;
    std::string key, value;
    bool is_denial = false;
    bool is_written = false;                  // of a denial: as a selector with '!' of another rule
    std::optional<ImportedEntry> entry = {};  // absent: it denies, or was rejected
    std::optional<Pattern> pattern = {};      // of a regular expression that has a selector

    bool is_pattern() const { return key.starts_with('~'); }
    std::string exact_key() const { return key.starts_with('\\') ? key.substr(1) : key; }
};

class MapReader {
public:
    explicit MapReader(const Sha1Lookup& by_sha1) : by_sha1_(by_sha1) {}

    Imported read(std::string_view text) {
        const auto tokens = tokens_of(text);
        std::string variable;
        bool is_left_out = false;
        std::vector<Token> statement;
        for (const Token& token : tokens) {
            if (!token.is_mark) {
                statement.push_back(token);
            } else if (token.text == "{") {
                const bool is_map = statement.size() == 3 && statement.front().text == "map";
                variable = is_map ? statement[1].text : std::string("$other");
                if (!is_map && !statement.empty())
                    out_.reject(statement.front().line, "'" + shown(statement.front().text) + "' is no map");
                if (is_map && source_of(variable, "") != Source::kOther && ++maps_ > 1) {
                    is_left_out = true;
                    out_.reject(statement.front().line, "the map " + shown(statement[2].text) +
                                                            " is another one: which of them lets in where is not "
                                                            "known; import each from a file of its own");
                }
                statement.clear();
            } else {
                if (!statement.empty() && !is_left_out) take(variable, statement);
                statement.clear();
                if (token.text == "}") {
                    finish_map(variable);
                    variable.clear();
                    is_left_out = false;
                }
            }
        }
        finish_map(variable);
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
        if (key == "include") {
            includes_ = line;
            return out_.reject(line, "another file: import '" + shown(value) + "' by itself");
        }
        const std::string flag = lower(value);
        const bool is_of_names = !is_among(key, {"default", "''", ""});
        if (is_denial(flag)) {
            if (is_of_names) {
                rules_.push_back(rule_of(line, key, value, variable));
                rules_.back().is_denial = true;
            } else {
                ++out_.denying;
            }
            return;
        }
        if (key == "default") {
            default_ = flag;
            return out_.reject(line,
                               (is_permission(flag) ? "lets in every certificate"
                                                    : "'" + shown(value) +
                                                          "' is taken for a word that denies, in all lines; if it lets "
                                                          "in, it lets in every certificate") +
                                   ": MTLSAllow any-partner in the gate lets in partners alone");
        }
        if (key == "''" || key.empty()) return out_.reject(line, "lets in clients without a certificate");
        rules_.push_back(rule_of(line, key, value, variable));
        if (value.find('$') != std::string::npos)
            return out_.reject(
                line, "takes a part of the name for another map: import that one by itself, or write CN: selectors");
        ImportedEntry entry;
        entry.line = line;
        if (!is_permission(flag)) entry.partner = value;
        const std::string why = add_selector(variable, rules_.back(), entry);
        if (!why.empty()) return out_.reject(line, why);
        rules_.back().entry = std::move(entry);
    }

    static Rule rule_of(std::size_t line, const std::string& key, const std::string& value,
                        const std::string& variable) {
        Rule out{line, key, value};
        const bool is_of_subject = variable.empty() || source_of(variable, key) == Source::kSubject;
        if (out.is_pattern() && is_of_subject) out.pattern = read_pattern(key, variable);
        return out;
    }

    // Adds the entries of the map. nginx asks exact keys first, wherever they are, then regular expressions in their
    // order: what these keep out must not get in by a later one.
    void finish_map(const std::string& variable) {
        read_words();
        const auto denied = denied_names(variable);
        for (Rule& rule : rules_) {
            if (!rule.entry) continue;
            const std::string why = rule.is_pattern() ? keep_out(rule, variable) : fault_of_same_name(rule, denied);
            if (!why.empty()) {
                out_.reject(rule.line, why);
                rule.entry.reset();
            } else {
                out_.entries.push_back(*rule.entry);
            }
        }
        for (const Rule& rule : rules_) out_.denying += rule.is_denial && !rule.is_written ? 1 : 0;
        rules_.clear();
        default_.clear();
        includes_ = 0;
    }
    // The default's word denies. Beside a word that lets in, another one may be no partner's name, but deny.
    void read_words() {
        const auto lets_in = [](const std::string& word) { return is_permission(lower(word)); };
        const bool has_permission =
            lets_in(default_) ||
            std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) { return lets_in(rule.value); });
        for (Rule& rule : rules_) {
            if (lets_in(rule.value) || rule.is_denial) continue;
            rule.is_denial = !default_.empty() && lower(rule.value) == default_;
            if (!rule.is_denial && rule.entry && has_permission)
                out_.reject(rule.line, "'" + shown(rule.value) +
                                           "' may deny beside a word that lets in: give each partner its name, or "
                                           "import these lines by themselves");
            if (rule.is_denial || has_permission) rule.entry.reset();
        }
    }

    using LineByName = std::map<std::string, std::size_t>;
    LineByName denied_names(const std::string& variable) const {
        LineByName out;
        for (const Rule& rule : rules_) {
            if (!rule.is_denial || rule.is_pattern()) continue;
            if (source_of(variable, rule.key) != Source::kSubject) continue;
            const auto name = NamePattern::parse(rule.exact_key());
            if (name.ok()) out.emplace(name.value().name.canonical, rule.line);
        }
        return out;
    }
    // nginx compares names by their text; a selector also fits another spelling.
    static std::string fault_of_same_name(const Rule& rule, const LineByName& denied) {
        if (denied.empty()) return {};
        const auto name = NamePattern::parse(rule.exact_key());
        const auto found = name.ok() ? denied.find(name.value().name.canonical) : denied.end();
        return found == denied.end() ? "" : "line " + std::to_string(found->second) + " denies the same name";
    }

    // Adds to the entry of a regular expression what other rules of the map take from it. Returns why that cannot be
    // written, or "".
    std::string keep_out(Rule& rule, const std::string& variable) {
        if (includes_ != 0)
            return "line " + std::to_string(includes_) + " includes keys that nginx may ask before this expression";
        const auto own = Selector::parse(rule.entry->selectors.front());
        if (!own.ok()) return own.error();
        const Selector selector = own.value().selector();
        for (Rule& other : rules_) {
            const bool is_earlier = &other < &rule;  // both are in rules_, in the order of the map
            if (!other.is_denial && other.value == rule.value) continue;
            const std::string before = "nginx asks line " + std::to_string(other.line) + " first, and ";
            if (!other.is_pattern()) {
                if (variable.empty() && source_of(variable, other.key) != Source::kSubject) continue;
                if (other.key.find('=') == std::string::npos) continue;
                const auto name = NamePattern::parse(other.exact_key());
                if (!name) return before + "that name cannot be written: " + name.error();
                CertificateFacts facts;
                facts.subject = name.value().name;
                if (selector.test(facts, nullptr, Repeats::kMustBeSingle) == Answer::kNo) continue;
                add_once(rule.entry->selectors, "!subject:" + other.exact_key());
            } else {
                // A certificate that fits the entries of two partners is denied.
                if (!is_earlier || other.entry) continue;
                if (!other.pattern || !other.pattern->is_whole) return before + "no selector keeps out what it matches";
                const auto denied = Selector::parse(other.pattern->selector);
                if (!denied) return before + denied.error();
                if (denied.value().selector().contradicts(selector)) continue;
                add_once(rule.entry->selectors, "!" + other.pattern->selector);
            }
            other.is_written = true;
        }
        return {};
    }

    std::string add_selector(const std::string& variable, const Rule& rule, ImportedEntry& entry) {
        if (rule.is_pattern()) {
            if (!rule.pattern)
                return "'" + shown(rule.key) +
                       "' is a regular expression that asks more or less than one attribute from its "
                       "beginning to its end, or asks where it is in the name: write the selectors that it means";
            entry.selectors = {rule.pattern->selector};
            entry.remarks = {"was " + rule.key};
            if (!rule.key.starts_with("~*")) add_once(out_.remarks, kFoldsCase);
            add_once(out_.remarks, kReadsText);
            return {};
        }
        const std::string key = rule.exact_key();
        std::string why;
        switch (source_of(variable, key)) {
            case Source::kSubject:
                if (!variable.empty() && key.starts_with('/') != has_slashes(variable))
                    return "nginx finds it nowhere: a name in " + shown(variable) + " has " +
                           (has_slashes(variable) ? "the form /C=US/O=Acme" : "the form O=Acme,C=US");
                entry.selectors = {"subject:" + key};
                if (const auto name = NamePattern::parse(key)) {
                    const std::string text = text_in_nginx(name.value().name, key.starts_with('/'));
                    if (lower(text) != lower(key)) return "nginx finds it nowhere: it has this name as " + shown(text);
                }
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
    std::vector<Rule> rules_;   // of the map that is being read
    std::string default_;       // its default's word in lower case; empty: none, or one that denies
    std::size_t maps_ = 0;      // over a certificate's names
    std::size_t includes_ = 0;  // the line of an `include` in it; 0: none
};

}  // namespace

Imported read_nginx_map(std::string_view text, const Sha1Lookup& by_sha1) { return MapReader(by_sha1).read(text); }

}  // namespace mtls::tool
