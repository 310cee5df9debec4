// MTLSAuditLog: every decision, one whole line each, which the published schema accepts.
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <algorithm>
#include <set>
#include <sstream>

#include "live_site.hpp"
#include "mtls_authz/tell/account.hpp"
#include "workers.hpp"

using namespace test;

namespace {

using Json = nlohmann::json;

// Throws where the schema refuses a line.
void check_schema(const Json& line) {
    static const auto schema = [] {
        auto out = std::make_unique<valijson::Schema>();
        const Json document = Json::parse(file_text("docs/audit-log.schema.json"));
        valijson::SchemaParser().populateSchema(valijson::adapters::NlohmannJsonAdapter(document), *out);
        return out;
    }();
    valijson::ValidationResults results;
    if (valijson::Validator().validate(*schema, valijson::adapters::NlohmannJsonAdapter(line), &results)) return;
    std::string why = line.dump();
    valijson::ValidationResults::Error error;
    while (results.popError(error)) {
        for (const std::string& at : error.context) why += " " + at;
        why += ": " + error.description;
    }
    throw Failure(why);
}

std::vector<Json> lines_of(const std::string& text) {
    std::vector<Json> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        CHECK(line.size() < mtls::kMostAuditBytes);
        for (const char c : line) CHECK(c >= 0x20 && c < 0x7f);
        out.push_back(Json::parse(line));
        check_schema(out.back());
    }
    return out;
}

Json about(const std::vector<Json>& lines, const std::string& path) {
    for (const Json& line : lines) {
        if (line["path"] == path) return line;
    }
    throw Failure("no line about " + path);
}

// The lines, once there are as many.
std::vector<Json> wait_for_lines(const std::string& file, std::size_t n) {
    for (int i = 0; i < 100; ++i) {
        const std::string text = file_text(file);
        if (static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) >= n) break;
        pause_for(std::chrono::milliseconds(50));
    }
    return lines_of(file_text(file));
}

std::string between(const std::string& text, const std::string& start) {
    const std::size_t at = text.find(start) + start.size();
    return text.substr(at, text.find(' ', at) - at);
}

const std::string kStatus = "<Location /status>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n";

// As the status page has it; of a site with kStatus.
int dropped_lines(const Site& site) {
    const std::string text = plain_get(site.httpd.plain_port(), "/status").body,
                      name = "\nmtls_authz_audit_dropped_total ";
    return std::stoi(text.substr(text.find(name) + name.size()));
}

}  // namespace

CLAIM(every_decision_is_one_line_with_the_words_of_the_denial_line) {
    const World& w = world();
    Site site;
    site.load("unique_id")
        .start(
            "MTLSAuditLog logs/audit.log\n<Location /gate>\n MTLSAllow partner acme\n</Location>\n"
            "<Location /gate/new>\n MTLSAuthz LogOnly\n</Location>\n"
            "<Location /free/require>\n Require mtls-partner acme\n</Location>\n");
    CHECK_EQUAL(site.get(&w.acme, "/gate/fine?secret=1").status, 200);
    CHECK_EQUAL(site.get(&w.acme_from_globex, "/gate/wrong", "", "POST").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/gate/new").status, 200);
    CHECK_EQUAL(site.get(nullptr, "/gate/nobody").status, 403);
    CHECK_EQUAL(plain_get(site.httpd.plain_port(), "/gate/plain").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/free/require").status, 403);
    ClientOptions options;
    options.identity = &w.acme;
    options.tls = TLS1_2_VERSION;
    SslSessionPtr session;
    {
        TlsClient first(site.httpd.port(), options);
        first.get("/gate/full");
        session = first.session();
    }
    TlsClient again(site.httpd.port(), options, session.get());
    again.get("/gate/again");
    CHECK(again.resumed());
    options.tls = TLS1_3_VERSION;
    Http2Client(site.httpd.port(), options, site.httpd.root()).get("/gate/h2");

    const auto lines = wait_for_lines(site.httpd.path("logs/audit.log"), 9);
    CHECK_EQUAL(lines.size(), 9U);
    const Json fine = about(lines, "/gate/fine");
    CHECK_EQUAL(fine["decision"].get<std::string>(), "allow");
    CHECK_EQUAL(fine["reason"].get<std::string>(), "granted");
    CHECK_EQUAL(fine["partner"].get<std::string>(), "acme");
    CHECK_EQUAL(fine["matched"].get<std::string>(), "DNS:api.acme.example");
    CHECK_EQUAL(fine["method"].get<std::string>(), "GET");
    CHECK_EQUAL(fine["client"].get<std::string>(), "127.0.0.1");
    CHECK_EQUAL(fine["http"].get<std::string>(), "1.1");
    CHECK_EQUAL(fine["tls"].get<std::string>(), "1.3");
    CHECK_EQUAL(fine["resumed"].get<bool>(), false);
    CHECK_EQUAL(fine["sha256"].get<std::string>(), hex_sha256(w.acme));
    CHECK_EQUAL(fine["subject"].get<std::string>(), "CN=api,O=api Org,C=US");
    CHECK(fine["duration_ns"].get<std::int64_t>() > 0);
    CHECK(fine["request_id"].get<std::string>().size() > 10);
    CHECK_EQUAL(fine.contains("claimed"), false);

    const Json wrong = about(lines, "/gate/wrong");
    const std::string denial = site.log_about("/gate/wrong");
    CHECK_EQUAL(wrong["decision"].get<std::string>(), "deny");
    CHECK_EQUAL(wrong["method"].get<std::string>(), "POST");
    CHECK_EQUAL(wrong.contains("partner"), false);
    for (const char* key : {"reason", "claimed", "rule", "gate", "vhost", "tls", "issuer_spki", "serial", "not_after",
                            "sha256", "generation"}) {
        CHECK_EQUAL(wrong[key].get<std::string>(), between(denial, std::string(" ") + key + "="));
    }
    CHECK_EQUAL(about(lines, "/gate/new")["decision"].get<std::string>(), "would-deny");
    CHECK_EQUAL(about(lines, "/gate/new")["status"].get<int>(), 200);
    CHECK_EQUAL(about(lines, "/gate/nobody")["reason"].get<std::string>(), "no-certificate");
    CHECK_EQUAL(about(lines, "/gate/nobody").contains("subject"), false);
    CHECK_EQUAL(about(lines, "/gate/plain")["reason"].get<std::string>(), "no-tls");
    CHECK_EQUAL(about(lines, "/free/require")["reason"].get<std::string>(), "not-allowed");
    CHECK_EQUAL(about(lines, "/free/require")["status"].get<int>(), 403);
    CHECK_EQUAL(about(lines, "/free/require")["directive"].get<std::string>(), "Require mtls-partner acme");
    CHECK_EQUAL(about(lines, "/gate/again")["resumed"].get<bool>(), true);
    CHECK_EQUAL(about(lines, "/gate/again")["tls"].get<std::string>(), "1.2");
    CHECK_EQUAL(about(lines, "/gate/h2")["http"].get<std::string>(), "2");
}

CLAIM(denied_leaves_grants_out_and_a_virtual_host_has_its_own) {
    const World& w = world();
    Site site;
    site.vhost("MTLSAuditLog logs/vhost.log denied\n")
        .start("MTLSAuditLog logs/all.log\n<Location /gate>\n MTLSAllow partner acme\n</Location>\n");
    CHECK_EQUAL(site.get(&w.acme, "/gate/a").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/gate/b").status, 403);
    CHECK_EQUAL(plain_get(site.httpd.plain_port(), "/gate/c").status, 403);
    const auto own = wait_for_lines(site.httpd.path("logs/vhost.log"), 1);
    CHECK_EQUAL(own.size(), 1U);
    CHECK_EQUAL(own.front()["path"].get<std::string>(), "/gate/b");
    CHECK_EQUAL(wait_for_lines(site.httpd.path("logs/all.log"), 1).size(), 1U);
}

CLAIM(all_and_denied_are_read_in_any_case) {
    const World& w = world();
    Site site;
    site.vhost("MTLSAuditLog logs/vhost.log DENIED\n")
        .start("MTLSAuditLog logs/main.log All\n<Location /gate>\n MTLSAllow partner acme\n</Location>\n");
    CHECK_EQUAL(site.get(&w.acme, "/gate/granted").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/gate/denied").status, 403);
    const auto lines = wait_for_lines(site.httpd.path("logs/vhost.log"), 1);
    CHECK_EQUAL(lines.size(), 1U);
    CHECK_EQUAL(lines.front()["path"].get<std::string>(), "/gate/denied");
}

CLAIM(hostile_certificates_and_paths_give_valid_short_lines) {
    const World& w = world();
    CertSpec spec;
    spec.subject = {{"O", "evil\"\r\n{\"decision\":\"allow\"} \x1b[31m \xe2\x80\xae \xc3\xbc"},
                    {"CN", "x\xff\xfe", V_ASN1_PRINTABLESTRING},
                    {"OU", std::string(3000, '\x01')}};
    spec.san = {
        {GEN_DNS, "api.acme.example"}, {GEN_DNS, std::string("a\0b\xff", 4)}, {GEN_DNS, std::string(5000, '\x02')}};
    const Identity hostile = issue(spec, &w.acme_ca);
    Site site;
    site.tls("SSLVerifyClient optional_no_ca")
        .start("MTLSAuditLog logs/audit.log\n<Location /gate>\n MTLSAllow partner acme\n</Location>\n");
    std::string path = "/gate/";
    for (int i = 0; i < 500; ++i) path += "%01%ff";
    CHECK_EQUAL(site.get(&hostile, path).status, 403);
    CHECK_EQUAL(site.get(&hostile, "/gate/x").status, 403);
    const auto lines = wait_for_lines(site.httpd.path("logs/audit.log"), 2);
    CHECK_EQUAL(lines.size(), 2U);
    CHECK_EQUAL(lines[0]["reason"].get<std::string>(), "bad-path");
    CHECK_EQUAL(lines[1]["reason"].get<std::string>(), "malformed-certificate");
    CHECK_EQUAL(lines[1]["claimed"].get<std::string>(), "acme");
}

CLAIM(lines_of_several_children_stay_whole_in_a_file_and_in_a_pipe) {
    constexpr int kClients = 4;
    constexpr int kRequests = 100;
    for (const bool piped : {false, true}) {
        Site site;
        const std::string file = site.httpd.path("logs/audit.log");
        site.start((piped ? "MTLSAuditLog \"|$/bin/cat >>" + file + "\" all\n" : "MTLSAuditLog logs/audit.log\n") +
                       "<Location /gate>\n MTLSAllow partner acme\n</Location>\n" + kStatus,
                   "prefork");
        Workers clients;
        for (int c = 0; c < kClients; ++c) {
            clients.add([&site, c] {
                TlsClient client(site.httpd.port(), as(world().acme));
                for (int i = 0; i < kRequests; ++i) {
                    client.get("/gate/" + std::to_string(c) + "-" + std::to_string(i) + std::string(400, 'x'));
                }
            });
        }
        clients.join();
        std::set<std::string> paths;
        for (const Json& line : wait_for_lines(file, kClients * kRequests)) paths.insert(line["path"]);
        // A pipe that nobody empties for a moment takes no more: that is counted.
        const auto dropped = static_cast<std::size_t>(dropped_lines(site));
        CHECK(dropped == 0 || piped);
        CHECK_EQUAL(paths.size() + dropped, std::size_t{kClients * kRequests});
    }
}

CLAIM(a_reader_that_sleeps_holds_up_no_request_and_what_it_misses_is_counted) {
    Site site;
    site.start("MTLSAuditLog \"|/bin/sleep 60\"\n<Location /gate>\n MTLSAllow partner acme\n</Location>\n" + kStatus);
    const auto dropped = [&] { return dropped_lines(site); };
    CHECK_EQUAL(dropped(), 0);
    TlsClient client(site.httpd.port(), as(world().acme));
    for (int i = 0; i < 400; ++i) CHECK_EQUAL(client.get("/gate/" + std::string(300, 'x')).status, 200);
    // A pipe takes some 64 KiB.
    CHECK(dropped() > 200);
    CHECK(dropped() < 400);
}

CLAIM(a_graceful_restart_lets_a_rotated_file_go) {
    Site site;
    site.start("MTLSAuditLog logs/audit.log\n<Location /gate>\n MTLSAllow partner acme\n</Location>\n");
    CHECK_EQUAL(site.get(&world().acme, "/gate/1").status, 200);
    fs::rename(site.httpd.path("logs/audit.log"), site.httpd.path("logs/audit.log.1"));
    site.httpd.graceful();
    const auto fresh = [&] {
        site.get(&world().acme, "/gate/2");
        return file_text(site.httpd.path("logs/audit.log")).empty() ? 0 : 1;
    };
    becomes(fresh, 1, "written anew");
    CHECK_EQUAL(about(lines_of(file_text(site.httpd.path("logs/audit.log.1"))), "/gate/1")["partner"], "acme");
    CHECK_EQUAL(about(lines_of(file_text(site.httpd.path("logs/audit.log"))), "/gate/2")["partner"], "acme");
}

CLAIM(log_only_compares_with_the_rule_that_it_replaces_both_ways) {
    const World& w = world();
    Site site;
    // The old rule lets globex in alone, the new one acme alone.
    site.start(
        "MTLSAuditLog logs/audit.log\n<Location /gate>\n MTLSAllow partner acme\n MTLSAuthz LogOnly\n"
        " Require expr \"%{SSL_CLIENT_S_DN_CN} == 'gateway'\"\n</Location>\n"
        "<Location /gate/early>\n SSLRequire %{SSL_CLIENT_S_DN_CN} eq \"gateway\"\n</Location>\n");
    CHECK_EQUAL(site.get(&w.globex, "/gate/old").status, 200);
    CHECK_EQUAL(site.get(&w.acme, "/gate/new").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/gate/early").status, 403);
    const auto lines = wait_for_lines(site.httpd.path("logs/audit.log"), 3);
    CHECK_EQUAL(lines.size(), 3U);
    const struct {
        const char* path;
        const char* decision;
        int status;
    } rows[] = {{"/gate/old", "would-deny", 200}, {"/gate/new", "allow", 403}, {"/gate/early", "allow", 403}};
    for (const auto& row : rows) {
        CHECK_EQUAL(about(lines, row.path)["decision"].get<std::string>(), row.decision);
        CHECK_EQUAL(about(lines, row.path)["status"].get<int>(), row.status);
    }
}

CLAIM(a_refused_trace_is_told_as_it_was_answered) {
    const World& w = world();
    Site site;
    site.start("TraceEnable on\nMTLSAuditLog logs/audit.log\n" + location("/gate", "MTLSAllow partner acme") +
               location("/gate/log", "MTLSAllow partner acme\nMTLSAuthz LogOnly"));
    for (const char* path : {"/gate/log/in", "/gate/in"}) CHECK_EQUAL(site.get(&w.acme, path, "", "TRACE").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/gate/log/out", "", "TRACE").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/gate/log/get").status, 200);
    const auto lines = wait_for_lines(site.httpd.path("logs/audit.log"), 4);
    CHECK_EQUAL(lines.size(), 4U);
    for (const char* path : {"/gate/log/in", "/gate/in", "/gate/log/out"}) {
        CHECK_EQUAL(about(lines, path)["decision"].get<std::string>(), "deny");
        CHECK_EQUAL(about(lines, path)["reason"].get<std::string>(), "method-not-granted");
    }
    CHECK_EQUAL(about(lines, "/gate/log/get")["decision"].get<std::string>(), "would-deny");
}

CLAIM(an_audit_log_that_cannot_be_opened_stops_the_start) {
    const std::pair<const char*, const char*> rows[] = {
        {"MTLSAuditLog", "MTLSAuditLog: expected FILE or \"|PROGRAM\", then all or denied"},
        {"MTLSAuditLog a.log denies", "'denies' (did you mean 'denied'?): expected all or denied"},
        {"MTLSAuditLog |/bin/cat -u", "'-u': expected all or denied (a program with arguments is quoted as a whole)"},
        {"MTLSAuditLog a.log\nMTLSAuditLog b.log", "this server has 'a.log' already, at "},
        {"<Location /x>\nMTLSAuditLog a.log\n</Location>", "MTLSAuditLog"},
    };
    Site site;
    for (const auto& [line, message] : rows) {
        site.httpd.configure(World::policy() + line + "\n");
        const auto out = site.httpd.run({"-t"});
        CHECK(out.status != 0);
        CHECK_CONTAINS(out.text, message);
    }
    site.httpd.configure(World::policy() + "MTLSAuditLog no/such/folder/a.log\n");
    const auto out = site.httpd.run({"-DFOREGROUND"});
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, "MTLSAuditLog: cannot open 'no/such/folder/a.log'; there is no folder ");
    site.httpd.configure(World::policy() + "MTLSAuditLog htdocs\n");
    const auto folder = site.httpd.run({"-DFOREGROUND"});
    CHECK(folder.status != 0);
    CHECK_CONTAINS(folder.text + site.httpd.error_log(), "MTLSAuditLog: cannot open 'htdocs'");
}
