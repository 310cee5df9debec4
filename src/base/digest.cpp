#include "mtls_authz/base/digest.hpp"

#include <new>

namespace mtls {

const EVP_MD& sha256_algorithm() {
    static const std::unique_ptr<EVP_MD, FreeWith<EVP_MD_free>> found(EVP_MD_fetch(nullptr, "SHA256", nullptr));
    if (!found) throw std::bad_alloc();
    return *found;
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), &sha256_algorithm(), nullptr) != 1) throw std::bad_alloc();
}

void Sha256::add(std::string_view piece) {
    if (EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) != 1) throw std::bad_alloc();
}

std::string Sha256::finish() {
    std::string out(static_cast<std::size_t>(EVP_MD_size(&sha256_algorithm())), '\0');
    if (EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) != 1) {
        throw std::bad_alloc();
    }
    return out;
}

}  // namespace mtls
