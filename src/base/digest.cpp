#include "mtls_authz/base/digest.hpp"

#include <new>

namespace mtls {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
}

void Sha256::add(std::string_view piece) {
    if (EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) != 1) throw std::bad_alloc();
}

std::string Sha256::finish() {
    std::string out(static_cast<std::size_t>(EVP_MD_size(EVP_sha256())), '\0');
    if (EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) != 1) {
        throw std::bad_alloc();
    }
    return out;
}

}  // namespace mtls
