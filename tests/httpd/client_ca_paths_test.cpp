// MTLSClientCA: which anchor the handshake takes, with which helpers, and whom it blames.
#include <filesystem>

#include "claims.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;
namespace fs = std::filesystem;

namespace {

std::string partner_of(const std::string& name, const std::string& lines) {
    return "<MTLSPartner " + name + ">\nMTLSIdentity CN:" + name + "\n" + lines + "\n</MTLSPartner>\n";
}

// Its handshakes trust live anchors alone: mod_ssl's own CAs issue none of these certificates.
struct Server {
    Httpd httpd;
    bool is_on = false;  // MTLSClientCA
    Server() : httpd(httpd_paths()) {
        world().install(httpd);
        httpd.write("partners/readme.conf", "# partners\n");
    }
    void start(const std::string& policy, const std::string& mode = "On", const std::string& tls = "") {
        is_on = mode == "On";
        httpd.set_tls_lines("SSLVerifyClient optional\nMTLSClientCA " + mode + "\n" + tls);
        httpd.configure("AliasMatch ^/gate/ \"" + httpd.path("htdocs/ok.html") +
                        "\"\nMTLSPolicyFile partners/*.conf\n<Location /gate>\n MTLSAllow any-partner\n</Location>\n" +
                        policy);
        httpd.start();
    }
    // 0: the handshake was refused.
    int get(const Identity& who, const std::vector<const Identity*>& sent = {}, int tls = TLS1_3_VERSION,
            bool resumed = false) const {
        ClientOptions options;
        options.identity = &who;
        options.chain = sent;
        options.tls = tls;
        TlsClient client(httpd.port(), options);
        const int status = client.get("/gate/x").status;
        if (!resumed || status == 0) return status;
        const SslSessionPtr session = client.session();
        TlsClient again(httpd.port(), options, session.get());
        CHECK(again.resumed());
        return again.get("/gate/x").status;
    }
};

CertSpec spec_of(const std::string& cn, bool ca, bool key_identifiers = true) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = ca;
    spec.key_identifiers = key_identifiers;
    return spec;
}

const char* const kName = "Internet Widgits Pty Ltd";

}  // namespace

CLAIM(partners_whose_cas_have_one_name_are_all_let_in) {
    for (const bool key_identifiers : {false, true}) {
        Server server;
        std::vector<Identity> cas, clients;
        std::string policy;
        const char* const names[] = {"acme", "globex", "third"};
        for (const std::string name : names) {
            cas.push_back(issue(spec_of(kName, true, key_identifiers), nullptr));
            clients.push_back(issue(spec_of(name, false, false), &cas.back()));
            server.httpd.write(name + ".ca", cas.back().cert_pem());
            policy += partner_of(name, "MTLSTrustAnchor " + name + ".ca");
        }
        server.start(policy);
        for (const Identity& client : clients) {
            for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
                CHECK_EQUAL(server.get(client, {}, tls, true), 200);
            }
            CHECK_EQUAL(server.get(client, {&cas[0]}), 200);
            CHECK_EQUAL(server.get(client, {&cas[2], &cas[1], &cas[0]}), 200);
        }
        // A CA of that name that the policy does not have, and acme's name by globex's CA.
        const Identity other = issue(spec_of(kName, true, key_identifiers), nullptr);
        CHECK_EQUAL(server.get(issue(spec_of("acme", false, false), &other)), 0);
        CHECK_EQUAL(server.get(issue(spec_of("acme", false, false), &other), {&cas[0]}), 0);
        CHECK_EQUAL(server.get(issue(spec_of("acme", false, false), &cas[1])), 403);
        CHECK(server.httpd.wait_for_log("reason=wrong-issuer"));
        CHECK(server.httpd.wait_for_log("has the same name as one of acme"));
    }
}

CLAIM(a_live_anchor_of_a_known_name_shuts_out_neither_partner) {
    const Identity ca = issue(spec_of(kName, true), nullptr), twin = issue(spec_of(kName, true, false), nullptr);
    const Identity acme = issue(spec_of("acme", false), &ca), globex = issue(spec_of("globex", false, false), &twin);
    Server server;
    server.httpd.write("acme.ca", ca.cert_pem());
    server.httpd.write("globex.ca", twin.cert_pem());
    server.start(partner_of("acme", "MTLSTrustAnchor acme.ca"));
    CHECK_EQUAL(server.get(acme), 200);
    CHECK_EQUAL(server.get(globex), 0);
    server.httpd.write("partners/.new", partner_of("globex", "MTLSTrustAnchor globex.ca"));
    fs::rename(server.httpd.path("partners/.new"), server.httpd.path("partners/globex.conf"));
    becomes([&] { return server.get(globex); }, 200, "the one that came");
    for (int i = 0; i < 6; ++i) becomes([&] { return server.get(acme); }, 200, "the one that was there");
    CHECK(server.httpd.wait_for_log("has the same name as one of acme"));
}

CLAIM(the_policys_intermediates_help_a_client_that_sends_its_leaf_alone) {
    const Identity root = issue(spec_of("Root", true), nullptr), other = issue(spec_of("Other", true), nullptr);
    const Identity issuing = issue(spec_of("Issuing", true), &root);
    const Identity twin = issue(spec_of("Issuing", true), &root), foreign = issue(spec_of("F", true), &other);
    const Identity upper = issue(spec_of("Upper", true), &root), lower = issue(spec_of("Lower", true), &upper);
    const Identity api = issue(spec_of("api", false), &issuing);
    const auto start = [&](Server& server, const std::string& helpers) {
        for (const auto& [name, ca] : {std::pair{"root", &root},
                                       {"issuing", &issuing},
                                       {"twin", &twin},
                                       {"foreign", &foreign},
                                       {"upper", &upper},
                                       {"lower", &lower}}) {
            server.httpd.write(std::string(name) + ".pem", ca->cert_pem());
        }
        server.start(partner_of("api", "MTLSTrustAnchor root.pem\n" + helpers));
    };
    Server server;
    start(server, "MTLSIntermediate twin.pem issuing.pem foreign.pem upper.pem lower.pem");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) CHECK_EQUAL(server.get(api, {}, tls, true), 200);
    CHECK_EQUAL(server.get(api, {&issuing}), 200);
    CHECK_EQUAL(server.get(api, {&twin, &issuing}), 200);
    const Identity deep = issue(spec_of("api", false), &lower);
    CHECK_EQUAL(server.get(deep), 200);
    CHECK_EQUAL(server.get(deep, {&lower}), 200);
    // What helps is trusted by that for nothing.
    CHECK_EQUAL(server.get(issue(spec_of("api", false), &foreign)), 0);
    Server without;
    start(without, "MTLSIntermediate twin.pem");
    CHECK_EQUAL(without.get(api), 0);
    CHECK(without.httpd.wait_for_log("reason=unknown-ca"));
    CHECK_CONTAINS(without.httpd.error_log(), "MTLSIntermediate");
    CHECK_EQUAL(without.get(api, {&issuing}), 200);
}

CLAIM(the_policys_intermediates_help_below_mod_ssls_own_cas_too) {
    const World& w = world();
    const Identity leaf = issue(spec_of("api", false), &w.acme_sub);
    Server server;
    server.httpd.write("sub.pem", w.acme_sub.cert_pem());
    server.start(partner_of("api", "MTLSTrustAnchor mod_ssl\nMTLSIntermediate sub.pem"));
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) CHECK_EQUAL(server.get(leaf, {}, tls, true), 200);
}

CLAIM(a_refused_handshake_names_the_certificate_at_fault) {
    const Identity root = issue(spec_of("Root", true), nullptr);
    CertSpec old_spec = spec_of("Old Issuing", true);
    old_spec.not_before = -90000;
    old_spec.not_after = -80000;
    const Identity old = issue(old_spec, &root), good = issue(spec_of("Good Issuing", true), &root);
    CertSpec named_spec = spec_of("Named Issuing", true);
    named_spec.name_constraints = "critical,permitted;DNS:acme.example";
    const Identity named = issue(named_spec, &root);
    CertSpec late = spec_of("api", false), server_only = late, outside = late;
    late.not_before = -90000;
    late.not_after = -80000;
    server_only.eku = "serverAuth";
    outside.san = {{GEN_DNS, "evil.example"}};
    struct Case {
        std::string at, reason;
        Identity client;
        const Identity* sent;
    };
    std::vector<Case> cases;
    cases.push_back({"Old Issuing", "expired", issue(spec_of("api", false), &old), &old});
    cases.push_back({"api", "expired", issue(late, &good), &good});
    cases.push_back({"api", "wrong-purpose", issue(server_only, &good), &good});
    cases.push_back({"api", "constraint", issue(outside, &named), &named});
    for (const char* mode : {"On", "Off"}) {
        Server server;
        server.httpd.write("root.pem", root.cert_pem());
        server.httpd.write("client-cas.pem",
                           std::string(mode) == "Off" ? root.cert_pem() : world().globex_ca.cert_pem());
        server.start(partner_of("api", "MTLSTrustAnchor root.pem"), mode);
        for (const Case& c : cases) {
            CHECK_EQUAL(server.get(c.client, {c.sent}), 0);
            CHECK(server.httpd.wait_for_log("sha256=" + hex_sha256(c.client)));
            const std::string log = server.httpd.error_log();
            const std::size_t end = log.find("sha256=" + hex_sha256(c.client));
            const std::string line = log.substr(log.rfind("refused handshake", end), end);
            CHECK_CONTAINS(line, "reason=" + c.reason);
            CHECK_CONTAINS(line, "at=\"CN=" + c.at + "\"");
        }
        CHECK_EQUAL(server.get(issue(spec_of("api", false), &good), {&good}), 200);
    }
}

CLAIM(a_refused_handshake_says_what_the_way_to_a_trust_anchor_lacks) {
    const Identity root = issue(spec_of("Root", true), nullptr), foreign = issue(spec_of("Foreign", true), nullptr);
    const Identity upper = issue(spec_of("Upper", true), &root), lower = issue(spec_of("Lower", true), &upper);
    const Identity api = issue(spec_of("api", false), &root), deep = issue(spec_of("api", false), &lower);
    const Identity stranger = issue(spec_of("api", false), &foreign), itself = issue(spec_of("api", false), nullptr);
    const std::string known =
        "; the policy has the CA \"CN=Root\" above it, and this virtual host has not: here "
        "MTLSClientCA On would let it in";
    struct Case {
        const Identity& client;
        std::vector<const Identity*> sent;
        std::string reason;
        std::string end;  // of the line, or empty: it is let in
    };
    const auto try_all = [&](Server& server, const std::vector<Case>& cases) {
        for (const Case& c : cases) {
            CHECK_EQUAL(server.get(c.client, c.sent), c.end.empty() ? 200 : 0);
            if (c.end.empty()) continue;
            const std::string mark = "sha256=" + hex_sha256(c.client);
            CHECK(server.httpd.wait_for_log(mark));
            const std::string line = line_with(server.httpd.error_log(), mark);
            CHECK_CONTAINS(line, "refused handshake: reason=" + c.reason + " ");
            const bool says_on = line.find("; MTLSClientCA is On here; missing") != std::string::npos;
            CHECK_EQUAL(says_on, server.is_on && c.end.starts_with("; missing"));
            check(line.ends_with(c.end), line + " should end with " + c.end, __FILE__, __LINE__);
        }
    };
    const std::string policy = partner_of("api", "MTLSTrustAnchor root.pem");
    const std::string alone = ", and the client sent its own certificate alone";
    const std::vector<Case> by_neither = {
        {deep, {}, "unknown-ca", "; missing is \"CN=Lower\", which issued \"CN=api\"" + alone},
        {stranger, {}, "unknown-ca", "; missing is \"CN=Foreign\", which issued \"CN=api\"" + alone},
        {itself, {}, "unknown-ca", "; \"CN=api\" is self-signed, and trusted by nobody here"}};
    Server off;
    off.httpd.write("root.pem", root.cert_pem());
    off.start(policy, "Off");
    try_all(off, by_neither);
    try_all(off, {{api, {}, "unknown-ca", known},
                  {issue(spec_of("api", false), &lower), {&lower, &upper}, "unknown-ca", known}});

    Server on;
    on.httpd.write("root.pem", root.cert_pem());
    on.start(policy, "On", "SSLVerifyDepth 2\n");
    try_all(on, by_neither);
    try_all(on, {{api, {}, "", ""}});
    const Identity again = issue(spec_of("api", false), &lower);
    try_all(on, {{again, {&lower}, "unknown-ca", "; missing is \"CN=Upper\", which issued \"CN=Lower\""}});
    const Identity last = issue(spec_of("api", false), &lower);
    try_all(on, {{last, {&lower, &upper}, "too-deep", "raise it; this path needs SSLVerifyDepth 3"}});
    CHECK_CONTAINS(on.httpd.error_log(), "reason=too-deep detail=\"certificate chain too long\"");
    try_all(on, {{issue(spec_of("api", false), &upper), {&upper}, "", ""}});
}

CLAIM(without_a_policy_no_partner_is_told_to_have_its_ca_added) {
    const Identity root = issue(spec_of("Root", true), nullptr), api = issue(spec_of("api", false), &root);
    for (const char* mode : {"On", "Off"}) {
        Server server;
        server.httpd.write("partners/broken.conf", "MTLSNonsense x\n");
        server.start("MTLSPolicyStart last-good\n", mode);
        CHECK_EQUAL(server.get(api), 0);
        const std::string mark = " sha256=" + hex_sha256(api) + ": ";
        CHECK(server.httpd.wait_for_log(mark));
        const std::string line = line_with(server.httpd.error_log(), mark);
        CHECK_CONTAINS(line, "refused handshake: reason=unknown-ca ");
        const std::string begin = server.is_on
                                      ? "no policy is in force in this process, so no trust anchor of it counts"
                                      : "no path leads to a CA that this virtual host trusts; if the partner";
        CHECK_CONTAINS(line, mark + begin);
        CHECK_EQUAL(line.find("MTLSTrustAnchor") == std::string::npos, server.is_on);
    }
}

CLAIM(a_refused_handshake_says_that_an_anchor_counts_at_another_time) {
    const Identity old_ca = issue(spec_of("Old", true), nullptr), new_ca = issue(spec_of("New", true), nullptr);
    const Identity by_old = issue(spec_of("api", false), &old_ca), by_new = issue(spec_of("api", false), &new_ca);
    const Identity by_other = issue(spec_of("other", false), &new_ca);
    Server server;
    server.httpd.write("old.pem", old_ca.cert_pem());
    server.httpd.write("new.pem", new_ca.cert_pem());
    server.httpd.write("partners/api.conf",
                       partner_of("api",
                                  "MTLSTrustAnchor old.pem until=2026-03-31\nMTLSTrustAnchor new.pem "
                                  "from=2090-01-15"));
    server.start("");
    const std::string place = server.httpd.path("partners/api.conf");
    const std::vector<std::pair<const Identity*, std::string>> cases = {
        {&by_old, "; api has this CA by MTLSTrustAnchor at " + place +
                      ":3, which ended 2026-03-31T23:59:59Z: write a later until= if its certificates may go on"},
        {&by_new, "; api has this CA by MTLSTrustAnchor at " + place +
                      ":4, which begins 2090-01-15T00:00:00Z: write an earlier from= if they may come before"},
        {&by_other, "from= if they may come before"}};
    for (const auto& [client, end] : cases) {
        CHECK_EQUAL(server.get(*client), 0);
        const std::string mark = "sha256=" + hex_sha256(*client);
        CHECK(server.httpd.wait_for_log(mark));
        const std::string line = line_with(server.httpd.error_log(), mark);
        CHECK_CONTAINS(line, "refused handshake: reason=unknown-ca ");
        check(line.ends_with(end), line + " should end with " + end, __FILE__, __LINE__);
    }
}
