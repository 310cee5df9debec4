#include "mtls_authz/certificate/certificate_file.hpp"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <new>
#include <string_view>
#include <utility>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

using Pkcs7Ptr = std::unique_ptr<PKCS7, FreeWith<PKCS7_free>>;
using Pkcs12Ptr = std::unique_ptr<PKCS12, FreeWith<PKCS12_free>>;
using EncryptedKeyPtr = std::unique_ptr<X509_SIG, FreeWith<X509_SIG_free>>;  // RFC 5208 6
using RequestPtr = std::unique_ptr<X509_REQ, FreeWith<X509_REQ_free>>;

const char* const kPkcs12 =
    "is PKCS#12 (.p12, .pfx), with a private key beside the certificates: openssl pkcs12 -in FILE -nokeys -out "
    "FILE.pem";
const char* const kRequest =
    "is a certificate request (.csr), from which a CA makes a certificate: ask for that certificate";
const char* const kKey = "holds a private key and no certificate: keep it secret, and ask for the certificate";
const char* const kCrl = "is a CRL and no certificate: MTLSCRLFile takes it";
const char* const kJson =
    "is JSON and no certificate: a SPIFFE bundle is an anchor as MTLSTrustAnchor bundle:FILE trust-domain=NAME";
const char* const kNone =
    "holds no PEM certificate, nor DER or PKCS#7: expected one or more blocks of -----BEGIN CERTIFICATE-----, as "
    "openssl x509 prints it";
const char* const kWhole = ": expected one or more blocks of -----BEGIN CERTIFICATE-----, each whole";

// What the labels of PEM blocks begin with, in lower case.
constexpr std::array<std::string_view, 7> kLabels = {"cert", "x509", "x.509", "trusted", "crl", "pkcs", "cms"};

const unsigned char* bytes_at(std::string_view der) { return reinterpret_cast<const unsigned char*>(der.data()); }

// Decodes one value that must span all of `der`.
template <class Ptr, class Type>
Ptr decode_whole(Type* (*d2i)(Type**, const unsigned char**, long), std::string_view der) {
    const auto* p = bytes_at(der);
    const auto* const end = p + der.size();
    Ptr value(d2i(nullptr, &p, static_cast<long>(der.size())));
    if (p != end) value.reset();
    return value;
}

bool take_bag(const Pkcs7Ptr& bag, FileObjects& out) {
    if (!bag) return false;
    if (bag->d.ptr == nullptr) return false;  // RFC 2315 7: the content is optional
    const STACK_OF(X509)* certificates = nullptr;
    const STACK_OF(X509_CRL)* lists = nullptr;
    if (PKCS7_type_is_signed(bag.get())) {
        certificates = bag->d.sign->cert;
        lists = bag->d.sign->crl;
    }
    if (PKCS7_type_is_signedAndEnveloped(bag.get())) {
        certificates = bag->d.signed_and_enveloped->cert;
        lists = bag->d.signed_and_enveloped->crl;
    }
    for (int i = 0; i < sk_X509_num(certificates); ++i) {
        out.certificates.push_back(share(*sk_X509_value(certificates, i)));
    }
    for (int i = 0; i < sk_X509_CRL_num(lists); ++i) {
        X509_CRL_up_ref(sk_X509_CRL_value(lists, i));
        out.lists.emplace_back(sk_X509_CRL_value(lists, i));
    }
    return true;
}

bool names_client_use(const STACK_OF(ASN1_OBJECT) * uses) {
    for (int i = 0; i < sk_ASN1_OBJECT_num(uses); ++i) {
        const int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(uses, i));
        if (nid == NID_client_auth || nid == NID_anyExtendedKeyUsage) return true;
    }
    return false;
}

// The issuer did not sign the trust settings: they are dropped, unless this would permit more than they do.
bool take_trusted(std::string_view der, std::string& fault, FileObjects& out) {
    const auto with_settings = decode_whole<X509Ptr>(d2i_X509_AUX, der);
    if (!with_settings) return false;
    const STACK_OF(ASN1_OBJECT)* const trusted = X509_get0_trust_objects(with_settings.get());
    const STACK_OF(ASN1_OBJECT)* const rejected = X509_get0_reject_objects(with_settings.get());
    if (names_client_use(rejected) || (sk_ASN1_OBJECT_num(trusted) > 0 && !names_client_use(trusted))) {
        fault =
            "holds a TRUSTED CERTIFICATE whose trust settings exclude client certificates; where it is to be trusted "
            "for these: openssl x509 -in FILE -out FILE.pem";
        return true;
    }
    out.certificates.push_back(decode_whole<X509Ptr>(d2i_X509, encode(i2d_X509, *with_settings)));
    return true;
}

// A file of one object in DER that is neither a certificate nor a CRL.
bool take_whole(std::string_view der, FileObjects& out) {
    if (take_bag(decode_whole<Pkcs7Ptr>(d2i_PKCS7, der), out)) return true;
    if (decode_whole<Pkcs12Ptr>(d2i_PKCS12, der)) out.instead = kPkcs12;
    if (decode_whole<RequestPtr>(d2i_X509_REQ, der)) out.instead = kRequest;
    const auto* p = bytes_at(der);
    const bool is_key = EvpPkeyPtr(d2i_AutoPrivateKey(nullptr, &p, static_cast<long>(der.size()))) != nullptr;
    if (is_key || decode_whole<EncryptedKeyPtr>(d2i_X509_SIG, der)) out.instead = kKey;
    return out.instead != nullptr;
}

constexpr std::string_view kPemBegin = "-----BEGIN ";
constexpr std::string_view kPemEnd = "-----END ";
constexpr std::string_view kPemDashes = "-----";

bool holds_any_of(std::string_view text, std::initializer_list<std::string_view> parts) {
    return std::any_of(parts.begin(), parts.end(), [text](auto part) { return text.find(part) != text.npos; });
}

// The label of a line that begins a PEM block as OpenSSL reads it; "" of any other line.
std::string_view label_of(std::string_view line) {
    if (!line.starts_with(kPemBegin)) return {};
    while (is_blank(line.back())) line.remove_suffix(1);
    if (!line.ends_with(kPemDashes) || line.size() <= kPemBegin.size() + kPemDashes.size()) return {};
    line.remove_prefix(kPemBegin.size());
    line.remove_suffix(kPemDashes.size());
    return holds_any_of(line, {"--", "\r"}) ? std::string_view() : line;
}

// Whether a line, or a part of it, reads like the begin or end of a block: in any case, with other dashes or too few.
bool is_like_boundary(std::string_view line) {
    const auto is_dash = [](char c) { return c == '-' || static_cast<unsigned char>(c) >= 0x80; };
    const std::string text = lower(line);
    for (const std::string_view word : {"begin", "end"}) {
        for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
            const std::string_view before = trim(std::string_view(text).substr(0, at));
            const std::string_view behind = trim(std::string_view(text).substr(at + word.size()));
            const bool has_label = std::any_of(kLabels.begin(), kLabels.end(),
                                               [behind](std::string_view label) { return behind.starts_with(label); });
            if (!has_label || (at > 0 && is_alnum(text[at - 1]))) continue;
            if ((!before.empty() && is_dash(before.back())) || is_dash(behind.back())) return true;
        }
    }
    return false;
}

bool is_text(std::string_view line) {
    const auto is_ascii = [](unsigned char c) { return c != 0 && c < 0x80; };
    return std::all_of(line.begin(), line.end(), is_ascii) || (line.find('\0') == line.npos && decode_utf8(line));
}

// Reads a file from its first byte to its last: certificates and CRLs are decoded, explanatory text (RFC 7468 2) is
// passed over, and everything else is a fault.
class FileReader {
public:
    FileReader(std::string_view content, Wrapping wrapping) : content_(content), wrapping_(wrapping) {
        constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
        if (content_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
    }

    FileObjects run() {
        const bool may_be_der = wrapping_ != Wrapping::kPlainPem && content_.starts_with('0');
        if (may_be_der && !take_der() && take_whole(content_, out_)) return std::move(out_);
        while (at_ < content_.size()) {
            const std::string_view line = line_at(at_);
            const std::string_view label = label_of(line);
            const bool is_text_before = std::exchange(is_text_, true);
            if (take_der()) continue;
            if (!label.empty()) {
                take_block(label);
            } else {
                check_text(line, is_text_before);
                advance(std::min(content_.size(), at_ + line.size() + 1));
            }
        }
        return std::move(out_);
    }

private:
    // Without its newline.
    std::string_view line_at(std::size_t at) const { return content_.substr(at, content_.find('\n', at) - at); }

    void advance(std::size_t to) {
        line_ += static_cast<std::size_t>(std::count(content_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                     content_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
        at_ = to;
    }

    void refuse(std::string what, std::size_t end) {
        out_.faults.push_back({std::move(what), content_.substr(at_, end - at_)});
    }

    void refuse(std::string what) { refuse(std::move(what), content_.find("\n" + std::string(kPemBegin), at_)); }

    std::string at_line() const { return "at line " + std::to_string(line_); }

    // Two bytes that begin each certificate and CRL, and no text.
    bool is_at_der() const {
        const std::string_view rest = content_.substr(at_, 2);
        return wrapping_ != Wrapping::kPlainPem && rest.size() == 2 && rest[0] == '0' && !is_text(rest);
    }

    bool take_der() {
        if (!is_at_der()) return false;
        std::string_view rest = content_.substr(at_);
        if (X509Ptr certificate = take_x509(rest)) {
            out_.certificates.push_back(std::move(certificate));
        } else {
            const auto* p = bytes_at(rest);
            X509CrlPtr list(d2i_X509_CRL(nullptr, &p, static_cast<long>(rest.size())));
            if (!list) return false;
            rest.remove_prefix(static_cast<std::size_t>(p - bytes_at(rest)));
            out_.lists.push_back(std::move(list));
        }
        advance(content_.size() - rest.size());
        return true;
    }

    void take_block(std::string_view label) {
        std::size_t next = at_;
        std::size_t end = 0;
        bool is_whole = true;
        while (end == 0) {
            next = content_.find('\n', next);
            const std::string_view line = next == content_.npos ? std::string_view() : line_at(++next);
            if (next == content_.npos || line.starts_with(kPemBegin)) {
                end = std::min(next, content_.size());
                is_whole = false;
            } else if (line.starts_with(kPemEnd)) {
                const bool is_same =
                    line.substr(kPemEnd.size()).starts_with(std::string(label) + std::string(kPemDashes));
                end = next + (is_same ? kPemEnd.size() + label.size() + kPemDashes.size() : line.size());
                is_whole = is_whole && is_same;
            } else if (line.find('-') != line.npos && line.find(':') == line.npos) {
                is_whole = false;  // OpenSSL drops what follows
            }
        }
        std::string fault;
        if (!is_whole || !decode_block(content_.substr(at_, end - at_), fault)) {
            const bool is_list = label == PEM_STRING_X509_CRL;
            fault = std::string("holds a ") + (is_list ? "CRL" : "certificate") + " that cannot be read (line " +
                    std::to_string(line_) + ")" + (is_list ? "" : kWhole);
        }
        if (!fault.empty()) refuse(std::move(fault), end);
        advance(end);
    }

    // `block`: with both boundaries.
    bool decode_block(std::string_view block, std::string& fault) {
        const BioPtr bio(BIO_new_mem_buf(block.data(), static_cast<int>(block.size())));
        char* name = nullptr;
        char* header = nullptr;
        unsigned char* data = nullptr;
        long length = 0;
        if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) return false;
        const std::string kind(name), fields(header);
        const std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(length));
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
        // OpenSSL takes all before an empty line for the header (RFC 1421 4.4).
        for (const std::string_view field : split(trim(fields), '\n')) {
            if (!field.empty() && field.find(':') == field.npos) return false;
        }
        return take_kind(kind, der, fault);
    }

    bool take_kind(std::string_view kind, std::string_view der, std::string& fault) {
        if (kind == PEM_STRING_X509 || kind == PEM_STRING_X509_OLD) {
            X509Ptr certificate = decode_whole<X509Ptr>(d2i_X509, der);
            if (!certificate) return false;
            out_.certificates.push_back(std::move(certificate));
            return true;
        }
        if (wrapping_ == Wrapping::kPlainPem) return true;
        if (kind == PEM_STRING_X509_TRUSTED) return take_trusted(der, fault, out_);
        if (kind == PEM_STRING_PKCS7 || kind == PEM_STRING_PKCS7_SIGNED || kind == PEM_STRING_CMS)
            return take_bag(decode_whole<Pkcs7Ptr>(d2i_PKCS7, der), out_);
        if (kind == PEM_STRING_X509_CRL) {
            X509CrlPtr list = decode_whole<X509CrlPtr>(d2i_X509_CRL, der);
            if (!list) return false;
            out_.lists.push_back(std::move(list));
            return true;
        }
        const bool is_request = kind == PEM_STRING_X509_REQ || kind == PEM_STRING_X509_REQ_OLD;
        const bool is_key = kind.ends_with("PRIVATE KEY");
        if (is_request) out_.instead = kRequest;
        if (is_key) out_.instead = kKey;
        const bool is_like_ours = holds_any_of(lower(kind), {"cert", "crl", "pkcs", "cms", "509"}) ||
                                  decode_whole<X509Ptr>(d2i_X509, der) || decode_whole<X509CrlPtr>(d2i_X509_CRL, der);
        if (!is_request && !is_key && is_like_ours) {
            fault = "holds a block of the kind " + in_quotes(kind) + " " + at_line() +
                    ": expected CERTIFICATE, X509 CRL or PKCS7, as openssl prints them";
        }
        return true;
    }

    // Text outside of blocks. `part` of a fault begins where a certificate or CRL may be.
    void check_text(std::string_view line, bool is_text_before) {
        if (wrapping_ == Wrapping::kPlainPem) return;
        is_text_ = is_text(line);
        if (!is_text_) {
            if (is_text_before || is_at_der()) {
                refuse("holds bytes " + at_line() +
                       " that are neither UTF-8 text nor a whole certificate or CRL in DER: put what they are into a "
                       "file of its own, or convert it to PEM");
            }
            return;
        }
        const std::string_view shown = trim(line);
        if (shown.starts_with('#') && shown.find('\r') == shown.npos) return;
        if (is_like_boundary(line)) {
            refuse("holds " + in_quotes(shown.substr(0, 80)) + " " + at_line() +
                   ", which is no begin or end of a PEM block but reads like one: expected five dashes on both sides, "
                   "from the first column on, each begin with its end");
        } else if (begins_base64(line)) {
            refuse("holds base64 " + at_line() +
                   " without -----BEGIN CERTIFICATE----- or -----BEGIN X509 CRL----- before it");
        }
    }

    const std::string_view content_;
    const Wrapping wrapping_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
    bool is_text_ = true;  // the last line that was read
    FileObjects out_;
};

}  // namespace

bool begins_base64(std::string_view line) {
    constexpr std::size_t kLeast = 40;
    while (!line.empty() && !is_alnum(line.front())) line.remove_prefix(1);
    line = trim(line);
    const bool is_base64 =
        std::all_of(line.begin(), line.end(), [](char c) { return is_alnum(c) || c == '+' || c == '/' || c == '='; });
    return line.size() >= kLeast && line.starts_with("MI") && is_base64;
}

FileObjects read_objects(std::string_view content, Wrapping wrapping) {
    const ErrorQueueGuard errors;
    return FileReader(content, wrapping).run();
}

Result<std::vector<X509Ptr>> decode_certificates(const std::string& content, Wrapping wrapping) {
    FileObjects found = read_objects(content, wrapping);
    const bool is_json = found.certificates.empty() && trim(content).starts_with('{');
    if (is_json) return Error{kJson};
    if (!found.faults.empty()) return Error{std::move(found.faults.front().what)};
    if (!found.certificates.empty()) return std::move(found.certificates);
    if (!found.lists.empty()) return Error{kCrl};
    return Error{found.instead != nullptr ? found.instead : kNone};
}

std::string encode_certificates(const std::vector<X509Ptr>& certificates) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    for (const X509Ptr& certificate : certificates) {
        if (!out || PEM_write_bio_X509(out.get(), certificate.get()) != 1) throw std::bad_alloc();
    }
    char* text = nullptr;
    const long size = out ? BIO_get_mem_data(out.get(), &text) : 0;
    return {text, static_cast<std::size_t>(std::max(0L, size))};
}

bool holds_private_key(std::string_view content) {
    if (content.find("PRIVATE KEY-----") != content.npos) return true;
    const FileObjects found = read_objects(content);
    return found.instead == kKey || found.instead == kPkcs12;
}

std::string describe_no_crl(const FileObjects& found, std::string_view content) {
    if (!found.certificates.empty())
        return "is a certificate and no CRL: MTLSTrustAnchor and MTLSIntermediate take certificates";
    if (found.instead == kKey) return "holds a private key and no CRL: keep it secret, and ask the CA for its CRL";
    if (found.instead == kRequest) return "is a certificate request (.csr) and no CRL: ask the CA for its CRL";
    if (found.instead == kPkcs12) return "is PKCS#12 (.p12, .pfx) and no CRL: ask the CA for its CRL";
    return trim(content).starts_with('<') ? "holds no CRL, but a web page (an error page?)"
                                          : "holds no CRL, neither PEM nor DER";
}

}  // namespace mtls
