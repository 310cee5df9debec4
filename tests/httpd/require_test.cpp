// Require mtls-*, and AuthType MTLS: the same decisions among httpd's other requirements.
#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

constexpr const char* kBasic = R"(
    AuthType Basic
    AuthName here
    AuthUserFile users
)";
// "user:secret" with a plain SHA-1, as htpasswd -s writes it.
constexpr const char* kUsers = "user:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
constexpr const char* kPassword = "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n";

std::string within(const char* container, const std::string& lines) {
    return std::string("<") + container + ">\n" + lines + "</" + container + ">\n";
}
std::string all_of(const std::string& lines) { return within("RequireAll", lines); }
std::string none_of(const std::string& lines) { return within("RequireNone", lines); }

}  // namespace

CLAIM(require_decides_over_http1_and_http2_alike) {
    const World& w = world();
    Site site;
    site.start(location("/gate/partner", "Require mtls-partner acme") +
               location("/gate/group", "Require mtls-group customers") +
               location("/gate/any", "Require mtls-any-partner") +
               location("/gate/identity", "Require mtls-identity \"O:api Org\" !DNS:*.globex.example") +
               location("/gate/all", all_of("Require mtls-partner acme\nRequire ip 127.0.0.1\n")) +
               location("/gate/all-not", all_of("Require mtls-any-partner\nRequire not mtls-partner acme\n")) +
               location("/gate/either", within("RequireAny", "Require mtls-partner acme\nRequire ip 10.0.0.1\n")) +
               location("/gate/neither", all_of("Require all granted\n" + none_of("Require mtls-group suppliers\n"))));
    struct Row {
        const char* path;
        bool acme;
        bool globex;
        bool unnamed;
        bool anonymous;
    };
    const Row rows[] = {{"/gate/partner/x", true, false, false, false}, {"/gate/group/x", false, true, false, false},
                        {"/gate/any/x", true, true, false, false},      {"/gate/identity/x", true, false, false, false},
                        {"/gate/all/x", true, false, false, false},     {"/gate/all-not/x", false, true, false, false},
                        {"/gate/either/x", true, false, false, false},  {"/gate/neither/x", false, true, true, true}};
    for (const Row& row : rows) {
        const std::pair<const Identity*, bool> who[] = {
            {&w.acme, row.acme}, {&w.globex, row.globex}, {&w.unnamed, row.unnamed}, {nullptr, row.anonymous}};
        for (const auto& [identity, allowed] : who) {
            ClientOptions options;
            options.identity = identity;
            Http2Client h2(site.httpd.port(), options, site.httpd.root());
            test::check_equal(site.get(identity, row.path).status, allowed ? 200 : 403, row.path, __FILE__, __LINE__);
            test::check_equal(h2.get(row.path).status, allowed ? 200 : 403, row.path, __FILE__, __LINE__);
        }
    }
}

CLAIM(not_and_require_none_refuse_whom_a_selector_cannot_tell) {
    const auto fleet = [](const std::vector<Attr>& names) {
        CertSpec spec;
        spec.subject = names;
        spec.subject.push_back({"OU", "fleet"});
        return issue(spec, &world().acme_ca);
    };
    const Identity api = fleet({{"CN", "api"}}), ci = fleet({{"CN", "ci"}}),
                   both = fleet({{"CN", "ci"}, {"CN", "api"}});
    Site site;
    site.start(
        "<MTLSPartner fleet>\nMTLSIdentity OU:fleet\nMTLSTrustAnchor acme.pem\n"
        "MTLSGroup machines if CN:ci\n</MTLSPartner>\n" +
        location("/gate/identity", all_of("Require mtls-partner fleet\nRequire not mtls-identity CN:ci\n")) +
        location("/gate/tab", all_of("Require mtls-partner fleet\nRequire not\tmtls-identity CN:ci\n")) +
        location("/gate/quoted", all_of("Require mtls-partner fleet\nRequire \"NOT\" mtls-identity CN:ci\n")) +
        location("/gate/group", all_of("Require mtls-any-partner\n" + none_of("Require mtls-group machines\n"))) +
        // Two negations cancel out: whom a selector cannot tell, it does not let in.
        location("/gate/twice",
                 all_of("Require mtls-any-partner\n" +
                        none_of(all_of("Require mtls-any-partner\nRequire not mtls-identity CN:ci\n")))));
    for (const char* path : {"/gate/identity/x", "/gate/tab/x", "/gate/quoted/x", "/gate/group/x"}) {
        CHECK_EQUAL(site.get(&api, path).status, 200);
        CHECK_EQUAL(site.get(&ci, path).status, 403);
        CHECK_EQUAL(site.get(&both, path).status, 403);
    }
    CHECK_EQUAL(site.get(&ci, "/gate/twice/x").status, 200);
    CHECK_EQUAL(site.get(&api, "/gate/twice/x").status, 403);
    CHECK_EQUAL(site.get(&both, "/gate/twice/x").status, 403);
}

CLAIM(not_and_require_none_refuse_every_certificate_where_the_partner_that_they_name_is_none) {
    const World& w = world();
    Site site;
    site.start(location("/gate/not", all_of("Require mtls-any-partner\nRequire not mtls-partner globx\n")) +
               location("/gate/none", all_of("Require mtls-any-partner\n" + none_of("Require mtls-partner globx\n"))) +
               location("/gate/of", all_of("Require mtls-any-partner\nRequire not mtls-partner globex\n")));
    CHECK_EQUAL(site.get(&w.acme, "/gate/not/x").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/gate/none/x").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/gate/of/x").status, 200);
    CHECK_CONTAINS(site.httpd.error_log(), "there is no partner 'globx'");
    CHECK_CONTAINS(site.httpd.error_log(), ": it refuses every certificate until there is one");
    for (const char* path : {"/gate/not/x", "/gate/none/x"})
        CHECK_CONTAINS(site.log_about(path), "it names the partner globx, which the policy does not have");
}

CLAIM(a_refusing_line_that_is_about_another_client_is_no_reason) {
    const World& w = world();
    Site site;
    const std::string refusals = "Require not mtls-partner globex\nRequire not mtls-group customers\n";
    site.start(location("/gate/not", "MTLSErrorDetail On\n" + all_of(refusals + "Require mtls-partner initech\n")) +
               location("/gate/none", all_of("Require mtls-any-partner\n" + none_of("Require mtls-partner globex\n"))));
    CHECK_EQUAL(site.get(&w.acme, "/gate/none/x").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/gate/none/x").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/gate/not/x").status, 403);
    CHECK(site.httpd.wait_for_log("denied GET \"/gate/not/x\": reason=not-allowed"));
    CHECK_CONTAINS(line_with(site.httpd.error_log(), "denied GET \"/gate/not/x\""),
                   "directive=\"Require mtls-partner initech\"");
    CHECK(site.httpd.error_log().find("not satisfied GET \"/gate/none/x\"") == std::string::npos);
}

CLAIM(not_and_require_none_refuse_whom_they_name_when_its_certificate_is_refused_too) {
    const World& w = world();
    const std::string gates =
        location("/gate/not", all_of("Require ssl-verify-client\nRequire not mtls-partner globex\n")) +
        location("/gate/none", all_of("Require ssl-verify-client\n" + none_of("Require mtls-group customers\n"))) +
        location("/gate/identity",
                 all_of("Require ssl-verify-client\nRequire not mtls-identity DNS:*.globex.example\n"));
    for (const char* line : {"", "MTLSSuspend globex\n", "MTLSRevoke DNS:api.globex.example\n"}) {
        Site site;
        site.start(line + gates);
        for (const char* path : {"/gate/not/x", "/gate/none/x", "/gate/identity/x"}) {
            test::check_equal(site.get(&w.globex, path).status, 403, line, __FILE__, __LINE__);
            test::check_equal(site.get(&w.acme, path).status, 200, line, __FILE__, __LINE__);
            test::check_equal(site.get(&w.unnamed, path).status, 200, line, __FILE__, __LINE__);
        }
    }
}

CLAIM(a_require_line_may_be_the_only_word_of_the_module_in_a_virtual_host) {
    const World& w = world();
    for (const char* section : {"<Location /gate>\nRequire mtls-partner acme\n</Location>\n",
                                "<Location /gate>\n<RequireAll>\nRequire mtls-partner acme\nRequire ip 127.0.0.1\n"
                                "</RequireAll>\n</Location>\n",
                                "<If \"true\">\nRequire mtls-partner acme\n</If>\n"}) {
        Site site;
        site.vhost(section).start("");
        CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
        CHECK_EQUAL(site.get(&w.acme, "/gate/x").status, 200);
        CHECK_EQUAL(site.get(&w.globex, "/gate/x").status, 403);
    }
}

CLAIM(a_certificate_never_satisfies_a_password_rule) {
    const World& w = world();
    Site site;
    site.httpd.write("users", kUsers);
    site.load("auth_basic").load("authn_file");
    site.start(
        location("/gate/alone", std::string(kBasic) + "Require valid-user") +
        location("/gate/gated", std::string(kBasic) + "MTLSAllow partner acme\nMTLSRemoteUser On\nRequire valid-user") +
        location("/gate/beside", std::string(kBasic) + "MTLSRemoteUser On\n<RequireAll>\nRequire mtls-partner acme\n"
                                                       "Require valid-user\n</RequireAll>"));
    for (const char* path : {"/gate/alone/x", "/gate/gated/x", "/gate/beside/x"}) {
        test::check_equal(site.get(&w.acme, path).status, 401, path, __FILE__, __LINE__);
        test::check_equal(site.get(&w.acme, path, kPassword).status, 200, path, __FILE__, __LINE__);
    }
    CHECK_EQUAL(site.get(&w.globex, "/gate/gated/x", kPassword).status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/gate/beside/x", kPassword).status / 100, 4);
}

CLAIM(auth_type_mtls_makes_the_partner_the_user) {
    const World& w = world();
    Site site;
    site.httpd.write("groups", "buyers: acme\n");
    site.load("authz_groupfile");
    site.start(location("/gate/user", "AuthType MTLS\nRequire user acme") +
               location("/gate/valid", "AuthType MTLS\nRequire valid-user") +
               location("/gate/group", "AuthType MTLS\nAuthGroupFile groups\nRequire group buyers"));
    CHECK_EQUAL(site.get(&w.acme, "/gate/user/x").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/gate/user/x").status, 403);
    CHECK_EQUAL(site.get(&w.globex, "/gate/valid/x").status, 200);
    CHECK_EQUAL(site.get(&w.unnamed, "/gate/valid/x").status, 403);
    CHECK_EQUAL(site.get(nullptr, "/gate/valid/x").status, 403);
    CHECK_EQUAL(site.get(&w.acme, "/gate/group/x").status, 200);
    CHECK_EQUAL(site.get(&w.globex, "/gate/group/x").status, 403);
}

CLAIM(a_user_that_another_module_read_from_the_certificate_is_not_the_partner) {
    const World& w = world();
    CertSpec spec;
    spec.subject = {{"CN", "acme"}};
    const Identity acme_by_name = issue(spec, &w.globex_ca);
    for (const char* line : {"", "MTLSSuspend acme\n"}) {
        Site site;
        site.vhost("SSLUserName SSL_CLIENT_S_DN_CN");
        site.start(line + location("/gate/user", "AuthType MTLS\nRequire user acme") +
                   location("/gate/valid", "AuthType MTLS\nRequire valid-user"));
        for (const char* path : {"/gate/user/x", "/gate/valid/x"}) {
            CHECK_EQUAL(site.get(&w.acme, path).status, *line == '\0' ? 200 : 403);
            CHECK_EQUAL(site.get(&acme_by_name, path).status, 403);
            CHECK_EQUAL(site.get(&w.unnamed, path).status, 403);
        }
    }
}

CLAIM(require_means_what_it_says_whatever_mtls_authz_is) {
    Site site;
    site.start(location("/gate", "MTLSAuthz Off\nRequire mtls-partner acme"));
    CHECK_EQUAL(site.get(&world().acme, "/gate/x").status, 200);
    CHECK_EQUAL(site.get(&world().globex, "/gate/x").status, 403);
}

CLAIM(require_is_refused_in_htaccess_and_limit) {
    Site site;
    site.httpd.write("htdocs/own/.htaccess", "Require mtls-any-partner\n");
    site.httpd.write("htdocs/own/a.html", "a");
    site.start("");
    CHECK_EQUAL(site.get(&world().acme, "/own/a.html").status, 500);
    site.httpd.configure("<Location /x>\n<Limit GET>\nRequire mtls-any-partner\n</Limit>\n</Location>\n");
    const auto limited = site.httpd.run({"-t"});
    CHECK(limited.status != 0);
    CHECK_CONTAINS(limited.text, "Limit");
}
