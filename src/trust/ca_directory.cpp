#include "mtls_authz/trust/ca_directory.hpp"

#include <algorithm>

#include "mtls_authz/certificate/algorithms.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/certificate/decoded_certificates.hpp"
#include "mtls_authz/trust/signature_cache.hpp"

namespace mtls {

namespace {

// One per process. Constructed on first use, so that loading the module runs no code.
DecodedCertificates& decoded() {
    constexpr std::size_t kSlots = 4096;
    static DecodedCertificates of_process(kSlots);
    return of_process;
}

bool exists_at(std::span<const TimeWindow> windows, std::int64_t now) {
    return std::any_of(windows.begin(), windows.end(), [now](const TimeWindow& w) { return w.contains(now); });
}

}  // namespace

bool has_ca_flag(const X509& certificate) {
    constexpr int kByBasicConstraints = 1;
    return X509_check_ca(const_cast<X509*>(&certificate)) == kByBasicConstraints;
}

std::string why_it_issues_nothing(const X509& certificate) {
    auto& c = const_cast<X509&>(certificate);
    if ((X509_get_extension_flags(&c) & EXFLAG_INVALID) != 0) return std::string(kUnusableExtension);
    if ((X509_get_extension_flags(&c) & EXFLAG_CA) != 0) return "its keyUsage has no keyCertSign";
    if (X509_check_ca(&c) == 0) return {};
    if (X509_get_version(&c) == X509_VERSION_1) return "it is of X.509 version 1, which has no basicConstraints";
    return "it has no basicConstraints with CA:TRUE";
}

std::string describe_invalid_ca(const X509& certificate) {
    std::string fault = why_it_issues_nothing(certificate);
    if (fault.empty()) fault = "it has no basicConstraints with CA:TRUE";
    return X509_verify_cert_error_string(X509_V_ERR_INVALID_CA) + at_ca(certificate) + ": " + fault;
}

std::string at_ca(const X509& certificate) {
    return " (at CA " + read_name(*X509_get_subject_name(&certificate)).text() + ")";
}

namespace {

// basicConstraints that do not decode may say so, too.
bool is_called_ca(const X509& certificate, const CertificateFacts& facts) {
    if (facts.is_ca || X509_get_ext_by_NID(&certificate, NID_basic_constraints, -1) < 0) return facts.is_ca;
    const ErrorQueueGuard errors;
    const std::unique_ptr<BASIC_CONSTRAINTS, FreeWith<BASIC_CONSTRAINTS_free>> read(
        static_cast<BASIC_CONSTRAINTS*>(X509_get_ext_d2i(&certificate, NID_basic_constraints, nullptr, nullptr)));
    return !read;
}

}  // namespace

ReadCertificate::ReadCertificate(X509Ptr c)
    : certificate(std::move(c)), facts(read_facts(*certificate)), is_ca(is_called_ca(*certificate, facts)) {}

Result<std::vector<ReadCertificate>> read_certificates(const std::string& content, const std::string& file) {
    auto certificates = decode_certificates(content);
    if (!certificates) return Error{"'" + file + "' " + certificates.error()};
    const ErrorQueueGuard errors;
    std::vector<ReadCertificate> out;
    for (X509Ptr& certificate : certificates.value()) out.emplace_back(std::move(certificate));
    return out;
}

namespace {

template <class Texts>
std::span<const Text> keep_texts(const Texts& texts, Arena& arena) {
    std::vector<Text> out;
    for (const std::string_view text : texts) out.emplace_back() = arena.keep(text);
    return arena.keep(out);
}

}  // namespace

AnchorCertificate::AnchorCertificate(const ReadCertificate& read, Arena& arena)
    : der(arena.keep(encode(i2d_X509, *read.certificate))),
      sha256(arena.keep(read.facts.sha256)),
      spki_sha256(arena.keep(read.facts.spki_sha256)),
      other_spki_sha256(keep_texts(read.facts.other_spki_sha256, arena)),
      subject(arena.keep(read.facts.subject.canonical)),
      issuer(arena.keep(read.facts.issuer.canonical)),
      subject_text(arena.keep(read.facts.subject.text())),
      not_before(read.facts.not_before),
      not_after(read.facts.not_after),
      is_ca(read.is_ca) {}

AnchorCertificate::AnchorCertificate(const AnchorCertificate& other, Arena& arena)
    : der(arena.keep(other.der)),
      sha256(arena.keep(other.sha256)),
      spki_sha256(arena.keep(other.spki_sha256)),
      other_spki_sha256(keep_texts(other.other_spki_sha256, arena)),
      subject(arena.keep(other.subject)),
      issuer(arena.keep(other.issuer)),
      subject_text(arena.keep(other.subject_text)),
      not_before(other.not_before),
      not_after(other.not_after),
      is_ca(other.is_ca) {}

X509Ptr AnchorCertificate::decode() const {
    X509Ptr out = decoded().get(sha256, der);
    if (!out) throw std::bad_alloc();  // the builder decoded the same bytes, so only memory can be exhausted
    return out;
}

// ---- the directory --------------------------------------------------------------------------------------------

void CaDirectoryBuilder::Named::add(const AnchorCertificate& certificate, const TimeWindow& window) {
    const bool is_new =
        seen.emplace(&certificate, window.from.value_or(INT64_MIN), window.until.value_or(INT64_MAX)).second;
    if (!is_new) return;
    certificates.push_back(&certificate);
    windows.push_back(window);
}

void CaDirectoryBuilder::add(const AnchorCertificate& c, const TimeWindow& window, bool is_in_file) {
    Named& named = c.is_ca ? cas_[{c.subject, c.spki_sha256}] : leaves_[c.sha256];
    named.add(c, window);
    named.is_in_file = named.is_in_file || is_in_file;
}

void CaDirectoryBuilder::add_intermediate(const AnchorCertificate& c) {
    intermediates_[c.subject].emplace(c.sha256, &c);
}

namespace {

std::span<const Ptr<AnchorCertificate>> keep_pointers(const std::vector<const AnchorCertificate*>& to, Arena& arena) {
    return arena.keep(std::vector<Ptr<AnchorCertificate>>(to.begin(), to.end()));
}

}  // namespace

CaDirectory CaDirectoryBuilder::finish(Arena& arena) const {
    CaDirectory out;
    struct Announcement {
        std::string encoded;
        std::vector<TimeWindow> windows;
    };
    std::map<std::string_view, Announcement> announcements;
    const auto announce = [&](std::string_view name, const Named& by, auto name_of) {
        Announcement& a = announcements[name];
        if (a.encoded.empty()) a.encoded = encode(i2d_X509_NAME, *name_of(by.certificates.front()->decode().get()));
        a.windows.insert(a.windows.end(), by.windows.begin(), by.windows.end());
    };
    std::vector<CaDirectory::Issuer> cas;
    for (const auto& [id, named] : cas_) {
        cas.push_back({id.first, id.second, keep_pointers(named.certificates, arena), arena.keep(named.windows),
                       named.is_in_file});
        announce(id.first, named, X509_get_subject_name);
    }
    std::vector<CaDirectory::LeafAnchor> leaves;
    std::vector<Ptr<AnchorCertificate>> leaves_by_name;
    for (const auto& [digest, named] : leaves_) {
        leaves.push_back({digest, arena.keep(named.windows)});
        leaves_by_name.emplace_back(named.certificates.front());
        announce(named.certificates.front()->issuer, named, X509_get_issuer_name);
    }
    std::vector<Ptr<AnchorCertificate>> intermediates;
    for (const auto& [name, by_digest] : intermediates_) {
        for (const auto& [digest, c] : by_digest) intermediates.emplace_back(c);
    }
    std::vector<CaDirectory::Announced> announced;
    for (const auto& [name, a] : announcements) {
        announced.push_back({arena.keep(a.encoded), arena.keep(a.windows)});
    }
    out.cas_ = arena.keep(cas);
    std::vector<Ptr<CaDirectory::Issuer>> by_key;
    for (const CaDirectory::Issuer& ca : out.cas_) by_key.emplace_back(&ca);
    std::stable_sort(by_key.begin(), by_key.end(), [](const auto& a, const auto& b) { return a->key < b->key; });
    out.by_key_ = arena.keep(by_key);
    out.leaves_ = arena.keep(leaves);
    std::stable_sort(leaves_by_name.begin(), leaves_by_name.end(),
                     [](const auto& a, const auto& b) { return a->subject < b->subject; });
    out.leaves_by_name_ = arena.keep(leaves_by_name);
    out.intermediates_ = arena.keep(intermediates);
    out.announced_ = arena.keep(announced);
    return out;
}

namespace {

// The items of a sorted sequence for which `name_of` returns `name`.
template <class T, class NameOf>
std::span<const T> equal_to(std::span<const T> sorted, std::string_view name, NameOf name_of) {
    const auto first = std::lower_bound(sorted.begin(), sorted.end(), name,
                                        [&](const T& item, std::string_view n) { return name_of(item) < n; });
    const auto last = std::find_if(first, sorted.end(), [&](const T& item) { return name_of(item) != name; });
    return {first, last};
}

constexpr std::size_t kDigest = 32;

bool has_key_id(const CaDirectory::Issuer& issuer, const ASN1_OCTET_STRING& key_id) {
    return std::any_of(issuer.certificates.begin(), issuer.certificates.end(), [&](const AnchorCertificate* c) {
        const ASN1_OCTET_STRING* const own = X509_get0_subject_key_id(c->decode().get());
        return own != nullptr && ASN1_OCTET_STRING_cmp(own, &key_id) == 0;
    });
}

// Whether OpenSSL takes one of its certificates for the issuer's, by name, key identifier and usage.
bool may_issue(const CaDirectory::Issuer& issuer, const X509& certificate) {
    return std::any_of(issuer.certificates.begin(), issuer.certificates.end(), [&](const AnchorCertificate* c) {
        return X509_check_issued(c->decode().get(), const_cast<X509*>(&certificate)) == X509_V_OK;
    });
}

}  // namespace

std::span<const CaDirectory::Issuer> CaDirectory::named(std::string_view name) const {
    return equal_to(std::span(cas_), name, [](const Issuer& ca) { return ca.name.view(); });
}

std::span<const Ptr<AnchorCertificate>> CaDirectory::intermediates_named(std::string_view name) const {
    return equal_to(std::span(intermediates_), name, [](const AnchorCertificate* c) { return c->subject.view(); });
}

std::span<const Ptr<AnchorCertificate>> CaDirectory::leaf_anchors_named(std::string_view name) const {
    return equal_to(std::span(leaves_by_name_), name, [](const AnchorCertificate* c) { return c->subject.view(); });
}

std::vector<X509Ptr> CaDirectory::anchors_named(std::string_view name, std::int64_t now) const {
    std::vector<X509Ptr> out;
    for (const Issuer& ca : named(name)) {
        for (std::size_t i = 0; i < ca.certificates.size(); ++i) {
            if (ca.windows[i].contains(now)) out.push_back(ca.certificates[i]->decode());
        }
    }
    return out;
}

std::vector<X509Ptr> CaDirectory::cas_named(std::string_view name, std::int64_t now) const {
    std::vector<X509Ptr> out = anchors_named(name, now);
    for (const AnchorCertificate* c : intermediates_named(name)) out.push_back(c->decode());
    return out;
}

std::vector<X509Ptr> CaDirectory::cas_in_files(std::string_view name) const {
    std::vector<X509Ptr> out;
    for (const Issuer& ca : named(name)) {
        if (!ca.is_in_file) continue;
        for (const AnchorCertificate* c : ca.certificates) out.push_back(c->decode());
    }
    for (const AnchorCertificate* c : intermediates_named(name)) out.push_back(c->decode());
    return out;
}

std::vector<const CaDirectory::Issuer*> CaDirectory::issuers_of(const X509& certificate, const std::string& digest,
                                                                const DistinguishedName& issuer_name, std::int64_t now,
                                                                SignatureBudget& budget, Namesakes& others) const {
    Namesakes found;
    std::vector<const Issuer*> namesakes;
    for (const Issuer& issuer : named(issuer_name.canonical)) namesakes.push_back(&issuer);
    // The one that authorityKeyIdentifier names is tried first, and then only those that it permits: the number of the
    // others costs nothing.
    const ASN1_OCTET_STRING* const key_id =
        namesakes.size() > 1 ? X509_get0_authority_key_id(const_cast<X509*>(&certificate)) : nullptr;
    if (key_id != nullptr) {
        std::stable_partition(namesakes.begin(), namesakes.end(),
                              [&](const Issuer* issuer) { return has_key_id(*issuer, *key_id); });
    }
    std::vector<const Issuer*> out;
    bool is_signed = false;
    for (const Issuer* issuer : namesakes) {
        if (is_signed && !may_issue(*issuer, certificate)) continue;
        X509Ptr ca;
        const auto decode = [&]() -> const X509Ptr& { return ca = issuer->certificates.front()->decode(); };
        if (is_signed_by(certificate, digest, issuer->key, budget, SignatureBudget::KeyOf::kUs, decode)) {
            is_signed = true;
            if (exists_at(issuer->windows, now)) out.push_back(issuer);
            continue;
        }
        if (!ca) continue;  // the budget is exhausted
        const std::string unknown = unknown_key(*ca);
        if (unknown.empty()) found.other_key = true;
        if (!unknown.empty()) found.unknown_algorithm = unknown;
    }
    if (is_signed) return out;
    if (found.other_key) others.other_key = true;
    if (!found.unknown_algorithm.empty()) others.unknown_algorithm = found.unknown_algorithm;
    return out;
}

const CaDirectory::Issuer* CaDirectory::find_successor(std::string_view ca_id, X509& issuer,
                                                       std::string_view issuer_key, std::int64_t now) const {
    const std::string_view key = ca_id.substr(0, kDigest);
    const std::string_view name = ca_id.substr(key.size());
    const auto is_by_same_issuer = [&](const Issuer& ca) {
        const bool is_other = ca.key != key || ca.name != name;
        // A CA's certificate for its own new key is not evidence of its issuer (RFC 4210 4.4).
        if (!is_other || ca.key == issuer_key || !exists_at(ca.windows, now)) return false;
        return std::any_of(ca.certificates.begin(), ca.certificates.end(), [&](const AnchorCertificate* c) {
            return is_signed_by(*c->decode(), c->sha256, issuer_key, [&] { return &issuer; });
        });
    };
    for (const Issuer& ca : named(name)) {
        if (is_by_same_issuer(ca)) return &ca;
    }
    for (const Issuer* ca : equal_to(std::span(by_key_), key, [](const Issuer* i) { return i->key.view(); })) {
        if (is_by_same_issuer(*ca)) return ca;
    }
    return nullptr;
}

bool CaDirectory::has_leaf_anchor(std::string_view sha256, std::int64_t now) const {
    const auto found = equal_to(std::span(leaves_), sha256, [](const LeafAnchor& leaf) { return leaf.sha256.view(); });
    return !found.empty() && exists_at(found.front().windows, now);
}

bool CaDirectory::names(std::string_view ca_id, std::int64_t now) const {
    const std::string_view key = ca_id.substr(0, kDigest);
    const auto found = named(ca_id.substr(key.size()));
    return std::any_of(found.begin(), found.end(),
                       [&](const Issuer& ca) { return ca.key == key && exists_at(ca.windows, now); });
}

std::vector<X509Ptr> CaDirectory::anchors_above(const X509& certificate, std::int64_t now,
                                                SignatureBudget& budget) const {
    std::vector<X509Ptr> out;
    Namesakes others;
    const auto issuers = issuers_of(certificate, certificate_sha256(certificate),
                                    read_name(*X509_get_issuer_name(&certificate)), now, budget, others);
    for (const Issuer* issuer : issuers) {
        for (std::size_t i = 0; i < issuer->certificates.size(); ++i) {
            if (issuer->windows[i].contains(now)) out.push_back(issuer->certificates[i]->decode());
        }
    }
    return out;
}

std::optional<std::vector<std::string_view>> CaDirectory::announced_names(std::size_t limit, std::int64_t now) const {
    constexpr std::size_t kLength = 2;  // length field before each name
    std::vector<std::string_view> out;
    std::size_t size = 0;
    for (const Announced& name : announced_) {
        if (!exists_at(name.windows, now)) continue;
        size += name.encoded.size() + kLength;
        if (size > limit) return std::nullopt;
        out.push_back(name.encoded);
    }
    return out;
}

}  // namespace mtls
