// Revocations, CRLs and changed files, as a policy decides on them.
#include "mtls_authz/policy_source.hpp"
#include "mtls_authz/text.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

CLAIM(a_revocation_refuses_whoever_it_fits_and_nobody_else) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), server_ca = test::make_ca("Server CA");
    const auto leaf = test::issue(client_spec("api"), &root), deep = test::issue(client_spec("api"), &sub);
    const auto digest = [](const std::string& raw) { return hex(bytes_of(raw)); };
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto with = [&](const std::string& revoke) {
        return d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem") + "MTLSRevoke " + revoke +
                        "\n");
    };
    const std::string serial = read_facts(*leaf.cert).serial;
    const std::string issuer = "\"issuer:CN=Root,O=Root Inc,C=US\" ";
    struct Row {
        std::string revoke;
        bool leaf, deep;
    };
    const Row rows[] = {
        {"sha256:" + test::hex_sha256(leaf), true, false},
        {"spki-sha256:" + digest(spki_sha256(*leaf.cert)), true, false},
        {issuer + "cert-serial:" + serial, true, false},
        {issuer + "cert-serial:01", false, false},
        {"issuer.spki-sha256:" + digest(spki_sha256(*root.cert)) + " cert-serial:" + serial, true, false},
        {"issuer.spki-sha256:" + digest(spki_sha256(*root.cert)), true, true},
        {"issuer.spki-sha256:" + digest(spki_sha256(*sub.cert)), false, true},
        {"sha256:" + test::hex_sha256(sub), false, true},
        {"spki-sha256:" + digest(spki_sha256(*root.cert)), true, true},
        {"CN:api", true, true},
        {"CN:other", false, false},
        {"O:Acme !CN:api", false, false},
    };
    for (const Row& row : rows) {
        const auto policy = with(row.revoke);
        test::check_equal(verdict(ask(*policy, leaf)), row.leaf ? "revoked" : "granted acme", row.revoke, __FILE__,
                          __LINE__);
        test::check_equal(verdict(ask(*policy, deep, {&sub})), row.deep ? "revoked" : "granted acme", row.revoke,
                          __FILE__, __LINE__);
    }
    // A repeated attribute does not escape it.
    test::CertSpec twice = client_spec("good");
    twice.subject.push_back({"CN", "bad"});
    CHECK_EQUAL(verdict(ask(*with("CN:bad"), test::issue(twice, &root))), "revoked");
    CHECK_EQUAL(verdict(ask(*with("CN:worse"), test::issue(twice, &root))), "granted acme");
    // Nor does a second URI beside a SPIFFE ID, which could then be any.
    test::CertSpec spiffe = client_spec("good");
    spiffe.san = {{GEN_URI, "spiffe://td/other"}, {GEN_URI, "https://a.example.org/"}};
    CHECK_EQUAL(verdict(ask(*with("URI:spiffe://td/stolen"), test::issue(spiffe, &root))), "revoked");
    spiffe.san.pop_back();
    CHECK_EQUAL(verdict(ask(*with("URI:spiffe://td/stolen"), test::issue(spiffe, &root))), "granted acme");
    CHECK_EQUAL(verdict(ask(*with("URI:spiffe://td/other"), test::issue(spiffe, &root))), "revoked");
    // A CA that only mod_ssl knows.
    ServerCas server;
    server.certificates.push_back(share(*server_ca.cert));
    const auto other = with("issuer.spki-sha256:" + digest(spki_sha256(*server_ca.cert)));
    CHECK_EQUAL(verdict(ask(*other, test::issue(client_spec("x"), &server_ca), {}, now(), server)), "revoked");
    const auto answer = ask(*with("CN:api \"note=stolen laptop\""), leaf);
    CHECK_CONTAINS(answer.detail, "MTLSRevoke at p.conf:5: stolen laptop");
    CHECK_EQUAL(answer.claimed.size(), 1U);
}

CLAIM(a_revocation_that_would_refuse_nobody_is_an_error) {
    const std::pair<const char*, const char*> rows[] = {
        {"", "expected SELECTOR..."},
        {"!CN:x", "without '!'"},
        {"cert-serial:0a", "says nothing without its issuer"},
        {"cert-serial:0a !issuer:CN=x", "says nothing without its issuer"},
        {"subject:C=US,O=Acme,CN=api", "reads as if it was in reverse"},
        {"CN:a*", "no wildcards"},
        {"DSN:x", "did you mean 'DNS'?"},
    };
    for (const auto& [args, message] : rows) {
        const auto parsed = Revocation::parse({"MTLSRevoke", args, {"p.conf", 1}, false, {}});
        test::check(!parsed.ok(), args, __FILE__, __LINE__);
        CHECK_CONTAINS(parsed.error(), message);
    }
}

CLAIM(a_changed_anchor_file_counts_after_two_equal_looks_and_a_bad_one_never) {
    const auto a = test::make_ca("A"), b = test::make_ca("B");
    std::string folder = "/tmp/mtls-source-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const auto write = [&](const std::string& content) { std::ofstream(folder + "/ca.pem") << content; };
    write(a.cert_pem());
    DiskFiles disk;
    PolicySource source(folder, disk);
    CHECK_EQUAL(source.add({"MTLSPartner",
                            "acme",
                            {"p.conf", 1},
                            true,
                            {{"MTLSIdentity", "CN:api", {"p.conf", 2}, false, {}},
                             {"MTLSTrustAnchor", "ca.pem", {"p.conf", 3}, false, {}}}}),
                "");
    std::vector<Diagnostic> said;
    const auto first = source.build(said);
    CHECK(first != nullptr);
    for (int i = 0; i < 3; ++i) CHECK(source.look(said) == nullptr);
    // Broken, half written or gone: reported once, the old one stays.
    const std::string pem = b.cert_pem();
    std::size_t expected = 0;
    for (const std::string& bad : {std::string("garbage"), pem.substr(0, pem.size() / 2), std::string()}) {
        write(bad);
        for (int i = 0; i < 4; ++i) CHECK(source.look(said) == nullptr);
        CHECK_EQUAL(said.size(), ++expected);
    }
    std::filesystem::remove(folder + "/ca.pem");
    for (int i = 0; i < 4; ++i) CHECK(source.look(said) == nullptr);
    CHECK_EQUAL(said.size(), ++expected);
    write(pem);
    CHECK(source.look(said) == nullptr);
    CHECK(source.is_waiting());
    const auto second = source.look(said);
    CHECK(second != nullptr);
    CHECK(second->generation() != first->generation());
    CHECK_EQUAL(verdict(ask(*second, test::issue(client_spec("api"), &b))), "granted acme");
    CHECK_EQUAL(verdict(ask(*second, test::issue(client_spec("api"), &a))), "not-verified");
    CHECK(source.look(said) == nullptr);
    // A content that changes at each look never counts.
    for (int i = 0; i < 5; ++i) {
        write((i % 2 == 0 ? a : b).cert_pem() + "\n# " + std::to_string(i) + "\n");
        CHECK(source.look(said) == nullptr);
    }
    std::filesystem::remove_all(folder);
}

CLAIM(a_reload_has_the_certificates_that_changed_and_those_that_did_not) {
    const auto a = test::make_ca("A"), b = test::make_ca("B"), c = test::make_ca("C");
    Draft d;
    d.file("a.pem", a.cert_pem()).file("b.pem", b.cert_pem());
    d.file("all.conf", partner("one", "MTLSIdentity CN:one\nMTLSTrustAnchor a.pem") +
                           partner("two", "MTLSIdentity CN:two\nMTLSTrustAnchor b.pem"));
    DiskFiles disk;
    PolicySource source(d.folder(), disk);
    source.watch({d.folder() + "/all.conf", "all.conf", {"httpd.conf", 1}});
    std::vector<Diagnostic> said;
    const auto before = source.build(said);
    CHECK(before != nullptr);
    const auto anchor_of = [](const Policy& policy, const char* name) {
        return policy.find(name)->anchors->anchors.front().certificates.front().sha256;
    };
    d.file("b.pem", c.cert_pem());
    CHECK(source.look(said) == nullptr);
    const auto after = source.look(said);
    CHECK(after != nullptr);
    CHECK(anchor_of(*after, "one") == anchor_of(*before, "one"));
    CHECK(anchor_of(*after, "two") != anchor_of(*before, "two"));
    CHECK_EQUAL(verdict(ask(*after, test::issue(client_spec("one"), &a))), "granted one");
    CHECK_EQUAL(verdict(ask(*after, test::issue(client_spec("two"), &b))), "not-verified");
    CHECK_EQUAL(verdict(ask(*after, test::issue(client_spec("two"), &c))), "granted two");
}

CLAIM(crls_are_asked_for_every_certificate_below_the_anchor) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), other = test::make_ca("Other");
    const auto signer = test::make_ca("Signer", &root), alien = test::make_ca("Signer", &other);
    test::CertSpec pointing = client_spec("pointing");
    pointing.crl_issuer = &signer;
    const auto deep = test::issue(client_spec("deep"), &sub), pointed = test::issue(pointing, &root),
               plain = test::issue(client_spec("x"), &root);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("signer.pem", signer.cert_pem()).file("alien.pem", alien.cert_pem());
    const auto make = [&](const std::string& lines) {
        return d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem\n" + lines));
    };
    const auto set_of = [](const std::vector<std::string>& lists) {
        CrlSet set;
        for (const std::string& pem : lists) {
            auto decoded = decode_crls(pem);
            for (X509CrlPtr& list : decoded.value())
                set.add(Crl::read(std::move(list)).value(), [](const std::string&) { return std::vector<X509Ptr>(); });
        }
        return set;
    };
    const auto verdict_of = [&](const Policy& policy, const test::Identity& who, const CrlSet& crls,
                                std::int64_t at = now()) {
        return std::string(word_of(ask(policy, who, {&sub}, at, {}, {}, crls).reason));
    };
    const auto lax = make(""), strict = make("MTLSCRL required\nMTLSCRLStale grace=1");
    test::CrlSpec by_root, by_sub;
    by_root.next_update = 100;
    const auto both = set_of({test::make_crl(root, by_root), test::make_crl(sub, by_sub)});
    CHECK_EQUAL(verdict_of(*strict, deep, both), "granted");
    CHECK_EQUAL(verdict_of(*strict, deep, set_of({test::make_crl(root, by_root)})), "revocation-unknown");
    CHECK_EQUAL(verdict_of(*strict, deep, set_of({test::make_crl(sub, by_sub)})), "revocation-unknown");
    CHECK_EQUAL(verdict_of(*lax, deep, set_of({})), "granted");
    // Stale for the default, forgiven for an hour by the partner's own rule.
    CHECK_EQUAL(verdict_of(*lax, plain, both, now() + 200), "revocation-stale");
    CHECK_EQUAL(verdict_of(*strict, plain, both, now() + 200), "granted");
    CHECK_EQUAL(verdict_of(*strict, plain, both, now() + 3800), "revocation-stale");
    const auto answer = ask(*lax, plain, {}, now(), {}, {}, both);
    CHECK(answer.valid_until <= now() + 101 && answer.valid_until >= now() + 90);
    by_root.revoked = {{&sub, 2}};
    CHECK_EQUAL(verdict_of(*lax, deep, set_of({test::make_crl(root, by_root)})), "revoked");
    CHECK_EQUAL(verdict_of(*lax, plain, set_of({test::make_crl(root, by_root)})), "granted");
    // An indirect list counts by a signer under the same anchor alone.
    test::CrlSpec indirect;
    indirect.idp = "indirectCRL:TRUE";
    indirect.revoked = {{&pointed, 1}};
    indirect.entry_issuer = &root;
    const auto with_signer = make("MTLSIntermediate signer.pem"), with_alien = make("MTLSIntermediate alien.pem");
    CHECK_EQUAL(verdict_of(*with_signer, pointed, set_of({test::make_crl(signer, indirect)})), "revoked");
    CHECK_EQUAL(verdict_of(*lax, pointed, set_of({test::make_crl(signer, indirect)})), "granted");
    CHECK_EQUAL(verdict_of(*with_alien, pointed, set_of({test::make_crl(alien, indirect)})), "granted");
}
