// One <VirtualHost> that httpd reads several times: each virtual host has the settings of its own reading.
#include "claims.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

// As `openssl rehash` names it.
std::string hashed(const Identity& ca, const char* dot) {
    char out[32];
    std::snprintf(out, sizeof out, "%08lx%s0", X509_NAME_hash(X509_get_subject_name(ca.cert.get())), dot);
    return out;
}

// Tenants with a CA and a CRL each, in folders of their own. mod_ssl verifies nothing: the answers are the module's.
struct Tenants {
    struct Tenant {
        std::string name;
        Identity ca, good, revoked;
    };
    Httpd httpd;
    std::vector<Tenant> all;

    Tenants() : httpd(httpd_paths()) {
        world().install(httpd);
        httpd.load("macro");
        for (const char* name : {"one", "two", "three"}) {
            Identity ca = make_ca(std::string(name) + " CA");
            Identity good = make_client("client", "client.example.org", ca),
                     revoked = make_client("client", "client.example.org", ca);
            CrlSpec spec;
            spec.revoked = {{&revoked, 1}};
            httpd.write(name + ("/ca/" + hashed(ca, ".")), ca.cert_pem());
            httpd.write(name + ("/crl/" + hashed(ca, ".r")), make_crl(ca, spec));
            all.push_back({name, std::move(ca), std::move(good), std::move(revoked)});
        }
    }

    std::string host(const std::string& name) const {
        return "<VirtualHost 127.0.0.1:" + std::to_string(httpd.port()) + ">\nServerName " + name +
               ".example\nSSLEngine on\nSSLCertificateFile server.pem\nSSLCertificateKeyFile server.pem\n"
               "SSLVerifyClient optional_no_ca\nSSLCACertificatePath " +
               name + "/ca\nSSLCARevocationPath " + name +
               "/crl\nSSLCARevocationCheck none\n<IfDefine CLOSED>\n<Location /free/acme>\nAuthType MTLS\n"
               "Require user client\n</Location>\n</IfDefine>\n</VirtualHost>\n";
    }
    // `file` is included once for each tenant, in this order; CLOSED is defined for the last one.
    void start(const std::string& lines, const std::string& file, const std::vector<std::string>& order) {
        std::string out =
            "AliasMatch ^/(gate|free) \"" + httpd.path("htdocs/ok.html") +
            "\"\n<MTLSPartner client>\nMTLSIdentity CN:client\nMTLSTrustAnchor mod_ssl\n</MTLSPartner>\n" + lines;
        for (const std::string& name : order) {
            if (name == order.back()) out += "Define CLOSED\n";
            out += "Define TENANT " + name + "\nInclude " + file + "\nUnDefine TENANT\n";
        }
        httpd.configure(out);
        httpd.start();
    }
    int get(const Identity& who, const std::string& name, const std::string& path) const {
        ClientOptions options = as(who);
        options.server_name = name + ".example";
        return TlsClient(httpd.port(), options).get(path, "Host: " + options.server_name + "\r\n").status;
    }
    void check_each_has_its_own() const {
        for (const Tenant& client : all) {
            for (const Tenant& host : all) {
                CHECK_EQUAL(get(client.good, host.name, "/gate/x"), &client == &host ? 200 : 403);
                CHECK_EQUAL(get(client.revoked, host.name, "/gate/x"), 403);
            }
        }
    }
};

const std::vector<std::string> kOrders[] = {{"one", "two", "three"}, {"three", "one", "two"}};
const std::string kGate = location("/gate", "MTLSAllow any-partner");

}  // namespace

CLAIM(a_template_that_is_included_for_each_virtual_host_has_the_cas_and_crls_of_each) {
    for (const auto& order : kOrders) {
        Tenants tenants;
        tenants.httpd.write("tenant.conf", tenants.host("${TENANT}"));
        tenants.start(kGate, "tenant.conf", order);
        tenants.check_each_has_its_own();
        CHECK_CONTAINS(tenants.httpd.error_log(), "reason=revoked");
    }
}

CLAIM(a_macro_that_makes_virtual_hosts_has_the_cas_and_crls_of_each) {
    for (const auto& order : kOrders) {
        Tenants tenants;
        tenants.httpd.write("use.conf", "Use Tenant ${TENANT}\n");
        tenants.start(kGate + "<Macro Tenant $name>\n" + tenants.host("$name") + "</Macro>\n", "use.conf", order);
        tenants.check_each_has_its_own();
    }
}

CLAIM(a_template_that_asks_for_logins_in_one_virtual_host_guards_that_one) {
    for (const auto& order : kOrders) {
        Tenants tenants;
        tenants.httpd.write("tenant.conf", tenants.host("${TENANT}"));
        tenants.start("", "tenant.conf", order);
        for (const auto& tenant : tenants.all) {
            const bool is_closed = tenant.name == order.back();
            CHECK_EQUAL(tenants.get(world().globex, tenant.name, "/free/acme/x"), is_closed ? 403 : 200);
            CHECK_EQUAL(tenants.get(world().globex, tenant.name, "/free/acme;/x"), is_closed ? 403 : 200);
            CHECK_EQUAL(tenants.get(world().globex, tenant.name, "/free/x"), 200);
        }
    }
}

CLAIM(a_virtual_host_whose_directives_cannot_be_told_apart_stops_the_start_and_says_what_to_do) {
    Tenants tenants;
    tenants.httpd.configure(World::policy());
    // httpd reads both options as one file of one name, and counts the lines of each from 1.
    const std::vector<std::string> one = {"-C", "<VirtualHost 127.0.0.1:1>", "-C", "</VirtualHost>"};
    std::vector<std::string> two = one;
    two.insert(two.end(), {"-c", "<VirtualHost 127.0.0.1:2>", "-c", "</VirtualHost>", "-t"});
    const auto refused = tenants.httpd.run(two);
    CHECK_EQUAL(refused.status, 1);
    CHECK_CONTAINS(refused.text, "write it into a file of its own, and Include that");
    std::vector<std::string> good = one;
    good.emplace_back("-t");
    CHECK_EQUAL(tenants.httpd.run(good).status, 0);
}

CLAIM(what_a_macro_makes_is_named_by_the_line_that_uses_it) {
    const World& w = world();
    Httpd httpd(httpd_paths());
    w.install(httpd);
    httpd.load("macro");
    const auto configure = [&httpd](const std::string& selector) {
        httpd.write("macros.conf",
                    "<Macro Partner $name>\n<MTLSPartner $name>\nMTLSTrustAnchor $name.pem\nMTLSIdentity " + selector +
                        "\n</MTLSPartner>\n</Macro>\n<Macro Gate $path $name>\n<Location $path>\n"
                        "MTLSAllow partner $name\n</Location>\n</Macro>\n"
                        "<Macro Both $name>\nUse Partner $name\nUse Gate /$name $name\n</Macro>\n");
        httpd.write("my sites.conf", "# Uses\n\nUse Both acme\nUse Partner globex\nUse Gate /other acme\n");
        httpd.configure("Include macros.conf\nInclude \"my sites.conf\"\n");
    };
    configure("DNS:api.$name.example");
    httpd.start();
    for (const auto& [path, line] : {std::pair("/acme/x", ":3"), std::pair("/other/x", ":5")}) {
        CHECK_EQUAL(TlsClient(httpd.port(), as(w.globex)).get(path).status, 403);
        CHECK(httpd.wait_for_log("gate=\"my sites.conf" + std::string(line) + "\""));
    }
    CHECK_CONTAINS(httpd.error_log(), "rule=\"my sites.conf:4\"");
    CHECK_EQUAL(httpd.error_log().find("macro '"), std::string::npos);
    CHECK_EQUAL(TlsClient(httpd.port(), as(w.acme)).get("/acme/x").status, 404);
    // An error says its own line of the macro.
    configure("nonsense:x");
    const std::string said = httpd.run({"-t"}).text;
    CHECK_CONTAINS(said, "MTLSIdentity: ");
    CHECK_CONTAINS(said, "used on line 3 of");
}
