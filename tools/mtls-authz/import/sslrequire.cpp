// Reads mod_ssl's SSLRequire and mod_authz_core's Require expr, if they compare names of the client's certificate.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <stdexcept>

#include "../policy/policy_text.hpp"
#include "../terminal.hpp"
#include "import.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

// The expression cannot be converted; what() says why.
struct NotConvertible : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// One conjunction that satisfies a rule.
struct Alternative {
    std::vector<std::string> selectors, remarks;
    std::size_t line = 0;  // of the first rule that it comes from
};
using Alternatives = std::vector<Alternative>;

Alternatives both(const Alternatives& a, const Alternatives& b) {
    constexpr std::size_t kMost = 1000;
    if (a.size() * b.size() > kMost) throw NotConvertible("has more than 1,000 combinations");
    Alternatives out;
    for (const Alternative& x : a) {
        for (const Alternative& y : b) {
            out.push_back(x);
            for (const std::string& selector : y.selectors) add_once(out.back().selectors, selector);
            for (const std::string& remark : y.remarks) add_once(out.back().remarks, remark);
        }
    }
    return out;
}

// What satisfies the opposite, in one conjunction: partners of several could overlap, and be ambiguous.
Alternatives negated(const Alternatives& rule) {
    Alternative out;
    for (const Alternative& one : rule) {
        if (one.selectors.empty()) throw NotConvertible("keeps out by an issuer's name, which proves nothing");
        if (one.selectors.size() > 1) throw NotConvertible("keeps out those who have several things at once");
        const std::string& selector = one.selectors.front();
        for (const std::string& remark : one.remarks) add_once(out.remarks, remark);
        out.selectors.push_back(selector.starts_with('!') ? selector.substr(1) : "!" + selector);
        out.line = one.line;
    }
    return {out};
}

// Removes "_0" to "_9", the index of a repeated attribute; without one it is the first.
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
        return {
            {}, {"asked for the issuer's name '" + value + "', which proves nothing: name that CA's file below"}, 0};
    }
    const auto type = kTypes.find(name);
    if (type == kTypes.end())
        throw NotConvertible("asks " + shown(variable) +
                             ", which is none of a partner's: such a rule stays beside the gate");
    const std::string selector = std::string(type->second) + ":" + value, fault = fault_of_literal(selector);
    if (!fault.empty()) throw NotConvertible(fault);
    if (type->second == "subject" && value.starts_with('/'))
        return {
            {selector}, {"a name with slashes: httpd has such ones with SSLOptions +LegacyDNStringFormat alone"}, 0};
    static constexpr std::array<std::string_view, 6> kMayRepeat = {"O", "OU", "DC", "DNS", "email", "UPN"};
    if (std::find(kMayRepeat.begin(), kMayRepeat.end(), type->second) == kMayRepeat.end()) {
        const std::string_view index = variable.substr(name.size());
        if (!index.empty() && index != "_0")
            throw NotConvertible("asks " + shown(variable) + ", one of several: no selector fits one of these alone");
        return {{selector}, {}, 0};
    }
    const std::string word(type->second);
    return {
        {selector}, {"asked " + std::string(variable) + ", one " + word + " of several: " + word + ": fits any"}, 0};
}

// Grammar: or := and ("or" and)*;  and := one ("and" one)*;  one := "(" or ")" | %{VARIABLE} ("eq"|"=="|"="|"in") value
class ExpressionReader {
public:
    // In SSLRequire `eq` compares texts; in `Require expr` numbers, and all texts without digits are equal.
    ExpressionReader(std::string_view text, bool eq_is_of_texts) : text_(text), eq_is_of_texts_(eq_is_of_texts) {}

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
        if (!starts_nocase(here, word)) return false;
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
        if (!eq_is_of_texts_ && skip_word("eq"))
            throw NotConvertible("compares " + shown(variable) +
                                 " by eq, which is of numbers in Require expr: write ==");
        if (!skip("==") && !skip_word("eq") && (rest().starts_with("=~") || !skip("=")))
            throw NotConvertible("compares " + shown(variable) + " by another operator than eq, == and in");
        return {asked_by(variable, read_string())};
    }
    std::string read_string() {
        const char quote = rest().empty() ? '\0' : rest().front();
        if (quote != '"' && quote != '\'') throw NotConvertible("compares with something else than a text in quotes");
        std::string out;
        for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size() && is_alnum(text_[++at_]))
                throw NotConvertible("compares with a text that has an escape: write the selector that it means");
            out += text_[at_];
        }
        if (at_ == text_.size()) throw NotConvertible("has a quote that does not end");
        ++at_;
        const auto is_capture = [](char a, char b) { return a == '$' && is_digit(b); };
        if (out.find("%{") != std::string::npos || std::adjacent_find(out.begin(), out.end(), is_capture) != out.end())
            throw NotConvertible("compares with another variable");
        return out;
    }

    std::string_view text_;
    bool eq_is_of_texts_;
    std::size_t at_ = 0;
};

// The words behind `word`, if the line begins with it.
std::optional<std::string_view> after(std::string_view line, std::string_view word) {
    if (!starts_nocase(line, word)) return std::nullopt;
    const std::string_view rest = line.substr(word.size());
    if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) return std::nullopt;
    return trim(rest);
}

// The expression of `Require expr`: httpd takes away the quotes around all of it, and reads nothing else in them.
std::string_view unquoted(std::string_view text) {
    const bool is_quoted = text.size() > 1 && text.starts_with('"') && text.ends_with('"');
    return is_quoted ? text.substr(1, text.size() - 2) : text;
}

constexpr const char* kAskHttpd = ": import what `httpd -D DUMP_CONFIG` prints (mod_info)";

// The name of a section, of its first or last line.
std::string_view section_name(std::string_view line) {
    line.remove_prefix(line.starts_with("</") ? 2 : 1);
    return line.substr(0, line.find_first_of(" \t>"));
}
bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(), [word](std::string_view one) { return equal_nocase(one, word); });
}
// Sections that httpd leaves out or reads as if their lines stood in the place around them.
bool is_transparent(std::string_view line) {
    return is_one_of(section_name(line), {"IfModule", "IfDefine", "IfVersion", "IfFile", "IfDirective", "IfSection"});
}
// Whether httpd reads such a section wherever it knows the rules in it.
bool is_always_read(std::string_view line) {
    const std::string_view condition = after(line.substr(0, line.find('>')), "<IfModule").value_or("");
    return is_one_of(condition, {"mod_ssl.c", "ssl_module", "mod_authz_core.c", "authz_core_module"});
}

// The rules of sections. All SSLRequire of a place have to hold, and one of its Require lines (mod_authz_core joins
// them as <RequireAny> does). If one of the rules that must hold together cannot be converted, none of them is: the
// others alone would let in more.
class RuleReader {
public:
    explicit RuleReader(Imported& out) : out_(out) { open_.push_back({Kind::kPlace, 1}); }

    void read(std::string_view line, std::size_t number) {
        line_ = number;
        if (line.starts_with('<') && equal_nocase(section_name(line), "Macro")) return read_macro(line);
        if (is_in_macro_) return;
        if (line.starts_with('<') && is_transparent(line)) return read_condition(line);
        for (const char* elsewhere : {"Include", "IncludeOptional", "Use"}) {
            if (!after(line, elsewhere)) continue;
            out_.reject(number, "'" + shown(line) + "' may have rules of this place" + kAskHttpd);
            place().lost_ssl = number;
            return;
        }
        if (const auto expression = after(line, "SSLRequire")) {
            if (!attempt([&] { join(place().ssl, rule(*expression, true)); })) place().lost_ssl = number;
            return;
        }
        attempt_in_section([&] {
            if (line.starts_with("</")) {
                if (open_.size() > 1) close();
            } else if (line.starts_with('<')) {
                open_.push_back({kind_of(line), number, std::string(line)});
            } else if (const auto required = after(line, "Require")) {
                read_require(*required);
            }
        });
    }
    void end() {
        while (!open_.empty()) attempt_in_section([this] { close(); });
        if (places_ > 1)
            out_.remarks.push_back("the rules are of " + std::to_string(places_) +
                                   " places: MTLSAllow any-partner lets the partners of each into all of them; name "
                                   "those that a place is for");
    }

private:
    enum class Kind { kPlace, kAny, kAll, kNone };
    struct Open {
        Kind kind;
        std::size_t line;
        std::string title = {};
        std::optional<Alternatives> any = {}, all = {}, ssl = {};  // absent: no such rule
        // The line of a rule that could not be converted, or 0: an SSLRequire, an expression, and, where none may be
        // missing, a rule that names no partner.
        std::size_t lost_ssl = 0, lost = 0, lost_other = 0;
        std::size_t other = 0;  // the line of a rule that is none of a partner's, or 0
    };

    // Runs a step. If something cannot be converted, reports the current line and returns false.
    bool attempt(const auto& step) {
        try {
            step();
            return true;
        } catch (const NotConvertible& e) {
            out_.reject(line_, std::string("the expression ") + e.what());
            return false;
        }
    }
    void attempt_in_section(const auto& step) {
        if (!attempt(step) && !open_.empty()) open_.back().lost = line_;
    }
    // Reports the rules that would have to hold together with the lost one of `lost_line`.
    void drop(const std::optional<Alternatives>& rules, std::size_t lost_line) {
        if (!rules) return;
        std::size_t last = 0;
        for (const Alternative& one : *rules) {
            if (one.line == last) continue;
            last = one.line;
            out_.reject(one.line, "has to hold together with line " + std::to_string(lost_line) +
                                      ", which is not converted, and would let in more without it");
        }
    }
    static Kind kind_of(std::string_view line) {
        const auto is = [line](std::string_view name) { return equal_nocase(line.substr(1, name.size()), name); };
        return is("RequireAll")    ? Kind::kAll
               : is("RequireAny")  ? Kind::kAny
               : is("RequireNone") ? Kind::kNone
                                   : Kind::kPlace;
    }

    // Its text has parameters, and may be a part of a place.
    void read_macro(std::string_view line) {
        is_in_macro_ = !line.starts_with("</");
        if (is_in_macro_) out_.reject(line_, "the rules in '" + shown(line) + "' are not read" + kAskHttpd);
    }
    void read_condition(std::string_view line) {
        if (!line.starts_with("</")) {
            conditions_.emplace_back(is_always_read(line) ? "" : line);
        } else if (!conditions_.empty()) {
            conditions_.pop_back();
        }
    }

    Alternatives rule(std::string_view expression, bool is_ssl) const {
        for (const std::string& condition : conditions_)
            if (!condition.empty())
                throw NotConvertible("is in " + shown(condition) + ", which httpd may leave out" + kAskHttpd);
        Alternatives out = ExpressionReader(expression, is_ssl).read();
        for (Alternative& one : out) one.line = line_;
        return out;
    }
    Open& place() {
        return *std::find_if(open_.rbegin(), open_.rend(), [](const Open& one) { return one.kind == Kind::kPlace; });
    }
    static void join(std::optional<Alternatives>& to, const Alternatives& more) { to = to ? both(*to, more) : more; }

    void read_require(std::string_view line) {
        const auto without_not = after(line, "not");
        const auto expression = after(without_not.value_or(line), "expr");
        if (expression) return add(rule(unquoted(*expression), false), without_not.has_value());
        // Another way in, beside the partners; but where all have to hold it is a condition.
        Open& here = open_.back();
        const bool is_neutral = !without_not && equal_nocase(line, "all granted") && !is_in_none();
        if (is_neutral) return;
        if (needs_all(here)) lose_other("'Require " + shown(line) + "'", here);
        here.other = line_;
    }
    // Below <RequireNone> each rule keeps somebody out: of a <RequireAny> there, none may be missing.
    bool is_in_none() const {
        return std::any_of(open_.begin(), open_.end(), [](const Open& one) { return one.kind == Kind::kNone; });
    }
    bool needs_all(const Open& here) const { return here.kind == Kind::kAll || is_in_none(); }
    void lose_other(const std::string& rule, Open& in) {
        out_.reject(line_,
                    rule + " in " + shown(in.title) + " is none of a partner's: such a rule stays beside the gate");
        in.lost_other = line_;
    }
    void add(const Alternatives& rule, bool is_negated) {
        Open& here = open_.back();
        const bool is_of_all = here.kind == Kind::kAll;
        if (is_negated && !is_of_all) throw NotConvertible("keeps out where one rule is enough, which httpd refuses");
        if (is_of_all) return join(here.all, is_negated ? negated(rule) : rule);
        if (!here.any) here.any = Alternatives();
        here.any->insert(here.any->end(), rule.begin(), rule.end());
    }

    void close() {
        const Open closed = std::move(open_.back());
        open_.pop_back();
        line_ = closed.line;
        if (closed.kind == Kind::kPlace) return finish(closed);
        Open& outer = open_.back();
        const auto& rules = closed.kind == Kind::kAll ? closed.all : closed.any;
        const std::size_t lost = closed.lost != 0 ? closed.lost : rules ? closed.lost_other : 0;
        // Of <RequireAny>, one rule is enough.
        if (lost != 0 && (closed.kind != Kind::kAny || !rules || is_in_none())) {
            drop(rules, lost);
            outer.lost = lost;
        } else if (rules) {
            add(*rules, closed.kind == Kind::kNone);
        } else if (closed.other != 0) {
            if (needs_all(outer)) lose_other(shown(closed.title), outer);
            outer.other = closed.other;
        }
    }
    void finish(const Open& place) {
        const std::size_t lost_required = place.lost != 0 ? place.lost : place.ssl ? place.other : 0;
        const std::size_t lost = place.lost_ssl != 0 ? place.lost_ssl : place.any ? 0 : lost_required;
        if (lost != 0) {
            drop(place.ssl, lost);
            drop(place.any, lost);
            return;
        }
        if (!place.any && !place.ssl) return;
        std::optional<Alternatives> rules = place.ssl;
        if (place.any) join(rules, *place.any);
        const std::size_t before = out_.entries.size();
        for (Alternative& one : *rules) emit(std::move(one));
        if (out_.entries.size() > before) ++places_;
    }
    void emit(Alternative one) {
        const auto is_negated = [](const std::string& selector) { return selector.starts_with('!'); };
        if (one.selectors.empty()) {
            out_.reject(one.line,
                        one.remarks.empty()
                            ? "lets in every verified certificate: MTLSAllow any-partner lets in partners alone"
                            : "an issuer's name proves nothing: give the file of that CA to its partners as "
                              "MTLSTrustAnchor");
        } else if (std::all_of(one.selectors.begin(), one.selectors.end(), is_negated)) {
            out_.reject(one.line,
                        "lets in everybody else: MTLSRevoke keeps out those of one name, and partners are named");
        } else {
            ImportedEntry entry;
            entry.line = one.line;
            entry.selectors = std::move(one.selectors);
            entry.remarks = std::move(one.remarks);
            add_once(out_.remarks, kFoldsCase);
            out_.entries.push_back(std::move(entry));
        }
    }

    Imported& out_;
    std::vector<Open> open_;
    std::vector<std::string> conditions_;  // the open <IfModule> and the like; empty: httpd reads it
    bool is_in_macro_ = false;
    std::size_t line_ = 0;
    std::size_t places_ = 0;
};

}  // namespace

Imported read_sslrequire(std::string_view text) {
    Imported out;
    RuleReader reader(out);
    std::size_t number = 0, begins = 0;
    std::string joined;
    for (const std::string_view whole : split(text, '\n')) {
        ++number;
        if (joined.empty()) begins = number;
        std::string_view line = whole.ends_with('\r') ? whole.substr(0, whole.size() - 1) : whole;
        const bool goes_on = line.ends_with('\\');
        if (goes_on) line.remove_suffix(1);
        joined += line;
        if (goes_on) continue;
        reader.read(trim(joined), begins);
        joined.clear();
    }
    reader.end();
    return out;
}

}  // namespace mtls::tool
