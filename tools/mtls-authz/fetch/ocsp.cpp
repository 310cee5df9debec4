
#include "ocsp.hpp"

#include <openssl/bn.h>
#include <openssl/ocsp.h>

#include <memory>

#include "mtls_authz/base/calendar.hpp"

namespace mtls::tool {

namespace {

using OcspRequestPtr = std::unique_ptr<OCSP_REQUEST, FreeWith<OCSP_REQUEST_free>>;
using OcspResponsePtr = std::unique_ptr<OCSP_RESPONSE, FreeWith<OCSP_RESPONSE_free>>;
using OcspBasicPtr = std::unique_ptr<OCSP_BASICRESP, FreeWith<OCSP_BASICRESP_free>>;
using OcspIdPtr = std::unique_ptr<OCSP_CERTID, FreeWith<OCSP_CERTID_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, FreeWith<ASN1_TIME_free>>;

constexpr int kSecurityLevel = 2;  // 112 bits

OcspIdPtr id_of(const X509& issuer, const std::string& serial) {
    BIGNUM* read = nullptr;
    if (BN_hex2bn(&read, serial.c_str()) != static_cast<int>(serial.size())) {
        BN_free(read);
        return {};
    }
    const BignumPtr number(read);
    const IntegerPtr encoded(BN_to_ASN1_INTEGER(number.get(), nullptr));
    if (!encoded) throw std::bad_alloc();
    // SHA-1 only identifies here, and every responder supports it (RFC 5019 2.1.1).
    return OcspIdPtr(
        OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(&issuer), X509_get0_pubkey_bitstr(&issuer), encoded.get()));
}

std::int64_t seconds_of(const ASN1_GENERALIZEDTIME* time) {
    if (time == nullptr) return 0;
    const TimePtr epoch(ASN1_TIME_set(nullptr, 0));
    int days = 0, seconds = 0;
    return ASN1_TIME_diff(&days, &seconds, epoch.get(), time) == 1 ? std::int64_t{days} * kDay + seconds : 0;
}

bool is_weak(const OCSP_BASICRESP& basic) {
    int digest = NID_undef, key = NID_undef;
    const X509_ALGOR* const algorithm = OCSP_resp_get0_tbs_sigalg(&basic);
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    if (OBJ_find_sigid_algs(OBJ_obj2nid(object), &digest, &key) != 1) return false;
    return digest == NID_sha1 || digest == NID_md5;
}

// "" if the issuer, or a responder that it authorised, signed the answer; else the fault.
std::string find_signature_fault(OCSP_BASICRESP& basic, const X509& issuer) {
    if (is_weak(basic)) return "is signed with a digest below 112 bits";
    const X509StorePtr store(X509_STORE_new());
    auto* const trusted = const_cast<X509*>(&issuer);
    if (!store || X509_STORE_add_cert(store.get(), trusted) != 1) throw std::bad_alloc();
    X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(store.get()), kSecurityLevel);
    const BorrowedX509Stack candidates = stack_of({trusted});
    if (OCSP_basic_verify(&basic, candidates.get(), store.get(), OCSP_NOEXPLICIT) == 1) return {};
    const char* const why = ERR_reason_error_string(ERR_peek_last_error());
    return std::string("is signed neither by the issuer nor by a responder that it certified for OCSP") +
           (why != nullptr ? std::string(" (") + why + ")" : "");
}

}  // namespace

std::string ocsp_request(const X509& issuer, const std::string& serial) {
    const ErrorQueueGuard errors;
    OcspIdPtr id = id_of(issuer, serial);
    const OcspRequestPtr request(OCSP_REQUEST_new());
    if (!id || !request || OCSP_request_add0_id(request.get(), id.get()) == nullptr) return {};
    static_cast<void>(id.release());  // the request owns it
    return encode(i2d_OCSP_REQUEST, *request);
}

Result<OcspAnswer> read_ocsp_answer(const std::string& der, const X509& issuer, const std::string& serial,
                                    std::int64_t now) {
    const ErrorQueueGuard errors;
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const OcspResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
    if (!response) return Error{"is no OCSP response"};
    const int response_status = OCSP_response_status(response.get());
    if (response_status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        return Error{std::string("says ") + OCSP_response_status_str(response_status)};
    }
    const OcspBasicPtr basic(OCSP_response_get1_basic(response.get()));
    if (!basic) return Error{"is no basic OCSP response"};
    const std::string fault = find_signature_fault(*basic, issuer);
    if (!fault.empty()) return Error{fault};
    const OcspIdPtr id = id_of(issuer, serial);
    int status = 0, reason = 0;
    ASN1_GENERALIZEDTIME *revoked = nullptr, *from = nullptr, *until = nullptr;
    if (!id || OCSP_resp_find_status(basic.get(), id.get(), &status, &reason, &revoked, &from, &until) != 1) {
        return Error{"is not about this certificate"};
    }
    OcspAnswer out;
    out.this_update = seconds_of(from);
    out.next_update = seconds_of(until);
    if (out.this_update == 0 || (until != nullptr && out.next_update == 0)) return Error{"has no readable dates"};
    if (out.this_update > now + kClockSkew) return Error{"is of the future, " + format_time(out.this_update)};
    if (until != nullptr ? out.next_update + kClockSkew < now : out.this_update + kDay < now) {
        return Error{"is out of date: of " + format_time(out.this_update) +
                     (until != nullptr ? ", for until " + format_time(out.next_update) : ", and names no nextUpdate")};
    }
    if (status == V_OCSP_CERTSTATUS_GOOD) out.status = OcspAnswer::Status::kGood;
    if (status == V_OCSP_CERTSTATUS_REVOKED) {
        out.status = OcspAnswer::Status::kRevoked;
        out.revoked_at = seconds_of(revoked);
        if (reason >= 0) out.reason = OCSP_crl_reason_str(reason);
    }
    return out;
}

}  // namespace mtls::tool
