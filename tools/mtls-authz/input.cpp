#include "input.hpp"

#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include <filesystem>
#include <iostream>
#include <iterator>

#include "mtls_authz/file.hpp"
#include "mtls_authz/session_chain.hpp"

namespace mtls::tool {

namespace {

using Pkcs7Ptr = std::unique_ptr<PKCS7, FreeWith<PKCS7_free>>;

constexpr std::size_t kLargestInput = 16UL << 20;

void take_from(const PKCS7& bag, std::vector<X509Ptr>& out) {
    const STACK_OF(X509)* certificates = nullptr;
    if (PKCS7_type_is_signed(&bag)) certificates = bag.d.sign->cert;
    if (PKCS7_type_is_signedAndEnveloped(&bag)) certificates = bag.d.signed_and_enveloped->cert;
    for (int i = 0; i < sk_X509_num(certificates); ++i) out.push_back(share(*sk_X509_value(certificates, i)));
}

// Everything that PEM marks as a certificate or a bag of them; false where one of those cannot be decoded.
bool take_pem(const std::string& content, std::vector<X509Ptr>& out) {
    const BioPtr bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    for (;;) {
        char* name = nullptr;
        char* header = nullptr;
        unsigned char* data = nullptr;
        long length = 0;
        if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) return true;
        const std::string kind(name);
        const std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(length));
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
        const auto* p = reinterpret_cast<const unsigned char*>(der.data());
        if (kind == "CERTIFICATE" || kind == "X509 CERTIFICATE") {
            X509Ptr certificate(d2i_X509(nullptr, &p, static_cast<long>(der.size())));
            if (!certificate) return false;
            out.push_back(std::move(certificate));
        } else if (kind == "PKCS7" || kind == "CMS") {
            const Pkcs7Ptr bag(d2i_PKCS7(nullptr, &p, static_cast<long>(der.size())));
            if (!bag) return false;
            take_from(*bag, out);
        }
    }
}

}  // namespace

Result<std::string> read_input(const std::string& file) {
    if (file != "-") return read_whole_file(file, kLargestInput);
    std::string content((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    if (content.size() > kLargestInput) return Error{"is larger than 16 MiB"};
    return content;
}

Result<std::vector<X509Ptr>> read_any_certificates(const std::string& content) {
    const ErrorQueueGuard errors;
    std::vector<X509Ptr> out;
    if (content.find("-----BEGIN ") != std::string::npos) {
        if (!take_pem(content, out)) return Error{"holds a certificate that cannot be decoded"};
    } else {
        const auto* p = reinterpret_cast<const unsigned char*>(content.data());
        const auto size = static_cast<long>(content.size());
        if (X509Ptr certificate(d2i_X509(nullptr, &p, size)); certificate) {
            out.push_back(std::move(certificate));
        } else {
            p = reinterpret_cast<const unsigned char*>(content.data());
            const Pkcs7Ptr bag(d2i_PKCS7(nullptr, &p, size));
            if (bag) take_from(*bag, out);
        }
    }
    if (out.empty()) return Error{"holds no certificate that can be decoded: expected PEM, DER or PKCS#7"};
    return out;
}

Result<std::shared_ptr<const PresentedCertificate>> read_client(const std::string& file,
                                                                const std::vector<std::string>& more) {
    std::vector<X509Ptr> certificates;
    std::vector<std::string> files = {file};
    files.insert(files.end(), more.begin(), more.end());
    for (const std::string& name : files) {
        const auto content = read_input(name);
        if (!content) return Error{name + ": " + content.error()};
        auto found = read_any_certificates(content.value());
        if (!found) return Error{name + ": " + found.error()};
        for (X509Ptr& certificate : found.value()) certificates.push_back(std::move(certificate));
    }
    std::vector<X509*> chain;
    for (std::size_t i = 1; i < certificates.size(); ++i) chain.push_back(certificates[i].get());
    X509& leaf = *certificates.front();
    return std::make_shared<const PresentedCertificate>(leaf, useful_helpers(leaf, chain));
}

PolicyInput read_policy(const std::vector<std::string>& files, const std::string& root) {
    DiskFiles disk;
    PolicyBuilder builder(std::filesystem::absolute(root), disk);
    for (const std::string& file : files) builder.add_files({file, file, {}}, Origin::kTool);
    PolicyInput out;
    out.policy = builder.build();
    out.findings = builder.diagnostics();
    return out;
}

PolicyInput read_policy_text(const std::string& text, const std::string& root) {
    DiskFiles disk;
    PolicyBuilder builder(std::filesystem::absolute(root), disk);
    PolicyInput out;
    const auto directives = read_directives(text, "", out.findings);
    if (!directives) return out;
    for (const Directive& directive : directives.value()) builder.add(directive, Origin::kTool);
    out.policy = builder.build();
    out.findings = builder.diagnostics();
    return out;
}

}  // namespace mtls::tool
