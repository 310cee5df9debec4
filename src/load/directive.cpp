#include "mtls_authz/load/directive.hpp"

#include <algorithm>
#include <utility>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

constexpr const char* kOwnLine = "has a comment behind it: a comment has a line of its own";
constexpr const char* kNoDirectives =
    ", and no file of directives: certificates are named by MTLSTrustAnchor, CRLs by MTLSCRLFile";
constexpr std::size_t kLongestLine = std::size_t{1} << 20;

// A SEQUENCE of DER with a length of several bytes (X.690 8.1.3.5), as a certificate or a CRL is.
bool is_der(std::string_view text) {
    constexpr char kSequence = 0x30;
    return text.size() > 1 && text[0] == kSequence && (static_cast<unsigned char>(text[1]) & 0xf0U) == 0x80U;
}

class TextReader {
public:
    TextReader(std::string_view text, const std::string& file, bool singles, std::vector<Diagnostic>& errors,
               const TakeDirective& take)
        : rest_(text), file_(file), singles_(singles), errors_(errors), take_(take) {
        constexpr std::string_view kByteOrderMark =
            "\xef\xbb\xbf";  // some editors write it at the start of UTF-8 files (RFC 3629 6)
        if (rest_.starts_with("\xff\xfe") || rest_.starts_with("\xfe\xff")) {
            line_ = 1;
            rest_ = {};
            report("the file is UTF-16: save it as UTF-8");
        }
        if (!rest_.starts_with(kByteOrderMark)) return;
        rest_.remove_prefix(kByteOrderMark.size());
        line_ = 1;
        report("the file begins with a byte order mark (EF BB BF): save it as UTF-8 without one");
    }

    // Parses lines without sections, and continues after errors.
    void read_singles() {
        const std::size_t end = rest_.rfind('\n');
        const std::string_view unfinished = rest_.substr(end == std::string_view::npos ? 0 : end + 1);
        rest_.remove_suffix(unfinished.size());
        while (!rest_.empty()) read_line();
        line_ = next_line_;
        if (!trim(unfinished).empty())
            report("the last line has no newline, so it may be half written: it does not count");
    }

    void read() {
        if (is_der(rest_)) {
            line_ = 1;
            return report(std::string("the file is DER") + kNoDirectives);
        }
        if (!rest_.empty() && rest_.back() != '\n') {
            return report("the last line has no newline: the file is incomplete; end it with one");
        }
        while (!rest_.empty()) read_line();
        if (open_) {
            line_ = open_->where.line;
            report("<" + open_->name + "> is not closed: the file is incomplete; end it with </" + open_->name + ">");
        }
    }

private:
    void report(std::string message) {
        errors_.push_back({Diagnostic::Severity::kError, {file_, line_}, std::move(message)});
    }

    // One logical line: a backslash before the newline joins the next line, as in httpd.
    std::string_view next_logical_line() {
        line_ = next_line_;
        joined_.clear();
        joined_text_ = joined_directive_ = {};
        bool is_first = true;
        for (;;) {
            const std::size_t end = rest_.find('\n');
            std::string_view piece = rest_.substr(0, end);
            rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
            ++next_line_;
            if (piece.ends_with('\r')) piece.remove_suffix(1);
            const bool continues = piece.ends_with('\\') && !rest_.empty();
            if (!continues && joined_.empty()) return piece;
            if (continues) piece.remove_suffix(1);
            joined_ += piece;
            const std::string_view text = trim(piece);
            if (!is_first && !text.empty() && text.front() != '#') joined_text_ = text;
            if (!is_first && begins_directive(text)) joined_directive_ = text;
            if (!continues) return joined_;
            is_first = false;
        }
    }

    static bool begins_directive(std::string_view text) { return starts_nocase(text, "MTLS"); }

    // httpd takes the next line for a part of such a line, too: it may be a revocation. Returns whether it is so.
    bool takes_in_another(bool is_comment) {
        const std::string_view other = is_comment ? joined_text_ : joined_directive_;
        if (other.empty()) return false;
        report(std::string(is_comment ? "the comment" : "the line") +
               " ends in '\\', so the next line is a part of it: " + in_quotes(other, 60) +
               "; take the backslash away");
        return true;
    }

    void read_line() {
        const std::string_view line = next_logical_line();
        const std::string_view text = trim(line);
        if (is_in_pem_) {
            const bool is_end = text.starts_with("-----END ");
            // Base64 has no blanks: a block without an end hides no revocation below it.
            const bool is_below = singles_ && !is_end && std::any_of(text.begin(), text.end(), is_blank);
            is_in_pem_ = !is_end && !is_below;
            if (!is_below) return;
        }
        if (text.empty()) return;
        const bool is_comment = text.front() == '#';
        if (takes_in_another(is_comment)) return;
        if (text.find('\r') != std::string_view::npos) {
            return report("a carriage return within the line: end lines with a newline");
        }
        if (is_comment) return;
        if (text.starts_with("-----BEGIN ")) {
            is_in_pem_ = true;
            return report("the file is PEM (" + escape_for_reader(text, 60) + ")" + kNoDirectives);
        }
        if (line.size() > kLongestLine) return report("a line of more than 1 MiB");
        if (line.find('\0') != std::string_view::npos) return report("a NUL byte: this is no text file");
        if (text.find("${") != std::string_view::npos) {
            return report(
                "'${' is not expanded in policy files, so that the tool and the server read the same; "
                "write the value itself");
        }
        if (singles_ && text.front() == '<') return report("a section has no place here: " + in_quotes(text, 60));
        if (text.starts_with("</")) return close_section(text);
        if (text.front() == '<') return open_section(text);
        Directive directive = named(text);
        if (!open_) return take_(std::move(directive));
        open_->children.push_back(std::move(directive));
    }

    Directive named(std::string_view text) const {
        std::size_t n = 0;
        while (n < text.size() && !is_blank(text[n])) ++n;
        return {std::string(text.substr(0, n)), std::string(trim(text.substr(n))), {file_, line_}, false, {}};
    }

    void open_section(std::string_view text) {
        text.remove_prefix(1);
        const std::string_view comment = trailing_comment(text);
        const bool is_closed = trim(text.substr(0, text.size() - comment.size())).ends_with('>');
        if (!text.ends_with('>') || !comment.empty()) {
            is_skipping_ = true;
            return report("'<" + escape_for_reader(text, 60) + "' " +
                          (!comment.empty() ? kOwnLine
                           : is_closed      ? "goes on behind its '>'"
                                            : "has no closing '>'"));
        }
        text.remove_suffix(1);
        Directive section = named(text);
        section.is_section = true;
        if (open_) {
            return report("<" + escape_for_reader(section.name, 60) + "> inside <" + open_->name + "> opened at " +
                          open_->where.str() + ": close that one first with </" + open_->name + ">");
        }
        open_ = std::move(section);
    }

    void close_section(std::string_view text) {
        const std::string_view comment = trailing_comment(text);
        if (!comment.empty()) report(in_quotes(text, 60) + " " + kOwnLine);
        text = trim(text.substr(0, text.size() - comment.size()));
        const std::string_view name = trim(text.substr(2, text.size() - 2 - (text.ends_with('>') ? 1 : 0)));
        // The end of a section whose first line was reported.
        if (std::exchange(is_skipping_, false) && !open_) return;
        if (!open_ || !equal_nocase(name, open_->name)) {
            return report(in_quotes(text, 60) + " closes nothing that is open");
        }
        take_(std::move(*open_));
        open_.reset();
    }

    std::string_view rest_;
    std::string joined_;  // a logical line of several physical lines
    // Of these but the first, the last one that is no comment by itself, and the last one that begins as a directive.
    std::string_view joined_text_, joined_directive_;
    const std::string& file_;
    const bool singles_;
    std::vector<Diagnostic>& errors_;
    const TakeDirective& take_;
    std::optional<Directive> open_;
    bool is_skipping_ = false;  // inside of a section whose first line cannot be read
    bool is_in_pem_ = false;    // a block that is reported once
    unsigned line_ = 0;
    unsigned next_line_ = 1;
};

}  // namespace

void read_each_directive(std::string_view text, const std::string& file, std::vector<Diagnostic>& errors,
                         const TakeDirective& take) {
    std::vector<Diagnostic> found;
    const TakeDirective take_until_fault = [&](Directive directive) {
        if (found.empty()) take(std::move(directive));
    };
    TextReader(text, file, false, found, take_until_fault).read();
    errors.insert(errors.end(), found.begin(), found.end());
}

Result<std::vector<Directive>> read_directives(std::string_view text, const std::string& file,
                                               std::vector<Diagnostic>& errors) {
    const std::size_t before = errors.size();
    std::vector<Directive> out;
    read_each_directive(text, file, errors, [&out](Directive directive) { out.push_back(std::move(directive)); });
    if (errors.size() > before) return Error{errors[before].str()};
    return out;
}

std::vector<Directive> read_single_directives(std::string_view text, const std::string& file,
                                              std::vector<Diagnostic>& errors) {
    std::vector<Directive> out;
    const TakeDirective take = [&out](Directive directive) { out.push_back(std::move(directive)); };
    TextReader(text, file, true, errors, take).read_singles();
    return out;
}

std::string unquoted_hint(std::span<const std::string> words, std::size_t at) {
    const auto has_type = [&](std::size_t i) { return words[i].find(':') != std::string::npos; };
    std::size_t first = at, end = at + 1;
    while (first > 0 && !has_type(first)) --first;
    while (end < words.size() && !has_type(end)) ++end;
    if (!has_type(first) || end - first == 1) return {};
    const auto group = words.subspan(first, end - first);
    const auto is_no_value = [](const std::string& word) { return word == "=" || word == "or" || word == "and"; };
    if (std::any_of(group.begin(), group.end(), is_no_value)) return {};
    std::string whole = group.front();
    for (const std::string& word : group.subspan(1)) whole += (whole.ends_with(':') ? "" : " ") + word;
    whole = without_value_quotes(whole).value_or(whole);
    // A suggestion is pasted: one that would be escaped or cut is none.
    constexpr std::size_t kMost = 100;
    std::string plain = whole;
    std::erase(plain, '\\');
    if (in_quotes(plain, kMost) != "'" + plain + "'") return {};
    return std::string(first < at ? "; if it belongs to the word before it" : "; if what follows belongs to it") +
           ", quote the whole: " + config_quote(whole);
}

std::optional<std::string> option(std::string_view word, std::string_view name) {
    const std::size_t n = name.size();
    if (word.size() <= n || word[n] != '=' || !equal_nocase(word.substr(0, n), name)) return std::nullopt;
    return std::string(word.substr(n + 1));
}

}  // namespace mtls
