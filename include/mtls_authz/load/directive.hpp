// Configuration as a tree of directives: what httpd hands over after its own continuation and ${} rules, and what
// read_directives() makes of a policy file. One shape for both, so that there is one grammar.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

struct Directive {
    std::string name;  // "MTLSPartner" for <MTLSPartner NAME>
    std::string args;  // the rest of the line; for a section without its closing '>'
    Where where;
    bool is_section = false;
    std::vector<Directive> children;
};

// Reads the text of a policy file: httpd's syntax (comments, continuation lines, sections) without `${VAR}`,
// `Define`, `Include` and `<If...>`. A section that is not closed or a last line without newline means that the
// file is still being written: an error.
// Limits: 1 MiB a line, sections nested once.
Result<std::vector<Directive>> read_directives(std::string_view text, const std::string& file,
                                               std::vector<Diagnostic>& errors);

// Reads a file whose lines stand each for itself: a line that cannot be read (a section, an expansion, a last line
// without newline) goes to `errors`, and the others count.
std::vector<Directive> read_single_directives(std::string_view text, const std::string& file,
                                              std::vector<Diagnostic>& errors);

// The value of an argument NAME=VALUE with this name, in any case; nothing where it is another one.
std::optional<std::string> option(std::string_view word, std::string_view name);

}  // namespace mtls
