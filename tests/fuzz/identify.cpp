// A leaf, intermediates and CRLs together, beside OpenSSL's own answer.
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "targets.hpp"

namespace fuzz {

namespace {

using mtls::X509CrlPtr;
using mtls::X509Ptr;
using CrlStack =
    std::unique_ptr<STACK_OF(X509_CRL), mtls::FreeWith<+[](STACK_OF(X509_CRL) * s) { sk_X509_CRL_free(s); }>>;

constexpr std::size_t kRootKey = 0, kSubKey = 1;

// Two partners: acme trusts a root, and bee a CA below it.
struct World {
    std::array<mtls::EvpPkeyPtr, 4> keys;
    X509Ptr root, sub;
    std::shared_ptr<const mtls::Policy> policy;
    const mtls::Partner* acme = nullptr;
    std::int64_t now = std::time(nullptr);

    World() {
        for (mtls::EvpPkeyPtr& key : keys) key.reset(EVP_EC_gen("P-256"));
        root = make_ca(kIdentifyRoot, kIdentifyRoot, kRootKey, kRootKey, 1);
        sub = make_ca(kIdentifySub, kIdentifyRoot, kSubKey, kRootKey, 2);
        std::string folder = "/tmp/mtls-fuzz-XXXXXX";
        require(mkdtemp(folder.data()) != nullptr);
        write_pem(folder + "/root.pem", *root);
        write_pem(folder + "/sub.pem", *sub);
        std::vector<mtls::Diagnostic> errors;
        const auto directives = mtls::read_directives(
            "<MTLSPartner acme>\nMTLSIdentity any\nMTLSTrustAnchor root.pem\n</MTLSPartner>\n"
            "<MTLSPartner bee>\nMTLSIdentity any\nMTLSTrustAnchor sub.pem\n</MTLSPartner>\n",
            "fuzz", errors);
        mtls::DiskFiles disk;
        mtls::PolicyBuilder builder(folder, disk);
        for (const mtls::Directive& d : directives.value()) builder.add(d);
        policy = builder.build();
        std::filesystem::remove_all(folder);
        require(policy != nullptr);
        acme = policy->partners()[0].name == "acme" ? &policy->partners()[0] : &policy->partners()[1];
    }

private:
    static void write_pem(const std::string& file, const X509& certificate) {
        const std::string der = mtls::encode(i2d_X509, certificate);
        std::ofstream(file, std::ios::binary) << der;
    }

    X509Ptr make_ca(const char* subject, const char* issuer, std::size_t key, std::size_t signer, long serial) const {
        X509Ptr out(X509_new());
        X509_set_version(out.get(), X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(out.get()), serial);
        ASN1_TIME_set(X509_getm_notBefore(out.get()), static_cast<time_t>(now - 86400));
        ASN1_TIME_set(X509_getm_notAfter(out.get()), static_cast<time_t>(now + 86400L * 365));
        for (const auto& [name, text] : {std::pair(X509_get_subject_name(out.get()), subject),
                                         std::pair(X509_get_issuer_name(out.get()), issuer)}) {
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text), -1, -1,
                                       0);
        }
        X509_set_pubkey(out.get(), keys[key].get());
        for (const auto& [nid, value] : {std::pair(NID_basic_constraints, "critical,CA:TRUE"),
                                         std::pair(NID_key_usage, "critical,keyCertSign,cRLSign")}) {
            X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
            X509_add_ext(out.get(), extension, -1);
            X509_EXTENSION_free(extension);
        }
        require(X509_sign(out.get(), keys[signer].get(), EVP_sha256()) > 0);
        return out;
    }
};

// As they come from peers and files: signed, and decoded from what that makes.
struct Presented {
    std::vector<X509Ptr> certificates;  // the leaf first
    std::vector<X509CrlPtr> lists;
};

Presented sign_all(const World& world, std::string_view input) {
    Presented out;
    while (input.size() > 3 && out.certificates.size() + out.lists.size() < kMostIdentifyItems) {
        const auto role = static_cast<unsigned char>(input[0]);
        const std::size_t size =
            static_cast<std::size_t>(static_cast<unsigned char>(input[1])) << 8 | static_cast<unsigned char>(input[2]);
        std::string_view der = input.substr(3, size);
        input.remove_prefix(3 + der.size());
        EVP_PKEY* const signer = world.keys[role >> 2 & 3].get();
        if ((role & kIdentifyCrl) != 0) {
            const auto* p = reinterpret_cast<const unsigned char*>(der.data());
            const X509CrlPtr list(d2i_X509_CRL(nullptr, &p, static_cast<long>(der.size())));
            if (!list || X509_CRL_sign(list.get(), signer, EVP_sha256()) <= 0) continue;
            const std::string made = mtls::encode(i2d_X509_CRL, *list);
            p = reinterpret_cast<const unsigned char*>(made.data());
            X509CrlPtr again(d2i_X509_CRL(nullptr, &p, static_cast<long>(made.size())));
            if (again) out.lists.push_back(std::move(again));
            continue;
        }
        const X509Ptr certificate = mtls::take_x509(der);
        if (!certificate || X509_set_pubkey(certificate.get(), world.keys[role & 3].get()) != 1) continue;
        if (X509_sign(certificate.get(), signer, EVP_sha256()) <= 0) continue;
        const std::string made = mtls::encode(i2d_X509, *certificate);
        std::string_view encoded = made;
        X509Ptr again = mtls::take_x509(encoded);
        if (again) out.certificates.push_back(std::move(again));
    }
    return out;
}

int index_of_revoked() {
    static const int index = X509_STORE_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

// A list past its nextUpdate revokes what it lists; any other fault ends the question.
int on_error(int ok, X509_STORE_CTX* ctx) {
    if (ok == 1) return 1;
    const int error = X509_STORE_CTX_get_error(ctx);
    auto* const revoked = static_cast<bool*>(X509_STORE_CTX_get_ex_data(ctx, index_of_revoked()));
    const bool is_anchor = X509_STORE_CTX_get_error_depth(ctx) + 1 == sk_X509_num(X509_STORE_CTX_get0_chain(ctx));
    if (is_anchor) return 1;
    if (revoked != nullptr && error == X509_V_ERR_CERT_REVOKED) *revoked = true;
    return error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_UNABLE_TO_GET_CRL ? 1 : 0;
}

// X509_verify_cert() with these intermediates alone, and `anchor`; `list`: null, or what has to revoke nothing.
struct OpensslAnswer {
    bool ok = false;
    bool revoked = false;
};
OpensslAnswer ask_openssl(X509& leaf, const std::vector<X509*>& between, X509& anchor, X509_CRL* list,
                          std::int64_t now) {
    const mtls::X509StorePtr store(X509_STORE_new());
    const mtls::X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    const mtls::BorrowedX509Stack helpers = mtls::stack_of(between), trusted = mtls::stack_of({&anchor});
    const CrlStack lists(sk_X509_CRL_new_null());
    X509_STORE_CTX_init(ctx.get(), store.get(), &leaf, helpers.get());
    X509_STORE_CTX_set0_trusted_stack(ctx.get(), trusted.get());
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(now));
    unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK;
    X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy));
    OpensslAnswer answer;
    if (list != nullptr) {
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_EXTENDED_CRL_SUPPORT;
        sk_X509_CRL_push(lists.get(), list);
        X509_STORE_CTX_set0_crls(ctx.get(), lists.get());
        X509_STORE_CTX_set_verify_cb(ctx.get(), on_error);
        X509_STORE_CTX_set_ex_data(ctx.get(), index_of_revoked(), &answer.revoked);
    }
    X509_VERIFY_PARAM_set_flags(param, flags);
    answer.ok = X509_verify_cert(ctx.get()) == 1;
    return answer;
}

// OpenSSL takes the first of several issuers of one name, in the order in which they are given, and does not go back.
template <class Holds>
bool in_some_order(std::vector<X509*> certificates, Holds holds) {
    constexpr std::size_t kMostOrdered = 5;
    std::sort(certificates.begin(), certificates.end());
    do {
        if (holds(certificates)) return true;
    } while (certificates.size() <= kMostOrdered && std::next_permutation(certificates.begin(), certificates.end()));
    return false;
}

bool is_at(const X509& certificate, std::int64_t now) {
    const mtls::CertificateFacts facts = mtls::read_facts(certificate);
    return facts.malformed.empty() && facts.not_before <= now && now <= facts.not_after;
}

}  // namespace

void identify(std::string_view input) {
    static const World world;
    const mtls::ErrorQueueGuard errors;
    Presented all = sign_all(world, input);
    if (all.certificates.empty()) return;
    X509& leaf = *all.certificates.front();
    std::vector<X509*> sent;
    for (const X509Ptr& c : all.certificates) sent.push_back(c.get());
    sent.erase(sent.begin());

    const mtls::CasByName known = [](const std::string& name) {
        return world.policy->cas().cas_named(name, world.now);
    };
    mtls::CrlSet crls;
    for (const X509CrlPtr& list : all.lists) {
        const std::string name = mtls::read_name(*X509_CRL_get_issuer(list.get())).canonical;
        X509_CRL_up_ref(list.get());
        auto read = mtls::Crl::read(X509CrlPtr(list.get()));
        if (read) {
            crls.add(std::move(read.value()), known, world.now);
        } else {
            crls.mark_unusable(name, read.error());
        }
    }
    const mtls::ServerCas server;
    const mtls::Refusals refusals;
    const mtls::PresentedCertificate presented(leaf, mtls::useful_helpers(leaf, sent));
    const auto ask = [&] { return mtls::identify(*world.policy, presented, {server, refusals, crls, world.now}); };
    const mtls::Identification found = ask();
    require(ask().reason == found.reason);
    require(found.valid_from <= world.now && world.now <= found.valid_until);
    if (found.reason != mtls::Reason::kGranted) return;

    // A certificate that names its second of notAfter: OpenSSL takes it for expired then.
    require(is_at(leaf, world.now));
    const bool is_acmes = found.partner == world.acme;
    X509& anchor = is_acmes ? *world.root : *world.sub;
    std::vector<X509*> between;
    for (const X509Ptr& c : found.intermediates) {
        between.push_back(c.get());
        require(is_at(*c, world.now));
        // The nearest CA that the policy names decides.
        const bool is_sub =
            X509_NAME_cmp(X509_get_subject_name(c.get()), X509_get_subject_name(world.sub.get())) == 0 &&
            mtls::key_sha256(*c) == mtls::key_sha256(*world.sub);
        require(!is_sub);
    }
    require(in_some_order(between, [&](const std::vector<X509*>& order) {
        return ask_openssl(leaf, order, anchor, nullptr, world.now).ok;
    }));
    // Of several lists OpenSSL asks one, and perhaps one that another has taken the place of.
    if (all.lists.size() != 1) return;
    require(!in_some_order(between, [&](const std::vector<X509*>& order) {
        return ask_openssl(leaf, order, anchor, all.lists.front().get(), world.now).revoked;
    }));
}

}  // namespace fuzz
