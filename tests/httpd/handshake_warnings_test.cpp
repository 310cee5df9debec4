// What the start says of a handshake that would refuse the policy's partners, or not know their CAs.
#include <filesystem>
#include <span>
#include <tuple>

#include "config_draft.hpp"
#include "front_site.hpp"

using namespace test;
namespace fs = std::filesystem;

namespace {

std::string partner(const std::string& lines) { return partner_p(lines); }

// Lines of a virtual host with a gate, and whether the start warns of them with these words.
void check_hosts(Draft& d, std::span<const std::pair<const char*, bool>> rows, const std::string& said) {
    for (const auto& [lines, is_warned] : rows) {
        d.httpd.set_vhost_lines(std::string(lines) + "\n");
        const auto out = d.check(partner("") + location("/x", "MTLSAllow partner p"));
        CHECK_EQUAL(out.status, 0);
        test::check_equal(out.text.find(said) != std::string::npos, is_warned, lines, __FILE__, __LINE__);
    }
}

}  // namespace

CLAIM(anchors_that_the_handshake_does_not_know_are_warned_of_at_start) {
    Site site;
    site.httpd.write("stranger.pem", world().stranger_ca.cert_pem());
    site.start("<MTLSPartner s>\nMTLSIdentity any\nMTLSTrustAnchor stranger.pem\n</MTLSPartner>\n" +
               location("/gate", "MTLSAllow any-partner"));
    CHECK(site.httpd.wait_for_log("does not know this CA"));
    CHECK_CONTAINS(site.httpd.error_log(), "MTLSTrustAnchor stranger.pem of s");
    CHECK(site.httpd.error_log().find("MTLSTrustAnchor acme.pem") == std::string::npos);
}

CLAIM(an_anchor_that_comes_live_and_that_the_handshake_does_not_know_is_warned_of) {
    Site site;
    site.httpd.write("stranger.pem", world().stranger_ca.cert_pem());
    site.httpd.write("partners/none.conf", "# none yet\n");
    site.start("MTLSPolicyFile partners/*.conf\n" + location("/gate", "MTLSAllow any-partner"));
    site.httpd.write("partners/.new",
                     "<MTLSPartner s>\nMTLSIdentity CN:s\nMTLSTrustAnchor stranger.pem\n</MTLSPartner>\n");
    fs::rename(site.httpd.path("partners/.new"), site.httpd.path("partners/s.conf"));
    CHECK(site.httpd.wait_for_log("does not know this CA, so the handshake refuses its certificates: add it to"));
    CHECK_CONTAINS(site.httpd.error_log(), "MTLSTrustAnchor stranger.pem of s: the virtual host 'localhost'");
    CHECK(site.httpd.error_log().find("MTLSTrustAnchor acme.pem") == std::string::npos);
}

CLAIM(an_anchor_is_asked_for_only_where_a_partner_may_come_without_a_front) {
    const std::string stranger = "<MTLSPartner s>\nMTLSIdentity any\nMTLSTrustAnchor stranger.pem\n</MTLSPartner>\n";
    const std::string at = "MTLSAllow partner s\n", fronted = at + "MTLSAcceptFront lb\n";
    const std::string asks = "MTLSTrustAnchor stranger.pem of s: the virtual host 'localhost' does not know this CA";
    const std::string unless = ": unless they come through a front (MTLSAcceptFront) alone, add it to";
    for (const auto& [gates, is_asked, is_reworded] : std::vector<std::tuple<std::string, bool, bool>>{
             {location("/gate", fronted), false, false},
             {"MTLSAcceptFront lb\n" + location("/gate", at), false, false},
             {location("/gate", fronted) + location("/gate/x", at), false, false},
             {location("/gate", fronted) + location("/gatex", at), true, true},
             {"MTLSAcceptFront lb\n" + location("/gate", at + "MTLSAcceptFront none\n"), true, true},
             {location("/gate", at), true, false}}) {
        Site site;
        fronts::install(site.httpd);
        site.httpd.write("stranger.pem", world().stranger_ca.cert_pem());
        site.start(stranger + fronts::front_partner(fronts::kRfc9440) + gates);
        const std::string log = site.httpd.error_log();
        test::check_equal(log.find(asks) != std::string::npos, is_asked, gates, __FILE__, __LINE__);
        test::check_equal(log.find(unless) != std::string::npos, is_reworded, gates, __FILE__, __LINE__);
    }
    // The front itself has to be known.
    Site site;
    fronts::install(site.httpd);
    site.httpd.write("client-cas.pem", world().acme_ca.cert_pem());
    site.start(fronts::front_partner(fronts::kRfc9440) + location("/gate", fronted));
    CHECK_CONTAINS(site.httpd.error_log(),
                   "MTLSTrustAnchor edge.pem of lb: the virtual host 'localhost' does not know this CA, so the "
                   "handshake refuses its certificates: add it to");
}

CLAIM(a_warning_of_a_virtual_host_has_its_place) {
    Draft d;
    const std::string host =
        "<VirtualHost *:1>\nServerName shop.example\nSSLEngine on\nSSLCertificateFile server.pem\n";
    for (const auto& [lines, said] : std::vector<std::pair<std::string, std::string>>{
             {"SSLVerifyClient optional\n", "asks for certificates and trusts no CA"},
             {"SSLVerifyClient optional\nMTLSClientCA On\nSSLCARevocationCheck leaf\n",
              "has SSLCARevocationCheck leaf"},
             {"SSLVerifyClient optional\nMTLSClientCA On\nSSLOCSPEnable on\n", "has SSLOCSPEnable on"}}) {
        const std::string text =
            d.check(partner("") + host + lines + location("/x", "MTLSAllow partner p") + "</VirtualHost>").text;
        const std::string line = line_with(text, "the virtual host 'shop.example' " + said);
        test::check(line.find("httpd.conf:") != std::string::npos, "no place: " + text, __FILE__, __LINE__);
    }
}

CLAIM(a_virtual_host_that_trusts_no_ca_is_warned_of) {
    Draft d;
    const std::string said = "asks for certificates and trusts no CA, so the handshake refuses every one";
    const auto host = [&](const std::string& lines) {
        return partner("") +
               "<VirtualHost *:1>\nServerName bare\nSSLEngine on\nSSLCertificateFile server.pem\nSSLVerifyClient "
               "optional\n" +
               lines + location("/x", "MTLSAllow any-partner") + "</VirtualHost>\n";
    };
    d.warns(host(""), "the virtual host 'bare' " + said);
    d.is_silent_about(host("MTLSClientCA On\n"), said);
    d.is_silent_about(host("SSLCACertificateFile client-cas.pem\n"), said);
    d.is_silent_about(host("SSLVerifyClient optional_no_ca\n"), said);
}

CLAIM(a_depth_that_refuses_the_policys_intermediates_is_warned_of) {
    Draft d;
    d.httpd.write("sub.pem", world().acme_sub.cert_pem());
    const auto tls = [&](const std::string& lines) { d.httpd.set_tls_lines("SSLVerifyClient optional\n" + lines); };
    const std::string said =
        "warning: SSLVerifyDepth of this virtual host is 1, and paths over an MTLSIntermediate, as p";
    tls("MTLSClientCA On\nSSLVerifyDepth 1\n");
    d.warns(partner("MTLSIntermediate sub.pem"), said);
    d.is_silent_about(partner(""), said);
    tls("MTLSClientCA On\nSSLVerifyDepth 2\n");
    d.is_silent_about(partner("MTLSIntermediate sub.pem"), "SSLVerifyDepth");
    tls("MTLSClientCA Off\nSSLVerifyDepth 1\n");
    d.is_silent_about(partner("MTLSIntermediate sub.pem"), "SSLVerifyDepth");
}

CLAIM(a_crl_check_of_the_handshake_beside_live_anchors_is_warned_of) {
    Draft d;
    const std::pair<const char*, bool> rows[] = {
        {"MTLSClientCA On\nSSLCARevocationCheck leaf", true},
        {"MTLSClientCA Quiet\nSSLCARevocationCheck chain", true},
        {"MTLSClientCA On\nSSLCARevocationCheck chain no_crl_for_cert_ok", false},
        {"MTLSClientCA On\nSSLCARevocationCheck none", false},
        {"MTLSClientCA On", false},
        {"SSLCARevocationCheck leaf", false},
    };
    check_hosts(d, rows, "no_crl_for_cert_ok");
}

CLAIM(an_ocsp_check_of_the_handshake_beside_live_anchors_is_warned_of) {
    Draft d;
    d.httpd.write("responder.pem", world().acme_ca.cert_pem());
    const std::pair<const char*, bool> rows[] = {
        {"MTLSClientCA On\nSSLOCSPEnable leaf", true},
        {"MTLSClientCA Quiet\nSSLOCSPEnable on no_ocsp_for_cert_ok", true},
        {"MTLSClientCA On\nSSLOCSPEnable on\nSSLOCSPResponderCertificateFile responder.pem", false},
        {"MTLSClientCA On\nSSLOCSPEnable on\nSSLOCSPNoVerify on", false},
        {"MTLSClientCA On\nSSLOCSPEnable on\nSSLOCSPNoVerify off", true},
        {"MTLSClientCA On\nSSLOCSPEnable off", false},
        {"SSLOCSPEnable leaf", false},
    };
    check_hosts(d, rows, "mod_ssl verifies OCSP answers by");
}

CLAIM(a_second_verification_by_mod_ssl_alone_beside_live_anchors_is_warned_of) {
    Draft d;
    const std::string on = "MTLSClientCA On\n", off = "SSLOptions -OptRenegotiate\n";
    const std::string folder = "<Directory \"" + d.httpd.path("htdocs") + "\">\n";
    struct Row {
        std::string main, host;
        bool is_warned;
    };
    const Row rows[] = {
        {"", on + "SSLOptions +OptRenegotiate", true},
        {"", "MTLSClientCA Quiet\nSSLOptions +StdEnvVars OptRenegotiate", true},
        {"", on + location("/y", "SSLOptions +optrenegotiate"), true},
        {"", on + folder + "SSLOptions OptRenegotiate\n</Directory>\n", true},
        {"SSLOptions +OptRenegotiate\n", on + "SSLOptions +StdEnvVars", true},
        {location("/y", "SSLOptions +OptRenegotiate"), on, true},
        {"", on + "SSLOptions +OptRenegotiate\n" + location("/y", off), true},
        {"", "SSLOptions +OptRenegotiate", false},
        {"", on + "SSLOptions +StdEnvVars", false},
        {"", on + "SSLOptions +OptRenegotiate\n" + off, false},
        {"", on + "SSLOptions OptRenegotiate StdEnvVars", false},
        {"", on + location("/y", "SSLOptions +OptRenegotiate -OptRenegotiate"), false},
        {"SSLOptions +OptRenegotiate\n", on + off, false},
        {"SSLOptions +OptRenegotiate\n", on + "SSLOptions StdEnvVars", false},
    };
    for (const auto& [main, host, is_warned] : rows) {
        d.httpd.set_vhost_lines(host + "\n");
        const auto out = d.check(main + partner("") + location("/x", "MTLSAllow partner p"));
        CHECK_EQUAL(out.status, 0);
        const bool has =
            out.text.find("the virtual host 'localhost' has SSLOptions OptRenegotiate") != std::string::npos;
        test::check_equal(has, is_warned, main + host, __FILE__, __LINE__);
    }
}
