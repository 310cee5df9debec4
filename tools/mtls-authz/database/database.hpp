// Policy files to and from a database, and what the web servers that read it say of themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mtls::tool {

struct DatabaseOptions {
    std::pair<std::string, std::string> database;  // DRIVER FILE, as MTLSPolicyDatabase has them
    bool json = false;
};

struct PushOptions : DatabaseOptions {
    std::vector<std::string> files;  // or one folder, which is all that the database will hold
    std::string kind;                // of files whose kind is not known otherwise
    std::optional<std::int64_t> base;
    std::vector<std::string> beside;  // policy files that web servers have beside the database
    std::string root = ".";
    bool dry_run = false;
};
// One transaction: all of it or nothing, and only where the policy as a whole holds.
int push(const PushOptions& options);

struct PullOptions : DatabaseOptions {
    std::string folder;
};
int pull(const PullOptions& options);

struct FleetOptions : DatabaseOptions {
    std::int64_t most_age = 120;  // seconds since a web server said anything
};
int show_fleet(const FleetOptions& options);

}  // namespace mtls::tool
