// The small world that most tests live in: three CAs, their partners, and certificates good and bad.
#pragma once

#include <string>

#include "httpd_server.hpp"
#include "pki.hpp"
#include "tls_client.hpp"

namespace test {

struct World {
    Identity server;
    Identity acme_ca, acme_sub;  // the sub-CA is known to nobody but those who send it
    Identity globex_ca;
    Identity lookalike_ca;  // the name of acme_ca, another key; mod_ssl trusts it
    Identity stranger_ca;   // nobody trusts it

    Identity acme, acme_by_sub;  // DNS:api.acme.example
    Identity globex;             // DNS:api.globex.example
    Identity acme_from_globex;   // acme's name under globex's CA
    Identity acme_from_lookalike;
    Identity acme_from_stranger;
    Identity unnamed;    // acme's CA, but no identity fits
    Identity ambiguous;  // fits twin-a and twin-b
    Identity malformed;  // NUL in its common name

    World();
    // Files of the PKI into the server's folder, and the policy as configuration lines.
    void install(Httpd& httpd) const;
    static std::string policy();
};

// A section as configuration lines.
std::string location(const std::string& path, const std::string& lines);
// What a file holds now; empty where there is none.
std::string file_text(const std::string& name);

// Made once; keys are slow.
const World& world();

// Set by the runner.
const HttpdPaths& httpd_paths();
void set_httpd_paths(const HttpdPaths& paths);

// A configured and started httpd with the world's policy. `lines` go to the main server, `vhost` into the TLS virtual
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
    // The line of the error log about a path: waits for it.
    std::string log_about(const std::string& path);
    // What the error log has as reason for a path, or "" where it has no line about it.
    std::string reason_for(const std::string& path);
};

}  // namespace test
