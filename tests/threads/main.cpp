// Under ThreadSanitizer: many threads ask about one certificate and one policy.
#include <atomic>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "claims.hpp"
#include "front_fields.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/decide/handed_certificates.hpp"
#include "mtls_authz/decide/known_certificates.hpp"
#include "mtls_authz/keeper/live_policy.hpp"
#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "pki.hpp"

using namespace mtls;

namespace {

std::unique_ptr<const Snapshot> make_snapshot(const test::Identity& ca) {
    static std::uint64_t serial = 0;
    std::string folder = "/tmp/mtls-threads-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
    std::ofstream(folder + "/ca.pem") << ca.cert_pem();
    std::vector<Diagnostic> errors;
    auto directives = read_directives(
        "<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\nMTLSGroup g if "
        "CN:api\n</MTLSPartner>\n",
        "p.conf", errors);
    DiskFiles disk;
    PolicyBuilder builder(folder, disk);
    for (const Directive& d : directives.value()) builder.add(d);
    auto policy = builder.build();
    std::filesystem::remove_all(folder);
    // Signed by nobody that is known yet: the first path that brings the signer verifies it, in whatever thread.
    auto crls = std::make_shared<CrlSet>();
    DecodedCrls decoded = decode_crls(test::make_crl(ca, {}));
    crls->add(
        Crl::read(std::move(decoded.lists.front())).value(), [](const std::string&) { return std::vector<X509Ptr>(); },
        0);
    return std::unique_ptr<const Snapshot>(
        new Snapshot{std::move(policy), std::make_shared<const Refusals>(), std::move(crls), ++serial});
}

PresentedCertificate present(const test::Identity& id) { return {*id.cert, SentHelpers()}; }

}  // namespace

CLAIM(streams_of_a_front_each_speak_for_their_own_client_while_others_are_forgotten) {
    const auto ca = test::make_ca("Thread CA"), other = test::make_ca("Other CA");
    Published<Snapshot> published;
    published.publish(make_snapshot(ca));
    const std::pair<std::string, Reason> clients[] = {
        {test::as_rfc9440(test::make_client("api", "api.acme.example", ca)), Reason::kGranted},
        {test::as_rfc9440(test::make_client("api", "api.acme.example", other)), Reason::kNotVerified},
        {test::as_rfc9440(test::make_client("api", "web.acme.example", ca)), Reason::kUnknownPartner}};
    const ServerCas server;
    HandedCertificates handed;
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i) {
                const auto& [value, reason] = clients[(t + i) % 3];
                const auto snapshot = published.read();
                // Blanks make it another header, and others are forgotten.
                const std::string header = value + std::string(static_cast<std::size_t>(i % 40), ' ');
                FrontFault fault;
                const auto found = handed.find({FrontFormat::kRfc9440, FieldHolds::kOneCertificate, header, ""}, fault);
                if (!found) ++wrong;
                if (found && found->known.identify(snapshot, server, std::time(nullptr)).reason != reason) ++wrong;
                if (t == 0 && i % 50 == 0) published.publish(make_snapshot(ca));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_EQUAL(wrong.load(), 0);
}

CLAIM(streams_in_many_threads_get_one_answer_each_without_a_race) {
    const auto ca = test::make_ca("Thread CA"), other = test::make_ca("Other CA");
    Published<Snapshot> published;
    published.publish(make_snapshot(ca));
    const test::Identity clients[] = {test::make_client("api", "api.acme.example", ca),
                                      test::make_client("api", "api.acme.example", other)};
    const ServerCas server;
    KnownCertificates known;
    GateRules rules = {GateRule::parse_allow("group g methods=read").value()};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 60; ++i) {
                const bool is_good = (i + t) % 7 != 0;
                const auto snapshot = published.read();
                // A connection of its own, with a certificate of its own.
                const X509& leaf = *clients[is_good ? 0 : 1].cert;
                const std::string key = KnownCertificates::key_of(leaf, "", &server);
                auto certificate = known.find(key);
                if (!certificate) {
                    certificate = std::make_shared<KnownCertificate>(present(clients[is_good ? 0 : 1]));
                    known.keep(key, certificate);
                }
                const Identification& who = certificate->identify(snapshot, server, std::time(nullptr));
                if ((who.reason == Reason::kGranted) != is_good) ++wrong;
                if (!is_good) continue;
                if (!decide({&rules}, {.who = &who, .line = {"GET", "/"}}).granted()) ++wrong;
            }
        });
    }
    for (int i = 0; i < 10; ++i) published.publish(make_snapshot(ca));
    for (std::thread& thread : threads) thread.join();
    CHECK_EQUAL(wrong.load(), 0);
}

CLAIM(an_answer_is_found_again_only_when_something_changed) {
    const auto ca = test::make_ca("Cache CA");
    Published<Snapshot> published;
    published.publish(make_snapshot(ca));
    const auto snapshot = published.read();
    KnownCertificate known(present(test::make_client("api", "api.acme.example", ca)));
    const ServerCas server, other_server;
    const std::int64_t now = std::time(nullptr);
    // What it returns stays valid while the snapshot is looked at, so addresses tell answers apart.
    const Identification& first = known.identify(snapshot, server, now);
    CHECK(&first == &known.identify(snapshot, server, now + 1));
    CHECK(&first != &known.identify(snapshot, other_server, now));
    const Identification& expired = known.identify(snapshot, server, now + 90000);
    CHECK(expired.reason == Reason::kExpired);
    CHECK(known.identify(snapshot, server, now).reason == Reason::kGranted);
    CHECK(first.reason == Reason::kGranted);
}

namespace {

// `make soak` asks for 10,000.
int wanted_reloads() {
    const char* const asked_for = std::getenv("RELOADS");
    return asked_for != nullptr ? std::atoi(asked_for) : 1500;
}

}  // namespace

CLAIM(thousands_of_reloads_while_threads_decide_race_with_nothing_and_answer_rightly) {
    const auto ca = test::make_ca("Live CA");
    std::string folder = "/tmp/mtls-threads-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
    const auto put = [&folder](const std::string& name, const std::string& content) {
        std::ofstream(folder + "/.new") << content;
        std::filesystem::rename(folder + "/.new", folder + "/" + name);
    };
    put("ca.pem", ca.cert_pem());
    std::filesystem::create_directory(folder + "/partners");
    const auto acme = [](int i) {
        return "<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\nMTLSGrant read /a/**\n" +
               std::string(i % 2 == 0 ? "MTLSGrant read /b/**\n" : "") + "</MTLSPartner>\n# " + std::to_string(i) +
               "\n";
    };
    put("partners/acme.conf", acme(0));
    LivePolicy live(folder);
    live.policy_source().watch({folder + "/partners/*.conf", "partners/*.conf", {"httpd.conf", 1}});
    live.share_between_processes(*KeeperBoard::create());
    std::vector<Diagnostic> findings, reported;
    CHECK(live.start(findings, reported) != nullptr);

    KnownCertificate good(present(test::make_client("api", "api.acme.example", ca)));
    KnownCertificate unknown(present(test::make_client("x", "x.example", ca)));
    const ServerCas server;
    const GateRules rules = {GateRule::parse_allow("by-grant").value()};
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0}, with_b{0}, without_b{0};
    const auto hammer = [&] {
        while (!done) {
            const auto snapshot = live.current();
            const Identification& who = good.identify(snapshot, server, std::time(nullptr));
            const auto granted = [&](const char* path) {
                return decide({&rules}, {.who = &who, .line = {"GET", path}}).granted();
            };
            if (!granted("/a/x") || granted("/c/x")) ++wrong;
            ++(granted("/b/x") ? with_b : without_b);
            if (unknown.identify(snapshot, server, std::time(nullptr)).reason != Reason::kUnknownPartner) ++wrong;
        }
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) threads.emplace_back(hammer);
    int policy_changed = 0, failed = 0;
    const int reloads = wanted_reloads();
    for (int i = 1; policy_changed < reloads && i < 2 * reloads; ++i) {
        // Now and then a broken file, or none at all: the policy stays.
        const bool broken = i % 50 == 0, gone = i % 50 == 1;
        if (gone) std::filesystem::remove(folder + "/partners/acme.conf");
        if (!gone) put("partners/acme.conf", broken ? "nonsense\n" : acme(i));
        live.look();
        const PollResult outcome = live.look();
        policy_changed += outcome.policy_changed ? 1 : 0;
        failed += outcome.refused.empty() ? 0 : 1;
        if (outcome.policy_changed == (broken || gone)) ++wrong;
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    std::filesystem::remove_all(folder);
    CHECK_EQUAL(wrong.load(), 0);
    CHECK_EQUAL(policy_changed, reloads);
    CHECK(failed > reloads / 33);
    CHECK(with_b > 100 && without_b > 100);
}

CLAIM(threads_count_and_tell_together_without_a_race) {
    Ledger* const ledger = Ledger::create();
    constexpr int kThreads = 4;
    const int rounds = 2 * wanted_reloads();
    std::atomic<int> torn{0};
    std::atomic<std::size_t> admitted{0};
    const auto work = [&](int t) {
        for (int i = 0; i < rounds; ++i) {
            const std::string name = "p" + std::to_string(i % 1500);
            const std::size_t number = ledger->sightings.number_of(partner_key(name), name);
            ledger->decisions.count(Outcome::kAllow, Reason::kGranted, number);
            if (ledger->limiter.admits({"about", 17, 3}, 1000)) ++admitted;
            if (i % 100 != t) continue;
            const std::string text(50, static_cast<char>('a' + t));
            ledger->sightings.see(0, {t, t, t, false, text, text, text});
            Example example;
            example.subject = text;
            example.time = t;
            ledger->examples.add(Reason::kExpired, example);
            for (const Example& e : ledger->examples.newest(Reason::kExpired)) {
                if (e.subject.str() != std::string(50, static_cast<char>('a' + e.time))) ++torn;
            }
            for (const auto& seen : ledger->sightings.all()) {
                const bool whole = !seen.last || seen.last->subject.str()[0] == 'a' + seen.last->seen;
                if (!whole) ++torn;
            }
        }
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
    for (std::thread& thread : threads) thread.join();
    const std::uint64_t all = std::uint64_t{kThreads} * static_cast<std::uint64_t>(rounds);
    CHECK_EQUAL(ledger->decisions.decisions(Outcome::kAllow, Reason::kGranted), all);
    std::uint64_t of_partners = 0;
    for (std::size_t i = 0; i <= kCountedPartners; ++i) of_partners += ledger->decisions.of_partner(i, Outcome::kAllow);
    CHECK_EQUAL(of_partners, all);
    CHECK(ledger->decisions.of_partner(kCountedPartners, Outcome::kAllow) > 0);
    CHECK_EQUAL(admitted.load(), LogLimiter::kInFull);
    CHECK_EQUAL(ledger->limiter.take_left_out(1060).front().count + admitted, all);
    CHECK_EQUAL(torn.load(), 0);
}

int main(int argc, char** argv) { return test::run_claims("threads", {argv + 1, argv + argc}); }
