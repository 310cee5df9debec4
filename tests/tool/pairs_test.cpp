// The tool's answer is the server's: random policies and certificates through both ways of asking.
#include <ctime>
#include <deque>
#include <random>

#include "explain/explanation.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/decide/known_certificates.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "tool.hpp"

using namespace test;

namespace {

constexpr unsigned kSeed = 20261125;  // the same pairs each time

class Chance {
public:
    bool one_in(int n) { return below(n) == 0; }
    int below(int n) { return static_cast<int>(engine_() % static_cast<unsigned>(n)); }
    template <class Range>
    const auto& of(const Range& range) {
        return range[static_cast<std::size_t>(below(static_cast<int>(std::size(range))))];
    }

private:
    std::mt19937 engine_{kSeed};
};

const std::vector<std::string> kNames = {"a", "b", "c"};
const std::vector<std::string> kPaths = {"/a", "/a/", "/a/b", "/a/b/c", "/p1/x", "/p2/x", "/a/..;/b", "/a%2fb", "/"};
const std::vector<std::string> kMethods = {"GET", "HEAD", "POST", "DELETE", "BREW"};

struct Random {
    Chance chance;
    std::vector<Identity> cas;

    std::string word() { return chance.of(kNames); }

    std::string selector() {
        switch (chance.below(8)) {
            case 0:
                return "DNS:" + word() + ".example.org";
            case 1:
                return "DNS:*.example.org";
            case 2:
                return "OU:" + word();
            case 3:
                return "O:" + word();
            case 4:
                return "!OU:" + word();
            case 5:
                return "EKU:clientAuth";
            case 6:
                return "URI:https://" + word() + ".example.org/*";
            default:
                return "CN:" + word();
        }
    }
    std::string selectors() {
        std::string out = "CN:" + word();
        if (chance.one_in(2)) out = "DNS:" + word() + ".example.org";
        for (int i = chance.below(3); i > 0; --i) out += " " + selector();
        return out;
    }

    std::string partner(int number) {
        std::string out = "<MTLSPartner p" + std::to_string(number) + ">\n";
        for (int i = chance.below(3); i >= 0; --i) out += "MTLSIdentity " + selectors() + "\n";
        if (chance.one_in(6)) out += "MTLSIdentity any\n";
        out += "MTLSTrustAnchor ca" + std::to_string(chance.below(3)) + ".pem\n";
        if (chance.one_in(3)) out += "MTLSTrustAnchor ca" + std::to_string(chance.below(3)) + ".pem until=2031-01-01\n";
        if (chance.one_in(8)) out += "MTLSSuspend On\n";
        if (chance.one_in(6)) out += chance.one_in(2) ? "MTLSNetwork 198.51.100.0/24\n" : "MTLSNetwork 2001:db8::/32\n";
        if (chance.one_in(8)) out += "MTLSValid until=2020-01-01\n";
        if (chance.one_in(8)) out += "MTLSCRL required\n";
        for (int i = chance.below(3); i > 0; --i) {
            out += "MTLSGrant " + std::string(chance.one_in(2) ? "read" : "GET,POST") + " " +
                   chance.of(std::vector<std::string>{"/a", "/a/**", "/a/*", "/%{partner}/x"}) +
                   (chance.one_in(3) ? " if OU:" + word() : "") + "\n";
        }
        return out + "</MTLSPartner>\n";
    }
    std::string policy() {
        std::string out;
        const int partners = 1 + chance.below(4);
        for (int i = 0; i < partners; ++i) out += partner(i);
        if (chance.one_in(3)) out += "MTLSGrant * /%{partner}/**\n";
        if (chance.one_in(4)) out += "MTLSRevoke OU:" + word() + "\n";
        return out;
    }

    mtls::PresentedCertificate certificate() {
        CertSpec spec;
        spec.subject = {{"O", word()}, {"CN", word()}};
        for (int i = chance.below(3); i > 0; --i) spec.subject.push_back({"OU", word()});
        if (chance.one_in(8)) spec.subject.push_back({"CN", word()});
        for (int i = chance.below(3); i > 0; --i) spec.san.emplace_back(GEN_DNS, word() + ".example.org");
        if (chance.one_in(3)) spec.san.emplace_back(GEN_URI, "https://" + word() + ".example.org/x");
        if (chance.one_in(12)) spec.not_after = -10;
        if (chance.one_in(12)) spec.san.emplace_back(GEN_DNS, std::string("a\0b", 3));
        if (chance.one_in(6)) spec.eku = "serverAuth";
        const Identity& issuer = chance.of(cas);
        const Identity leaf = issue(spec, &issuer);
        mtls::PresentedCertificate out;
        out.leaf = mtls::share(*leaf.cert);
        out.facts = mtls::read_facts(*leaf.cert);
        out.helpers = mtls::useful_helpers(*leaf.cert, {issuer.cert.get()}).certificates;
        return out;
    }
};

// As a request behind MTLSAllow by-grant goes through the module: the known certificate, the path, the gate.
mtls::Reason decide_as_module(mtls::KnownCertificate& known, const mtls::SnapshotReader& snapshot,
                              const mtls::ServerCas& server, std::int64_t now, const std::string& method,
                              const std::string& path, const std::string& from) {
    static const mtls::GateRules kRules = {mtls::GateRule::parse_allow("by-grant").value()};
    const mtls::Identification& who = known.identify(snapshot, server, now);
    const bool is_bad = mtls::find_path_fault(path) != mtls::PathFault::kNone;
    const std::string address = mtls::address_from_text(from);
    const mtls::Objection bad{mtls::Reason::kBadPath, {}};
    return mtls::decide({&kRules},
                        {.objection = is_bad ? &bad : nullptr, .who = &who, .address = address, .line = {method, path}})
        .reason;
}

}  // namespace

CLAIM(ten_thousand_random_pairs_are_explained_as_the_module_decides_them) {
    Bench bench;
    Random random;
    for (int i = 0; i < 3; ++i) {
        random.cas.push_back(make_ca("CA " + std::to_string(i)));
        bench.file("ca" + std::to_string(i) + ".pem", random.cas.back().cert_pem());
    }
    // One that two of the policies' anchors may stand above, and one that nobody names.
    random.cas.push_back(make_ca("Sub", &random.cas.front()));
    random.cas.push_back(make_ca("Stranger"));
    std::deque<mtls::KnownCertificate> certificates;
    for (int i = 0; i < 100; ++i) certificates.emplace_back(random.certificate());
    const mtls::ServerCas server;
    mtls::Published<mtls::Snapshot> published;
    std::map<mtls::Reason, int> seen;
    int pairs = 0;
    for (std::uint64_t serial = 1; pairs < 10000; ++serial) {
        const std::string text = random.policy();
        mtls::DiskFiles disk;
        mtls::PolicyBuilder builder(bench.folder(), disk);
        std::vector<mtls::Diagnostic> errors;
        const auto directives = mtls::read_directives(text, "p.conf", errors);
        for (const mtls::Directive& directive : directives.value()) builder.add(directive, mtls::Origin::kPolicyFile);
        std::shared_ptr<const mtls::Policy> policy = builder.build();
        test::check(policy != nullptr,
                    text + (builder.diagnostics().empty() ? "" : builder.diagnostics().front().str()), __FILE__,
                    __LINE__);
        published.publish(std::unique_ptr<const mtls::Snapshot>(new mtls::Snapshot{
            policy, std::make_shared<const mtls::Refusals>(), std::make_shared<const mtls::CrlSet>(), serial}));
        const mtls::SnapshotReader snapshot = published.read();
        for (mtls::KnownCertificate& known : certificates) {
            ++pairs;
            const std::int64_t now = std::time(nullptr) + (random.chance.one_in(10) ? 200000 : 0);
            const std::string& path = random.chance.of(kPaths);
            const std::string& method = random.chance.of(kMethods);
            const std::string from = random.chance.one_in(2) ? "198.51.100.7" : "2001:db8::7";
            const mtls::Reason by_module = decide_as_module(known, snapshot, server, now, method, path, from);
            const auto told =
                mtls::tool::explain_request(*policy, known.certificate(), {server, {}, {}, now}, method, path, from);
            test::check_equal(mtls::word_of(told.reason), mtls::word_of(by_module), method + " " + path + "\n" + text,
                              __FILE__, __LINE__);
            CHECK(!told.steps.empty());
            ++seen[by_module];
        }
    }
    // The pairs are worth something: every kind of answer is among them.
    using mtls::Reason;
    for (const Reason reason :
         {Reason::kGranted, Reason::kBadPath, Reason::kMalformedCertificate, Reason::kExpired, Reason::kRevoked,
          Reason::kNotVerified, Reason::kUnknownPartner, Reason::kWrongIssuer, Reason::kAmbiguous,
          Reason::kRevocationUnknown, Reason::kSuspended, Reason::kOutsideContract, Reason::kWrongNetwork,
          Reason::kNotAllowed, Reason::kMethodNotGranted}) {
        test::check(seen[reason] > 10,
                    std::string(mtls::word_of(reason)) + " came " + std::to_string(seen[reason]) + " times", __FILE__,
                    __LINE__);
    }
}
