// `mtls-authz suggest` of several certificates, of CAs, and of certificates that no CA signed.
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;

namespace {

// A partner before and after a change of its CA, and another partner of the first CA.
struct Rollover : Bench {
    Identity ca = make_ca("Acme CA"), next_ca = make_ca("Acme CA 2");
    Rollover() {
        // Every user can read the files, so MTLSExpect lines are not commented out.
        std::filesystem::permissions(folder(), std::filesystem::perms(0755));
        add("old.pem", {{"O", "Acme"}, {"OU", "Payments"}, {"CN", "api"}}, "api.acme.example", ca);
        add("new.pem", {{"O", "Acme"}, {"OU", "Payments"}, {"CN", "api-2"}}, "api.acme.example", next_ca);
        add("globex.pem", {{"O", "Globex"}, {"CN", "api"}}, "api.globex.example", ca);
        file("ca.pem", ca.cert_pem()).file("next-ca.pem", next_ca.cert_pem());
    }
    void add(const std::string& name, const std::vector<Attr>& subject, const std::string& dns,
             const Identity& issuer) {
        CertSpec spec;
        spec.subject = subject;
        if (!dns.empty()) spec.san = {{GEN_DNS, dns}};
        file(name, issue(spec, &issuer).cert_pem());
    }
    // The block, after check has accepted it and explain has allowed the certificates `let_in`.
    std::string tried(const std::vector<std::string>& args, const std::vector<std::string>& let_in) {
        const std::string block = expect(0, args);
        file("p.conf", block);
        expect(0, {"check", "--strict", "p.conf"});
        for (const std::string& name : let_in)
            CHECK_CONTAINS(expect(0, {"explain", "--policy", "p.conf", "--cert", name}), "allow: granted");
        return block;
    }
};

}  // namespace

CLAIM(certificates_of_before_and_after_a_renewal_become_one_partner) {
    Rollover b;
    const std::string block = b.tried(
        {"suggest", "old.pem", "new.pem", "--anchor", "ca.pem", "--anchor", "next-ca.pem"}, {"old.pem", "new.pem"});
    CHECK_EQUAL(times_in(block, "<MTLSPartner "), 1U);
    CHECK_CONTAINS(block, "\n    MTLSIdentity DNS:api.acme.example\n");
    CHECK_EQUAL(times_in(block, "\n    MTLSIdentity "), 1U);
    CHECK_CONTAINS(block, "    MTLSTrustAnchor ca.pem\n    MTLSTrustAnchor next-ca.pem\n");
    // One anchor is not enough for both.
    CHECK_CONTAINS(b.expect(1, {"suggest", "old.pem", "new.pem", "--anchor", "ca.pem"}),
                   "would refuse the certificate: not-verified (new.pem)");
    // Certificates without a common name become one partner only with --name.
    const std::string two =
        b.tried({"suggest", "old.pem", "globex.pem", "--anchor", "ca.pem"}, {"old.pem", "globex.pem"});
    CHECK_CONTAINS(two, "<MTLSPartner acme>");
    CHECK_CONTAINS(two, "<MTLSPartner globex>");
    b.add("plain.pem", {{"CN", "other"}}, "", b.ca);
    const std::string one = b.tried({"suggest", "plain.pem", "globex.pem", "--anchor", "ca.pem", "--name", "both"},
                                    {"plain.pem", "globex.pem"});
    CHECK_EQUAL(times_in(one, "<MTLSPartner both>"), 1U);
    const Json json = Json::parse(b.expect(0, {"suggest", "--json", "old.pem", "new.pem"}));
    CHECK_EQUAL(json["files"].size(), 2U);
}

CLAIM(each_partner_that_is_suggested_gets_the_anchors_of_its_own_certificates_alone) {
    Rollover b;
    b.add("initech.pem", {{"O", "Initech"}, {"CN", "gw"}}, "gw.initech.example", b.next_ca);
    for (const std::vector<std::string>& anchors :
         {std::vector<std::string>{"--anchor", "ca.pem", "--anchor", "next-ca.pem"}, {"ca.pem", "next-ca.pem"}}) {
        std::vector<std::string> args = {"suggest", "globex.pem", "initech.pem"};
        args.insert(args.end(), anchors.begin(), anchors.end());
        const std::string two = b.tried(args, {"globex.pem", "initech.pem"});
        CHECK_EQUAL(times_in(two, "MTLSTrustAnchor "), 2U);
        // Globex's name from Initech's CA.
        b.add("forged.pem", {{"O", "Globex"}, {"CN", "api"}}, "api.globex.example", b.next_ca);
        CHECK_CONTAINS(b.expect(3, {"explain", "--policy", "p.conf", "--cert", "forged.pem"}), "deny: wrong-issuer");
    }
}

CLAIM(a_suggestion_expects_its_certificates_and_grants_something) {
    Rollover b;
    const std::string block = b.tried({"suggest", "old.pem", "--anchor", "ca.pem"}, {"old.pem"});
    CHECK_CONTAINS(block, "    MTLSGrant read /partners/acme/**\n</MTLSPartner>\n");
    CHECK_CONTAINS(block, "\nMTLSExpect " + b.folder() + "/old.pem is acme\n");
    b.expect(0, {"explain", "--policy", "p.conf", "--cert", "old.pem", "--path", "/partners/acme/x"});
    b.expect(3, {"explain", "--policy", "p.conf", "--cert", "old.pem", "--path", "/partners/globex/x"});
    // The expectations hold the policy to it.
    std::string broken = block;
    broken.replace(broken.find("DNS:api.acme.example"), 20, "DNS:api.other.exampl");
    b.file("p.conf", broken);
    CHECK_CONTAINS(b.expect(1, {"check", "p.conf"}), "MTLSExpect");
    // Below the ServerRoot, by the name that the server has for it; of standard input, there is no file to expect.
    std::filesystem::create_directories(b.folder() + "/root/mtls");
    std::filesystem::copy(b.folder() + "/old.pem", b.folder() + "/root/mtls/old.pem");
    std::filesystem::copy(b.folder() + "/ca.pem", b.folder() + "/root/mtls/ca.pem");
    CHECK_CONTAINS(b.expect(0, {"suggest", "root/mtls/old.pem", "--root", "root", "--anchor", "mtls/ca.pem"}),
                   "\nMTLSExpect mtls/old.pem is acme\n");
    CHECK(b.shell("\"$0\" suggest - < old.pem").text.find("MTLSExpect") == std::string::npos);
    // What only its owner can read is copied first.
    std::filesystem::permissions(b.folder() + "/old.pem", std::filesystem::perms(0600));
    const std::string closed = b.tried({"suggest", "old.pem", "--anchor", "ca.pem"}, {});
    CHECK_CONTAINS(closed, "copy it to mtls/expect first.\n#MTLSExpect mtls/expect/acme.pem is acme\n");
    std::filesystem::permissions(b.folder() + "/old.pem", std::filesystem::perms(0644));
    // mod_ssl's CAs are asked by no expectation.
    CHECK_CONTAINS(b.tried({"suggest", "old.pem"}, {}), "\n#MTLSExpect ");
}

CLAIM(what_the_server_refuses_for_its_owner_is_expected_by_no_line_and_named_as_an_anchor) {
    Rollover b;
    namespace fs = std::filesystem;
    const std::string expects = "\nMTLSExpect " + b.folder() + "/old.pem is acme\n",
                      no_longer = "\n#MTLSExpect mtls/expect/acme.pem is acme\n",
                      refuses = "# The server refuses the file where it is ('" + b.folder() + "/old.pem' ",
                      anchor = "    # The server refuses this file: '" + b.folder() + "/ca.pem' ";
    const auto suggest = [&] { return b.expect(0, {"suggest", "old.pem", "--anchor", "ca.pem"}); };
    const std::string fine = suggest();
    CHECK_CONTAINS(fine, expects);
    CHECK(fine.find("refuses") == std::string::npos);
    const auto spoilt_by = [&](const std::string& what, const auto& spoil, const auto& mend) {
        spoil("old.pem");
        const std::string said = suggest();
        CHECK_CONTAINS(said, no_longer);
        CHECK_CONTAINS(said, refuses + what);
        CHECK(said.find(expects) == std::string::npos && said.find(anchor) == std::string::npos);
        mend("old.pem");
        spoil("ca.pem");
        const std::string of_anchor = suggest();
        CHECK_CONTAINS(of_anchor, anchor + what);
        CHECK_CONTAINS(of_anchor, expects);
        mend("ca.pem");
        CHECK_EQUAL(suggest(), fine);
    };
    const auto at = [&](const char* name) { return fs::path(b.folder()) / name; };
    spoilt_by(
        "can be written by everybody: chmod o-w", [&](const char* name) { fs::permissions(at(name), fs::perms(0646)); },
        [&](const char* name) { fs::permissions(at(name), fs::perms(0644)); });
    if (geteuid() != 0) return;
    constexpr uid_t kSomebody = 12345;
    spoilt_by(
        "belongs to 12345, who is neither root nor who started it: chown root",
        [&](const char* name) { CHECK_EQUAL(chown(at(name).c_str(), kSomebody, static_cast<gid_t>(-1)), 0); },
        [&](const char* name) { CHECK_EQUAL(chown(at(name).c_str(), 0, static_cast<gid_t>(-1)), 0); });
}

CLAIM(a_units_certificates_are_suggested_as_organization_with_unit) {
    Rollover b;
    const std::string block = b.expect(0, {"suggest", "old.pem", "--anchor", "ca.pem"});
    CHECK_CONTAINS(block, "    #MTLSIdentity O:Acme OU:Payments\n");
    CHECK(b.expect(0, {"suggest", "globex.pem", "--anchor", "ca.pem"}).find("OU:") == std::string::npos);
    // It is what two of them have in common.
    b.add("ann.pem", {{"O", "Acme"}, {"OU", "Payments"}, {"CN", "ann"}}, "", b.ca);
    b.add("bob.pem", {{"O", "Acme"}, {"OU", "Payments"}, {"CN", "bob"}}, "", b.ca);
    b.add("eve.pem", {{"O", "Acme"}, {"OU", "Other"}, {"CN", "eve"}}, "", b.ca);
    CHECK_CONTAINS(
        b.tried({"suggest", "ann.pem", "bob.pem", "--anchor", "ca.pem", "--name", "payments"}, {"ann.pem", "bob.pem"}),
        "MTLSIdentity O:Acme OU:Payments\n");
    b.expect(3, {"explain", "--policy", "p.conf", "--cert", "eve.pem"});
}

CLAIM(an_anchor_may_be_named_as_the_server_or_as_the_shell_sees_it) {
    Rollover b;
    std::filesystem::create_directories(b.folder() + "/root/mtls");
    std::filesystem::copy(b.folder() + "/ca.pem", b.folder() + "/root/mtls/ca.pem");
    const auto line = [&](const std::string& command, const std::string& anchor, const std::string& root) {
        std::vector<std::string> args = {command, "old.pem", "--anchor", anchor, "--root", root};
        if (command == "import") {
            b.file("t.csv", "name,CN\nacme,api\n");
            args = {command, "csv", "t.csv", "--anchor", anchor, "--root", root};
        }
        const std::string out = b.expect(0, args), mark = "MTLSTrustAnchor ";
        const std::size_t at = out.find(mark) + mark.size();
        return out.substr(at, out.find('\n', at) - at);
    };
    for (const char* command : {"suggest", "import"}) {
        CHECK_EQUAL(line(command, "mtls/ca.pem", "root"), "mtls/ca.pem");
        CHECK_EQUAL(line(command, "root/mtls/ca.pem", "root"), "mtls/ca.pem");
        CHECK_EQUAL(line(command, "ca.pem", "root"), b.folder() + "/ca.pem");
        CHECK_EQUAL(line(command, "ca.pem", "."), "ca.pem");
        CHECK_EQUAL(line(command, b.folder() + "/ca.pem", "root"), b.folder() + "/ca.pem");
    }
    CHECK_CONTAINS(b.expect(2, {"suggest", "old.pem", "--anchor", "nowhere.pem", "--root", "root"}), "cannot read");
}

CLAIM(a_self_signed_certificate_is_its_own_anchor_beside_others_with_theirs) {
    Rollover b;
    CertSpec spec;
    spec.subject = {{"CN", "alone"}};
    b.file("self.pem", issue(spec, nullptr).cert_pem());
    const std::string all = b.tried({"suggest", "old.pem", "self.pem", "--anchor", "ca.pem", "--anchor", "next-ca.pem"},
                                    {"old.pem", "self.pem"});
    const std::string self = all.substr(all.find("<MTLSPartner alone>"));
    CHECK_CONTAINS(self, "MTLSTrustAnchor " + b.folder() + "/self.pem\n");
    CHECK(self.find("ca.pem") == std::string::npos);
    // The message has two lines: its line break is not escaped.
    const std::string refused = b.expect(1, {"suggest", "old.pem", "--anchor", "next-ca.pem"});
    CHECK_CONTAINS(refused, "would refuse the certificate: not-verified (old.pem)\n  is next-ca.pem the CA");
}

CLAIM(suggest_says_that_a_certificate_has_expired) {
    Rollover b;
    CertSpec spec;
    spec.subject = {{"CN", "api"}};
    spec.not_before = -9000;
    spec.not_after = -100;
    b.file("late.pem", issue(spec, &b.ca).cert_pem());
    CHECK_CONTAINS(b.expect(0, {"suggest", "late.pem", "--anchor", "ca.pem"}), "# It has expired, so it is refused;");
    CHECK(b.expect(0, {"suggest", "old.pem", "--anchor", "ca.pem"}).find("expired") == std::string::npos);
}

CLAIM(a_ca_is_an_anchor_and_a_self_signed_certificate_its_own) {
    Rollover b;
    const std::string block = b.tried({"suggest", "ca.pem", "old.pem"}, {"old.pem"});
    CHECK_EQUAL(times_in(block, "<MTLSPartner "), 1U);
    CHECK_CONTAINS(block, "    MTLSTrustAnchor " + b.folder() + "/ca.pem\n");
    CHECK_CONTAINS(b.expect(1, {"suggest", "next-ca.pem", "old.pem"}), "would refuse the certificate");
    CHECK_CONTAINS(b.expect(2, {"suggest", "ca.pem"}),
                   "ca.pem is the certificate of a CA: a trust anchor, and no partner");
    CertSpec alone;
    alone.subject = {{"O", "Initech"}, {"CN", "box"}};
    b.file("self.pem", issue(alone, nullptr).cert_pem()).file("twin.pem", issue(alone, nullptr).cert_pem());
    const std::string self = b.tried({"suggest", "self.pem"}, {"self.pem"});
    CHECK_CONTAINS(self, "# Self-signed: no CA vouches for it.");
    CHECK_CONTAINS(self, "    MTLSTrustAnchor " + b.folder() + "/self.pem\n");
    // A certificate with the same name and another key is denied.
    b.expect(3, {"explain", "--policy", "p.conf", "--cert", "twin.pem"});
    CHECK(block.find("Self-signed") == std::string::npos);
}

CLAIM(a_name_with_a_star_is_suggested_as_no_wildcard) {
    Rollover b;
    const auto suggested = [&](const std::vector<Attr>& subject, int type, const std::string& name) {
        CertSpec spec;
        spec.subject = subject;
        spec.san = {{type, name}};
        b.file("star.pem", issue(spec, &b.ca).cert_pem());
        return b.tried({"suggest", "star.pem", "--anchor", "ca.pem"}, {"star.pem"});
    };
    const std::vector<Attr> named = {{"O", "Acme"}, {"CN", "gw"}};
    for (const auto& [type, name] :
         {std::pair{GEN_DNS, "*.acme.example"}, {GEN_URI, "https://acme.example/a/*"}, {GEN_EMAIL, "*@acme.example"}}) {
        const std::string block = suggested(named, type, name);
        CHECK(block.find("MTLSIdentity DNS:") == std::string::npos);
        CHECK(block.find(std::string(":") + name) == std::string::npos);
        CHECK_CONTAINS(block, "\n    MTLSIdentity subject:CN=gw,O=Acme\n");
    }
    // Its neighbours, by the same CA.
    suggested(named, GEN_DNS, "*.acme.example");
    b.add("evil.pem", {{"CN", "evil"}}, "evil.acme.example", b.ca);
    b.expect(3, {"explain", "--policy", "p.conf", "--cert", "evil.pem"});
    CHECK_CONTAINS(suggested({}, GEN_DNS, "*.acme.example"), "\n    MTLSIdentity spki-sha256:");
    CHECK_CONTAINS(suggested(named, GEN_DNS, "gw.acme.example"), "\n    MTLSIdentity DNS:gw.acme.example\n");
    CHECK_CONTAINS(suggested(named, GEN_URI, "https://acme.example/a/b"),
                   "\n    MTLSIdentity URI:https://acme.example/a/b\n");
}

CLAIM(no_partner_is_suggested_under_a_reserved_name) {
    Bench b;
    const Identity ca = make_ca("Acme CA");
    b.file("ca.pem", ca.cert_pem());
    for (const auto& [organization, cn, name] : std::vector<std::array<const char*, 3>>{
             {"Any", "api", "api"}, {"none", "All", "partner"}, {"ALL!", "x", "x"}, {"Anyone", "api", "anyone"}}) {
        CertSpec spec;
        spec.subject = {{"O", organization}, {"CN", cn}};
        b.file("leaf.pem", issue(spec, &ca).cert_pem());
        CHECK_CONTAINS(b.expect(0, {"suggest", "leaf.pem", "--anchor", "ca.pem"}),
                       "<MTLSPartner " + std::string(name) + ">");
        std::filesystem::remove_all(b.folder() + "/root");
        std::filesystem::create_directory(b.folder() + "/root");
        b.expect(0, {"init", "--root", "root", "--cert", "leaf.pem", "--anchor", "ca.pem"});
        CHECK(std::filesystem::exists(b.folder() + "/root/mtls/partners/" + name + ".conf"));
        b.file("table", std::string("name,CN\n") + organization + ",x\n");
        CHECK_CONTAINS(b.expect(0, {"import", "csv", "table", "--anchor", "ca.pem"}), "<MTLSPartner ");
    }
    CHECK_CONTAINS(b.expect(2, {"suggest", "leaf.pem", "--anchor", "ca.pem", "--name", "None"}), "is reserved");
}

CLAIM(suggest_names_no_file_that_a_line_cannot_hold) {
    Rollover b;
    b.file("ca\nMTLSSuspend x.pem", b.ca.cert_pem());
    CHECK_CONTAINS(b.expect(2, {"suggest", "old.pem", "--anchor", "ca\nMTLSSuspend x.pem"}),
                   "'ca\\x0aMTLSSuspend x.pem': no line of a policy can name this file: rename it");
    std::filesystem::copy_file(b.folder() + "/old.pem", b.folder() + "/c\n.pem");
    CHECK_CONTAINS(b.expect(2, {"suggest", "c\n.pem", "--anchor", "ca.pem"}), "no line of a policy can name this file");
    std::filesystem::copy_file(b.folder() + "/old.pem", b.folder() + "/c d\".pem");
    b.tried({"suggest", "c d\".pem", "--anchor", "ca.pem"}, {"c d\".pem"});
}

CLAIM(a_certificate_of_more_units_than_a_line_holds_has_a_suggestion) {
    Rollover b;
    std::vector<Attr> subject = {{"O", "Acme"}};
    for (int i = 0; i < 40; ++i) subject.push_back({"OU", "Unit " + std::to_string(i) + std::string(56, 'u')});
    b.add("units.pem", subject, "", b.ca);
    const std::string block = b.tried({"suggest", "units.pem", "--anchor", "ca.pem", "--name", "acme"}, {"units.pem"});
    CHECK(block.find("OU:Unit 0u") == std::string::npos);
    // As many as a line holds.
    subject.resize(32);
    b.add("fewer.pem", subject, "", b.ca);
    CHECK_CONTAINS(b.tried({"suggest", "fewer.pem", "--anchor", "ca.pem", "--name", "acme"}, {"fewer.pem"}),
                   "MTLSIdentity O:Acme \"OU:Unit 0u");
}
