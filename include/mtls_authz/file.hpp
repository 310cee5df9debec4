// Files as the configuration names them, read whole.
#pragma once

#include <string>
#include <vector>

#include "mtls_authz/result.hpp"

namespace mtls {

// The content of a regular file of at most `limit` bytes; otherwise why it cannot be had.
Result<std::string> read_whole_file(const std::string& path, std::size_t limit);

// What tells two states of a file apart without reading it; empty where there is no file, or it was changed so recently
// that the clock of the file system could not tell one more change.
std::string settled_stamp(const std::string& path);

// Whether a name holds wildcards of glob(7).
bool is_glob(const std::string& pattern);

// The files that a pattern names now, sorted; an error where a folder cannot be read, so that "none" is certain.
// A name without wildcards names itself, whether or not it exists.
Result<std::vector<std::string>> expand(const std::string& pattern);

// Whether the file is certainly not there: its folder can be read and does not hold it.
bool is_certainly_gone(const std::string& path);

}  // namespace mtls
