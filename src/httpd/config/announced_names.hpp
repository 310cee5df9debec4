// The CA names that a virtual host announces with MTLSClientCA On: mod_ssl's and those of the live anchors.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/policy/snapshot.hpp"

namespace mtls::httpd {

// Limit for the names in bytes: above 64 KiB every handshake would fail.
constexpr std::size_t kMostAnnouncedBytes = 16384;

// An SSL object frees its list of names, and OpenSSL copies a name by decoding it: 200 names cost as much as a
// handshake. So lists are pooled: each is lent to one handshake at a time and has one owner at any moment. Thread-safe.
class AnnouncedNames {
    struct NameLists;

public:
    // A connection's borrowed list.
    class Lease {
        friend class AnnouncedNames;
        std::shared_ptr<NameLists> edition;          // null: nothing was lent yet
        const STACK_OF(X509_NAME) * list = nullptr;  // owned by the SSL object
    };

    // Call it before the certificate request is written; uses the snapshot's names at `now` (seconds since the epoch).
    // Throws std::bad_alloc; mod_ssl's names are announced then.
    void lease_names(SSL& ssl, const Snapshot& snapshot, std::int64_t now, Lease& lease);

    // Takes the list back; the SSL keeps an empty one.
    static void return_names(const SSL& ssl, Lease& lease);

    // Whether the SSL would announce no names because its list was taken back.
    static bool is_returned(const SSL& ssl, const Lease& lease);

private:
    static void free_names(STACK_OF(X509_NAME) * names) { sk_X509_NAME_pop_free(names, X509_NAME_free); }
    using NamesPtr = std::unique_ptr<STACK_OF(X509_NAME), FreeWith<free_names>>;

    // The pooled lists for one set of names of one virtual host; replaced when an anchor comes or goes.
    struct NameLists {
        const SSL_CTX* virtual_host;
        std::uint64_t serial;                 // serial of the snapshot
        std::vector<std::string_view> names;  // names of the live anchors; borrowed from that snapshot
        std::mutex mutex;
        std::vector<NamesPtr> free_lists;
    };

    std::shared_ptr<NameLists> lists_of(const SSL_CTX& virtual_host, std::uint64_t serial,
                                        std::vector<std::string_view> names);
    static NamesPtr copy(const STACK_OF(X509_NAME) * own, const std::vector<std::string_view>& names);

    std::mutex mutex_;
    std::vector<std::shared_ptr<NameLists>> name_lists_;  // the newest of each virtual host
};

}  // namespace mtls::httpd
