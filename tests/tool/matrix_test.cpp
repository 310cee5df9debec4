// The commands matrix and diff: who may do what, and who gains and loses by a change.
#include <string>

#include "acme_bench.hpp"
#include "claims.hpp"

using namespace test;

CLAIM(matrix_and_diff_tell_who_may_what) {
    Pki p;
    p.file("all.conf", partner("b", "MTLSIdentity CN:<b>\nMTLSTrustAnchor ca.pem\nMTLSSuspend On") +
                           "MTLSGrant * /p/%{partner}/**\nMTLSRevoke CN:gone\n");
    const std::string text = p.expect(0, {"matrix", "--policy", "acme.conf", "all.conf"});
    for (const char* part : {"acme     /orders/**  read", "acme     /orders/    POST     acme.conf:6  if O:Acme",
                             "acme     /p/acme/**", "b        /p/b/**"}) {
        CHECK_CONTAINS(text, part);
    }
    CHECK_CONTAINS(p.expect(0, {"matrix", "--csv", "--policy", "acme.conf"}),
                   "partner,path,methods,condition,rule\r\n\"acme\",\"/orders/**\",\"read\",\"\",\"acme.conf:5\"\r\n");
    const std::string page = p.expect(0, {"matrix", "--html", "--policy", "acme.conf", "all.conf"});
    for (const char* part : {"<h2>acme</h2>", "<code>CN:&lt;b&gt;</code>", "suspended", "/p/%{partner}/**",
                             "MTLSRevoke", "Content-Security-Policy"}) {
        if (std::string(part) != "MTLSRevoke") CHECK_CONTAINS(page, part);
    }
    CHECK_CONTAINS(page, "<h2>Revoked</h2>\n<div><code>CN:gone</code></div>");
    CHECK(page.find("http://") == std::string::npos && page.find("<script") == std::string::npos);

    p.file("new.conf", partner("acme",
                               "MTLSIdentity DNS:other.acme.example\nMTLSTrustAnchor ca.pem\nMTLSGroup "
                               "suppliers\nMTLSGrant read /orders/**") +
                           partner("globex", "MTLSIdentity CN:gw\nMTLSTrustAnchor other-ca.pem"));
    p.file("certs/a/acme.pem", p.acme.cert_pem());
    const std::string diff = p.expect(1, {"diff", "acme.conf", "new.conf", "--certs", "certs"});
    for (const char* part :
         {"acme gains: MTLSIdentity DNS:other.acme.example\n", "acme loses: MTLSIdentity DNS:api.acme.example\n",
          "acme loses: MTLSGrant POST /orders/ if O:Acme\n", "globex is new\n", "globex gains: MTLSIdentity CN:gw\n",
          "certs/a/acme.pem: was acme, is unknown-partner\n"}) {
        CHECK_CONTAINS(diff, part);
    }
    CHECK_EQUAL(p.expect(0, {"diff", "acme.conf", "acme.conf", "--certs", "certs"}), "");
    CHECK_CONTAINS(p.expect(2, {"diff", "acme.conf", "nowhere.conf"}), "No such file");
}

CLAIM(matrix_marks_partners_that_are_refused_now) {
    Pki p;
    const auto with = [](const std::string& name, const std::string& lines) {
        return partner(name, "MTLSIdentity CN:" + name + "\nMTLSTrustAnchor ca.pem\n" + lines);
    };
    const std::string grant = "MTLSGrant GET /x\n";
    p.file("s.conf", with("a", grant) + with("b", grant + "MTLSSuspend On") + with("c", grant) +
                         with("d", grant + "MTLSValid until=2020-01-01") + with("e", grant + "MTLSNetwork 10.0.0.0/8") +
                         with("f", "MTLSSuspend On") + "MTLSSuspend c note=stolen\n");
    const std::string text = p.expect(0, {"matrix", "--policy", "s.conf"});
    for (const char* part :
         {"a        /x    GET      s.conf:4\n", "b        /x    GET      s.conf:10  but it is suspended now\n",
          "c        /x    GET      s.conf:16  but it is suspended now\n",
          "d        /x    GET      s.conf:22  but it is outside its contract now\n",
          "e        /x    GET      s.conf:28  if from 10.0.0.0/8\n",
          "f        no grant: only gates that name it, its groups or any-partner, but it is suspended now\n"}) {
        CHECK_CONTAINS(text, part);
    }
    const std::string csv = p.expect(0, {"matrix", "--csv", "--policy", "s.conf"});
    CHECK_CONTAINS(csv, "\"b\",\"/x\",\"GET\",\"it is suspended now\",");
    const auto rows = lines_of(p.expect(0, {"matrix", "--json", "--policy", "s.conf"})).front().at("rows");
    CHECK(rows.at(0).at("denied_now").is_null());
    CHECK_EQUAL(rows.at(1).at("denied_now").get<std::string>(), "it is suspended now");
    CHECK_EQUAL(rows.at(3).at("denied_now").get<std::string>(), "it is outside its contract now");
    CHECK_EQUAL(rows.at(4).at("condition").get<std::string>(), "from 10.0.0.0/8");
}

CLAIM(the_matrix_page_begins_with_partners_by_paths) {
    Pki p;
    const auto with = [](const std::string& name, const std::string& lines) {
        return partner(name, "MTLSIdentity CN:" + name + "\nMTLSTrustAnchor ca.pem\n" + lines);
    };
    p.file("few.conf", with("a",
                            "MTLSGrant read /orders/**\nMTLSGrant POST /orders/** if O:Acme\n"
                            "MTLSGrant PUT /only if O:Acme\nMTLSGrant * /partners/a/**") +
                           with("b", "MTLSGrant GET,POST /partners/b/**") + with("c", ""));
    const std::string few = p.expect(0, {"matrix", "--html", "--policy", "few.conf"});
    CHECK_CONTAINS(few,
                   "<th scope=\"col\">Partner</th><th scope=\"col\">/only</th><th "
                   "scope=\"col\">/orders<wbr>/**</th><th "
                   "scope=\"col\">/partners<wbr>/%{partner}<wbr>/**</th></tr>");
    CHECK_CONTAINS(few,
                   "<a href=\"#p-a\">a</a></th><td><span class=\"some\" title=\"for some certificates\">PUT "
                   "if</span></td><td>POST, read</td><td>all</td></tr>");
    CHECK_CONTAINS(few, "<a href=\"#p-b\">b</a></th><td></td><td></td><td>GET,POST</td></tr>");
    CHECK_CONTAINS(few, "<a href=\"#p-c\">c</a></th><td></td><td></td><td></td></tr>");
    CHECK_CONTAINS(few, "<section id=\"p-c\">");
    std::string lines;
    for (int i = 0; i < 30; ++i) lines += "MTLSGrant read /orders/" + std::to_string(i) + "/**\n";
    p.file("many.conf", with("a", lines + "MTLSGrant * /other"));
    const std::string many = p.expect(0, {"matrix", "--html", "--policy", "many.conf"});
    CHECK_CONTAINS(many, "<th scope=\"col\">/orders<wbr>/...</th><th scope=\"col\">/other</th></tr>");
    p.file("none.conf", with("a", ""));
    CHECK(p.expect(0, {"matrix", "--html", "--policy", "none.conf"}).find("by path") == std::string::npos);
}
