// The CA names that a virtual host announces with MTLSClientCA On: mod_ssl's own and those of the live anchors.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls::httpd {

// Of names that are announced: beyond 64 KiB every handshake would fail.
constexpr std::size_t kMostAnnouncedBytes = 16384;

// An SSL frees the names that it is given, and OpenSSL copies a name by decoding it: 200 names cost as much as a
// handshake. So each list is lent to one handshake after the other, and belongs to one owner at each moment. From any
// thread.
class AnnouncedNames {
    struct Edition;

public:
    // What one connection was lent.
    class Loan {
        friend class AnnouncedNames;
        std::shared_ptr<Edition> edition;            // null: nothing was ever lent
        const STACK_OF(X509_NAME) * list = nullptr;  // the SSL's
    };

    // Before the certificate is asked for, by the snapshot's names at this time (seconds since the epoch). Throws
    // std::bad_alloc; mod_ssl's own names are announced then.
    void lend(SSL& ssl, const Snapshot& snapshot, std::int64_t now, Loan& loan);

    // Leaves a list without names with the SSL.
    static void take_back(const SSL& ssl, Loan& loan);

    // Whether the SSL would announce nothing, because its list was taken back.
    static bool is_taken_back(const SSL& ssl, const Loan& loan);

private:
    static void free_names(STACK_OF(X509_NAME) * names) { sk_X509_NAME_pop_free(names, X509_NAME_free); }
    using NamesPtr = std::unique_ptr<STACK_OF(X509_NAME), FreeWith<free_names>>;

    // What is announced until an anchor comes or goes.
    struct Edition {
        const SSL_CTX* virtual_host;
        std::uint64_t serial;                 // of the snapshot
        std::vector<std::string_view> names;  // of the live anchors, in that snapshot
        std::mutex mutex;
        std::vector<NamesPtr> at_hand;
    };

    std::shared_ptr<Edition> edition_of(const SSL_CTX& virtual_host, std::uint64_t serial,
                                        std::vector<std::string_view> names);
    static NamesPtr copy(const STACK_OF(X509_NAME) * own, const std::vector<std::string_view>& names);

    std::mutex mutex_;
    std::vector<std::shared_ptr<Edition>> editions_;  // the newest of each virtual host
};

}  // namespace mtls::httpd
