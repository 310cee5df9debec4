
#include "random_world.hpp"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <fstream>

#include "bundles.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/session_chain.hpp"

namespace answers {

namespace {

// Two selectors of one type may contradict each other, which a line that refuses may not.
std::vector<plain::Selector> of_distinct_types(std::vector<plain::Selector> selectors) {
    std::vector<plain::Selector> out;
    for (plain::Selector& selector : selectors) {
        const bool is_new = std::none_of(out.begin(), out.end(),
                                         [&](const plain::Selector& known) { return known.type == selector.type; });
        if (is_new) out.push_back(std::move(selector));
    }
    const bool some_positive =
        std::any_of(out.begin(), out.end(), [](const plain::Selector& selector) { return !selector.negated; });
    if (!some_positive && !out.empty()) out.front().negated = false;
    return out;
}

constexpr int kCertificates = 240;
constexpr int kLeafAnchors = 4;  // the first certificates may be anchors themselves

const std::vector<std::string> kWords = {"a", "B", "c d"};
const std::vector<std::string> kTypes = {"CN", "O", "OU"};
const std::vector<std::string> kDns = {"a.example.org",      "b.a.example.org",   "A.EXAMPLE.org",
                                       "*.example.org",      "c.b.a.example.org", "example.org",
                                       "evil-a.example.org", "b.a.example.org."};
const std::vector<std::string> kWantedDns = {"a.example.org",   "*.example.org",    "**.example.org",
                                             "*.a.example.org", "**.a.example.org", "B.a.example.org"};
const std::vector<std::string> kEmails = {"ops@a.example.org",  "OPS@a.example.org",
                                          "ops@A.Example.org",  "x@ops@a.example.org",
                                          "ops@a.example.org.", "\"ops@b.example.org@a.example.org",
                                          "x\\\"@a.example.org"};
const std::vector<std::string> kWantedEmails = {"ops@a.example.org", "*@a.example.org", "*@b.example.org"};
const std::vector<std::string> kUris = {"https://a.example.org/x",
                                        "https://A.example.org/x/y",
                                        "HTTPS://a.example.org/x",
                                        "https://a.example.org/x/../y",
                                        "https://a.example.org/",
                                        "https://b.example.org/x",
                                        "spiffe://td/ns/a",
                                        "spiffe://td/ns/b",
                                        "spiffe://other/ns/a",
                                        "spiffe://td/ns/../a",
                                        "spiffe://td/ns/a/",
                                        "spiffe://td",
                                        "spiffe://TD/ns/a",
                                        "spiffe://td/ns/a%2Fb",
                                        "https://u@a.example.org/x",
                                        "https://a.example.org:443/x",
                                        "https://a.example.org./x",
                                        "https://a.example.org/y/../x",
                                        "https://a.example.org/x%2Fy",
                                        "https://a.example.org/x/y?q",
                                        "https://b.example.org/x?q"};
const std::vector<std::string> kWantedUris = {"https://a.example.org/x",  "https://a.example.org/*",
                                              "https://a.example.org/**", "https://a.example.org/*/y",
                                              "spiffe://td/ns/a",         "spiffe://td/ns/*"};
const std::vector<std::string> kIps = {"10.0.0.1", "10.0.1.1", "192.0.2.7"};
const std::vector<std::string> kWantedIps = {"10.0.0.1", "10.0.0.0/24", "10.0.0.0/16", "192.0.2.0/25", "0.0.0.0/0"};
const std::vector<std::string> kWantedKeys = {"EC", "EC:P-256", "EC:P-384", "RSA", "RSA>=3072", "Ed25519", "ML-DSA"};
const std::vector<std::string> kOddWords = {"..",  ".", "a/b", "a%2Fb",      "a;b", "a\\b",
                                            "a?b", "*", "",    "%{partner}", "a ",  "\xc3\xa9"};
const std::vector<std::string> kMethods = {"GET", "PUT"};
const std::vector<std::string> kGrantedPaths = {"/d/%{cert:CN}/**", "/d/%{cert:O}/%{cert:CN}",  "/d/%{cert:OU}",
                                                "/d/%{cert:DNS}/x", "/%{partner}/%{cert:CN}/*", "/d/*",
                                                "/d/a/**"};
const std::vector<std::string> kPaths = {"/d/a/x",
                                         "/d/a/a",
                                         "/d/B/a",
                                         "/d/c d",
                                         "/d/c d/",
                                         "/d/a",
                                         "/d/a/b/x",
                                         "/d/../x",
                                         "/d/a%2Fb/x",
                                         "/d/a;b/x",
                                         "/d/*/x",
                                         "/d//x",
                                         "/d/a.example.org/x",
                                         "/p0/a/x",
                                         "/p1/B/x",
                                         "/d/%{cert:CN}/x",
                                         "/d/%{partner}/x",
                                         "/d/a /x",
                                         "/d/\xc3\xa9/x"};
const std::vector<std::string> kGroups = {"g", "h"};

std::string raw_ip(const std::string& text) {
    std::string out;
    for (const std::string_view byte : mtls::split(text, '.')) {
        out += static_cast<char>(std::stoi(std::string(byte)));
    }
    return out;
}

struct Key {
    std::string algorithm, curve;
    int bits = 0;
    mtls::EvpPkeyPtr key;
};

const std::vector<Key>& odd_keys() {
    static const std::vector<Key> keys = [] {
        std::vector<Key> out;
        out.push_back({"EC", "P-384", 384, mtls::EvpPkeyPtr(EVP_EC_gen("P-384"))});
        out.push_back({"RSA", "", 2048, mtls::EvpPkeyPtr(EVP_RSA_gen(2048))});
        out.push_back({"RSA", "", 3072, mtls::EvpPkeyPtr(EVP_RSA_gen(3072))});
        out.push_back({"Ed25519", "", 0, mtls::EvpPkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))});
        return out;
    }();
    return keys;
}

std::string hex(const std::string& raw) { return mtls::hex(mtls::bytes_of(raw)); }

}  // namespace

RandomWorld::RandomWorld(unsigned seed, std::string folder) : engine_(seed), folder_(std::move(folder)) {
    make_cas();
    for (int i = 0; i < kCertificates; ++i) {
        const bool is_twin = i >= kLeafAnchors && i < 2 * kLeafAnchors;
        certificates_.push_back(is_twin ? make_twin(certificates_[static_cast<std::size_t>(i - kLeafAnchors)])
                                        : make_certificate());
        if (i >= kLeafAnchors) continue;
        std::ofstream out(folder_ + "/leaf" + std::to_string(i) + ".pem");
        const mtls::BioPtr bio(BIO_new(BIO_s_mem()));
        PEM_write_bio_X509(bio.get(), certificates_.back().real->leaf.get());
        char* data = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &data);
        out.write(data, size);
    }
}

// Two roots, a line of two below the first, one that only bears the first's name, and one that nobody names.
void RandomWorld::make_cas() {
    const auto add = [this](const std::string& name, std::optional<std::size_t> parent) {
        real_cas_.push_back(test::make_ca(name, parent ? &real_cas_[*parent] : nullptr));
        const test::Identity& ca = real_cas_.back();
        cas_.push_back({name, parent, test::hex_sha256(ca), hex(mtls::spki_sha256(*ca.cert))});
        std::ofstream(folder_ + "/ca" + std::to_string(cas_.size() - 1) + ".pem") << ca.cert_pem();
        std::ofstream(folder_ + "/ca" + std::to_string(cas_.size() - 1) + ".json") << test::bundle_of(ca);
    };
    real_cas_.reserve(6);
    add("Root A", std::nullopt);
    add("Root B", std::nullopt);
    add("Sub A", 0);
    add("Deep A", 2);
    add("Root A", std::nullopt);
    add("Stranger", std::nullopt);
}

Pair RandomWorld::make_certificate() {
    plain::Certificate c;
    test::CertSpec spec;
    c.subject = {{"O", one_of(kWords)}, {"CN", one_of(one_in(6) ? kOddWords : kWords)}};
    for (int i = below(3); i > 0; --i) c.subject.emplace_back("OU", one_of(kWords));
    if (one_in(8)) c.subject.emplace_back("CN", one_of(kWords));
    c.malformed = one_in(25);
    for (const auto& [type, value] : c.subject) spec.subject.push_back({type, value});
    if (c.malformed) spec.subject.push_back({"L", std::string("a\0b", 3)});
    const auto add = [&](int kind, const std::vector<std::string>& from, std::vector<std::string>& into) {
        for (int i = below(3); i > 0; --i) {
            into.push_back(one_of(from));
            spec.san.emplace_back(kind, kind == GEN_IPADD ? raw_ip(into.back()) : into.back());
        }
    };
    add(GEN_DNS, kDns, c.dns);
    if (one_in(3)) add(GEN_EMAIL, kEmails, c.email);
    add(GEN_URI, kUris, c.uri);
    if (one_in(3)) add(GEN_IPADD, kIps, c.ip);
    static const std::vector<std::string> kUsages = {"clientAuth", "clientAuth", "clientAuth,serverAuth", "",
                                                     "serverAuth"};
    spec.eku = one_of(kUsages);
    for (const std::string_view name : mtls::split(spec.eku, ',')) {
        if (!name.empty()) c.eku.emplace_back(name);
    }
    c.signs = one_in(12);
    if (c.signs) spec.key_usage = "digitalSignature,cRLSign";
    if (one_in(15)) spec.not_after = -1000;
    if (one_in(15)) spec.not_before = 1000;
    // Mostly below the first root, where there is a way to go.
    c.issuer = static_cast<std::size_t>(one_in(2) ? 2 * below(2) : below(static_cast<int>(cas_.size())));
    std::vector<X509*> sent;
    for (std::optional<std::size_t> ca = c.issuer; ca && !one_in(3); ca = cas_[*ca].parent) {
        sent.push_back(real_cas_[*ca].cert.get());
        if (cas_[*ca].parent) c.helpers.push_back(*ca);  // a root that is sent leads nowhere
    }

    c.key = "EC";
    c.curve = "P-256";
    mtls::EvpPkeyPtr odd_key;
    if (one_in(3)) {
        const Key& key = one_of(odd_keys());
        c.key = key.algorithm;
        c.curve = key.curve;
        c.key_bits = key.bits;
        EVP_PKEY_up_ref(key.key.get());
        odd_key.reset(key.key.get());
    }
    const bool may_be_anchor = certificates_.size() < kLeafAnchors;
    if (!may_be_anchor && one_in(10)) odd_key = make_ca_of(c, spec);
    const test::Identity leaf = test::issue(spec, &real_cas_[c.issuer], std::move(odd_key));
    auto real = std::make_shared<mtls::PresentedCertificate>();
    real->leaf = mtls::share(*leaf.cert);
    real->facts = mtls::read_facts(*leaf.cert);
    real->helpers = mtls::useful_helpers(*leaf.cert, sent).certificates;
    c.not_before = real->facts.not_before;
    c.not_after = real->facts.not_after;
    c.serial = real->facts.serial;
    c.sha256 = test::hex_sha256(leaf);
    c.spki = hex(mtls::spki_sha256(*leaf.cert));
    c.twin = test::hex_sha256(test::twin_of(leaf, real_cas_[c.issuer]));
    return {std::move(c), std::move(real)};
}

// A certificate of one of the CAs, or of another with its name or its key; some have no CA flag.
mtls::EvpPkeyPtr RandomWorld::make_ca_of(plain::Certificate& c, test::CertSpec& spec) {
    const auto which = static_cast<std::size_t>(below(static_cast<int>(cas_.size())));
    const bool has_key = which != c.issuer && one_in(2);  // what signs itself has no other issuer
    std::string name = cas_[which].name;
    if (has_key && one_in(3)) name += " G2";
    c.subject = {{"O", name + " Inc"}, {"CN", name}};
    spec.subject = {{"C", "US", V_ASN1_PRINTABLESTRING}, {"O", name + " Inc"}, {"CN", name}};
    c.malformed = false;
    c.key = "EC";
    c.curve = "P-256";
    c.key_bits = 0;
    if (!one_in(4)) {
        c.ca_name = name;
        spec.ca = c.signs = true;
        spec.key_usage = "digitalSignature,keyCertSign";
        c.eku.clear();
    }
    return has_key ? test::copy_of(real_cas_[which]).key : mtls::EvpPkeyPtr();
}

Pair RandomWorld::make_twin(const Pair& of) {
    Pair out{of.plain, nullptr};
    std::swap(out.plain.sha256, *out.plain.twin);
    const test::Identity leaf{mtls::share(*of.real->leaf), {}};
    const test::Identity twin = test::twin_of(leaf, real_cas_[of.plain.issuer]);
    auto real = std::make_shared<mtls::PresentedCertificate>();
    real->leaf = mtls::share(*twin.cert);
    real->facts = mtls::read_facts(*twin.cert);
    for (const mtls::X509Ptr& helper : of.real->helpers) real->helpers.push_back(mtls::share(*helper));
    out.real = std::move(real);
    return out;
}

plain::Selector RandomWorld::selector() {
    const plain::Certificate& some = certificates_[static_cast<std::size_t>(below(kCertificates))].plain;
    switch (below(15)) {
        case 0:
        case 1:
            return {false, "DNS", one_of(kWantedDns)};
        case 2:
            return {false, "email", one_of(kWantedEmails)};
        case 3:
        case 4:
            return {false, "URI", one_of(kWantedUris)};
        case 5:
            return {false, "IP", one_of(kWantedIps)};
        case 6:
            return {false, "EKU", one_in(2) ? "clientAuth" : "serverAuth"};
        case 7:
            return {false, "sha256", one_in(4) ? one_of(cas_).sha256 : some.sha256};
        case 8:
            return {false, "spki-sha256", one_in(4) ? one_of(cas_).spki : some.spki};
        case 9:
            return {false, "issuer.spki-sha256", one_of(cas_).spki};
        case 10:
            return {false, "key", one_of(kWantedKeys)};
        default:
            return {false, one_of(kTypes), one_of(kWords)};
    }
}

std::vector<plain::Selector> RandomWorld::selectors() {
    std::vector<plain::Selector> out = {selector()};
    for (int i = below(3); i > 0; --i) {
        out.push_back(selector());
        out.back().negated = one_in(3);
    }
    return out;
}

plain::Window RandomWorld::window() {
    constexpr std::int64_t kLongAgo = 1577923199;     // 2020-01-01T23:59:59Z
    constexpr std::int64_t kInTenYears = 2082758400;  // 2036-01-01
    plain::Window out;
    if (one_in(16)) out.until = kLongAgo;
    if (one_in(16)) out.from = kInTenYears;
    if (one_in(4)) out.until = kInTenYears;
    if (out.from && out.until) out.until.reset();
    return out;
}

plain::Anchor RandomWorld::anchor() {
    plain::Anchor out;
    if (one_in(12)) {
        const auto leaf = static_cast<std::size_t>(below(kLeafAnchors));
        out.file = "leaf" + std::to_string(leaf) + ".pem";
        out.leaf = certificates_[leaf].plain.sha256;
    } else {
        constexpr int kNamed = 5;  // all but the stranger
        out.ca = static_cast<std::size_t>(below(kNamed));
        out.file = "ca" + std::to_string(*out.ca) + ".pem";
    }
    out.window = window();
    return out;
}

plain::Anchor RandomWorld::bundle() {
    plain::Anchor out;
    constexpr int kNamed = 5;
    out.ca = static_cast<std::size_t>(below(kNamed));
    out.file = "bundle:ca" + std::to_string(*out.ca) + ".json";
    out.trust_domain = one_in(3) ? "other" : "td";
    out.window = window();
    return out;
}

// What can never hold under its bundles is an error.
void RandomWorld::ask_for_domains(plain::Partner& partner) {
    const auto change = [&](std::vector<plain::Selector>& selectors, const std::optional<std::string>& file) {
        for (plain::Selector& selector : selectors) {
            if (selector.type != "URI" || selector.negated) continue;
            const plain::Anchor* anchor = &one_of(partner.anchors);
            while (file && anchor->file != *file) anchor = &one_of(partner.anchors);
            selector.value = "spiffe://" + anchor->trust_domain + (one_in(2) ? "/ns/*" : "/**");
        }
    };
    for (plain::Identity& identity : partner.identities) change(identity.selectors, identity.anchor);
    for (plain::Group& group : partner.groups) change(group.conditions, std::nullopt);
}

plain::Partner RandomWorld::partner(int number) {
    plain::Partner out;
    out.name = "p" + std::to_string(number);
    const bool by_bundles = one_in(4);
    for (int i = below(2); i >= 0; --i) {
        out.anchors.push_back(by_bundles ? bundle() : anchor());
        if (out.anchors.size() == 2 && out.anchors[0].file == out.anchors[1].file) out.anchors.pop_back();
    }
    for (int i = below(3); i >= 0; --i) {
        plain::Identity identity;
        if (!one_in(8)) identity.selectors = selectors();
        if (one_in(6)) identity.anchor = one_of(out.anchors).file;
        out.identities.push_back(std::move(identity));
    }
    if (one_in(4)) out.intermediates.push_back(one_in(2) ? 2 : 3);
    for (int i = below(3); i >= 0; --i) {
        plain::Group group{one_of(kGroups), {}};
        if (one_in(3)) group.conditions = selectors();
        out.groups.push_back(std::move(group));
    }
    if (by_bundles) ask_for_domains(out);
    for (int i = below(4); i > 0; --i) out.grants.push_back(grant());
    if (one_in(6)) out.networks.push_back(one_of(kWantedIps));
    if (one_in(12)) out.networks.push_back(one_of(kWantedIps));
    out.suspended = one_in(12);
    if (one_in(8)) out.validity = window();
    out.needs_crl = one_in(12);
    return out;
}

plain::Request RandomWorld::request() { return {one_of(kIps), one_of(kMethods), one_of(kPaths)}; }

plain::Grant RandomWorld::grant() { return {one_in(3) ? "*" : one_of(kMethods), one_of(kGrantedPaths)}; }

plain::Policy RandomWorld::policy() {
    plain::Policy out;
    out.cas = cas_;
    for (int i = 0, partners = 1 + below(6); i < partners; ++i) out.partners.push_back(partner(i));
    for (int i = one_in(4) ? 1 + below(3) : 0; i > 0; --i) out.revocations.push_back(of_distinct_types(selectors()));
    if (one_in(3)) out.grants.push_back(grant());
    return out;
}

namespace {

std::string line_of(const plain::Grant& grant) { return "MTLSGrant " + grant.method + " " + grant.path + "\n"; }

std::string words_of(const std::vector<plain::Selector>& selectors) {
    std::string out;
    for (const plain::Selector& s : selectors) {
        out += " \"" + std::string(s.negated ? "!" : "") + s.type + ":" + s.value + "\"";
    }
    return out;
}

std::string words_of(const plain::Window& window) {
    std::string out;
    if (window.from) out += " from=" + mtls::format_time(*window.from);
    if (window.until) out += " until=" + mtls::format_time(*window.until);
    return out;
}

}  // namespace

std::string RandomWorld::text_of(const plain::Policy& policy) {
    std::string out;
    for (const plain::Partner& partner : policy.partners) {
        out += "<MTLSPartner " + partner.name + ">\n";
        for (const plain::Identity& identity : partner.identities) {
            out += "MTLSIdentity" + (identity.selectors.empty() ? " any" : words_of(identity.selectors));
            if (identity.anchor) out += " anchor=" + *identity.anchor;
            out += "\n";
        }
        for (const plain::Anchor& anchor : partner.anchors) {
            out += "MTLSTrustAnchor " + anchor.file;
            if (!anchor.trust_domain.empty()) out += " trust-domain=" + anchor.trust_domain;
            out += words_of(anchor.window) + "\n";
        }
        for (const std::size_t ca : partner.intermediates) {
            out += "MTLSIntermediate ca" + std::to_string(ca) + ".pem\n";
        }
        for (const plain::Group& group : partner.groups) {
            out += "MTLSGroup " + group.name;
            if (!group.conditions.empty()) out += " if" + words_of(group.conditions);
            out += "\n";
        }
        if (partner.validity.from || partner.validity.until) out += "MTLSValid" + words_of(partner.validity) + "\n";
        for (const plain::Grant& grant : partner.grants) out += line_of(grant);
        for (const std::string& network : partner.networks) out += "MTLSNetwork " + network + "\n";
        if (partner.suspended) out += "MTLSSuspend On\n";
        if (partner.needs_crl) out += "MTLSCRL required\n";
        out += "</MTLSPartner>\n";
    }
    for (const plain::Grant& grant : policy.grants) out += line_of(grant);
    for (const auto& selectors : policy.revocations) out += "MTLSRevoke" + words_of(selectors) + "\n";
    return out;
}

}  // namespace answers
