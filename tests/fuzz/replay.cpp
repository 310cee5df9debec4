// Replays the corpus, each input also cut short and with single bytes changed: fuzz_replay CORPUS [SEEDS]
// Where SEEDS is given, the certificates that are made on the way are written there, for the fuzzers to begin with.
#include <openssl/pem.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "bundles.hpp"
#include "der_specimens.hpp"
#include "front_fields.hpp"
#include "mtls_authz/certificate/front_header.hpp"
#include "mtls_authz/trust/crl.hpp"
#include "pki.hpp"
#include "targets.hpp"

namespace {

using Target = void (*)(std::string_view);

std::string der_of(const test::Identity& id) {
    unsigned char* encoded = nullptr;
    const int n = i2d_X509(id.cert.get(), &encoded);
    std::string out(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(n));
    OPENSSL_free(encoded);
    return out;
}

std::size_t replay(Target target, const std::string& input) {
    target(input);
    std::size_t runs = 1;
    const std::size_t step = input.size() / 200 + 1;
    for (std::size_t i = 0; i < input.size(); i += step) {
        target(std::string_view(input).substr(0, i));
        for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
            std::string changed = input;
            changed[i] = static_cast<char>(changed[i] ^ flip);
            target(changed);
            ++runs;
        }
        ++runs;
    }
    return runs;
}

std::string item(unsigned role, const std::string& der) {
    std::string out(1, static_cast<char>(role));
    out += static_cast<char>(der.size() >> 8);
    out += static_cast<char>(der.size() & 0xff);
    return out + der;
}

// For fuzz::identify: which key is whose is in their roles, so the keys here are of no account.
std::map<std::string, std::string> presented() {
    constexpr unsigned kSubKey = 1, kMidKey = 2, kLeafKey = 3;
    const auto by = [](unsigned signer, unsigned own) { return signer << 2 | own; };
    const auto ca = [](const char* cn, const test::Identity* issuer, const char* issuer_name) {
        test::CertSpec spec;
        spec.subject = {{"CN", cn}};
        spec.issuer_name = {{"CN", issuer_name}};
        spec.ca = true;
        spec.eku = "";
        spec.key_usage = "critical,keyCertSign,cRLSign";
        spec.key_identifiers = false;
        return test::issue(spec, issuer);
    };
    const auto leaf = [](const test::Identity& issuer, const char* issuer_name) {
        test::CertSpec spec;
        spec.subject = {{"CN", "api"}, {"O", "Acme"}};
        spec.san = {{GEN_DNS, "api.acme.example"}, {GEN_URI, "https://api.acme.example/a"}};
        spec.issuer_name = {{"CN", issuer_name}};
        spec.key_usage = "critical,digitalSignature";
        spec.key_identifiers = false;
        return test::issue(spec, &issuer);
    };
    const auto list_of = [](const test::Identity& signer, const test::Identity& revoked) {
        test::CrlSpec spec;
        spec.revoked = {{&revoked, 1}};
        const std::string pem = test::make_crl(signer, spec);
        const mtls::BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
        const mtls::X509CrlPtr list(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
        return mtls::encode(i2d_X509_CRL, *list);
    };
    const test::Identity root = ca(fuzz::kIdentifyRoot, nullptr, fuzz::kIdentifyRoot),
                         sub = ca(fuzz::kIdentifySub, &root, fuzz::kIdentifyRoot),
                         mid = ca("Fuzz Mid", &root, fuzz::kIdentifyRoot), mids = leaf(mid, "Fuzz Mid"),
                         subs = leaf(sub, fuzz::kIdentifySub), roots = leaf(root, fuzz::kIdentifyRoot);
    const std::string of_mid = item(by(kMidKey, kLeafKey), der_of(mids)) + item(by(0, kMidKey), der_of(mid));
    return {{"roots", item(by(0, kLeafKey), der_of(roots))},
            {"subs", item(by(kSubKey, kLeafKey), der_of(subs)) + item(by(0, kSubKey), der_of(sub))},
            {"mids", of_mid},
            {"revoked", of_mid + item(by(kMidKey, 0) | fuzz::kIdentifyCrl, list_of(mid, mids))},
            {"ca-revoked", of_mid + item(fuzz::kIdentifyCrl, list_of(root, mid))},
            {"not-revoked", of_mid + item(by(kMidKey, 0) | fuzz::kIdentifyCrl, list_of(mid, roots))}};
}

void write(const std::string& folder, const char* name, const std::string& content) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/" + name, std::ios::binary) << content;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) return 2;
    const std::map<std::string, Target> targets = {
        {"facts", fuzz::facts}, {"policy", fuzz::policy},   {"selector", fuzz::selector}, {"session", fuzz::session},
        {"path", fuzz::path},   {"crl", fuzz::crl},         {"telling", fuzz::telling},   {"bundle", fuzz::bundle},
        {"front", fuzz::front}, {"capture", fuzz::capture}, {"gate", fuzz::gate},         {"identify", fuzz::identify}};
    std::size_t runs = 0;
    for (const auto& [name, target] : targets) {
        for (const auto& file : std::filesystem::directory_iterator(std::string(argv[1]) + "/" + name)) {
            std::ifstream in(file.path(), std::ios::binary);
            runs += replay(target, {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()});
        }
    }
    // No certificate is committed: these are made now.
    const test::Identity ca = test::make_ca("Fuzz CA"), leaf = test::make_client("fuzz", "fuzz.example.org", ca);
    const std::string ca_der = der_of(ca), leaf_der = der_of(leaf);
    const std::string full_der = der_of(test::issue_with_only(test::known_extensions(), ca));
    std::string carried(1, static_cast<char>(ca_der.size() >> 8));
    carried += static_cast<char>(ca_der.size() & 0xff);
    carried += ca_der + "----" + leaf_der;
    test::CrlSpec list;
    list.revoked = {{&leaf, 1}};
    list.idp = "onlyuser:TRUE";
    const std::string crl_pem = test::make_crl(ca, list);
    const std::string bundle = test::bundle_of({R"({"kty": "EC", "use": "jwt-svid"})", test::jwk_of(ca)});
    runs += replay(fuzz::crl, crl_pem) + replay(fuzz::bundle, bundle);
    runs += replay(fuzz::facts, leaf_der) + replay(fuzz::facts, ca_der) + replay(fuzz::facts, full_der) +
            replay(fuzz::session, carried);
    const std::string fronts[] = {
        test::as_rfc9440(leaf), test::as_der(leaf), test::as_pem_url(leaf),
        test::as_xfcc(leaf) + ";Chain=\"" + test::as_pem_url(leaf) + test::as_pem_url(ca) + "\""};
    for (const std::string& header : fronts) runs += replay(fuzz::front, header);
    const auto seeds_of_identify = presented();
    for (const auto& [name, input] : seeds_of_identify) runs += replay(fuzz::identify, input);
    if (argc == 3) {
        const std::string seeds = argv[2];
        write(seeds + "/facts", "leaf", leaf_der);
        write(seeds + "/facts", "ca", ca_der);
        write(seeds + "/facts", "full", full_der);
        write(seeds + "/crl", "list.pem", crl_pem);
        write(seeds + "/session", "carried", carried);
        write(seeds + "/bundle", "one.json", bundle);
        for (const auto& [name, input] : seeds_of_identify) write(seeds + "/identify", name.c_str(), input);
        for (std::size_t i = 0; i < std::size(fronts); ++i)
            write(seeds + "/front", mtls::kFrontFormats[i].data(), fronts[i]);
    }
    std::printf("fuzz corpus: %zu inputs replayed\n", runs);
    return 0;
}
