#include <iostream>

#include "commands.hpp"
#include "facts_json.hpp"
#include "input.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/trust/spiffe_bundle.hpp"
#include "terminal.hpp"

namespace mtls::tool {

namespace {

void line(const char* what, const std::string& value) {
    if (!value.empty())
        std::cout << "  " << what << std::string(12 - std::string_view(what).size(), ' ') << value << '\n';
}

// The summary for people; JSON has all fields.
void print_facts(const std::string& file, const CertificateFacts& facts) {
    constexpr std::size_t kMostNames = 4000;
    std::cout << file << '\n';
    line("subject", shown(facts.subject.text()));
    line("issuer", shown(facts.issuer.text()));
    line("names", shown(san_text(facts, kMostNames)));
    line("valid", format_time(facts.not_before) + " to " + format_time(facts.not_after));
    line("serial", facts.serial);
    line("sha256", hex(bytes_of(facts.sha256)));
    line("key", hex(bytes_of(facts.spki_sha256)));
    line("EKU", joined(facts.eku, ", "));
    line("policies", joined(facts.policies, ", "));
    line("revocation", facts.no_rev_avail ? "none is published (noRevAvail)" : "");
    line("is a CA", facts.is_ca ? "yes" : "no");
    if (!facts.malformed.empty()) line("malformed", coloured(shown(facts.malformed), Colour::kBad));
}

// Also accepts a SPIFFE bundle, and returns its CAs.
Result<std::vector<X509Ptr>> decode(const std::string& content) {
    if (!trim(content).starts_with('{')) return decode_certificates(content);
    const auto bundle = read_spiffe_bundle(content);
    if (!bundle) return Error{bundle.error()};
    std::vector<X509Ptr> out;
    for (const std::string& der : bundle.value().authorities) {
        out.push_back(std::move(decode_certificates(der).value().front()));
    }
    return out;
}

}  // namespace

int show_facts(const FactsOptions& options) {
    const bool is_for_people = is_terminal() && !options.json;
    int status = kFine;
    for (std::size_t i = 0; i < options.files.size(); ++i) {
        show_progress("read", i, options.files.size());
        const std::string& file = options.files[i];
        const auto content = read_input(file);
        if (!content) {
            status = complain(file + ": " + content.error());
            continue;
        }
        const auto certificates = decode(content.value());
        if (!certificates) {
            status = complain(file + ": " + certificates.error());
            if (!is_for_people) std::cout << one_line(unreadable_json(file, certificates.error())) << '\n';
            continue;
        }
        for (const X509Ptr& certificate : certificates.value()) {
            const CertificateFacts facts = read_facts(*certificate);
            if (is_for_people) {
                print_facts(file, facts);
            } else {
                std::cout << one_line(facts_json(file, facts)) << '\n';
            }
        }
    }
    show_progress("read", options.files.size(), options.files.size());
    return status;
}

}  // namespace mtls::tool
