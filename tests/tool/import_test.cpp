// `mtls-authz import`: what people have today becomes partners that let in the same certificates, and nothing is
// guessed.
#include "tool.hpp"

using namespace test;

namespace {

struct Importing : Bench {
    Identity ca = make_ca("Partners CA");
    Importing() { file("ca.pem", ca.cert_pem()); }

    // Its policy, which reads without an error; what it says beside that is appended.
    std::string import(int status, const std::string& format, const std::string& content,
                       const std::vector<std::string>& more = {}) {
        file("today", content);
        std::string words;
        for (const std::string& word : more) words += " '" + word + "'";
        const auto out = shell("\"$0\" import " + format + " today --anchor ca.pem" + words + " > p.conf");
        check_equal(out.status, status, out.text, __FILE__, __LINE__);
        if (out.status != 2) expect(0, {"check", "p.conf"});
        return shell("cat p.conf").text + out.text;
    }
    // Who a certificate is by that policy; empty where it is nobody.
    std::string who(const std::vector<Attr>& subject, const std::string& dns = "") {
        CertSpec spec;
        spec.subject = subject;
        if (!dns.empty()) spec.san = {{GEN_DNS, dns}};
        file("leaf.pem", issue(spec, &ca).cert_pem());
        const auto out = run({"explain", "--policy", "p.conf", "--cert", "leaf.pem", "--json"});
        const std::size_t at = out.text.find("\"partner\":\"");
        if (out.status != 0 || at == std::string::npos) return "";
        return out.text.substr(at + 11, out.text.find('"', at + 11) - at - 11);
    }
};

}  // namespace

CLAIM(a_map_of_nginx_becomes_partners_that_let_in_the_same_names) {
    Importing today;
    const std::string out = today.import(1, "nginx-map",
                                         "# partners\n"
                                         "map $ssl_client_s_dn $partner {\n"
                                         "    default \"\";\n"
                                         "    \"CN=api,O=Acme\" acme;\n"
                                         "    'CN=batch,O=Acme' acme;   # the same partner\n"
                                         "    CN=blocked,O=Acme 0;\n"
                                         "    \"CN=one,O=Globex\" 1;\n"
                                         "    \"~(^|,)CN=api\\.initech\\.example(,|$)\" initech;\n"
                                         "    ~CN=anything.* wild;\n"
                                         "}\n"
                                         "map $ssl_client_i_dn $ca { \"CN=CA\" yes; }\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "acme");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "batch"}}), "acme");
    CHECK_EQUAL(today.who({{"O", "Globex"}, {"CN", "one"}}), "one");
    CHECK_EQUAL(today.who({{"O", "Other"}, {"CN", "api.initech.example"}}), "initech");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "blocked"}}), "");
    CHECK_EQUAL(today.who({{"O", "Other"}, {"CN", "api"}}), "");
    CHECK_EQUAL(today.who({{"O", "Other"}, {"CN", "api-initech.example"}}), "");  // no regular expression any more
    CHECK_EQUAL(today.who({{"CN", "anything"}}), "");
    CHECK_CONTAINS(out, "today:9: not converted: '~CN=anything.*' is a regular expression");
    CHECK_CONTAINS(out, "today:11: not converted: an issuer's name proves nothing");
    CHECK_CONTAINS(out, "left out 2 line(s) that only deny");
    CHECK_CONTAINS(out, "# 3 partner(s) from today");
    CHECK_CONTAINS(out, "MTLSAuthz LogOnly");
}

CLAIM(lines_of_a_map_alone_are_read_and_what_lets_in_everybody_is_said) {
    Importing today;
    std::string out = today.import(0, "nginx-map", "\"/O=Acme/CN=api\" acme;\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "acme");
    out = today.import(1, "nginx-map", "CN=api acme;\ndefault anybody;\ninclude more.map;\nCN=x acme");
    CHECK_CONTAINS(out, "today:2: not converted: lets in every certificate");
    CHECK_CONTAINS(out, "today:3: not converted: another file: import 'more.map' by itself");
    CHECK_CONTAINS(out, "today:4: not converted: the line ends without a ';'");
    out = today.import(2, "nginx-map", "map $remote_addr $x { 192.0.2.1 yes; }\n");
    CHECK_CONTAINS(out, "nothing is known about $remote_addr");
    CHECK_CONTAINS(out, "nothing in today could be converted");
}

CLAIM(a_sha1_fingerprint_needs_its_certificate) {
    Importing today;
    CertSpec spec;
    spec.subject = {{"CN", "api"}};
    const Identity leaf = issue(spec, &today.ca);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    X509_digest(leaf.cert.get(), EVP_sha1(), digest, &length);
    std::string sha1;
    for (unsigned i = 0; i < length; ++i) {
        char two[3];
        std::snprintf(two, sizeof two, "%02x", digest[i]);
        sha1 += two;
    }
    const std::string map = "map $ssl_client_fingerprint $ok { " + sha1 + " acme; }\n";
    CHECK_CONTAINS(today.import(2, "nginx-map", map), "give the certificate itself with --cert (SHA-1 " + sha1 + ")");
    today.file("api.pem", leaf.cert_pem());
    CHECK_CONTAINS(today.import(0, "nginx-map", map, {"--cert", "api.pem"}), "MTLSIdentity sha256:");
    CHECK_CONTAINS(today.expect(0, {"explain", "--policy", "p.conf", "--cert", "api.pem"}), "acme");
    today.import(0, "csv", "name,fingerprint\nacme," + sha1 + "\n", {"--cert", "api.pem"});
    // Without a name in the map, the certificate's.
    const std::string unnamed = "map $ssl_client_fingerprint $ok { " + sha1 + " 1; }\n";
    CHECK_CONTAINS(today.import(0, "nginx-map", unnamed, {"--cert", "api.pem"}), "<MTLSPartner api>");
}

CLAIM(a_password_file_of_fake_basic_auth_becomes_partners) {
    Importing today;
    const std::string out = today.import(1, "passwd",
                                         "/O=Acme/CN=api:xxj31ZMTZzkVA\n"
                                         "CN=batch,O=Globex:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"
                                         "admin:$apr1$x$y\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "api");
    CHECK_EQUAL(today.who({{"O", "Globex"}, {"CN", "batch"}}), "batch");
    CHECK_EQUAL(today.who({{"O", "Globex"}, {"CN", "api"}}), "");
    CHECK_CONTAINS(out, "today:3: not converted: 'admin' is no subject");
}

CLAIM(users_who_are_kept_out_by_another_password_become_no_partners) {
    Importing today;
    const std::string sent = ":xxj31ZMTZzkVA\n";
    // One for each kind of a hash that httpd reads.
    for (const char* off : {"*", "", "xxWrongWrong.", "{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "$apr1$abcdefgh$x",
                            "!xxj31ZMTZzkVA", "x:xxj31ZMTZzkVA"}) {
        const std::string out = today.import(1, "passwd", "/O=Acme/CN=api" + sent + "/O=Acme/CN=off:" + off + "\n");
        CHECK_CONTAINS(out, "today:2: not converted: the password of '/O=Acme/CN=off' is not \"password\"");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "api");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "off"}}), "");
    }
    // httpd reads the first line of a user; a selector fits each spelling of a name.
    for (const char* name : {"/O=Acme/CN=off", "/O=ACME/CN=OFF"}) {
        const std::string out = today.import(1, "passwd", "/O=Acme/CN=api" + sent + "/O=Acme/CN=off:*\n" + name + sent);
        CHECK_CONTAINS(out, "today:3: not converted: line 2 has the same name with another password");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "off"}}), "");
    }
    today.import(0, "passwd", "/O=Acme/CN=api:$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1:a comment\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "api");
}

CLAIM(names_that_differ_by_case_alone_become_two_partners) {
    Importing today;
    today.import(0, "csv", "name,CN\nbar,a\nBAR,b\n");
    CHECK_EQUAL(today.who({{"CN", "a"}}), "bar");
    CHECK_EQUAL(today.who({{"CN", "b"}}), "BAR-2");
}

CLAIM(a_table_with_a_heading_that_nobody_reads_lets_nobody_in) {
    Importing today;
    for (const char* rows : {"api,from bob\n", "api,\n"}) {
        const std::string out = today.import(2, "csv", std::string("CN,Notes\n") + rows);
        CHECK_CONTAINS(out, "today:1: not converted: the heading 'Notes' is none that a table may have");
        CHECK(out.find("<MTLSPartner") == std::string::npos);
    }
    today.import(0, "csv", "CN,contact\napi,from bob\n");
    CHECK_EQUAL(today.who({{"CN", "api"}}), "api");
}

CLAIM(an_anchor_that_cannot_be_read_is_said) {
    Importing today;
    today.file("today", "name,cn,anchor\na,api,gone.pem\nb,gw,gone.pem\nc,x,ca.pem\n");
    const std::string said = today.shell("\"$0\" import csv today 2>&1 >/dev/null").text;
    CHECK_CONTAINS(said, "mtls-authz: of a: MTLSTrustAnchor: cannot read '");
    CHECK_CONTAINS(said, "/gone.pem': No such file or directory");
    CHECK_EQUAL(std::count(said.begin(), said.end(), '\n'), 1);
    today.file("today", "name,cn\na,api\n");
    CHECK_EQUAL(today.shell("\"$0\" import csv today --anchor ca.pem 2>&1 >/dev/null").text, "");
    CHECK_CONTAINS(today.shell("\"$0\" import csv today --anchor nowhere.pem 2>&1 >/dev/null").text, "nowhere.pem");
}

CLAIM(a_damaged_table_is_no_partner) {
    Importing today;
    const std::string head = "name,cn,contact\n";
    CHECK_CONTAINS(today.import(1, "csv", head + "b,y,me\na,x\n"), "today:3: not converted: 2 fields, but 3 headings");
    CHECK_CONTAINS(today.import(1, "csv", head + "b,y,me\na,x,\"half a con"), "today:3: not converted: a quote that");
    // A name that no partner can have is said.
    const std::string out = today.import(0, "csv", "name,cn\numbrella corp,x\n");
    CHECK_CONTAINS(out, "# There: umbrella corp\n<MTLSPartner umbrella-corp>");
}

CLAIM(a_table_becomes_partners_with_all_that_it_says) {
    Importing today;
    const std::string out = today.import(
        1, "csv",
        "\xEF\xBB\xBFName;CN;OU;DNS;Group;Contact;Until;Grant\r\n"
        "acme;;Cards;api.acme.example;suppliers cards;\"Acme; PKI \"\"desk\"\"\";2099-01-01;GET,HEAD /orders/**\r\n"
        "acme;;;batch.acme.example;;;;\r\n"
        "globex;api;;;;;;\r\n"
        ";;;;;;;\r\n"
        "hooli;;;;;;;\r\n"
        "initech;a;;b_c..d;;;;\r\n");
    CHECK_EQUAL(today.who({{"OU", "Cards"}}, "api.acme.example"), "acme");
    CHECK_EQUAL(today.who({{"OU", "Other"}}, "api.acme.example"), "");  // all of a line must hold
    CHECK_EQUAL(today.who({{"CN", "x"}}, "batch.acme.example"), "acme");
    CHECK_EQUAL(today.who({{"CN", "api"}}), "globex");
    for (const char* line : {"MTLSContact \"Acme; PKI \\\"desk\\\"\"", "MTLSGroup suppliers\n", "MTLSGroup cards\n",
                             "MTLSValid until=2099-01-01\n", "MTLSGrant GET,HEAD /orders/**\n"})
        CHECK_CONTAINS(out, line);
    CHECK_CONTAINS(out, "today:6: not converted: no column says what its certificates have");
    CHECK_CONTAINS(out, "today:7: not converted: ");
    CHECK(out.find("<MTLSPartner initech>") == std::string::npos);
}

CLAIM(rules_of_mod_ssl_become_partners_where_they_compare_names) {
    Importing today;
    const std::string out = today.import(
        1, "sslrequire",
        "<Location /x>\n"
        "  SSLRequire %{SSL_CLIENT_S_DN_O} eq \"Acme\" and \\\n"
        "             %{SSL_CLIENT_S_DN_OU} in {\"Staff\", \"CA\"} and %{SSL_CLIENT_VERIFY} eq \"SUCCESS\"\n"
        "</Location>\n<Location /y>\n"
        "  Require expr \"%{SSL_CLIENT_S_DN_CN} == 'api' || %{SSL_CLIENT_SAN_DNS_0} == 'b.globex.example'\"\n"
        "  Require expr %{SSL_CLIENT_I_DN_CN} == 'Acme CA' && (%{SSL_CLIENT_S_DN_CN} == 'with-ca')\n"
        "  Require expr \"%{SSL_CLIENT_S_DN_CN} =~ /^api/\"\n"
        "  Require ip 192.0.2.1\n"
        "</Location>\n<Location /z>\n"
        "  SSLRequire %{TIME_HOUR} >= 8\n"
        "</Location>\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"OU", "Staff"}}), "acme");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"OU", "CA"}}).empty(), false);
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"OU", "Other"}}), "");
    CHECK_EQUAL(today.who({{"O", "Globex"}, {"OU", "Staff"}}), "");
    CHECK_EQUAL(today.who({{"CN", "api"}}), "api");
    CHECK_EQUAL(today.who({{"CN", "x"}}, "b.globex.example"), "b-globex-example");
    CHECK_EQUAL(today.who({{"CN", "with-ca"}}), "with-ca");
    CHECK_CONTAINS(out, "# asked for the issuer's name 'Acme CA', which proves nothing");
    CHECK_CONTAINS(out, "today:8: not converted: the expression compares SSL_CLIENT_S_DN_CN by another operator");
    CHECK_CONTAINS(out, "today:12: not converted: the expression ");
    CHECK(out.find("today:9") == std::string::npos);
    CHECK_CONTAINS(out, "mtls-authz: the rules are of 2 places: MTLSAllow any-partner lets the partners of each into");
}

CLAIM(rules_of_one_place_are_joined_as_httpd_joins_them) {
    Importing today;
    const std::string o = "%{SSL_CLIENT_S_DN_O} == 'Acme'", ou = "%{SSL_CLIENT_S_DN_OU} == 'Batch'",
                      cn = "%{SSL_CLIENT_S_DN_CN} == 'evil'";
    const auto in = [](const std::string& section, const std::string& lines) {
        return "<" + section + ">\n" + lines + "</" + section.substr(0, section.find(' ')) + ">\n";
    };
    const auto import = [&](int status, const std::string& lines) {
        return today.import(status, "sslrequire", in("Location /x", lines));
    };
    const auto lets_in_both_alone = [&] {
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"OU", "Batch"}}), "acme");
        CHECK_EQUAL(today.who({{"O", "Acme"}}), "");
        CHECK_EQUAL(today.who({{"OU", "Batch"}}), "");
    };
    import(0, "SSLRequire " + o + "\nSSLRequire " + ou + "\n");
    lets_in_both_alone();
    import(0, "SSLRequire " + o + "\nRequire expr \"" + ou + "\"\n");
    lets_in_both_alone();
    import(0, in("RequireAll", "Require expr \"" + o + "\"\nRequire all granted\n" +
                                   in("RequireAny", "Require expr \"" + ou + "\"\n")));
    lets_in_both_alone();
    import(0, "Require expr \"" + o + "\"\nRequire expr \"" + ou + "\"\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}}), "acme");
    CHECK_EQUAL(today.who({{"OU", "Batch"}}), "partner");
    // A condition that is none of a partner's is named, and what needs it is not converted.
    const std::string said = import(2, in("RequireAll", "Require expr \"" + o + "\"\nRequire ip 10.0.0.0/8\n"));
    CHECK_CONTAINS(said, "today:4: not converted: 'Require ip 10.0.0.0/8' in <RequireAll> is none of a partner's");
    CHECK_CONTAINS(said, "today:3: not converted: has to hold together with line 4, which is not converted");
    // "Require not" and <RequireNone> become selectors with '!'.
    for (const std::string& banned :
         {"Require not expr \"" + cn + "\"\n", in("RequireNone", "Require expr \"" + cn + "\"\n")}) {
        import(0, in("RequireAll", "Require expr \"" + o + "\"\n" + banned));
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "good"}}), "acme");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "evil"}}), "");
        CHECK_EQUAL(today.who({{"CN", "evil"}}), "");
    }
    CHECK_CONTAINS(
        import(2, in("RequireAll", "Require expr \"" + o + "\"\nRequire not expr \"" + ou + " && " + cn + "\"\n")),
        "today:4: not converted: the expression keeps out those who have several things at once");
    const std::string alone = in("RequireAll", in("RequireNone", "Require expr \"" + cn + "\"\n"));
    CHECK_CONTAINS(import(2, alone), "not converted: lets in everybody else");
    // A section that does not end.
    CHECK_CONTAINS(today.import(2, "sslrequire", "<RequireNone>\nRequire expr \"" + cn + "\"\n"),
                   "today:1: not converted: the expression keeps out where one rule is enough");
}

CLAIM(a_rule_beside_one_that_cannot_be_converted_lets_nobody_in_alone) {
    Importing today;
    const auto expr = [](const std::string& text) { return "Require expr \"" + text + "\"\n"; };
    const auto ssl = [](const std::string& text) { return "SSLRequire " + text + "\n"; };
    const std::string o = "%{SSL_CLIENT_S_DN_O} == 'Acme'", cn = "%{SSL_CLIENT_S_DN_CN} == 'api'",
                      lost = "%{SSL_CLIENT_S_DN_OU} != 'Test'", other = "Require ip 192.0.2.1\n";
    const auto in = [](const std::string& section, const std::string& lines) {
        return "<" + section + ">\n" + lines + "</" + section.substr(0, section.find(' ')) + ">\n";
    };
    // All of these hold together, in httpd.
    for (const std::string& rules :
         {ssl(o) + ssl(lost), ssl(lost) + ssl(o), ssl(o) + expr(lost), ssl(lost) + expr(o),
          ssl(o) + in("IfModule mod_ssl.c", ssl(lost)), in("IfModule mod_ssl.c", ssl(lost)) + expr(o),
          in("RequireAll", expr(o) + expr(lost)), in("RequireAll", expr(o) + in("RequireAny", expr(lost))),
          in("RequireAll", expr(o) + in("RequireAny", other)),
          in("RequireAll", expr(o) + in("RequireNone", expr(lost))),
          in("RequireAll", expr(o) + in("RequireNone", expr(cn) + expr(lost))),
          in("RequireAll", expr(o) + in("RequireAll", expr(cn) + expr(lost))),
          in("RequireAll", expr(o) + in("RequireAny", in("RequireAll", expr(cn) + other))),
          ssl(o) + in("RequireAll", expr(cn) + expr(lost))}) {
        // A place of its own is converted.
        const std::string out = today.import(
            1, "sslrequire", in("Location /x", rules) + in("Location /y", ssl("%{SSL_CLIENT_S_DN_CN} == 'other'")));
        CHECK_CONTAINS(out, "which is not converted, and would let in more without it");
        CHECK_EQUAL(today.who({{"CN", "other"}}), "other");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"OU", "Test"}, {"CN", "api"}}), "");
        CHECK_EQUAL(times_in(out, "<MTLSPartner "), 1U);
    }
    // Where one is enough, the others are converted.
    for (const std::string& rules :
         {expr(o) + expr(lost), expr(lost) + expr(o), ssl(o) + expr(lost) + expr(o),
          in("RequireAny", expr(o) + expr(lost) + other), in("RequireAny", expr(o) + in("RequireAll", expr(lost))),
          in("RequireAll", expr(o) + in("RequireAny", expr(o) + expr(lost)))}) {
        today.import(1, "sslrequire", in("Location /x", rules));
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"OU", "Test"}}), "acme");
    }
    // A condition that does not name a partner can stay beside the gate, unless a <RequireAll> joins it with one that
    // does.
    today.import(0, "sslrequire", in("Location /x", ssl(o) + other));
    CHECK_EQUAL(today.who({{"O", "Acme"}}), "acme");
    today.import(1, "sslrequire", in("Location /x", ssl(o) + in("RequireAll", other)));
    CHECK_EQUAL(today.who({{"O", "Acme"}}), "acme");
    // Rules within <IfModule> are those of the place around it.
    today.import(0, "sslrequire", in("Location /x", ssl(o) + in("IfModule mod_ssl.c", ssl(cn))));
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "api");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "x"}}), "");
}

CLAIM(below_require_none_no_rule_may_be_missing) {
    Importing today;
    const auto expr = [](const std::string& text) { return "Require expr \"" + text + "\"\n"; };
    const auto in = [](const std::string& section, const std::string& lines) {
        return "<" + section + ">\n" + lines + "</" + section + ">\n";
    };
    const std::string o = "%{SSL_CLIENT_S_DN_O} == 'Acme'", cn = "%{SSL_CLIENT_S_DN_CN} == 'x'",
                      lost = "%{SSL_CLIENT_S_DN_CN} =~ /^evil/";
    const auto with = [&](const std::string& banned) {
        return in("Location /x", in("RequireAll", expr(o) + in("RequireNone", banned)));
    };
    for (const std::string& banned :
         {in("RequireAny", expr(cn) + expr(lost)), in("RequireAny", expr(lost) + expr(cn)),
          in("RequireAny", expr(cn) + "Require ip 192.0.2.1\n"), in("RequireAny", expr(cn) + "Require all granted\n"),
          in("RequireAny", expr(cn) + in("RequireAny", expr(lost))),
          in("RequireAny", expr(cn) + in("RequireAny", "Require ip 192.0.2.1\n")),
          in("RequireAll", in("RequireAny", expr(cn) + expr(lost))), in("RequireAll", "Require all granted\n")}) {
        const std::string out = today.import(2, "sslrequire", with(banned));
        CHECK_CONTAINS(out, "today:3: not converted: has to hold together with line ");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "evil7"}}), "");
    }
    today.import(0, "sslrequire", with(in("RequireAny", expr(cn) + expr("%{SSL_CLIENT_S_DN_CN} == 'y'"))));
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "ok"}}), "acme");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "x"}}), "");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "y"}}), "");
}

CLAIM(a_selector_that_fits_more_than_its_rule_says_so_beside_it) {
    Importing today;
    const auto import = [&](const std::string& condition) {
        return today.import(0, "sslrequire", "SSLRequire " + condition + "\n");
    };
    for (const char* variable :
         {"SSL_CLIENT_S_DN_OU", "SSL_CLIENT_S_DN_O_0", "SSL_CLIENT_S_DN_DC", "SSL_CLIENT_SAN_DNS_0"}) {
        const std::string out = import(std::string("%{") + variable + "} eq \"a.example\"");
        CHECK_CONTAINS(out, std::string("    # asked ") + variable + ", one ");
        CHECK_CONTAINS(out, " of several: ");
    }
    const std::string out = import("%{SSL_CLIENT_S_DN_CN} eq \"api\"");
    CHECK(out.find("of several") == std::string::npos);
    CHECK_CONTAINS(out, "# Note: the rules of today tell upper-case letters from lower-case ones, selectors do not");
    CHECK_CONTAINS(import("%{SSL_CLIENT_S_DN} eq \"/O=Acme/CN=api\""),
                   "    # a name with slashes: httpd has such ones");
    CHECK(import("%{SSL_CLIENT_S_DN} eq \"CN=api,O=Acme\"").find("slashes") == std::string::npos);
    CHECK_CONTAINS(today.import(0, "passwd", "CN=api,O=Acme:xxj31ZMTZzkVA\n"), "    # a name of AuthBasicFake");
    CHECK(today.import(0, "passwd", "/O=Acme/CN=api:xxj31ZMTZzkVA\n").find("AuthBasicFake") == std::string::npos);
    CHECK_CONTAINS(today.run({"import", "passwd", "today", "--json"}).text, "\"remarks\":[\"the rules of today");
}

CLAIM(quotes_and_escapes_of_expressions_are_read_as_httpd_reads_them) {
    Importing today;
    const std::string o = "%{SSL_CLIENT_S_DN_O} == ";
    const auto import = [&](int status, const std::string& rule) { return today.import(status, "sslrequire", rule); };
    // httpd takes the outer quotes away, and a line that goes on has no blank between its parts.
    for (const std::string& rule : {"Require expr \"" + o + "\"Acme\" && %{SSL_CLIENT_S_DN_CN} == \"api\"\"\n",
                                    "Require expr " + o + "'Ac\\\nme' && %{SSL_CLIENT_S_DN_CN} == 'api'\n"}) {
        import(0, rule);
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "api");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "x"}}), "");
        CHECK_EQUAL(today.who({{"O", "Ac me"}, {"CN", "api"}}), "");
    }
    // In httpd \101 is an A, and $1 a part of the path.
    CHECK_CONTAINS(import(2, "Require expr " + o + R"('\101cme')" + "\n"), "has an escape");
    CHECK_CONTAINS(import(2, "Require expr " + o + "'Acme$1'\n"), "compares with another variable");
    import(0, "Require expr " + o + R"('Acme\'s')" + "\n");
    CHECK_EQUAL(today.who({{"O", "Acme's"}}), "acme-s");
}

CLAIM(a_text_with_a_star_does_not_become_a_wildcard) {
    Importing today;
    const auto rule = [](const std::string& variable, const std::string& value) {
        return "SSLRequire %{" + variable + "} eq \"" + value + "\"\n";
    };
    const std::string out = today.import(2, "sslrequire", rule("SSL_CLIENT_SAN_DNS_0", "*.acme.example"));
    CHECK_CONTAINS(out, "today:1: not converted: the expression compares with the text '*.acme.example', which DNS:");
    today.import(2, "sslrequire", rule("SSL_CLIENT_SAN_Email_0", "*@acme.example"));
    today.import(2, "sslrequire", rule("SSL_CLIENT_S_DN_CN", "#0c03617069"));  // DER of "api"
    today.import(0, "sslrequire", rule("SSL_CLIENT_SAN_DNS_0", "api.acme.example"));
    CHECK_EQUAL(today.who({{"CN", "x"}}, "api.acme.example"), "api-acme-example");
    CHECK_EQUAL(today.who({{"CN", "x"}}, "evil.acme.example"), "");
    // CN: has no wildcards, so a text is what it was.
    today.import(0, "sslrequire", rule("SSL_CLIENT_S_DN_CN", "*.acme.example"));
    CHECK_EQUAL(today.who({{"CN", "*.acme.example"}}).empty(), false);
    CHECK_EQUAL(today.who({{"CN", "evil.acme.example"}}), "");
    // Columns with a selector's type are written as in a policy, those with other names are an inventory's.
    CHECK_CONTAINS(today.import(2, "csv", "name,san\nacme,*.acme.example\n"), "today:2: not converted: compares with");
    today.import(2, "csv", "name,mail\nacme,*@acme.example\n");
    today.import(0, "csv", "name,san\nacme,api.acme.example\n");
    today.import(0, "csv", "name,DNS\nacme,*.acme.example\n");
    CHECK_EQUAL(today.who({{"CN", "x"}}, "evil.acme.example"), "acme");
    // In the form with slashes '#' begins a text for OpenSSL, and the hex of an encoding in subject:.
    today.import(2, "passwd", "/O=Acme/CN=#0c03617069:xxj31ZMTZzkVA\n");
    today.import(2, "nginx-map", "map $ssl_client_s_dn_cn $p { \"#0c03617069\" acme; }\n");
}

CLAIM(what_a_map_keeps_out_by_an_earlier_key_stays_out) {
    Importing today;
    const auto map = [](const std::string& lines) { return "map $ssl_client_s_dn $p {\n" + lines + "}\n"; };
    const std::string acme = "~(^|,)O=Acme(,|$) acme;\n";
    const auto keeps_bad_out = [&](const std::string& lines, const std::string& as = "") {
        today.import(0, "nginx-map", map(lines));
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "good"}}), "acme");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "bad"}}), as);
    };
    keeps_bad_out("\"CN=bad,O=Acme\" 0;\n" + acme);
    keeps_bad_out(acme + "\"CN=bad,O=Acme\" 0;\n");  // an exact key is asked first, wherever it is
    keeps_bad_out("\"CN=bad,O=Acme\" globex;\n" + acme, "globex");
    keeps_bad_out("~(^|,)CN=bad(,|$) 0;\n" + acme);
    keeps_bad_out("~(^|,)CN=bad(,|$) 0; " + acme);
    keeps_bad_out("\"CN=bad,O=Acme\" acme;\n" + acme, "acme");
    keeps_bad_out(acme + "~(^|,)CN=bad(,|$) 0;\n", "acme");  // too late
    // A name that the expression does not match needs no selector.
    CHECK_CONTAINS(today.import(0, "nginx-map", map("\"CN=bad,O=Other\" 0;\n" + acme)), "MTLSIdentity O:Acme\n");
    // Refused: a denial that no selector can express, and keys in another file.
    const std::string out = today.import(2, "nginx-map", map("~CN=bad.* 0;\n" + acme));
    CHECK_CONTAINS(out, "today:3: not converted: nginx asks line 2 first, and no selector keeps out what it matches");
    CHECK_CONTAINS(today.import(2, "nginx-map", map("\"CN=bad,XX=y,O=Acme\" 0;\n" + acme)),
                   "today:3: not converted: nginx asks line 2 first, and that name cannot be written");
    CHECK_CONTAINS(today.import(2, "nginx-map", map(acme + "include more.map;\n")),
                   "today:2: not converted: line 3 includes keys");
    // Blanks count for nginx, and not for subject:.
    CHECK_CONTAINS(today.import(2, "nginx-map", map("\"CN=bad,O=Acme\" 0;\n\"CN=bad, O=Acme\" acme;\n")),
                   "today:3: not converted: line 2 denies the same name");
    // Keys of another map are asked of another variable.
    today.import(0, "nginx-map", map("\"CN=bad,O=Acme\" 0;\n") + map(acme));
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "bad"}}), "acme");
}

CLAIM(escapes_of_a_map_are_read_as_nginx_reads_them) {
    Importing today;
    const std::string api = "\"~(^|,)CN=api(,|$)\" api;\n";
    const auto keeps_out = [&](const std::string& denied, const std::string& organization) {
        today.import(0, "nginx-map", "map $ssl_client_s_dn $p {\n" + denied + " \"\";\n" + api + "}\n");
        CHECK_EQUAL(today.who({{"O", organization}, {"CN", "api"}}), "");
        CHECK_EQUAL(today.who({{"O", "Globex"}, {"CN", "api"}}), "api");
    };
    for (const char* denied : {R"("CN=api,O=M\\C3\\BCller")", R"('CN=api,O=M\\C3\\BCller')",
                               R"(CN=api,O=M\\C3\\BCller)", R"("CN=api,O=M\C3\BCller")"})
        keeps_out(denied, "M\xC3\xBCller");
    keeps_out(R"("CN=api,O=Acme\\, Inc")", "Acme, Inc");
    keeps_out(R"('CN=api,O=Acme\'s')", "Acme's");
    keeps_out(R"('CN=api,O=\\"Acme\\"')", "\"Acme\"");
    keeps_out(R"(CN=api,O=a\;b)", "a;b");
    // A variable in braces does not end the map.
    const std::string out =
        today.import(1, "nginx-map", "map $ssl_client_s_dn $p {\n\"CN=api,O=Acme\" 0;\nCN=x ${other};\n" + api + "}\n");
    CHECK_CONTAINS(out, "today:3: not converted: takes a part of the name for another map");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "");
    CHECK_EQUAL(today.who({{"O", "Globex"}, {"CN", "api"}}), "api");
}

CLAIM(an_attribute_is_converted_only_where_its_place_in_the_name_does_not_count) {
    Importing today;
    const std::string other = "\"CN=other,O=Acme\" other;\n", legacy = "$ssl_client_s_dn_legacy";
    const auto import = [&](int status, const std::string& key, const std::string& variable = "$ssl_client_s_dn") {
        return today.import(status, "nginx-map", "map " + variable + " $p {\n\"" + key + "\" joe;\n}\n");
    };
    for (const char* key :
         {"~^OU=joe,", "~^OU=joe(,|$)", "~,OU=joe(,|$)", "~(^|,)OU=joe,", "~.*,DC=joe,.*", "~^CN=joe,", "~^CN=joe(,|$)",
          "~.*,CN=joe(,|$)", "~(^|,)CN=joe,", "~CN=joe,.*", "~CN=joe$", "~(^|,)CN=joe$"})
        CHECK_CONTAINS(import(2, key), "or asks where it is in the name: write the selectors");
    for (const char* key : {"~OU=joe$", "~CN=joe$", "~/CN=joe$", "~CN=joe/", "~(^|/)CN=joe/.*$"})
        import(2, key, legacy);
    const std::string out = import(0, "~(^|,)OU=joe(,|$)");
    CHECK_EQUAL(today.who({{"OU", "joe"}, {"CN", "x"}}), "joe");
    CHECK_EQUAL(today.who({{"OU", "Others"}, {"CN", "x"}}), "");
    // What is wider all the same is said, and kept in the file.
    CHECK_CONTAINS(out, "mtls-authz: the rules of today tell upper-case letters");
    CHECK_CONTAINS(out, "# Note: the rules of today tell upper-case letters");
    CHECK(import(0, "~*(^|,)OU=joe(,|$)").find("upper-case") == std::string::npos);
    import(0, "~CN=joe(,|$)");
    CHECK_EQUAL(today.who({{"OU", "x"}, {"CN", "joe"}}), "joe");
    import(0, "~(^|/)CN=joe(/|$)", legacy);
    CHECK_EQUAL(today.who({{"OU", "x"}, {"CN", "joe"}}), "joe");
    // Not converted: a separator of the other name format, a character that OpenSSL escapes, an unknown attribute type.
    import(2, "~(^|/)CN=joe(/|$)");
    import(2, "~(^|,)CN=joe(,|$)", legacy);
    import(2, "~(^|,)O=Acme\\\\\\, Inc(,|$)");
    import(2, "~(^|,)DNS=\\*\\.acme\\.example(,|$)");
    // Nor is a name in the format of the other variable.
    CHECK_CONTAINS(import(2, "/O=Acme/CN=joe"), "nginx finds it nowhere: a name in $ssl_client_s_dn has the form O=");
    CHECK_CONTAINS(import(2, "CN=joe,O=Acme", legacy), "a name in $ssl_client_s_dn_legacy has the form /C=");
    import(0, "CN=joe,O=Acme");
    import(0, "/O=Acme/CN=joe", legacy);
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "joe"}}), "joe");
}

CLAIM(what_the_sources_hold_cannot_write_directives) {
    Importing today;
    for (const char* value : {"\"x\nMTLSGroup evil\"", "\"${HOME}\"", "\"a\"\" MTLSGroup evil\""}) {
        const std::string row = std::string("other,") + value + ",\nthird,c," + value + "\n";
        const bool is_quoted = std::string(value).find("a\"\"") != std::string::npos;
        const std::string out = today.import(is_quoted ? 0 : 1, "csv", "name,CN,contact\nsafe,api,\n" + row);
        CHECK_EQUAL(today.who({{"CN", "api"}}), "safe");
        CHECK(out.find("\n    MTLSGroup") == std::string::npos);
        CHECK(out.find("\nMTLSGroup") == std::string::npos);
        CHECK(out.find("${HOME}\n") == std::string::npos);
    }
}

CLAIM(what_the_sources_hold_reaches_no_terminal_as_control_bytes) {
    Importing today;
    const std::string out = today.import(1, "passwd", "/CN=api:xxj31ZMTZzkVA\n\x1b[31m/CN\x1b]0;x\a:xx\n");
    CHECK_CONTAINS(out, "today:2: not converted: ");
    CHECK(out.find_first_of("\x1b\a") == std::string::npos);
    CHECK_EQUAL(today.who({{"CN", "api"}}), "api");
}
