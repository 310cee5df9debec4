#include "httpd/tls/server_cas.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <functional>

#include "httpd/config/config.hpp"
#include "httpd/config/config_tree.hpp"
#include "httpd/config/log.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/trust/crl_signers.hpp"

namespace mtls::httpd {

namespace {

// The folder that a directive of mod_ssl names for this server; "" if none does.
std::string folder_of(const server_rec* s, const char* directive) {
    const std::string setting = server_setting(s, directive);
    return setting.empty() ? "" : in_server_root(setting);
}

struct FileContent {
    std::string path;
    std::string content;
};

// Called with a file, or a certificate in it, that is not used, and the reason.
using Complain = std::function<void(const std::string& what, const std::string& why)>;

void log_unused(const server_rec* s, int level, const std::string& what, const std::string& why) {
    ap_log_error(APLOG_MARK, level, 0, s, "mtls_authz: %s: %s", escape_for_log(what, kMostPathBytes).c_str(),
                 escape_for_log(why, kMostPathBytes).c_str());
}

// `complain`: called for a file, or the folder itself, that cannot be read.
std::vector<FileContent> files_in(const std::string& folder, const Complain& complain) {
    constexpr std::size_t kLargestFile = 256UL << 20;
    std::vector<FileContent> out;
    if (folder.empty()) return out;
    std::error_code failed;
    for (std::filesystem::directory_iterator i(folder, failed), end; !failed && i != end; i.increment(failed)) {
        std::error_code unknown;
        if (i->is_directory(unknown)) continue;
        auto content = read_whole_file(i->path(), kLargestFile);
        if (content.ok()) {
            out.push_back({i->path(), std::move(content.value())});
        } else {
            complain(i->path(), content.error());
        }
    }
    if (failed) complain(folder, failed.message());
    return out;
}

// The CAs that OpenSSL finds in a folder, by links that `openssl rehash` makes: mod_ssl trusts no other one there.
class HashedFolder {
public:
    explicit HashedFolder(const std::string& folder) : store_(X509_STORE_new()), lookup_(X509_STORE_CTX_new()) {
        if (!store_ || !lookup_ || X509_STORE_CTX_init(lookup_.get(), store_.get(), nullptr, nullptr) != 1 ||
            X509_STORE_load_path(store_.get(), folder.c_str()) != 1) {
            throw std::bad_alloc();
        }
    }

    bool has(const X509& ca) {
        STACK_OF(X509)* const found = X509_STORE_CTX_get1_certs(lookup_.get(), X509_get_subject_name(&ca));
        const auto all = certificates_of(found);
        const bool has_it =
            std::any_of(all.begin(), all.end(), [&ca](const X509* other) { return X509_cmp(other, &ca) == 0; });
        sk_X509_pop_free(found, X509_free);
        return has_it;
    }

private:
    X509StorePtr store_;
    X509StoreCtxPtr lookup_;
};

// Null if no code will use it.
X509StorePtr make_own_store(const server_rec* s, X509_STORE& mod_ssls) {
    if (!state().has_live_anchors || client_ca_of(s) != ClientCaMode::kOff) return {};
    X509StorePtr own(X509_STORE_new());
    if (!own || X509_STORE_set1_param(own.get(), X509_STORE_get0_param(&mod_ssls)) != 1) throw std::bad_alloc();
    return own;
}

MissingCrl missing_crl_of(const server_rec* s) {
    const auto words = server_setting_words(s, "SSLCARevocationCheck");
    const bool passes = std::any_of(words.begin(), words.end(),
                                    [](const std::string& word) { return equal_nocase(word, "no_crl_for_cert_ok"); });
    return passes ? MissingCrl::kPasses : MissingCrl::kRefuses;
}

// Adds the CAs in a folder, by hashed names alone.
void add_hashed(const server_rec* s, const std::string& folder, std::vector<X509Ptr>& cas) {
    const Complain complain = [s](const std::string& path, const std::string& why) {
        log_unused(s, APLOG_WARNING, "SSLCACertificatePath: " + path + " is no trusted CA", why);
    };
    HashedFolder hashed(folder);
    for (const auto& [path, content] : files_in(folder, complain)) {
        auto read = decode_certificates(content, Wrapping::kPlainPem);  // as mod_ssl reads them
        if (!read.ok()) continue;                                       // such folders also hold CRLs and other files
        for (X509Ptr& ca : read.value()) {
            if (hashed.has(*ca)) {
                X509_check_purpose(ca.get(), -1, 0);
                cas.push_back(std::move(ca));
            } else {
                complain(path, "OpenSSL does not find it by its name; openssl rehash " + shell_quoted(folder));
            }
        }
    }
}

void copy_certificates(server_rec* s, ServerCas& cas, X509_STORE* own, STACK_OF(X509_OBJECT) * loaded) {
    cas.certificates.clear();
    for (int i = 0; i < sk_X509_OBJECT_num(loaded); ++i) {
        X509* const ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(loaded, i));
        if (ca == nullptr) continue;
        // Fill OpenSSL's cache of extensions once now, instead of under a lock in a handshake.
        X509_check_purpose(ca, -1, 0);
        cas.certificates.push_back(share(*ca));
    }
    const std::string folder = folder_of(s, "SSLCACertificatePath");
    if (!folder.empty()) add_hashed(s, folder, cas.certificates);
    cas.digests.clear();
    for (const X509Ptr& ca : cas.certificates) {
        cas.digests.push_back(certificate_sha256(*ca));
        if (own != nullptr) X509_STORE_add_cert(own, ca.get());
        state().live.policy.add_server_ca(*ca);
    }
}

void copy_crls(server_rec* s, ServerCas& cas, X509_STORE* own, STACK_OF(X509_OBJECT) * loaded) {
    std::vector<X509CrlPtr> lists;
    auto crls = std::make_shared<CrlSet>();
    const auto cannot_use = [&crls](const std::string& issuer, const std::string& why) {
        crls->mark_unusable(issuer, "a CRL that mod_ssl was given cannot be used: " + why);
    };
    const auto not_used = [s](int level, const std::string& what, const std::string& why) {
        log_unused(s, level, "a CRL of mod_ssl is not used: " + what, why);
    };
    const Complain cannot_read = [&](const std::string& path, const std::string& why) {
        not_used(APLOG_ERR, path, why);
    };
    for (int i = 0; i < sk_X509_OBJECT_num(loaded); ++i) {
        X509_CRL* const list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(loaded, i));
        if (list == nullptr) continue;
        X509_CRL_up_ref(list);
        lists.emplace_back(list);
    }
    // Also those without a hash for their name: one more list refuses more.
    for (const auto& [path, content] : files_in(folder_of(s, "SSLCARevocationPath"), cannot_read)) {
        DecodedCrls decoded = decode_crls(content);
        const bool holds_lists = !decoded.lists.empty() || !decoded.broken.empty();  // such folders also hold others
        if (holds_lists && !decoded.fault.empty()) cannot_read(path, decoded.fault);
        for (X509CrlPtr& list : decoded.lists) lists.push_back(std::move(list));
        for (const std::string& issuer : decoded.broken) cannot_use(issuer, "it does not decode");
    }
    const CasByName cas_by_name = by_name(cas.certificates);
    std::vector<std::shared_ptr<const Crl>> added;
    for (X509CrlPtr& list : lists) {
        const std::string issuer = read_name(*X509_CRL_get_issuer(list.get())).canonical;
        if (own != nullptr) X509_STORE_add_crl(own, list.get());
        auto crl = Crl::read(std::move(list));
        if (!crl.ok()) {
            cannot_use(issuer, crl.error());
            continue;
        }
        const std::string shown = crl.value()->issuer_text();
        const std::string fault = crls->add(crl.value(), cas_by_name, std::time(nullptr));
        if (!fault.empty()) not_used(APLOG_WARNING, in_double_quotes(shown), fault);
        if (fault == kTooMany) cannot_use(issuer, fault);
        if (fault.empty()) added.push_back(std::move(crl.value()));
    }
    const CasByName topmost = topmost_of(cas.certificates);
    for (const auto& list : added) {
        const std::string gap = crls->holds(*list) ? find_gap(*crls, *list, cas_by_name, topmost) : "";
        if (!gap.empty())
            log_unused(s, APLOG_WARNING, "mod_ssl's CRL of " + in_double_quotes(list->issuer_text()), gap);
    }
    cas.crls = std::move(crls);
}

}  // namespace

void copy_server_cas(server_rec* s, SSL_CTX* ctx) {
    const ErrorQueueGuard errors;
    ServerConfig& config = server_config(s);
    config.has_tls = true;
    config.lets_unknown_cas_in = equal_nocase(server_setting(s, "SSLVerifyClient"), "optional_no_ca");
    config.cas.security_level = SSL_CTX_get_security_level(ctx);
    X509_STORE* const mod_ssls = SSL_CTX_get_cert_store(ctx);
    config.own = {make_own_store(s, *mod_ssls), config.cas.security_level, missing_crl_of(s)};
    STACK_OF(X509_OBJECT)* const loaded = X509_STORE_get0_objects(mod_ssls);
    copy_certificates(s, config.cas, config.own.store.get(), loaded);
    copy_crls(s, config.cas, config.own.store.get(), loaded);
}

}  // namespace mtls::httpd
