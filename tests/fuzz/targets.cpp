
#include "targets.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/front_header.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/decide/override_header.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/load/policy_source.hpp"
#include "mtls_authz/policy/forwarding.hpp"
#include "mtls_authz/rules/granted_paths.hpp"
#include "mtls_authz/tell/account.hpp"
#include "mtls_authz/tell/html.hpp"
#include "mtls_authz/tell/negotiation.hpp"
#include "mtls_authz/trust/crl.hpp"
#include "mtls_authz/trust/spiffe_bundle.hpp"

namespace fuzz {

namespace {

mtls::X509Ptr parse(std::string_view der) {
    const mtls::ErrorQueueGuard errors;
    return mtls::take_x509(der);
}

}  // namespace

void facts(std::string_view input) {
    const mtls::X509Ptr certificate = parse(input);
    if (!certificate) return;
    const mtls::CertificateFacts facts = mtls::read_facts(*certificate);
    // A name that is well formed reads back to itself.
    if (facts.subject.malformed.empty() && !facts.subject.attributes.empty()) {
        const auto pattern = mtls::NamePattern::parse(facts.subject.text());
        require(!pattern || pattern.value().matches(facts.subject));
    }
    // What is not malformed OpenSSL decodes, too; and its dates are read again as they are written.
    if (facts.malformed.empty()) {
        for (const int nid :
             {NID_subject_alt_name, NID_ext_key_usage, NID_key_usage, NID_basic_constraints, NID_certificate_policies,
              NID_authority_key_identifier, NID_subject_key_identifier, NID_crl_distribution_points,
              NID_name_constraints, NID_policy_constraints, NID_policy_mappings, NID_inhibit_any_policy}) {
            int critical = 0;
            void* const value = X509_get_ext_d2i(certificate.get(), nid, &critical, nullptr);
            constexpr int kAbsent = -1;
            require(value != nullptr || critical == kAbsent);
            ASN1_item_free(static_cast<ASN1_VALUE*>(value), ASN1_ITEM_ptr(X509V3_EXT_get_nid(nid)->it));
        }
        for (const std::int64_t date : {facts.not_before, facts.not_after}) {
            require(mtls::parse_date(mtls::format_time(date), mtls::DateEdge::kFrom).value() == date);
        }
    }
    for (const char c : mtls::escape_for_log(mtls::san_text(facts, 256), 256)) require(c >= 0x20 && c < 0x7f);
    static const mtls::SelectorIndex index = [] {
        static mtls::Arena arena;
        mtls::SelectorIndexBuilder out(mtls::Repeats::kAnyCounts);
        std::uint32_t id = 0;
        for (const char* word : {"DNS:**.example.org", "URI:https://a.example.org/*/b/**", "URI:spiffe://td/*",
                                 "IP:10.0.0.0/8", "email:*@a.example.org", "OU:a"}) {
            mtls::WrittenConditions line;
            line.add(mtls::Selector::parse(word).value());
            out.add(id++, line.view());
        }
        return out.finish(arena);
    }();
    require(index.candidates(facts, {}).size() <= 6);
}

void policy(std::string_view input) {
    std::vector<mtls::Diagnostic> errors;
    const auto directives = mtls::read_directives(input, "fuzz", errors);
    if (!directives) return;
    mtls::DiskFiles disk;
    mtls::PolicyBuilder builder("/nonexistent", disk);
    for (const mtls::Directive& d : directives.value()) builder.add(d);
    const auto built = builder.build();
    require((built == nullptr) == builder.has_errors());
    // What is kept is what its text says.
    for (std::size_t p = 0; built != nullptr && p < built->partners().size(); ++p) {
        for (const mtls::Identity& identity : built->partners()[p].identities) {
            mtls::WrittenConditions again;
            for (const mtls::Selector& s : identity.selectors) again.add(mtls::Selector::parse(s.text()).value());
            require(again.records() == identity.selectors.records());
        }
    }
}

void selector(std::string_view input) {
    const auto parsed = mtls::Selector::parse(input);
    if (!parsed) return;
    static const mtls::CertificateFacts nothing;
    static const mtls::PathFacts no_path;
    const mtls::Selector read = parsed.value().selector();
    const auto answer = read.test(nothing, &no_path, mtls::Repeats::kMustBeSingle);
    // Of a certificate that holds nothing, only a negation says yes (or an empty name).
    require(answer != mtls::Answer::kYes || read.negated() || read.field() == mtls::Field::kSubject ||
            read.field() == mtls::Field::kIssuer);
    // Whatever is understood can be found, and put in order among revocations.
    mtls::SelectorIndexBuilder index(mtls::Repeats::kAnyCounts);
    mtls::WrittenConditions line;
    line.add(parsed.value());
    index.add(0, line.view());
    mtls::Arena arena;
    require(index.finish(arena).candidates(nothing, {}).size() <= 1);
    // What was understood is understood again from its own text.
    const auto again = mtls::Selector::parse(read.text());
    require(again.ok() && again.value().record == parsed.value().record);
    // Other bytes are refused, or read within themselves.
    std::string_view rest = input;
    while (const auto other = mtls::Selector::take(rest)) other->test(nothing, &no_path, mtls::Repeats::kAnyCounts);
}

void crl(std::string_view input) {
    mtls::DecodedCrls decoded = mtls::decode_crls(std::string(input));
    mtls::CrlSet set;
    for (mtls::X509CrlPtr& list : decoded.lists) {
        auto crl = mtls::Crl::read(std::move(list));
        if (!crl) continue;
        // Whose signature nobody has verified revokes nothing.
        require(crl.value()->is_unverified());
        set.add(
            std::move(crl.value()), [](const std::string&) { return std::vector<mtls::X509Ptr>(); }, 0);
    }
}

void path(std::string_view input) {
    const std::size_t split = input.find('\n');
    if (split == std::string_view::npos) return;
    const auto pattern = mtls::PathPattern::parse(input.substr(0, split));
    const std::string_view path = input.substr(split + 1);
    const auto is_odd = [](char c) {
        return std::string_view(";?{#\\%\x7f").find(c) != std::string_view::npos || (c >= 0 && c < ' ');
    };
    const bool is_plain = path.starts_with('/') && std::none_of(path.begin(), path.end(), is_odd) &&
                          path.find("/.") == std::string_view::npos && path.find("//") == std::string_view::npos;
    require(mtls::is_plain_path(path) == is_plain);
    const bool has_fault = mtls::find_path_fault(path) != mtls::PathFault::kNone;
    require(!is_plain || !has_fault);
    const auto readings = mtls::readings_of(path, mtls::PathForm::kDecoded);
    require(!is_plain || (readings && readings->size() == 1));
    if (is_plain) {
        // With a '%' at its end the path is not plain, so every step runs, and there is nothing to decode.
        const auto tried = mtls::readings_of(std::string(path) + '%', mtls::PathForm::kDecoded);
        require(tried && tried->size() == 1);
    }
    for (const std::string& reading : readings.value_or(std::vector<std::string>())) {
        // Of a path without fault, no reading has one.
        for (const std::string_view part : mtls::split(reading, '/'))
            require(has_fault || (part != "." && part != ".."));
    }
    mtls::readings_of(path, mtls::PathForm::kRaw);
    if (!pattern) return;
    require(pattern.value().covers(pattern.value()));
    require(mtls::PathPattern::parse(pattern.value().text()).ok());
    const mtls::Grant any_method{};
    const auto fits = [&](const mtls::PathPattern& asked) {
        std::vector<mtls::GrantedPath> granted;
        granted.push_back({&any_method, &asked, {"17", "a b"}});
        return mtls::GrantedPaths(std::move(granted), "acme").find({"GET", path}).path != nullptr;
    };
    if (!fits(pattern.value())) return;
    require(path.starts_with(pattern.value().literal_prefix()));
    require(fits(mtls::PathPattern::parse("/**").value()));
}

void bundle(std::string_view input) {
    const auto read = mtls::read_spiffe_bundle(input);
    const std::string error = read ? "" : read.error();
    for (const char c : error) require(c >= 0x20 && c < 0x7f);
    require(read.ok() == error.empty());
    if (!read) return;
    // What is read is JSON for other readers, too, and holds CAs alone.
    require(nlohmann::json::accept(input) && !read.value().authorities.empty());
    for (const std::string& der : read.value().authorities) {
        const mtls::X509Ptr certificate = parse(der);
        require(certificate && X509_check_ca(certificate.get()) == 1);
    }
}

void front(std::string_view input) {
    using mtls::FieldHolds;
    const auto require_plain = [](const std::string& error) {
        require(!error.empty());
        for (const char c : error) require(c >= 0x20 && c < 0x7f);
    };
    for (std::size_t i = 0; i < mtls::kFrontFormats.size(); ++i) {
        const auto format = static_cast<mtls::FrontFormat>(i);
        for (const FieldHolds holds : {FieldHolds::kOneCertificate, FieldHolds::kLeafAndChain}) {
            const auto read = mtls::decode_front_header(format, input, holds);
            if (!read) {
                require_plain(read.error());
                continue;
            }
            require(read.value().leaf && read.value().chain.size() <= mtls::kMostFrontCertificates);
            const bool may_have_chain = holds == FieldHolds::kLeafAndChain || format == mtls::FrontFormat::kXfcc;
            require(may_have_chain || read.value().chain.empty());
            // It is that certificate and no other, as it is handed on further.
            const std::string again = mtls::client_cert_value(mtls::base64(mtls::encode(i2d_X509, *read.value().leaf)));
            const auto reread = mtls::decode_front_header(mtls::FrontFormat::kRfc9440, again);
            require(reread && X509_cmp(reread.value().leaf.get(), read.value().leaf.get()) == 0);
        }
        const auto chain = mtls::decode_front_chain(format, input);
        if (!chain) require_plain(chain.error());
        require(!chain || chain.value().size() <= mtls::kMostFrontCertificates);
    }
}

void session(std::string_view input) {
    const std::size_t split = input.find("----");
    if (split == std::string_view::npos) return;
    const mtls::X509Ptr leaf = parse(input.substr(split + 4));
    if (!leaf) return;
    std::string data(1, '\1');
    data += mtls::certificate_sha256(*leaf);
    data += input.substr(0, split);
    const mtls::SentHelpers helpers = mtls::decode_helpers(data, *leaf);
    require(helpers.certificates.size() <= mtls::kMostHelpers);
    for (std::size_t i = 0; i < helpers.certificates.size(); ++i) {
        require(helpers.digests.at(i) == mtls::certificate_sha256(*helpers.certificates[i]));
    }
    mtls::decode_helpers(input, *leaf);
}

void telling(std::string_view input) {
    const auto certificate = std::make_shared<mtls::CertificateText>();
    mtls::Account account;
    account.certificate = certificate;
    std::string* const fields[] = {&certificate->subject, &certificate->san, &account.path, &account.method,
                                   &certificate->sha256};
    for (std::size_t i = 0; i < std::size(fields); ++i) *fields[i] = input.substr(input.size() * i / std::size(fields));
    const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f; };
    const std::string denial = mtls::denial_line(account, "denied");
    require(std::all_of(denial.begin(), denial.end(), is_plain));
    const std::string audit = mtls::audit_line(account);
    require(audit.size() <= mtls::kMostAuditBytes && audit.back() == '\n');
    require(std::all_of(audit.begin(), audit.end() - 1, is_plain));
    require(nlohmann::json::accept(audit));
    const std::string html = mtls::html_escape(input);
    require(html.find_first_of("<>\"'") == std::string::npos);
    require(mtls::decode_utf8(html).has_value());
    mtls::prefers_html(input, {"application/json"});
    const auto is_partner = [](std::string_view option) { return mtls::has_header_key(option, "xpartner"); };
    const std::string rest = mtls::without_options(input, is_partner);
    require(mtls::are_options_without(rest, is_partner));
    if (mtls::are_options_without(input, is_partner)) {
        std::string same(input);
        std::erase_if(same, [](char c) { return c == ',' || c == ' '; });
        std::string left = rest;
        std::erase_if(left, [](char c) { return c == ',' || c == ' '; });
        require(left == same);
    }
    require(rest.find_first_of(";\"\t") == std::string::npos);
    for (const std::string_view option : mtls::split(rest, ',')) require(mtls::header_key(option) != "xpartner");
    require(mtls::overrides(input) == mtls::overrides(mtls::header_key(input)));
}

}  // namespace fuzz

#ifdef FUZZ_TARGET
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    fuzz::FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
    return 0;
}
#endif
