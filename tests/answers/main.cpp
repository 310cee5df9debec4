// The same answers: random policies and certificates, decided by the module's core as for a request, and by the rules
// written down plainly. Usage: same_answers [PAIRS [SEED]]
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>

#include "mtls_authz/gate.hpp"
#include "mtls_authz/policy_builder.hpp"
#include "random_world.hpp"

namespace {

std::shared_ptr<const mtls::Policy> read_policy(const std::string& text, const std::string& folder) {
    std::vector<mtls::Diagnostic> errors;
    auto directives = mtls::read_directives(text, "p.conf", errors);
    mtls::DiskFiles disk;
    mtls::PolicyBuilder builder(folder, disk);
    for (const mtls::Directive& d : directives.value()) builder.add(d);
    auto policy = builder.build();
    for (const mtls::Diagnostic& d : builder.diagnostics()) {
        if (!policy) std::fprintf(stderr, "%s\n", d.str().c_str());
    }
    return policy;
}

plain::Answer decide(const mtls::Policy& policy, const plain::Gate& gate, const mtls::PresentedCertificate& certificate,
                     const plain::Request& request, std::int64_t now) {
    static const mtls::ServerCas kServer;
    static const mtls::Refusals kRefusals;
    static const mtls::CrlSet kCrls;
    const mtls::Identification who = policy.identify(certificate, {kServer, kRefusals, kCrls, now});
    plain::Answer out{std::string(mtls::word_of(who.reason)),
                      who.partner != nullptr ? std::string(who.partner->name.view()) : ""};
    if (who.reason != mtls::Reason::kGranted) return out;
    if (!who.partner->network_objection(mtls::address_from_text(request.client)).empty()) {
        out.reason = mtls::word_of(mtls::Reason::kWrongNetwork);
        return out;
    }
    const mtls::GateRules allow = {
        mtls::GateRule::parse_allow(gate.by_grant ? "by-grant" : "group " + gate.allowed_group).value()};
    const mtls::GateRules deny = {mtls::GateRule::parse_deny("group " + gate.denied_group).value()};
    const mtls::DenyChain chain{&deny, nullptr};
    out.reason = mtls::word_of(
        mtls::decide({mtls::GateMode::kOn, &allow, &chain}, who, {request.method, request.path}, {}).reason);
    return out;
}

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
            const plain::Answer got = decide(*policy, gate, *pair.real, request, now);
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
    const int status = compare(pairs, seed, folder);
    std::filesystem::remove_all(folder);
    if (status == 0) std::printf("%ld pairs of policy and certificate: the same answers\n", pairs);
    return status;
}
