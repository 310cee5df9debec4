// MTLSPolicyDatabase: the parent reads the parameters while it may, and the rows at start; then two threads of the
// keeper ask for changes, each by a connection of its own. Nobody waits for them, and no other process asks.
#pragma once

#include <optional>
#include <string>

#include "mtls_authz/httpd/keeper/events.hpp"
#include "mtls_authz/keeper/database_reader.hpp"

namespace mtls::httpd {

struct PolicyDatabase {
    std::string driver, file;
    Where where;
    std::string spelled;                   // what stands behind the directive's name
    std::optional<DatabaseAccess> access;  // once it is read
    std::string node;                      // how this server calls itself there
};

// In the parent, before the policy is built.
void read_database();
// In the keeper: both threads.
void start_reading_database(const server_rec* s, const FileFaults& faults);
// In a child: it has no use for the password.
void forget_database() noexcept;

}  // namespace mtls::httpd
