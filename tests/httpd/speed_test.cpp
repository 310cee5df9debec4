// What a gate costs, in instructions inside a real httpd.
#include <algorithm>
#include <map>

#include "claims.hpp"
#include "instructions.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

// What a server is asked, over and over on one connection.
struct Site {
    std::string lines;               // of its configuration, beside Require all granted in /gate and /other
    std::vector<std::string> paths;  // by turns
    std::string mpm = "worker";
};

void prepare(Httpd& httpd, bool with_module) {
    world().install(httpd);
    httpd.copy_module();
    if (!with_module) httpd.leave_out_module();
    httpd.set_log_level("warn");
}

// Of one request on a connection that has had some before.
long instructions_per_request(const Site& site, bool with_module) {
    Httpd httpd(httpd_paths());
    prepare(httpd, with_module);
    // With threads, since mod_watchdog's alone would make a process without them slower; with one that serves, so that
    // no connection pays for what a thread does once.
    const std::string one = site.mpm == "prefork" ? "StartServers 1\nMaxRequestWorkers 1\n" : "ThreadsPerChild 1\n";
    httpd.configure(one + "AliasMatch ^/(gate|other|free)/ \"" + httpd.path("htdocs/ok.html") + "\"\n" + site.lines,
                    site.mpm);
    const InstructionCounter counter(httpd.root());
    httpd.start(counter.wrapper());
    const auto connect_and_ask = [&](int requests) {
        ClientOptions options;
        options.identity = &world().acme;
        TlsClient client(httpd.port(), options);
        for (int i = 0; i < requests; ++i) {
            const auto at = static_cast<std::size_t>(i) % site.paths.size();
            CHECK_EQUAL(client.get(site.paths[at]).status, 200);
        }
    };
    constexpr int kFew = 50, kMany = 450, kTimes = 3;
    connect_and_ask(kFew);  // what a process does once
    for (int i = 0; i < kTimes; ++i) connect_and_ask(kFew);
    for (int i = 0; i < kTimes; ++i) connect_and_ask(kMany);
    connect_and_ask(1);
    httpd.stop();
    const auto parts = counter.parts();
    CHECK(parts.size() > 2 * kTimes);
    // The least, since connections differ in how the heap happens to lie.
    const long many = InstructionCounter::least(parts, kTimes, 1);
    const long few = InstructionCounter::least(parts, kTimes, 1 + kTimes);
    return (many - few) / (kMany - kFew);
}

std::string policy(const std::string& grants) {
    return "MTLSPolicyRefresh 0\n<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n" +
           grants + "</MTLSPartner>\n";
}
const std::string kTwoPaths = "MTLSGrant read /gate/*/17 /other/**\n";

std::string both(const std::string& rule) {
    return location("/gate", "    Require all granted\n    " + rule) +
           location("/other", "    Require all granted\n    " + rule);
}

// What the module adds to a request, beside the same server without it.
void adds_at_most(long most, const std::string& name, const std::string& policy_lines, const std::string& rule,
                  const std::vector<std::string>& paths, const std::string& mpm = "worker") {
    if (httpd_paths().is_sanitized()) return;
    static std::map<std::pair<std::vector<std::string>, std::string>, long> known;
    long& without = known[{paths, mpm}];
    if (without == 0) without = instructions_per_request({both(""), paths, mpm}, false);
    const long gated = instructions_per_request({policy_lines + both(rule), paths, mpm}, true);
    std::printf("  %s: %ld instructions added to %ld\n", name.c_str(), gated - without, without);
    CHECK(gated > without);
    CHECK(gated - without <= most);
}

const std::vector<std::string> kOnePath = {"/gate/orders/17"};

// Grants for /gate/orders/0/** and so on, and for one below them all.
std::string grants(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += "MTLSGrant read /gate/orders/" + std::to_string(i) + "/**\n";
    return out;
}
std::vector<std::string> paths_of_grants(int count) {
    std::vector<std::string> out;
    for (int i = 0; i < 50; ++i) out.push_back("/gate/orders/" + std::to_string(i * count / 50) + "/a");
    return out;
}

struct PerConnection {
    long full = 0, resumed = 0, first_seen = 0;
};

constexpr std::size_t kTimes = 7;

// Clients of acme's that no process has seen.
const std::vector<Identity>& strangers() {
    static const std::vector<Identity> all = [] {
        std::vector<Identity> out;
        while (out.size() < kTimes) out.push_back(make_client("api", "api.acme.example", world().acme_ca));
        return out;
    }();
    return all;
}

// Of a handshake with one request: for a client whose chain the process knows, and for those that it has never seen.
PerConnection instructions_per_connection(const ClientOptions& client, bool with_module) {
    Httpd httpd(httpd_paths());
    prepare(httpd, with_module);
    const std::string rule =
        with_module ? "    Require all granted\n    MTLSAllow any-partner" : "    Require all granted";
    httpd.configure("ThreadsPerChild 1\nAliasMatch ^/gate/ \"" + httpd.path("htdocs/ok.html") + "\"\n" +
                        (with_module ? policy("") : "") + location("/gate", rule),
                    "worker");
    const InstructionCounter counter(httpd.root());
    httpd.start(counter.wrapper());
    SslSessionPtr session;
    const auto connect_and_ask = [&](const ClientOptions& who, bool resumes) {
        TlsClient c(httpd.port(), who, resumes ? session.get() : nullptr);
        CHECK_EQUAL(c.get("/gate/x").status, 200);
        session = c.session();
    };
    for (std::size_t i = 0; i < 2 + kTimes; ++i) connect_and_ask(client, false);
    for (std::size_t i = 0; i < 1 + kTimes; ++i) connect_and_ask(client, true);
    for (const Identity& stranger : strangers()) connect_and_ask(as(stranger), false);
    connect_and_ask(client, false);
    httpd.stop();
    const auto parts = counter.parts();
    // The first connection that was to resume made the session.
    return {InstructionCounter::median(parts, kTimes, 1 + kTimes + kTimes + 1),
            InstructionCounter::median(parts, kTimes, 1 + kTimes), InstructionCounter::median(parts, kTimes, 1)};
}

// In thousandths of httpd's own.
void adds_to_connections_at_most(long full, long resumed, long first_seen, const ClientOptions& client) {
    if (httpd_paths().is_sanitized()) return;
    const PerConnection without = instructions_per_connection(client, false);
    const PerConnection with = instructions_per_connection(client, true);
    std::printf("  full: %ld instructions added to %ld, resumed: %ld to %ld, never seen: %ld to %ld\n",
                with.full - without.full, without.full, with.resumed - without.resumed, without.resumed,
                with.first_seen - without.first_seen, without.first_seen);
    CHECK(with.full > without.full);
    CHECK(with.full - without.full <= without.full * full / 1000);
    CHECK(with.resumed - without.resumed <= without.resumed * resumed / 1000);
    CHECK(with.first_seen - without.first_seen <= without.first_seen * first_seen / 1000);
}

constexpr int kAnchors = 160;

// Of a handshake in which 160 names are announced, with a client that has no certificate.
long instructions_per_handshake(bool by_mod_ssl) {
    Httpd httpd(httpd_paths());
    prepare(httpd, true);
    std::string cas = world().acme_ca.cert_pem(), policy;
    for (int i = 0; i < kAnchors; ++i) {
        const std::string number = std::to_string(i);
        const std::string pem = make_ca("A CA of partner number " + number).cert_pem();
        if (by_mod_ssl) cas += pem;
        httpd.write("p" + number + ".pem", pem);
        policy += "<MTLSPartner p" + number + ">\nMTLSIdentity CN:p" + number + "\nMTLSTrustAnchor p" + number +
                  ".pem\n</MTLSPartner>\n";
    }
    httpd.write("cas.pem", cas);
    httpd.set_tls_lines("SSLVerifyClient optional\nSSLCACertificateFile " + httpd.path("cas.pem") + "\nMTLSClientCA " +
                        (by_mod_ssl ? "Quiet" : "On") + "\n");
    httpd.configure("ThreadsPerChild 1\nMTLSPolicyRefresh 0\n" + policy, "worker");
    const InstructionCounter counter(httpd.root());
    httpd.start(counter.wrapper());
    for (std::size_t i = 0; i < kTimes; ++i) {
        CHECK_EQUAL(TlsClient(httpd.port(), ClientOptions{}).announced().size(), kAnchors + 1U);
    }
    httpd.stop();
    const auto parts = counter.parts();
    CHECK(parts.size() > kTimes);
    return InstructionCounter::median(parts, kTimes, 1);
}

}  // namespace

CLAIM(names_of_live_anchors_cost_a_handshake_at_most_a_tenth_more_than_mod_ssls_own, Turn::kFirst) {
    if (httpd_paths().is_sanitized()) return;
    const long own = instructions_per_handshake(true), live = instructions_per_handshake(false);
    std::printf("  a handshake: %ld instructions with mod_ssl's names, %ld with those of live anchors\n", own, live);
    CHECK(live <= own + own / 10);
}

CLAIM(a_gate_adds_at_most_1450_instructions_to_a_request_on_a_known_connection, Turn::kFirst) {
    adds_at_most(1450, "the same gate", policy(kTwoPaths), "MTLSAllow partner acme globex", kOnePath);
}

CLAIM(gates_asked_by_turns_add_as_few_instructions_as_one, Turn::kFirst) {
    adds_at_most(1450, "two gates by turns", policy(kTwoPaths), "MTLSAllow partner acme globex",
                 {"/gate/orders/17", "/other/orders/17"});
}

CLAIM(a_request_outside_of_every_gate_adds_at_most_450_instructions, Turn::kFirst) {
    adds_at_most(450, "outside of gates", policy(kTwoPaths), "MTLSAllow partner acme globex", {"/free/orders/17"});
}

CLAIM(a_gate_that_asks_grants_adds_at_most_1950_instructions_with_a_wildcard_in_the_path, Turn::kFirst) {
    adds_at_most(1950, "by-grant", policy(kTwoPaths), "MTLSAllow by-grant", kOnePath);
}

CLAIM(a_thousand_grants_cost_hardly_more_instructions_than_one, Turn::kFirst) {
    adds_at_most(2150, "1,000 grants by turns", policy(grants(1000)), "MTLSAllow by-grant", paths_of_grants(1000));
}

CLAIM(a_gate_adds_as_few_instructions_where_processes_have_no_threads, Turn::kFirst) {
    adds_at_most(1450, "prefork", policy(kTwoPaths), "MTLSAllow partner acme globex", kOnePath, "prefork");
}

const std::string kAudit = "MTLSAuditLog logs/audit.log all\n";

CLAIM(an_audit_line_for_each_grant_adds_at_most_13200_instructions, Turn::kFirst) {
    adds_at_most(13200, "an audit line", policy(kTwoPaths) + kAudit, "MTLSAllow partner acme globex", kOnePath);
}

CLAIM(what_is_handed_to_the_backend_adds_at_most_4500_instructions, Turn::kFirst) {
    adds_at_most(4500, "MTLSForward", policy(kTwoPaths),
                 "MTLSAllow partner acme globex\n    MTLSForward cert=rfc9440 partner=X-Partner", kOnePath);
}

CLAIM(audit_line_forwarding_and_status_together_add_at_most_16300_instructions, Turn::kFirst) {
    adds_at_most(16300, "audit, forward and status",
                 policy(kTwoPaths) + kAudit + location("/status", "    MTLSStatus On"),
                 "MTLSAllow partner acme globex\n    MTLSForward cert=rfc9440 partner=X-Partner", kOnePath);
}

CLAIM(a_known_client_costs_a_connection_at_most_a_hundredth_more_instructions, Turn::kFirst) {
    ClientOptions client;
    client.identity = &world().acme;
    adds_to_connections_at_most(10, 10, 70, client);
}

CLAIM(two_rsa_intermediates_cost_a_new_connection_few_instructions_more, Turn::kFirst) {
    if (httpd_paths().is_sanitized()) return;
    const auto rsa_key = [] { return mtls::EvpPkeyPtr(EVP_RSA_gen(2048)); };
    const Identity upper = make_ca("Upper", &world().acme_ca, rsa_key()), lower = make_ca("Lower", &upper, rsa_key());
    CertSpec spec;
    spec.subject = {{"CN", "api"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    const Identity leaf = issue(spec, &lower, rsa_key());
    ClientOptions client;
    client.identity = &leaf;
    client.chain = {&lower, &upper};
    adds_to_connections_at_most(25, 50, 70, client);
}
