// What the module says of revocation, over random chains, lists, scopes, reasons, deltas, keys and dates, beside
// OpenSSL's own check of CRLs, and the rules written down plainly. Usage: same_revocations [CASES [SEED]]
//
// Nothing that OpenSSL calls revoked is let in. With MTLSCRL required, the module is the stricter one where
// - another genuine list than the one that OpenSSL prefers revokes it, or a delta without its base, or an entry with
//   removeFromCRL in a complete list;
// - a list of its issuer, or of a CRL issuer that it names, lists it outside of the list's scope;
// - a certificate leaves its revocation to another CRL issuer, and only its own CA's list is at hand;
// - a distribution point without a name meets a list of certain points;
// - a base is past its nextUpdate, and a delta is not;
// - a complete list past its nextUpdate is all that covers a reason.
// It is the less strict one where OpenSSL stops at the first list that fits badly, or does not find the signer that an
// authorityKeyIdentifier does not name, though good ones are at hand.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>

#include "by_openssl.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "plainly.hpp"

namespace {

using namespace revocation;

std::shared_ptr<const mtls::Policy> make_policy(const Pki& pki, const std::string& rules, const std::string& folder) {
    std::ofstream(folder + "/root.pem") << pki.root.cert_pem();
    std::ofstream(folder + "/other.pem") << pki.other_root.cert_pem();
    std::ofstream intermediates(folder + "/ca.pem");
    for (const Identity* id : pki.intermediates()) intermediates << id->cert_pem();
    intermediates.close();
    const std::string text =
        rules + "<MTLSPartner acme>\nMTLSIdentity any\nMTLSTrustAnchor root.pem\nMTLSIntermediate ca.pem\n" +
        "</MTLSPartner>\n<MTLSPartner bee>\nMTLSIdentity any\nMTLSTrustAnchor other.pem\n</MTLSPartner>\n";
    std::vector<mtls::Diagnostic> errors;
    auto directives = mtls::read_directives(text, "p.conf", errors);
    mtls::DiskFiles disk;
    mtls::PolicyBuilder builder(folder, disk);
    for (const mtls::Directive& d : directives.value()) builder.add(d);
    auto policy = builder.build();
    for (const mtls::Diagnostic& d : builder.diagnostics()) std::fprintf(stderr, "%s\n", d.str().c_str());
    return policy;
}

// As CrlFiles puts lists in force.
mtls::CrlSet put_in_force(const std::vector<const List*>& lists, const mtls::CasByName& known, std::int64_t now) {
    mtls::CrlSet set;
    for (const List* list : lists) {
        if (list->read.ok()) {
            set.add(list->read.value(), known, now);
        } else {
            set.mark_unusable(mtls::read_name(*X509_CRL_get_issuer(list->crl.get())).canonical, list->read.error());
        }
    }
    return set;
}

// What OpenSSL is given: the current ones, the latest first, since of several deltas it takes the first that fits. Not
// a delta of some reasons: it takes that for a complete list, and leaves its scope and its signer's path unasked. Nor a
// delta of the future: where its base is in time, it does not ask for the delta's dates.
std::vector<const List*> current(const std::vector<const List*>& lists) {
    std::vector<const List*> out;
    for (const List* list : lists) {
        const bool taken_for_complete = list->spec.base && list->spec.scope && list->spec.scope->reasons != 0;
        const bool dates_unasked = list->spec.base && list->spec.this_update > 0;
        if (!taken_for_complete && !dates_unasked && !is_superseded(*list, lists)) out.push_back(list);
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const List* a, const List* b) { return a->spec.this_update > b->spec.this_update; });
    return out;
}

void describe(const Pki& pki, const Pki::Leaf& leaf, const Identity& ca, const std::vector<const List*>& lists) {
    const std::pair<const Identity*, const char*> names[] = {{&pki.root, "root"},
                                                             {&pki.old_ca, "old CA"},
                                                             {&pki.new_ca, "new CA"},
                                                             {&pki.list_key, "list key"},
                                                             {&pki.past_ca, "expired CA"},
                                                             {&pki.crl_issuer, "CRL issuer"},
                                                             {&pki.other_ca, "other CA"},
                                                             {&pki.stranger, "stranger"},
                                                             {&pki.other_root, "other root"},
                                                             {&pki.other_crl_issuer, "other CRL issuer"}};
    std::fprintf(stderr, "leaf: %s (serial %s)%s\n", leaf.shape.c_str(), test::serial_of(leaf.id).c_str(),
                 &ca == leaf.issuer ? "" : ", by its other certificate");
    for (const List* list : lists) {
        const test::ListSpec& s = list->spec;
        const char* by = "?";
        for (const auto& [id, name] : names) by = id == s.signer ? name : by;
        std::fprintf(stderr, "  list by the %s, number %ld, base %ld, from %ld to %ld,%s%s%s%s%s; lists:", by,
                     s.number.value_or(-1), s.base.value_or(-1), static_cast<long>(s.this_update),
                     static_cast<long>(s.next_update.value_or(0)), scope_of(s).c_str(), s.names_key ? " AKID" : "",
                     list->read.ok() ? "" : " refused", s.damaged ? " damaged" : "",
                     is_superseded(*list, lists) ? " superseded" : "");
        for (const test::EntrySpec& e : s.entries) {
            const bool is_leaf = e.serial == test::serial_of(leaf.id);
            const bool is_issuer = e.serial == test::serial_of(ca);
            if (!e.issuers.empty() || is_leaf || is_issuer) {
                std::fprintf(stderr, " %s(%ld)%s",
                             is_leaf     ? "leaf"
                             : is_issuer ? "issuer"
                                         : "-",
                             e.reason, e.issuers.empty() ? "" : " of its issuer");
            }
        }
        std::fprintf(stderr, "\n");
    }
}

// The old CA has a second certificate of the same key: either makes a path.
const Identity& ca_of_path(const Pki& pki, const Pki::Leaf& leaf, const mtls::Identification& found) {
    const bool is_other =
        !found.intermediates.empty() && X509_cmp(found.intermediates.front().get(), pki.silent_ca.cert.get()) == 0;
    return is_other ? pki.silent_ca : *leaf.issuer;
}

using Counts = std::map<std::pair<std::string, std::string>, long>;

int compare(long cases, unsigned seed, const std::string& folder) {
    const Pki pki;
    const auto strict = make_policy(pki, "MTLSCRL required\n", folder);
    const auto forgiving = make_policy(pki, "MTLSCRLStale allow\n", folder);
    const std::int64_t now = std::time(nullptr);
    RandomLists random(pki, now, seed);
    std::vector<mtls::PresentedCertificate> presented;
    for (const Pki::Leaf& leaf : pki.leaves) presented.emplace_back(*leaf.id.cert, mtls::SentHelpers());
    const mtls::ServerCas server;
    const mtls::Refusals refusals;
    Counts counts;
    for (long i = 0; i < cases; ++i) {
        const auto which = static_cast<std::size_t>(random.below(static_cast<int>(pki.leaves.size())));
        const Pki::Leaf& leaf = pki.leaves[which];
        const std::vector<const List*> lists = random.some();
        const bool signers_known = !random.one_in(3);
        const mtls::CasByName known = [&](const std::string& name) {
            return signers_known ? strict->cas().cas_named(name) : std::vector<mtls::X509Ptr>();
        };
        const mtls::CrlSet set = put_in_force(lists, known, now);
        const auto ask = [&](const mtls::Policy& policy) {
            return identify(policy, presented[which], {server, refusals, set, now});
        };
        const mtls::Identification found = ask(*strict);
        const mtls::Reason strictly = found.reason;
        const mtls::Reason forgivingly = ask(*forgiving).reason;
        const Identity& ca = ca_of_path(pki, leaf, found);
        const OpensslAnswer openssl = ask_openssl(pki, leaf, ca, current(lists), now);
        const PlainAnswer plain = ask_plainly(pki, leaf, ca, lists, false);
        const char* fault = nullptr;
        if (openssl.verdict == Verdict::kRevoked && forgivingly != mtls::Reason::kRevoked)
            fault = "revoked for OpenSSL, but not with MTLSCRLStale allow";
        if (openssl.verdict == Verdict::kRevoked && strictly == mtls::Reason::kGranted)
            fault = "revoked for OpenSSL, but granted with MTLSCRL required";
        if (plain.listed && strictly == mtls::Reason::kGranted) fault = "listed, but granted";
        if (!plain.is_open && (strictly == mtls::Reason::kGranted) != (plain.covered && !plain.listed))
            fault = "not what the rules say, with MTLSCRL required";
        if (strictly == mtls::Reason::kRevoked && !plain.listed) fault = "revoked, but not listed";
        if ((forgivingly == mtls::Reason::kGranted) == ask_plainly(pki, leaf, ca, lists, true).listed)
            fault = "not what the rules say, with MTLSCRLStale allow";
        if (fault != nullptr) {
            std::fprintf(stderr, "seed %u, case %ld: %s\nOpenSSL: %s; by the rules: %s, %s; required: %s; allow: %s\n",
                         seed, i, fault, openssl.error.c_str(), plain.listed ? "listed" : "not listed",
                         plain.covered ? "covered" : "not covered", std::string(mtls::word_of(strictly)).c_str(),
                         std::string(mtls::word_of(forgivingly)).c_str());
            describe(pki, leaf, ca, lists);
            return 1;
        }
        ++counts[{openssl.error.empty() ? "good" : openssl.error, std::string(mtls::word_of(strictly))}];
    }
    for (const auto& [cell, n] : counts) {
        std::printf("  %8ld  OpenSSL: %-36s here: %s\n", n, cell.first.c_str(), cell.second.c_str());
    }
    for (const char* reason : {"granted", "revoked", "revocation-stale", "revocation-unknown"}) {
        if (counts[{"good", reason}] > 0) continue;
        std::fprintf(stderr, "seed %u: of %ld cases none was good for OpenSSL and %s here\n", seed, cases, reason);
        return 1;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const long cases = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 20000;
    const unsigned seed = argc > 2 ? static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)) : 20261126;
    std::string folder = "/tmp/mtls-revocations-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) return 1;
    const int status = compare(cases, seed, folder);
    std::filesystem::remove_all(folder);
    if (status == 0)
        std::printf("%ld cases: revoked wherever OpenSSL says so, and granted where the rules say so\n", cases);
    return status;
}
