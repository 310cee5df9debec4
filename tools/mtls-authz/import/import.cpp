
#include "import.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <map>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../policy/policy_text.hpp"
#include "../terminal.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls::tool {

void add_once(std::vector<std::string>& to, const std::string& text) {
    if (std::find(to.begin(), to.end(), text) == to.end()) to.push_back(text);
}

std::string digest_selector(std::string_view digest, const Sha1Lookup& by_sha1, std::string& why) {
    std::string digits;
    for (const char c : lower(digest)) {
        if (c != ':') digits += c;
    }
    constexpr std::size_t kSha1 = 40, kSha256 = 64;
    const bool is_hex = digits.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!is_hex || (digits.size() != kSha1 && digits.size() != kSha256)) {
        why = "'" + shown(digest) + "' is neither a SHA-1 nor a SHA-256 digest in hex";
        return {};
    }
    if (digits.size() == kSha256) return "sha256:" + digits;
    std::string out = by_sha1.selector_of(digits);
    if (out.empty())
        why = "a SHA-1 digest leads to no certificate: give the certificate itself with --cert (SHA-1 " + digits + ")";
    return out;
}

namespace {

// A partner name from the first suitable selector.
std::string name_by_selectors(const std::vector<std::string>& selectors) {
    for (const std::string_view type : {"CN:", "O:", "DNS:", "subject:", "email:", "URI:"}) {
        for (const std::string& selector : selectors) {
            if (!selector.starts_with(type)) continue;
            std::string_view value = std::string_view(selector).substr(type.size());
            const auto name = type == "subject:" ? NamePattern::parse(value) : Result<NamePattern>(Error{});
            std::string part(value);
            for (const std::string_view oid : {"2.5.4.10", "2.5.4.3"}) {  // CN before O
                for (std::size_t i = 0; name.ok() && i < name.value().name.attributes.size(); ++i) {
                    const NameAttribute& attribute = name.value().name.attributes[i];
                    if (attribute.oid == oid) part = attribute.text;
                }
            }
            std::string out = partner_name_of(part);
            if (!out.empty()) return out;
        }
    }
    return "partner";
}

class CertificatesBySha1 : public Sha1Lookup {
public:
    // Returns the fault of an unreadable file, or "".
    std::string add(const std::string& file) {
        const auto certificate = read_client(file, {});
        if (!certificate) return certificate.error();
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned length = 0;
        X509_digest(certificate.value()->leaf.get(), EVP_sha1(), digest.data(), &length);
        const CertificateFacts& facts = certificate.value()->facts;
        const std::string selector = "sha256:" + hex(bytes_of(facts.sha256));
        by_sha1_[hex({digest.data(), length})] = selector;
        names_[selector] = name_by_selectors({"subject:" + facts.subject.text()});
        return {};
    }
    // A partner name from the certificate that the selector pins; "" if it was not given.
    std::string name_of(const std::string& selector) const {
        const auto found = names_.find(selector);
        return found != names_.end() ? found->second : std::string();
    }
    std::string selector_of(const std::string& sha1) const override {
        const auto found = by_sha1_.find(sha1);
        return found != by_sha1_.end() ? found->second : std::string();
    }

private:
    std::map<std::string, std::string> by_sha1_;
    std::map<std::string, std::string> names_;  // by selector
};

struct ImportedPartner {
    std::string name;
    std::vector<const ImportedEntry*> entries;
    std::string renamed = {};  // its name in the source, which it cannot have here; else empty

    // `only_anchor`: replaces all anchors of the entries; empty: use those, or `anchor`.
    std::string text(const std::string& anchor, const std::string& only_anchor = {}) const {
        std::string identities;
        std::vector<std::string> anchors, others;
        for (const ImportedEntry* e : entries) {
            for (const std::string& remark : e->remarks) identities += "    # " + shown(remark) + "\n";
            identities += "    MTLSIdentity";
            for (const std::string& selector : e->selectors) identities += " " + config_quote(selector);
            identities += "\n";
            add_once(anchors, !only_anchor.empty() ? only_anchor : e->anchor.empty() ? anchor : e->anchor);
            if (!e->contact.empty()) add_once(others, "MTLSContact " + config_quote(e->contact));
            if (!e->until.empty()) add_once(others, "MTLSValid until=" + e->until);
            for (const std::string& group : e->groups) add_once(others, "MTLSGroup " + config_quote(group));
            for (const std::string& grant : e->grants) add_once(others, "MTLSGrant " + grant);
        }
        std::string out = renamed.empty() ? "" : "# There: " + shown(renamed) + "\n";
        out += "<MTLSPartner " + name + ">\n" + identities;
        for (const std::string& file : anchors) out += "    MTLSTrustAnchor " + config_quote(file) + "\n";
        for (const std::string& line : others) out += "    " + line + "\n";
        return out + "</MTLSPartner>\n";
    }
};

// A name of the source, else of the pinned certificate, else of the selectors.
std::string wanted_name(const ImportedEntry& entry, const CertificatesBySha1& certificates) {
    const bool can_keep_name = is_valid_name(entry.partner) && !is_reserved_name(entry.partner);
    if (!entry.partner.empty()) return can_keep_name ? entry.partner : partner_name_of(entry.partner);
    const std::string pinned = entry.selectors.size() == 1 ? certificates.name_of(entry.selectors.front()) : "";
    return pinned.empty() ? name_by_selectors(entry.selectors) : pinned;
}

std::vector<ImportedPartner> partners_of(const Imported& imported, const CertificatesBySha1& certificates) {
    std::vector<ImportedPartner> out;
    std::map<std::string, std::size_t> by_name;  // index in `out`
    for (const ImportedEntry& entry : imported.entries) {
        const std::string& source = entry.partner;
        std::string wanted = wanted_name(entry, certificates);
        if (wanted.empty()) wanted = "partner";
        // Keep partners apart that differ in the source.
        const auto is_taken = [&](const std::string& name) {
            const auto found = by_name.find(lower(name));
            return found != by_name.end() && (source.empty() || out[found->second].entries.front()->partner != source);
        };
        std::string name = wanted;
        for (int i = 2; is_taken(name); ++i) name = wanted + "-" + std::to_string(i);
        const auto [place, is_new] = by_name.emplace(lower(name), out.size());
        if (is_new) out.push_back({name, {}});
        if (is_new && !source.empty() && name != source) out.back().renamed = source;
        out[place->second].entries.push_back(&entry);
    }
    return out;
}

// Joins entries that differ in nothing: as two partners they would be ambiguous.
void join_equal(std::vector<ImportedEntry>& entries) {
    std::map<std::vector<std::vector<std::string>>, std::size_t> seen;  // index in `out`
    std::vector<ImportedEntry> out;
    for (ImportedEntry& entry : entries) {
        auto selectors = entry.selectors;
        std::sort(selectors.begin(), selectors.end());
        const auto [place, is_new] = seen.emplace(
            std::vector{
                selectors, {entry.partner, entry.anchor, entry.contact, entry.until}, entry.groups, entry.grants},
            out.size());
        if (is_new)
            out.push_back(std::move(entry));
        else
            for (const std::string& remark : entry.remarks) add_once(out[place->second].remarks, remark);
    }
    entries = std::move(out);
}

std::string_view type_of(const std::string& selector) {
    return std::string_view(selector).substr(0, selector.find(':'));
}

// Whether a certificate may fit both. Not looked for: one that fits two wildcards, or has several values of one type.
bool may_fit_both(const ImportedEntry& a, const ImportedEntry& b) {
    if (a.anchor != b.anchor) return false;
    const auto has_other_value = [&b](const std::string& mine) {
        const auto is_other = [&](const std::string& theirs) {
            return type_of(mine) == type_of(theirs) && lower(mine) != lower(theirs);
        };
        return !mine.starts_with('!') && std::any_of(b.selectors.begin(), b.selectors.end(), is_other);
    };
    if (std::any_of(a.selectors.begin(), a.selectors.end(), has_other_value)) return false;
    for (const std::string& mine : a.selectors) {
        for (const std::string& theirs : b.selectors) {
            const auto one = Selector::parse(mine), other = Selector::parse(theirs);
            if (one.ok() && other.ok() && one.value().selector().contradicts(other.value().selector())) return false;
        }
    }
    return true;
}

// Says which two partners a certificate may fit, if any. Compares at most 1,000,000 pairs of entries.
void say_overlap(const std::vector<ImportedPartner>& partners, Imported& imported) {
    std::size_t pairs = 0;
    for (auto a = partners.begin(); a != partners.end(); ++a) {
        for (auto b = partners.begin(); b != a; ++b) {
            for (const ImportedEntry* mine : a->entries) {
                for (const ImportedEntry* theirs : b->entries) {
                    if (++pairs > 1'000'000) return;
                    if (!may_fit_both(*mine, *theirs)) continue;
                    return add_once(imported.remarks,
                                    "a certificate may fit both partners '" + b->name + "' and '" + a->name +
                                        "', and would be ambiguous: let in by none. Write the lines of such partners "
                                        "into one, or keep one apart by a selector with '!'");
                }
            }
        }
    }
}

bool can_be_written(const ImportedEntry& entry) {
    const auto all = [](const std::vector<std::string>& texts) {
        return std::all_of(texts.begin(), texts.end(), [](const std::string& text) { return is_writable(text); });
    };
    return all({entry.anchor, entry.contact, entry.until}) && all(entry.selectors) && all(entry.groups) &&
           all(entry.grants);
}

// The first error of a block, or "". Anchors are not checked here.
std::string fault_of(const ImportedPartner& partner, const std::string& root) {
    for (const Diagnostic& finding : read_policy_text(partner.text("", "mod_ssl"), root).findings) {
        if (finding.is_error()) return finding.message;
    }
    return {};
}

// The first error about the anchors of a block, or "".
std::string fault_of_anchors(const std::string& block, const std::string& root) {
    for (const Diagnostic& finding : read_policy_text(block, root).findings) {
        if (finding.is_error() && finding.message.starts_with("MTLSTrustAnchor")) return finding.message;
    }
    return {};
}

Imported read(const ImportOptions& options, const std::string& text, const Sha1Lookup& by_sha1) {
    if (options.format == "nginx-map") return read_nginx_map(text, by_sha1);
    if (options.format == "passwd") return read_passwd(text);
    if (options.format == "csv") return read_csv(text, by_sha1);
    return read_sslrequire(text);
}

void print_remarks(const std::string& file, std::vector<NotImported> rest) {
    std::stable_sort(rest.begin(), rest.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
    for (const NotImported& one : rest)
        std::cerr << shown(file) << ":" << one.line << ": not converted: " << shown(one.why) << "\n";
}

}  // namespace

int import_policy(const ImportOptions& options) {
    CertificatesBySha1 by_sha1;
    for (const std::string& file : options.certificates) {
        const std::string fault = by_sha1.add(file);
        if (!fault.empty()) return complain(fault);
    }
    const auto text = read_input(options.file);
    if (!text) return complain(options.file + ": " + text.error());
    std::string_view content = text.value();
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (content.starts_with(kByteOrderMark)) content.remove_prefix(kByteOrderMark.size());
    Imported imported = read(options, std::string(content), by_sha1);

    const std::string anchor = options.anchor.empty() ? "mod_ssl" : anchor_name(options.anchor, options.root);
    std::string blocks;
    std::map<std::string, std::string>
        missing;  // the fault of an anchor file, and the first partner that names the file
    Json partners = Json::array();
    std::erase_if(imported.entries, [&imported](const ImportedEntry& entry) {
        if (can_be_written(entry)) return false;
        imported.reject(entry.line, "holds a control character or '${', which no policy file can hold");
        return true;
    });
    join_equal(imported.entries);
    const std::vector<ImportedPartner> found = partners_of(imported, by_sha1);
    say_overlap(found, imported);
    for (const ImportedPartner& partner : found) {
        const std::string fault = fault_of(partner, options.root);
        if (!fault.empty()) {
            imported.reject(partner.entries.front()->line, "the partner '" + partner.name + "': " + fault);
            continue;
        }
        const std::string block = partner.text(anchor);
        blocks += "\n" + block;
        const std::string of_anchors = fault_of_anchors(block, options.root);
        if (!of_anchors.empty()) missing.emplace(of_anchors, partner.name);
        partners.push_back({{"partner", partner.name}, {"block", block}});
    }
    for (const auto& [fault, partner] : missing)
        complain(std::string("of ").append(partner).append(": ").append(fault));
    for (const std::string& remark : imported.remarks) complain(remark);
    const std::size_t count = partners.size();
    if (options.json) {
        Json rest = Json::array();
        for (const NotImported& one : imported.rest) rest.push_back({{"line", one.line}, {"why", shown(one.why)}});
        std::cout << one_line({{"file", options.file},
                               {"partners", partners},
                               {"not_converted", rest},
                               {"left_out_denials", imported.denying},
                               {"remarks", imported.remarks}})
                  << '\n';
        if (count == 0) return kNotDone;
        return imported.rest.empty() ? kFine : kErrorsFound;
    }
    std::cout << "# " << count << " partner(s) from " << shown(options.file)
              << ". To compare first, in httpd.conf, beside "
              << "the rule of today:\n#   <Location /...>\n#       MTLSAllow any-partner\n#       MTLSAuthz LogOnly\n"
              << "#   </Location>\n";
    if (options.anchor.empty())
        std::cout << "# Better than mod_ssl is the file of each partner's own CA: with mod_ssl, any CA that\n"
                  << "# SSLCACertificateFile names could issue these names.\n";
    for (const std::string& remark : imported.remarks) std::cout << "# Note: " << remark << "\n";
    std::cout << blocks;
    if (imported.denying > 0)
        std::cerr << "mtls-authz: left out " << imported.denying
                  << " line(s) that only deny: what belongs to no partner is denied\n";
    print_remarks(options.file, imported.rest);
    if (count == 0) return complain("nothing in " + shown(options.file) + " could be converted");
    return imported.rest.empty() ? kFine : kErrorsFound;
}

}  // namespace mtls::tool
