#include "httpd/config/announced_names.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace mtls::httpd {

namespace {

bool is_among(const STACK_OF(X509_NAME) * names, const X509_NAME* name) {
    for (int i = 0; i < sk_X509_NAME_num(names); ++i) {
        if (X509_NAME_cmp(sk_X509_NAME_value(names, i), name) == 0) return true;
    }
    return false;
}

std::size_t size_of(const STACK_OF(X509_NAME) * names) {
    std::size_t size = 0;
    for (int i = 0; i < sk_X509_NAME_num(names); ++i) {
        size += 2 + static_cast<std::size_t>(std::max(0, i2d_X509_NAME(sk_X509_NAME_value(names, i), nullptr)));
    }
    return size;
}

// Whether both lists point to the same memory, that is, to names of the same snapshot.
bool is_same(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](std::string_view x, std::string_view y) { return x.data() == y.data(); });
}

}  // namespace

AnnouncedNames::NamesPtr AnnouncedNames::copy(const STACK_OF(X509_NAME) * own,
                                              const std::vector<std::string_view>& names) {
    NamesPtr out(sk_X509_NAME_new_null());
    if (!out) throw std::bad_alloc();
    const auto add = [&out](X509NamePtr name) {
        if (!name || sk_X509_NAME_push(out.get(), name.get()) == 0) throw std::bad_alloc();
        static_cast<void>(name.release());
    };
    for (int i = 0; i < sk_X509_NAME_num(own); ++i) add(X509NamePtr(X509_NAME_dup(sk_X509_NAME_value(own, i))));
    for (const std::string_view encoded : names) {
        const auto* bytes = reinterpret_cast<const unsigned char*>(encoded.data());
        X509NamePtr name(d2i_X509_NAME(nullptr, &bytes, static_cast<long>(encoded.size())));
        if (!name || !is_among(own, name.get())) add(std::move(name));
    }
    return out;
}

std::shared_ptr<AnnouncedNames::NameLists> AnnouncedNames::lists_of(const SSL_CTX& virtual_host, std::uint64_t serial,
                                                                    std::vector<std::string_view> names) {
    const std::lock_guard lock(mutex_);
    const auto current = std::find_if(name_lists_.begin(), name_lists_.end(), [&virtual_host](const auto& edition) {
        return edition->virtual_host == &virtual_host;
    });
    if (current != name_lists_.end() && (*current)->serial == serial && is_same((*current)->names, names))
        return *current;
    auto made = std::make_shared<NameLists>();
    made->virtual_host = &virtual_host;
    made->serial = serial;
    made->names = std::move(names);
    if (current == name_lists_.end()) return name_lists_.emplace_back(std::move(made));
    return *current = std::move(made);
}

// The names of mod_ssl's own CAs and of the live anchors; an empty list if they do not fit: a client then sends any
// certificate it has (RFC 5246 7.4.4, RFC 8446 4.2.4), while a client whose CA is missing from a list often sends none.
void AnnouncedNames::lease_names(SSL& ssl, const Snapshot& snapshot, std::int64_t now, Lease& lease) {
    const SSL_CTX& virtual_host = *SSL_get_SSL_CTX(&ssl);
    const STACK_OF(X509_NAME)* const own = SSL_CTX_get_client_CA_list(&virtual_host);
    const std::size_t used = std::min(size_of(own), kMostAnnouncedBytes);
    auto names = snapshot.policy->cas().announced_names(kMostAnnouncedBytes - used, now);
    NamesPtr list;
    if (!names) {
        list.reset(sk_X509_NAME_new_null());
        if (!list) throw std::bad_alloc();
        lease = {};
        SSL_set_client_CA_list(&ssl, list.release());
        return;
    }
    const auto edition = lists_of(virtual_host, snapshot.serial, std::move(*names));
    {
        const std::lock_guard lock(edition->mutex);
        if (!edition->free_lists.empty()) {
            list = std::move(edition->free_lists.back());
            edition->free_lists.pop_back();
        }
    }
    if (!list) list = copy(own, edition->names);
    lease.edition = edition;
    lease.list = list.get();
    SSL_set_client_CA_list(&ssl, list.release());
}

void AnnouncedNames::return_names(const SSL& ssl, Lease& lease) {
    STACK_OF(X509_NAME)* const lent = SSL_get_client_CA_list(&ssl);
    if (!lease.edition || lent != lease.list || sk_X509_NAME_num(lent) <= 0) return;
    constexpr std::size_t kMostFree = 64;
    const std::lock_guard lock(lease.edition->mutex);
    auto& free_lists = lease.edition->free_lists;
    if (free_lists.size() == kMostFree) return;
    free_lists.reserve(kMostFree);
    // sk_X509_NAME_dup() copies the pointers only; the lent list is emptied afterwards.
    NamesPtr taken(sk_X509_NAME_dup(lent));
    if (!taken) return;
    sk_X509_NAME_zero(lent);
    free_lists.push_back(std::move(taken));
}

bool AnnouncedNames::is_returned(const SSL& ssl, const Lease& lease) {
    const STACK_OF(X509_NAME)* const list = SSL_get_client_CA_list(&ssl);
    return lease.edition && list == lease.list && sk_X509_NAME_num(list) == 0;
}

}  // namespace mtls::httpd
