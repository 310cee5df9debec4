// A site with its policy in a database.
#pragma once

#include <sys/stat.h>

#include <cstdio>
#include <memory>

#include "databases.hpp"
#include "live_site.hpp"

namespace test {

inline const std::string kAcmeRow =
    partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor db:acme-ca.pem");
inline const std::string kGlobexRow =
    partner("globex", "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor db:globex-ca.pem");

// Acme and globex with their anchors, and an empty revocation row.
inline std::string first_rows() {
    return row("acme.conf", "policy", kAcmeRow) + row("globex.conf", "policy", kGlobexRow) +
           row("acme-ca.pem", "certificate", world().acme_ca.cert_pem()) +
           row("globex-ca.pem", "certificate", world().globex_ca.cert_pem()) +
           row("refused.conf", "revocation", "# nobody\n");
}

struct StoredSite : LiveSite {
    // Does not start the server.
    StoredSite(const std::string& driver, const std::string& parameters) : driver_(driver) {
        fs::create_directories(httpd.path("partners"));
        connect(parameters);
    }
    void connect(const std::string& parameters) const {
        httpd.write("database.conf", parameters);
        chmod(httpd.path("database.conf").c_str(), 0600);
    }
    void prepare(const std::string& lines = "", const std::string& mpm = "event") {
        configure("MTLSPolicyDatabase " + driver_ + " database.conf\n" +
                      location("/status",
                               "SetHandler mtls-authz-status\n"
                               "MTLSStatus On") +
                      lines,
                  mpm);
    }
    void run(const std::string& lines = "", const std::string& mpm = "event") {
        prepare(lines, mpm);
        httpd.start();
    }
    // Restarts gracefully, and waits for the next keeper.
    void restart() {
        const auto before = httpd.keepers();
        httpd.graceful();
        becomes(
            [&] {
                const auto now = httpd.keepers();
                return now.size() == 1 && now != before ? 1 : 0;
            },
            1, "a restart");
    }
    int acme() const { return get(world().acme); }
    int globex() const { return get(world().globex); }
    std::string metrics() const { return TlsClient(httpd.port(), as(world().acme)).get("/status").body; }
    std::string json() const { return TlsClient(httpd.port(), as(world().acme)).get("/status?format=json").body; }

private:
    std::string driver_;
};

struct SqliteSite : StoredSite {
    SqliteSite() : StoredSite("sqlite3", "") {
        connect(file() + "\n");
        sqlite(file(), file_text("conf/examples/sqlite.sql"));
        sql(first_rows());
    }
    std::string file() const { return httpd.path("policy.db"); }
    std::string sql(const std::string& statements) const { return sqlite(file(), "BEGIN;" + statements + "COMMIT;"); }
};

// A database server behind a relay, and a web server that reads it.
template <class Server>
struct RelayedSite {
    std::string folder;
    std::unique_ptr<Server> server;
    std::unique_ptr<Relay> relay;
    std::unique_ptr<StoredSite> web;

    explicit RelayedSite(const std::string& driver) {
        std::string name = "/tmp/mtls-authz-db-XXXXXX";
        folder = mkdtemp(name.data());
        chmod(folder.c_str(), 0755);
        server = std::make_unique<Server>(folder + "/server");
        relay = std::make_unique<Relay>(server->port());
        web = std::make_unique<StoredSite>(driver, server->parameters("node", relay->port()));
    }
    ~RelayedSite() {
        web.reset();
        relay.reset();
        server.reset();
        std::error_code ignored;
        fs::remove_all(folder, ignored);
    }
    RelayedSite(const RelayedSite&) = delete;
    RelayedSite& operator=(const RelayedSite&) = delete;

    int acme() const { return web->acme(); }
    int globex() const { return web->globex(); }
    bool says(const std::string& text) const { return web->httpd.wait_for_log(text); }
    // Until the keeper has a connection of its own: without one, it says that it gets none.
    void run_until_connected(const std::string& lines = "") const {
        web->run(lines);
        becomes([&] { return server->sql("SELECT count(*) FROM mtls_node") == "1" ? 1 : 0; }, 1, "the keeper's row");
    }
};

template <class Server>
bool is_left_out(const char* name) {
    if (Server::is_installed()) return false;
    std::printf("%s is not installed: left out\n", name);
    return true;
}

}  // namespace test
