#include "mtls_authz/httpd/config/announced_names.hpp"

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

std::shared_ptr<AnnouncedNames::NameLists> AnnouncedNames::edition_of(const SSL_CTX& virtual_host, std::uint64_t serial,
                                                                    std::vector<std::string_view> names) {
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(editions_.begin(), editions_.end(), [&virtual_host](const auto& edition) {
        return edition->virtual_host == &virtual_host;
    });
    if (known != editions_.end() && (*known)->serial == serial && is_same((*known)->names, names)) return *known;
    auto made = std::make_shared<NameLists>();
    made->virtual_host = &virtual_host;
    made->serial = serial;
    made->names = std::move(names);
    if (known == editions_.end()) return editions_.emplace_back(std::move(made));
    return *known = std::move(made);
}

// The names of mod_ssl's own CAs and of the live anchors; an empty list if they do not fit: a client then sends any
// certificate it has (RFC 5246 7.4.4, RFC 8446 4.2.4), while a client whose CA is missing from a list often sends none.
void AnnouncedNames::lend(SSL& ssl, const Snapshot& snapshot, std::int64_t now, Lease& loan) {
    const SSL_CTX& virtual_host = *SSL_get_SSL_CTX(&ssl);
    const STACK_OF(X509_NAME)* const own = SSL_CTX_get_client_CA_list(&virtual_host);
    const std::size_t used = std::min(size_of(own), kMostAnnouncedBytes);
    auto names = snapshot.policy->cas().announced_names(kMostAnnouncedBytes - used, now);
    NamesPtr list;
    if (!names) {
        list.reset(sk_X509_NAME_new_null());
        if (!list) throw std::bad_alloc();
        loan = {};
        SSL_set_client_CA_list(&ssl, list.release());
        return;
    }
    const auto edition = edition_of(virtual_host, snapshot.serial, std::move(*names));
    {
        const std::lock_guard lock(edition->mutex);
        if (!edition->at_hand.empty()) {
            list = std::move(edition->at_hand.back());
            edition->at_hand.pop_back();
        }
    }
    if (!list) list = copy(own, edition->names);
    loan.edition = edition;
    loan.list = list.get();
    SSL_set_client_CA_list(&ssl, list.release());
}

void AnnouncedNames::take_back(const SSL& ssl, Lease& loan) {
    STACK_OF(X509_NAME)* const lent = SSL_get_client_CA_list(&ssl);
    if (!loan.edition || lent != loan.list || sk_X509_NAME_num(lent) <= 0) return;
    constexpr std::size_t kMostAtHand = 64;
    const std::lock_guard lock(loan.edition->mutex);
    auto& at_hand = loan.edition->at_hand;
    if (at_hand.size() == kMostAtHand) return;
    at_hand.reserve(kMostAtHand);
    // sk_X509_NAME_dup() copies the pointers only; the lent list is emptied afterwards.
    NamesPtr taken(sk_X509_NAME_dup(lent));
    if (!taken) return;
    sk_X509_NAME_zero(lent);
    at_hand.push_back(std::move(taken));
}

bool AnnouncedNames::is_taken_back(const SSL& ssl, const Lease& loan) {
    const STACK_OF(X509_NAME)* const list = SSL_get_client_CA_list(&ssl);
    return loan.edition && list == loan.list && sk_X509_NAME_num(list) == 0;
}

}  // namespace mtls::httpd
