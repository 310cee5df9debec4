// A folder that was pulled: KIND/NAME for each row, and a file that says of which revision they are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "mtls_authz/load/database.hpp"

namespace mtls::tool {

// What the files of a folder were when they were pulled or pushed last.
struct BaseRevision {
    std::int64_t revision = 0;
    std::map<std::string, std::string> digests;  // by KIND/NAME, in hex
};
constexpr const char* kBaseFile = ".mtls-authz-revision";

// Nothing where the folder was never pulled; an error where the file cannot be understood.
Result<std::optional<BaseRevision>> read_base(const std::string& folder);
// Returns a fault, or "".
std::string write_base(const std::string& folder, const DatabaseRows& rows);

// Where a row lies in the folder.
std::string place_of(const std::string& name, const DatabaseRow& row);

std::string write_file(const std::string& file, const std::string& content);

// Opens what `--database DRIVER FILE` says.
Result<std::unique_ptr<Database>> open_database(const std::pair<std::string, std::string>& driver_and_file);

}  // namespace mtls::tool
