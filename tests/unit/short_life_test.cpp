// Certificates whose issuers publish no revocations (RFC 9608): what they are spared, and what makes them invalid.
#include "claims.hpp"
#include "der_specimens.hpp"
#include "mtls_authz/load/crl_files.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

using namespace std::string_literals;
using Made = test::Identity;

const char* const kNoRevAvail = "2.5.29.56";

// A leaf that lives so many seconds, and has the extension.
CertSpec living(std::int64_t seconds, bool has_extension = true) {
    CertSpec spec = client_spec("acme");
    spec.not_before = -3600;
    spec.not_after = seconds - 3600;
    if (has_extension) spec.raw = {{kNoRevAvail, "\5\0"s}};
    return spec;
}

std::string malformed(CertSpec spec, const Made& ca) { return read_facts(*issue(spec, &ca).cert).malformed; }

Made with_critical(const Made& leaf, const Made& ca) {
    Made out = copy_of(leaf);
    X509* const cert = out.cert.get();
    for (int i = 0; i < X509_get_ext_count(cert); ++i) {
        char oid[40];
        OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(X509_get_ext(cert, i)), 1);
        if (oid == std::string(kNoRevAvail)) X509_EXTENSION_set_critical(X509_get_ext(cert, i), 1);
    }
    X509_sign(cert, ca.key.get(), EVP_sha256());
    return out;
}

void put_in_force(CrlSet& set, const std::string& pem, const std::vector<X509*>& cas) {
    DecodedCrls decoded = decode_crls(pem);
    const auto known = [&](const std::string& name) {
        std::vector<X509Ptr> out;
        for (X509* ca : cas) {
            if (read_name(*X509_get_subject_name(ca)).canonical == name) out.push_back(share(*ca));
        }
        return out;
    };
    for (X509CrlPtr& list : decoded.lists) set.add(Crl::read(std::move(list)).value(), known, now());
}

}  // namespace

CLAIM(a_short_lived_leaf_needs_no_crl_where_one_is_required) {
    const Made root = make_ca("Root");
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto ask_with = [&](const std::string& global, const std::string& own, const CertSpec& spec) {
        const auto policy =
            d.policy(global + partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem\n" + own));
        const Identification who = ask(*policy, issue(spec, &root));
        CHECK_EQUAL(who.is_crl_exempt,
                    who.reason == Reason::kGranted && (global + own).find("required") != std::string::npos);
        return std::string(word_of(who.reason));
    };
    const std::string kRequired = "MTLSCRL required\n";
    struct Row {
        const char *global, *own;
        std::int64_t life;
        const char* reason;
    };
    const Row rows[] = {
        {"", "", 10 * kDay, "granted"},
        {"", "", 10 * kDay + 1, "revocation-unknown"},
        {"MTLSShortLived 7\n", "", 7 * kDay, "granted"},
        {"MTLSShortLived 7\n", "", 7 * kDay + 1, "revocation-unknown"},
        {"MTLSShortLived 7\n", "MTLSShortLived 30\n", 30 * kDay, "granted"},
        {"MTLSShortLived 30\n", "MTLSShortLived 7\n", 30 * kDay, "revocation-unknown"},
        {"MTLSShortLived 0\n", "", kDay, "revocation-unknown"},
    };
    for (const Row& row : rows) {
        CHECK_EQUAL(ask_with(kRequired + row.global, row.own, living(row.life)), row.reason);
        CHECK_EQUAL(ask_with(row.global, kRequired + row.own, living(row.life)), row.reason);
        CHECK_EQUAL(ask_with(kRequired + row.global, row.own, living(row.life, false)), "revocation-unknown");
        CHECK_EQUAL(ask_with(row.global, row.own, living(row.life, false)), "granted");
    }
    const auto policy = d.policy(kRequired + partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem"));
    CHECK_CONTAINS(ask(*policy, issue(living(11 * kDay), &root)).detail, "lives longer than MTLSShortLived allows");
}

CLAIM(what_lists_a_short_lived_leaf_refuses_it_and_the_cas_above_need_their_lists) {
    const Made root = make_ca("Root"), sub = make_ca("Sub", &root);
    const Made leaf = issue(living(kDay), &root), below = issue(living(kDay), &sub);
    Draft d;
    d.file("root.pem", root.cert_pem());
    const std::string kBlock = partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem");
    const auto policy = d.policy("MTLSCRL required\n" + kBlock);
    const auto reason = [&](const Made& who, const std::vector<std::string>& lists,
                            const std::vector<const Made*>& sent = {}) {
        CrlSet set;
        for (const std::string& pem : lists) put_in_force(set, pem, {root.cert.get(), sub.cert.get()});
        return std::string(word_of(ask(*policy, who, sent, now(), {}, {}, set).reason));
    };
    CrlSpec lists_it;
    lists_it.revoked = {{&leaf, -1}};
    CrlSpec stale;
    stale.next_update = -60;
    CHECK_EQUAL(reason(leaf, {}), "granted");
    CHECK_EQUAL(reason(leaf, {make_crl(root, {})}), "granted");
    CHECK_EQUAL(reason(leaf, {make_crl(root, lists_it)}), "revoked");
    CHECK_EQUAL(reason(leaf, {make_crl(root, stale)}), "revocation-stale");
    lists_it.next_update = -60;
    CHECK_EQUAL(reason(leaf, {make_crl(root, lists_it)}), "revoked");
    // The sub-CA's own revocation is not spared.
    CHECK_EQUAL(reason(below, {}, {&sub}), "revocation-unknown");
    CHECK_EQUAL(reason(below, {make_crl(root, {})}, {&sub}), "granted");
    CrlSpec lists_sub;
    lists_sub.revoked = {{&sub, -1}};
    CHECK_EQUAL(reason(below, {make_crl(root, lists_sub)}, {&sub}), "revoked");
    const auto revoking = d.policy("MTLSCRL required\nMTLSRevoke sha256:" + hex_sha256(leaf) + "\n" + kBlock);
    const Identification who = ask(*revoking, leaf);
    CHECK_EQUAL(verdict(who), "revoked");
    CHECK(!who.is_crl_exempt);
}

CLAIM(no_rev_avail_where_rfc_9608_forbids_it_makes_a_certificate_invalid) {
    const Made root = make_ca("Root");
    const CertSpec plain = living(kDay);
    const Made good = issue(plain, &root);
    CHECK_EQUAL(read_facts(*good.cert).malformed, "");
    CHECK(read_facts(*good.cert).no_rev_avail);
    CHECK(!read_facts(*issue(living(kDay, false), &root).cert).no_rev_avail);
    CHECK_CONTAINS(read_facts(*with_critical(good, root).cert).malformed, "is critical");
    CertSpec ca = plain;
    ca.ca = true;
    ca.eku = "";
    CHECK_CONTAINS(malformed(ca, root), "in a CA's certificate");
    const std::string uri = tlv(0x86, "http://a.example/crl");
    for (const char* point : {"2.5.29.31", "2.5.29.46"}) {
        CertSpec pointed = plain;
        pointed.raw.push_back({point, tlv(0x30, tlv(0x30, tlv(0xa0, tlv(0xa0, uri))))});
        CHECK_CONTAINS(malformed(pointed, root), "beside a CRL distribution point");
        std::swap(pointed.raw[0], pointed.raw[1]);
        CHECK_CONTAINS(malformed(pointed, root), "beside a CRL distribution point");
        pointed.raw.erase(pointed.raw.begin() + 1);
        CHECK_EQUAL(malformed(pointed, root), "");
    }
    const auto access = [](const char* method) {
        return tlv(0x30, tlv(0x30, oid(method) + tlv(0x86, "http://a.example")));
    };
    const char* const kAccess = "1.3.6.1.5.5.7.1.1";
    CertSpec spec = plain;
    spec.raw.push_back({kAccess, access("1.3.6.1.5.5.7.48.1")});
    CHECK_CONTAINS(malformed(spec, root), "beside an OCSP responder");
    spec.raw.back().der = access("1.3.6.1.5.5.7.48.2");  // caIssuers
    CHECK_EQUAL(malformed(spec, root), "");
    spec.raw.back().der = "\x30\x05";
    CHECK_CONTAINS(malformed(spec, root), "beside an OCSP responder");
    spec.raw.front() = {"1.2.3.4", "\5\0"s};  // an access that does not decode is nothing by itself
    CHECK_EQUAL(malformed(spec, root), "");
    for (const std::string& body : {"\4\0"s, "\5\0\0"s, "\5\1\0"s, "\x30\0"s, ""s, "\5"s}) {
        CertSpec odd = plain;
        odd.raw = {{kNoRevAvail, body}};
        CHECK_CONTAINS(malformed(odd, root), "extension ");
    }
    // A CA on the path that has it makes no path.
    ca.subject = {{"CN", "Odd Sub"}};
    const Made sub = issue(ca, &root), leaf = issue(living(kDay), &sub);
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem()).policy(partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem"));
    const Identification who = ask(*policy, leaf, {&sub});
    CHECK_EQUAL(verdict(who), "wrong-issuer");
    CHECK_CONTAINS(who.detail, "in a CA's certificate");
    CHECK_EQUAL(verdict(ask(*policy, with_critical(good, root))), "malformed-certificate");
}

CLAIM(what_a_policy_says_of_short_lives_and_contacts_is_read_back) {
    const Made root = make_ca("Root");
    Draft d;
    d.file("root.pem", root.cert_pem());
    const std::string lines = "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem\n";
    const auto policy =
        d.policy("MTLSShortLived 7\n" +
                 partner("acme", lines + "MTLSShortLived 3\nMTLSContact \"Jane O'Hara, pki@acme.example\""));
    const std::string text = policy->render();
    CHECK_CONTAINS(text, "\nMTLSShortLived 7\n");
    CHECK_CONTAINS(text, "\n    MTLSShortLived 3\n");
    CHECK_CONTAINS(text, "\n    MTLSContact \"Jane O'Hara, pki@acme.example\"\n");
    CHECK_EQUAL(std::string(d.policy(text)->generation()), std::string(policy->generation()));
    CHECK_EQUAL(std::string(policy->find("acme")->contact), "Jane O'Hara, pki@acme.example");
    CHECK_EQUAL(
        std::string(d.policy(partner("acme", lines + "MTLSContact Jane pki@acme.example"))->find("acme")->contact),
        "Jane pki@acme.example");
    const std::pair<const char*, const char*> rows[] = {
        {"MTLSShortLived", "expected DAYS from 1 to 366, or 0 for none"},
        {"MTLSShortLived -1", "expected DAYS"},
        {"MTLSShortLived 7d", "expected DAYS"},
        {"MTLSShortLived 367", "expected DAYS"},
        {"MTLSShortLived 7\nMTLSShortLived 7", "MTLSShortLived: already given at p.conf:4: take one of the two out"},
        {"MTLSContact", "expected TEXT"},
        {"MTLSContact \"\"", "expected TEXT"},
        {"MTLSContact a\nMTLSContact b", "MTLSContact: already given at p.conf:4; name all on one line"},
        {"MTLSContact a\x01"
         "b",
         "without control characters"},
        {"MTLSContact \xff", "expected UTF-8"},
    };
    for (const auto& [line, said] : rows) {
        DiskFiles disk;
        PolicyBuilder builder(d.folder(), disk);
        std::vector<Diagnostic> errors;
        const auto directives = read_directives(partner("acme", lines + line), "p.conf", errors);
        for (const Directive& one : directives.value()) builder.add(one);
        CHECK(builder.build() == nullptr);
        std::string all;
        for (const Diagnostic& found : builder.diagnostics()) all += found.str() + "\n";
        CHECK_CONTAINS(all, said);
    }
}
