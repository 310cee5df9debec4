// MTLSPolicyDatabase: at start the parent reads the parameters (with its rights) and the rows; then two threads of the
// keeper poll the database, each by a connection of its own. No request waits for them.
#pragma once

#include <optional>
#include <string>

#include "httpd/keeper/events.hpp"
#include "mtls_authz/keeper/database_reader.hpp"

namespace mtls::httpd {

struct PolicyDatabase {
    std::string driver, file;
    Where where;
    std::string spelled;                   // arguments as written in the directive
    std::optional<DatabaseAccess> access;  // empty until `file` was read
    std::string node;                      // name of this server in table mtls_node
};

// While it lives, HOME is that of the run-time user: libpq looks for certificates and passwords there, and what a start
// can read with the rights of root must not be what the keeper cannot.
class HomeOfUser {
public:
    HomeOfUser();
    ~HomeOfUser();
    HomeOfUser(const HomeOfUser&) = delete;
    HomeOfUser& operator=(const HomeOfUser&) = delete;

private:
    std::optional<std::string> before_;
    bool is_set_ = false;
};

// Runs in the parent, before the policy is built.
void read_database();
// Starts both threads in the keeper.
void start_reading_database(const server_rec* s, const FileFaults& faults);
// Erases the password in a child.
void forget_database() noexcept;

}  // namespace mtls::httpd
