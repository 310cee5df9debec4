// `mtls-authz import nginx-map`: partners that let in whom the map lets in, and nobody else.
#include "importing.hpp"

using namespace test;

CLAIM(a_map_of_nginx_becomes_partners_that_let_in_the_same_names) {
    Importing today;
    const std::string out = today.import(1, "nginx-map",
                                         "# partners\n"
                                         "map $ssl_client_s_dn $partner {\n"
                                         "    default \"\";\n"
                                         "    \"CN=api,O=Acme\" acme;\n"
                                         "    'CN=batch,O=Acme' acme;   # the same partner\n"
                                         "    CN=blocked,O=Acme 0;\n"
                                         "    \"~(^|,)CN=api\\.initech\\.example(,|$)\" initech;\n"
                                         "    ~CN=anything.* wild;\n"
                                         "}\n"
                                         "map $remote_addr $near { 192.0.2.1 yes; }\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "acme");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "batch"}}), "acme");
    CHECK_EQUAL(today.who({{"O", "Other"}, {"CN", "api.initech.example"}}), "initech");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "blocked"}}), "");
    CHECK_EQUAL(today.who({{"O", "Other"}, {"CN", "api"}}), "");
    CHECK_EQUAL(today.who({{"O", "Other"}, {"CN", "api-initech.example"}}), "");  // no regular expression any more
    CHECK_EQUAL(today.who({{"CN", "anything"}}), "");
    CHECK_CONTAINS(out, "today:8: not converted: '~CN=anything.*' is a regular expression");
    CHECK_CONTAINS(out, "today:10: not converted: nothing is known about $remote_addr");
    CHECK_CONTAINS(out, "left out 2 line(s) that only deny");
    CHECK_CONTAINS(out, "# 2 partner(s) from today");
    CHECK_CONTAINS(out, "MTLSAuthz LogOnly");
    today.import(0, "nginx-map", "map $ssl_client_s_dn $ok { \"CN=one,O=Globex\" 1; }\n");
    CHECK_EQUAL(today.who({{"O", "Globex"}, {"CN", "one"}}), "one");
    CHECK_CONTAINS(today.import(2, "nginx-map", "map $ssl_client_i_dn $ca { \"CN=CA\" yes; }\n"),
                   "today:1: not converted: an issuer's name proves nothing");
}

CLAIM(lines_of_a_map_alone_are_read_and_what_lets_in_everybody_is_said) {
    Importing today;
    std::string out = today.import(0, "nginx-map", "\"/O=Acme/CN=api\" acme;\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "acme");
    out = today.import(1, "nginx-map", "CN=api acme;\ndefault anybody;\ninclude more.map;\nCN=x acme");
    CHECK_CONTAINS(out, "today:2: not converted: 'anybody' is taken for a word that denies, in all lines; if it");
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
    CHECK_CONTAINS(today.import(2, "nginx-map", map("\"CN=bad,O=Acme\" 0;\n\"CN=bad,O= Acme\" acme;\n")),
                   "today:3: not converted: nginx finds it nowhere: it has this name as CN=bad,O=Acme");
    CHECK_CONTAINS(today.import(2, "nginx-map", "\"CN=bad,O=Acme\" 0;\n/O=Acme/CN=bad acme;\n"),
                   "today:2: not converted: line 1 denies the same name");
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
    // Selectors ignore case, so this one lets in more than the expression: a note says so, here and in the file.
    CHECK_CONTAINS(out, "mtls-authz: the rules of today tell upper-case letters");
    CHECK_CONTAINS(out, "# Note: the rules of today tell upper-case letters");
    CHECK(import(0, "~*(^|,)OU=joe(,|$)").find("upper-case") == std::string::npos);
    // It also reads several attributes of one RDN, and a comma in a value, in another way.
    CHECK_CONTAINS(out, "mtls-authz: a regular expression reads a name as one text, selectors its attributes");
    CHECK_CONTAINS(out, "# Note: a regular expression reads a name as one text");
    CHECK(import(0, "CN=joe,O=Acme").find("regular expression") == std::string::npos);
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

CLAIM(a_word_that_a_map_may_deny_by_is_no_partner) {
    Importing today;
    const auto import = [&](int status, const std::string& lines) {
        const std::string out = today.import(status, "nginx-map", "map $ssl_client_s_dn $p {\n" + lines + "}\n");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "old"}}), "");
        return out;
    };
    const std::string old = "\"CN=old,O=Acme\" ", api = "\"CN=api,O=Acme\" allow;\n";
    // The default's.
    CHECK_CONTAINS(import(1, "default other;\n" + old + "other;\n\"CN=api,O=Acme\" acme;\n"),
                   "today:2: not converted: 'other' is taken for a word that denies, in all lines");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "acme");
    import(1, old + "Other;\n~(^|,)O=Acme(,|$) acme;\ndefault other;\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "acme");
    // One beside a word that lets in.
    for (const std::string& lines : {"default deny;\n" + old + "pending;\n" + api, old + "pending;\ndefault allow;\n",
                                     old + "pending;\n~(^|,)O=Acme(,|$) 1;\n"}) {
        const int status = lines.find("default allow") != std::string::npos ? 2 : 1;
        CHECK_CONTAINS(import(status, lines), " not converted: 'pending' may deny beside a word that lets in");
        CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}).empty(), status == 2);
    }
    CHECK_CONTAINS(import(0, old + "revoked;\n" + api), "left out 1 line(s) that only deny");
    today.import(0, "nginx-map", "map $ssl_client_s_dn $p {\n" + old + "acme;\n}\n");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "old"}}), "acme");
}

CLAIM(of_several_maps_the_first_is_converted_and_the_others_are_named) {
    Importing today;
    const std::string acme = "~(^|,)O=Acme(,|$) acme;\n", read = "map $ssl_client_s_dn $can_read {\n" + acme + "}\n";
    const std::string write = "map $ssl_client_s_dn $can_write {\n~(^|,)CN=old(,|$) 0;\n" + acme + "}\n";
    const std::string closed = "map $http_upgrade $connection { '' 0; }\n";
    const std::string out = today.import(1, "nginx-map", closed + write + read);
    CHECK_CONTAINS(out, "today:6: not converted: the map $can_read is another one: which of them lets in where is not");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "api"}}), "acme");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "old"}}), "");
    CHECK_EQUAL(times_in(out, "MTLSIdentity "), 1U);
    CHECK_CONTAINS(today.import(1, "nginx-map", read + write), "today:4: not converted: the map $can_write is another");
    today.import(0, "nginx-map", closed + read);
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"CN", "old"}}), "acme");
}

CLAIM(a_name_that_nginx_finds_nowhere_is_no_partner) {
    Importing today;
    const auto import = [&](int status, const std::string& key, const std::string& variable = "$ssl_client_s_dn") {
        return today.import(status, "nginx-map", "map " + variable + " $p {\n'" + key + "' acme;\n}\n");
    };
    for (const char* key : {"CN=api, O=Acme", "CN=api ,O=Acme", "CN= api,O=Acme", "CN=a  b\\2C", "CN=M\xC3\xBCller",
                            "E=a@acme.example", "CN=api,OU=x+O=Acme"})
        CHECK_CONTAINS(import(2, key), "today:2: not converted: nginx finds it nowhere: it has this name as ");
    for (const char* key : {"cn=api,O=Acme", "CN=a  b\\\\,", "CN=M\\C3\\BCller", "emailAddress=a@acme.example",
                            "CN=api,O=Acme+OU=x", "UID=7,DC=acme,DC=example", "CN=api\\\\, x,ST=Y,L=Z,C=US"})
        import(0, key);
    CHECK_CONTAINS(import(2, "/O=M\xC3\xBC/CN=api", "$ssl_client_s_dn_legacy"),
                   "it has this name as /O=M\\xC3\\xBC/CN=");
    import(0, "/O=Acme/OU=A/CN=api", "$ssl_client_s_dn_legacy");
    CHECK_EQUAL(today.who({{"O", "Acme"}, {"OU", "A"}, {"CN", "api"}}), "acme");
}
