#include "requests.hpp"

#include <algorithm>
#include <map>

namespace bench {

namespace {

// The median over several connections: all other figures are differences to it.
long request_without_module(HttpdSite site, const Visitor& visitor) {
    constexpr std::size_t kTimes = 3;
    site.with_module = false;
    auto cost = httpd_requests(site, std::vector(kTimes, visitor));
    std::sort(cost.begin(), cost.end());
    return cost[kTimes / 2];
}

Visitor visitor_of(const test::Identity* who, int status) {
    Visitor out;
    out.client.identity = who;
    out.status = status;
    return out;
}
Visitor client_of(Pki& pki, int n) { return visitor_of(pki.client(cn_of(n)), 200); }
Visitor nobody(Pki& pki) { return visitor_of(pki.client("nobody"), 403); }

// One partner with these lines beside its anchor and identity.
std::string acme(const std::string& lines) {
    return "<MTLSPartner acme>\n    MTLSTrustAnchor ca.pem\n    MTLSIdentity DNS:" + cn_of(0) + ".partners.example\n" +
           lines + "</MTLSPartner>\n";
}

std::string grants_of_orders(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += "MTLSGrant read /gate/orders/" + std::to_string(i) + "/**\n";
    return out;
}

std::vector<std::string> paths_of_orders(int count) {
    constexpr int kPaths = 50;
    std::vector<std::string> out;
    for (int i = 0; i < kPaths; ++i) out.push_back("/gate/orders/" + std::to_string(i * count / kPaths) + "/a");
    return out;
}

const std::vector<std::string> kOnePath = {"/gate/orders/17"};
constexpr const char* kByName = "MTLSAllow partner acme globex";
constexpr const char* kForward = "MTLSAllow partner acme globex\nMTLSForward cert=rfc9440 partner=X-Partner";
constexpr const char* kAudit = "MTLSAuditLog logs/audit.log all\n";
constexpr const char* kStatus = "<Location /status>\nMTLSStatus On\n</Location>\n";

struct Row {
    std::string what;
    std::string rule = kByName;
    std::vector<std::string> pages = kOnePath;
    std::string grants = "MTLSGrant read /gate/*/17 /other/**\n";
    std::string global = {};
    std::string mpm = "worker";
};

std::vector<Row> rows() {
    std::vector<Row> out = {
        {.what = "the same gate with `MTLSAuditLog`, `MTLSForward` and `MTLSStatus`",
         .rule = kForward,
         .global = kAudit + std::string(kStatus)},
        {.what = "the same gate with `MTLSAuditLog FILE all` (without the kernel's part of `write(2)`)",
         .global = kAudit},
        {.what = "the same gate with `MTLSForward cert=rfc9440 partner=NAME`", .rule = kForward}};
    for (const int n : {1000, 50}) {
        out.push_back({.what = "`by-grant`, " + count_of(n, "grant", "grants") + ", 50 paths by turns",
                       .rule = "MTLSAllow by-grant",
                       .pages = paths_of_orders(n),
                       .grants = grants_of_orders(n)});
    }
    out.insert(out.end(), {{.what = "`by-grant`, one path with a wildcard", .rule = "MTLSAllow by-grant"},
                           {.what = "two gates by turns", .pages = {"/gate/orders/17", "/other/orders/17"}},
                           {.what = "the same gate, prefork", .mpm = "prefork"},
                           {.what = "the same gate again"},
                           {.what = "outside of every gate", .pages = {"/free/orders/17"}}});
    return out;
}

HttpdSite site_of(const Pki& pki, const Row& row) {
    return {.files = pki.files_with(acme(row.grants)),
            .global = kQuietPolicy + row.global,
            .gate = "Require all granted\n" + row.rule,
            .mpm = row.mpm};
}

void measure_denials(Report& report, Pki& pki) {
    HttpdSite with = site_of(pki, {});
    with.global += "LogLevel warn mtls_authz:info\n";
    HttpdSite without{.files = pki.files(), .gate = "Require all denied", .with_module = false};
    Visitor client = client_of(pki, 1);
    client.status = 403;
    const long plain = httpd_told_denials(without, client);
    report.instructions("a denial that is told", httpd_told_denials(with, client) - plain);
}

}  // namespace

void measure_requests(Report& report, Pki& pki) {
    report.section("requests", "Instructions that a gate adds to a kept-alive request");
    std::map<std::pair<std::vector<std::string>, std::string>, long> known;
    Visitor client = client_of(pki, 0);
    for (const Row& row : rows()) {
        client.pages = row.pages;
        long& without = known[{row.pages, row.mpm}];
        if (without == 0) without = request_without_module({.files = pki.files(), .mpm = row.mpm}, client);
        report.instructions(row.what, httpd_requests(site_of(pki, row), {client}).front() - without);
    }
    client.pages = kOnePath;
    const HttpdSite site = site_of(pki, {});
    report.instructions(
        "the same gate, HTTP/2",
        httpd_streams(site, client) - httpd_streams({.files = pki.files(), .with_module = false}, client));
    measure_denials(report, pki);
    report.instructions("the whole request without the module (not added)", known[{kOnePath, "worker"}]);
}

void measure_sizes(Report& report, Pki& pki, const std::vector<int>& sizes) {
    report.section("sizes", "The same gate, by the size of the policy");
    const long granted = request_without_module({.files = pki.files()}, client_of(pki, 0));
    const long denied = request_without_module({.files = pki.files(), .gate = "Require all denied"}, nobody(pki));
    for (const int n : sizes) {
        std::vector<Visitor> visitors = {client_of(pki, 0)};
        if (n > 1) visitors.insert(visitors.end(), {client_of(pki, n / 2), client_of(pki, n - 1)});
        visitors.push_back(nobody(pki));
        const auto cost =
            httpd_requests({.files = pki.files_with(policy_of(n)), .global = kQuietPolicy, .gate = kGate}, visitors);
        const char* const places[] = {"first", "middle", "last"};
        const std::string among = "`any-partner`, " + count_of(n, "identity", "identities") + ", ";
        for (std::size_t i = 0; i + 1 < cost.size(); ++i) report.instructions(among + places[i], cost[i] - granted);
        report.instructions(among + "a denial that is only counted", cost.back() - denied);
    }
}

namespace {

// A chain of a client with a partner of its own, and others of its kind.
struct Kind {
    std::string what;
    Files files;
    Visitor client;
    std::vector<Visitor> strangers;
    std::vector<std::unique_ptr<test::Identity>> held = {};
};

mtls::EvpPkeyPtr rsa_key() {
    constexpr int kBits = 2048;
    return mtls::EvpPkeyPtr(EVP_RSA_gen(kBits));
}

// `names`: SANs. `helpers`: intermediate CAs of their own, with RSA keys as the client has.
Kind kind_of(const std::string& what, const Pki& pki, int names, int helpers) {
    constexpr int kStrangers = 5;
    Kind out{.what = what,
             .files = pki.files_with(acme("MTLSIdentity DNS:*.partners.example\n")),
             .client = {},
             .strangers = {}};
    for (int i = 0; i <= kStrangers; ++i) {
        test::ClientOptions options;
        const test::Identity* issuer = &pki.ca();
        for (int level = 0; level < helpers; ++level) {
            const std::string name = what + " CA " + std::to_string(i) + "." + std::to_string(level);
            out.held.push_back(std::make_unique<test::Identity>(test::make_ca(name, issuer, rsa_key())));
            issuer = out.held.back().get();
            options.chain.insert(options.chain.begin(), issuer);
        }
        test::CertSpec spec;
        spec.subject = {{"CN", cn_of(i)}};
        for (int n = 0; n < names; ++n) {
            spec.san.emplace_back(GEN_DNS, cn_of(i) + (n == 0 ? "" : "-" + std::to_string(n)) + ".partners.example");
        }
        out.held.push_back(std::make_unique<test::Identity>(helpers > 0 ? test::issue(spec, issuer, rsa_key())
                                                                        : test::issue(spec, issuer)));
        options.identity = out.held.back().get();
        Visitor& visitor = i == 0 ? out.client : out.strangers.emplace_back();
        visitor.client = options;
    }
    return out;
}

void add_connections(Report& report, const Kind& kind) {
    HttpdSite site{.files = kind.files, .global = kQuietPolicy, .gate = kGate};
    const Connections with = httpd_connections(site, kind.client, kind.strangers);
    site.with_module = false;
    site.global = {};
    site.gate = "Require all granted";
    const Connections without = httpd_connections(site, kind.client, kind.strangers);
    const auto add = [&](const std::string& how, long more, long base) {
        const double share = 100.0 * static_cast<double>(more - base) / static_cast<double>(base);
        char shown[40];
        std::snprintf(shown, sizeof shown, "%.1f %%", share);
        report.row(kind.what + ", " + how, Json(more - base), std::string("instructions, ") + shown + " of httpd's");
    };
    add("full", with.full, without.full);
    add("resumed", with.resumed, without.resumed);
    add("first seen by this process", with.first, without.first);
}

void add_announced(Report& report, const Pki& pki) {
    constexpr int kAnchors = 180;
    std::string bundle = pki.ca().cert_pem(), policy;
    Files files = pki.files();
    for (int i = 0; i < kAnchors; ++i) {
        const std::string name = "p" + std::to_string(i), pem = test::make_ca("A CA of partner " + name).cert_pem();
        bundle += pem;
        files.others.emplace_back(name + ".pem", pem);
        policy += "<MTLSPartner " + name + ">\nMTLSIdentity CN:" + name + "\nMTLSTrustAnchor " + name +
                  ".pem\n</MTLSPartner>\n";
    }
    files.others.emplace_back("bundle.pem", bundle);
    const std::string verify = "SSLVerifyClient optional\nSSLCACertificateFile ";
    HttpdSite site{.files = files, .global = "MTLSPolicyRefresh 0\n" + policy};
    site.tls = verify + "bundle.pem\nMTLSClientCA Quiet\n";
    const long own = httpd_handshakes(site);
    site.tls = verify + "client-cas.pem\nMTLSClientCA On\n";
    report.row("180 CAs announced by `MTLSClientCA On` instead of by mod_ssl",
               Json(static_cast<double>(httpd_handshakes(site)) / static_cast<double>(own)), "times its handshake");
}

}  // namespace

void measure_connections(Report& report, Pki& pki) {
    report.section("connections", "Instructions that a gate adds to a new connection with one request");
    add_connections(report, kind_of("RSA-2048 with two intermediates", pki, 1, 2));
    add_connections(report, kind_of("P-256 with 100 names", pki, 100, 0));
    add_connections(report, kind_of("P-256", pki, 1, 0));
    add_announced(report, pki);
}

namespace {

// All names, each between `before` and `after`.
std::string names(int count, const std::string& before, const std::string& after) {
    std::string out;
    for (int i = 0; i < count; ++i) out += before + cn_of(i) + after;
    return out;
}

std::string list(int count, const std::string& quote) {
    std::string out = names(count, quote, quote + ", ");
    out.resize(out.size() - 2);
    return out;
}

HttpdSite httpd_with(Files files, const std::string& rule, const std::string& global = "") {
    return {.files = std::move(files), .global = global, .gate = rule, .with_module = false};
}

long group_file(const Pki& pki, int n, const Visitor& client) {
    Files files = pki.files();
    // The hash of FakeBasicAuth's "password".
    files.others.emplace_back("users", names(n, "/CN=", ":xxj31ZMTZzkVA\n"));
    files.others.emplace_back("groups", "partners:" + names(n, " /CN=", "") + "\n");
    const std::string rule =
        "SSLOptions +FakeBasicAuth\nAuthType Basic\nAuthName x\nAuthBasicProvider file\nAuthUserFile users\n"
        "AuthGroupFile groups\nRequire group partners";
    return httpd_requests(httpd_with(files, rule), {client}).front();
}

void add_nginx(Report& report, Pki& pki, int n, long without) {
    const std::vector<Visitor> client = {client_of(pki, n - 1)};
    const std::string map = "map $ssl_client_s_dn $partner {\ndefault \"\";\n" + names(n, "\"CN=", "\" p;\n") + "}";
    const long with = nginx_requests(pki.files(), map, "if ($partner = \"\") { return 403; }", client).front();
    report.instructions("nginx `map`, " + count_of(n, "name", "names"), with - without);
}

void add_haproxy(Report& report, Pki& pki, int n, long without) {
    const std::vector<Visitor> client = {client_of(pki, n - 1)};
    Files files = pki.files();
    files.others.emplace_back("names.acl", names(n, "", "\n"));
    files.others.emplace_back("names.map", names(n, "", " p\n"));
    const auto add = [&](const char* what, const std::string& rule) {
        report.instructions(std::string("HAProxy ") + what + ", " + count_of(n, "name", "names"),
                            haproxy_requests(files, rule, client).front() - without);
    };
    add("ACL", "http-request deny unless { ssl_c_s_dn(cn) -f names.acl }");
    add("map",
        "http-request set-var(txn.partner) ssl_c_s_dn(cn),map(names.map)\n"
        "http-request deny unless { var(txn.partner) -m found }");
}

}  // namespace

void measure_peers(Report& report, Pki& pki) {
    report.section("peers", "The same by what httpd, nginx and HAProxy have");
    const Visitor client = client_of(pki, 0);
    const long plain = request_without_module({.files = pki.files()}, client);
    const auto add = [&](const std::string& what, const HttpdSite& site) {
        report.instructions(what, httpd_requests(site, {client}).front() - plain);
    };
    constexpr int kMany = 1000;
    report.instructions("`AuthGroupFile`, 1,000 names", group_file(pki, kMany, client) - plain);
    add("`SSLRequire`, 1,000 names",
        httpd_with(pki.files(), "SSLRequire %{SSL_CLIENT_S_DN_CN} in { " + list(kMany, "\"") + " }"));
    add("`Require expr`, 1,000 names",
        httpd_with(pki.files(), "Require expr %{SSL_CLIENT_S_DN_CN} in { " + list(kMany, "'") + " }"));
    add("`Require expr`, 1 name", httpd_with(pki.files(), "Require expr %{SSL_CLIENT_S_DN_CN} == '" + cn_of(0) + "'"));
    add("`CustomLog` with the certificate's variables in JSON",
        httpd_with(pki.files(), "Require all granted",
                   "LogFormat \"{\\\"time\\\":\\\"%{usec}t\\\",\\\"path\\\":\\\"%U\\\",\\\"client\\\":\\\"%a\\\","
                   "\\\"subject\\\":\\\"%{SSL_CLIENT_S_DN}x\\\",\\\"issuer\\\":\\\"%{SSL_CLIENT_I_DN}x\\\","
                   "\\\"serial\\\":\\\"%{SSL_CLIENT_M_SERIAL}x\\\",\\\"not_after\\\":\\\"%{SSL_CLIENT_V_END}x\\\","
                   "\\\"san\\\":\\\"%{SSL_CLIENT_SAN_DNS_0}x\\\",\\\"tls\\\":\\\"%{SSL_PROTOCOL}x\\\"}\" partners\n"
                   "CustomLog logs/partners.log partners\n"));
    add("`RequestHeader set` with the certificate",
        httpd_with(pki.files(), "Require all granted\nRequestHeader set X-Cert \"%{SSL_CLIENT_CERT}s\""));
    const long nginx = nginx_requests(pki.files(), "", "", {client}).front();
    for (const int n : {1, 10000}) add_nginx(report, pki, n, nginx);
    const long haproxy = haproxy_requests(pki.files(), "", {client}).front();
    for (const int n : {1, 10000}) add_haproxy(report, pki, n, haproxy);
}

}  // namespace bench
