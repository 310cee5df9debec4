// The command explain: which step decides, and what to change.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "acme_bench.hpp"
#include "claims.hpp"
#include "pki.hpp"

using namespace test;
using Json = nlohmann::json;

CLAIM(a_short_lived_leaf_is_shown_and_explained) {
    Pki p;
    CertSpec spec;
    spec.subject = {{"CN", "brief"}};
    spec.raw = {{"2.5.29.56", std::string("\5\0", 2)}};
    p.file("brief.pem", issue(spec, &p.ca).cert_pem());
    const std::string block = partner("brief", "MTLSIdentity CN:brief\nMTLSTrustAnchor ca.pem");
    p.file("p.conf", "MTLSCRL required\n" + block).file("other.crl", make_crl(p.other, {}));
    p.file("q.conf", "MTLSCRL required\nMTLSCRLFile other.crl\nMTLSShortLived 0\n" + block);
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "p.conf", "--cert", "brief.pem"}),
                   "CRLs: none is needed for this leaf, since it has noRevAvail and is short-lived (MTLSShortLived)\n");
    CHECK_CONTAINS(p.expect(3, {"explain", "--policy", "q.conf", "--cert", "brief.pem"}),
                   "lives longer than MTLSShortLived allows");
    CHECK_CONTAINS(p.expect(0, {"facts", "--json", "brief.pem"}), "\"no_rev_avail\":true");
    CHECK_CONTAINS(p.expect(0, {"facts", "--json", "acme.pem"}), "\"no_rev_avail\":false");
}

CLAIM(explain_denies_for_want_of_a_crl_only_where_crls_were_asked) {
    Pki p;
    p.file("p.conf",
           "MTLSCRL required\n" + partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem"));
    p.file("ca.crl", make_crl(p.ca, {})).file("other.crl", make_crl(p.other, {}));
    const auto explain = [&](int status, std::vector<std::string> more) {
        std::vector<std::string> words = {"explain", "--policy", "p.conf", "--cert", "acme.pem"};
        words.insert(words.end(), more.begin(), more.end());
        return p.expect(status, words);
    };
    // httpd.conf names the server's lists.
    CHECK_CONTAINS(explain(2, {}), "not known: MTLSCRL required counts for it, and these files name no MTLSCRLFile");
    const Json unknown = Json::parse(explain(2, {"--json"}));
    CHECK_EQUAL(unknown["decision"], "unknown");
    CHECK(unknown["reason"].is_null());
    CHECK_CONTAINS(explain(0, {"--crl", "ca.crl"}), "allow: granted");
    CHECK_CONTAINS(explain(3, {"--crl", "other.crl"}), "deny: revocation-unknown");
}

CLAIM(explain_says_which_anchors_do_not_count_at_that_time) {
    Pki p;
    p.file("p.conf", partner("acme",
                             "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem until=2026-03-31\n"
                             "MTLSTrustAnchor other-ca.pem\nMTLSTrustAnchor ./ca.pem from=2090-01-15"));
    const std::string said = p.expect(3, {"explain", "--policy", "p.conf", "--cert", "acme.pem"});
    CHECK_CONTAINS(said,
                   "acme trusts ca.pem (ended 2026-03-31T23:59:59Z), other-ca.pem, ./ca.pem (begins "
                   "2090-01-15T00:00:00Z): the certificate has no valid path to these");
}

CLAIM(explain_takes_of_many_intermediates_those_that_lead_on_as_a_handshake_does) {
    Pki p;
    CertSpec spec;
    spec.subject = {{"CN", "Sub CA"}};
    spec.ca = true;
    const Identity sub = issue(spec, &p.ca), other = issue(spec, &p.ca);
    spec.not_after = -60;
    std::string expired, strangers;
    for (int i = 0; i < 12; ++i) {
        EVP_PKEY_up_ref(sub.key.get());
        expired += issue(spec, &p.ca, mtls::EvpPkeyPtr(sub.key.get())).cert_pem();
    }
    for (int i = 0; i < 70; ++i) strangers += other.cert_pem();
    const std::string leaf = make_client("api", "api.acme.example", sub).cert_pem();
    p.file("p.conf", partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem"));
    const auto explain = [&](int status, const std::string& sent) {
        return p.file("c.pem", leaf + sent).expect(status, {"explain", "--policy", "p.conf", "--cert", "c.pem"});
    };
    explain(0, sub.cert_pem());
    explain(0, expired + sub.cert_pem());
    explain(0, strangers + sub.cert_pem());
    CHECK_CONTAINS(explain(3, expired), "has expired");
    CHECK_CONTAINS(explain(3, strangers), "not-verified");
}

CLAIM(explain_asks_every_reading_of_a_path_for_its_grant) {
    Pki p;
    p.file("p.conf", partner("acme",
                             "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\n"
                             "MTLSGrant read /x/*/c /y/**"));
    const auto ask = [&](int status, const std::string& path) {
        return p.expect(status, {"explain", "--policy", "p.conf", "--cert", "acme.pem", "--path", path});
    };
    CHECK_CONTAINS(ask(0, "/x/b/c"), "allow: granted");
    CHECK_CONTAINS(ask(0, "/y/a;q/z"), "allow: granted");
    for (const char* path : {"/x/b#/c", "/x/b?/c", "/x/%23/c"}) {
        CHECK_CONTAINS(ask(3, path), "deny: bad-path (a backend may read it as '");
    }
}

CLAIM(explain_and_matrix_show_what_a_grant_takes_from_the_certificate) {
    Pki p;
    p.file("devices.conf",
           partner("devices", "MTLSIdentity any\nMTLSTrustAnchor ca.pem\nMTLSGrant PUT /devices/%{cert:CN}/**"));
    CertSpec twice;
    twice.subject = {{"CN", "17"}, {"CN", "18"}};
    p.file("twice.pem", issue(twice, &p.ca).cert_pem());
    const auto explain = [&](int status, const std::string& cert, const std::string& path) {
        return p.expect(status,
                        {"explain", "--policy", "devices.conf", "--cert", cert, "--method", "PUT", "--path", path});
    };
    CHECK_CONTAINS(explain(0, "acme.pem", "/devices/api/x"),
                   "grant: MTLSGrant PUT /devices/%{cert:CN}/** at devices.conf:4 (of this certificate: api)\n");
    CHECK_CONTAINS(explain(3, "acme.pem", "/devices/18/x"),
                   "it has MTLSGrant PUT /devices/%{cert:CN}/** at devices.conf:4 (of this certificate: api)\n");
    CHECK_CONTAINS(
        explain(3, "twice.pem", "/devices/18/x"),
        "MTLSGrant PUT /devices/%{cert:CN}/** at devices.conf:4 is none for this certificate: CN does not occur "
        "once in the certificate\n");
    CHECK_CONTAINS(p.expect(0, {"matrix", "--policy", "devices.conf"}), "/devices/%{cert:CN}/**");
}

CLAIM(explain_asks_networks_where_it_is_told_the_clients_address) {
    Pki p;
    p.file("net.conf", partner("acme",
                               "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSNetwork 198.51.100.0/25\n"
                               "MTLSGrant read /orders/**"));
    const auto explain = [&](int status, const std::vector<std::string>& more) {
        std::vector<std::string> args = {"explain", "--policy", "net.conf", "--cert", "acme.pem"};
        args.insert(args.end(), more.begin(), more.end());
        return p.expect(status, args);
    };
    const std::string without = explain(0, {"--path", "/orders/1"});
    CHECK_CONTAINS(without, "network: not asked, it is let in from 198.51.100.0/25 alone\n");
    CHECK_CONTAINS(without, "the client's address (--from)");
    const std::string inside = explain(0, {"--path", "/orders/1", "--from", "198.51.100.7"});
    CHECK_CONTAINS(inside, "network: 198.51.100.7 is in 198.51.100.0/25\n");
    CHECK(inside.find("--from") == std::string::npos);
    CHECK_CONTAINS(explain(3, {"--from", "198.51.100.128"}),
                   "deny: wrong-network (198.51.100.128 is not in 198.51.100.0/25)\n");
    CHECK_CONTAINS(explain(3, {"--path", "/other", "--from", "198.51.100.7"}), "deny: not-allowed");
    CHECK_CONTAINS(explain(2, {"--from", "198.51.100.0/25"}), "is no IP address");
    p.file("wide.conf", partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSGrant read /orders/**"));
    CHECK_CONTAINS(p.expect(1, {"diff", "net.conf", "wide.conf"}),
                   "acme is no longer limited by: MTLSNetwork 198.51.100.0/25\n");
}

CLAIM(a_name_that_hides_characters_is_shown_with_them_and_never_suggested) {
    Pki p;
    CertSpec spec;
    spec.subject = {{"O", "Acme"}, {"CN", "acme\xe2\x80\xaegpj"}};
    p.file("hidden.pem", issue(spec, &p.ca).cert_pem());
    p.file("hidden.conf",
           partner("acme", "MTLSIdentity \"CN:acme\xe2\x80\xaegpj\"\nMTLSTrustAnchor ca.pem\nMTLSGrant read /**"));
    const std::string said = p.expect(0, {"explain", "--policy", "hidden.conf", "--cert", "hidden.pem"});
    CHECK_CONTAINS(said, "by MTLSIdentity CN:acme\\xe2\\x80\\xaegpj at ");
    const std::string block = p.expect(0, {"suggest", "hidden.pem"});
    CHECK_CONTAINS(block, "MTLSIdentity spki-sha256:");
    for (const std::string& text : {said, block}) CHECK(text.find("\xe2\x80\xae") == std::string::npos);
}

CLAIM(explain_says_which_step_decided_and_what_to_change) {
    Pki p;
    const auto explain = [&](int status, const std::string& cert, const std::vector<std::string>& more = {}) {
        std::vector<std::string> args = {"explain", "--policy", "acme.conf", "--cert", cert};
        args.insert(args.end(), more.begin(), more.end());
        return p.expect(status, args);
    };
    std::string text = explain(0, "acme.pem", {"--path", "/orders/1"});
    for (const char* part : {"allow: granted by MTLSAllow by-grant; other gates were not asked\n",
                             "identity: acme, by MTLSIdentity DNS:api.acme.example at acme.conf:2\n", "path: verified",
                             "groups: suppliers\n", "grant: MTLSGrant read /orders/** at acme.conf:5\n"}) {
        CHECK_CONTAINS(text, part);
    }
    CHECK_CONTAINS(explain(3, "acme.pem", {"--path", "/orders/1", "--method", "POST"}), "deny: method-not-granted");
    CHECK_CONTAINS(explain(0, "acme.pem", {"--path", "/orders/", "--method", "POST"}),
                   "grant: MTLSGrant POST /orders/ if O:Acme at acme.conf:6");
    CHECK_CONTAINS(explain(3, "acme.pem", {"--path", "/other"}), "deny: not-allowed");
    CHECK_CONTAINS(explain(3, "acme.pem", {"--path", "/orders/..;/x"}), "deny: bad-path");
    CHECK_CONTAINS(explain(3, "acme.pem", {"--at", "2001-01-01"}), "deny: not-yet-valid");
    CHECK_CONTAINS(explain(3, "acme.pem", {"--at", "2101-01-01"}), "deny: expired");
    p.file("near.pem", make_client("x", "api.acme.exampel", p.ca).cert_pem());
    text = explain(3, "near.pem");
    CHECK_CONTAINS(text, "deny: unknown-partner");
    CHECK_CONTAINS(text,
                   "acme (acme.conf:2) nearly fits: DNS:api.acme.example does not, the certificate has "
                   "api.acme.exampel (a slip of the pen?)");
    // Not where the value is there, and the selector cannot tell.
    CertSpec twice;
    twice.subject = {{"UID", "1"}, {"CN", "a"}, {"CN", "b"}, {"O", "Two"}, {"O", "One"}};
    p.file("twice.pem", issue(twice, &p.ca).cert_pem());
    const auto explain_for = [&](int status, const std::string& identity) {
        p.file("one.conf",
               "<MTLSPartner one>\nMTLSIdentity " + identity + "\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n");
        return p.expect(status, {"explain", "--policy", "one.conf", "--cert", "twice.pem"});
    };
    for (const char* identity : {"CN:b", "O:One CN:b", "UID:1 !CN:c"}) {
        text = explain_for(3, identity);
        CHECK_CONTAINS(text,
                       "CN occurs twice: the selector cannot tell which one counts; subject: compares the whole name");
        CHECK(text.find("slip of the pen") == std::string::npos);
    }
    for (const char* identity : {"O:One", "UID:1 !O:Three", "subject:O=One,O=Two,CN=b,CN=a,UID=1"}) {
        CHECK_CONTAINS(explain_for(0, identity), "allow: granted");
    }
    CHECK_CONTAINS(explain_for(3, "UID:1 !O:Two"), "!O:Two does not, the certificate has Two, One");
    CHECK_CONTAINS(explain_for(3, "O:On"), "(a slip of the pen?)");
    p.file("foreign.pem", make_client("x", "api.acme.example", p.other).cert_pem());
    text = explain(3, "foreign.pem");
    CHECK_CONTAINS(text, "deny: not-verified");
    CHECK_CONTAINS(text, "acme trusts ca.pem: the certificate has no valid path to these");
    // Intermediates, in the file or beside it.
    const Identity deep = make_client("x", "api.acme.example", p.sub);
    p.file("deep.pem", deep.cert_pem())
        .file("sub.pem", p.sub.cert_pem())
        .file("chain.pem", deep.cert_pem() + p.sub.cert_pem());
    CHECK_CONTAINS(explain(3, "deep.pem"), "deny: not-verified");
    CHECK_CONTAINS(explain(0, "deep.pem", {"--intermediates", "sub.pem"}), "allow: granted");
    CHECK_CONTAINS(explain(0, "chain.pem"), "allow: granted");
    // mod_ssl's CAs have to be given.
    p.file("by-server.conf", partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor mod_ssl"));
    CHECK_CONTAINS(p.expect(2, {"explain", "--policy", "by-server.conf", "--cert", "acme.pem"}), "--server-ca");
    CHECK_CONTAINS(
        p.expect(0, {"explain", "--policy", "by-server.conf", "--cert", "acme.pem", "--server-ca", "ca.pem"}),
        "allow: granted");
    const Json json = Json::parse(explain(3, "near.pem", {"--json"}));
    CHECK_EQUAL(json["decision"], "deny");
    CHECK_EQUAL(json["reason"], "unknown-partner");
    CHECK(json["partner"].is_null());
    CHECK_CONTAINS(
        p.expect(
            3, {"explain", "--log-line",
                "[error] mtls_authz: denied GET \"/x\": reason=wrong-issuer claimed=acme sha256=ab: the certificate"}),
        "sha256=ab  the certificate: MTLSRevoke sha256: takes it out");
    CHECK_CONTAINS(p.expect(2, {"explain", "--log-line", "AH00558: something else"}), "no reason in it");
}

CLAIM(explain_does_not_know_what_cas_of_mod_ssl_decide_that_it_was_not_given) {
    Pki p;
    const std::string identity = "MTLSIdentity DNS:api.acme.example\n", own = "MTLSTrustAnchor other.pem";
    p.file("acme.pem", make_client("x", "api.acme.example", p.ca).cert_pem())
        .file("b.pem", make_client("b", "b.example", p.ca).cert_pem())
        .file("other.pem", p.other.cert_pem());
    const auto ask = [&](int status, const std::string& lines, const std::string& cert,
                         std::vector<std::string> more = {}) {
        p.file("p.conf", lines);
        std::vector<std::string> words = {"explain", "--policy", "p.conf", "--cert", cert};
        words.insert(words.end(), more.begin(), more.end());
        return p.expect(status, words);
    };
    const std::string by_server = partner("acme", identity + "MTLSTrustAnchor mod_ssl");
    const std::string said = ask(2, by_server, "acme.pem");
    CHECK(
        said.starts_with("not known: acme trusts mod_ssl's CAs: give those of SSLCACertificateFile with --server-ca"));
    CHECK(said.find("MTLSTrustAnchor, or the missing") == std::string::npos);
    const Json json = Json::parse(ask(2, by_server, "acme.pem", {"--json"}));
    CHECK_EQUAL(json["decision"], "unknown");
    CHECK(json["reason"].is_null());
    // Where no CA of mod_ssl lets it in, that is known.
    CHECK_CONTAINS(ask(3, by_server, "b.pem"), "deny: not-verified");
    CHECK_CONTAINS(ask(3, by_server, "acme.pem", {"--server-ca", "other.pem"}), "deny: not-verified");
    CHECK_CONTAINS(ask(3, partner("acme", identity + own) + partner("b", "MTLSIdentity CN:b\nMTLSTrustAnchor mod_ssl"),
                       "acme.pem"),
                   "deny: not-verified");
    CHECK_CONTAINS(ask(3, by_server + partner("z", "MTLSIdentity CN:z\nMTLSTrustAnchor ca.pem"), "acme.pem"),
                   "deny: wrong-issuer");
    CHECK_CONTAINS(ask(3, by_server + partner("z", "MTLSIdentity CN:z\nMTLSTrustAnchor ca.pem"), "acme.pem",
                       {"--server-ca", "ca.pem"}),
                   "deny: wrong-issuer");
    CHECK_CONTAINS(ask(0, by_server, "acme.pem", {"--server-ca", "ca.pem"}),
                   "mod_ssl's CRLs (SSLCARevocationFile; --crl)");
    CHECK(ask(0, partner("acme", identity + "MTLSTrustAnchor ca.pem"), "acme.pem").find("mod_ssl") ==
          std::string::npos);
}

CLAIM(explain_answers_where_an_older_list_is_beside_the_newer_one) {
    Pki p;
    const Identity leaf = make_client("api", "api.acme.example", p.ca), other = make_client("b", "b.example", p.ca);
    p.file("l.pem", leaf.cert_pem()).file("o.pem", other.cert_pem());
    p.file("a.crl", make_crl(p.ca, {.revoked = {{&leaf, 1}}, .number = 42}));
    p.file("z.crl", make_crl(p.ca, {.this_update = -7200, .number = 41}));
    p.file("p.conf", partner("acme", "MTLSIdentity any\nMTLSTrustAnchor ca.pem"));
    const auto ask = [&](int status, const std::string& leaf_file) {
        return p.expect(status, {"explain", "--policy", "p.conf", "--cert", leaf_file, "--crl", "*.crl"});
    };
    CHECK_CONTAINS(ask(3, "l.pem"), "deny: revoked");
    CHECK_CONTAINS(ask(0, "o.pem"), "allow: granted");
    // What the server cannot read, it may have from before.
    p.file("y.crl", make_crl(p.ca, {}).substr(1));
    ask(2, "o.pem");
}
