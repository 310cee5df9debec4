// Cost and scaling of the decision itself in many threads, metrics counters included.
#include <benchmark/benchmark.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/decide/known_certificates.hpp"
#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "pki.hpp"

namespace {

// One policy and one certificate, shared by all threads as in a server.
struct Shared {
    mtls::Published<mtls::Snapshot> published;
    std::unique_ptr<mtls::KnownCertificate> known;
    mtls::ServerCas server;
    mtls::GateRules rules = {mtls::GateRule::parse_allow("group suppliers methods=read").value()};
    mtls::Ledger* ledger = mtls::Ledger::create();

    double bytes = 0;  // size of the policy

    // `identities`: ten per partner, including the certificate's.
    explicit Shared(int identities) {
        const test::Identity ca = test::make_ca("Bench CA");
        const test::Identity client = test::make_client("api", "api.acme.example", ca);
        std::string folder = "/tmp/mtls-authz-bench-XXXXXX";
        if (mkdtemp(folder.data()) == nullptr || ledger == nullptr) throw std::runtime_error("no folder or no memory");
        std::ofstream(folder + "/ca.pem") << ca.cert_pem();
        std::vector<mtls::Diagnostic> errors;
        std::string text =
            "<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\nMTLSGroup suppliers\n"
            "</MTLSPartner>\n";
        for (int i = 1; i < identities; ++i) {
            if (i % 10 == 1) text += "<MTLSPartner p" + std::to_string(i) + ">\nMTLSTrustAnchor ca.pem\n";
            text += "MTLSIdentity DNS:host-" + std::to_string(i) + ".partner.example\n";
            if (i % 10 == 0 || i + 1 == identities) text += "</MTLSPartner>\n";
        }
        const auto directives = mtls::read_directives(text, "bench", errors);
        mtls::DiskFiles disk;
        mtls::PolicyBuilder builder(folder, disk);
        for (const mtls::Directive& directive : directives.value()) builder.add(directive);
        auto arena = std::make_shared<mtls::Arena>();
        const mtls::Policy* const policy = builder.build(*arena);
        bytes = static_cast<double>(arena->used());
        published.publish(std::unique_ptr<const mtls::Snapshot>(
            new mtls::Snapshot{std::shared_ptr<const mtls::Policy>(std::move(arena), policy),
                               std::make_shared<const mtls::Refusals>(), std::make_shared<const mtls::CrlSet>(), 1}));
        std::filesystem::remove_all(folder);
        known = std::make_unique<mtls::KnownCertificate>(mtls::PresentedCertificate(*client.cert, mtls::SentHelpers()));
    }
};

Shared& shared() {
    static Shared it(1);
    return it;
}

// The per-request path.
void decide(benchmark::State& state) {
    Shared& s = shared();
    for (auto _ : state) {
        const auto snapshot = s.published.read();
        const mtls::Identification& who = s.known->identify(snapshot, s.server, std::time(nullptr));
        const bool fault = mtls::find_path_fault("/orders/2026/17") != mtls::PathFault::kNone;
        const auto answer = mtls::decide({&s.rules}, {.who = &who, .line = {"GET", "/orders/2026/17"}});
        const std::size_t number = s.ledger->sightings.number_of(who.partner->key, who.partner->name);
        s.ledger->decisions.count(mtls::Outcome::kAllow, answer.reason, number);
        if (fault || answer.reason != mtls::Reason::kGranted) state.SkipWithError("not granted");
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(decide)->ThreadRange(1, static_cast<int>(std::max(2U, std::thread::hardware_concurrency())))->UseRealTime();

// A certificate that is new on this connection, with many identities.
void identify_anew(benchmark::State& state) {
    Shared s(static_cast<int>(state.range(0)));
    const auto snapshot = s.published.read();
    for (auto _ : state) {
        benchmark::DoNotOptimize(mtls::identify(*snapshot->policy, s.known->certificate(),
                                                {s.server, *snapshot->refusals, *snapshot->crls, std::time(nullptr)}));
    }
    state.counters["bytes/identity"] = s.bytes / static_cast<double>(state.range(0));
}
BENCHMARK(identify_anew)->Arg(1)->Arg(1'000'000);

}  // namespace

BENCHMARK_MAIN();
