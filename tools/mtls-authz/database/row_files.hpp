// The files that push writes as rows.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "database.hpp"
#include "mtls_authz/load/database.hpp"

namespace mtls::tool {

using Rows = std::map<std::string, DatabaseRow, std::less<>>;

// All files of a folder and of its folders KIND, sorted; an error if there are none, or something else.
Result<std::vector<std::filesystem::path>> row_files_below(const std::string& folder);

// Adds files as rows. `known`: the rows of the database; `kind`: of a file whose folder or row does not tell it, or
// empty. Returns a fault, or "".
std::string add_files(const std::vector<std::filesystem::path>& files, const Rows& known, const std::string& kind,
                      Rows& to);

// The folder of the base file for these files.
std::string working_folder(const PushOptions& options);

}  // namespace mtls::tool
