// A pulled folder: a file KIND/NAME for each row, and a file with their revision.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "mtls_authz/load/database.hpp"

namespace mtls::tool {

// The files of a folder when they were last pulled or pushed.
struct BaseRevision {
    std::int64_t revision = 0;
    std::map<std::string, std::string> digests;  // by KIND/NAME, in hex
};
constexpr const char* kBaseFile = ".mtls-authz-revision";

// Empty if the folder was never pulled; an error if the file is invalid.
Result<std::optional<BaseRevision>> read_base(const std::string& folder);
// Returns a fault, or "".
std::string write_base(const std::string& folder, const DatabaseRows& rows);

// Whether the word is a kind of rows, and so the name of a folder that pull writes.
bool is_kind(std::string_view word);

// The path of a row in the folder.
std::string place_of(const std::string& name, const DatabaseRow& row);

// Removes what calls of write_file() left that were killed, from the folder and those of its kinds.
void remove_unfinished(const std::string& folder);

// Writes a file as a whole, or not at all. Returns a fault, or "".
std::string write_file(const std::string& file, const std::string& content);

// Opens the database of `--database DRIVER FILE`.
Result<std::unique_ptr<Database>> open_database(const std::pair<std::string, std::string>& driver_and_file);

}  // namespace mtls::tool
