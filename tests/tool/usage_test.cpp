// Wrong command lines: one sentence in the tool's own words, exit 2.
#include "tool.hpp"

using namespace test;

namespace {

const std::string kPolicy = "<MTLSPartner acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n";

struct Usage : Bench {
    Identity ca = make_ca("Acme CA"), leaf = make_client("api", "api.acme.example", ca);
    Usage() { file("ca.pem", ca.cert_pem()).file("leaf.pem", leaf.cert_pem()).file("p.conf", kPolicy); }
    void refuses(const std::vector<std::string>& args, const std::string& why) const {
        const std::string said = expect(2, args);
        CHECK_CONTAINS(said, "mtls-authz: " + why);
        CHECK_EQUAL(std::count(said.begin(), said.end(), '\n'), 1);
    }
};

}  // namespace

CLAIM(a_wrong_command_line_is_one_sentence_and_exit_2) {
    const Usage u;
    u.refuses({"--verson"}, "there is no option '--verson' (did you mean '--version'?)");
    u.refuses({"chek", "p.conf"}, "there is no command 'chek' (did you mean 'check'?)");
    u.refuses({"help", "chek"}, "there is no command 'chek' (did you mean 'check'?)");
    u.refuses({"check"}, "check needs FILE; mtls-authz help check has its options");
    u.refuses({"check", "--strickt", "p.conf"}, "check has no option '--strickt' (did you mean '--strict'?)");
    u.refuses({"check", "--warn-days", "x", "p.conf"}, "check has a wrong --warn-days: 'x' is no whole number from 0");
    u.refuses({"check", "--warn-days=-1", "p.conf"}, "check has a wrong --warn-days: '-1' is no whole number");
    u.refuses({"check", "--warn-days", "-1", "p.conf"}, "check has a wrong --warn-days: '-1' is no whole number");
    u.refuses({"check", "-1", "p.conf"}, "check has no option '-1'");
    u.refuses({"check", "p.conf", "--warn-days"}, "check needs a value after --warn-days");
    u.refuses({"check", "p.conf", "--strict=yes"}, "check takes --strict without a value");
    u.refuses({"check", "p.conf", "--root", "a", "--root", "b"}, "check takes --root once");
    u.refuses({"init", "more"}, "init does not take 'more'");
    u.refuses({"matrix", "--policy", "p.conf", "--csv", "--html"}, "matrix takes only one of --csv and --html");
    u.refuses({"matrix"}, "matrix needs --policy, or --live");
    u.refuses({"diff", "p.conf"}, "diff needs OLD and NEW");
    u.refuses({"diff", "--live", "p.conf", "p.conf"}, "diff with --live needs NEW alone");
    u.refuses({"facts"}, "facts needs CERT");
    u.refuses({"suggest"}, "suggest needs CERT");
    u.refuses({"import"}, "import needs FORMAT and FILE");
    u.refuses({"import", "cvs", "p.conf"},
              "import has a wrong FORMAT: 'cvs' (did you mean 'csv'?) is none of nginx-map,");
    u.refuses({"push", "p.conf"}, "push needs --database");
    u.refuses({"push", "--database", "sqlite3", "db.conf", "p.conf", "--kind", "polcy"},
              "push has a wrong --kind: 'polcy' (did you mean 'policy'?)");
    u.refuses({"pull"}, "pull needs FOLDER and --database");
    u.refuses({"fleet", "--database", "sqlite3", "x", "--max-age", "0"}, "fleet has a wrong --max-age: '0'");
    u.refuses({"fetch", "--policy", "p.conf"}, "fetch needs --into");
    u.refuses({"fetch", "--policy", "p.conf", "--into", "x", "--timeout", "1h"}, "fetch has a wrong --timeout: '1h'");
    u.refuses({"manual", "chek"}, "manual has no page of 'chek'");
    for (const char* file : {"gone.pem", "."}) {
        u.refuses({"facts", file}, file);
        u.refuses({"suggest", file}, file);
        u.refuses({"explain", "--policy", "p.conf", "--cert", file}, file);
    }
}

CLAIM(an_option_without_effect_is_refused) {
    const Usage u;
    const auto explain = [&u](std::vector<std::string> more, const std::string& why) {
        more.insert(more.begin(), "explain");
        u.refuses(more, "explain takes no " + why);
    };
    for (const char* option : {"--crl", "--revocations", "--server-ca", "--root", "--policy"})
        explain({"--live", "--cert", "leaf.pem", option, "ca.pem"}, std::string(option) + " with --live");
    explain({"--socket", "x", "--cert", "leaf.pem", "--security-level", "2"}, "--security-level with --live");
    explain({"--policy", "p.conf", "--cert", "leaf.pem", "--host", "x.example"}, "--host without --live");
    explain({"--policy", "p.conf", "--cert", "leaf.pem", "--method", "GET"}, "--method without --path");
    explain({"--log-line", "x", "--cert", "leaf.pem"}, "--cert beside --log-line");
    explain({"--log-line", "x", "--at", "2027-01-01"}, "--at beside --log-line");
    u.refuses({"matrix", "--live", "--root", "x"}, "matrix takes no --root with --live");
    u.refuses({"why", "--live", "--policy", "p.conf", "x"}, "why takes no --policy with --live");
    u.refuses({"import", "passwd", "p.conf", "--cert", "leaf.pem"}, "import takes no --cert for passwd");
    u.refuses({"init", "--name", "x"}, "init takes no --name without --cert");
}

CLAIM(explain_says_the_time_that_it_was_asked_for) {
    const Usage u;
    const std::vector<std::string> question = {"explain", "--policy", "p.conf", "--cert", "leaf.pem"};
    const auto at = [&](const std::string& time) {
        auto args = question;
        args.insert(args.end(), {"--at", time});
        return u.run(args).text;
    };
    CHECK_CONTAINS(at("2099-03-31"), "deny: expired; at 2099-03-31T00:00:00Z\n");
    CHECK(u.expect(0, question).find("; at ") == std::string::npos);
}

CLAIM(explain_says_that_a_path_is_taken_as_decoded_and_refuses_an_empty_one) {
    Usage u;
    u.file("p.conf",
           "<MTLSPartner acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSGrant read /api/**\n"
           "</MTLSPartner>\n");
    const auto asked = [&](const std::string& path) {
        return u.run({"explain", "--policy", "p.conf", "--cert", "leaf.pem", "--path", path}).text;
    };
    const std::string note = "--path is taken as decoded, and without a query";
    for (const char* const path : {"/api/1?x=1", "/api/a%20b"}) CHECK_CONTAINS(asked(path), note);
    for (const char* const path : {"/api/1", "/api/100%"}) CHECK(asked(path).find(note) == std::string::npos);
    u.refuses({"explain", "--policy", "p.conf", "--cert", "leaf.pem", "--path", ""}, "explain has an empty --path");
}

CLAIM(explain_answers_nothing_where_a_crl_cannot_be_used) {
    Usage u;
    u.file("page.crl", "<html>not found</html>\n").file("ca.crl", make_crl(u.ca, {}));
    const std::vector<std::string> question = {"explain", "--policy", "p.conf", "--cert", "leaf.pem", "--crl"};
    const auto with = [&](const std::string& file) {
        auto args = question;
        args.push_back(file);
        return args;
    };
    CHECK_CONTAINS(u.expect(0, with("ca.crl")), "allow: granted");
    for (const char* const file : {"leaf.pem", "page.crl", "none.crl"}) {
        CHECK(u.expect(2, with(file)).find("allow") == std::string::npos);
    }
    u.file("p.conf", kPolicy + "MTLSCRLFile " + u.folder() + "/none.crl\n");
    CHECK(u.expect(2, {"explain", "--policy", "p.conf", "--cert", "leaf.pem"}).find("allow") == std::string::npos);
}

CLAIM(explain_of_an_ambiguous_certificate_names_both_lines) {
    Usage u;
    u.file("p.conf",
           "<MTLSPartner acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n"
           "<MTLSPartner b>\nMTLSIdentity DNS:none.example\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor "
           "ca.pem\n</MTLSPartner>\n");
    const std::string said = u.expect(3, {"explain", "--policy", "p.conf", "--cert", "leaf.pem"});
    CHECK_CONTAINS(said, "deny: ambiguous");
    CHECK_CONTAINS(said,
                   "identity: it is acme by MTLSIdentity CN:api at p.conf:2, and b by MTLSIdentity "
                   "DNS:api.acme.example at p.conf:7");
    CHECK(said.find("no valid path") == std::string::npos);
    // Where there is none, it is still said.
    u.file("p.conf", "<MTLSPartner acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor other.pem\n</MTLSPartner>\n")
        .file("other.pem", make_ca("Other CA").cert_pem());
    CHECK_CONTAINS(u.expect(3, {"explain", "--policy", "p.conf", "--cert", "leaf.pem"}), "no valid path to these");
}

CLAIM(a_certificate_is_no_policy_file) {
    Usage u;
    std::string der;
    for (const char c : {'\x30', '\x82', '\x01', '\x00', 'a', '\n', 'b'}) der += c;
    u.file("acme.der", der).file("late.conf", "# mine\n" + u.ca.cert_pem());
    for (const auto& [file, why] : std::vector<std::pair<std::string, std::string>>{
             {"leaf.pem",
              "leaf.pem:1: error: the file is PEM (-----BEGIN CERTIFICATE-----), and no file of directives"},
             {"late.conf", "late.conf:2: error: the file is PEM (-----BEGIN CERTIFICATE-----)"},
             {"acme.der", "acme.der:1: error: the file is DER, and no file of directives"}}) {
        const std::string said = u.expect(1, {"check", file});
        CHECK_CONTAINS(said, why);
        CHECK_EQUAL(std::count(said.begin(), said.end(), '\n'), 1);
    }
}

CLAIM(names_in_errors_and_tables_are_utf8_as_they_are) {
    Usage u;
    const std::string cafe = "Caf\xc3\xa9",
                      hidden =
                          "a\xe2\x80\xae"
                          "b\x1b[31m",
                      half = "\xc3";
    u.file("bad.conf",
           "<MTLSPartner " + cafe + ">\n</MTLSPartner>\n" + cafe + " x\n" + hidden + " x\n" + half + " x\n");
    const std::string said = u.expect(1, {"check", "bad.conf"});
    CHECK_CONTAINS(said, "bad.conf:1: error: <MTLSPartner>: '" + cafe + "' cannot be a partner's name");
    CHECK_CONTAINS(said, "bad.conf:3: error: unknown directive '" + cafe + "'");
    CHECK_CONTAINS(said, "bad.conf:4: error: unknown directive 'a\\xe2\\x80\\xaeb\\x1b[31m'");
    CHECK_CONTAINS(said, "bad.conf:5: error: unknown directive '\\xc3'");
    CHECK(said.find('\x1b') == std::string::npos);
    CHECK_CONTAINS(u.expect(1, {"check", "--json", "bad.conf"}), "'" + cafe + "'");
    u.refuses({"facts", cafe}, cafe + ": No such file");
    // Columns are as wide as what is seen.
    u.file("p.conf", "<MTLSPartner acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSGrant GET /" + cafe +
                         "\nMTLSGrant GET /Cafe\n</MTLSPartner>\n");
    const std::string table = u.expect(0, {"matrix", "--policy", "p.conf"});
    CHECK_CONTAINS(table, "acme     /" + cafe + "  GET      p.conf:4\nacme     /Cafe  GET      p.conf:5\n");
}

CLAIM(single_quotes_are_httpds_quotes) {
    Usage u;
    u.file("p.conf",
           "<MTLSPartner 'acme'>\nMTLSIdentity 'CN:api' \"O:a 'b'\"\nMTLSIdentity 'CN:api'\nMTLSTrustAnchor "
           "'ca.pem'\nMTLSGrant 'GET' '/a b'\nMTLSCRL 'required'\nMTLSCRLStale 'grace=5'\nMTLSShortLived "
           "'7'\n</MTLSPartner>\nMTLSSuspend 'acme' 'note=two words'\n");
    CHECK_CONTAINS(u.expect(0, {"check", "p.conf"}), "1 partner(s)");
    u.file("q.conf",
           "<MTLSPartner acme>\nMTLSIdentity DNS:'api.acme.example'\nMTLSIdentity DNS:api'x\nMTLSTrustAnchor "
           "ca.pem\n</MTLSPartner>\n");
    const std::string said = u.expect(1, {"check", "q.conf"});
    CHECK_CONTAINS(said, "quotes go around the whole word: DNS:api.acme.example\n");
    CHECK_CONTAINS(said, "q.conf:3: error: ");
}
