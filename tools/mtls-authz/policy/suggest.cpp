#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../terminal.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/public_ca.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "policy_text.hpp"

namespace mtls::tool {

namespace {

struct Choice {
    std::string selector;
    std::string cost;  // its cost and risk
};

using Client = std::shared_ptr<const PresentedCertificate>;

// Certificates that become one partner.
struct Together {
    std::vector<std::string> files;
    std::vector<Client> clients;
};

// Whether the selectors parse without warning, match this certificate, and fit one value only: the selector for a name
// that contains '*' is a wildcard.
bool is_usable(const std::string& selectors, const CertificateFacts& facts) {
    const auto words = config_words(selectors);
    return std::all_of(words.begin(), words.end(), [&](const std::string& word) {
        const auto parsed = Selector::parse(word);
        return parsed.ok() && parsed.value().warnings.empty() && parsed.value().selector().is_exact() &&
               parsed.value().selector().test(facts, nullptr, Repeats::kMustBeSingle) == Answer::kYes;
    });
}

std::vector<std::string> attributes(const CertificateFacts& facts, std::string_view type) {
    std::vector<std::string> out;
    for (const NameAttribute& attribute : facts.subject.attributes) {
        if (oid_name(attribute.oid) == type) out.push_back(attribute.text);
    }
    return out;
}

// Ordered from fields that survive renewal to those that never do. `selector` is quoted as in the configuration.
std::vector<Choice> choices_for(const CertificateFacts& facts) {
    std::vector<Choice> out;
    const auto offer_words = [&](const std::vector<std::string>& words, const char* cost) {
        const std::string line = joined(words, " ", config_quote);
        // A line that shows something else than it says is no suggestion.
        const bool is_readable = escape_hidden(line) == line;
        if (is_readable && std::all_of(words.begin(), words.end(), is_writable) && is_usable(line, facts)) {
            out.push_back({line, cost});
        }
    };
    const auto offer = [&](const std::string& word, const char* cost) { offer_words({word}, cost); };
    for (const std::string& uri : facts.uri) offer("URI:" + uri, "stays at renewal; says exactly which service it is");
    for (const std::string& name : facts.dns)
        offer("DNS:" + name, "stays at renewal, as long as the host keeps its name");
    for (const NameAttribute& attribute : facts.subject.attributes) {
        constexpr const char* kOrganizationIdentifier = "2.5.4.97";
        if (attribute.oid == kOrganizationIdentifier) {
            offer("organizationIdentifier:" + attribute.text,
                  "registered, and stays; every certificate of that organization fits");
        }
    }
    offer("subject:" + facts.subject.text(), "the whole name: breaks when any part of it changes");
    const auto organizations = attributes(facts, "O"), units = attributes(facts, "OU"), names = attributes(facts, "CN");
    if (!organizations.empty() && !units.empty()) {
        std::vector<std::string> words = {"O:" + organizations.front()};
        for (const std::string& unit : units) words.push_back("OU:" + unit);
        // With fewer of them, certificates of other units would fit.
        if (words.size() <= kMostSelectors)
            offer_words(words, "stays when hosts and people change; every certificate of that unit fits");
    }
    for (const std::string& address : facts.email) offer("email:" + address, "belongs to a person, who may leave");
    for (const std::string& upn : facts.upn)
        offer("UPN:" + upn, "belongs to an account, which may be given to somebody else");
    for (const std::string& name : names)
        offer("CN:" + name, "says little by itself: only the trust anchor makes it theirs");
    offer("spki-sha256:" + hex(bytes_of(facts.spki_sha256)), "stays at renewal if the key does; breaks with a new key");
    offer("sha256:" + hex(bytes_of(facts.sha256)), "this certificate alone: breaks at its renewal");
    return out;
}

// The choices that all certificates fit, and then the others.
std::vector<Choice> choices_for(const Together& together, std::size_t& common) {
    std::vector<Choice> out, others;
    for (const Client& client : together.clients) {
        for (Choice& choice : choices_for(client->facts)) {
            const auto is_same = [&](const Choice& other) { return other.selector == choice.selector; };
            if (std::any_of(out.begin(), out.end(), is_same) || std::any_of(others.begin(), others.end(), is_same))
                continue;
            const bool fits_all =
                std::all_of(together.clients.begin(), together.clients.end(),
                            [&](const Client& other) { return is_usable(choice.selector, other->facts); });
            (fits_all ? out : others).push_back(std::move(choice));
        }
    }
    common = out.size();
    out.insert(out.end(), others.begin(), others.end());
    return out;
}

// Whether both certificates have a name in common that identifies a partner. A CN does so within one organization.
bool belong_together(const CertificateFacts& a, const CertificateFacts& b) {
    const auto share = [](const std::vector<std::string>& mine, const std::vector<std::string>& theirs) {
        return std::find_first_of(mine.begin(), mine.end(), theirs.begin(), theirs.end()) != mine.end();
    };
    const bool same_organization = attributes(a, "O") == attributes(b, "O") && !attributes(a, "O").empty();
    return share(a.uri, b.uri) || share(a.dns, b.dns) || share(a.email, b.email) || share(a.upn, b.upn) ||
           (a.subject.canonical == b.subject.canonical && !a.subject.attributes.empty()) ||
           (same_organization && share(attributes(a, "CN"), attributes(b, "CN")));
}

// Why the certificate, or a CA sent with it, is from a public CA; "" if none is.
std::string why_public(const PresentedCertificate& certificate) {
    PublicCas cas;
    std::string why = cas.why(*certificate.leaf);
    for (const X509Ptr& helper : certificate.helpers) {
        if (why.empty()) why = cas.why(*helper);
    }
    return why;
}

// MTLSPurpose lines for server certificates, and for client certificates whose CA will issue only those.
std::string purpose_lines(const PresentedCertificate& certificate) {
    const CertificateFacts& facts = certificate.facts;
    if (is_for_servers_alone(facts)) {
        return "    # It was made for servers alone: without this line the handshake refuses it.\n    MTLSPurpose "
               "serverAuth\n";
    }
    const std::string why = why_public(certificate);
    if (why.empty()) return {};
    return "    # A public CA's, since " + shown(why) + ". Its successor, due before " + format_time(facts.not_after) +
           ", may be\n    # made for servers alone, as " + kPublicCasStop +
           ":\n    # then the handshake refuses it without this line.\n    #MTLSPurpose serverAuth until=DATE\n";
}

// A partner name from the organization, else the common name.
std::string name_for(const CertificateFacts& facts) {
    std::string out = "partner";
    for (const char* const type : {"CN", "O"}) {
        for (const std::string& text : attributes(facts, type)) {
            const std::string name = partner_name_of(text);
            if (!name.empty()) out = name;
        }
    }
    return out;
}

// The trust domain if the certificate is an X509-SVID; else "".
std::string svid_domain_of(const CertificateFacts& facts) {
    if (facts.uri.size() != 1) return {};
    const std::string domain(trust_domain_of(facts.uri.front()));
    return !domain.empty() && svid_fault(facts, domain).empty() ? domain : std::string();
}

bool is_self_signed(const PresentedCertificate& certificate) {
    const ErrorQueueGuard errors;
    return certificate.facts.subject.canonical == certificate.facts.issuer.canonical &&
           X509_verify(certificate.leaf.get(), X509_get0_pubkey(certificate.leaf.get())) == 1;
}

// Why the server may refuse the file, though it can read it; "" if it does not. A server that root did not start has a
// ServerRoot of its user.
std::string fault_of_owner(const std::string& file, const std::string& root) {
    struct stat of_root {};
    FileTrust trust;
    trust.run_user = static_cast<uid_t>(-1);  // not known here
    trust.run_group = static_cast<gid_t>(-1);
    if (geteuid() != 0 && stat(root.empty() ? "." : root.c_str(), &of_root) == 0) trust.starter = of_root.st_uid;
    std::error_code failed;
    const std::string path = std::filesystem::absolute(file, failed);
    return failed ? std::string() : find_trust_fault(path, trust);
}

std::string anchor_lines(const CertificateFacts& facts, const std::vector<std::string>& anchors,
                         const std::string& root) {
    const std::string domain = svid_domain_of(facts);
    std::string out;
    for (const std::string& anchor : anchors) {
        const bool is_bundle = anchor.starts_with(kBundlePrefix) && !domain.empty();
        const std::string file = anchor.substr(anchor.starts_with(kBundlePrefix) ? kBundlePrefix.size() : 0);
        const std::string fault = fault_of_owner(std::filesystem::path(absolute_root(root)) / file, root);
        if (!fault.empty()) out += "    # The server refuses this file: " + shown(fault) + "\n";
        out += "    MTLSTrustAnchor " + config_quote(anchor) + (is_bundle ? " trust-domain=" + domain : "") + "\n";
    }
    if (!out.empty()) return out;
    const std::string better = domain.empty() ? "the file of the CA that issues this partner's certificates"
                                              : "the bundle of its trust domain, bundle:FILE trust-domain=" + domain;
    return "    # Better " + better +
           ": with mod_ssl, any CA that\n    # SSLCACertificateFile names could issue one.\n"
           "    MTLSTrustAnchor mod_ssl\n";
}

// Whether every user can read the file, thus also httpd's run-time user.
bool can_all_read(const std::string& file) {
    namespace fs = std::filesystem;
    std::error_code failed;
    fs::path path = fs::weakly_canonical(fs::absolute(file), failed);
    const auto has = [&failed](const fs::path& of, fs::perms right) {
        return (fs::status(of, failed).permissions() & right) == right && !failed;
    };
    if (failed || !has(path, fs::perms::others_read)) return false;
    while (path.has_relative_path()) {
        path = path.parent_path();
        if (!has(path, fs::perms::others_exec)) return false;
    }
    return true;
}

// MTLSExpect lines. They are commented out if the server cannot read the file, or refuses it, or if there is no anchor:
// expectations do not use mod_ssl's CAs.
std::string expect_lines(const std::string& name, const std::vector<std::string>& files, bool has_anchor,
                         const std::string& root) {
    std::string out = "# Asked before the policy counts, at each change: one that breaks it is refused.\n", lines;
    bool is_copy_needed = false;
    std::string fault;
    for (const std::string& file : files) {
        const std::string own = fault_of_owner(file, root);
        const bool is_there = can_all_read(file) && own.empty();
        is_copy_needed = is_copy_needed || !is_there;
        if (fault.empty()) fault = own;
        const std::string number = files.size() > 1 ? "-" + std::to_string(&file - files.data() + 1) : "";
        std::string place = "mtls/expect/" + name;
        place += number + ".pem";
        if (is_there) place = name_for_server(file, root);
        for (const std::string& claim : {" is " + name, " is-granted GET /partners/" + name + "/x"}) {
            lines += has_anchor && is_there ? "" : "#";
            lines += "MTLSExpect " + config_quote(place) + claim + "\n";
        }
    }
    if (lines.empty()) return {};
    if (!has_anchor) out += "# With mod_ssl nothing can be expected.\n";
    if (is_copy_needed && fault.empty())
        out += "# The server cannot read the file where it is: copy it to mtls/expect first.\n";
    if (!fault.empty())
        out += "# The server refuses the file where it is (" + shown(fault) +
               "):\n# copy it to mtls/expect first, as root.\n";
    return out + lines;
}

std::string headline(const CertificateFacts& facts) {
    const bool is_expired = facts.not_after < std::time(nullptr);
    return "# " + shown(facts.subject.text()) + "\n# issued by " + shown(facts.issuer.text()) + "\n# until " +
           format_time(facts.not_after) + ", key " + shown(facts.key.text()) + "\n" +
           (is_expired ? "# It has expired, so it is refused; the block is for the one that comes after it.\n" : "");
}

std::string identity_lines(const Together& together) {
    std::size_t common = 0;
    std::string out;
    const auto choices = choices_for(together, common);
    // Without a name in common, each certificate gets a line of its own.
    std::set<std::string> active;
    if (common > 0) active.insert(choices.front().selector);
    for (const Client& client : common > 0 ? std::vector<Client>() : together.clients) {
        const auto own = choices_for(client->facts);
        if (!own.empty()) active.insert(own.front().selector);
    }
    for (const Choice& choice : choices) {
        out += "    # " + choice.cost + "\n    " + (active.contains(choice.selector) ? "" : "#") + "MTLSIdentity " +
               choice.selector + "\n";
    }
    return out;
}

// Those of the given anchors under which a certificate of this partner is identified. Other partners' anchors are left
// out: their CAs could issue certificates with this partner's names. All anchors, if no certificate is identified and
// none is its own anchor.
std::vector<std::string> anchors_for(const Together& together, const std::string& lines,
                                     const SuggestOptions& options) {
    const bool is_own_anchor = std::any_of(together.clients.begin(), together.clients.end(),
                                           [](const Client& client) { return is_self_signed(*client); });
    if (options.anchors.size() < 2 && !is_own_anchor) return options.anchors;
    std::vector<std::string> out;
    for (const std::string& anchor : options.anchors) {
        const PolicyInput input = read_policy_text(
            "<MTLSPartner p>\n" + lines + anchor_lines(together.clients.front()->facts, {anchor}, options.root) +
                "</MTLSPartner>\n",
            options.root);
        const auto is_identified = [&](const Client& client) {
            return identify_at_any_time(*input.policy, *client, {}).partner != nullptr;
        };
        if (input.policy && std::any_of(together.clients.begin(), together.clients.end(), is_identified)) {
            out.push_back(anchor);
        }
    }
    return out.empty() && !is_own_anchor ? options.anchors : out;
}

// Why lines cannot name the files of a suggestion; "" if they can.
std::string fault_of_names(const Together& together, const SuggestOptions& options) {
    std::vector<std::string> names = options.anchors;
    for (const std::string& file : together.files) names.push_back(name_for_server(file, options.root));
    const auto wrong = std::find_if_not(names.begin(), names.end(), is_writable);
    if (wrong == names.end()) return {};
    return "'" + shown(*wrong) +
           "': no line of a policy can name this file: rename it, without control characters and ${";
}

Result<Suggestion> suggestion_for(const Together& together, const std::vector<std::string>& expected,
                                  const SuggestOptions& options) {
    if (std::string fault = fault_of_names(together, options); !fault.empty()) return Error{std::move(fault)};
    const CertificateFacts& facts = together.clients.front()->facts;
    Suggestion made;
    made.files = together.files;
    made.name = options.name.empty() ? name_for(facts) : options.name;
    std::string identities = identity_lines(together), &out = made.block;
    if (identities.empty()) return Error{"nothing in the certificate can be matched"};
    for (const Client& client : together.clients) out += headline(client->facts);
    std::string purposes;
    for (const Client& client : together.clients) {
        if (purposes.empty()) purposes = purpose_lines(*client);
    }
    std::vector<std::string> anchors = anchors_for(together, identities + purposes, options);
    for (std::size_t i = 0; i < together.clients.size(); ++i) {
        if (!is_self_signed(*together.clients[i])) continue;
        out +=
            "# Self-signed: no CA vouches for it. It is its own trust anchor, and stands for itself alone; name its\n"
            "# successor beside it in time. A certificate of a CA needs no edit at renewal: ask for one.\n";
        if (together.files[i] != "-") anchors.push_back(name_for_server(together.files[i], options.root));
    }
    out += "<MTLSPartner " + made.name + ">\n" + identities + anchor_lines(facts, anchors, options.root);
    if (!expected.empty()) {
        out += "    # What it may do behind MTLSAllow by-grant.\n    MTLSGrant read /partners/" + made.name + "/**\n";
    }
    out += purposes + "</MTLSPartner>\n";

    const PolicyInput input = read_policy_text(out, options.root);
    out += expect_lines(made.name, expected, !anchors.empty(), options.root);
    if (!input.policy) return Error{joined(input.findings, "\n", &Diagnostic::message)};
    for (std::size_t i = 0; i < together.clients.size() && !anchors.empty(); ++i) {
        const Identification who = identify_at_any_time(*input.policy, *together.clients[i], {});
        if (who.partner != nullptr) continue;
        const std::string detail = who.detail.empty() ? "" : " " + shown(who.detail);
        made.objection = "this policy would refuse the certificate: " + std::string(word_of(who.reason)) + detail +
                         " (" + together.files[i] + ")\n  is " + anchors.front() +
                         " the CA that issued it, and are intermediates missing?";
        return made;
    }
    return made;
}

Result<Client> read_leaf(const std::string& file) {
    auto certificate = read_client(file, {});
    if (!certificate) return Error{certificate.error()};
    const std::string& fault = certificate.value()->facts.malformed;
    if (!fault.empty()) return Error{file + ": the certificate is malformed, and would be refused: " + shown(fault)};
    return certificate.value();
}

// Sorts the files: CAs become anchors, the others partners.
class Sorter {
public:
    explicit Sorter(SuggestOptions options) : options_(std::move(options)) {
        for (std::string& anchor : options_.anchors) anchor = anchor_name(anchor, options_.root);
    }

    // kFine, or the exit status of the worst file.
    int add(const std::string& file) {
        const auto client = read_leaf(file);
        if (!client) return complain(client.error());
        if (client.value()->facts.is_ca) {
            cas_.push_back(file);
            return kFine;
        }
        for (Together& together : partners_) {
            const bool fits = !options_.name.empty() ||
                              std::any_of(together.clients.begin(), together.clients.end(), [&](const Client& other) {
                                  return belong_together(other->facts, client.value()->facts);
                              });
            if (!fits) continue;
            together.files.push_back(file);
            together.clients.push_back(client.value());
            return kFine;
        }
        partners_.push_back({{file}, {client.value()}});
        return kFine;
    }
    int print() {
        if (partners_.empty() && !cas_.empty()) {
            return complain(cas_.front() +
                            " is the certificate of a CA: a trust anchor, and no partner. Give one that it issued, "
                            "with --anchor " +
                            cas_.front() +
                            "; where a client itself holds it (openssl req -x509 makes such), have it made anew with "
                            "-addext basicConstraints=critical,CA:FALSE");
        }
        if (options_.anchors.empty()) {
            for (const std::string& ca : cas_)
                if (ca != "-") options_.anchors.push_back(name_for_server(ca, options_.root));
        }
        int status = kFine;
        for (const Together& together : partners_) status = std::max(status, print(together));
        return status;
    }

private:
    // Two partners of one organization: "acme", "acme-2".
    std::string free_name(const std::string& wanted) {
        std::string out = wanted;
        for (int i = 2; !names_.insert(lower(out)).second; ++i) out = wanted + "-" + std::to_string(i);
        return out;
    }
    int print(const Together& together) {
        std::vector<std::string> expected;
        for (const std::string& file : together.files) {
            if (file != "-") expected.push_back(file);
        }
        SuggestOptions options = options_;
        if (options.name.empty()) options.name = free_name(name_for(together.clients.front()->facts));
        const auto made = suggestion_for(together, expected, options);
        if (!made) return complain(made.error());
        const std::string& objection = made.value().objection;
        if (options_.json) {
            const Json out = {{"file", together.files.front()},
                              {"files", together.files},
                              {"partner", made.value().name},
                              {"block", made.value().block},
                              {"objection", objection.empty() ? Json(nullptr) : Json(objection)}};
            std::cout << one_line(out) << '\n';
        } else {
            std::cout << made.value().block;
            if (!objection.empty()) complain(objection);
        }
        return objection.empty() ? kFine : kErrorsFound;
    }

    SuggestOptions options_;
    std::vector<std::string> cas_;
    std::vector<Together> partners_;
    std::set<std::string> names_;  // given so far, in lower case
};

}  // namespace

constexpr const char* kNameRule =
    ": expected 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit, and none of the reserved "
    "any, all and none";

Result<Suggestion> suggestion_for(const std::string& file, const SuggestOptions& options) {
    const auto client = read_leaf(file);
    if (!client) return Error{client.error()};
    if (!options.name.empty() && !is_valid_name(options.name))
        return Error{"--name: '" + shown(options.name) + "' cannot be a partner's name" + kNameRule};
    return suggestion_for(Together{{file}, {client.value()}}, {}, options);
}

int suggest(const SuggestOptions& options) {
    if (!options.name.empty() && !is_valid_name(options.name))
        return complain("--name: '" + shown(options.name) + "' cannot be a partner's name" + kNameRule);
    Sorter sorter(options);
    int status = kFine;
    for (const std::string& file : options.certificates) status = std::max(status, sorter.add(file));
    return std::max(status, sorter.print());
}

}  // namespace mtls::tool
