// `mtls-authz init`: from nothing to a gate that only logs.
#include <sys/stat.h>

#include "../httpd/live_site.hpp"
#include "tool.hpp"

using namespace test;

namespace {

struct Beginning : Bench {
    Identity ca = make_ca("Acme CA"), other = make_ca("Other CA");
    Identity leaf = make_client("api", "api.acme.example", ca);
    Beginning() {
        fs::create_directory(folder() + "/root");
        file("acme.pem", leaf.cert_pem()).file("acme-ca.pem", ca.cert_pem()).file("other-ca.pem", other.cert_pem());
    }
    std::string content(const std::string& name) const { return shell("cat '" + name + "'").text; }
};

}  // namespace

CLAIM(init_makes_nothing_where_a_file_that_it_needs_is_missing) {
    Beginning b;
    for (const auto& [certificate, anchor] : {std::pair{"acme.pem", "nowhere.pem"}, {"nowhere.pem", "acme-ca.pem"}}) {
        CHECK_CONTAINS(b.expect(2, {"init", "--root", "root", "--cert", certificate, "--anchor", anchor}),
                       "nowhere.pem: No such file or directory");
        CHECK(fs::is_empty(b.folder() + "/root"));
    }
    // The same where that CA did not issue the certificate.
    CHECK_CONTAINS(b.expect(2, {"init", "--root", "root", "--cert", "acme.pem", "--anchor", "other-ca.pem"}),
                   "would refuse the certificate: not-verified");
    CHECK(fs::is_empty(b.folder() + "/root"));
}

CLAIM(init_makes_folders_gate_and_the_first_partner_and_says_what_it_did) {
    Beginning b;
    const std::string out = b.expect(0, {"init", "--root", "root", "--path", "/orders", "--cert", "acme.pem",
                                         "--anchor", "acme-ca.pem", "--name", "acme"});
    for (const char* made :
         {"root/mtls/partners", "root/mtls/revoked", "root/mtls/crl", "root/mtls/expect", "root/mtls/acme-ca.pem",
          "root/mtls/partners/acme.conf", "root/conf-available/mtls-partners.conf"}) {
        CHECK_CONTAINS(out, std::string("made   ") + made + "  ");
        CHECK(fs::exists(b.folder() + "/" + made));
    }
    CHECK_CONTAINS(out, "a2enconf mtls-partners");
    CHECK_CONTAINS(b.content("root/conf-available/mtls-partners.conf"),
                   "<Location /orders>\n    MTLSAllow any-partner\n");
    const std::vector<std::string> policy = {"--root", "root", "--policy", "root/mtls/partners/*.conf"};
    std::vector<std::string> question = {"explain", "--cert", "acme.pem"};
    question.insert(question.end(), policy.begin(), policy.end());
    CHECK_CONTAINS(b.expect(0, question), "acme");
    b.expect(0, {"check", "--strict", "--root", "root", "root/mtls/partners/*.conf"});
}

CLAIM(init_leaves_what_is_there_as_it_is) {
    Beginning b;
    fs::create_directories(b.folder() + "/root/conf.d");
    b.file("root/mtls/partners/README.conf", "# mine\n").file("root/conf.d/mtls-partners.conf", "# mine too\n");
    const std::string out = b.expect(0, {"init", "--root", "root"});
    CHECK_CONTAINS(out, "stays  root/mtls/partners/README.conf");
    CHECK_CONTAINS(out, "httpd -t\n");
    CHECK_EQUAL(b.content("root/mtls/partners/README.conf"), "# mine\n");
    CHECK_EQUAL(b.content("root/conf.d/mtls-partners.conf"), "# mine too\n");
    CHECK(b.expect(0, {"init", "--root", "root"}).find("made ") == std::string::npos);
}

CLAIM(what_init_makes_can_be_read_by_the_server_whatever_the_umask) {
    for (const char* mask : {"077", "027", "000"}) {
        Beginning b;
        fs::create_directories(b.folder() + "/root/mtls/crl");
        b.file("root/mtls/revoked/README.conf", "# mine\n");
        chmod((b.folder() + "/root/mtls/revoked/README.conf").c_str(), 0600);
        chmod((b.folder() + "/root/mtls/crl").c_str(), 0700);
        const auto made = b.shell(std::string("umask ") + mask +
                                  "; \"$0\" init --root root --cert acme.pem --anchor acme-ca.pem --name acme");
        check_equal(made.status, 0, made.text, __FILE__, __LINE__);
        // What was there keeps its mode.
        CHECK_EQUAL(b.shell("cd root; stat -c '%a %n' $(find mtls/*/README.conf mtls/acme-ca.pem mtls/crl mtls/expect "
                            "mtls/partners mtls/partners/acme.conf conf-available conf-available/mtls-partners.conf "
                            "-maxdepth 0)")
                        .text,
                    "644 mtls/partners/README.conf\n600 mtls/revoked/README.conf\n644 mtls/acme-ca.pem\n700 mtls/crl\n"
                    "755 mtls/expect\n755 mtls/partners\n644 mtls/partners/acme.conf\n755 conf-available\n"
                    "644 conf-available/mtls-partners.conf\n");
        // The folder above, where init makes it, too.
        fs::create_directory(b.folder() + "/fresh");
        CHECK_EQUAL(b.shell(std::string("umask ") + mask +
                            "; \"$0\" init --root fresh >/dev/null; stat -c %a fresh/mtls fresh/mtls/partners")
                        .text,
                    "755\n755\n");
    }
}

CLAIM(init_run_again_changes_nothing_and_says_what_is_there) {
    Beginning b;
    const std::vector<std::string> first = {"init",     "--root",   "root",        "--path", "/orders", "--cert",
                                            "acme.pem", "--anchor", "acme-ca.pem", "--name", "acme"};
    b.expect(0, first);
    const std::string before = b.shell("find root -type f | sort | xargs sha256sum").text;
    const std::string again = b.expect(0, first);
    CHECK(again.find("made ") == std::string::npos);
    CHECK_CONTAINS(again, "stays  root/mtls/partners/acme.conf:");
    CHECK_CONTAINS(again, "All of it was there already, and nothing was changed.\n");
    // Another path: its gate is not made, and that is said.
    auto other = first;
    other[4] = "/other";
    CHECK_CONTAINS(b.expect(0, other), "mtls-partners.conf was there already, and has no <Location /other>");
    CHECK_EQUAL(b.shell("find root -type f | sort | xargs sha256sum").text, before);
    // The partner is in a file of another name, and in other case: a second one would stop the server.
    fs::rename(b.folder() + "/root/mtls/partners/acme.conf", b.folder() + "/root/mtls/partners/all.conf");
    auto upper = first;
    upper.back() = "ACME";
    CHECK_CONTAINS(b.expect(0, upper), "stays  root/mtls/partners/all.conf:");
    CHECK(!fs::exists(b.folder() + "/root/mtls/partners/ACME.conf"));
    CHECK(!fs::exists(b.folder() + "/root/mtls/ACME-ca.pem"));
    b.expect(0, {"check", "--root", "root", "root/mtls/partners/*.conf"});
}

CLAIM(init_copies_certificates_alone_and_no_private_key) {
    for (const bool has_key_first : {true, false}) {
        Beginning b;
        const std::string key = b.ca.key_pem(), certificates = b.ca.cert_pem() + b.other.cert_pem();
        b.file("acme-ca.pem", has_key_first ? key + certificates : "# ours\n" + certificates + key);
        b.expect(0, {"init", "--root", "root", "--cert", "acme.pem", "--anchor", "acme-ca.pem", "--name", "acme"});
        CHECK_EQUAL(b.content("root/mtls/acme-ca.pem"), certificates);
        CHECK_EQUAL(b.shell("grep -rl 'PRIVATE KEY' root").text, "");
        CHECK_CONTAINS(
            b.expect(0, {"explain", "--root", "root", "--policy", "root/mtls/partners/*.conf", "--cert", "acme.pem"}),
            "acme");
    }
    Beginning b;
    b.file("acme-ca.pem", b.ca.key_pem());
    CHECK_CONTAINS(b.expect(2, {"init", "--root", "root", "--cert", "acme.pem", "--anchor", "acme-ca.pem"}),
                   "acme-ca.pem: holds a private key and no certificate");
    CHECK(fs::is_empty(b.folder() + "/root"));
}

CLAIM(init_makes_no_partner_that_would_be_refused) {
    Beginning b;
    const auto with = [](std::vector<std::string> more) {
        std::vector<std::string> out = {"init", "--root", "root"};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    };
    CHECK_CONTAINS(b.expect(2, with({"--cert", "acme.pem", "--anchor", "other-ca.pem", "--name", "acme"})),
                   "this policy would refuse the certificate: not-verified");
    CHECK(!fs::exists(b.folder() + "/root/mtls/partners/acme.conf"));
    CHECK(!fs::exists(b.folder() + "/root/mtls/acme-ca.pem"));
    CHECK_CONTAINS(b.expect(2, with({"--cert", "acme.pem"})), "--cert and --anchor go together");
    CHECK_CONTAINS(b.expect(2, with({"--path", "orders"})), "--path: a path begins with /");
    for (const char* path : {"/v[12]", "/acme*", "/acme?", "/a%20b", "/${HOME}", "/a#b", "/a/../b", "/a/.", "/a//b"}) {
        CHECK_CONTAINS(b.expect(2, with({"--path", path})), "--path: write it as httpd compares it");
    }
    CHECK(!fs::exists(b.folder() + "/root/mtls"));
    b.expect(0, with({"--path", "/a.b/..c/$d/~e/"}));
    CHECK_CONTAINS(b.expect(2, {"init", "--root", "none"}), "none: no such folder");
}

CLAIM(a_server_takes_what_init_made_and_the_gate_only_logs) {
    const World& w = world();
    set_httpd_paths(find_httpd(fs::path(tool_path()).parent_path() / "mod_mtls_authz.so"));
    Httpd httpd(httpd_paths());
    w.install(httpd);
    httpd.write("given.pem", w.acme.cert_pem());
    const auto out = run_command({tool_path(), "init", "--root", ".", "--path", "/gate", "--cert", "given.pem",
                                  "--anchor", "acme.pem", "--name", "acme"},
                                 httpd.root());
    check_equal(out.status, 0, out.text, __FILE__, __LINE__);
    httpd.configure("AliasMatch ^/gate/ \"" + httpd.path("htdocs/ok.html") +
                    "\"\nInclude conf-available/mtls-partners.conf\n");
    httpd.start();
    CHECK_EQUAL(TlsClient(httpd.port(), as(w.acme)).get("/gate/x").status, 200);
    CHECK_EQUAL(TlsClient(httpd.port(), as(w.globex)).get("/gate/x").status, 200);
    CHECK(httpd.wait_for_log("would-deny"));
    CHECK(httpd.error_log().find("claimed=acme") == std::string::npos);
}
