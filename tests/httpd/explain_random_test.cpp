// mtls-authz explain --live gives the answers of the server to random questions: sections, paths, methods.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

#include "claims.hpp"
#include "tool_site.hpp"

using namespace test;

namespace {

using Random = std::mt19937;

template <class T>
const T& one_of(const std::vector<T>& all, Random& random) {
    return all[std::uniform_int_distribution<std::size_t>(0, all.size() - 1)(random)];
}
bool by_chance(int percent, Random& random) { return std::uniform_int_distribution<int>(0, 99)(random) < percent; }

const std::vector<std::string> kSegments = {"app", "app", "acme", "orders", "in"};
const std::vector<std::string> kOddSegments = {"a b", "x;v=1", "..;", ";x", "x%2fy", "a\\acme", "%2e%2e", "x%3b"};
const std::vector<std::string> kMethods = {"GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PROPFIND", "OPTIONS"};

std::string random_path(Random& random) {
    std::string out;
    const int count = std::uniform_int_distribution<int>(1, 4)(random);
    for (int i = 0; i < count; ++i) out += "/" + one_of(by_chance(6, random) ? kOddSegments : kSegments, random);
    return by_chance(10, random) ? out + "/" : out;
}

std::string random_rule(Random& random, bool is_match) {
    std::vector<std::string> rules = {
        "any-partner",          "partner acme", "partner globex initech",   "group buyers",
        "group sellers buyers", "by-grant",     "any-partner methods=read", "partner acme methods=GET,DELETE"};
    if (is_match) rules.insert(rules.end(), {"partner %{env:MATCH_WHO}", "partner %{env:MATCH_WHO}"});
    return one_of(rules, random);
}

std::string random_section(Random& random) {
    std::string path;
    for (int i = std::uniform_int_distribution<int>(1, 2)(random); i > 0; --i) path += "/" + one_of(kSegments, random);
    const int kind = std::uniform_int_distribution<int>(0, 5)(random);
    std::string open = "<Location " + path + ">", close = "</Location>";
    if (kind == 0) open = "<Location " + path + "/*>";
    if (kind == 1) open = "<LocationMatch \"^" + path + "/(?<who>[^/]+)\">", close = "</LocationMatch>";
    std::string out = open + "\n";
    for (int i = std::uniform_int_distribution<int>(0, 2)(random); i > 0; --i)
        out += " MTLSAllow " + random_rule(random, kind == 1) + "\n";
    if (by_chance(25, random))
        out += " MTLSDeny " +
               one_of<std::string>({"partner globex", "group buyers methods=write", "partner acme"}, random) + "\n";
    const int mode = std::uniform_int_distribution<int>(0, 11)(random);
    if (mode < 2) out += mode == 0 ? " MTLSAuthz Off\n" : " MTLSAuthz LogOnly\n";
    return out + close + "\n";
}

std::string random_sections(Random& random) {
    std::string out;
    for (int i = std::uniform_int_distribution<int>(8, 16)(random); i > 0; --i) out += random_section(random);
    return out;
}

std::string encoded(const std::string& path) {
    std::string out;
    for (const char c : path) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/') {
            out += c;
        } else {
            char hex[4];
            std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
            out += hex;
        }
    }
    return out;
}

// "allow", "deny REASON", "would-deny REASON", "open", or "no answer"; by a header that mod_headers makes of what the
// module says.
std::string answer_of(const Response& response) {
    if (response.status == 0) return "no answer";
    constexpr std::string_view kHeader = "X-Decision: ";
    const std::size_t at = response.headers.find(kHeader);
    if (at == std::string::npos) return "nothing: " + std::to_string(response.status);
    const std::size_t end = response.headers.find("\r\n", at);
    std::string text = response.headers.substr(at + kHeader.size(), end - at - kHeader.size());
    if (text.starts_with("(null)")) return "open";
    return text.starts_with("allow") ? "allow" : text;
}

std::string answer_of(const nlohmann::json& told) {
    if (told["decision"] == "unknown") return "unknown";
    if (told["would_deny"] == true) return "would-deny " + told["reason"].get<std::string>();
    if (told["decision"] == "deny") return "deny " + told["reason"].get<std::string>();
    return told["reason"].is_null() ? "open" : "allow";
}

struct Asker {
    std::string name;
    const Identity* identity;
    std::vector<const Identity*> chain = {};
};

int questions() {
    const char* const wanted = std::getenv("QUESTIONS");
    return wanted != nullptr ? std::atoi(wanted) : 400;
}

}  // namespace

CLAIM(explain_live_agrees_with_the_server_over_random_questions, Turn::kFirst) {
    const World& w = world();
    const Identity initech = make_client("initech", "api.initech.example", w.acme_ca);
    const Identity revoked = make_client("api9", "api.acme.example", w.acme_ca);
    const std::vector<Asker> askers = {{"acme", &w.acme},
                                       {"acme", &w.acme},
                                       {"globex", &w.globex},
                                       {"by-sub", &w.acme_by_sub, {&w.acme_sub}},
                                       {"globex", &w.globex},
                                       {"initech", &initech},
                                       {"revoked", &revoked},
                                       {"unnamed", &w.unnamed},
                                       {"stranger", &w.acme_from_stranger},
                                       {"wrong", &w.acme_from_globex}};
    const char* const seed = std::getenv("SEED");
    Random random(seed != nullptr ? static_cast<unsigned>(std::atoi(seed)) : std::random_device{}());
    const int all = questions();
    constexpr int kPerServer = 100;
    std::map<std::string, int> answers;
    for (int asked = 0; asked < all;) {
        const auto here = static_cast<unsigned>(random());
        random.seed(here);
        ToolSite site;
        for (const Asker& asker : askers) {
            site.certificate(asker.name, *asker.identity, asker.chain.empty() ? "" : asker.chain[0]->cert_pem());
        }
        site.put("acme.conf", partner("acme",
                                      "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n"
                                      "MTLSGroup buyers\nMTLSGroup sellers if CN:api2\n"
                                      "MTLSGrant read /app/%{partner}/**\nMTLSGrant * /app/orders/*"));
        site.put("globex.conf", partner("globex",
                                        "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem\n"
                                        "MTLSGroup sellers\nMTLSGrant GET,PUT /app/**"));
        site.put(
            "initech.conf",
            partner("initech", "MTLSIdentity DNS:api.initech.example\nMTLSTrustAnchor acme.pem\nMTLSGroup buyers"));
        site.refuse("MTLSSuspend initech\n");
        CrlSpec list;
        list.revoked = {{&revoked, -1}};
        site.httpd.write("crl/acme.pem", make_crl(w.acme_ca, list));
        const std::string port = std::to_string(site.httpd.port());
        const std::string common = random_sections(random);
        const std::string other = random_sections(random);
        const bool lets_all_in = by_chance(60, random);
        site.httpd.set_tls_lines(lets_all_in ? "SSLVerifyClient optional_no_ca\n" : "SSLVerifyClient optional\n");
        site.httpd.set_vhost_lines(random_sections(random));
        site.httpd.configure(
            "AliasMatch ^/ \"" + site.httpd.path("htdocs/ok.html") +
            "\"\nMTLSPolicyFile partners/*.conf\nMTLSRevocationFile revoked/*.conf\nMTLSCRLFile crl/*.pem\n"
            "Header always set X-Decision \"%{MTLS_DECISION}e %{MTLS_REASON}e\"\n" +
            common + "<VirtualHost 127.0.0.1:" + port +
            ">\n ServerName other.example\n SSLEngine on\n SSLCertificateFile server.pem\n"
            " SSLCertificateKeyFile server.pem\n SSLCACertificateFile client-cas.pem\n SSLVerifyClient optional\n"
            " SSLVerifyDepth 5\n MTLSClientCA On\n Header always set X-Decision \"%{MTLS_DECISION}e "
            "%{MTLS_REASON}e\"\n" +
            other + "</VirtualHost>\n");
        // Sections that the module refuses, since a later one would open a gate: others then.
        if (site.httpd.run({"-t"}).status != 0) continue;
        site.httpd.start();
        const std::string conf = file_text(site.httpd.path("httpd.conf"));
        const std::string sections = conf.substr(conf.find("AliasMatch"));
        for (int i = 0; i < kPerServer && asked < all; ++i, ++asked) {
            const Asker& asker = one_of(askers, random);
            const std::string host = by_chance(50, random) ? "localhost" : "other.example";
            const std::string path = random_path(random), method = one_of(kMethods, random);
            ClientOptions options = as(*asker.identity);
            options.chain = asker.chain;
            options.server_name = host;
            const std::string real = answer_of(TlsClient(site.httpd.port(), options).get(encoded(path), "", method));
            const std::string told =
                answer_of(site.answer_json(asker.name, path, {"--method", method, "--host", host}));
            ++answers[told];
            if (told == "unknown") continue;
            // Where the handshake refuses a certificate, `explain` prints the reason that the gate would give.
            if (real == "no answer" ? told.starts_with("deny") : told == real) continue;
            const std::string what = "seed " + std::to_string(here) + ": " + asker.name + " asks " + method + " " +
                                     path + " of " + host + "\n" +
                                     site.explain(asker.name, path, {"--method", method, "--host", host}).text;
            check_equal(told, real, what + sections, __FILE__, __LINE__);
        }
    }
    for (const auto& [answer, count] : answers) {
        if (std::getenv("QUESTIONS") != nullptr) std::fprintf(stderr, "%6d %s\n", count, answer.c_str());
    }
    CHECK(answers["unknown"] * 3 < all);
    CHECK(answers["allow"] > 0);
}
