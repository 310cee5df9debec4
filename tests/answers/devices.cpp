
#include "devices.hpp"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>
#include <random>

#include "by_module.hpp"
#include "mtls_authz/base/text.hpp"
#include "random_world.hpp"

namespace answers {

namespace {

struct Name {
    std::vector<std::string> cns;
    bool malformed = false;
};

std::string device(long number) { return "device-" + std::to_string(number); }

class Fleet {
public:
    Fleet(long devices, unsigned seed, const std::string& folder) : devices_(devices), engine_(seed) {
        std::ofstream(folder + "/ca0.pem") << ca_.cert_pem();
        policy_.cas = {{"Fleet CA", std::nullopt, test::hex_sha256(ca_), ""}};
        plain::Partner fleet;
        fleet.name = "fleet";
        fleet.identities = {{{{false, "O", "Fleet"}}, std::nullopt}};
        fleet.anchors = {{"ca0.pem", 0, std::nullopt, {}, ""}};
        fleet.grants = {{"PUT", "/devices/%{cert:CN}/**"}, {"GET", "/%{partner}/%{cert:CN}"}};
        policy_.partners = {fleet};
    }

    const plain::Policy& policy() const { return policy_; }

    Pair make(long number) {
        const Name name = below(8) == 0 ? hostile(device(other_than(number))) : Name{{device(number)}};
        plain::Certificate c;
        test::CertSpec spec;
        c.subject.emplace_back("O", "Fleet");
        for (const std::string& cn : name.cns) c.subject.emplace_back("CN", cn);
        for (const auto& [type, value] : c.subject) spec.subject.push_back({type, value});
        EVP_PKEY_up_ref(key_.get());
        const test::Identity leaf = test::issue(spec, &ca_, mtls::EvpPkeyPtr(key_.get()));
        auto real = std::make_shared<mtls::PresentedCertificate>();
        real->leaf = mtls::share(*leaf.cert);
        real->facts = mtls::read_facts(*leaf.cert);
        c.eku = {"clientAuth"};
        c.not_before = real->facts.not_before;
        c.not_after = real->facts.not_after;
        c.malformed = name.malformed;
        return {std::move(c), std::move(real)};
    }

    // For its own folder first.
    std::vector<plain::Request> requests(long number, const plain::Certificate& c) {
        const std::string own = c.subject.back().second, other = device(other_than(number));
        const std::string paths[] = {"/devices/" + own + "/f",
                                     "/devices/" + other + "/f",
                                     "/devices/" + own,
                                     "/devices/" + own + "/",
                                     "/devices/" + own + "x/f",
                                     "/devices//f",
                                     "/devices/" + own + "/a/b",
                                     "/devices/" + other + "/" + own + "/f",
                                     "/devices/*/f",
                                     "/devices/%{cert:CN}/f",
                                     "/devices/f",
                                     "/fleet/" + own,
                                     "/fleet/" + other,
                                     "/" + own + "/" + own};
        std::vector<plain::Request> out;
        for (const std::string& path : paths) out.push_back({"192.0.2.7", below(4) == 0 ? "GET" : "PUT", path});
        return out;
    }

private:
    long below(long n) { return static_cast<long>(engine_() % static_cast<unsigned long>(n)); }
    long other_than(long number) { return (number + 1 + below(std::max(1L, devices_ - 1))) % devices_; }

    // What a device may be called that would like to be `victim`, or above it.
    Name hostile(const std::string& victim) {
        const std::vector<Name> names = {{{victim, device(0) + "x"}},
                                         {{"x", victim}},
                                         {{victim, victim}},
                                         {{".."}},
                                         {{"."}},
                                         {{""}},
                                         {{"*"}},
                                         {{"**"}},
                                         {{"%{partner}"}},
                                         {{"%{cert:CN}"}},
                                         {{"x/../" + victim}},
                                         {{"../" + victim}},
                                         {{victim + "/"}},
                                         {{"/" + victim}},
                                         {{victim + "/.."}},
                                         {{"x%2F..%2F" + victim}},
                                         {{"%2e%2e"}},
                                         {{"..%2f" + victim}},
                                         {{"..\\" + victim}},
                                         {{victim + ";x"}},
                                         {{".;" + victim}},
                                         {{victim + "?x"}},
                                         {{victim + "#x"}},
                                         {{victim + "%00"}},
                                         {{mtls::lower(victim) + " "}},
                                         {{" " + victim}},
                                         {{"DEVICE" + victim.substr(6)}},
                                         {{victim + "\xcc\x81"}},         // a combining accent
                                         {{"\xef\xbc\x8e\xef\xbc\x8e"}},  // full-width dots
                                         {{"x\xef\xbc\x8f" + victim}},    // a full-width slash
                                         {{"Ger\xc3\xa4t"}},
                                         {{victim + "\n"}, true},
                                         {{"\x01"}, true},
                                         {{victim + "\x7f"}, true},
                                         {{victim + "\xc2\x85"}, true}};  // a C1 control
        return names[static_cast<std::size_t>(below(static_cast<long>(names.size())))];
    }

    long devices_;
    std::mt19937 engine_;
    test::Identity ca_ = test::make_ca("Fleet CA");
    mtls::EvpPkeyPtr key_ = test::make_key();
    plain::Policy policy_;
};

// Whatever the rules: what is let in lies below the one name that the certificate has, and that is a segment.
bool is_own(const plain::Certificate& c, const std::string& path) {
    if (c.subject.size() != 2) return false;
    const std::string& cn = c.subject[1].second;
    if (cn.empty() || cn == "." || cn == ".." || cn.find_first_of("/\\%;?") != std::string::npos) return false;
    return path.starts_with("/devices/" + cn + "/") || path == "/fleet/" + cn;
}

}  // namespace

int compare_devices(long devices, unsigned seed, const std::string& folder) {
    Fleet fleet(devices, seed, folder);
    const auto policy = read_policy(RandomWorld::text_of(fleet.policy()), folder);
    if (!policy) return 1;
    const plain::Gate gate{"", "none", true};
    const std::int64_t now = std::time(nullptr);
    std::map<std::string, long> seen;
    for (long i = 0; i < devices; ++i) {
        const Pair pair = fleet.make(i);
        const mtls::Identification who = identify(*policy, *pair.real, now);
        for (const plain::Request& request : fleet.requests(i, pair.plain)) {
            const plain::Answer expected = plain::evaluate(fleet.policy(), gate, pair.plain, request, now);
            const plain::Answer got = decide(who, gate, request);
            ++seen[got.reason];
            const bool strays = got.reason == "granted" && !is_own(pair.plain, request.path);
            if (got.reason == expected.reason && got.partner == expected.partner && !strays) continue;
            std::fprintf(stderr, "seed %u: %s %s by %s: by the rules %s, but decided %s\n", seed,
                         request.method.c_str(), mtls::escape_for_log(request.path, 200).c_str(),
                         mtls::escape_for_log(pair.real->facts.subject.text(), 200).c_str(), expected.reason.c_str(),
                         got.reason.c_str());
            return 1;
        }
    }
    for (const char* reason : {"granted", "malformed-certificate", "not-allowed", "method-not-granted"}) {
        std::printf("  %10ld %s\n", seen[reason], reason);
        if (seen[reason] == 0 && devices >= 1000) return 1;
    }
    return 0;
}

}  // namespace answers
