// What fronts hand on: which headers hold exactly one certificate, and which are refused.
#include <thread>

#include "claims.hpp"
#include "front_fields.hpp"
#include "mtls_authz/decide/handed_certificates.hpp"
#include "pki.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

const test::Identity& ca() {
    static const test::Identity it = make_ca("Acme CA");
    return it;
}
const test::Identity& leaf() {
    static const test::Identity it = make_client("api", "api.acme.example", ca());
    return it;
}

std::string fault(FrontFormat format, const std::string& value, FieldHolds holds = FieldHolds::kOneCertificate) {
    const auto read = decode_front_header(format, value, holds);
    return read ? "" : read.error();
}

bool reads(FrontFormat format, const std::string& value) {
    const auto read = decode_front_header(format, value);
    return read && X509_cmp(read.value().leaf.get(), leaf().cert.get()) == 0 && read.value().chain.empty();
}

// What the policy says to this line, in a partner.
std::string said_to(const std::string& line) {
    Draft d;
    DiskFiles disk;
    PolicyBuilder builder(d.file("ca.pem", ca().cert_pem()).folder(), disk);
    std::vector<Diagnostic> errors;
    const std::string text = test::partner("lb", "MTLSIdentity CN:lb\nMTLSTrustAnchor ca.pem\n" + line);
    const auto directives = read_directives(text, "p.conf", errors);
    for (const Directive& directive : directives.value()) builder.add(directive);
    const bool is_built = builder.build() != nullptr;
    std::string out;
    for (const Diagnostic& finding : builder.diagnostics()) out += finding.str() + "\n";
    check(is_built == !builder.has_errors(), out, __FILE__, __LINE__);
    return out;
}

}  // namespace

CLAIM(each_format_reads_back_what_its_fronts_write) {
    CHECK(reads(FrontFormat::kRfc9440, as_rfc9440(leaf())));
    CHECK(reads(FrontFormat::kRfc9440, "  " + as_rfc9440(leaf()) + "  "));
    CHECK(reads(FrontFormat::kPemUrl, as_pem_url(leaf())));
    CHECK(reads(FrontFormat::kPemUrl, as_pem_url(leaf(), "+=/")));
    CHECK(reads(FrontFormat::kPemUrl, percent_encoded(leaf().cert_pem().substr(0, leaf().cert_pem().size() - 1))));
    CHECK(reads(FrontFormat::kDer, as_der(leaf())));
    CHECK(reads(FrontFormat::kXfcc, as_xfcc(leaf())));
    CHECK(reads(FrontFormat::kXfcc, "cert=\"" + as_pem_url(leaf()) + "\""));
    // RFC 9651 4.2.7: padding that is missing, and pad bits that are not zero, are no faults.
    std::string bare = as_rfc9440(leaf());
    std::erase(bare, '=');
    CHECK(reads(FrontFormat::kRfc9440, bare));
}

CLAIM(a_byte_sequence_is_read_as_rfc_9651_has_it_and_nothing_else) {
    const std::string whole = as_rfc9440(leaf()), digits = as_der(leaf());
    const std::pair<std::string, const char*> rows[] = {
        {"", "is empty: the front's client sent no certificate, or one that the front could not write"},
        {"  ", "is empty"},
        {digits, "is no Byte Sequence of RFC 9651"},
        {"\t" + whole, "is no Byte Sequence"},
        {":" + digits, "without its closing ':'"},
        {"::", "something else than a certificate"},
        {":" + digits.substr(0, 40) + " " + digits.substr(40) + ":", "no base64"},
        {":" + digits.substr(0, 40) + "-" + digits.substr(41) + ":", "no base64"},
        {":=" + digits + ":", "no base64"},
        {":" + digits + "====:", "no base64"},
        {":Zm9yZ2Vk:", "something else than a certificate"},
        {":" + base64(der_bytes(leaf()) + std::string(1, '\0')) + ":", "holds something behind the certificate"},
        {":" + base64(der_bytes(leaf()) + der_bytes(leaf())) + ":", "holds something behind the certificate"},
        {":" + base64(der_bytes(leaf()).substr(0, 300)) + ":", "something else than a certificate"},
        {whole + ", " + whole, "holds more than one Byte Sequence, or occurs twice"},
        {whole + ",", "occurs twice"},
        {", " + whole, "is no Byte Sequence"},
        {whole + ";a=1", "holds something behind its Byte Sequence"},
        {whole + "x", "holds something behind its Byte Sequence"},
        {"(" + whole + ")", "is no Byte Sequence"},
    };
    for (const auto& [value, why] : rows) CHECK_CONTAINS(fault(FrontFormat::kRfc9440, value), why);
}

CLAIM(percent_encoded_pem_holds_one_certificate_and_nothing_around_it) {
    const std::string pem = leaf().cert_pem(), two = pem + ca().cert_pem();
    const std::pair<std::string, const char*> rows[] = {
        {"(null)", "is not percent-encoded"},
        {pem, "is not percent-encoded"},
        {as_pem_url(leaf()) + "%", "is not percent-encoded"},
        {as_pem_url(leaf()) + "%0", "is not percent-encoded"},
        {as_pem_url(leaf()) + "%0g", "is not percent-encoded"},
        {as_pem_url(leaf()) + ", " + as_pem_url(leaf()), "is not percent-encoded"},
        {percent_encoded(two), "holds 2 certificates in place of one"},
        {percent_encoded(pem + "x"), "holds something behind the certificate"},
        {percent_encoded(pem + "\n"), "holds something behind the certificate"},
        {percent_encoded("x" + pem), "holds something else than a certificate in PEM"},
        {percent_encoded("\n" + pem), "holds something else than a certificate in PEM"},
        {percent_encoded(leaf().key_pem()), "holds something else than a certificate in PEM"},
        {percent_encoded(pem.substr(0, 200)), "holds something else than a certificate in PEM"},
        {percent_encoded("-----BEGIN CERTIFICATE-----\nZm9yZ2Vk\n-----END CERTIFICATE-----\n"),
         "something else than a certificate in DER"},
        {percent_encoded("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), "something else than"},
    };
    for (const auto& [value, why] : rows) CHECK_CONTAINS(fault(FrontFormat::kPemUrl, value), why);
    // Where leaf and chain share the header, the leaf comes first.
    const auto read = decode_front_header(FrontFormat::kPemUrl, percent_encoded(two), FieldHolds::kLeafAndChain);
    CHECK(read && X509_cmp(read.value().leaf.get(), leaf().cert.get()) == 0 && read.value().chain.size() == 1);
}

namespace {

// The same value with a length of one octet more than DER has.
std::string in_a_longer_form(const std::string& der) {
    check(der[1] == '\x82', "two octets of length", __FILE__, __LINE__);
    return std::string("\x30\x83\x00", 3) + der.substr(2);
}

}  // namespace

CLAIM(base64_of_der_is_strict) {
    const std::string digits = as_der(leaf());
    std::string bare = digits;
    std::erase(bare, '=');
    const std::pair<std::string, const char*> rows[] = {
        {" " + digits, "is no base64"},
        {digits + "\n", "is no base64"},
        {digits + ", " + digits, "is no base64"},
        {base64("forged"), "something else than a certificate"},
        {base64(in_a_longer_form(der_bytes(leaf()))), "something else than a certificate"},
        {base64(der_bytes(leaf()) + der_bytes(ca())), "holds something behind the certificate"},
    };
    for (const auto& [value, why] : rows) CHECK_CONTAINS(fault(FrontFormat::kDer, value), why);
    if (bare != digits) CHECK_CONTAINS(fault(FrontFormat::kDer, bare), "is no base64");
    // The spare bits of the last digit must be zero, except in RFC 9440 fields (RFC 9651 4.2.7).
    test::Identity spare = make_client("a", "a.example", ca());
    for (std::string name = "aa"; der_bytes(spare).size() % 3 == 0; name += 'a') {
        spare = make_client("a", name + ".example", ca());
    }
    std::string stray = as_der(spare);
    ++stray[stray.find_last_not_of('=')];
    CHECK_CONTAINS(fault(FrontFormat::kDer, stray), "is no base64");
    CHECK_EQUAL(fault(FrontFormat::kRfc9440, ":" + stray + ":"), "");
    CHECK(decode_front_chain(FrontFormat::kDer, base64(der_bytes(leaf()) + der_bytes(ca()))).value().size() == 2);
}

CLAIM(xfcc_has_one_element_with_one_certificate) {
    const std::string cert = "Cert=\"" + as_pem_url(leaf()) + "\"";
    const std::pair<std::string, const char*> rows[] = {
        {"Hash=" + hex_sha256(leaf()), "holds no Cert="},
        {cert + "," + cert, "holds more than one element"},
        {"By=a, " + cert, "holds more than one element"},
        {cert + ";" + cert, "holds cert= twice"},
        {cert + ";", "is no list of KEY=VALUE"},
        {cert + "x", "quoted wrongly"},
        {"Cert=\"" + as_pem_url(leaf()), "quoted wrongly"},
        {"Cert=\"" + as_pem_url(leaf()) + "\\\"", "quoted wrongly"},
        {"Cert=\"" + as_pem_url(leaf()) + "\\", "quoted wrongly"},
        {"Cert=a\"b\"", "quoted wrongly"},
        {"Cert=\"\"", "has a Cert= that is empty"},
        {"Cert=\"" + percent_encoded(leaf().cert_pem() + ca().cert_pem()) + "\"",
         "has a Cert= that holds 2 certificates"},
        {"Hash=" + hex_sha256(ca()) + ";" + cert, "has a Hash= that is not the SHA-256 of its Cert="},
        {"Hash=;" + cert, "has a Hash= that is not"},
        {cert + ";Chain=\"x\"", "has a Chain= that holds something else"},
        {"=" + cert, "is no list of KEY=VALUE"},
        {as_pem_url(leaf()), "is no list of KEY=VALUE"},
        // A quote that is not closed hides no element.
        {"Subject=\"a,Cert=b;" + cert, "quoted wrongly"},
    };
    for (const auto& [value, why] : rows) CHECK_CONTAINS(fault(FrontFormat::kXfcc, value), why);
    const std::string chained = cert + ";Chain=\"" + percent_encoded(leaf().cert_pem() + ca().cert_pem()) + "\"";
    CHECK_EQUAL(decode_front_header(FrontFormat::kXfcc, chained).value().chain.size(), 2U);
}

CLAIM(a_chain_is_a_list_and_has_its_limits) {
    const std::string one = as_rfc9440(ca());
    CHECK_EQUAL(decode_front_chain(FrontFormat::kRfc9440, one + " ,\t" + one).value().size(), 2U);
    CHECK(decode_front_chain(FrontFormat::kRfc9440, "").value().empty());
    for (const std::string& wrong : {one + ",", one + " " + one, "," + one, one + ";a", std::string("x")}) {
        check(!decode_front_chain(FrontFormat::kRfc9440, wrong).ok(), wrong, __FILE__, __LINE__);
    }
    std::string many = one;
    for (std::size_t i = 1; i < kMostFrontCertificates; ++i) many += ", " + one;
    CHECK_EQUAL(decode_front_chain(FrontFormat::kRfc9440, many).value().size(), kMostFrontCertificates);
    CHECK_CONTAINS(decode_front_chain(FrontFormat::kRfc9440, many + ", " + one).error(), "more than 16 certificates");
    const std::string huge(kMostFrontBytes + 1, 'A');
    for (const auto format : {FrontFormat::kRfc9440, FrontFormat::kPemUrl, FrontFormat::kDer, FrontFormat::kXfcc}) {
        CHECK_CONTAINS(fault(format, huge), "has 65537 bytes, more than 65536");
        CHECK_CONTAINS(decode_front_chain(format, huge).error(), "has 65537 bytes");
    }
}

CLAIM(a_front_is_written_once_with_header_and_format) {
    const std::pair<const char*, const char*> rows[] = {
        {"MTLSFront", "MTLSFront: expected header=NAME format=rfc9440|pem-url|der|xfcc"},
        {"MTLSFront header=Client-Cert", "expected header=NAME format="},
        {"MTLSFront format=der", "expected header=NAME format="},
        {"MTLSFront header=X-A format=pem", "'pem': expected header="},
        {"MTLSFront header=X-A format=rfc9940", "'rfc9940' (did you mean 'rfc9440'?)"},
        {"MTLSFront header=Host format=der", "'Host' means something to HTTP itself"},
        {"MTLSFront header=X-A header=X-B format=der", "'header=X-B' says again"},
        {"MTLSFront header=X-A format=der format=der", "'format=der' says again"},
        {"MTLSFront header=X-A chain=x_a format=der", "'x_a' cannot hold two things"},
        {"MTLSFront header=X-A chain=X-B format=xfcc", "format=xfcc takes no chain="},
        {"MTLSFront header=X-A format=der network=10.0.0.1/8", "'10.0.0.1/8': "},
        {"MTLSFront header=X-A format=der 10.0.0.0/8", "'10.0.0.0/8': expected"},
        {"MTLSFront header=X-A format=der\nMTLSFront header=X-B format=der", "MTLSFront: already given at p.conf:4"},
    };
    for (const auto& [line, why] : rows) {
        CHECK_CONTAINS(said_to(line), "error: ");
        CHECK_CONTAINS(said_to(line), why);
    }
    CHECK_EQUAL(said_to("MTLSFront header=X-A chain=X-A format=pem-url"), "");
    CHECK_EQUAL(said_to("MTLSFront header=Client-Cert chain=Client-Cert-Chain format=rfc9440"), "");
    CHECK_CONTAINS(said_to("MTLSFront header=X-A format=der network=198.51.100.0/24"),
                   "p.conf:4: warning: MTLSFront of lb: every host in 198.51.100.0/24 can claim any certificate");
}

CLAIM(a_front_is_rendered_as_it_is_read_and_changes_the_generation) {
    Draft d;
    const auto policy_with = [&](const std::string& line) {
        return d.file("ca.pem", ca().cert_pem())
            .policy(test::partner("lb", "MTLSIdentity CN:lb\nMTLSTrustAnchor ca.pem\n" + line));
    };
    const std::string line =
        "MTLSFront header=X-Cert format=pem-url chain=X-Chain network=198.51.100.0/24 network=2001:db8::/32";
    const auto policy = policy_with(line);
    CHECK_CONTAINS(policy->render(), "    " + line + "\n");
    CHECK_EQUAL(policy->front_keys().size(), 2U);
    CHECK_EQUAL(policy->front_keys()[1].view(), "xchain");
    CHECK(policy_with("")->generation() != policy->generation());
    CHECK(policy_with("")->front_keys().empty());
}

CLAIM(a_certificate_is_decoded_once_for_the_same_fields_and_the_oldest_makes_room) {
    HandedCertificates kept;
    FrontFault why;
    const std::string value = as_rfc9440(leaf()), chain = as_rfc9440(ca());
    const FrontFields fields{FrontFormat::kRfc9440, FieldHolds::kOneCertificate, value, ""};
    const auto first = kept.find(fields, why);
    CHECK(first && X509_cmp(first->known.certificate().leaf.get(), leaf().cert.get()) == 0);
    CHECK(kept.find(fields, why) == first);
    CHECK(kept.find({FrontFormat::kRfc9440, FieldHolds::kOneCertificate, value, chain}, why) != first);
    CHECK(!kept.find({FrontFormat::kDer, FieldHolds::kOneCertificate, value, ""}, why));
    CHECK(!why.is_of_chain && why.why == "is no base64");
    CHECK(!kept.find({FrontFormat::kRfc9440, FieldHolds::kOneCertificate, value, "x"}, why) && why.is_of_chain);
    // Others, told apart by blanks that mean nothing; this one is asked for in between, and stays.
    for (std::size_t i = 0; i < HandedCertificates::kMostEntries + 5; ++i) {
        CHECK(kept.find({FrontFormat::kRfc9440, FieldHolds::kOneCertificate, value + std::string(i + 1, ' '), ""},
                        why) != nullptr);
        CHECK(kept.find(fields, why) == first);
    }
    for (std::size_t i = 0; i < HandedCertificates::kMostEntries; ++i) {
        CHECK(kept.find({FrontFormat::kRfc9440, FieldHolds::kOneCertificate, std::string(i + 1, ' ') + value, ""},
                        why) != nullptr);
    }
    CHECK(kept.find(fields, why) != first);
}

CLAIM(threads_that_ask_by_turns_never_get_each_others_certificate) {
    HandedCertificates kept;
    const test::Identity other = make_client("other", "other.acme.example", ca());
    const std::pair<const test::Identity*, std::string> both[] = {{&leaf(), as_der(leaf())}, {&other, as_der(other)}};
    std::atomic<int> mixed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 500; ++i) {
                const auto& [who, value] = both[(t + i) % 2];
                FrontFault why;
                const auto handed = kept.find({FrontFormat::kDer, FieldHolds::kOneCertificate, value, ""}, why);
                if (!handed || X509_cmp(handed->known.certificate().leaf.get(), who->cert.get()) != 0) ++mixed;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_EQUAL(mixed.load(), 0);
}
