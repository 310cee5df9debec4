// make demo-fleet: one policy in PostgreSQL, two web servers that read it, and HAProxy in front of both.
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <thread>

#include "databases.hpp"
#include "httpd_server.hpp"
#include "mtls_authz/base/text.hpp"
#include "pki.hpp"
#include "stage.hpp"
#include "tls_client.hpp"
#include "web_servers.hpp"
#include "world.hpp"

using namespace test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kFront = R"(<MTLSPartner lb>
    MTLSIdentity    DNS:lb.edge.example
    MTLSTrustAnchor db:edge-ca.pem
    MTLSFront       header=X-Client-Der format=der
</MTLSPartner>
)";

constexpr const char* kAcme = R"(<MTLSPartner acme>
    MTLSIdentity    DNS:api.acme.example
    MTLSTrustAnchor db:acme-ca.pem
</MTLSPartner>
)";

int failures = 0;

void expect(bool is_so, const std::string& what) {
    if (is_so) return;
    std::printf("   UNEXPECTED: %s\n", what.c_str());
    ++failures;
}

// A folder that is removed at the end.
struct Folder {
    std::string path;
    Folder() {
        path = std::string(std::getenv("TMPDIR")) + "/fleet";
        fs::create_directory(path);
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    void write(const std::string& name, const std::string& content) const {
        fs::create_directories(fs::path(path + "/" + name).parent_path());
        std::ofstream(path + "/" + name) << content;
    }
};

class Fleet {
public:
    Fleet(const std::string& module, std::string tool)
        : tool_(std::move(tool)), edge_ca_(make_ca("Edge CA")), lb_(make_client("lb", "lb.edge.example", edge_ca_)) {
        database_ = std::make_unique<Postgres>(folder_.path + "/database");
        folder_.write("writer.conf", database_->parameters("writer"));
        chmod((folder_.path + "/writer.conf").c_str(), 0600);
        folder_.write("policy/policy/lb.conf", kFront);
        folder_.write("policy/certificate/edge-ca.pem", edge_ca_.cert_pem());
        folder_.write("policy/revocation/refused.conf", "# nobody yet\n");
        run_tool("push", "policy");
        for (const char* name : {"a", "b"}) servers_.push_back(start_server(module, name));
        start_front();
    }

    void tell() {
        std::printf(
            "PostgreSQL has one policy. Two httpd read it (MTLSPolicyDatabase pgsql), and HAProxy on "
            "https://127.0.0.1:%d\nhands requests to them by turns, with its clients' certificates (MTLSFront). So far "
            "the policy has the front alone:\n\n%s",
            port_, kFront);
        ClientOptions acme;
        acme.identity = &world().acme;
        TlsClient client(port_, acme);
        step("Acme connects to HAProxy: nobody knows it yet");
        expect(ask(client, 403) == 403, "Acme is let in");

        step("A file and Acme's CA are pushed; each server has them");
        folder_.write("policy/policy/acme.conf", kAcme);
        folder_.write("policy/certificate/acme-ca.pem", world().acme_ca.cert_pem());
        run_tool("push", "policy");
        expect(ask(client, 200) == 200, "Acme is kept out");
        std::set<std::string> seen;
        for (int i = 0; i < 6; ++i) seen.insert(node_of(client.get("/orders/" + std::to_string(i))));
        std::printf("   six requests on the connection that was open already, answered by:");
        for (const std::string& node : seen) std::printf(" %s", node.c_str());
        std::printf("\n");
        expect(seen.size() == 2, "not both of them answered");

        step("mtls-authz fleet");
        std::this_thread::sleep_for(std::chrono::seconds(2));
        expect(run_tool("fleet", "") == 0, "a server is behind");

        step("The database is killed: both go on with what they have");
        database_->kill();
        std::this_thread::sleep_for(std::chrono::seconds(2));
        expect(ask(client, 200) == 200, "Acme is kept out");
        database_->start();

        step("Acme's key is stolen: one line is pushed, and counts on both, on the connection that is open");
        const std::string line = "MTLSRevoke sha256:" + hex_sha256(world().acme) + " \"note=key was stolen\"\n";
        std::printf("   %s", line.c_str());
        folder_.write("policy/revocation/refused.conf", line);
        run_tool("push", "policy");
        expect(ask(client, 403) == 403, "Acme is let in");
        std::printf("\n%s\n",
                    failures == 0 ? "All as expected; everything is stopped." : "Something was not as expected.");
    }

private:
    static void step(const char* title) { std::printf("\n== %s\n", title); }
    static std::string node_of(const Response& response) {
        const std::string headers = mtls::lower(response.headers), field = "x-node: ";
        const std::size_t at = headers.find(field);
        return at == std::string::npos ? "-" : headers.substr(at + field.size(), 1);
    }

    int run_tool(const std::string& command, const std::string& argument) const {
        std::vector<std::string> words = {tool_, command, "--database", "pgsql", "writer.conf"};
        if (!argument.empty()) words.push_back(argument);
        std::printf("   $ mtls-authz %s --database pgsql writer.conf %s\n", command.c_str(), argument.c_str());
        const auto out = run_command(words, folder_.path);
        for (std::size_t at = 0; at < out.text.size();) {
            const std::size_t end = std::min(out.text.find('\n', at), out.text.size());
            std::printf("     %s\n", out.text.substr(at, end - at).c_str());
            at = end + 1;
        }
        if (command == "push") expect(out.status == 0, "it was not pushed");
        return out.status;
    }

    // Waits until four answers in a row, from both servers, are the expected one. Returns the last answer.
    static int ask(TlsClient& client, int expected) {
        const auto began = std::chrono::steady_clock::now();
        constexpr std::chrono::seconds kLongest{30};
        int status = 0, alike = 0;
        std::set<std::string> nodes;
        while (std::chrono::steady_clock::now() - began < kLongest) {
            const Response response = client.get("/orders/1");
            status = response.status;
            alike = status == expected ? alike + 1 : 0;
            if (alike == 0) nodes.clear();
            if (alike > 0) nodes.insert(node_of(response));
            if (alike >= 4 && nodes.size() == 2) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        std::printf("   GET /orders/1 -> %d from both, after %.1f s\n", status,
                    std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
        return nodes.size() == 2 ? status : 0;
    }

    std::unique_ptr<Httpd> start_server(const std::string& module, const std::string& name) {
        auto out = std::make_unique<Httpd>(find_httpd(module));
        world().install(*out);
        out->write("client-cas.pem", edge_ca_.cert_pem());
        out->write("database.conf", database_->parameters("node"));
        chmod(out->path("database.conf").c_str(), 0600);
        out->configure("AliasMatch ^/orders/ \"" + out->path("htdocs/ok.html") +
                       "\"\nMTLSPolicyDatabase pgsql database.conf\nHeader always set X-Node " + name +
                       "\n<Location /orders>\nMTLSAllow any-partner\nMTLSAcceptFront lb\n</Location>\n");
        out->start();
        return out;
    }

    void start_front() {
        port_ = free_port();
        folder_.write("site.pem", world().server.pem());
        folder_.write("client-cas.pem", world().acme_ca.cert_pem());
        folder_.write("lb.pem", lb_.pem());
        folder_.write("backend.pem", world().server.cert_pem());
        std::string lines = "frontend partners\nbind 127.0.0.1:" + std::to_string(port_) +
                            " ssl crt site.pem ca-file client-cas.pem verify optional\n"
                            "http-request del-header X-Client-Der\n"
                            "http-request set-header X-Client-Der %[ssl_c_der,base64] if { ssl_c_used }\n"
                            "default_backend apache\nbackend apache\nbalance roundrobin\nhttp-reuse always\n";
        for (std::size_t i = 0; i < servers_.size(); ++i) {
            lines += "server s" + std::to_string(i) + " 127.0.0.1:" + std::to_string(servers_[i]->port()) +
                     " ssl crt lb.pem ca-file backend.pem verify required verifyhost localhost\n";
        }
        front_ = std::make_unique<Haproxy>(folder_.path, port_, lines);
    }

    std::string tool_;
    Folder folder_;
    Identity edge_ca_, lb_;
    std::unique_ptr<Postgres> database_;
    std::vector<std::unique_ptr<Httpd>> servers_;
    std::unique_ptr<Haproxy> front_;
    int port_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: demo_fleet MODULE TOOL\n"), 2;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::signal(SIGPIPE, SIG_IGN);
    return staged([argv] {
        Fleet(argv[1], argv[2]).tell();
        return failures == 0 ? 0 : 1;
    });
}
