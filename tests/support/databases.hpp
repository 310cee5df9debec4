// Policy databases with the tables of conf/examples: SQLite, and servers of PostgreSQL and MariaDB on 127.0.0.1 that
// end with the test.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace test {

// Runs statements with the client of the database. Returns its output; throws if it fails.
std::string sqlite(const std::string& file, const std::string& statements);
// A statement that inserts or replaces a row.
std::string row(const std::string& name, const std::string& kind, const std::string& body);
std::string mysql_row(const std::string& name, const std::string& kind, const std::string& body);

// A server process and those that it starts: one process group, that of an unprivileged user.
class DatabaseServer {
public:
    DatabaseServer(const DatabaseServer&) = delete;
    DatabaseServer& operator=(const DatabaseServer&) = delete;

    int port() const { return port_; }
    // Sends SIGKILL.
    void kill();

protected:
    explicit DatabaseServer(const std::string& folder);
    ~DatabaseServer();
    // Runs a command to its end; throws if it fails.
    static void check(const std::vector<std::string>& words);
    // Starts the server, and waits until `is_ready` succeeds.
    void launch(const std::vector<std::string>& words, const std::vector<std::string>& is_ready);

    std::string folder_;
    int port_;

private:
    pid_t pid_ = -1;
};

class Postgres : public DatabaseServer {
public:
    // Makes `folder`/data, starts the server, makes the database `mtls` with the tables of the example, and the logins
    // `node` and `writer` with the passwords secret-of-node and secret-of-writer.
    explicit Postgres(const std::string& folder);
    // A standby that streams from `primary`.
    Postgres(const std::string& folder, const Postgres& primary);

    static bool is_installed();
    // Runs statements as the superuser.
    std::string sql(const std::string& statements) const;
    // Runs statements as `node` or `writer`. Returns the output, with errors.
    std::string sql_as(const std::string& login, const std::string& statements) const;
    // The content of an MTLSPolicyDatabase file, or of --database.
    std::string parameters(const std::string& login, int port = 0) const;
    void start();
};

// A pooler before a server of PostgreSQL: its connections outlive those to the server.
class PgBouncer : public DatabaseServer {
public:
    PgBouncer(const std::string& folder, int target);

    static bool is_installed();
};

// The driver `mysql`. The database and the logins are named as those of Postgres.
class MariaDb : public DatabaseServer {
public:
    explicit MariaDb(const std::string& folder);

    static bool is_installed();
    // Runs statements as the administrator.
    std::string sql(const std::string& statements) const;
    // Runs statements as `node` or `writer`. Returns the output, with errors.
    std::string sql_as(const std::string& login, const std::string& statements) const;
    std::string parameters(const std::string& login, int port = 0) const;
    void start();

private:
    std::vector<std::string> as_administrator(std::vector<std::string> more) const;
};

// A TCP proxy before a port of 127.0.0.1. While it is frozen, connections stay open and no bytes are forwarded.
class Relay {
public:
    explicit Relay(int target);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    int port() const { return port_; }
    // Sets the port for later connections.
    void lead_to(int target) { target_ = target; }
    void freeze(bool is_frozen = true) { is_frozen_ = is_frozen; }

private:
    void serve();
    void hand_on(int client);

    std::atomic<int> target_;
    int port_;
    int listener_ = -1;
    std::atomic<bool> is_frozen_{false};
    std::atomic<bool> ends_{false};
    std::mutex mutex_;
    std::vector<std::thread> connections_;
    std::thread thread_;
};

}  // namespace test
