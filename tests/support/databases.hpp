// Policy databases as conf/examples makes them: SQLite, and a PostgreSQL of its own on 127.0.0.1 that goes with the
// test.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace test {

// Statements by a database's own client; what it prints. Throws where that fails.
std::string sqlite(const std::string& file, const std::string& statements);
// A statement that writes a row anew, whatever was there.
std::string row(const std::string& name, const std::string& kind, const std::string& body);

class Postgres {
public:
    // Makes `folder`/data, starts, makes the database `mtls` with the example's tables, and the logins `node` and
    // `writer`, whose passwords are their names behind "secret-of-".
    explicit Postgres(const std::string& folder);
    // What `primary` has, streamed: a standby.
    Postgres(const std::string& folder, const Postgres& primary);
    ~Postgres();
    Postgres(const Postgres&) = delete;
    Postgres& operator=(const Postgres&) = delete;

    static bool is_installed();
    int port() const { return port_; }
    // As the superuser.
    std::string sql(const std::string& statements) const;
    // The content of an MTLSPolicyDatabase file, or of --database.
    std::string parameters(const std::string& login, int port = 0) const;
    // Without a chance to say goodbye.
    void kill();
    void start();

private:
    std::vector<std::string> as_owner(std::vector<std::string> words) const;
    void check(const std::vector<std::string>& words) const;

    std::string folder_;
    int port_;
    pid_t pid_ = -1;
};

// Hands bytes on between clients and a port of 127.0.0.1, until it is frozen: then connections stay open, and nothing
// comes through.
class Relay {
public:
    explicit Relay(int target);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    int port() const { return port_; }
    // Of later connections.
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
