
#include "sources.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "../input.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/load/directive.hpp"

namespace mtls::tool {

namespace {

using PointsPtr = std::unique_ptr<CRL_DIST_POINTS, FreeWith<CRL_DIST_POINTS_free>>;
using AccessPtr = std::unique_ptr<AUTHORITY_INFO_ACCESS, FreeWith<AUTHORITY_INFO_ACCESS_free>>;

std::string uri_of(const GENERAL_NAME& name) {
    if (name.type != GEN_URI) return {};
    std::string text(octets_of(*name.d.uniformResourceIdentifier));
    const std::string scheme = lower(text.substr(0, text.find(':')));
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
    return is_plain && (scheme == "http" || scheme == "https") ? text : std::string();
}

// The single directory name of a cRLIssuer; "" for none or several.
std::string only_name(const GENERAL_NAMES& names) {
    std::string out;
    for (int i = 0; i < sk_GENERAL_NAME_num(&names); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(&names, i);
        if (name->type != GEN_DIRNAME) continue;
        if (!out.empty()) return {};
        out = read_name(*name->d.directoryName).canonical;
    }
    return out;
}

class SourceReader {
public:
    SourceReader(const std::string& root, std::int64_t now, Sources& out)
        : root_(std::filesystem::absolute(root)), now_(now), out_(out) {}

    void add_policy(const std::string& pattern) {
        const auto files = pattern == "-" ? std::vector<std::string>{pattern} : expand(pattern);
        if (!files) return fail(pattern, files.error());
        if (files.value().empty()) return fail(pattern, "no file fits this pattern");
        for (const std::string& file : files.value()) {
            const auto content = file == "-" ? read_input(file) : read_whole_file(file, kLargestPolicyFile);
            if (!content) {
                fail(file, content.error());
                continue;
            }
            const auto directives = read_directives(content.value(), file, out_.findings);
            for (const Directive& d : directives ? directives.value() : std::vector<Directive>()) add(d, "");
        }
    }
    void add_certificates(const std::string& path, const std::string& spelled, const Where& where,
                          const std::string& partner) {
        const auto content = read_whole_file(path, kLargestCertificateFile);
        auto found = content ? decode_certificates(content.value()) : Result<std::vector<X509Ptr>>(Error{});
        if (!found) {
            const std::string why = content ? found.error() : "cannot be read: " + content.error();
            return error(where, "'" + escape_for_log(path, 200) + "' " + why);
        }
        for (X509Ptr& certificate : found.value()) {
            auto ca = std::make_shared<const PolicyCa>(std::move(certificate), spelled);
            const bool is_ca = (X509_get_extension_flags(ca->certificate.get()) & EXFLAG_CA) != 0;
            if (is_ca && ca->not_after >= now_) out_.partners[partner].push_back(std::move(ca));
        }
    }

private:
    void error(const Where& where, const std::string& message) {
        out_.findings.push_back({Diagnostic::Severity::kError, where, message});
    }
    void fail(const std::string& file, const std::string& why) {
        out_.unreadable = true;
        error({file, 0}, "cannot be read: " + why);
    }
    std::string absolute(const std::string& file) const {
        return (std::filesystem::path(root_) / file).lexically_normal();
    }
    void add(const Directive& d, const std::string& partner) {
        for (const Directive& child : d.children) add(child, d.args);
        if (equal_nocase(d.name, "MTLSTrustAnchor") || equal_nocase(d.name, "MTLSIntermediate")) add_files(d, partner);
    }
    void add_files(const Directive& d, const std::string& partner) {
        std::vector<std::string> files;
        for (const std::string& word : config_words(d.args)) {
            const std::string option = lower(word.substr(0, word.find('=')));
            if (option == "until") {
                const auto until = parse_date(word.substr(std::min(word.size(), option.size() + 1)), DateEdge::kUntil);
                if (until && until.value() < now_) return;
            }
            static constexpr std::string_view kNoFile[] = {"from", "until", "trust-domain", "mod_ssl"};
            const bool is_file = std::find(std::begin(kNoFile), std::end(kNoFile), option) == std::end(kNoFile);
            // Certificates of SPIFFE CAs live for hours, and have no CRLs.
            if (is_file && !word.starts_with(kBundlePrefix)) files.push_back(word);
        }
        for (const std::string& file : files) add_certificates(absolute(file), file, d.where, partner);
    }

    const std::filesystem::path root_;
    const std::int64_t now_;
    Sources& out_;
};

}  // namespace

PolicyCa::PolicyCa(X509Ptr of, std::string file_of_it)
    : certificate(std::move(of)),
      file(std::move(file_of_it)),
      issuer(read_name(*X509_get_issuer_name(certificate.get())).canonical),
      key(spki_sha256(*certificate)),
      not_after(epoch_of(X509_get0_notAfter(certificate.get())).value_or(0)) {
    const DistinguishedName subject = read_name(*X509_get_subject_name(certificate.get()));
    name = subject.canonical;
    name_text = subject.text();
}

bool PolicyCa::issued(const X509& other) const {
    const ErrorQueueGuard errors;
    return read_name(*X509_get_issuer_name(&other)).canonical == name &&
           X509_verify(const_cast<X509*>(&other), X509_get0_pubkey(certificate.get())) == 1;
}

PolicyCas Sources::all() const {
    PolicyCas out;
    std::set<std::string> digests;
    for (const auto& [partner, cas] : partners) {
        for (const auto& ca : cas) {
            if (digests.insert(certificate_sha256(*ca->certificate)).second) out.push_back(ca);
        }
    }
    return out;
}

Sources read_sources(const std::vector<std::string>& policy, const std::string& root,
                     const std::vector<std::string>& server_cas, std::int64_t now) {
    Sources out;
    SourceReader reader(root, now, out);
    for (const std::string& pattern : policy) reader.add_policy(pattern);
    for (const std::string& file : server_cas) reader.add_certificates(file, file, {file, 0}, "");
    return out;
}

std::vector<ListPoint> list_points(const X509& certificate) {
    const ErrorQueueGuard errors;
    std::vector<ListPoint> out;
    const PointsPtr points(
        static_cast<CRL_DIST_POINTS*>(X509_get_ext_d2i(&certificate, NID_crl_distribution_points, nullptr, nullptr)));
    for (int i = 0; i < sk_DIST_POINT_num(points.get()); ++i) {
        const DIST_POINT* const point = sk_DIST_POINT_value(points.get(), i);
        constexpr int kFullName = 0;
        if (point->distpoint == nullptr || point->distpoint->type != kFullName) continue;
        ListPoint found;
        found.issuer = point->CRLissuer != nullptr ? only_name(*point->CRLissuer)
                                                   : read_name(*X509_get_issuer_name(&certificate)).canonical;
        for (int n = 0; n < sk_GENERAL_NAME_num(point->distpoint->name.fullname); ++n) {
            std::string url = uri_of(*sk_GENERAL_NAME_value(point->distpoint->name.fullname, n));
            if (!url.empty()) found.urls.push_back(std::move(url));
        }
        if (!found.urls.empty() && !found.issuer.empty()) out.push_back(std::move(found));
    }
    return out;
}

std::vector<std::string> responder_urls(const X509& certificate) {
    const ErrorQueueGuard errors;
    std::vector<std::string> out;
    const AccessPtr access(
        static_cast<AUTHORITY_INFO_ACCESS*>(X509_get_ext_d2i(&certificate, NID_info_access, nullptr, nullptr)));
    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i) {
        const ACCESS_DESCRIPTION* const one = sk_ACCESS_DESCRIPTION_value(access.get(), i);
        if (OBJ_obj2nid(one->method) != NID_ad_OCSP) continue;
        std::string url = uri_of(*one->location);
        if (!url.empty()) out.push_back(std::move(url));
    }
    return out;
}

}  // namespace mtls::tool
