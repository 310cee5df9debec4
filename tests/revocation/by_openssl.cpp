#include "by_openssl.hpp"

namespace revocation {

namespace {

using CrlStack =
    std::unique_ptr<STACK_OF(X509_CRL), mtls::FreeWith<+[](STACK_OF(X509_CRL) * s) { sk_X509_CRL_free(s); }>>;

int index_of_answer() {
    static const int index = X509_STORE_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

int on_error(int ok, X509_STORE_CTX* ctx) {
    if (ok == 1) return 1;
    auto* const answer = static_cast<OpensslAnswer*>(X509_STORE_CTX_get_ex_data(ctx, index_of_answer()));
    const int error = X509_STORE_CTX_get_error(ctx);
    // Nothing is asked about the anchor.
    if (X509_STORE_CTX_get_error_depth(ctx) + 1 == sk_X509_num(X509_STORE_CTX_get0_chain(ctx))) return 1;
    // The path of a list's signer, where there is no answer to write to, is verified in the same way.
    if (answer != nullptr && answer->error.empty()) answer->error = X509_verify_cert_error_string(error);
    if (answer != nullptr && answer->verdict != Verdict::kRevoked) {
        answer->verdict = error == X509_V_ERR_CERT_REVOKED ? Verdict::kRevoked : Verdict::kNotKnown;
    }
    return error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_UNABLE_TO_GET_CRL ? 1 : 0;
}

}  // namespace

OpensslAnswer ask_openssl(const Pki& pki, const Pki::Leaf& leaf, const Identity& ca,
                          const std::vector<const List*>& lists, std::int64_t now) {
    const mtls::ErrorQueueGuard errors;
    const mtls::X509StorePtr store(X509_STORE_new());
    const mtls::X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    const mtls::BorrowedX509Stack helpers(sk_X509_new_null());
    X509_STORE_add_cert(store.get(), pki.root.cert.get());
    // Signatures of certificates are not in question, and take most of the time; those of lists are.
    X509_STORE_set_verify(store.get(), [](X509_STORE_CTX*) { return 1; });
    sk_X509_push(helpers.get(), ca.cert.get());  // the first that fits is taken
    for (const Identity* id : pki.intermediates()) sk_X509_push(helpers.get(), id->cert.get());
    const CrlStack crls(sk_X509_CRL_new_null());
    for (const List* list : lists) sk_X509_CRL_push(crls.get(), list->crl.get());

    OpensslAnswer answer;
    X509_STORE_CTX_init(ctx.get(), store.get(), leaf.id.cert.get(), helpers.get());
    X509_STORE_CTX_set0_crls(ctx.get(), crls.get());
    X509_STORE_CTX_set_verify_cb(ctx.get(), on_error);
    X509_STORE_CTX_set_ex_data(ctx.get(), index_of_answer(), &answer);
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
                                           X509_V_FLAG_EXTENDED_CRL_SUPPORT | X509_V_FLAG_USE_DELTAS);
    X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(now));
    X509_verify_cert(ctx.get());
    return answer;
}

}  // namespace revocation
