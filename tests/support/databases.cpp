#include "databases.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "httpd_server.hpp"
#include "sockets.hpp"
#include "web_servers.hpp"

namespace test {

namespace fs = std::filesystem;

namespace {

std::string output_of(const std::vector<std::string>& words) {
    const auto out = run_command(words, "/");
    if (out.status != 0) throw std::runtime_error(words.front() + ": " + out.text);
    return out.text.substr(0, out.text.find_last_not_of('\n') + 1);
}

std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
    return out + "'";
}

// The folder of the server's commands on Debian or Red Hat.
std::string postgres_folder() {
    std::vector<std::string> found;
    if (fs::exists("/usr/lib/postgresql")) {
        for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql")) {
            const std::string folder = entry.path().string() + "/bin";
            if (access((folder + "/initdb").c_str(), X_OK) == 0) found.push_back(folder);
        }
    }
    std::sort(found.begin(), found.end());
    if (!found.empty()) return found.back();
    return access("/usr/bin/initdb", X_OK) == 0 ? "/usr/bin" : "";
}

}  // namespace

std::string sqlite(const std::string& file, const std::string& statements) {
    return output_of({"sqlite3", "-cmd", ".timeout 5000", file, "\n" + statements});
}

std::string row(const std::string& name, const std::string& kind, const std::string& body) {
    return "INSERT INTO mtls_policy (name, kind, body) VALUES (" + quoted(name) + ", " + quoted(kind) + ", " +
           quoted(body) + ") ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, body = excluded.body;\n";
}

std::string mysql_row(const std::string& name, const std::string& kind, const std::string& body) {
    return "REPLACE INTO mtls_policy VALUES (" + quoted(name) + ", " + quoted(kind) + ", " + quoted(body) + ");";
}

// ---- servers --------------------------------------------------------------------------------------------------------

namespace {

// Servers refuse to run as root. --pdeathsig ends them with the test process.
std::vector<std::string> as_nobody(std::vector<std::string> words) {
    const passwd* const nobody = getpwnam("nobody");
    if (geteuid() != 0 || nobody == nullptr) return words;
    words.insert(words.begin(),
                 {"setpriv", "--reuid=" + std::to_string(nobody->pw_uid), "--regid=" + std::to_string(nobody->pw_gid),
                  "--clear-groups", "--pdeathsig=QUIT", "--"});
    return words;
}

}  // namespace

DatabaseServer::DatabaseServer(const std::string& folder) : folder_(folder), port_(free_port()) {
    fs::create_directories(folder_);
    if (const passwd* const nobody = getpwnam("nobody"); geteuid() == 0 && nobody != nullptr) {
        if (chown(folder_.c_str(), nobody->pw_uid, nobody->pw_gid) != 0) throw std::runtime_error("chown");
    }
}

DatabaseServer::~DatabaseServer() { kill(); }

void DatabaseServer::check(const std::vector<std::string>& words) { output_of(as_nobody(words)); }

void DatabaseServer::launch(const std::vector<std::string>& words, const std::vector<std::string>& is_ready) {
    pid_ = fork();
    if (pid_ == 0) {
        const std::vector<std::string> all = as_nobody(words);
        std::vector<char*> argv;
        for (const std::string& word : all) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        const int log = open((folder_ + ".log").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        dup2(log, 1);
        dup2(log, 2);
        setpgid(0, 0);
        execvp(argv[0], argv.data());
        _exit(127);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < end) {
        if (run_command(is_ready, "/").status == 0) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    throw std::runtime_error(words.front() + " does not start: " + file_text(folder_ + ".log"));
}

void DatabaseServer::kill() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    for (int i = 0; i < 200 && accepts(port_); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(25));
}

// ---- PostgreSQL -----------------------------------------------------------------------------------------------------

bool Postgres::is_installed() { return !postgres_folder().empty(); }

Postgres::Postgres(const std::string& folder) : DatabaseServer(folder) {
    check({postgres_folder() + "/initdb", "-D", folder_ + "/data", "-U", "owner", "-E", "UTF8", "--locale=C", "-A",
           "trust", "-N"});
    std::ofstream(folder_ + "/data/pg_hba.conf")
        << "local all owner trust\nlocal replication owner trust\nhost replication owner 127.0.0.1/32 trust\n"
           "host all owner 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    start();
    output_of({postgres_folder() + "/createdb", "-h", "127.0.0.1", "-p", std::to_string(port_), "-U", "owner", "mtls"});
    output_of({"psql", "-q", "-h", "127.0.0.1", "-p", std::to_string(port_), "-U", "owner", "-d", "mtls", "-v",
               "ON_ERROR_STOP=1", "-f", fs::absolute("conf/examples/postgresql.sql").string()});
    sql("CREATE ROLE node LOGIN PASSWORD 'secret-of-node' IN ROLE mtls_node;"
        "CREATE ROLE writer LOGIN PASSWORD 'secret-of-writer' IN ROLE mtls_writer;");
}

Postgres::Postgres(const std::string& folder, const Postgres& primary) : DatabaseServer(folder) {
    check({postgres_folder() + "/pg_basebackup", "-h", "127.0.0.1", "-p", std::to_string(primary.port_), "-U", "owner",
           "-D", folder_ + "/data", "-R", "-c", "fast"});
    start();
}

void Postgres::start() {
    launch({postgres_folder() + "/postgres", "-D", folder_ + "/data", "-p", std::to_string(port_), "-c",
            "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + folder_, "-c", "fsync=off", "-c",
            "logging_collector=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60"},
           {postgres_folder() + "/pg_isready", "-q", "-h", "127.0.0.1", "-p", std::to_string(port_)});
}

std::string Postgres::sql(const std::string& statements) const {
    return output_of({"psql", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", std::to_string(port_), "-U", "owner", "-d",
                      "mtls", "-v", "ON_ERROR_STOP=1", "-c", statements});
}

std::string Postgres::sql_as(const std::string& login, const std::string& statements) const {
    return run_command({"psql", "-q", "-A", "-t", "-d",
                        "host=127.0.0.1 port=" + std::to_string(port_) + " dbname=mtls user=" + login +
                            " password=secret-of-" + login,
                        "-c", statements},
                       "")
        .text;
}

std::string Postgres::parameters(const std::string& login, int port) const {
    return "# a comment\nhost=127.0.0.1 port=" + std::to_string(port != 0 ? port : port_) +
           "\ndbname=mtls user=" + login + "\npassword=secret-of-" + login + "\n";
}

namespace {

std::string pgbouncer() {
    return access("/usr/sbin/pgbouncer", X_OK) == 0 ? "/usr/sbin/pgbouncer" : "/usr/bin/pgbouncer";
}

}  // namespace

bool PgBouncer::is_installed() { return access(pgbouncer().c_str(), X_OK) == 0; }

PgBouncer::PgBouncer(const std::string& folder, int target) : DatabaseServer(folder) {
    std::ofstream(folder_ + "/pgbouncer.ini")
        << "[databases]\nmtls = host=127.0.0.1 port=" << target << " user=node password=secret-of-node\n"
        << "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " << port_
        << "\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\nserver_login_retry = 1\n";
    launch({pgbouncer(), folder_ + "/pgbouncer.ini"}, {"psql", "-q", "-h", "127.0.0.1", "-p", std::to_string(port_),
                                                       "-U", "node", "-d", "mtls", "-c", "SELECT 1"});
}

// ---- MariaDB --------------------------------------------------------------------------------------------------------

bool MariaDb::is_installed() {
    return access("/usr/sbin/mariadbd", X_OK) == 0 || access("/usr/libexec/mariadbd", X_OK) == 0;
}

MariaDb::MariaDb(const std::string& folder) : DatabaseServer(folder) {
    check({"mariadb-install-db", "--no-defaults", "--datadir=" + folder_ + "/data", "--tmpdir=" + folder_,
           "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"});
    start();
    output_of(as_administrator({"-e",
                                "DELETE FROM mysql.global_priv WHERE User = ''; FLUSH PRIVILEGES; CREATE DATABASE mtls "
                                "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"}));
    output_of(as_administrator({"mtls", "-e", "source " + fs::absolute("conf/examples/mysql.sql").string()}));
    for (const std::string login : {"node", "writer"}) {
        sql("CREATE USER " + login + " IDENTIFIED BY 'secret-of-" + login + "'; GRANT mtls_" + login + " TO " + login +
            "; SET DEFAULT ROLE mtls_" + login + " FOR " + login);
    }
}

void MariaDb::start() {
    // A folder of its own for temporary tables: a server that starts takes away those of others.
    launch({access("/usr/sbin/mariadbd", X_OK) == 0 ? "/usr/sbin/mariadbd" : "/usr/libexec/mariadbd", "--no-defaults",
            "--datadir=" + folder_ + "/data", "--tmpdir=" + folder_, "--port=" + std::to_string(port_),
            "--bind-address=127.0.0.1", "--socket=" + folder_ + "/socket", "--skip-name-resolve",
            "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=2"},
           as_administrator({"-e", "SELECT 1"}));
}

std::vector<std::string> MariaDb::as_administrator(std::vector<std::string> more) const {
    more.insert(more.begin(), {"mariadb", "--no-defaults", "-N", "-S", folder_ + "/socket", "-u", "root"});
    return more;
}

std::string MariaDb::sql(const std::string& statements) const {
    return output_of(as_administrator({"-e", "USE mtls; " + statements}));
}

std::string MariaDb::sql_as(const std::string& login, const std::string& statements) const {
    return run_command({"mariadb", "--no-defaults", "-N", "-h", "127.0.0.1", "-P", std::to_string(port_), "-u", login,
                        "-psecret-of-" + login, "mtls", "-e", statements},
                       "")
        .text;
}

std::string MariaDb::parameters(const std::string& login, int port) const {
    return "# a comment\nhost=127.0.0.1,port=" + std::to_string(port != 0 ? port : port_) +
           "\ndbname=mtls,user=" + login + "\npass=secret-of-" + login + "\n";
}

// ---- a proxy --------------------------------------------------------------------------------------------------------

Relay::Relay(int target) : target_(target), port_(free_port()), listener_(listen_on(port_)) {
    thread_ = std::thread([this] { serve(); });
}

Relay::~Relay() {
    ends_ = true;
    thread_.join();
    for (std::thread& connection : connections_) connection.join();
    close(listener_);
}

void Relay::serve() {
    while (!ends_) {
        pollfd wait{listener_, POLLIN, 0};
        if (poll(&wait, 1, 50) != 1) continue;
        const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client >= 0) connections_.emplace_back([this, client] { hand_on(client); });
    }
}

void Relay::hand_on(int client) {
    const int server = try_connect(target_);
    pollfd ends[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    while (!ends_ && server >= 0) {
        if (is_frozen_) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            continue;
        }
        if (poll(ends, 2, 50) < 0) break;
        bool is_open = true;
        for (int i = 0; i < 2; ++i) {
            if (ends[i].revents == 0) continue;
            char bytes[65536];
            const ssize_t n = read(ends[i].fd, bytes, sizeof bytes);
            is_open = is_open && n > 0 && !is_frozen_ &&
                      send_all(ends[1 - i].fd, std::string(bytes, static_cast<std::size_t>(n)));
            if (is_frozen_) is_open = true;
        }
        if (!is_open) break;
    }
    close(client);
    if (server >= 0) close(server);
}

}  // namespace test
