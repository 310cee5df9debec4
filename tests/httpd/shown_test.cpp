// httpd accepts the configuration in the documentation, and recipes grant and deny as they say.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cctype>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "claims.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "program.hpp"
#include "shown_blocks.hpp"
#include "tool_site.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

namespace fs = std::filesystem;

constexpr const char* kCookbook = "docs/cookbook.md";
constexpr const char* kModules[] = {"proxy", "proxy_http", "rewrite", "auth_basic", "authn_file", "log_config"};

bool has_module(const std::string& name) { return fs::exists(httpd_paths().modules + "/mod_" + name + ".so"); }

std::string recipe(const std::string& heading, std::size_t index = 0, const char* language = "apache") {
    return shown_blocks(kCookbook, language, heading).at(index);
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const std::size_t at = text.find(what);
    check(at != std::string::npos, "[" + what + "] is not in [" + text + "]", __FILE__, __LINE__);
    return text.replace(at, what.size(), with);
}

// Runs shown commands with the server's folder for /etc/apache2.
void run_shown(const Httpd& httpd, std::string commands, int status = 0) {
    while (commands.find("/etc/apache2") != std::string::npos)
        commands = replaced(commands, "/etc/apache2", httpd.root());
    const std::string tools = fs::path(ToolSite::tool()).parent_path();
    const auto out = run_command({"sh", "-ec", "PATH='" + tools + "':$PATH\n" + commands}, httpd.root());
    check_equal(out.status, status, out.text, __FILE__, __LINE__);
}

// What the recipes of the cookbook stand on: the lines of the server, and those of its virtual host that a test's own
// does not have.
struct Base {
    std::string server, host;
    Base() {
        const std::string block = shown_blocks(kCookbook, "apache").front();
        const std::size_t begin = block.find("<VirtualHost"), end = block.find("</VirtualHost>");
        server = block.substr(0, begin);
        host = block.substr(block.find("MTLSClientCA", begin), end - block.find("MTLSClientCA", begin));
    }
};

// A server with a recipe in it, behind the cookbook's base, and with pages at the paths that recipes speak of.
class Kitchen {
public:
    Site site;

    Kitchen() {
        for (const char* module : kModules) site.load(module);
    }
    Kitchen& page(const std::string& path) {
        site.httpd.write("htdocs" + path, "welcome");
        return *this;
    }
    Kitchen& in_vhost(const std::string& lines) {
        in_host_ = lines;
        return *this;
    }
    void start(const std::string& block, bool is_behind_base = true) {
        const Base base;
        site.vhost((is_behind_base ? base.host : "") + in_host_);
        site.httpd.configure((is_behind_base ? base.server : "") + completed(site.httpd, block));
        site.httpd.start();
    }
    int status(const Identity* who, const std::string& path, const std::string& headers = "",
               const std::string& method = "GET") {
        return site.get(who, path, headers, method).status;
    }

private:
    std::string in_host_;
};

Identity acme_unit(const std::string& unit, const std::string& cn, const Identity& ca) {
    CertSpec spec;
    spec.subject = {{"C", "US"}, {"O", "Acme Corp"}, {"OU", unit}, {"CN", cn}};
    return issue(spec, &ca);
}

constexpr const char* kTokenKey = "0123456789abcdef0123456789abcdef";

// A JWT that is bound to a certificate as RFC 8705 has it; to none where it is null.
std::string token_for(const Identity* bound) {
    std::string cnf;
    if (bound != nullptr) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int size = 0;
        X509_digest(bound->cert.get(), EVP_sha256(), digest, &size);
        cnf = ",\"cnf\":{\"x5t#S256\":\"" + mtls::base64url({reinterpret_cast<char*>(digest), size}) + "\"}";
    }
    const std::string now = std::to_string(std::time(nullptr)), later = std::to_string(std::time(nullptr) + 600);
    const std::string text = mtls::base64url("{\"alg\":\"HS256\",\"kid\":\"k\"}") + "." +
                             mtls::base64url("{\"sub\":\"api\",\"iss\":\"https://as.example.org\",\"iat\":" + now +
                                             ",\"exp\":" + later + cnf + "}");
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(EVP_sha256(), kTokenKey, 32, reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
    return text + "." + mtls::base64url({reinterpret_cast<char*>(mac), size});
}

}  // namespace

CLAIM(httpd_takes_every_block_of_configuration_that_the_documentation_shows) {
    std::size_t tried = 0;
    std::string refused;
    for (const char* file : {"README.md", kCookbook, "docs/fronts.md", "docs/install.md", "docs/directives.md"}) {
        for (const std::string& block : shown_blocks(file, "apache")) {
            if (block.find("OAuth2") != std::string::npos && !has_module("oauth2")) continue;
            // Needs a database server.
            if (block.find("MTLSPolicyDatabase") != std::string::npos) continue;
            // The LoadModule line of README.md: the tests load the module themselves.
            const std::size_t load = block.find("LoadModule");
            const std::string lines = load == std::string::npos ? block : block.substr(block.find('\n', load) + 1);
            Kitchen kitchen;
            if (has_module("oauth2")) kitchen.site.load("oauth2");
            if (file == std::string(kCookbook)) kitchen.site.vhost(Base().host);
            kitchen.site.httpd.configure(completed(kitchen.site.httpd, lines));
            const auto out = kitchen.site.httpd.run({"-t"});
            if (out.status != 0) refused += std::string(file) + ":\n" + block + out.text;
            ++tried;
        }
    }
    CHECK_EQUAL(refused, "");
    CHECK(tried > 60);
}

CLAIM(the_first_recipe_makes_a_partner_that_may_do_what_it_was_granted) {
    const World& w = world();
    Kitchen k;
    const Httpd& httpd = k.site.httpd;
    httpd.write("acme-ca.pem", w.acme_ca.cert_pem());
    httpd.write("acme-client.pem", w.acme.cert_pem());
    for (const char* folder : {"partners", "expect"}) fs::create_directories(httpd.path("mtls/") + folder);
    httpd.write("mtls/partners/first.conf", "# none yet\n");
    for (const std::size_t index : {1U, 2U}) run_shown(httpd, recipe("A new partner in five minutes", index, "sh"));
    k.page("/api/orders/17").page("/api/salaries/17");
    httpd.write("mtls/revoked/first.conf", "# none yet\n");
    k.site.vhost(Base().host).httpd.configure(Base().server);
    k.site.httpd.start();
    CHECK_EQUAL(k.status(&w.acme, "/api/orders/17"), 200);
    CHECK_EQUAL(k.status(&w.acme, "/api/salaries/17"), 403);
    CHECK_EQUAL(k.status(&w.acme, "/api/orders/17", "", "DELETE"), 403);
    CHECK_EQUAL(k.status(&w.acme_from_globex, "/api/orders/17"), 403);
    // Changed by the commands, and by none that the policy's expectation refuses.
    const std::string change = recipe("A new partner in five minutes", 3, "sh");
    run_shown(httpd, replaced(change, "editor", "sed -i 's|read  *.*|& /api/salaries/**|'"));
    becomes([&] { return k.status(&w.acme, "/api/salaries/17"); }, 200, "salaries are granted");
    run_shown(httpd, replaced(change, "editor", "sed -i 's|read  *.*|read /api/salaries/**|'"), 1);
    CHECK_CONTAINS(file_text(httpd.path("mtls/partners/acme.conf")), "/api/orders/**");
}

CLAIM(what_import_prints_goes_to_the_live_folder_once_it_was_checked) {
    Kitchen k;
    const Httpd& httpd = k.site.httpd;
    httpd.write("mtls/partners-ca.pem", world().acme_ca.cert_pem());
    httpd.write("mtls/partners/first.conf", "# none yet\n");
    httpd.write("partners.map", "map $ssl_client_s_dn $partner {\n  \"CN=api,O=Acme\" acme;\n}\n");
    httpd.write("dn.passwd", "/O=Globex/CN=api:xxj31ZMTZzkVA\n");
    std::string commands = recipe("From a list of names or fingerprints", 0, "sh");
    while (commands.find("~/") != std::string::npos) commands = replaced(commands, "~/", httpd.path(""));
    run_shown(httpd, commands);
    CHECK_CONTAINS(file_text(httpd.path("mtls/partners/all.conf")), "MTLSTrustAnchor mtls/partners-ca.pem\n");
}

CLAIM(a_preflight_request_is_answered_without_a_certificate_and_nothing_else_is) {
    Kitchen k;
    k.page("/api/orders/17").in_vhost(recipe("Browsers of another site (CORS)")).start("");
    const std::string asks = "Origin: https://portal.acme.example\r\nAccess-Control-Request-Method: POST\r\n";
    const Response preflight = k.site.get(nullptr, "/api/orders/17", asks, "OPTIONS");
    CHECK_EQUAL(preflight.status, 204);
    CHECK_CONTAINS(preflight.headers, "Access-Control-Allow-Origin: https://portal.acme.example");
    CHECK_EQUAL(k.status(nullptr, "/api/orders/17", "", "OPTIONS"), 403);
    CHECK_EQUAL(k.status(nullptr, "/api/orders/17", asks), 403);
    CHECK_EQUAL(k.status(nullptr, "/api/orders/17", asks, "POST"), 403);
    const Response granted = k.site.get(&world().acme, "/api/orders/17", "Origin: https://portal.acme.example\r\n");
    CHECK_EQUAL(granted.status, 200);
    CHECK_CONTAINS(granted.headers, "Access-Control-Allow-Origin: https://portal.acme.example");
}

CLAIM(a_balancer_asks_one_path_without_a_certificate_from_its_own_addresses) {
    const std::string block = recipe("Health checks without a certificate");
    Kitchen k;
    k.page("/healthz").page("/other").start(block);
    CHECK_EQUAL(k.status(nullptr, "/healthz"), 200);
    for (const char* path : {"/healthz/", "/healthz/x", "/healthz;x", "/healthzz", "/other"})
        CHECK_EQUAL(k.status(nullptr, path), 403);
    CHECK_EQUAL(k.status(&world().acme, "/other"), 200);
    Kitchen elsewhere;
    elsewhere.page("/healthz").start(replaced(block, "127.0.0.1 ", ""));
    CHECK_EQUAL(elsewhere.status(nullptr, "/healthz"), 403);
}

CLAIM(optional_with_a_gate_takes_the_place_of_require) {
    Kitchen k;
    k.page("/x").in_vhost(recipe("From `SSLVerifyClient require`", 1)).start("", false);
    CHECK_EQUAL(k.status(&world().acme, "/x"), 200);
    CHECK_EQUAL(k.status(nullptr, "/x"), 403);
    CHECK_EQUAL(k.status(&world().unnamed, "/x"), 403);
}

CLAIM(units_of_one_partner_have_rights_of_their_own_below_its_ca_alone) {
    const World& w = world();
    Kitchen k;
    k.page("/acme/x").page("/acme/payments/x").start(recipe("Units of one partner"));
    const Identity payments = acme_unit("Payments", "a", w.acme_ca), orders = acme_unit("Orders", "b", w.acme_ca),
                   test = acme_unit("Test", "c", w.acme_ca), other = acme_unit("Payments", "d", w.globex_ca);
    CHECK_EQUAL(k.status(&payments, "/acme/payments/x"), 200);
    CHECK_EQUAL(k.status(&orders, "/acme/x"), 200);
    CHECK_EQUAL(k.status(&orders, "/acme/payments/x"), 403);
    CHECK_EQUAL(k.status(&test, "/acme/x"), 403);
    CHECK_EQUAL(k.status(&other, "/acme/x"), 403);
}

CLAIM(a_fingerprint_and_a_self_signed_certificate_let_in_one_certificate_each) {
    const World& w = world();
    CertSpec spec;
    spec.subject = {{"CN", "meter 17"}};
    const Identity meter = issue(spec, nullptr), twin = issue(spec, nullptr);
    Kitchen k;
    const std::string block = replaced(recipe("From a list of names or fingerprints"), "4c1d...", hex_sha256(w.acme));
    const std::string lines = completed(k.site.httpd, block + location("/x", "MTLSAllow partner acme meter-17"));
    k.site.httpd.write("mtls/meter-17.pem", meter.cert_pem());
    k.page("/x/y").site.vhost(Base().host).httpd.configure(Base().server + lines);
    k.site.httpd.start();
    CHECK_EQUAL(k.status(&w.acme, "/x/y"), 200);
    CHECK_EQUAL(k.status(&w.unnamed, "/x/y"), 403);
    CHECK_EQUAL(k.status(&meter, "/x/y"), 200);
    CHECK_EQUAL(k.status(&twin, "/x/y"), 0);
}

CLAIM(each_partner_and_each_device_gets_to_its_own_folder) {
    const World& w = world();
    const Identity meter = acme_unit("Meters", "m17", w.acme_ca), climber = acme_unit("Meters", "../m17", w.acme_ca);
    Kitchen k;
    k.page("/devices/m17/x").page("/devices/m18/x").page("/partners/globex/x").page("/partners/acme/x");
    k.start(recipe("A folder for each partner, or for each device"));
    CHECK_EQUAL(k.status(&meter, "/devices/m17/x"), 200);
    CHECK_EQUAL(k.status(&meter, "/devices/m18/x"), 403);
    CHECK_EQUAL(k.status(&climber, "/devices/m17/x"), 403);
    CHECK_EQUAL(k.status(&w.globex, "/partners/globex/x"), 200);
    CHECK_EQUAL(k.status(&w.globex, "/partners/acme/x"), 403);
}

CLAIM(a_token_counts_on_the_connection_of_the_certificate_that_it_was_issued_for) {
    if (!has_module("oauth2")) skip("there is no mod_oauth2 on this machine");
    const World& w = world();
    const Identity renewed = make_client("api", "api.acme.example", w.acme_ca);
    Kitchen k;
    k.site.load("oauth2");
    k.page("/api/orders/17")
        .start(replaced(recipe("Access tokens that are bound to a certificate"),
                        "jwks_uri https://as.example.org/jwks ", std::string("plain ") + kTokenKey + " kid=k&"));
    const auto status = [&k](const Identity* who, const std::string& token) {
        return k.status(who, "/api/orders/17", token.empty() ? "" : "Authorization: Bearer " + token + "\r\n");
    };
    CHECK_EQUAL(status(&w.acme, token_for(&w.acme)), 200);
    CHECK_EQUAL(status(&renewed, token_for(&w.acme)), 401);
    CHECK_EQUAL(status(&w.acme, token_for(&w.globex)), 401);
    CHECK_EQUAL(status(&w.acme, token_for(nullptr)), 401);
    CHECK_EQUAL(status(&w.acme, ""), 401);
    CHECK_EQUAL(status(&w.unnamed, token_for(&w.unnamed)), 403);
    CHECK_EQUAL(status(nullptr, token_for(&w.acme)), 403);
}

CLAIM(a_backend_in_node_reads_partner_and_certificate) {
    if (run_command({"node", "--version"}, "").status != 0) skip("there is no node on this machine");
    Kitchen k;
    const std::string port = std::to_string(k.site.httpd.next_port());
    k.site.httpd.write("backend.js", replaced(recipe("Node", 0, "js"), "8080", port));
    k.start(replaced(recipe("An application behind mod_proxy"), "8080", port));
    const Program node({"node", k.site.httpd.path("backend.js")});
    becomes([&k] { return k.status(&world().acme, "/app/x"); }, 200, "the backend answers");
    std::string digest = hex_sha256(world().acme), shown;
    for (std::size_t i = 0; i < digest.size(); ++i) {
        if (i > 0 && i % 2 == 0) shown += ':';
        shown += static_cast<char>(std::toupper(digest[i]));
    }
    CHECK_EQUAL(k.site.get(&world().acme, "/app/x").body, "acme " + shown + "\n");
    CHECK_EQUAL(plain_get(k.site.httpd.next_port(), "/app/x").status, 403);
}

CLAIM(a_servlet_in_tomcat_reads_partner_and_certificate) {
    std::string jars;
    for (const char* name : {"catalina", "coyote", "juli", "util", "util-scan", "api", "jni", "servlet-api",
                             "annotations-api", "jaspic-api"}) {
        jars += std::string(jars.empty() ? "" : ":") + "/usr/share/java/tomcat10-" + name + ".jar";
    }
    if (!fs::exists("/usr/share/java/tomcat10-catalina.jar")) skip("there is no Tomcat on this machine");
    Kitchen k;
    const std::string port = std::to_string(k.site.httpd.next_port());
    k.start(replaced(recipe("Tomcat"), "8080", port));
    const Program tomcat({"java", "-cp", jars, "tests/httpd/backend.java", port, k.site.httpd.root()});
    becomes([&k] { return k.status(&world().acme, "/shop/x"); }, 200, "the servlet answers");
    const mtls::CertificateFacts facts = mtls::read_facts(*world().acme.cert);
    CHECK_EQUAL(k.site.get(&world().acme, "/shop/x").body, "acme " + std::string(facts.serial));
    CHECK_EQUAL(k.status(&world().unnamed, "/shop/x"), 403);
    CHECK_EQUAL(plain_get(k.site.httpd.next_port(), "/shop/x").status, 403);
}

CLAIM(the_comparison_of_log_only_is_right_for_rules_that_answer_401_or_403) {
    if (run_command({"jq", "--version"}, "").status != 0) skip("there is no jq on this machine");
    const World& w = world();
    Kitchen k;
    k.site.httpd.write("passwd", "joe:$apr1$abcdefgh$Zzs1CP.8VQAkGA8cPo30A0\n");
    const std::string password =
        "<Location /orders/password>\n AuthType Basic\n AuthName old\n AuthUserFile passwd\n Require valid-user\n"
        "</Location>\n";
    k.start(replaced(recipe("Rolling out a gate"), "MTLSAllow group suppliers", "MTLSAllow partner acme") + password);
    // The old rule lets in Globex, but not Acme; there is no such page.
    CHECK_EQUAL(k.status(&w.globex, "/orders/x"), 403);
    const Identity old = acme_unit("Old", "old", w.globex_ca);
    CHECK_EQUAL(k.status(&old, "/orders/late"), 404);
    CHECK_EQUAL(k.status(&w.acme, "/orders/new"), 403);
    CHECK_EQUAL(k.status(&w.acme, "/orders/password/new"), 401);
    CHECK_EQUAL(k.status(&w.globex, "/orders/password/both-deny"), 401);
    const auto commands = shown_blocks(kCookbook, "sh", "Rolling out a gate").at(0);
    const std::string asked = "until [ $(wc -l < logs/mtls_audit.log) = 5 ]; do sleep 0.1; done\n" + commands;
    const std::string out = run_command({"sh", "-ec", asked}, k.site.httpd.root()).text;
    for (const char* path : {"/orders/late", "/orders/new", "/orders/password/new"}) CHECK_CONTAINS(out, path);
    for (const char* path : {"/orders/x", "both-deny"}) CHECK(out.find(path) == std::string::npos);
}
