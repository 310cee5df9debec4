// `mtls-authz import`: what people have today becomes partners that let in the same certificates, and nothing is
// guessed. Maps of nginx: import_map_test.cpp.
#include "importing.hpp"

using namespace test;

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
        "acme;;;batch.acme.example;suppliers cards;;2099-01-01;GET,HEAD /orders/**\r\n"
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

CLAIM(a_row_gives_its_rights_to_no_other_row_of_its_name) {
    Importing today;
    today.file("other.pem", make_ca("Other CA").cert_pem());
    const std::string head = "name,CN,anchor,grant,group,until\nacme,reader,ca.pem,GET /any/**,readers,\n";
    for (const char* rights : {"ca.pem,* /acme/**,readers,", "ca.pem,GET /any/**,admins,", "ca.pem,,,",
                               "other.pem,GET /any/**,readers,", "ca.pem,GET /any/**,readers,2099-01-01"}) {
        const std::string out = today.import(1, "csv", head + "acme,admin," + rights + "\n");
        CHECK_CONTAINS(out, "today:3: not converted: line 2 has the same name, but another anchor, group, grant or");
        CHECK_EQUAL(today.who({{"CN", "reader"}}), "acme");
        CHECK_EQUAL(today.who({{"CN", "admin"}}), "");
        CHECK_EQUAL(times_in(out, "MTLSGrant "), 1U);
        today.import(0, "csv", head + "acme-admin,admin," + rights + "\n");
    }
    today.import(0, "csv", head + "acme,admin,ca.pem,GET /any/**,readers,\n");
    CHECK_EQUAL(today.who({{"CN", "admin"}}), "acme");
}

CLAIM(what_the_source_says_twice_becomes_one_partner) {
    Importing today;
    const auto at = [](const std::string& place, const std::string& rule) {
        return "<Location " + place + ">\n" + rule + "\n</Location>\n";
    };
    const std::string cn = "SSLRequire %{SSL_CLIENT_S_DN_CN} ", o = "%{SSL_CLIENT_S_DN_O} == \"Acme\"";
    std::string out = today.import(0, "sslrequire", at("/a", cn + "== \"api\"") + at("/b", cn + "in {\"api\",\"b\"}"));
    CHECK_EQUAL(today.who({{"CN", "api"}}), "api");
    CHECK_EQUAL(today.who({{"CN", "b"}}), "b");
    CHECK(out.find("may fit both") == std::string::npos);
    const std::string two = o + " && %{SSL_CLIENT_S_DN_CN} == \"api\"",
                      turned = "%{SSL_CLIENT_S_DN_CN} == \"api\" && " + o;
    today.import(0, "sslrequire", at("/a", "SSLRequire " + two) + at("/b", "SSLRequire " + turned));
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "api");
    // Where a certificate may fit two of them, that is said.
    for (const std::string& rules : {cn + "== \"api\" || " + o, "SSLRequire " + o + " || (" + two + ")"})
        CHECK_CONTAINS(today.import(0, "sslrequire", rules + "\n"),
                       "mtls-authz: a certificate may fit both partners 'a");
    out = today.import(0, "csv", "name,CN\na,api\nb,api\nc,x\n");
    CHECK_CONTAINS(out,
                   "mtls-authz: a certificate may fit both partners 'a' and 'b', and would be ambiguous: let in by");
    for (const char* apart : {"name,CN\na,api\nb,x\n", "name,OU\na,api\nb,x\n", "name,CN,!O\na,api,Acme\n",
                              "name,CN,anchor\na,api,ca.pem\nb,api,other.pem\n"}) {
        today.file("other.pem", make_ca("Other CA").cert_pem());
        CHECK(today.import(0, "csv", apart).find("may fit both") == std::string::npos);
    }
    CHECK(today.import(0, "nginx-map", "CN=x,O=Acme a;\n~(^|,)CN=b(,|$) b;\n").find("may fit both") ==
          std::string::npos);
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
    // So does a condition that names no partner; beside an expression it is another way in.
    for (const std::string& rules : {ssl(o) + other, other + ssl(o), ssl(o) + "Require all denied\n",
                                     ssl(o) + in("RequireAll", other), ssl(o) + in("RequireAny", other)}) {
        const std::string out = today.import(2, "sslrequire", in("Location /x", rules));
        CHECK_CONTAINS(out, "which is not converted, and would let in more without it");
    }
    CHECK_CONTAINS(today.import(2, "sslrequire", in("Location /x", ssl(o) + other)),
                   "today:2: not converted: has to hold together with line 3, which");
    for (const std::string& rules : {ssl(o) + expr(o) + other, ssl(o) + "Require all granted\n"}) {
        today.import(0, "sslrequire", in("Location /x", rules));
        CHECK_EQUAL(today.who({{"O", "Acme"}}), "acme");
    }
    // Rules within <IfModule> are those of the place around it.
    today.import(0, "sslrequire", in("Location /x", ssl(o) + in("IfModule mod_ssl.c", ssl(cn))));
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "api");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "x"}}), "");
}

CLAIM(what_an_include_a_macro_or_a_condition_may_change_of_a_place_is_not_converted) {
    Importing today;
    const auto in = [](const std::string& section, const std::string& lines) {
        return "<" + section + ">\n" + lines + "</" + section.substr(0, section.find(' ')) + ">\n";
    };
    const std::string acme = "Require expr \"%{SSL_CLIENT_S_DN_O} == 'Acme'\"\n",
                      tester = "Require expr \"%{SSL_CLIENT_S_DN_CN} == 'tester'\"\n",
                      other = in("Location /other", "SSLRequire %{SSL_CLIENT_S_DN_CN} eq \"other\"\n");
    const auto import = [&](const std::string& rules, const std::string& said) {
        const std::string out = today.import(1, "sslrequire", rules + other);
        CHECK_CONTAINS(out, said);
        CHECK_EQUAL(today.who({{"CN", "other"}}), "other");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "bad"}}), "");
        CHECK_EQUAL(today.who({{"CN", "tester"}}), "");
    };
    for (const char* line : {"Include blocked.conf\n", "IncludeOptional blocked/*.conf\n", "Use Keep bad\n"}) {
        import(in("Location /x", in("RequireAll", acme + line)), "today:4: not converted: '" + std::string(line, 7));
        import(in("Location /x", acme + line), "today:2: not converted: has to hold together with line 3");
    }
    import(in("Macro Gate $bad", in("Location /x", acme)) + "Use Gate bad\n",
           "today:1: not converted: the rules in '<Macro Gate $bad>' are not read");
    import(in("IfDefine Staging", in("Location /x", tester)),
           "today:3: not converted: the expression is in <IfDefine Staging>, which httpd may leave out: import what");
    import(in("Location /x", in("RequireAll", acme + in("IfVersion >= 2.4", tester))),
           "today:3: not converted: has to hold together with line 5");
    for (const char* section : {"IfDefine Staging", "IfModule !mod_ssl.c", "IfModule mod_rewrite.c"}) {
        import(in("Location /x", in(section, tester)), "today:3: not converted: the expression is in <");
        // One rule is enough there: the others are converted.
        today.import(1, "sslrequire", in("Location /x", acme + in(section, tester)));
        CHECK_EQUAL(today.who({{"O", "Acme"}}), "acme");
        CHECK_EQUAL(today.who({{"CN", "tester"}}), "");
    }
    for (const char* section : {"IfModule mod_ssl.c", "IfModule authz_core_module"}) {
        today.import(0, "sslrequire", in("Location /x", in(section, tester)));
        CHECK_EQUAL(today.who({{"CN", "tester"}}), "tester");
    }
}

CLAIM(eq_compares_texts_in_sslrequire_alone) {
    Importing today;
    const std::string acme = "%{SSL_CLIENT_S_DN_O} eq 'Acme'\n";
    CHECK_CONTAINS(today.import(2, "sslrequire", "Require expr " + acme), "by eq, which is of numbers in Require expr");
    const std::string out = today.import(2, "sslrequire",
                                         "<RequireAll>\nRequire expr %{SSL_CLIENT_S_DN_O} == 'Acme'\n"
                                         "Require not expr %{SSL_CLIENT_S_DN_CN} eq 'bad'\n</RequireAll>\n");
    CHECK_CONTAINS(out, "today:2: not converted: has to hold together with line 3");
    today.import(0, "sslrequire", "SSLRequire " + acme);
    CHECK_EQUAL(today.who({{"O", "Acme"}}), "acme");
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
    CHECK_CONTAINS(out, "# Note: the rules of today tell upper-case letters from lower-case ones and count each blank");
    // CN: fits no name that has several.
    import("%{SSL_CLIENT_S_DN_CN_0} eq \"api\"");
    CHECK_CONTAINS(today.import(2, "sslrequire", "SSLRequire %{SSL_CLIENT_S_DN_CN_1} eq \"api\"\n"),
                   "today:1: not converted: the expression asks SSL_CLIENT_S_DN_CN_1, one of several: no selector");
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
