// What a gate costs, in instructions inside a real httpd.
#include <algorithm>
#include <map>

#include "claims.hpp"
#include "instructions.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;

namespace {

void prepare(Httpd& httpd, bool with_module) {
    world().install(httpd);
    httpd.copy_module();
    if (!with_module) httpd.leave_out_module();
    httpd.set_log_level("warn");
}

// What a client asks by turns, over and over on one connection.
using Paths = std::vector<std::string>;

// The rules of two sections, which are as many without the module.
struct Rules {
    std::string gate, other;
};

const std::string kAllow = "MTLSAllow partner acme globex";
const std::string kForward = kAllow + "\nMTLSForward cert=rfc9440 partner=X-Partner";

// Of one request on a connection that has had some before, for each of `asked`. `lines`: beside the sections.
std::vector<long> instructions_per_request(const std::string& lines, const Rules& rules,
                                           const std::vector<Paths>& asked, bool with_module, const std::string& mpm) {
    Httpd httpd(httpd_paths());
    prepare(httpd, with_module);
    // With threads, since mod_watchdog's alone would make a process without them slower; with one that serves, so that
    // no connection pays for what a thread does once.
    const std::string one = mpm == "prefork" ? "StartServers 1\nMaxRequestWorkers 1\n" : "ThreadsPerChild 1\n";
    std::string all = one + "AliasMatch ^/(gate|other|free)/ \"" + httpd.path("htdocs/ok.html") + "\"\n";
    all += location("/gate", "Require all granted\n" + (with_module ? rules.gate : ""));
    all += location("/other", "Require all granted\n" + (with_module ? rules.other : ""));
    httpd.configure(all + lines, mpm);
    const InstructionCounter counter(httpd.root());
    httpd.start(counter.wrapper());
    const auto connect_and_ask = [&](const Paths& paths, int requests) {
        ClientOptions options;
        options.identity = &world().acme;
        TlsClient client(httpd.port(), options);
        for (int i = 0; i < requests; ++i) {
            const auto at = static_cast<std::size_t>(i) % paths.size();
            CHECK_EQUAL(client.get(paths[at]).status, 200);
        }
    };
    constexpr int kFew = 50, kMany = 350, kTimes = 3;
    for (const Paths& paths : asked) connect_and_ask(paths, kFew);  // what a process does once
    for (const Paths& paths : asked) {
        for (int i = 0; i < kTimes; ++i) connect_and_ask(paths, kFew);
        for (int i = 0; i < kTimes; ++i) connect_and_ask(paths, kMany);
    }
    connect_and_ask(asked.front(), 1);
    httpd.stop();
    const auto parts = counter.parts();
    std::vector<long> out;
    for (std::size_t after = 1 + (asked.size() - 1) * 2 * kTimes; out.size() < asked.size(); after -= 2 * kTimes) {
        // The least, since connections differ in how the heap happens to lie.
        const long many = InstructionCounter::least(parts, kTimes, after);
        const long few = InstructionCounter::least(parts, kTimes, after + kTimes);
        out.push_back((many - few) / (kMany - kFew));
    }
    return out;
}

// A bound of what the module adds to a request, beside the same server without it.
struct Bound {
    const char* name;
    long most;
    Paths paths;
};

class Baseline {
public:
    explicit Baseline(std::string mpm = "worker") : mpm_(std::move(mpm)) {}

    void holds(const std::string& lines, const Rules& rules, const std::vector<Bound>& bounds) {
        std::vector<Paths> asked, not_known;
        for (const Bound& bound : bounds) {
            asked.push_back(bound.paths);
            if (!known_.contains(bound.paths)) not_known.push_back(bound.paths);
        }
        if (!not_known.empty()) {
            const auto counts = instructions_per_request("", rules, not_known, false, mpm_);
            for (std::size_t i = 0; i < counts.size(); ++i) known_[not_known[i]] = counts[i];
        }
        const auto gated = instructions_per_request(lines, rules, asked, true, mpm_);
        std::string over;
        for (std::size_t i = 0; i < bounds.size(); ++i) {
            const long without = known_[asked[i]], added = gated[i] - without;
            std::printf("  %s: %ld instructions added to %ld, at most %ld\n", bounds[i].name, added, without,
                        bounds[i].most);
            if (added <= 0 || added > bounds[i].most) over += (over.empty() ? "" : ", ") + std::string(bounds[i].name);
        }
        CHECK_EQUAL(over, "");
    }

private:
    std::string mpm_;
    std::map<Paths, long> known_;
};

std::string policy(const std::string& grants) {
    return "MTLSPolicyRefresh 0\n<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n" +
           grants + "</MTLSPartner>\n";
}

const std::string kTwoPaths = "MTLSGrant read /gate/*/17 /other/**\n";

const Paths kOnePath = {"/gate/orders/17"}, kOtherGate = {"/other/orders/17"}, kFree = {"/free/orders/17"};

// Grants for /gate/orders/0/** and so on, and for one below them all.
std::string grants(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += "MTLSGrant read /gate/orders/" + std::to_string(i) + "/**\n";
    return out;
}
Paths paths_of_grants(int count) {
    Paths out;
    for (int i = 0; i < 50; ++i) out.push_back("/gate/orders/" + std::to_string(i * count / 50) + "/a");
    return out;
}

struct PerConnection {
    long full = 0, resumed = 0, first_seen = 0;
};

constexpr std::size_t kConnections = 5;

// Clients of acme's that no process has seen.
const std::vector<Identity>& strangers() {
    static const std::vector<Identity> all = [] {
        std::vector<Identity> out;
        while (out.size() < kConnections) out.push_back(make_client("api", "api.acme.example", world().acme_ca));
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
    for (std::size_t i = 0; i < 2 + kConnections; ++i) connect_and_ask(client, false);
    for (std::size_t i = 0; i < 1 + kConnections; ++i) connect_and_ask(client, true);
    for (const Identity& stranger : strangers()) connect_and_ask(as(stranger), false);
    connect_and_ask(client, false);
    httpd.stop();
    const auto parts = counter.parts();
    // The first connection that was to resume made the session.
    return {InstructionCounter::median(parts, kConnections, 1 + kConnections + kConnections + 1),
            InstructionCounter::median(parts, kConnections, 1 + kConnections),
            InstructionCounter::median(parts, kConnections, 1)};
}

// In thousandths of httpd's own.
void adds_to_connections_at_most(long full, long resumed, long first_seen, const ClientOptions& client) {
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

constexpr int kAnchors = 60;

// Of a handshake in which their names are announced, with a client that has no certificate.
long instructions_per_handshake(bool by_mod_ssl) {
    constexpr std::size_t kTimes = 3;
    Httpd httpd(httpd_paths());
    prepare(httpd, true);
    std::string cas = world().acme_ca.cert_pem(), policy;
    for (int i = 0; i < kAnchors; ++i) {
        const std::string number = std::to_string(i);
        const std::string pem = make_ca("A CA of partner number " + number).cert_pem();
        if (by_mod_ssl) {
            cas += pem;
            continue;
        }
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

CLAIM(a_name_of_a_live_anchor_costs_a_handshake_at_most_2000_instructions_more_than_one_of_mod_ssls, Turn::kFirst,
      Module::kPlain) {
    const long own = instructions_per_handshake(true), live = instructions_per_handshake(false);
    std::printf("  a handshake: %ld instructions with mod_ssl's names, %ld with those of live anchors\n", own, live);
    CHECK(live <= own + 2000 * kAnchors);
}

CLAIM(a_request_on_a_known_connection_costs_few_instructions_more, Turn::kFirst, Module::kPlain) {
    const Rules gates = {kAllow, kAllow}, by_grant = {"MTLSAllow by-grant", "MTLSAllow by-grant"};
    const std::string audit = "MTLSAuditLog logs/audit.log all\n", status = location("/status", "    MTLSStatus On");
    Baseline baseline;
    baseline.holds(policy(kTwoPaths), gates,
                   {{"the same gate", 1450, kOnePath},
                    {"two gates by turns", 1450, {kOnePath.front(), kOtherGate.front()}},
                    {"outside of gates", 450, kFree}});
    baseline.holds(policy(kTwoPaths), by_grant, {{"by-grant with a wildcard in the path", 1950, kOnePath}});
    baseline.holds(policy(grants(1000)), by_grant, {{"1,000 grants by turns", 2150, paths_of_grants(1000)}});
    baseline.holds(policy(kTwoPaths), {kForward, kAllow},
                   {{"MTLSForward", 3450, kOnePath},
                    {"a gate beside it", 1900, kOtherGate},
                    {"outside of gates, beside it", 900, kFree}});
    baseline.holds(policy(kTwoPaths) + audit, gates, {{"an audit line", 13200, kOnePath}});
    baseline.holds(policy(kTwoPaths) + audit + status, {kForward, kForward},
                   {{"audit, forward and status", 15500, kOnePath}});
}

CLAIM(a_gate_adds_as_few_instructions_where_processes_have_no_threads, Turn::kFirst, Module::kPlain) {
    Baseline("prefork").holds(policy(kTwoPaths), {kAllow, kAllow}, {{"the same gate", 1450, kOnePath}});
}

CLAIM(a_known_client_costs_a_connection_at_most_a_hundredth_more_instructions, Turn::kFirst, Module::kPlain) {
    ClientOptions client;
    client.identity = &world().acme;
    adds_to_connections_at_most(10, 10, 36, client);
}

CLAIM(two_rsa_intermediates_cost_a_new_connection_few_instructions_more, Turn::kFirst, Module::kPlain) {
    const auto rsa_key = [] { return mtls::EvpPkeyPtr(EVP_RSA_gen(2048)); };
    const Identity upper = make_ca("Upper", &world().acme_ca, rsa_key()), lower = make_ca("Lower", &upper, rsa_key());
    CertSpec spec;
    spec.subject = {{"CN", "api"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    const Identity leaf = issue(spec, &lower, rsa_key());
    ClientOptions client;
    client.identity = &leaf;
    client.chain = {&lower, &upper};
    adds_to_connections_at_most(25, 50, 36, client);
}
