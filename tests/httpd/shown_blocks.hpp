// Blocks of configuration in the documentation, completed with the files and partners that they name.
#pragma once

#include <string>
#include <vector>

namespace test {

class Httpd;

// The blocks of a Markdown file in `language`, without their indentation; those below one heading, unless it is empty.
std::vector<std::string> shown_blocks(const std::string& file, const std::string& language,
                                      const std::string& heading = "");

// The block as lines of the server: digests that are cut short (`4c1d...`) are filled up, what belongs into a partner
// or a section gets one, and partners that it names are defined. Writes the files that it names.
std::string completed(const Httpd& httpd, const std::string& block);

}  // namespace test
