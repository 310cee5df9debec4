// mtls-authz fetch: what `openssl ocsp` says of certificates, and what liars make of it.
#include "fetching.hpp"

using namespace test;
using Json = nlohmann::json;

namespace {

CertSpec client_spec(const std::string& serial) {
    CertSpec spec;
    spec.subject = {{"CN", "api"}};
    spec.serial = serial;
    return spec;
}
CertSpec responder_spec(const std::string& eku) {
    CertSpec spec;
    spec.subject = {{"CN", "OCSP responder"}};
    spec.eku = eku;
    return spec;
}

struct Responder : Fetching {
    Identity leaf = issue(client_spec("0a01"), &ca), other = issue(client_spec("0a02"), &ca);
    OpensslResponder server{ca};

    Responder() {
        server.known = {"0A01", "0A02"};
        write_policy({});
        file("leaf.pem", leaf.cert_pem()).file("other.pem", other.cert_pem());
    }
    std::string ask(int status, const std::vector<std::string>& args = {}) const {
        std::vector<std::string> all = {"--ocsp", "ca.pem=" + server.url("/ocsp"), "--cert", "leaf.pem"};
        all.insert(all.end(), args.begin(), args.end());
        return expect_fetch(status, all);
    }
    std::string lines() const { return content("out/revoked/ocsp.conf"); }
    std::string decision(const std::string& certificate = "leaf.pem") const {
        return run({"explain", "--policy", "p.conf", "--cert", certificate, "--revocations", "out/revoked/*.conf"})
            .text;
    }
};

void wait_a_second() { std::this_thread::sleep_for(std::chrono::milliseconds(1100)); }

}  // namespace

CLAIM(a_certificate_that_its_responder_calls_revoked_is_refused) {
    Responder r;
    CHECK_CONTAINS(r.ask(0), "1 certificate(s) of \"CN=Acme CA");
    CHECK_CONTAINS(r.decision(), "allow: granted");
    r.server.revoked["0A01"] = "keyCompromise";
    const std::string said = r.ask(0);
    CHECK_CONTAINS(
        said, "new: " + r.server.url("/ocsp") + " -> " + r.folder() + "/out/revoked/ocsp.conf: certificate a01 of");
    CHECK_CONTAINS(said, "is revoked since 2026-01-01T00:00:00Z (keyCompromise)");
    CHECK_CONTAINS(r.lines(), "MTLSRevoke \"issuer:CN=Acme CA,O=Acme CA Inc,C=US\" issuer.spki-sha256:");
    CHECK_CONTAINS(r.decision(), "deny: revoked");
    CHECK_CONTAINS(r.decision("other.pem"), "allow: granted");
    // For good: it is not asked about again, and the file stays as it is.
    const std::size_t asked = r.server.requests();
    const std::string lines = r.lines();
    r.server.revoked.clear();
    wait_a_second();
    r.ask(0);
    CHECK_EQUAL(r.server.requests(), asked);
    CHECK_EQUAL(r.lines(), lines);
    // Lines that people add stay, one that they take out is asked about anew.
    r.file("out/revoked/ocsp.conf", "# mine\nMTLSRevoke CN:mine\n");
    r.ask(0);
    CHECK_CONTAINS(r.lines(), "# mine\nMTLSRevoke CN:mine\n");
    CHECK_CONTAINS(r.decision(), "allow: granted");
}

CLAIM(a_revoked_certificate_is_refused_whatever_its_serial_number_looks_like) {
    const std::string decimal = "12345678901234567890", twenty(40, '7'), longer = "11" + std::string(40, '0');
    for (const std::string& serial : {decimal, "0b" + decimal, twenty, longer, longer + "ab"}) {
        Responder r;
        std::string index = serial;
        std::transform(index.begin(), index.end(), index.begin(), [](unsigned char c) { return std::toupper(c); });
        r.server.known.push_back(index);
        r.file("leaf.pem", issue(client_spec(serial), &r.ca).cert_pem());
        r.ask(0);
        check_contains(r.decision(), "allow: granted", __FILE__, __LINE__);
        r.server.revoked[index] = "keyCompromise";
        CHECK_CONTAINS(r.ask(0), "is revoked since");
        check_contains(r.decision(), "deny: revoked", __FILE__, __LINE__);
        CHECK_CONTAINS(r.decision("other.pem"), "allow: granted");
        // The next run knows its own line.
        const std::size_t asked = r.server.requests();
        const std::string lines = r.lines();
        r.ask(0);
        CHECK_EQUAL(r.server.requests(), asked);
        CHECK_EQUAL(r.lines(), lines);
    }
}

CLAIM(a_revoked_line_is_made_again_where_its_file_is_gone) {
    Responder r;
    r.server.revoked["0A01"] = "";
    r.ask(0);
    const std::string lines = r.lines();
    r.server.replayed = "no answer";
    for (const bool is_emptied : {false, true}) {
        std::filesystem::remove(r.folder() + "/out/revoked/ocsp.conf");
        if (is_emptied) r.file("out/revoked/ocsp.conf", "");
        r.ask(0);
        CHECK_EQUAL(r.lines(), lines);
    }
}

CLAIM(a_certificate_on_hold_is_let_in_again_by_a_later_answer_alone) {
    Responder r;
    r.ask(0);
    const std::string good = r.server.last;
    wait_a_second();
    r.server.revoked["0A01"] = "certificateHold";
    CHECK_CONTAINS(r.ask(0), "is revoked since");
    const std::string lines = r.lines();
    r.server.replayed = good;
    CHECK_CONTAINS(r.ask(1), "is older than the last one");
    CHECK_CONTAINS(r.ask(1), "; it stays revoked");
    CHECK_EQUAL(r.lines(), lines);
    // Without notes, the line says how old an answer may be.
    std::filesystem::remove(r.folder() + "/out/fetch-notes.json");
    CHECK_CONTAINS(r.ask(1), "is older than the last one");
    r.server.replayed.clear();
    wait_a_second();
    r.ask(0);
    CHECK_EQUAL(r.lines(), lines);
    CHECK_CONTAINS(r.decision(), "deny: revoked");
    r.server.revoked.clear();
    wait_a_second();
    CHECK_CONTAINS(r.ask(0), "certificate a01 of \"CN=Acme CA,O=Acme CA Inc,C=US\" is no longer on hold");
    CHECK_CONTAINS(r.decision(), "allow: granted");
}

CLAIM(a_certificate_is_revoked_by_an_answer_older_than_the_last_good_one) {
    Responder r;
    r.server.revoked["0A01"] = "keyCompromise";
    r.ask(0);
    const std::string revoked = r.server.last;
    std::filesystem::remove_all(r.folder() + "/out");
    r.server.revoked.clear();
    wait_a_second();
    r.ask(0);
    const std::string good = r.server.last;
    CHECK_CONTAINS(r.decision(), "allow: granted");
    r.server.replayed = revoked;
    CHECK_CONTAINS(r.ask(0), "is revoked since");
    CHECK_CONTAINS(r.decision(), "deny: revoked");
    // An old hold, too, and the last `good` does not end it: a newer one does.
    std::filesystem::remove_all(r.folder() + "/out");
    r.server.replayed.clear();
    r.server.revoked["0A01"] = "certificateHold";
    r.ask(0);
    const std::string hold = r.server.last;
    r.server.revoked.clear();
    wait_a_second();
    CHECK_CONTAINS(r.ask(0), "is no longer on hold");
    const std::string lifted = r.server.last;
    r.server.replayed = hold;
    r.ask(0);
    CHECK_CONTAINS(r.decision(), "deny: revoked");
    for (const std::string& old : {good, lifted}) {
        r.server.replayed = old;
        r.ask(1);
        CHECK_CONTAINS(r.decision(), "deny: revoked");
    }
    r.server.replayed.clear();
    wait_a_second();
    r.ask(0);
    CHECK_CONTAINS(r.decision(), "allow: granted");
}

CLAIM(an_answer_that_is_none_changes_nothing) {
    Responder r;
    const Identity stranger = make_ca("Stranger CA"), lookalike = make_ca("Acme CA");
    const Identity clerk = issue(responder_spec("clientAuth"), &r.ca), bare = issue(responder_spec(""), &r.ca);
    CertSpec late = responder_spec("OCSPSigning");
    late.not_before = -7200;
    late.not_after = -3600;
    const Identity expired = issue(late, &r.ca), nephew = issue(responder_spec("OCSPSigning"), &r.sub);
    const Identity responder = issue(responder_spec("OCSPSigning"), &r.ca);
    r.ask(0);
    const std::string good = r.server.last;
    wait_a_second();
    r.server.revoked = {{"0A01", "certificateHold"}, {"0A02", "certificateHold"}};
    r.server.signer = &responder;
    CHECK_CONTAINS(r.ask(0, {"--cert", "other.pem"}), "is revoked since");
    std::string lines = r.lines();
    r.server.revoked.clear();
    wait_a_second();
    const auto changes_nothing = [&](const char* why) {
        const std::string said = r.ask(1);
        CHECK_CONTAINS(said, why);
        CHECK_CONTAINS(said, r.server.url("/ocsp") + " -> " + r.folder() + "/out/revoked/ocsp.conf: certificate a01");
        CHECK_CONTAINS(said, "; it stays revoked");
        test::check(r.lines() == lines, why, __FILE__, __LINE__);
        CHECK_CONTAINS(r.decision(), "deny: revoked");
    };
    for (const Identity* wrong :
         std::vector<const Identity*>{&stranger, &lookalike, &clerk, &bare, &expired, &nephew, &r.leaf}) {
        r.server.signer = wrong;
        changes_nothing("is signed neither by the issuer nor by a responder that it certified for OCSP");
    }
    r.server.signer = &r.ca;
    // By the right one, about another certificate.
    r.server.known = {"0A02"};
    changes_nothing("the responder does not know it");
    r.server.known = {"0A01", "0A02"};
    r.file("other-only.pem", r.other.cert_pem());
    r.expect_fetch(0, {"--ocsp", r.server.url("/ocsp"), "--cert", "other-only.pem"});
    lines = r.lines();
    r.server.replayed = r.server.last;
    changes_nothing("is not about this certificate");
}

CLAIM(an_answer_out_of_its_time_changes_nothing) {
    Responder r;
    r.server.revoked["0A01"] = "certificateHold";
    r.ask(0);
    const std::string lines = r.lines();
    r.server.revoked.clear();
    wait_a_second();
    const auto changes_nothing = [&](const char* why) {
        CHECK_CONTAINS(r.ask(1), why);
        CHECK_EQUAL(r.lines(), lines);
    };
    r.server.replayed = "<html>sorry</html>";
    changes_nothing("the answer is no OCSP response");
    r.server.replayed = std::string("\x30\x03\x0a\x01\x03", 5);
    changes_nothing("says trylater");
    r.server.replayed = std::string("\x30\x03\x0a\x01\x00", 5);
    changes_nothing("is no basic OCSP response");
    r.server.replayed.assign(300UL << 10, 'x');
    changes_nothing("was cut off");
    r.server.replayed.clear();
    r.server.more = {"-resp_no_certs", "-ndays", "1"};
    CHECK_CONTAINS(r.expect_fetch(0, {"--ocsp", r.server.url("/"), "--cert", "other.pem"}), "were asked about");
    r.server.replayed = r.server.last;
    r.server.replayed.back() ^= 1;
    changes_nothing("is signed neither");
    r.server.replayed.clear();
    // Nobody at all: one line, whatever the number of certificates.
    const std::string gone = "http://127.0.0.1:" + std::to_string(free_port()) + "/";
    const std::string said = r.expect_fetch(1, {"--ocsp", gone, "--cert", "leaf.pem", "--cert", "other.pem"});
    CHECK_CONTAINS(
        said,
        "2 certificate(s) of \"CN=Acme CA,O=Acme CA Inc,C=US\" were not asked about: Couldn't connect to server; "
        "what was revoked stays so");
    CHECK_EQUAL(r.lines(), lines);
    // Another responder of the same CA answers for one that does not.
    r.server.more = {"-ndays", "1"};
    CHECK_CONTAINS(r.expect_fetch(0, {"--ocsp", gone, "--ocsp", r.server.url("/"), "--cert", "leaf.pem"}),
                   "is no longer on hold");
}

CLAIM(grants_in_the_audit_log_name_the_certificates_to_ask_about) {
    Responder r;
    std::string key;
    {
        const Json facts = Json::parse(r.run({"facts", "ca.pem"}).text);
        key = facts["spki_sha256"];
    }
    const auto line = [&](const char* decision, const std::string& issuer, const char* serial, const char* sha) {
        return R"({"time":"x","decision":")" + std::string(decision) + R"(","issuer":"CN=Acme CA","issuer_spki":")" +
               issuer + R"(","serial":")" + serial + R"(","not_after":"2050-01-01T00:00:00Z","sha256":")" +
               std::string(64, sha[0]) + "\"}\n";
    };
    r.server.revoked = {{"0A01", ""}, {"0A02", ""}};
    r.file("audit.log", line("allow", key, "a01", "1") + line("allow", key, "a01", "1") +
                            line("deny", key, "a02", "2") + line("allow", std::string(64, 'e'), "a03", "3") +
                            "{\"decision\":\"allow\",\"sha256\":\"\n");
    const std::string said = r.expect_fetch(0, {"--ocsp", "ca.pem=" + r.server.url("/"), "--seen", "audit.log"});
    CHECK_CONTAINS(said, "certificate a01 of \"CN=Acme CA");
    CHECK_CONTAINS(said, "1 certificate(s) were issued by a CA with the key eee");
    CHECK_EQUAL(r.server.requests(), 1U);
    CHECK_CONTAINS(r.lines(), "; certificate until 2050-01-01T00:00:00Z");
    CHECK_CONTAINS(r.decision(), "deny: revoked");
    CHECK_CONTAINS(r.decision("other.pem"), "allow: granted");
    CHECK_CONTAINS(r.expect_fetch(1, {"--seen", "none.log"}), "none.log: cannot be read");
}

CLAIM(a_line_goes_when_an_answer_of_its_ca_is_younger_than_its_certificate) {
    Responder r;
    const Identity globex = make_ca("Globex CA");
    r.file("globex.pem", globex.cert_pem()).file("api.pem", make_client("g", "g", globex).cert_pem());
    r.file("q.conf", "<MTLSPartner globex>\nMTLSIdentity CN:g\nMTLSTrustAnchor globex.pem\n</MTLSPartner>\n");
    OpensslResponder other_ca(globex);
    r.server.revoked["0A01"] = "keyCompromise";
    r.ask(0);
    std::string lines = r.lines();
    lines.replace(lines.find("until 20") + 6, 4, "2020");
    r.file("out/revoked/ocsp.conf", lines);
    // Not by this machine's clock, which may be wrong, and not by another CA's answer.
    r.server.replayed = "no answer";
    r.expect_fetch(0);
    CHECK_EQUAL(r.lines(), lines);
    r.expect_fetch(1, {"--policy", "q.conf", "--ocsp", "globex.pem=" + other_ca.url(), "--cert", "api.pem", "--cert",
                       "other.pem", "--ocsp", "ca.pem=" + r.server.url()});
    CHECK_EQUAL(other_ca.requests(), 1U);
    CHECK_EQUAL(r.lines(), lines);
    r.server.replayed.clear();
    const std::string said = r.expect_fetch(0, {"--ocsp", "ca.pem=" + r.server.url(), "--cert", "other.pem"});
    CHECK_CONTAINS(said,
                   "ocsp.conf: certificate a01 has expired, by the clock of its CA's responder: its line is taken");
    CHECK(r.lines().find("MTLSRevoke") == std::string::npos);
    CHECK_CONTAINS(r.lines(), "# Written by mtls-authz fetch");
}

CLAIM(a_line_that_the_server_does_not_read_is_made_again) {
    const std::string decimal = "12345678901234567890", longer = "11" + std::string(40, '0');
    for (const std::string& serial : {decimal, longer}) {
        Responder r;
        r.server.known.push_back(serial);
        r.server.revoked[serial] = "keyCompromise";
        r.file("leaf.pem", issue(client_spec(serial), &r.ca).cert_pem());
        r.ask(0);
        const std::string lines = r.lines();
        // As an earlier version wrote it.
        std::string old = lines;
        const std::string key = Json::parse(r.run({"facts", "ca.pem"}).text)["spki_sha256"];
        if (serial == decimal) {
            old.replace(old.find("cert-serial:0x"), 14, "cert-serial:");
        } else {
            const std::size_t pin = old.find(" sha256:");
            old.replace(pin, 8 + 64, " issuer.spki-sha256:" + key + " cert-serial:" + serial);
        }
        r.file("out/revoked/ocsp.conf", old);
        CHECK_CONTAINS(r.decision(), "allow: granted");
        // Without an answer, where the line says enough.
        r.server.replayed = serial == decimal ? "no answer" : "";
        CHECK_CONTAINS(r.ask(0), serial == decimal ? "is written as the server reads it" : "is revoked since");
        CHECK_CONTAINS(r.decision(), "deny: revoked");
        CHECK_CONTAINS(r.decision("other.pem"), "allow: granted");
        if (serial == decimal) CHECK_EQUAL(r.lines(), lines);
    }
}

CLAIM(responders_are_those_of_the_policy) {
    Responder r;
    CertSpec spec = client_spec("0a01");
    spec.extensions = {{NID_info_access, "OCSP;URI:" + r.server.url("/of-leaf")}};
    r.leaf = issue(spec, &r.ca);
    r.file("leaf.pem", r.leaf.cert_pem());
    r.server.revoked["0A01"] = "";
    const std::string said = r.expect_fetch(0, {"--cert", "leaf.pem"});
    CHECK_CONTAINS(said, "no certificate of the policy says where \"CN=Acme CA,O=Acme CA Inc,C=US\" answers by OCSP");
    CHECK_CONTAINS(said, "--ocsp ca.pem=" + r.server.url("/of-leaf"));
    CHECK_EQUAL(r.server.requests(), 0U);
    // A certificate of the policy says where its issuer answers.
    CertSpec sub;
    sub.extensions = {{NID_info_access, "OCSP;URI:" + r.server.url("/ocsp")}};
    r.write_policy(sub);
    CHECK_CONTAINS(r.expect_fetch(0, {"--cert", "leaf.pem"}), "is revoked since");
    // Certificates of a folder, and of CAs that the policy does not name.
    r.file("certs/one.pem", r.other.cert_pem()).file("certs/two.pem", make_client("x", "x", make_ca("X")).cert_pem());
    r.server.revoked["0A02"] = "";
    const std::string folder = r.expect_fetch(0, {"--cert", "certs"});
    CHECK_CONTAINS(folder, "certificate a02 of");
    CHECK_CONTAINS(folder, "certs/two.pem: holds no certificate that a CA of the policy issued");
    CHECK_CONTAINS(r.expect_fetch(1, {"--cert", "none.pem"}), "none.pem: cannot be read");
}

CLAIM(a_line_refuses_no_certificate_of_a_ca_below) {
    Responder r;
    const Identity below = issue(client_spec("0a01"), &r.sub);
    r.file("below.pem", below.cert_pem());
    r.server.revoked["0A01"] = "";
    r.ask(0);
    CHECK_CONTAINS(r.decision(), "deny: revoked");
    CHECK_CONTAINS(r.decision("below.pem"), "allow: granted");
}
