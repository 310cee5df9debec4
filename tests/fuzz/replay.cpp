// Replays the corpus, each input also cut short and with single bytes changed: fuzz_replay CORPUS [SEEDS]
// Where SEEDS is given, the certificates that are made on the way are written there, for the fuzzers to begin with.
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

void write(const std::string& folder, const char* name, const std::string& content) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/" + name, std::ios::binary) << content;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) return 2;
    const std::map<std::string, Target> targets = {
        {"facts", fuzz::facts},     {"policy", fuzz::policy}, {"selector", fuzz::selector},
        {"session", fuzz::session}, {"path", fuzz::path},     {"crl", fuzz::crl},
        {"telling", fuzz::telling}, {"bundle", fuzz::bundle}, {"front", fuzz::front}};
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
    if (argc == 3) {
        const std::string seeds = argv[2];
        write(seeds + "/facts", "leaf", leaf_der);
        write(seeds + "/facts", "ca", ca_der);
        write(seeds + "/facts", "full", full_der);
        write(seeds + "/crl", "list.pem", crl_pem);
        write(seeds + "/session", "carried", carried);
        write(seeds + "/bundle", "one.json", bundle);
        for (std::size_t i = 0; i < std::size(fronts); ++i)
            write(seeds + "/front", mtls::kFrontFormats[i].data(), fronts[i]);
    }
    std::printf("fuzz corpus: %zu inputs replayed\n", runs);
    return 0;
}
