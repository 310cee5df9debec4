// Configuration as a tree of directives. httpd provides it after its own line continuation and ${} expansion,
// read_directives() parses it from a policy file; both use this type, so that there is one grammar.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

struct Directive {
    std::string name;  // "MTLSPartner" for <MTLSPartner NAME>
    std::string args;  // the rest of the line; for a section, without its closing '>'
    Where where;
    bool is_section = false;
    std::vector<Directive> children;
};

// Parses the text of a policy file: httpd's syntax (comments, continuation lines, sections) without `${VAR}`, `Define`,
// `Include` and `<If...>`. An unclosed section, or a last line without newline, is an error, because the file may still
// be being written.
// Limits: 1 MiB per line, no nested sections.
Result<std::vector<Directive>> read_directives(std::string_view text, const std::string& file,
                                               std::vector<Diagnostic>& errors);

// The same, handing over one directive or section after another, until the first error. `errors` gets the file's own
// errors at its end.
using TakeDirective = std::function<void(Directive)>;
void read_each_directive(std::string_view text, const std::string& file, std::vector<Diagnostic>& errors,
                         const TakeDirective& take);

// Parses a file of independent lines: an invalid line (a section, an expansion, a last line without newline) is added
// to `errors`, and the others count.
std::vector<Directive> read_single_directives(std::string_view text, const std::string& file,
                                              std::vector<Diagnostic>& errors);

// A suffix for the message about `words[at]`, a selector that cannot be parsed. If it and its neighbours may be one
// selector that was written without quotes (CN:two words, CN:"two words", DNS: a.example, subject:CN=a, O=b): shows
// them quoted as one word. Otherwise empty.
std::string unquoted_hint(std::span<const std::string> words, std::size_t at);

// The value of an argument NAME=VALUE with this name, case-insensitive; nothing for any other argument.
std::optional<std::string> option(std::string_view word, std::string_view name);

}  // namespace mtls
