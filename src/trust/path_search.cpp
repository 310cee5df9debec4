#include "mtls_authz/trust/path_search.hpp"

#include <openssl/x509v3.h>

#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/uri.hpp"
#include "mtls_authz/trust/bounded_cache.hpp"
#include "mtls_authz/trust/ca_directory.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"
#include "mtls_authz/trust/signature_cache.hpp"

namespace mtls {

namespace {

constexpr std::size_t kMostSteps = 512;
constexpr std::size_t kMostTried = 32;

const std::vector<X509*>& chain_of(X509_STORE_CTX* ctx) {
    return *static_cast<const std::vector<X509*>*>(X509_STORE_CTX_get_app_data(ctx));
}

// OpenSSL calls it in place of its own check of signatures and dates. PathSearch has let it verify each signature
// of `chain`, and checks the dates.
int has_found_chain(X509_STORE_CTX* ctx) {
    const auto& chain = chain_of(ctx);
    const STACK_OF(X509)* const found = X509_STORE_CTX_get0_chain(ctx);
    bool is_same = static_cast<std::size_t>(sk_X509_num(found)) == chain.size();
    for (std::size_t i = 0; is_same && i < chain.size(); ++i) {
        is_same = sk_X509_value(found, static_cast<int>(i)) == chain[i];
    }
    if (!is_same) X509_STORE_CTX_set_error(ctx, X509_V_ERR_UNSPECIFIED);
    return is_same ? 1 : 0;
}

// OpenSSL selects an issuer by name, and by the key identifier if present. Here only the next certificate of `chain` is
// accepted; X509_check_issued() still decides whether it may be the issuer. OpenSSL 4 passes const certificates.
template <class Certificate>
int is_next_in_chain(X509_STORE_CTX* ctx, Certificate* below, Certificate* above) {
    const auto& chain = chain_of(ctx);
    const auto at = std::find(chain.begin(), chain.end(), below);
    const bool is_next = at != chain.end() && at + 1 != chain.end() && *(at + 1) == above;
    return is_next && X509_check_issued(above, below) == X509_V_OK ? 1 : 0;
}

std::string describe_failure(X509_STORE_CTX* ctx) {
    const int error = X509_STORE_CTX_get_error(ctx);
    const X509* const at = X509_STORE_CTX_get_current_cert(ctx);
    const bool is_ca = at != nullptr && X509_STORE_CTX_get_error_depth(ctx) > 0;
    return describe_verify_error(error, at) + (is_ca ? at_ca(*at) : std::string());
}

// The authority-constrained policy set: the leaf's policies, mapped back to the terms of the topmost CA that names a
// policy.
std::vector<std::string> policies_of(X509_STORE_CTX* ctx) {
    std::vector<std::string> out;
    const X509_POLICY_TREE* const tree = X509_STORE_CTX_get0_policy_tree(ctx);
    const int levels = X509_policy_tree_level_count(tree);
    X509_POLICY_LEVEL* const last = levels > 0 ? X509_policy_tree_get0_level(tree, levels - 1) : nullptr;
    const auto is_any = [](const X509_POLICY_NODE* node) {
        return OBJ_obj2nid(X509_policy_node_get0_policy(node)) == NID_any_policy;
    };
    for (int i = 0; last != nullptr && i < X509_policy_level_node_count(last); ++i) {
        const X509_POLICY_NODE* node = X509_policy_level_get0_node(last, i);
        for (const auto* above = X509_policy_node_get0_parent(node); above != nullptr && !is_any(above);
             above = X509_policy_node_get0_parent(above)) {
            node = above;
        }
        std::string oid = oid_dotted(*X509_policy_node_get0_policy(node));
        if (std::find(out.begin(), out.end(), oid) == out.end()) out.push_back(std::move(oid));
    }
    return out;
}

constexpr std::string_view kCommonNameOid = "2.5.4.3";
constexpr std::string_view kEmailAddressOid = "1.2.840.113549.1.9.1";

using NameConstraintsPtr = std::unique_ptr<NAME_CONSTRAINTS, FreeWith<NAME_CONSTRAINTS_free>>;

// Whether a CA excludes this address as a mailbox. Selectors ignore the case of the part before '@' in a subject,
// OpenSSL's name constraints do not.
bool excludes_mailbox(const X509& ca, std::string_view address) {
    const NameConstraintsPtr names(
        static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(&ca, NID_name_constraints, nullptr, nullptr)));
    const auto* const excluded = names ? names->excludedSubtrees : nullptr;
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(excluded); ++i) {
        const GENERAL_NAME& base = *sk_GENERAL_SUBTREE_value(excluded, i)->base;
        if (base.type == GEN_EMAIL && equal_nocase(octets_of(*base.d.rfc822Name), address)) return true;
    }
    return false;
}

// As find_unclear_name(), for what selectors fold in a subject and name constraints do not.
std::string find_unclear_attribute(const CertificateFacts& leaf, const std::vector<X509*>& certificates) {
    for (const NameAttribute& attribute : leaf.subject.attributes) {
        const bool is_email = attribute.oid == kEmailAddressOid;
        if (!is_email && attribute.oid != kCommonNameOid) continue;
        const std::string text = std::string(is_email ? "emailAddress " : "CN ") + in_double_quotes(attribute.text);
        if (trim(attribute.text) != attribute.text) {
            return "the subject's " + text +
                   " begins or ends with a blank, with which name constraints are compared: its CA has to issue it "
                   "without";
        }
        if (is_email && attribute.text.ends_with('.'))
            return "the subject's " + text + " ends with a dot, and name constraints are compared without";
        const auto is_excluded = [&](const X509* ca) { return excludes_mailbox(*ca, attribute.text); };
        if (is_email && std::any_of(certificates.begin() + 1, certificates.end(), is_excluded))
            return "a CA above excludes the mailbox of the subject's " + text;
    }
    return {};
}

// Why a name of the leaf could evade the name constraints of a CA above it, because readers compare it differently; ""
// if none could.
std::string find_unclear_name(const std::vector<X509*>& certificates) {
    const bool is_constrained = std::any_of(certificates.begin() + 1, certificates.end(), [](const X509* ca) {
        return X509_get_ext_by_NID(ca, NID_name_constraints, -1) >= 0;
    });
    if (!is_constrained) return {};
    const CertificateFacts leaf = read_facts(*certificates.front());
    const auto uri = std::find_if_not(leaf.uri.begin(), leaf.uri.end(), is_host_clear);
    if (uri != leaf.uri.end()) {
        return "the URI " + in_double_quotes(*uri) +
               " has a host that parsers read differently, and name constraints apply to hosts";
    }
    for (const auto* names : {&leaf.dns, &leaf.email}) {
        const auto name =
            std::find_if(names->begin(), names->end(), [](const auto& one) { return one.ends_with('.'); });
        if (name != names->end()) {
            return "the name " + in_double_quotes(*name) +
                   " ends with a dot, and name constraints are compared without";
        }
    }
    const auto has_other_text = [](const DistinguishedName& name) { return !name.other_by_text.empty(); };
    if (has_other_text(leaf.subject) || std::any_of(leaf.dir_name.begin(), leaf.dir_name.end(), has_other_text)) {
        return "a distinguished name has a value in a string type that name constraints do not compare as text";
    }
    return find_unclear_attribute(leaf, certificates);
}

}  // namespace

CaReadingPtr read_ca(const Link& ca) {
    static BoundedCache<const CaReading, 256> of_process;
    if (!ca.sha256.empty()) {
        if (CaReadingPtr known = of_process.find(ca.sha256)) return known;
    }
    CertificateFacts facts = read_facts(*ca.certificate, ca.sha256);
    CaReading out{std::move(facts.malformed), std::move(facts.spki_sha256), {}, std::move(facts.other_spki_sha256)};
    out.id = out.key + read_name(*X509_get_subject_name(ca.certificate)).canonical;
    constexpr std::size_t kMostKept = 1024;  // so that the long names of strangers' certificates fill no memory
    const bool is_short = out.id.size() + out.malformed.size() <= kMostKept;
    auto kept = std::make_shared<const CaReading>(std::move(out));
    if (is_short && !ca.sha256.empty()) of_process.insert(std::string(ca.sha256), kept);
    return kept;
}

namespace {

// `certificates`: from the leaf to the anchor, each signed by the next; `cas`: what was read of all but the leaf.
PathAnswer verify_by_openssl(const PathQuestion& question, std::vector<X509*> certificates,
                             const std::vector<CaReadingPtr>& cas) {
    const std::vector<X509*> anchor = {certificates.back()};
    const BorrowedX509Stack trusted = stack_of(anchor);
    const BorrowedX509Stack others = stack_of({certificates.begin(), certificates.end() - 1});
    const X509StorePtr empty_store(X509_STORE_new());
    const X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    if (!empty_store || !ctx) throw std::bad_alloc();
    X509_STORE_set_check_issued(empty_store.get(), is_next_in_chain);
    X509_STORE_set_verify(empty_store.get(), has_found_chain);
    if (X509_STORE_CTX_init(ctx.get(), empty_store.get(), certificates.front(), others.get()) != 1) {
        throw std::bad_alloc();
    }
    X509_STORE_CTX_set_app_data(ctx.get(), &certificates);
    X509_STORE_CTX_set0_trusted_stack(ctx.get(), trusted.get());
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_flags(param,
                                X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK | X509_V_FLAG_NO_CHECK_TIME);
    // Without this, OpenSSL rejects valid paths that have no policies.
    X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy));
    // Without this, OpenSSL applies name constraints to a CN only if there is no DNS name; selectors read it anyway.
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT);
    X509_VERIFY_PARAM_set_purpose(param, question.purpose);
    X509_VERIFY_PARAM_set_depth(param, static_cast<int>(kMostIntermediates));
    X509_VERIFY_PARAM_set_auth_level(param, level_of(question));

    PathAnswer answer;
    answer.ok = X509_verify_cert(ctx.get()) == 1 && X509_STORE_CTX_get_error(ctx.get()) == X509_V_OK;
    if (!answer.ok) {
        answer.detail = describe_failure(ctx.get());
        return answer;
    }
    STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(ctx.get());
    // has_found_chain() has seen that it is that of `certificates`.
    for (int i = 0; i < sk_X509_num(chain); ++i) answer.chain.push_back(share(*sk_X509_value(chain, i)));
    for (const CaReadingPtr& ca : cas) {
        answer.facts.ca_keys.push_back(ca->key);
        auto& other_keys = answer.facts.other_ca_keys;
        other_keys.insert(other_keys.end(), ca->other_keys.begin(), ca->other_keys.end());
        answer.ca_ids.push_back(ca->id);
    }
    const bool is_anchor_itself = answer.chain.size() == 1;  // no CA restricts it
    answer.facts.policies = is_anchor_itself ? read_facts(*certificates.front()).policies : policies_of(ctx.get());
    return answer;
}

}  // namespace

PathAnswer PathSearch::run() {
    chain_ = {&question_.leaf};
    const auto is_leaf = [&](const Link& link) { return X509_cmp(link.certificate, question_.leaf.certificate) == 0; };
    const auto& trusted = question_.trusted;
    if (std::any_of(trusted.begin(), trusted.end(), is_leaf) ? try_path() : extend()) return std::move(answer_);
    if (saw_a_path()) return std::move(answer_);
    // OpenSSL takes the keys of certificates, not of CAs, for its issuers (RFC 3820).
    if ((X509_get_extension_flags(question_.leaf.certificate) & EXFLAG_PROXY) != 0) {
        answer_.detail = "it is a proxy certificate (it has proxyCertInfo), which is let in nowhere";
        return std::move(answer_);
    }
    // Nor does it take any certificate for the issuer of such a one.
    if ((X509_get_extension_flags(question_.leaf.certificate) & EXFLAG_INVALID) != 0) {
        answer_.detail = "OpenSSL cannot use it: " + why_it_issues_nothing(*question_.leaf.certificate);
        return std::move(answer_);
    }
    answer_.detail = find_other_identifier();
    if (answer_.detail.empty()) answer_.detail = "no certificate at hand leads to this partner's trust anchor";
    return std::move(answer_);
}

// After the renewal of a CA under its old key, a certificate may still identify the CA's previous certificate.
std::string PathSearch::find_other_identifier() {
    std::vector<const Link*> certificates = {&question_.leaf};
    for (const Link& helper : question_.helpers) certificates.push_back(&helper);
    for (const Link* below : certificates) {
        for (const auto* links : {&question_.trusted, &question_.helpers}) {
            for (const Link& above : *links) {
                const int error = X509_check_issued(above.certificate, below->certificate);
                const bool is_identifier =
                    error == X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH || error == X509_V_ERR_AKID_SKID_MISMATCH;
                if (!is_identifier || !is_signed(above, *below)) continue;
                return X509_verify_cert_error_string(error) +
                       (below == &question_.leaf ? std::string() : at_ca(*below->certificate)) +
                       ": its authorityKeyIdentifier names another certificate of " +
                       in_double_quotes(read_name(*X509_get_subject_name(above.certificate)).text()) +
                       " than the one at hand";
            }
        }
    }
    return {};
}

// Tries the issuers of the last certificate of the chain; true if one leads to a path.
bool PathSearch::extend() {
    const Link& below = *chain_.back();
    for (const auto* links : {&question_.trusted, &question_.helpers}) {
        const bool ends_here = links == &question_.trusted;
        if (!ends_here && chain_.size() > kMostIntermediates) continue;
        for (const Link& link : *links) {
            if (std::find(chain_.begin(), chain_.end(), &link) != chain_.end()) continue;
            if (!issued(link, below) && !(ends_here && is_invalid_issuer(link, below))) continue;
            if (++steps_ > kMostSteps || tried_ == kMostTried) return false;
            chain_.push_back(&link);
            if (ends_here ? try_path() : extend()) return true;
            chain_.pop_back();
        }
    }
    return false;
}

bool PathSearch::issued(const Link& above, const Link& below) {
    return X509_check_issued(above.certificate, below.certificate) == X509_V_OK && is_signed(above, below);
}

// OpenSSL takes no certificate for issued by one that is no CA's: try_path() says why it is none.
bool PathSearch::is_invalid_issuer(const Link& above, const Link& below) {
    return !has_ca_flag(*above.certificate) && names_as_issuer(*below.certificate, *above.certificate) &&
           is_signed(above, below);
}

bool PathSearch::is_signed(const Link& above, const Link& below) {
    const auto [result, is_new] = signed_by_.emplace(std::pair(below.certificate, above.certificate), false);
    if (is_new) {
        const std::string computed = below.sha256.empty() ? certificate_sha256(*below.certificate) : std::string();
        const std::string_view digest = below.sha256.empty() ? std::string_view(computed) : below.sha256;
        result->second =
            is_signed_by(*below.certificate, digest, read_ca(above)->key, [&] { return above.certificate; });
    }
    return result->second;
}

bool PathSearch::refuse(std::string why) {
    if (tried_ == 1) answer_.detail = std::move(why);
    return false;
}

bool PathSearch::try_path() {
    ++tried_;
    std::vector<X509*> certificates;
    std::vector<CaReadingPtr> cas;
    for (const Link* link : chain_) {
        const bool is_ca = link != chain_.front();
        certificates.push_back(link->certificate);
        if (!is_ca) continue;
        cas.push_back(read_ca(*link));
        const std::string& malformed = cas.back()->malformed;
        if (!malformed.empty()) return refuse("malformed: " + malformed + at_ca(*link->certificate));
        if (!link->is_valid_at(question_.now)) {
            const int error =
                question_.now < link->not_before ? X509_V_ERR_CERT_NOT_YET_VALID : X509_V_ERR_CERT_HAS_EXPIRED;
            return refuse(X509_verify_cert_error_string(error) + at_ca(*link->certificate));
        }
    }
    // RFC 5280 6.1.4 (k). OpenSSL takes an anchor of version 1, too.
    for (std::size_t i = 1; i < certificates.size(); ++i) {
        if (!has_ca_flag(*certificates[i])) return refuse(describe_invalid_ca(*certificates[i]));
    }
    std::string unclear = find_unclear_name(certificates);
    if (!unclear.empty()) return refuse(std::move(unclear));
    PathAnswer answer = verify_by_openssl(question_, std::move(certificates), cas);
    if (!answer.ok) return refuse(std::move(answer.detail));
    std::string objection = question_.objection ? question_.objection(answer) : std::string();
    if (!objection.empty()) {
        met_objection_ = true;
        return refuse(std::move(objection));
    }
    answer_ = std::move(answer);
    return true;
}

}  // namespace mtls
