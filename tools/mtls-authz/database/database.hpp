// The commands push, pull and fleet: policy files to and from a database, and the state of the servers that read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mtls::tool {

struct DatabaseOptions {
    std::pair<std::string, std::string> database;  // DRIVER FILE, as in MTLSPolicyDatabase
    bool json = false;
};

struct PushOptions : DatabaseOptions {
    std::vector<std::string> files;  // or one folder, which replaces the whole content of the database
    std::string kind;                // for files whose folder or row does not tell it
    std::optional<std::int64_t> base;
    std::vector<std::string> beside;  // policy files that the servers read besides the database
    std::string root = ".";
    bool dry_run = false;
};
// Writes in one transaction, and only if the resulting policy has no errors.
int push(const PushOptions& options);

struct PullOptions : DatabaseOptions {
    std::string folder;
};
int pull(const PullOptions& options);

struct FleetOptions : DatabaseOptions {
    std::int64_t most_age = 120;  // seconds since the last report of a server
};
int show_fleet(const FleetOptions& options);

}  // namespace mtls::tool
