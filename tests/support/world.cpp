#include "world.hpp"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace test {

World::World()
    : acme_ca(make_ca("Acme CA")),
      acme_sub(make_ca("Acme Sub CA", &acme_ca)),
      globex_ca(make_ca("Globex CA")),
      lookalike_ca(make_ca("Acme CA")),
      stranger_ca(make_ca("Stranger CA")),
      acme(make_client("api", "api.acme.example", acme_ca)),
      acme_by_sub(make_client("api2", "api.acme.example", acme_sub)),
      globex(make_client("gateway", "api.globex.example", globex_ca)),
      acme_from_globex(make_client("api3", "api.acme.example", globex_ca)),
      acme_from_lookalike(make_client("api4", "api.acme.example", lookalike_ca)),
      acme_from_stranger(make_client("api5", "api.acme.example", stranger_ca)),
      unnamed(make_client("nobody", "nobody.acme.example", acme_ca)),
      ambiguous(make_client("twin", "twin.acme.example", acme_ca)),
      malformed(make_client(std::string("a\0pi", 4), "api.acme.example", acme_ca)) {
    CertSpec spec;
    spec.subject = {{"CN", "localhost"}};
    spec.san = {{GEN_DNS, "localhost"}, {GEN_DNS, "other.example"}};
    spec.eku = "serverAuth";
    server = issue(spec, nullptr);
}

void World::install(Httpd& httpd) const {
    httpd.write("server.pem", server.pem());
    httpd.write("client-cas.pem", acme_ca.cert_pem() + globex_ca.cert_pem() + lookalike_ca.cert_pem());
    httpd.write("acme.pem", acme_ca.cert_pem());
    httpd.write("globex.pem", globex_ca.cert_pem());
    httpd.write("htdocs/ok.html", "welcome");
}

std::string World::policy() {
    return R"(
<MTLSPartner acme>
    MTLSIdentity DNS:api.acme.example
    MTLSTrustAnchor acme.pem
    MTLSGroup suppliers
    MTLSAttribute tenant 4711
    MTLSAttribute common_name cert:CN
</MTLSPartner>
<MTLSPartner globex>
    MTLSIdentity DNS:api.globex.example
    MTLSTrustAnchor globex.pem
    MTLSGroup customers
</MTLSPartner>
<MTLSPartner twin-a>
    MTLSIdentity CN:twin
    MTLSTrustAnchor acme.pem
</MTLSPartner>
<MTLSPartner twin-b>
    MTLSIdentity DNS:twin.acme.example
    MTLSTrustAnchor acme.pem
</MTLSPartner>
)";
}

std::string location(const std::string& path, const std::string& lines) {
    return "<Location " + path + ">\n" + lines + "\n</Location>\n";
}

const World& world() {
    static const World it;
    return it;
}

namespace {
HttpdPaths& paths() {
    static HttpdPaths it;
    return it;
}
}  // namespace

const HttpdPaths& httpd_paths() { return paths(); }
void set_httpd_paths(const HttpdPaths& p) { paths() = p; }

Site::Site() : httpd(httpd_paths()) { world().install(httpd); }

Site& Site::tls(const std::string& lines) {
    httpd.set_tls_lines(lines);
    return *this;
}
Site& Site::vhost(const std::string& lines) {
    httpd.set_vhost_lines(lines);
    return *this;
}
Site& Site::load(const std::string& module) {
    httpd.load(module);
    return *this;
}
Site& Site::start(const std::string& lines, const std::string& mpm) {
    // Every path below /gate and /free is a page: the section around it decides.
    httpd.configure("AliasMatch ^/(gate|free)/ \"" + httpd.path("htdocs/ok.html") + "\"\n" + World::policy() + lines,
                    mpm);
    httpd.start();
    return *this;
}

Response Site::get(const Identity* who, const std::string& path, const std::string& headers, const std::string& method,
                   const std::string& body) {
    ClientOptions options;
    options.identity = who;
    TlsClient client(httpd.port(), options);
    return client.get(path, headers, method, body);
}

std::string Site::log_about(const std::string& path) {
    const std::string mark = "\"" + path + "\":";
    httpd.wait_for_log(mark);
    return line_with(httpd.error_log(), mark);
}

std::string Site::reason_for(const std::string& path) {
    const std::string line = log_about(path);
    const std::size_t at = line.find("reason=");
    return at == std::string::npos ? "" : line.substr(at + 7, line.find(' ', at) - at - 7);
}

}  // namespace test
