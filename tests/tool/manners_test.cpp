// How the tool takes its arguments, and what it says of what it did not ask.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/keeper/live_socket.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;

namespace {

std::string acme(const std::string& identity, const std::string& more = "") {
    return "<MTLSPartner acme>\nMTLSIdentity " + identity + "\nMTLSTrustAnchor ca/acme.pem\n" + more +
           "</MTLSPartner>\n";
}

// A repository and an installed policy, each with CAs and partners of its own.
struct Folders : Bench {
    Identity ca = make_ca("Acme CA"), other = make_ca("Other CA");
    Identity leaf = make_client("api", "api.acme.example", ca);
    Folders() {
        file("root/ca/acme.pem", ca.cert_pem()).file("ca/acme.pem", other.cert_pem()).file("leaf.pem", leaf.cert_pem());
    }
};

}  // namespace

CLAIM(files_of_the_command_line_belong_to_the_current_folder) {
    Folders f;
    const std::string good = acme("CN:api"), broken = "THIS IS BROKEN\n";
    for (const char* spelled : {"partners/acme.conf", "partners/*.conf", "./partners/[a]cme.conf"}) {
        f.file("partners/acme.conf", broken).file("root/partners/acme.conf", good);
        CHECK_CONTAINS(f.expect(1, {"check", "--root", "root", spelled}), "partners/acme.conf:1: error: ");
        f.file("partners/acme.conf", good).file("root/partners/acme.conf", broken);
        f.expect(0, {"check", "--root", "root", spelled});
        f.expect(0, {"explain", "--root", "root", "--policy", spelled, "--cert", "leaf.pem"});
        CHECK_CONTAINS(f.expect(3, {"explain", "--policy", spelled, "--cert", "leaf.pem"}), "deny: not-verified");
        f.file("root/partners/acme.conf", acme("CN:other"));
        CHECK_CONTAINS(f.expect(1, {"diff", "--root", "root", "root/partners/acme.conf", spelled}),
                       "acme gains: MTLSIdentity CN:api\n");
        CHECK_CONTAINS(f.expect(0, {"matrix", "--root", "root", "--policy", spelled}), "acme");
    }
    // Once, whatever names it.
    f.expect(
        0, {"check", "--root", "root", "partners/acme.conf", "./partners/*.conf", f.folder() + "/partners/acme.conf"});
    for (const std::vector<std::string>& nothing : {std::vector<std::string>{"check", "none.conf"},
                                                    {"check", "none/*.conf"},
                                                    {"matrix", "--policy", "ca/*.conf"}}) {
        const std::string said = f.expect(2, nothing);
        CHECK_CONTAINS(said, nothing.back() + ": error: cannot be read: ");
        CHECK(said.find("MTLSPolicyFile") == std::string::npos);
    }
    CHECK_CONTAINS(f.expect(2, {"check", "none/*.conf"}), "there is no 'none/'; mkdir -p 'none/'");
    CHECK_CONTAINS(f.shell("\"$0\" check --root root - < partners/acme.conf").text, "1 partner(s)");
}

CLAIM(what_explain_was_not_given_it_says) {
    Folders f;
    f.file("p.conf", acme("CN:api", "MTLSGrant GET /app/**\n"))
        .file("stop.conf", "MTLSSuspend acme \"note=breach\"\n")
        .file("sha.conf", "MTLSRevoke CN:api\n")
        .file("empty.conf", "# none\n")
        .file("list.crl", make_crl(f.ca, {.revoked = {{&f.leaf, -1}}}))
        .file("none.crl", make_crl(f.ca, {}));
    const auto explain = [&](int status, const std::vector<std::string>& more) {
        std::vector<std::string> args = {"explain", "--root", "root", "--policy", "p.conf", "--cert", "leaf.pem"};
        args.insert(args.end(), more.begin(), more.end());
        return f.expect(status, args);
    };
    CHECK_CONTAINS(explain(0, {}), "allow: granted; gates were not asked\n");
    CHECK_CONTAINS(explain(0, {}),
                   "not asked: gates of httpd.conf (--path asks as MTLSAllow by-grant does), revocation files "
                   "(--revocations), CRLs (--crl)\n");
    CHECK_CONTAINS(explain(3, {"--path", "/other"}), "not asked: gates of httpd.conf (by-grant was asked), rev");
    CHECK_EQUAL(Json::parse(explain(0, {"--json"}))["not_asked"].size(), 3U);
    // Nor what a front hands on, where there is one.
    f.file("front.conf", acme("CN:api", "MTLSFront header=X-Cert format=der\n"));
    CHECK(explain(0, {}).find("front") == std::string::npos);
    CHECK_CONTAINS(f.expect(0, {"explain", "--root", "root", "--policy", "front.conf", "--cert", "leaf.pem"}),
                   "CRLs (--crl), whether a front hands the certificate on, and is accepted there (MTLSAcceptFront)\n");
    // What was given is asked, and not said to be missing.
    const std::string asked = explain(0, {"--revocations", "empty.conf", "--crl", "none.crl"});
    CHECK(asked.find("(--revocations)") == std::string::npos && asked.find("(--crl)") == std::string::npos);
    CHECK_CONTAINS(explain(3, {"--revocations", "stop.conf"}), "deny: suspended");
    CHECK_CONTAINS(explain(3, {"--revocations", "s*.conf"}), "deny: revoked");
    CHECK_CONTAINS(explain(3, {"--crl", "list.crl"}), "deny: revoked");
    CHECK_CONTAINS(explain(3, {"--crl", "none.crl", "--at", "2101-01-01"}), "deny: expired");
    for (const char* option : {"--revocations", "--crl"}) {
        CHECK_CONTAINS(explain(2, {option, "nowhere"}), "nowhere: error: cannot be read: No such file");
        CHECK_CONTAINS(explain(2, {option, "nowhere*"}), "nowhere*: error: cannot be read: no file fits");
    }
    f.file("root/list.crl", make_crl(f.ca, {.revoked = {{&f.leaf, -1}}}));
    f.file("p.conf", acme("CN:api") + "MTLSCRLFile list.crl\n");
    const std::string own = explain(3, {});
    CHECK_CONTAINS(own, "deny: revoked");
    CHECK(own.find("(--crl)") == std::string::npos);
}

CLAIM(explain_asks_at_the_security_level_that_it_is_given) {
    Folders f;
    f.file("p.conf", acme("CN:api"));
    const auto explain = [&](int status, const char* level) {
        return f.expect(status, {"explain", "--root", "root", "--policy", "p.conf", "--cert", "leaf.pem",
                                 "--security-level", level});
    };
    CHECK_CONTAINS(explain(0, "2"), "allow: granted");
    CHECK_CONTAINS(explain(3, "5"), "deny: wrong-issuer (EE certificate key too weak)");  // P-256: level 3
    CHECK_CONTAINS(explain(2, "6"), "--security-level");
}

CLAIM(a_limit_of_the_session_is_named) {
    Folders f;
    f.file("p.conf", acme("CN:api"));
    std::vector<Identity> above;
    above.push_back(copy_of(f.ca));
    for (int i = 0; i < 12; ++i) above.push_back(make_ca("Sub " + std::to_string(i), &above.back()));
    std::string chain = make_client("api", "api.acme.example", above.back()).cert_pem();
    for (const Identity& ca : above) chain += ca.cert_pem();
    f.file("long.pem", chain);
    CHECK_CONTAINS(f.expect(3, {"explain", "--root", "root", "--policy", "p.conf", "--cert", "long.pem"}),
                   "intermediates: ");
}

CLAIM(a_mistyped_word_is_repeated_with_the_nearest) {
    Folders f;
    for (const auto& [words, part] : std::vector<std::pair<std::vector<std::string>, const char*>>{
             {{"chek"}, "there is no command 'chek' (did you mean 'check'?)"},
             {{"bogus"}, "there is no command 'bogus'; mtls-authz help lists them"},
             {{"help", "facst"}, "(did you mean 'facts'?)"},
             {{"explain", "--polcy", "p.conf", "--cert", "leaf.pem"},
              "explain has no option '--polcy' (did you mean '--policy'?); mtls-authz help explain has its options"},
             {{"matrix", "--ploicy=p.conf"}, "(did you mean '--policy'?)"},
             {{"check", "-x", "p.conf"}, "check has no option '-x'"},
             {{}, "say a command"}}) {
        CHECK_CONTAINS(f.expect(2, words), part);
    }
    CHECK_CONTAINS(f.expect(2, {}), "  why  ");
    CHECK_CONTAINS(f.expect(0, {"--version"}), "mtls-authz 1.");
    CHECK_CONTAINS(f.expect(0, {"--version"}), "OpenSSL 3.");
}

CLAIM(the_completion_has_every_option_and_the_manual_page_every_command) {
    Folders f;
    const auto words_of = [](const std::string& text) {
        std::set<std::string> out;
        for (std::size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at + 1)) {
            const std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at);
            if (end > at + 2) out.insert(text.substr(at, end - at));
        }
        return out;
    };
    const auto read = [](const char* file) {
        std::ifstream in(file);
        std::string out;
        for (std::string line; std::getline(in, line);) out += line + "\n";
        for (std::size_t at = 0; (at = out.find("\\-", at)) != std::string::npos;) out.erase(at, 1);
        return out;
    };
    const std::string page = read("docs/mtls-authz.1"), completion = read("tools/mtls-authz/completion.bash");
    const std::string general = f.expect(0, {"help"});
    std::istringstream commands(f.expect(0, {"manual"}));
    for (std::string command; std::getline(commands, command);) {
        CHECK_CONTAINS(general, "  " + command + " ");
        CHECK_CONTAINS(page, ".BR mtls-authz-" + command + " (1)\n");
        const std::size_t line = completion.find("        " + command + ") ");
        CHECK(line != std::string::npos);
        const auto completed = words_of(completion.substr(line, completion.find('\n', line) - line));
        const std::string help = f.expect(0, {"help", command});
        for (const std::string& option : words_of(help.substr(0, help.find("Exit: ")))) {
            test::check(completed.contains(option), command + " " + option, __FILE__, __LINE__);
        }
    }
}

CLAIM(check_says_when_a_partners_last_anchor_or_its_contract_ends) {
    Folders f;
    const auto day = [](int days) { return mtls::format_time(std::time(nullptr) + 86400L * days).substr(0, 10); };
    const auto checked = [&](int old_until, int next_until, int contract) {
        f.file("p.conf", "<MTLSPartner acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor ca/acme.pem until=" +
                             day(old_until) + "\nMTLSTrustAnchor ca/next.pem until=" + day(next_until) +
                             "\nMTLSValid until=" + day(contract) + "\n</MTLSPartner>\n");
        const std::string out = f.expect(0, {"check", "--root", "root", "p.conf"});
        return std::pair(out.substr(0, out.find("generation")), out.find("generation") != std::string::npos);
    };
    const auto has = [&](const std::string& text, int old_until, int next_until, int contract) {
        const auto [warnings, is_fine] = checked(old_until, next_until, contract);
        CHECK(is_fine);
        if (text.empty())
            CHECK_EQUAL(warnings, "");
        else
            CHECK_CONTAINS(warnings, text);
    };
    CertSpec lasting;
    lasting.ca = true;
    lasting.eku = "";
    lasting.not_after = 86400L * 400;
    for (const char* name : {"acme", "next"}) {
        lasting.subject = {{"CN", name}};
        f.file("root/ca/" + std::string(name) + ".pem", issue(lasting, nullptr).cert_pem());
    }
    // In a rollover the end of the old one is wanted, past or near.
    has("", 5, 100, 100);
    has("", -5, 100, 100);
    has("p.conf:4: warning: MTLSTrustAnchor ca/next.pem ends on " + day(10), 5, 10, 100);
    has("nobody is let in under it after that", 5, 10, 100);
    has("p.conf:3: warning: MTLSTrustAnchor ca/acme.pem ends on " + day(20), 20, 10, 100);
    has("p.conf:4: warning: MTLSTrustAnchor ca/next.pem ended on " + day(-5), -50, -5, 100);
    has("p.conf:1: warning: MTLSValid of acme ends on " + day(7), 5, 100, 7);
    // An end that has come is what was asked for.
    has("", 5, 100, -7);
}

CLAIM(an_empty_argument_is_no_argument) {
    const Folders f;
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"check", ""},
                                               {"check", "--root", "", "x.conf"},
                                               {"facts", ""},
                                               {"init", "--root", ""},
                                               {"diff", "x", "x", "--certs", ""},
                                               {"check", "--root=", "x.conf"},
                                               {"why", "--policy", "", "x"}}) {
        const std::string said = f.expect(2, words);
        CHECK_CONTAINS(said, "mtls-authz: " + words[0] + " has an empty ");
        CHECK_EQUAL(std::count(said.begin(), said.end(), '\n'), 1);
    }
    CHECK_CONTAINS(f.expect(2, {"init", "--root", "root", "--path", "/a\n</Location>"}), "--path: write it without");
    CHECK_CONTAINS(f.expect(2, {"why", "--log", "root"}), "root: is a folder");
}

CLAIM(refusals_without_partners_are_no_names_to_doubt) {
    Folders f;
    f.file("stop.conf", "MTLSSuspend acne\nMTLSRevoke CN:x\n").file("acme.conf", acme("CN:api"));
    const std::string alone = f.expect(0, {"check", "--strict", "--root", "root", "stop.conf"});
    CHECK_CONTAINS(alone, "who owns the files, names of partners (there is none in these files)\n");
    const std::string wrong = f.expect(1, {"check", "--strict", "--root", "root", "acme.conf", "stop.conf"});
    CHECK_CONTAINS(wrong, "stop.conf:1: error: MTLSSuspend: there is no partner 'acne' (did you mean 'acme'?)");
    CHECK(wrong.find("names of partners") == std::string::npos);
}

CLAIM(strictness_is_no_matter_of_dates) {
    Folders f;
    CertSpec soon;
    soon.subject = {{"CN", "Acme CA"}};
    soon.ca = true;
    soon.eku = "";
    soon.not_after = 86400L * 10;
    f.file("root/ca/acme.pem", issue(soon, nullptr).cert_pem()).file("p.conf", acme("CN:api"));
    const auto checked = [&](int status, std::vector<std::string> args) {
        args.insert(args.begin(), {"check", "--root", "root", "p.conf"});
        return f.expect(status, args).find("expires on") != std::string::npos;
    };
    CHECK(checked(0, {}));
    CHECK(!checked(0, {"--strict"}));
    CHECK(!checked(0, {"--warn-days", "5"}));
    CHECK(checked(0, {"--warn-days", "11"}));
    CHECK(checked(1, {"--strict", "--warn-days", "11"}));
    // What has expired already is broken, not late.
    soon.not_before = -90000;
    soon.not_after = -80000;
    f.file("root/ca/acme.pem", issue(soon, nullptr).cert_pem());
    CHECK_CONTAINS(f.expect(1, {"check", "--root", "root", "--strict", "p.conf"}), "expired on");
}

CLAIM(check_warns_where_a_certificate_would_fit_two_partners) {
    Folders f;
    f.file("root/ca/other.pem", f.other.cert_pem());
    const auto checked = [&](const std::string& wide, const std::string& narrow, const std::string& anchor) {
        f.file("p.conf", acme(wide) + "<MTLSPartner b>\nMTLSIdentity " + narrow + "\nMTLSTrustAnchor " + anchor +
                             "\n</MTLSPartner>\n");
        return f.expect(0, {"check", "--root", "root", "p.conf"});
    };
    for (const auto& [wide, narrow] : std::vector<std::pair<const char*, const char*>>{
             {"DNS:*.acme.example", "DNS:API.acme.example"},
             {"DNS:**.acme.example", "DNS:*.eu.acme.example"},
             {"URI:https://acme.example/**", "URI:https://acme.example/a/*/b"},
             {"email:*@acme.example", "email:ann@acme.example"},
             {"IP:10.0.0.0/8", "IP:10.1.0.0/16"},
             {"DNS:*.acme.example", "DNS:api.acme.example !OU:Test"},
             // Neither fits what the other asks for, and one certificate fits both.
             {"DNS:*.acme.example O:Acme", "DNS:api.acme.example"},
             {"O:Acme OU:Api", "O:ACME CN:api"},
             {"O:Acme DNS:*.acme.example", "OU:Api DNS:api.acme.example"},
             {"CN:api", "O:Acme"},
             {"\"subject:CN=api,O=Acme\"", "CN:api DNS:api.acme.example"},
             {"CN:api EKU:clientAuth", "CN:api EKU:emailProtection"},
             {"CN:api key:RSA", "CN:api key:RSA>=3072"},
             {"O:Acme OU:Api !OU:Test", "O:Acme CN:api"}}) {
        const std::string said = checked(wide, narrow, "ca/acme.pem");
        CHECK_CONTAINS(
            said, "p.conf:6: warning: MTLSIdentity of b overlaps with that of acme at p.conf:2, under a trust anchor");
        CHECK(said.find("p.conf:2: ") == std::string::npos);
        CHECK(checked(wide, narrow, "ca/other.pem").find("overlaps") == std::string::npos);
    }
    for (const auto& [one, other] :
         std::vector<std::pair<const char*, const char*>>{{"DNS:*.acme.example", "DNS:a.b.acme.example"},
                                                          {"DNS:*.acme.example", "DNS:acme.example"},
                                                          {"IP:10.0.0.0/8", "IP:11.0.0.1"},
                                                          // A subject with two CNs fits neither.
                                                          {"O:Acme CN:a", "O:Acme CN:b"},
                                                          {"\"subject:CN=api,O=Acme\"", "CN:other DNS:x.example"},
                                                          {"\"subject:CN=api,O=Acme\"", "O:Other"},
                                                          {"DNS:a.example O:Acme", "DNS:b.example O:Acme"},
                                                          {"O:Acme OU:Api", "O:Acme !OU:Api CN:api"},
                                                          {"CN:api key:RSA", "CN:api key:EC"},
                                                          // Each names something, by a type of its own.
                                                          {"CN:api", "DNS:api.acme.example"}}) {
        CHECK(checked(one, other, "ca/acme.pem").find("overlaps") == std::string::npos);
    }
}

CLAIM(lines_that_are_tied_to_different_anchors_do_not_overlap) {
    Folders f;
    f.file("root/ca/other.pem", f.other.cert_pem());
    const auto checked = [&](const std::string& first, const std::string& second) {
        std::string text;
        for (const auto& [name, anchor] : {std::pair("a", first), std::pair("b", second)}) {
            text += std::string("<MTLSPartner ") + name + ">\nMTLSIdentity " +
                    (*name == 'a' ? "O:Acme OU:Api" : "O:Acme CN:api") + anchor +
                    "\nMTLSTrustAnchor ca/acme.pem ca/other.pem\n</MTLSPartner>\n";
        }
        f.file("p.conf", text);
        return f.expect(0, {"check", "--root", "root", "p.conf"});
    };
    CHECK_CONTAINS(checked("", " anchor=ca/acme.pem"),
                   "p.conf:6: warning: MTLSIdentity of b overlaps with that of a at p.conf:2");
    CHECK_CONTAINS(checked(" anchor=ca/acme.pem", " anchor=ca/acme.pem"),
                   "a certificate with O:Acme CN:api OU:Api fits both, and is then ambiguous");
    CHECK(checked(" anchor=ca/other.pem", " anchor=ca/acme.pem").find("overlaps") == std::string::npos);
}

CLAIM(differences_are_json_for_machines) {
    Folders f;
    f.file("old.conf", acme("CN:api")).file("new.conf", acme("CN:api", "MTLSGrant GET /x\n"));
    f.file("certs/bad", "bad");
    const Json json = Json::parse(f.expect(1, {"diff", "--json", "--root", "root", "old.conf", "new.conf"}));
    CHECK_EQUAL(json["changes"].dump(), R"([{"change":"gains","line":"MTLSGrant GET /x","who":"acme"}])");
    CHECK(json["before"] != json["after"]);
    const Json same = Json::parse(f.expect(0, {"diff", "--json", "--root", "root", "old.conf", "old.conf"}));
    CHECK(same["changes"].empty() && same["before"] == same["after"]);
    CHECK_CONTAINS(f.expect(2, {"diff", "--root", "root", "old.conf", "old.conf", "--certs", "certs"}), "certs/bad: ");
    CHECK_CONTAINS(f.expect(2, {"diff", "--root", "root", "old.conf", "old.conf", "--certs", "cert"}),
                   "mtls-authz: cert: No such file or directory\n");
    f.file("leaf.pem", issue(CertSpec{}, &f.ca).cert_pem());
    CHECK_EQUAL(f.shell("\"$0\" diff --root root old.conf old.conf --certs - < leaf.pem").status, 0);
}

CLAIM(people_on_a_terminal_get_text_colour_and_a_caret) {
    Folders f;
    CertSpec spec;
    spec.subject = {{"O", "Caf\xc3\xa9 \xe2\x80\xaegrob"}, {"CN", "api"}};
    f.file("name.pem", issue(spec, &f.ca).cert_pem()).file("q.conf", acme("DNS:x") + "MTLSRevoke DSN:x\n");
    // util-linux' script(1) gives a command a terminal.
    const auto on_terminal = [&](const std::string& command) {
        return f.shell("script -qec \"$0 " + command + "\" /dev/null").text;
    };
    CHECK_CONTAINS(on_terminal("facts name.pem"), "  subject     CN=api,O=Caf\xc3\xa9 \\xe2\\x80\\xaegrob");
    CHECK_CONTAINS(on_terminal("facts --json name.pem"), "{\"file\":\"name.pem\"");
    CHECK_CONTAINS(f.expect(0, {"facts", "name.pem"}), "{\"file\":\"name.pem\"");
    const std::string caret = on_terminal("check --root root q.conf");
    CHECK_CONTAINS(caret, "\x1b[31merror:\x1b[0m");
    CHECK_CONTAINS(caret, "    MTLSRevoke DSN:x\r\n               \x1b[31m^\x1b[0m\r\n");
    const std::string plain = f.shell("NO_COLOR=1 script -qec \"$0 check --root root q.conf\" /dev/null").text;
    CHECK_CONTAINS(plain, "    MTLSRevoke DSN:x\r\n               ^\r\n");
    CHECK(plain.find('\x1b') == std::string::npos);
    f.file("old.conf", acme("CN:api"));
    CHECK_CONTAINS(on_terminal("diff --root root old.conf old.conf"),
                   "no difference\r\nnot asked: gates of httpd.conf, revocation files, CRLs");
    CHECK_EQUAL(f.expect(0, {"diff", "--root", "root", "old.conf", "old.conf"}), "");
    const std::string piped = f.expect(1, {"check", "--root", "root", "q.conf"});
    CHECK(piped.find('^') == std::string::npos && piped.find('\x1b') == std::string::npos);
    CHECK_CONTAINS(f.expect(0, {"suggest", "name.pem"}), "# CN=api,O=Caf\xc3\xa9 \\xe2\\x80\\xaegrob");
}

CLAIM(a_question_is_understood_before_a_running_server_is_asked) {
    const Folders f;
    const auto asked = [&f](const std::vector<std::string>& words) {
        std::vector<std::string> all = {"explain", "--socket", "none.sock", "--cert", "leaf.pem"};
        all.insert(all.end(), words.begin(), words.end());
        return f.expect(2, all);
    };
    CHECK_CONTAINS(asked({"--from", "here"}), "--from: 'here' is no IP address");
    CHECK_CONTAINS(asked({"--path", "orders"}), "--path: expected a path");
    CHECK_CONTAINS(asked({"--method", "GRAB", "--path", "/x"}), "--method: 'GRAB' is no method");
    CHECK_CONTAINS(asked({"--at", "soon"}), "--at: ");
    CHECK_CONTAINS(asked({"--path", "/x"}), "none.sock: no server listens there");
}

// By what --help prints of each command.
CLAIM(each_command_has_a_manual_page_with_every_option_and_json) {
    Bench bench;
    std::istringstream names(bench.expect(0, {"manual"}));
    std::size_t seen = 0;
    for (std::string name; std::getline(names, name); ++seen) {
        const std::string page = bench.expect(0, {"manual", name});
        CHECK(page.starts_with(".TH "));
        const std::string help = bench.expect(0, {"help", name});
        CHECK_CONTAINS(help, "--json");
        std::istringstream lines(help);
        for (std::string line; std::getline(lines, line);) {
            if (!line.starts_with("  --") && !line.starts_with("  -h")) continue;
            std::string option = line.substr(2, line.find_first_of(" ,", 2) - 2);
            for (std::size_t at = 0; (at = option.find('-', at)) != std::string::npos; at += 2) option.insert(at, "\\");
            test::check(page.find(option) != std::string::npos, name + " " + line, __FILE__, __LINE__);
        }
        bench.file("page.1", page);
        const auto drawn = bench.shell("! command -v man >/dev/null || man --warnings=w -l page.1 2>&1 >/dev/null");
        CHECK_EQUAL(drawn.text, "");
    }
    CHECK(seen >= 10);
    CHECK_CONTAINS(bench.expect(2, {"manual", "none"}), "manual has no page of 'none'");
}

CLAIM(help_says_how_a_command_ends_and_which_words_may_be_left_out) {
    Bench b;
    for (const std::string command : {"init", "suggest", "facts", "check", "explain", "why", "matrix", "diff", "fetch",
                                      "push", "pull", "fleet", "import"}) {
        CHECK_CONTAINS(b.expect(0, {"help", command}), "Exit: 0 ");
    }
    CHECK_CONTAINS(b.expect(0, {"manual", "why"}), "[OPTION]... [LINE]...");
    CHECK_CONTAINS(b.expect(0, {"manual", "facts"}), "[OPTION]... CERT...");
}

CLAIM(a_server_that_does_not_run_is_said_not_to) {
    Bench b;
    // Unless one does, on a developer's machine.
    if (std::filesystem::exists("/run/apache2/mtls_authz.sock") || std::filesystem::exists("/run/httpd")) return;
    CHECK_CONTAINS(b.expect(2, {"matrix", "--live"}),
                   "mtls-authz: no server with the module seems to run, as there is");
}

CLAIM(matrix_suggest_import_and_init_speak_json) {
    Folders f;
    f.file("p.conf", acme("CN:api", "MTLSGrant GET /app/** if DNS:api.acme.example\n"));
    const Json matrix = Json::parse(f.expect(0, {"matrix", "--root", "root", "--policy", "p.conf", "--json"}));
    CHECK_EQUAL(matrix["rows"].size(), 1U);
    CHECK_EQUAL(matrix["rows"][0]["path"], "/app/**");
    CHECK_EQUAL(matrix["rows"][0]["condition"], "DNS:api.acme.example");
    const Json checked = Json::parse(f.expect(0, {"check", "--root", "root", "--json", "p.conf"}));
    CHECK_EQUAL(matrix["generation"], checked["generation"]);

    const Json good = Json::parse(f.expect(0, {"suggest", "--json", "--anchor", "root/ca/acme.pem", "leaf.pem"}));
    CHECK(good["objection"].is_null());
    CHECK_CONTAINS(good["block"].get<std::string>(), "<MTLSPartner " + good["partner"].get<std::string>() + ">");
    const Json bad = Json::parse(f.expect(1, {"suggest", "--json", "--anchor", "ca/acme.pem", "leaf.pem"}));
    CHECK_CONTAINS(bad["objection"].get<std::string>(), "would refuse");

    f.file("t.csv", "name,DNS\nacme,api.acme.example\nglobex,not a name\n");
    const Json imported = Json::parse(f.expect(1, {"import", "--json", "csv", "t.csv"}));
    CHECK_EQUAL(imported["partners"].size(), 1U);
    CHECK_EQUAL(imported["partners"][0]["partner"], "acme");
    CHECK_EQUAL(imported["not_converted"][0]["line"], 3);

    f.file("server/conf-available/x", "");
    std::istringstream made(f.expect(0, {"init", "--json", "--root", "server"}));
    std::size_t lines = 0;
    for (std::string line; std::getline(made, line); ++lines) CHECK(Json::parse(line)["made"].is_boolean());
    CHECK(lines >= 7);
}

CLAIM(a_server_that_another_user_started_is_asked_as_that_user) {
    if (getuid() != 0) return;
    Bench b;
    chmod(b.folder().c_str(), 0777);
    const std::string socket = b.folder() + "/mtls_authz.sock";
    const pid_t server = fork();
    if (server == 0) {
        const auto listener =
            setuid(4711) == 0 ? mtls::listen_live(socket, 4711) : mtls::Result<mtls::OwnedFile>(mtls::Error{""});
        if (!listener.ok()) _exit(1);
        pause();
    }
    for (int i = 0; i < 600 && !std::filesystem::exists(socket); ++i) usleep(50000);
    const std::string said = b.expect(2, {"matrix", "--socket", socket});
    CHECK_CONTAINS(said, "was made by user 4711");
    CHECK_CONTAINS(said, "run mtls-authz as that user");
    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
}
