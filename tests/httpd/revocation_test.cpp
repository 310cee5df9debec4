// "No" takes effect on connections that are already open, and is not taken back by accident.
#include <chrono>
#include <filesystem>
#include <functional>

#include "claims.hpp"
#include "kept_site.hpp"
#include "waiting.hpp"
#include "workers.hpp"
#include "world.hpp"

using namespace test;

namespace {

// As `openssl rehash` names it.
std::string hashed_name(const Identity& ca, int number = 0) {
    char out[32];
    std::snprintf(out, sizeof out, "%08lx.%d", X509_NAME_hash(X509_get_subject_name(ca.cert.get())), number);
    return out;
}

constexpr const char* kGate =
    "MTLSRevocationFile revoked/*.conf\n<Location /gate>\n MTLSAllow partner acme globex\n</Location>\n";

struct Revoker {
    Site site;
    Revoker() {
        site.httpd.write("revoked/list.conf", "# nobody\n");
        site.start(kGate);
    }
    void write(const std::string& content) const { site.httpd.write("revoked/list.conf", content); }
    void write_atomically(const std::string& content) const {
        site.httpd.write("revoked/.new", content);
        std::filesystem::rename(site.httpd.path("revoked/.new"), site.httpd.path("revoked/list.conf"));
    }
};

// Sessions of a client whose intermediate the server does not have. A resumed session contains it; a full handshake
// without it is denied.
struct Resumer {
    Site site;
    explicit Resumer(const std::string& ticket_keys) {
        site.httpd.write("revoked/list.conf", "# nobody\n");
        site.httpd.write("tickets.key", std::string(48, 'k'));
        site.vhost(ticket_keys).start(kGate);
    }
    static ClientOptions bare(int tls) { return as(world().acme_by_sub, tls); }
    static ClientOptions full(int tls) {
        ClientOptions out = bare(tls);
        out.chain = {&world().acme_sub};
        return out;
    }
    SslSessionPtr new_session(int tls) const {
        SslSessionPtr out;
        {
            TlsClient client(site.httpd.port(), full(tls));
            CHECK_EQUAL(client.get("/gate/full", "Connection: close\r\n").status, 200);
            out = client.session();
        }
        CHECK(SSL_SESSION_is_resumable(out.get()) == 1 && SSL_SESSION_has_ticket(out.get()) == 1);
        return out;
    }
    // Whether httpd resumed it; the answer must fit.
    bool resumes(const SSL_SESSION& session, const char* path) const {
        const SslSessionPtr copy(SSL_SESSION_dup(&session));
        TlsClient client(site.httpd.port(), bare(SSL_SESSION_get_protocol_version(&session)), copy.get());
        const int status = client.get(path, "Connection: close\r\n").status;
        test::check(client.resumed() == (status == 200), path, __FILE__, __LINE__);
        return client.resumed();
    }
    int status_without_intermediate(int tls) const {
        return TlsClient(site.httpd.port(), bare(tls)).get("/gate/bare").status;
    }
};

}  // namespace

CLAIM(a_revocation_counts_on_the_open_connection_and_is_taken_back_later) {
    const World& w = world();
    Revoker r;
    TlsClient h1(r.site.httpd.port(), as(w.acme)), other(r.site.httpd.port(), as(w.globex)),
        tls12(r.site.httpd.port(), as(w.acme, TLS1_2_VERSION));
    Http2Client h2(r.site.httpd.port(), as(w.acme), r.site.httpd.root());
    const auto ask_h1 = [&] { return h1.get("/gate/h1").status; };
    const auto ask_h2 = [&] { return h2.get("/gate/h2").status; };
    const auto ask_tls12 = [&] { return tls12.get("/gate/tls12").status; };
    CHECK_EQUAL(ask_h1(), 200);
    CHECK_EQUAL(ask_h2(), 200);
    CHECK_EQUAL(ask_tls12(), 200);
    CHECK_EQUAL(other.get("/gate/o").status, 200);
    r.write_atomically("MTLSRevoke sha256:" + hex_sha256(w.acme) + " note=stolen\n");
    becomes(ask_h1, 403, "HTTP/1.1");
    becomes(ask_h2, 403, "a stream of HTTP/2");
    becomes(ask_tls12, 403, "TLS 1.2");
    CHECK_EQUAL(other.get("/gate/o").status, 200);
    CHECK(
        r.site.httpd.wait_for_log("detail=\"MTLSRevoke at " + r.site.httpd.path("revoked/list.conf") + ":1: stolen\""));
    // A resumed session is told the same, in whatever child.
    const SslSessionPtr session = h1.session();
    for (int i = 0; i < 4; ++i) {
        TlsClient resumed(r.site.httpd.port(), as(w.acme), session.get());
        CHECK_EQUAL(resumed.get("/gate/resumed").status, 403);
    }
    r.write_atomically("# nobody any more\n");
    becomes(ask_h1, 200, "HTTP/1.1 again");
    becomes(ask_h2, 200, "HTTP/2 again");
}

CLAIM(a_suspension_in_a_revocation_file_counts_and_unknown_names_do_no_harm) {
    const World& w = world();
    Revoker r;
    TlsClient acme(r.site.httpd.port(), as(w.acme)), globex(r.site.httpd.port(), as(w.globex));
    const auto ask = [&] { return acme.get("/gate/s").status; };
    CHECK_EQUAL(ask(), 200);
    r.write("MTLSSuspend acme ghost \"note=invoice open\"\n");
    becomes(ask, 403, "suspended");
    CHECK(r.site.httpd.wait_for_log("reason=suspended"));
    CHECK(r.site.httpd.wait_for_log("detail=\"MTLSSuspend at " + r.site.httpd.path("revoked/list.conf") +
                                    ":1: invoice open\""));
    CHECK_EQUAL(globex.get("/gate/s").status, 200);
    // Written in a hurry: the error says what to do, and nothing that was in force goes.
    r.write("MTLSSuspend acme \"note=invoice open\"\nMTLSSuspend globex note=laptop was stolen\n");
    CHECK(r.site.httpd.wait_for_log("MTLSSuspend: quotes go around the whole note: "));
    r.write("MTLSSuspend acme \"note=invoice open\"\nMTLSRevoke CN:x note=stolen laptop\n");
    CHECK(r.site.httpd.wait_for_log("MTLSRevoke: quotes go around the whole note: "));
    CHECK_EQUAL(ask(), 403);
}

CLAIM(a_file_written_anew_lets_nobody_in_for_a_moment) {
    const World& w = world();
    Revoker r;
    const std::string line = "MTLSRevoke sha256:" + hex_sha256(w.acme) + "\n";
    r.write(line);
    TlsClient client(r.site.httpd.port(), as(w.acme));
    const auto ask = [&] { return client.get("/gate/x").status; };
    becomes(ask, 403, "revoked");
    Workers writer;
    writer.add([&] {
        for (int i = 0; i < 12; ++i) {
            r.write("");
            pause_for(std::chrono::milliseconds(100));
            r.write(line + "# " + std::to_string(i) + "\n");
            pause_for(std::chrono::milliseconds(100));
        }
    });
    stays(ask, 403, "while the file is truncated and written again and again");
    writer.join();
    r.write("");
    stays(ask, 403, "an empty file");
    r.write("MTLSRevoke sha256:00");
    stays(ask, 403, "a half-written file");
    r.write("nonsense\n");
    stays(ask, 403, "a file with a line that cannot be read");
    std::filesystem::permissions(r.site.httpd.path("revoked"), std::filesystem::perms::none);
    stays(ask, 403, "a folder that cannot be read");
    CHECK(geteuid() != 0 || r.site.httpd.wait_for_log("cannot be read; chmod o+rx '" + r.site.httpd.path("revoked") +
                                                      "': what was read from there stays in force"));
    std::filesystem::permissions(r.site.httpd.path("revoked"), std::filesystem::perms(0755));
    std::filesystem::remove(r.site.httpd.path("revoked/list.conf"));
    stays(ask, 403, "a file that is gone");
    CHECK(r.site.httpd.wait_for_log(
        "list.conf: error: is gone: the line from there stays in force until it is back, or the "
        "server is stopped and started; to end it, put it back with a comment in it"));
    r.write("# nobody\n");
    becomes(ask, 200, "a file that is there and whole");
    r.write(line);
    becomes(ask, 403, "revoked again");
    std::filesystem::remove(r.site.httpd.path("revoked/list.conf"));
    stays(ask, 403, "a file that is gone again");
    const std::string log = r.site.httpd.error_log();
    const std::string gone = "error: is gone";
    CHECK(log.find(gone, log.find(gone) + 1) != std::string::npos);
    r.site.httpd.graceful();
    stays([&] { return r.site.get(&w.acme, "/gate/restarted").status; }, 403, "a graceful restart");
    CHECK(r.site.httpd.stop());
    r.site.httpd.start();
    CHECK_EQUAL(r.site.get(&w.acme, "/gate/started").status, 200);
}

CLAIM(a_line_that_cannot_be_used_holds_up_no_other_on_open_connections) {
    const World& w = world();
    Revoker r;
    TlsClient acme(r.site.httpd.port(), as(w.acme)), globex(r.site.httpd.port(), as(w.globex));
    const auto ask_acme = [&] { return acme.get("/gate/a").status; };
    const auto ask_globex = [&] { return globex.get("/gate/g").status; };
    CHECK_EQUAL(ask_acme() + ask_globex(), 400);
    const std::string odd = "MTLSRevoke 'email:\"a\"@b@acme.example'\n";
    const std::string good = "MTLSRevoke sha256:" + hex_sha256(w.acme) + "\n";
    r.write_atomically(odd + good);
    becomes(ask_acme, 403, "the line below it");
    CHECK(r.site.httpd.wait_for_log("list.conf:1: error: "));
    CHECK_EQUAL(ask_globex(), 200);
    r.write_atomically("MTLSSuspend globex\n" + odd + good);
    becomes(ask_globex, 403, "a line above it");
    r.write_atomically(good);
    becomes(ask_globex, 200, "once it is out, others can be taken away");
    CHECK_EQUAL(ask_acme(), 403);
}

CLAIM(the_log_says_what_a_new_line_refuses_and_of_names_that_no_partner_has) {
    const World& w = world();
    Revoker r;
    CHECK_EQUAL(r.site.get(&w.acme, "/gate/seen").status, 200);
    r.write_atomically("MTLSRevoke sha256:" + hex_sha256(w.acme) + "\nMTLSRevoke CN:nobody-at-all\n");
    CHECK(r.site.httpd.wait_for_log("list.conf:1 refuses acme, last seen "));
    CHECK(r.site.httpd.wait_for_log("list.conf:2 fits nobody seen so far"));
    r.write_atomically("MTLSSuspend acmee \"note=breach\"\n");
    CHECK(r.site.httpd.wait_for_log("there is no partner 'acmee' (did you mean 'acme'?)"));
    r.write_atomically("MTLSSuspend acme\n");
    CHECK(r.site.httpd.wait_for_log("list.conf:1 refuses acme, last seen "));
    CHECK(r.site.httpd.wait_for_log("list.conf:1 MTLSSuspend acmee "));
    CHECK_EQUAL(times_in(r.site.httpd.error_log(), "there is no partner 'acmee'"), 1U);
}

CLAIM(a_test_of_the_configuration_warns_of_suspended_names_that_no_partner_has) {
    Site site;
    site.httpd.write("revoked/list.conf", "MTLSSuspend acmee\n");
    site.start(kGate);
    const std::string text = site.httpd.run({"-t"}).text;
    CHECK_CONTAINS(text, "list.conf:1: warning: MTLSSuspend: there is no partner 'acmee' (did you mean 'acme'?)");
    CHECK_CONTAINS(site.httpd.error_log(), "there is no partner 'acmee'");
    site.httpd.write("revoked/list.conf", "MTLSSuspend acme\n");
    CHECK(site.httpd.run({"-t"}).text.find("list.conf") == std::string::npos);
}

CLAIM(bad_lines_are_reported_once_and_the_others_count_at_start_too) {
    const World& w = world();
    Site site;
    const std::string good = "MTLSRevoke sha256:" + hex_sha256(w.acme) + "\n";
    site.httpd.write("revoked/list.conf",
                     "MTLSRevoke DSN:x\n<MTLSPartner y>\n" + good + "MTLSAllow any-partner\n${X}\nMTLSRevoke CN:half");
    site.start(kGate);
    CHECK_EQUAL(site.get(&w.acme, "/gate/1").status, 403);
    CHECK_EQUAL(site.reason_for("/gate/1"), "revoked");
    CHECK_EQUAL(site.get(&w.globex, "/gate/2").status, 200);
    const std::string log = site.httpd.error_log();
    for (const char* part : {"list.conf:1: ", "did you mean 'DNS'?", "list.conf:2: ", "a section has no place here",
                             "only MTLSRevoke and MTLSSuspend", "is not expanded", "no newline"}) {
        CHECK_CONTAINS(log, part);
    }
    const std::size_t before = site.httpd.error_log().size();
    pause_for(kTakesHold);
    CHECK_EQUAL(site.httpd.error_log().size(), before);
}

CLAIM(a_child_that_begins_later_knows_what_its_parent_never_read) {
    const World& w = world();
    Site site;
    site.httpd.write("revoked/list.conf", "# nobody\n");
    site.start(std::string(kGate) + "MaxConnectionsPerChild 1\nStartServers 1\nMaxSpareServers 1\n", "prefork");
    CHECK_EQUAL(site.get(&w.acme, "/gate/1").status, 200);
    site.httpd.write("revoked/list.conf", "MTLSRevoke sha256:" + hex_sha256(w.acme) + "\n");
    pause_for(kTakesHold);
    // Each connection meets a child that was just forked from a parent that read the old file.
    for (int i = 0; i < 6; ++i) CHECK_EQUAL(site.get(&w.acme, "/gate/later").status, 403);
}

CLAIM(a_child_that_begins_while_the_file_is_gone_refuses_as_its_siblings_do) {
    const World& w = world();
    Site site;
    site.httpd.write("revoked/list.conf", "# nobody\n");
    site.start(std::string(kGate) + "MaxConnectionsPerChild 1\nStartServers 1\nMaxSpareServers 1\n", "prefork");
    site.httpd.write("revoked/list.conf", "MTLSRevoke sha256:" + hex_sha256(w.acme) + "\nMTLSSuspend globex\n");
    becomes([&] { return site.get(&w.acme, "/gate/1").status; }, 403, "revoked");
    std::filesystem::remove(site.httpd.path("revoked/list.conf"));
    for (int i = 0; i < 6; ++i) {
        CHECK_EQUAL(site.get(&w.acme, "/gate/later").status, 403);
        CHECK_EQUAL(site.get(&w.globex, "/gate/later").status, 403);
        pause_for(std::chrono::milliseconds(300));
    }
    site.httpd.write("revoked/list.conf", "# nobody\n");
    becomes([&] { return site.get(&w.acme, "/gate/back").status; }, 200, "the file is back");
}

CLAIM(a_crl_counts_on_open_connections_and_resumed_sessions) {
    const World& w = world();
    Site site;
    site.httpd.write("crl/README", "x");
    site.start("MTLSCRLFile crl/*.crl\n<Location /gate>\n MTLSAllow partner acme globex\n</Location>\n");
    ClientOptions with_sub = as(w.acme_by_sub);
    with_sub.chain = {&w.acme_sub};
    TlsClient h1(site.httpd.port(), as(w.acme)), globex(site.httpd.port(), as(w.globex)),
        deep(site.httpd.port(), with_sub);
    Http2Client h2(site.httpd.port(), as(w.acme), site.httpd.root());
    const auto ask_h1 = [&] { return h1.get("/gate/c1").status; };
    const auto ask_h2 = [&] { return h2.get("/gate/c2").status; };
    const auto ask_deep = [&] { return deep.get("/gate/deep").status; };
    CHECK_EQUAL(ask_h1() + ask_h2() + ask_deep(), 600);
    const auto publish = [&](const CrlSpec& spec) {
        site.httpd.write("crl/.new", make_crl(w.acme_ca, spec));
        std::filesystem::rename(site.httpd.path("crl/.new"), site.httpd.path("crl/acme.crl"));
    };
    CrlSpec spec;
    spec.revoked = {{&w.acme, 1}};
    publish(spec);
    becomes(ask_h1, 403, "HTTP/1.1");
    becomes(ask_h2, 403, "HTTP/2");
    CHECK_EQUAL(ask_deep(), 200);
    CHECK_EQUAL(globex.get("/gate/g").status, 200);
    CHECK(site.httpd.wait_for_log("reason=revoked detail=\"by the CRL of"));
    const SslSessionPtr session = h1.session();
    TlsClient resumed(site.httpd.port(), as(w.acme), session.get());
    CHECK_EQUAL(resumed.get("/gate/r").status, 403);
    // Garbage and an older list change nothing; a newer one lets back in, and takes out the intermediate.
    site.httpd.write("crl/acme.crl", "<html>not found</html>");
    stays(ask_h1, 403, "an error page in place of the CRL");
    spec.number = 7;
    spec.revoked = {{&w.acme_sub, 2}};
    publish(spec);
    becomes(ask_h1, 200, "un-revoked");
    becomes(ask_deep, 403, "its intermediate is revoked");
    // The list runs out while the connection is open.
    spec.number = 8;
    spec.revoked = {};
    spec.next_update = 4;
    publish(spec);
    becomes(ask_deep, 200, "fresh");
    becomes(ask_h1, 403, "stale");
    CHECK(site.httpd.wait_for_log("reason=revocation-stale"));
    CHECK_EQUAL(globex.get("/gate/g").status, 200);
}

CLAIM(a_required_crl_that_is_missing_is_revocation_unknown) {
    const World& w = world();
    Site site;
    site.httpd.write("crl/globex.crl", make_crl(w.globex_ca, {}));
    site.start(
        "MTLSCRLFile crl/*.crl\nMTLSCRL required\n<Location /gate>\n MTLSAllow partner acme globex\n</Location>\n");
    CHECK_EQUAL(site.get(&w.acme, "/gate/1").status, 403);
    CHECK_EQUAL(site.reason_for("/gate/1"), "revocation-unknown");
    CHECK_EQUAL(site.get(&w.globex, "/gate/2").status, 200);
}

CLAIM(an_anchor_file_is_read_again_and_counts_on_open_connections) {
    const World& w = world();
    Site site;
    site.httpd.write("anchors/rotating.pem", w.acme_ca.cert_pem());
    site.start(
        "<MTLSPartner rotating>\n MTLSIdentity CN:nobody\n MTLSIdentity CN:gateway2\n MTLSTrustAnchor "
        "anchors/rotating.pem\n</MTLSPartner>\n"
        "<Location /gate>\n MTLSAllow partner rotating\n</Location>\n");
    const Identity later = make_client("gateway2", "g2.globex.example", w.globex_ca);
    TlsClient before(site.httpd.port(), as(w.unnamed)), after(site.httpd.port(), as(later));
    const auto ask_before = [&] { return before.get("/gate/b").status; };
    const auto ask_after = [&] { return after.get("/gate/a").status; };
    CHECK_EQUAL(ask_before(), 200);
    CHECK_EQUAL(ask_after(), 403);
    site.httpd.write("anchors/rotating.pem", "garbage");
    stays(ask_before, 200, "a broken anchor file");
    CHECK(site.httpd.wait_for_log("holds no PEM certificate"));
    site.httpd.write("anchors/rotating.pem", w.globex_ca.cert_pem());
    becomes(ask_before, 403, "the old CA is out");
    becomes(ask_after, 200, "the new CA is in");
    CHECK(site.httpd.wait_for_log(" replaces "));
}

CLAIM(a_session_is_told_the_same_in_another_child) {
    // With OpenSSL's own ticket keys, which are made before the children: each child takes each ticket.
    const Resumer r("");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const SslSessionPtr session = r.new_session(tls);
        int resumed = 0;
        for (int i = 0; i < 8; ++i) resumed += r.resumes(*session, "/gate/resumed") ? 1 : 0;
        CHECK_EQUAL(resumed, 8);
        CHECK(r.status_without_intermediate(tls) != 200);
    }
}

CLAIM(a_session_is_told_the_same_in_another_child_and_after_a_restart) {
    // Only a key file carries tickets over a restart. How many are taken is chance, so it is not counted: mod_ssl of
    // httpd 2.4 with OpenSSL 3 remembers the file's MAC key as a pointer to its stack (mended in httpd's trunk only,
    // r1876937), and a child takes the ticket of another if both find the same bytes there.
    Resumer r("SSLSessionTicketKeyFile tickets.key");
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const SslSessionPtr session = r.new_session(tls);
        for (int i = 0; i < 8; ++i) r.resumes(*session, "/gate/resumed");
        r.site.httpd.graceful();
        pause_for(std::chrono::milliseconds(1500));
        for (int i = 0; i < 4; ++i) r.resumes(*session, "/gate/restarted");
        CHECK(r.status_without_intermediate(tls) != 200);
    }
    const World& w = world();
    r.site.httpd.write("revoked/list.conf", "MTLSRevoke sha256:" + hex_sha256(w.acme_sub) + "\n");
    pause_for(kTakesHold);
    CHECK_EQUAL(TlsClient(r.site.httpd.port(), as(w.acme)).get("/gate/other").status, 200);
    CHECK_EQUAL(TlsClient(r.site.httpd.port(), Resumer::full(TLS1_3_VERSION)).get("/gate/revoked").status, 403);
}

CLAIM(a_ca_that_openssl_does_not_find_in_its_folder_is_no_anchor_of_mod_ssl) {
    const World& w = world();
    const Identity renamed_ca = make_ca("Renamed CA"), linked_ca = make_ca("Linked CA");
    const Identity good = make_client("good", "good.example.org", linked_ca),
                   bad = make_client("good", "good.example.org", renamed_ca),
                   next = make_client("good", "good.example.org", w.stranger_ca);
    Site site;
    site.httpd.write("server-cas/" + hashed_name(linked_ca), linked_ca.cert_pem());
    site.httpd.write("server-cas/linked.pem", linked_ca.cert_pem());
    site.httpd.write("server-cas/renamed.pem.disabled", renamed_ca.cert_pem());
    // OpenSSL looks for .0, .1 and so on, and stops at the first gap.
    site.httpd.write("server-cas/" + hashed_name(w.stranger_ca, 1), w.stranger_ca.cert_pem());
    site.tls("SSLVerifyClient optional_no_ca").vhost("SSLCACertificatePath server-cas");
    site.start(
        "<MTLSPartner by-server>\n MTLSIdentity CN:good\n MTLSTrustAnchor mod_ssl\n</MTLSPartner>\n"
        "<Location /gate>\n MTLSAllow partner by-server\n</Location>\n");
    CHECK_EQUAL(site.get(&good, "/gate/linked").status, 200);
    for (const Identity* other : {&bad, &next}) CHECK_EQUAL(site.get(other, "/gate/other").status, 403);
    CHECK(site.httpd.wait_for_log(
        "renamed.pem.disabled is no trusted CA: OpenSSL does not find it by its name; openssl rehash "));
}

CLAIM(a_partner_that_trusts_mod_ssl_is_asked_its_cas_and_crls_from_files_and_folders) {
    const World& w = world();
    for (const char* crls : {"SSLCARevocationFile server-crls/list.crl", "SSLCARevocationPath server-crls"}) {
        Site site;
        site.httpd.write("server-cas/note.txt", "no certificate");
        site.httpd.write("server-cas/" + hashed_name(w.stranger_ca), w.stranger_ca.cert_pem());
        const Identity good = make_client("good", "good.example.org", w.stranger_ca),
                       bad = make_client("bad", "bad.example.org", w.stranger_ca);
        CrlSpec spec;
        spec.revoked = {{&bad, 1}};
        site.httpd.write("server-crls/list.crl", make_crl(w.stranger_ca, spec));
        // optional_no_ca, and no check by mod_ssl: the answer is the module's own.
        site.tls("SSLVerifyClient optional_no_ca")
            .vhost("SSLCACertificatePath server-cas\n" + std::string(crls) + "\nSSLCARevocationCheck none");
        site.start(
            "<MTLSPartner by-server>\n MTLSIdentity CN:good\n MTLSIdentity CN:bad\n MTLSTrustAnchor "
            "mod_ssl\n</MTLSPartner>\n"
            "<Location /gate>\n MTLSAllow partner by-server\n</Location>\n");
        CHECK_EQUAL(site.get(&good, "/gate/good").status, 200);
        CHECK_EQUAL(site.get(&bad, "/gate/bad").status, 403);
        CHECK_EQUAL(site.reason_for("/gate/bad"), "revoked");
    }
}

CLAIM(the_log_says_what_a_reload_suspended_revoked_and_lifted) {
    Kept site("event");
    site.put("more.conf", "MTLSSuspend globex\nMTLSRevoke CN:gone\n");
    CHECK(site.httpd.wait_for_log(": changed globex; suspended globex; revoked CN:gone\n"));
    site.put("more.conf", "# nobody\n");
    CHECK(site.httpd.wait_for_log(": changed globex; no longer suspended globex; no longer revoked CN:gone\n"));
    site.refuse("MTLSSuspend acme \"note=M\xc3\xbcller\"\n");
    becomes([&] { return site.acme(); }, 403, "suspended");
    site.refuse("# nobody\n");
    becomes([&] { return site.acme(); }, 200, "no longer suspended");
    CHECK(site.httpd.wait_for_log("; no longer: " + site.httpd.path("revoked/list.conf") +
                                  ":1 MTLSSuspend acme \"note=M"));
}

CLAIM(a_crl_file_that_is_gone_needs_somebody_until_it_is_back) {
    CrlSpec spec;
    spec.revoked = {{&world().globex, 1}};
    const std::string list = make_crl(world().globex_ca, spec);
    Kept site;
    site.httpd.write("crls/globex.crl", list);
    site.run("event", "MTLSCRLFile crls/*.crl\n");
    const auto gone = [&] {
        const std::string metrics = site.metrics();
        return metrics.find("mtls_authz_needs_attention{trouble=\"refusal-source-gone\"} 1\n") != std::string::npos;
    };
    CHECK_EQUAL(site.globex(), 403);
    CHECK(!gone());
    fs::remove(site.httpd.path("crls/globex.crl"));
    becomes([&] { return gone() ? 1 : 0; }, 1, "it is gone");
    CHECK_EQUAL(site.globex(), 403);
    CHECK_EQUAL(site.errors("crls/globex.crl: error: the CRL file is gone"), 1U);
    site.httpd.write("crls/globex.crl", list);
    becomes([&] { return gone() ? 1 : 0; }, 0, "it is back");
    CHECK_EQUAL(site.globex(), 403);
    CHECK_EQUAL(site.acme(), 200);
}
