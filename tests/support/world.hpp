// The default PKI and policy of the tests: three CAs, their partners, and valid and invalid certificates.
#pragma once

#include <string>

#include "httpd_server.hpp"
#include "pki.hpp"
#include "tls_client.hpp"

namespace test {

struct World {
    Identity server;
    Identity acme_ca, acme_sub;  // no server has the sub-CA: clients must send it
    Identity globex_ca;
    Identity lookalike_ca;  // same name as acme_ca, another key; mod_ssl trusts it
    Identity stranger_ca;   // not trusted

    Identity acme, acme_by_sub;  // DNS:api.acme.example
    Identity globex;             // DNS:api.globex.example
    Identity acme_from_globex;   // acme's name, issued by globex's CA
    Identity acme_from_lookalike;
    Identity acme_from_stranger;
    Identity unnamed;    // issued by acme's CA, but matches no identity
    Identity ambiguous;  // matches twin-a and twin-b
    Identity malformed;  // NUL in its common name

    World();
    // Writes the PKI's files into the server's folder; policy() returns the configuration lines.
    void install(Httpd& httpd) const;
    static std::string policy();
};

// A section as configuration lines.
std::string location(const std::string& path, const std::string& lines);

// Created once: key generation is slow.
const World& world();

// Set by the test runner.
const HttpdPaths& httpd_paths();
void set_httpd_paths(const HttpdPaths& paths);

// A configured, started httpd with the world's policy. `lines` are for the main server, `vhost` for the TLS virtual
// host.
class Site {
public:
    Httpd httpd;

    Site();
    Site& tls(const std::string& lines);
    Site& vhost(const std::string& lines);
    Site& load(const std::string& module);
    Site& start(const std::string& lines, const std::string& mpm = "event");

    Response get(const Identity* who, const std::string& path, const std::string& headers = "",
                 const std::string& method = "GET", const std::string& body = "");
    // Waits for the error log's line about a path.
    std::string log_about(const std::string& path);
    // The reason in the error log's line about a path, or "" without such a line.
    std::string reason_for(const std::string& path);
};

}  // namespace test
