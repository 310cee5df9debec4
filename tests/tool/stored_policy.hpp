// Folders to push and pull, with a database of SQLite or of PostgreSQL.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "databases.hpp"
#include "pki.hpp"
#include "tool.hpp"

namespace test {

struct Stored : Bench {
    Identity ca = make_ca("Acme CA"), other = make_ca("Other CA");
    Identity leaf = make_client("api", "api.acme.example", ca);

    Stored() {
        sqlite(database(), file_text("conf/examples/sqlite.sql"));
        connect("writer.conf");
        file("policy/policy/acme.conf", partner("acme", "acme-ca.pem"));
        file("policy/certificate/acme-ca.pem", ca.cert_pem());
        file("policy/revocation/refused.conf", "# nobody\n");
    }
    void connect(const std::string& name) { connect_by(name, "# SQLite's file\n" + database()); }
    void connect_by(const std::string& name, const std::string& parameters) {
        file(name, parameters + "\n");
        chmod((folder() + "/" + name).c_str(), 0600);
    }
    std::string database() const { return folder() + "/policy.db"; }
    static std::string partner(const std::string& name, const std::string& anchor, const std::string& more = "") {
        return "<MTLSPartner " + name + ">\nMTLSIdentity DNS:api." + name + ".example\nMTLSTrustAnchor db:" + anchor +
               "\n" + more + "</MTLSPartner>\n";
    }
    std::vector<std::string> command(const std::string& name, const std::vector<std::string>& more) const {
        std::vector<std::string> out = {name, "--database", "sqlite3", "writer.conf"};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    std::string push(int status, const std::vector<std::string>& more = {"policy"}) const {
        return expect(status, command("push", more));
    }
    std::string pull(int status, const std::string& into) const { return expect(status, command("pull", {into})); }
    std::string sql(const std::string& statements) const { return sqlite(database(), statements); }
    std::string revision() const { return sql("SELECT revision FROM mtls_policy_revision"); }
};

inline bool has_no_postgres() {
    if (Postgres::is_installed()) return false;
    std::puts("PostgreSQL is not installed: left out");
    return true;
}

// PostgreSQL with what the folder `policy` holds, and the pulled folders alice and bob with a change each.
struct Served : Stored {
    std::unique_ptr<Postgres> server;

    Served() {
        chmod(folder().c_str(), 0755);
        server = std::make_unique<Postgres>(folder() + "/postgres");
        connect_by("pg.conf", server->parameters("writer"));
        expect(0, on_pg("push", {"policy"}));
        for (const std::string name : {"alice", "bob"}) {
            expect(0, on_pg("pull", {name}));
            file(name + "/policy/acme.conf", partner("acme", "acme-ca.pem", "MTLSGroup " + name + "\n"));
        }
    }
    static std::vector<std::string> on_pg(const std::string& name, const std::vector<std::string>& more,
                                          const std::string& file = "pg.conf") {
        std::vector<std::string> out = {name, "--database", "pgsql", file};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    // Waits until a query returns rows.
    bool comes(const std::string& query) const {
        for (int i = 0; i < 200; ++i) {
            if (!server->sql(query).empty()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(25));
        }
        return false;
    }
};

}  // namespace test
