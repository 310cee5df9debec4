// Messages about wrong command lines: one sentence each. Those of the library that parses them are for programmers.
#pragma once

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <string>
#include <vector>

namespace mtls::tool {

// Thrown with the sentence, which the command's name precedes: "explain" + " " + "needs --cert".
struct UsageError {
    std::string why;
};

// Throws if one of these options is given: in this mode it would have no effect. `why` says which it is.
void refuse_options(const CLI::App& command, std::initializer_list<const char*> names, const std::string& why);

// A whole number from `least` to `most`.
CLI::Validator whole_number(long least, long most);
// One of these words, with the nearest one in the error.
CLI::Validator one_of(std::vector<std::string> words);

// A sentence about an unknown command or option, otherwise "". Call this before the library parses the words: it would
// report missing options first.
std::string find_mistyped(CLI::App& app, const std::vector<std::string>& words);

// The sentence for what the library, or a UsageError, has found.
std::string usage_sentence(CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words);
std::string usage_sentence(CLI::App& app, const UsageError& error);

}  // namespace mtls::tool
