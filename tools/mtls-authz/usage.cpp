#include "usage.hpp"

#include <algorithm>
#include <charconv>
#include <climits>
#include <utility>

#include "mtls_authz/base/text.hpp"
#include "terminal.hpp"

namespace mtls::tool {

namespace {

std::vector<std::string_view> commands_of(CLI::App& app) {
    std::vector<std::string_view> out;
    for (const CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
        out.push_back(command->get_name());  // owned by the command
    }
    return out;
}

std::vector<std::string> options_of(const CLI::App& command) {
    std::vector<std::string> out;
    for (const CLI::Option* option : command.get_options()) {
        for (const std::string& name : option->get_snames()) out.push_back("-" + name);
        for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
    }
    return out;
}

// "-1": a value, where an option comes before it.
bool is_number(const std::string& word) {
    return word.size() > 1 && std::all_of(word.begin() + 1, word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The first option that the command does not have; "" if there is none.
std::string mistyped_option(const CLI::App& command, const std::vector<std::string>& words, std::string& nearest) {
    const auto options = options_of(command);
    const std::vector<std::string_view> known(options.begin(), options.end());
    const auto is_known = [&known](const std::string& name) {
        return std::find(known.begin(), known.end(), name) != known.end();
    };
    bool may_be_value = false;
    for (const std::string& word : words) {
        const bool is_value = std::exchange(may_be_value, is_known(word)) && is_number(word);
        if (is_value) continue;
        if (word == "--") break;
        std::string option = word.substr(0, word.find('='));
        if (!option.starts_with('-') || option.size() == 1) continue;
        if (is_known(option)) continue;
        constexpr std::size_t kShort = 2;  // every other short option is similar to "-x"
        nearest = option.size() > kShort ? did_you_mean(option, known) : "";
        return option;
    }
    return {};
}

std::string name_of(const CLI::Option& option) {
    return option.get_positional() ? option.get_name() : "--" + option.get_lnames().front();
}

std::string with_help(const std::string& command, const std::string& why) {
    const std::string help =
        command.empty() ? "mtls-authz help lists the commands" : "mtls-authz help " + command + " has its options";
    return (command.empty() ? "" : command + " ") + why + "; " + help;
}

const CLI::App* chosen(CLI::App& app, const std::vector<std::string>& words) {
    const auto names = commands_of(app);
    const bool is_command = !words.empty() && std::find(names.begin(), names.end(), words.front()) != names.end();
    return is_command ? app.get_subcommand(words.front()) : nullptr;
}

// "FILE and --into" of a list.
std::string joined_by_and(const std::vector<std::string>& names) {
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i)
        out += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
    return out;
}

// The option whose name the library's sentence begins with.
const CLI::Option* option_in(const CLI::App& command, const std::string& sentence) {
    const std::string name = sentence.substr(0, sentence.find_first_of(": "));
    return command.get_option_no_throw(name);
}

}  // namespace

void refuse_options(const CLI::App& command, std::initializer_list<const char*> names, const std::string& why) {
    for (const char* name : names) {
        const CLI::Option* const option = command.get_option_no_throw(name);
        if (option != nullptr && option->count() > 0)
            throw UsageError{std::string("takes no ").append(name).append(" ").append(why)};
    }
}

CLI::Validator whole_number(long least, long most) {
    const std::string range = most == LONG_MAX ? std::to_string(least) + " or more"
                                               : "from " + std::to_string(least) + " to " + std::to_string(most);
    const auto check = [least, most, range](const std::string& text) {
        long value = 0;
        const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool is_whole = wrong == std::errc() && end == text.data() + text.size();
        return is_whole && value >= least && value <= most ? std::string()
                                                           : "'" + shown(text) + "' is no whole number " + range;
    };
    return {check, ""};
}

CLI::Validator one_of(std::vector<std::string> words) {
    const auto check = [words = std::move(words)](const std::string& text) {
        if (std::find(words.begin(), words.end(), text) != words.end()) return std::string();
        const std::vector<std::string_view> views(words.begin(), words.end());
        return "'" + shown(text) + "'" + did_you_mean(text, views) + " is none of " + joined_by_and(words);
    };
    return {check, ""};
}

std::string find_mistyped(CLI::App& app, const std::vector<std::string>& words) {
    if (words.empty()) return "say a command; mtls-authz help lists them";
    const auto names = commands_of(app);
    const std::string& name = words.front();
    std::string nearest;
    if (name.starts_with('-')) {
        const std::string option = mistyped_option(app, words, nearest);
        return option.empty() ? ""
                              : "there is no option '" + shown(option) + "'" + nearest +
                                    " before a command; mtls-authz help lists the commands";
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) {
        return "there is no command '" + shown(name) + "'" + did_you_mean(name, names) + "; mtls-authz help lists them";
    }
    const std::string option = mistyped_option(*app.get_subcommand(name), words, nearest);
    if (!option.empty()) return with_help(name, "has no option '" + shown(option) + "'" + nearest);
    for (const std::string& word : words) {
        if (word == "--") break;
        const std::size_t equals = word.find('=');
        if (!word.starts_with("--") || equals == std::string::npos) continue;
        const CLI::Option* const flag = app.get_subcommand(name)->get_option_no_throw(word.substr(0, equals));
        if (flag != nullptr && flag->get_expected_max() == 0)
            return with_help(name, "takes " + word.substr(0, equals) + " without a value");
    }
    return {};
}

std::string usage_sentence(CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words) {
    const CLI::App* const command = chosen(app, words);
    const std::string said = error.what();
    if (command == nullptr) return with_help("", "say a command");
    const std::string& name = command->get_name();
    const CLI::Option* const option = option_in(*command, said);
    const std::string kind = error.get_name();
    if (kind == "RequiredError") {
        std::vector<std::string> missing;
        for (const CLI::Option* one : command->get_options()) {
            if (one->get_required() && one->count() == 0) missing.push_back(name_of(*one));
        }
        return with_help(name, "needs " + joined_by_and(missing));
    }
    if (kind == "ArgumentMismatch" && option != nullptr) {
        return with_help(name, option->get_expected_max() == 0 ? "has " + name_of(*option) + " without a value"
                               : option->count() > 1 && option->get_expected_max() == 1
                                   ? "takes " + name_of(*option) + " once"
                                   : "needs a value after " + name_of(*option));
    }
    if (said.starts_with("The following argument")) {
        const std::size_t colon = said.find(": ");
        return with_help(name, "does not take '" + shown(colon == std::string::npos ? said : said.substr(colon + 2)) +
                                   "'; a pattern or a value with blanks needs quotes");
    }
    if (kind == "ExcludesError") {
        const std::size_t verb = said.find(" excludes ");
        if (verb != std::string::npos)
            return with_help(name, "takes only one of " + said.substr(0, verb) + " and " + said.substr(verb + 10));
    }
    if (option != nullptr && kind == "ValidationError") {
        const std::string why = said.substr(std::min(said.find(": ") + 2, said.size()));
        return with_help(name, "has a wrong " + name_of(*option) + ": " + why);
    }
    if (option != nullptr) return with_help(name, "cannot read the value of " + name_of(*option));
    return with_help(name, "cannot be run: " + shown(said));
}

std::string usage_sentence(CLI::App& app, const UsageError& error) {
    const auto parsed = app.get_subcommands();
    return with_help(parsed.empty() ? "" : parsed.front()->get_name(), error.why);
}

}  // namespace mtls::tool
