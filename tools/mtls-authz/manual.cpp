#include "manual.hpp"

#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

// Escapes a text for man(7): no escapes, and no requests at the start of a line.
std::string roff(std::string_view text) {
    std::string out;
    if (text.starts_with('.') || text.starts_with('\'')) out += "\\&";
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    return out;
}

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (is_alpha(c)) c = static_cast<char>(to_lower(c) - ('a' - 'A'));
    }
    return out;
}

// "--policy TEXT ...", "CERT"
std::string usage_of(const CLI::Option& option) {
    std::string out = option.get_name(option.get_positional(), true);
    const bool takes_value = option.get_expected_max() != 0;
    if (takes_value && !option.get_positional()) out += " " + option.get_type_name();
    if (option.get_expected_max() > 1) out += " ...";
    return out;
}

std::string synopsis(const CLI::App& command) {
    std::string out = "[OPTION]...";
    for (const CLI::Option* const option : command.get_options()) {
        if (!option->get_positional()) continue;
        const std::string name = option->get_name(true, false);
        out += " " + (option->get_required() ? name : "[" + name + "]") + (option->get_expected_max() > 1 ? "..." : "");
    }
    return out;
}

// The sections of the footer, in order: notes, "Exit:", "Example:".
std::string notes_of(const CLI::App& command) {
    constexpr std::string_view kExit = "Exit: ", kExample = "Example: ";
    std::string notes, exit, examples;
    const std::string footer = command.get_footer();
    for (std::string_view line : split(footer, '\n')) {
        if (line.starts_with(kExit)) {
            exit += roff(line.substr(kExit.size())) + "\n";
        } else if (line.starts_with(kExample) || !examples.empty()) {
            if (line.starts_with(kExample)) line.remove_prefix(kExample.size());
            examples += roff(trim(line)) + "\n";
        } else {
            notes += roff(line) + "\n";
        }
    }
    std::string out;
    if (!notes.empty()) out += ".SH NOTES\n" + notes;
    if (!exit.empty()) out += ".SH EXIT STATUS\n" + exit;
    if (!examples.empty()) out += ".SH EXAMPLES\n.nf\n" + examples + ".fi\n";
    return out;
}

}  // namespace

std::string manual_page(const CLI::App& command, const std::string& version) {
    const std::string name = "mtls-authz-" + command.get_name();
    std::string out = ".TH " + roff(upper(name)) + " 1 \"\" \"mtls-authz " + roff(version) + "\"\n.SH NAME\n" +
                      roff(name) + " \\- " + roff(command.get_description()) + "\n.SH SYNOPSIS\n.B mtls\\-authz " +
                      roff(command.get_name()) + "\n" + roff(synopsis(command)) + "\n.SH OPTIONS\n";
    for (const CLI::Option* const option : command.get_options()) {
        out += ".TP\n.B " + roff(usage_of(*option)) + "\n" + roff(option->get_description()) + "\n";
    }
    return out + notes_of(command) + ".SH SEE ALSO\n.BR mtls\\-authz (1)\n";
}

}  // namespace mtls::tool
