#include "server_cas.hpp"

#include <openssl/ssl.h>

#include <filesystem>

#include "config.hpp"
#include "config_tree.hpp"
#include "mtls_authz/file.hpp"

namespace mtls::httpd {

namespace {

// The content of every file in the folder that a directive of mod_ssl names for this server.
std::vector<std::string> files_in(const server_rec* s, const char* directive) {
    constexpr std::size_t kLargestFile = 256UL << 20;
    std::vector<std::string> out;
    const std::string setting = server_setting(s, directive);
    if (setting.empty()) return out;
    const std::string folder = setting.starts_with('/') ? setting : state().server_root + "/" + setting;
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
        auto content = read_whole_file(entry.path(), kLargestFile);
        if (content.ok()) out.push_back(std::move(content.value()));
    }
    return out;
}

void copy_certificates(server_rec* s, ServerCas& cas, STACK_OF(X509_OBJECT) * loaded) {
    cas.certificates.clear();
    for (int i = 0; i < sk_X509_OBJECT_num(loaded); ++i) {
        X509* const ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(loaded, i));
        if (ca == nullptr) continue;
        // Fills OpenSSL's cache of extensions now, once, instead of under a lock in a handshake.
        X509_check_purpose(ca, -1, 0);
        cas.certificates.push_back(share(*ca));
    }
    for (const std::string& pem : files_in(s, "SSLCACertificatePath")) {
        auto read = read_certificates(pem, "SSLCACertificatePath");
        if (!read.ok()) continue;  // such folders hold CRLs and notes as well
        for (ReadCertificate& ca : read.value()) cas.certificates.push_back(std::move(ca.certificate));
    }
    cas.digests.clear();
    for (const X509Ptr& ca : cas.certificates) {
        cas.digests.push_back(certificate_sha256(*ca));
        state().live.policy.add_known_ca(*ca);
    }
}

void copy_crls(server_rec* s, ServerCas& cas, STACK_OF(X509_OBJECT) * loaded) {
    std::vector<X509CrlPtr> lists;
    for (int i = 0; i < sk_X509_OBJECT_num(loaded); ++i) {
        X509_CRL* const list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(loaded, i));
        if (list == nullptr) continue;
        X509_CRL_up_ref(list);
        lists.emplace_back(list);
    }
    for (const std::string& content : files_in(s, "SSLCARevocationPath")) {
        auto decoded = decode_crls(content);
        if (!decoded.ok()) continue;
        for (X509CrlPtr& list : decoded.value()) lists.push_back(std::move(list));
    }
    const auto known = [&cas](const std::string& name) {
        std::vector<X509Ptr> out;
        for (const X509Ptr& ca : cas.certificates) {
            if (read_name(*X509_get_subject_name(ca.get())).canonical == name) out.push_back(share(*ca));
        }
        return out;
    };
    auto crls = std::make_shared<CrlSet>();
    for (X509CrlPtr& list : lists) {
        auto crl = Crl::read(std::move(list));
        if (crl.ok()) crls->add(std::move(crl.value()), known);
    }
    cas.crls = std::move(crls);
}

}  // namespace

void copy_server_cas(server_rec* s, SSL_CTX* ctx) {
    const ErrorQueueGuard errors;
    ServerConfig& config = server_config(s);
    config.has_tls = true;
    config.cas.security_level = SSL_CTX_get_security_level(ctx);
    STACK_OF(X509_OBJECT)* const loaded = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    copy_certificates(s, config.cas, loaded);
    copy_crls(s, config.cas, loaded);
}

}  // namespace mtls::httpd
