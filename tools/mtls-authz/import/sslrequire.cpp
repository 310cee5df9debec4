// Reads mod_ssl's SSLRequire and mod_authz_core's Require expr, if they compare names of the client's certificate.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <stdexcept>

#include "../terminal.hpp"
#include "import.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

// The expression cannot be converted; what() says why.
struct NotConvertible : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// One conjunction that satisfies the expression.
struct Alternative {
    std::vector<std::string> selectors, remarks;
};
using Alternatives = std::vector<Alternative>;

Alternatives both(const Alternatives& a, const Alternatives& b) {
    constexpr std::size_t kMost = 1000;
    if (a.size() * b.size() > kMost) throw NotConvertible("has more than 1,000 combinations");
    Alternatives out;
    for (const Alternative& x : a) {
        for (const Alternative& y : b) {
            out.push_back(x);
            out.back().selectors.insert(out.back().selectors.end(), y.selectors.begin(), y.selectors.end());
            out.back().remarks.insert(out.back().remarks.end(), y.remarks.begin(), y.remarks.end());
        }
    }
    return out;
}

// Removes "_0" to "_9", the index of a repeated attribute: a selector tests all of them.
std::string_view without_index(std::string_view name) {
    const std::size_t at = name.rfind('_');
    const bool has_index = at != std::string_view::npos && at + 1 < name.size() &&
                           std::all_of(name.begin() + static_cast<std::ptrdiff_t>(at) + 1, name.end(), is_digit);
    return has_index ? name.substr(0, at) : name;
}

// The selectors for a comparison of a mod_ssl variable.
Alternative asked_by(std::string_view variable, const std::string& value) {
    static const std::map<std::string_view, std::string_view> kTypes = {
        {"SSL_CLIENT_S_DN", "subject"},       {"SSL_CLIENT_S_DN_CN", "CN"},
        {"SSL_CLIENT_S_DN_O", "O"},           {"SSL_CLIENT_S_DN_OU", "OU"},
        {"SSL_CLIENT_S_DN_C", "C"},           {"SSL_CLIENT_S_DN_ST", "ST"},
        {"SSL_CLIENT_S_DN_L", "L"},           {"SSL_CLIENT_S_DN_DC", "DC"},
        {"SSL_CLIENT_S_DN_UID", "UID"},       {"SSL_CLIENT_S_DN_Email", "emailAddress"},
        {"SSL_CLIENT_S_DN_T", "title"},       {"SSL_CLIENT_S_DN_G", "GN"},
        {"SSL_CLIENT_S_DN_S", "SN"},          {"SSL_CLIENT_M_SERIAL", "cert-serial"},
        {"SSL_CLIENT_SAN_DNS", "DNS"},        {"SSL_CLIENT_SAN_Email", "email"},
        {"SSL_CLIENT_SAN_OTHER_msUPN", "UPN"}};
    const std::string_view name = without_index(variable);
    if (name == "SSL_CLIENT_VERIFY" && value == "SUCCESS") return {};
    if (name.starts_with("SSL_CLIENT_I_DN")) {
        return {{}, {"asked for the issuer's name '" + value + "', which proves nothing: name that CA's file below"}};
    }
    const auto type = kTypes.find(name);
    if (type == kTypes.end())
        throw NotConvertible("asks " + shown(variable) +
                             ", which is none of a partner's: such a rule stays beside the gate");
    return {{std::string(type->second) + ":" + value}, {}};
}

// Grammar: or := and ("or" and)*;  and := one ("and" one)*;  one := "(" or ")" | %{VARIABLE} ("eq"|"=="|"="|"in") value
class ExpressionReader {
public:
    explicit ExpressionReader(std::string_view text) : text_(text) {}

    Alternatives read() {
        Alternatives out = read_or();
        if (!rest().empty()) throw NotConvertible("goes on with '" + shown(rest()) + "'");
        return out;
    }

private:
    std::string_view rest() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
        return text_.substr(at_);
    }
    bool skip(std::string_view mark) {
        if (!rest().starts_with(mark)) return false;
        at_ += mark.size();
        return true;
    }
    // A whole word, not the start of a longer one.
    bool skip_word(std::string_view word) {
        const std::string_view here = rest();
        if (!equal_nocase(here.substr(0, word.size()), word)) return false;
        if (here.size() > word.size() && (is_alnum(here[word.size()]) || here[word.size()] == '_')) return false;
        at_ += word.size();
        return true;
    }

    Alternatives read_or() {
        Alternatives out = read_and();
        while (skip("||") || skip_word("or")) {
            for (Alternative& other : read_and()) out.push_back(std::move(other));
        }
        return out;
    }
    Alternatives read_and() {
        Alternatives out = read_one();
        while (skip("&&") || skip_word("and")) out = both(out, read_one());
        return out;
    }
    Alternatives read_one() {
        if (skip("(")) {
            Alternatives out = read_or();
            if (!skip(")")) throw NotConvertible("has no ')' for a '('");
            return out;
        }
        if (!skip("%{")) throw NotConvertible("has '" + shown(rest()) + "' where a variable was expected");
        const std::size_t end = text_.find('}', at_);
        if (end == std::string_view::npos) throw NotConvertible("has no '}' for a '%{'");
        const std::string_view variable = text_.substr(at_, end - at_);
        at_ = end + 1;
        Alternatives out;
        if (skip_word("in")) {
            if (!skip("{")) throw NotConvertible("asks for words of a file or a function: write a partner for each");
            do out.push_back(asked_by(variable, read_string()));
            while (skip(","));
            if (!skip("}")) throw NotConvertible("has no '}' for a '{'");
            return out;
        }
        if (!skip("==") && !skip_word("eq") && (rest().starts_with("=~") || !skip("=")))
            throw NotConvertible("compares " + shown(variable) + " by another operator than eq, == and in");
        return {asked_by(variable, read_string())};
    }
    std::string read_string() {
        const char quote = rest().empty() ? '\0' : rest().front();
        if (quote != '"' && quote != '\'') throw NotConvertible("compares with something else than a text in quotes");
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
            out += text_[at_];
        }
        if (at_ == text_.size()) throw NotConvertible("has a quote that does not end");
        ++at_;
        if (out.find("%{") != std::string::npos) throw NotConvertible("compares with another variable");
        return out;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// The expression of SSLRequire or Require expr; nullopt for other lines.
std::optional<std::string> expression_of(std::string_view line) {
    const auto after = [&line](std::string_view word) -> std::optional<std::string_view> {
        if (!equal_nocase(line.substr(0, word.size()), word)) return std::nullopt;
        const std::string_view rest = line.substr(word.size());
        if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) return std::nullopt;
        return trim(rest);
    };
    if (const auto all = after("SSLRequire")) return std::string(*all);
    const auto required = after("Require");
    if (!required) return std::nullopt;
    line = *required;
    const auto expression = after("expr");
    if (!expression) return std::nullopt;
    const char quote = expression->empty() ? '\0' : expression->front();
    if (quote != '"' && quote != '\'') return std::string(*expression);
    // Unquotes as httpd does.
    std::string out;
    for (std::size_t i = 1; i < expression->size() && (*expression)[i] != quote; ++i) {
        if ((*expression)[i] == '\\' && i + 1 < expression->size() && (*expression)[i + 1] == quote) ++i;
        out += (*expression)[i];
    }
    return out;
}

void take(std::size_t line, const std::string& expression, Imported& out) {
    try {
        for (Alternative& alternative : ExpressionReader(expression).read()) {
            if (alternative.selectors.empty()) {
                out.reject(line,
                           alternative.remarks.empty()
                               ? "lets in every verified certificate: MTLSAllow any-partner lets in partners alone"
                               : "an issuer's name proves nothing: give the file of that CA to its partners as "
                                 "MTLSTrustAnchor");
                continue;
            }
            ImportedEntry entry;
            entry.line = line;
            entry.selectors = std::move(alternative.selectors);
            entry.remarks = std::move(alternative.remarks);
            out.entries.push_back(std::move(entry));
        }
    } catch (const NotConvertible& e) {
        out.reject(line, std::string("the expression ") + e.what());
    }
}

}  // namespace

Imported read_sslrequire(std::string_view text) {
    Imported out;
    std::size_t number = 0, begins = 0;
    std::string joined;
    for (const std::string_view whole : split(text, '\n')) {
        ++number;
        if (joined.empty()) begins = number;
        std::string_view line = whole.ends_with('\r') ? whole.substr(0, whole.size() - 1) : whole;
        const bool goes_on = line.ends_with('\\');
        if (goes_on) line.remove_suffix(1);
        joined += std::string(line) + " ";
        if (goes_on) continue;
        const auto expression = expression_of(trim(joined));
        if (expression) take(begins, *expression, out);
        joined.clear();
    }
    return out;
}

}  // namespace mtls::tool
