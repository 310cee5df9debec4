// What `mtls-authz matrix --live` shows where several sections cover a path is what the server decides there.
#include <random>
#include <utility>

#include "claims.hpp"
#include "mtls_authz/rules/method_set.hpp"
#include "tool_site.hpp"

using namespace test;

namespace {

using Json = nlohmann::json;
using Random = std::mt19937;

std::string section(const std::string& kind, const std::string& of, const std::string& lines) {
    return "<" + kind + " \"" + of + "\">\n" + lines + "\n</" + kind + ">\n";
}

struct Shown : ToolSite {
    Shown() {
        put("acme.conf", partner("acme",
                                 "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\nMTLSGroup buyers\n"
                                 "MTLSGrant read /a/** /a/b/*\nMTLSGrant * /a/b/c/**\nMTLSGrant GET /d/x"));
        put("globex.conf", partner("globex",
                                   "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem\n"
                                   "MTLSGroup sellers\nMTLSGrant GET,PUT /a/** /b/*"));
    }
    void configure_with(const std::string& lines) {
        httpd.configure("MTLSPolicyFile partners/*.conf\nHeader always set X-Decision \"%{MTLS_DECISION}e\"\n" + lines);
    }
    std::vector<Json> rows() const {
        const auto out = run_tool({"matrix", "--socket", socket(), "--json"});
        const Json json = Json::parse(out.text, nullptr, false);
        if (json.is_discarded()) throw std::runtime_error(out.text);
        return json["rows"].get<std::vector<Json>>();
    }
    // Whether a gate has let it in; where there is none, it has not.
    bool lets_in(const std::string& who, const std::string& path, const std::string& method) const {
        const Identity& identity = who == "acme" ? world().acme : world().globex;
        return TlsClient(httpd.port(), as(identity)).get(path, "", method).headers.find("X-Decision: allow") !=
               std::string::npos;
    }
};

// The conditions of all rows of a partner with this path, joined; "none" if there is no such row.
std::string shown_for(const std::vector<Json>& rows, const std::string& who, const std::string& path) {
    std::string out = "none";
    for (const Json& row : rows) {
        if (row["partner"] != who || row["path"] != path) continue;
        out = (out == "none" ? "" : out + " | ") + row["condition"].get<std::string>();
    }
    return out;
}

// A path that no other section is about: for a section that one below it, for a grant one that fits it.
std::string asked_by(std::string path, bool is_grant) {
    if (!is_grant) return path + (path.ends_with('/') ? "zz" : "/zz");
    if (path.ends_with("/**")) path.replace(path.size() - 2, 2, "zz");
    for (std::size_t at = path.find('*'); at != std::string::npos; at = path.find('*')) path.replace(at, 1, "zz");
    return path;
}

}  // namespace

CLAIM(matrix_live_shows_no_row_that_a_section_around_or_below_takes_back) {
    Shown site;
    site.configure_with(
        section("Location", "/a", "MTLSAllow by-grant") + section("Location", "/a/b", "MTLSAllow partner globex") +
        section("Location", "/deny", "MTLSAllow partner acme\nMTLSDeny partner globex") +
        section("LocationMatch", "^/deny/x", "MTLSAllow any-partner") +
        section("Location", "/deny/w*", "MTLSAllow any-partner") +
        section("Location", "/in",
                "MTLSDeny partner globex\n" + section("If", "%{REQUEST_METHOD} == 'PUT'", "MTLSAllow any-partner")) +
        section("Location", "/both", "MTLSAllow any-partner") +
        section("If", "%{REQUEST_METHOD} == 'POST'", "MTLSDeny partner acme"));
    site.httpd.start();
    const auto rows = site.rows();
    const std::string unless = "unless <If \"%{REQUEST_METHOD} == 'POST'\"> applies";
    CHECK_EQUAL(shown_for(rows, "acme", "/a/b/*"), "none");
    CHECK_EQUAL(shown_for(rows, "acme", "/a/b/c/**"), "none");
    CHECK(!site.lets_in("acme", "/a/b/zz", "GET") && !site.lets_in("acme", "/a/b/c/zz", "GET"));
    CHECK_EQUAL(shown_for(rows, "acme", "/a/**"), unless + "; not at /a/b, where <Location /a/b> decides");
    CHECK_EQUAL(shown_for(rows, "globex", "/a/**"), "not at /a/b, where <Location /a/b> decides");
    CHECK(site.lets_in("acme", "/a/zz", "GET") && site.lets_in("globex", "/a/b/zz", "GET"));
    CHECK_EQUAL(shown_for(rows, "globex", "/a/b"), "");
    for (const char* path : {"/deny", "^/deny/x", "/deny/w*", "/in"})
        CHECK_EQUAL(shown_for(rows, "globex", path), "none");
    CHECK(!site.lets_in("globex", "/deny/x", "GET") && !site.lets_in("globex", "/deny/ww", "GET") &&
          !site.lets_in("globex", "/in/x", "PUT"));
    CHECK_EQUAL(shown_for(rows, "acme", "^/deny/x"), unless);
    CHECK_EQUAL(shown_for(rows, "acme", "/both"), unless);
    CHECK_EQUAL(shown_for(rows, "globex", "/both"), "");
    CHECK(!site.lets_in("acme", "/both", "POST") && site.lets_in("acme", "/both", "GET") &&
          site.lets_in("globex", "/both", "POST"));
    // A folder's gate, all of whose paths a Location has.
    Shown folders;
    folders.configure_with(section("Directory", folders.httpd.path("htdocs"), "MTLSAllow partner acme") +
                           section("Location", "/", "MTLSAllow partner globex"));
    folders.httpd.start();
    for (const Json& row : folders.rows()) CHECK_EQUAL(row["partner"].get<std::string>(), "globex");
    CHECK(!folders.lets_in("acme", "/ok.html", "GET") && folders.lets_in("globex", "/ok.html", "GET"));
}

CLAIM(matrix_live_agrees_with_the_server_over_random_sections) {
    const char* const seed = std::getenv("SEED");  // of the first server
    auto here = seed != nullptr ? static_cast<unsigned>(std::atol(seed)) : std::random_device{}();
    Random random;
    const auto one_of = [&random](const std::vector<std::string>& all) {
        return all[std::uniform_int_distribution<std::size_t>(0, all.size() - 1)(random)];
    };
    const std::vector<std::string> paths = {"/a", "/a/b", "/a/b/c", "/b", "/", "/d"};
    int let_in = 0, without_condition = 0;
    for (int server = 0, tries = 0; server < 6 && tries < 100; ++tries) {
        random.seed(here);
        const unsigned seeded = std::exchange(here, here + 1);
        Shown site;
        std::string lines;
        for (int i = 0; i < 7; ++i) {
            const std::string path = one_of(paths);
            std::string rules;
            const auto allow = one_of({"any-partner", "partner acme", "partner globex", "group buyers methods=read",
                                       "group sellers", "by-grant", "by-grant", ""});
            if (!allow.empty()) rules += "MTLSAllow " + allow + "\n";
            const auto deny = one_of({"partner globex", "group buyers methods=write", "partner acme", "", "", "", ""});
            if (!deny.empty() || rules.empty()) rules += "MTLSDeny " + (deny.empty() ? "partner acme" : deny) + "\n";
            const auto kind = one_of({"Location", "Location", "Location", "LocationMatch", "Directory", "If", "In"});
            const std::string put = section("If", "%{REQUEST_METHOD} == 'PUT'", rules);
            lines += kind == "LocationMatch" ? section(kind, "^" + path, rules)
                     : kind == "Directory"   ? section(kind, site.httpd.path("htdocs") + path, rules)
                     : kind == "If"          ? put
                     : kind == "In"          ? section("Location", path, put)
                                             : section(kind, path, rules);
        }
        site.configure_with(lines);
        if (site.httpd.run({"-t"}).status != 0) continue;  // where a later section opens a gate
        site.httpd.start();
        ++server;
        const auto rows = site.rows();
        const auto what = [&](const std::string& asked) {
            std::string out = "seed " + std::to_string(seeded) + ": " + asked + "\n" + lines;
            for (const Json& row : rows) out += row.dump() + "\n";
            return out;
        };
        // What is shown without a condition is let in.
        for (const Json& row : rows) {
            const std::string path = row["path"], who = row["partner"], gate = row["gate"];
            if (who == "*" || row["condition"] != "" || !path.starts_with('/')) continue;
            const bool is_grant = gate.find("<Location " + path + ">") != 0;
            if (path.starts_with(site.httpd.root())) continue;
            const std::string asked = asked_by(path, is_grant);
            const auto methods = mtls::MethodSet::parse(row["methods"].get<std::string>());
            for (const char* method : {"GET", "PUT", "POST"}) {
                if (!methods.value().contains(method)) continue;
                ++without_condition;
                test::check(site.lets_in(who, asked, method), what(who + " " + method + " " + asked), __FILE__,
                            __LINE__);
            }
        }
        // What is let in is shown, perhaps with a condition.
        for (int i = 0; i < 60; ++i) {
            const std::string who = one_of({"acme", "globex"}), method = one_of({"GET", "PUT", "POST"});
            const std::string path = one_of({"/a", "/a/b", "/a/b/c", "/b", "/d", ""}) + one_of({"/x", "/zz", "/x/y"});
            if (!site.lets_in(who, path, method)) continue;
            ++let_in;
            const bool is_shown = std::any_of(rows.begin(), rows.end(), [&](const Json& row) {
                const auto methods = mtls::MethodSet::parse(row["methods"].get<std::string>());
                std::string shown = row["path"];
                if (shown.starts_with('^')) shown.erase(0, 1);
                shown.resize(std::min(shown.find('*'), shown.size()));
                const bool is_there = path.starts_with(shown) || shown.starts_with(site.httpd.root());
                return is_there && (row["partner"] == who || row["partner"] == "*") && methods.value().contains(method);
            });
            test::check(is_shown, what("not shown: " + who + " " + method + " " + path), __FILE__, __LINE__);
        }
    }
    CHECK(let_in + without_condition > 0);
}
