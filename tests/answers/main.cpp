// The same answers: random policies and certificates, and a fleet of devices under one CA, decided by the module's core
// as for a request, and by the rules written down plainly. Usage: same_answers [PAIRS [SEED [DEVICES]]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>

#include "by_module.hpp"
#include "devices.hpp"
#include "random_world.hpp"

namespace {

using answers::decide;
using answers::identify;
using answers::read_policy;

int compare(long pairs, unsigned seed, const std::string& folder) {
    answers::RandomWorld world(seed, folder);
    std::map<std::string, long> seen;
    const std::int64_t start = std::time(nullptr);
    for (long done = 0; done < pairs;) {
        const plain::Policy rules = world.policy();
        const std::string text = answers::RandomWorld::text_of(rules);
        const auto policy = read_policy(text, folder);
        if (!policy) {
            std::fprintf(stderr, "seed %u: this policy is refused:\n%s", seed, text.c_str());
            return 1;
        }
        const plain::Gate gate{world.one_in(2) ? "g" : "h", world.one_in(3) ? "g" : "h", world.one_in(2)};
        for (const answers::Pair& pair : world.certificates()) {
            const std::int64_t now = start + (world.one_in(10) ? 2000 : 0);
            const plain::Request request = world.request();
            const plain::Answer expected = plain::evaluate(rules, gate, pair.plain, request, now);
            const plain::Answer got = decide(identify(*policy, *pair.real, now), gate, request);
            ++seen[expected.reason];
            ++done;
            if (got.reason == expected.reason && got.partner == expected.partner) continue;
            std::fprintf(stderr, "issued by ca%zu; sent:", pair.plain.issuer);
            for (const std::size_t ca : pair.plain.helpers) std::fprintf(stderr, " ca%zu", ca);
            std::fprintf(stderr, "\nseed %u: by the rules %s %s, but decided %s %s\ncertificate %s, %s\n%s", seed,
                         expected.reason.c_str(), expected.partner.c_str(), got.reason.c_str(), got.partner.c_str(),
                         pair.real->facts.subject.text().c_str(), mtls::san_text(pair.real->facts, 500).c_str(),
                         text.c_str());
            return 1;
        }
    }
    for (const char* reason : {"granted", "malformed-certificate", "expired", "not-yet-valid", "revoked",
                               "not-verified", "wrong-issuer", "unknown-partner", "ambiguous", "revocation-unknown",
                               "suspended", "outside-contract", "wrong-network", "not-allowed", "method-not-granted"}) {
        std::printf("  %10ld %s\n", seen[reason], reason);
        if (seen[reason] == 0) {
            std::fprintf(stderr, "seed %u: no pair of %ld was %s: they show nothing of it\n", seed, pairs, reason);
            return 1;
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const long pairs = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 100000;
    const unsigned seed = argc > 2 ? static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)) : 20261125;
    std::string folder = "/tmp/mtls-answers-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) return 1;
    const long devices = argc > 3 ? std::strtol(argv[3], nullptr, 10) : std::min(pairs / 10, 100000L);
    const bool is_same = compare(pairs, seed, folder) == 0 && answers::compare_devices(devices, seed, folder) == 0;
    std::filesystem::remove_all(folder);
    if (!is_same) return 1;
    std::printf("%ld pairs of policy and certificate, %ld devices: the same answers\n", pairs, devices);
    return 0;
}
