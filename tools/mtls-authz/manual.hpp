// A manual page for a command, generated from its --help, so that it has every option.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace mtls::tool {

// In man(7), for section 1. No date: the same program prints the same page.
std::string manual_page(const CLI::App& command, const std::string& version);

}  // namespace mtls::tool
