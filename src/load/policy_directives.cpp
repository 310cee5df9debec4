// Parses the directives of a policy, and checks each one on its own.
#include <algorithm>
#include <charconv>
#include <iterator>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/load/refusal_directives.hpp"
#include "mtls_authz/policy/forwarding.hpp"
#include "mtls_authz/rules/partner_name.hpp"

namespace mtls {

namespace {

// The only argument, without quotes.
std::string only_word(const Directive& d) {
    const auto words = config_words(d.args);
    return words.size() == 1 ? words.front() : d.args;
}

}  // namespace

bool PolicyBuilder::read_selectors(const Directive& d, const std::vector<std::string>& words, WrittenConditions& out) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        auto parsed = Selector::parse(words[i]);
        if (!parsed) {
            error(d.where, d.name + ": " + parsed.error() + unquoted_hint(words, i));
            return false;
        }
        for (const std::string& text : parsed.value().warnings) warning(d.where, d.name + ": " + text);
        out.add(parsed.value());
    }
    if (out.size() > kMostSelectors) {
        error(d.where, d.name + ": more than " + std::to_string(kMostSelectors) + " selectors on one line");
        return false;
    }
    if (out.view().all_negated()) {
        error(d.where, d.name +
                           ": expected at least one selector without '!': what a certificate is not says nothing "
                           "about whose it is");
        return false;
    }
    return true;
}

void PolicyBuilder::identity(const Directive& d, WrittenPartner& partner) {
    auto words = config_words(d.args);
    const auto anchor = words.empty() ? std::nullopt : option(words.back(), "anchor");
    if (anchor) words.pop_back();
    if (words.empty()) return error(d.where, d.name + ": expected SELECTOR... or any, like DNS:api.acme.example");
    const bool any =
        std::any_of(words.begin(), words.end(), [](const std::string& word) { return equal_nocase(word, "any"); });
    if (any && words.size() > 1) {
        return error(d.where, d.name +
                                  ": 'any' stands alone: it takes every certificate that the partner's own CAs "
                                  "issued; leave it out, or the selectors beside it");
    }
    WrittenConditions selectors;
    if (!any && !read_selectors(d, words, selectors)) return;
    const auto line = static_cast<std::uint32_t>(written_.identities + partner.identities.size());
    if (!any) written_.index.add(line, selectors.view());
    const auto named = anchor ? std::optional<Text>(*anchor) : std::nullopt;
    partner.identities.add({selectors.view(), any, named, {std::string_view(d.where.file), d.where.line}});
}

void PolicyBuilder::group(const Directive& d, WrittenPartner& partner) {
    const auto words = config_words(d.args);
    const auto condition =
        std::find_if(words.begin(), words.end(), [](const std::string& w) { return equal_nocase(w, "if"); });
    WrittenGroup membership;
    membership.names.assign(words.begin(), condition);
    if (membership.names.empty()) {
        return error(d.where, d.name + ": expected NAME... [if SELECTOR...], like suppliers");
    }
    for (const std::string& name : membership.names) {
        if (is_valid_name(name)) continue;
        return error(d.where, d.name + ": " + in_quotes(name) +
                                  " cannot be a group's name: expected letters, digits, '.', '_' or '-', like "
                                  "suppliers");
    }
    if (condition != words.end()) {
        const std::vector<std::string> selectors(condition + 1, words.end());
        if (selectors.empty()) return error(d.where, d.name + ": expected SELECTOR... after 'if'");
        if (!read_selectors(d, selectors, membership.conditions)) return;
    }
    partner.groups.push_back(std::move(membership));
}

void PolicyBuilder::valid(const Directive& d, WrittenPartner& partner) {
    if (const std::string place = earlier_place(d, true); !place.empty())
        return error(d.where, d.name + ": already given at " + place + "; say from= and until= on one line");
    for (const std::string& word : config_words(d.args)) {
        const auto from = option(word, "from");
        const auto until = option(word, "until");
        auto& edge = from ? partner.validity.from : partner.validity.until;
        if ((!from && !until) || edge) {
            return error(d.where, d.name + ": " + in_quotes(word) +
                                      ": expected [from=DATE] [until=DATE], each once, like from=2026-01-01 "
                                      "until=2027-12-31");
        }
        const auto date = parse_date(from ? *from : *until, from ? DateEdge::kFrom : DateEdge::kUntil);
        if (!date) return error(d.where, d.name + ": " + date.error());
        edge = date.value();
    }
    if (partner.validity.unbounded()) {
        return error(d.where, d.name + ": expected [from=DATE] [until=DATE], like until=2027-12-31");
    }
    if (const std::string fault = partner.validity.fault(); !fault.empty()) error(d.where, d.name + ": " + fault);
}

void PolicyBuilder::purpose(const Directive& d, WrittenPartner& partner) {
    const auto words = config_words(d.args);
    if (partner.purpose) return error(d.where, d.name + ": already given at " + partner.purpose->str());
    partner.purpose = d.where;
    const bool is_server = !words.empty() && equal_nocase(words[0], "serverAuth");
    const bool is_client = !words.empty() && equal_nocase(words[0], "clientAuth");
    if (!is_server && !is_client) {
        static constexpr std::string_view kKnown[] = {"clientAuth", "serverAuth"};
        return error(d.where,
                     d.name +
                         (words.empty() ? std::string() : ": " + in_quotes(words[0]) + did_you_mean(words[0], kKnown)) +
                         ": expected clientAuth, or serverAuth [until=DATE]; other purposes never count");
    }
    if (is_client) {
        if (words.size() > 1) error(d.where, d.name + ": clientAuth always counts, and takes no dates");
        return;
    }
    TimeWindow window;
    const auto until = words.size() == 2 ? option(words[1], "until") : std::nullopt;
    if (words.size() > 2 || (words.size() == 2 && !until)) {
        return error(d.where, d.name + ": " + in_quotes(words.back()) + ": expected serverAuth [until=DATE]");
    }
    if (until) {
        const auto date = parse_date(*until, DateEdge::kUntil);
        if (!date) return error(d.where, d.name + ": " + date.error());
        window.until = date.value();
    }
    partner.server_purpose = window;
}

void PolicyBuilder::front(const Directive& d, WrittenPartner& partner) {
    const std::string expected = "expected header=NAME format=rfc9440|pem-url|der|xfcc [chain=NAME] [network=CIDR]";
    const auto refuse = [&](const std::string& why) { error(d.where, d.name + ": " + why); };
    if (partner.front) return refuse("already given at " + partner.front->where.str());
    WrittenFront out;
    out.where = d.where;
    std::optional<FrontFormat> format;
    for (const std::string& word : config_words(d.args)) {
        const auto header = option(word, "header"), chain = option(word, "chain");
        const auto spelled = option(word, "format"), network = option(word, "network");
        std::string& name = header ? out.header : out.chain;
        const bool is_repeated = ((header || chain) && !name.empty()) || (spelled && format);
        if (is_repeated) return refuse(in_quotes(word) + " says again what was said before it");
        if (header || chain) {
            auto parsed = parse_header_name(header ? *header : *chain);
            if (!parsed) return refuse(parsed.error());
            name = std::move(parsed.value());
        } else if (spelled) {
            const auto* const found = std::find_if(kFrontFormats.begin(), kFrontFormats.end(),
                                                   [&](std::string_view w) { return equal_nocase(w, *spelled); });
            if (found == kFrontFormats.end()) {
                return refuse(in_quotes(*spelled) + did_you_mean(*spelled, kFrontFormats) + ": " + expected);
            }
            format = static_cast<FrontFormat>(found - kFrontFormats.begin());
        } else if (network) {
            const auto parsed = Network::parse(*network);
            if (!parsed) return refuse(in_quotes(*network) + ": " + parsed.error());
            out.networks.push_back(parsed.value());
        } else {
            return refuse(in_quotes(word) + ": " + expected);
        }
    }
    if (out.header.empty() || !format) return refuse(expected);
    out.format = *format;
    const bool is_one_header = header_key(out.header) == header_key(out.chain);
    if (is_one_header && *format != FrontFormat::kPemUrl) {
        return refuse(in_quotes(out.chain) +
                      " cannot hold two things; only with format=pem-url leaf and chain share one");
    }
    if (!out.chain.empty() && *format == FrontFormat::kXfcc) {
        return refuse("format=xfcc takes no chain=: the chain is in the same header");
    }
    if (out.networks.size() > kMostNetworks) {
        return refuse("more than " + std::to_string(kMostNetworks) + " networks; use wider ones");
    }
    if (!out.networks.empty()) {
        warning(d.where, d.name + " of " + partner.name + ": every host in " + texts_of(out.networks) +
                             " can claim any certificate, since network= asks for no certificate of the front: leave "
                             "it out, and let the front connect with a certificate of its own, if it can");
    }
    partner.front = std::move(out);
}

void PolicyBuilder::network(const Directive& d, WrittenPartner& partner) {
    const auto words = config_words(d.args);
    if (words.empty()) return error(d.where, d.name + ": expected CIDR..., like 198.51.100.0/24 2001:db8::/32");
    for (const std::string& word : words) {
        const auto network = Network::parse(word);
        if (!network) return error(d.where, d.name + ": " + in_quotes(word) + ": " + network.error());
        const std::string_view base = network.value().base();
        const std::string v4(without_mapping(base));
        const auto length = static_cast<unsigned>(base.size() - v4.size()) * 8;
        if (length > 0 && network.value().prefix() >= length) {
            return error(d.where, d.name + ": " + in_quotes(word) + ": an IPv4 client is asked for by IPv4: write " +
                                      ip_text(v4) + "/" + std::to_string(network.value().prefix() - length));
        }
        partner.networks.push_back(network.value());
    }
    if (partner.networks.size() <= kMostNetworks) return;
    error(d.where,
          d.name + ": more than " + std::to_string(kMostNetworks) + " networks for one partner; use wider ones");
}

void PolicyBuilder::attribute(const Directive& d, WrittenPartner& partner) {
    const auto words = config_words(d.args);
    if (words.size() != 2) {
        return error(d.where, d.name +
                                  ": expected NAME VALUE or NAME cert:TYPE, like tenant 4711 (a value with blanks is "
                                  "quoted as a whole)");
    }
    WrittenAttribute attribute;
    attribute.name = words[0];
    const bool plain =
        !attribute.name.empty() && attribute.name.size() <= 64 &&
        std::all_of(attribute.name.begin(), attribute.name.end(), [](char c) { return is_alnum(c) || c == '_'; });
    if (!plain) {
        return error(d.where, d.name + ": " + in_quotes(attribute.name) +
                                  " cannot be part of a variable's name: expected letters, digits and '_'");
    }
    if (const std::string place = earlier_place(d, true, attribute.name); !place.empty()) {
        return error(d.where, d.name + ": " + in_quotes(attribute.name) + " is already given at " + place +
                                  ": take one of the two out");
    }
    if (words[1].starts_with("cert:")) {
        Arena arena;
        const auto field = FieldName::parse(std::string_view(words[1]).substr(5), arena);
        if (!field) return error(d.where, d.name + ": " + field.error());
        attribute.value = field.value().text();
        attribute.is_field = true;
    } else {
        const bool clean = std::none_of(words[1].begin(), words[1].end(), is_ascii_control);
        if (!clean) return error(d.where, d.name + ": the value holds control characters");
        attribute.value = words[1];
    }
    partner.attributes.push_back(std::move(attribute));
}

void PolicyBuilder::contact(const Directive& d, WrittenPartner& partner) {
    std::string text;
    for (const std::string& word : config_words(d.args)) text += (text.empty() ? "" : " ") + word;
    constexpr std::size_t kLongest = 200;
    if (const std::string place = earlier_place(d, true); !place.empty())
        return error(d.where, d.name + ": already given at " + place + "; name all on one line");
    if (text.empty()) return error(d.where, d.name + ": expected TEXT, like pki@acme.example");
    const bool is_clean = std::none_of(text.begin(), text.end(), is_ascii_control);
    if (!is_clean || !decode_utf8(text)) return error(d.where, d.name + ": expected UTF-8 without control characters");
    if (text.size() > kLongest) return error(d.where, d.name + ": longer than " + std::to_string(kLongest) + " bytes");
    partner.contact = text;
}

void PolicyBuilder::suspend(const Directive& d, WrittenPartner* partner) {
    if (partner != nullptr) {
        const auto words = config_words(d.args);
        if (words.size() == 1 && equal_nocase(words[0], "On")) {
            partner->suspended = d.where;
            return;
        }
        return error(d.where, d.name + ": expected On (inside <MTLSPartner>; outside: NAME... [note=TEXT])");
    }
    auto suspension = read_suspension(d);
    if (!suspension.ok()) return error(d.where, suspension.error());
    suspended_.emplace_back(std::move(suspension.value()), d.where);
    note_refusal(d);
}

void PolicyBuilder::revoke(const Directive& d, WrittenPartner*) {
    auto revocation = read_revocation(d);
    if (!revocation) return error(d.where, revocation.error());
    written_.revocations.add(std::move(revocation.value()));
    note_refusal(d);
}

// Marks the file of the directive: a policy without this file is refused.
void PolicyBuilder::note_refusal(const Directive& d) {
    const auto file = files_read_.find(d.where.file);
    if (file != files_read_.end()) file->second.refuses = true;
}

void PolicyBuilder::crl_presence(const Directive& d, WrittenPartner* partner) {
    CrlRules& rules = partner != nullptr ? partner->crl_rules : written_.crl_rules;
    const bool is_required = equal_nocase(only_word(d), "required");
    if (!is_required && !equal_nocase(only_word(d), "if-present")) {
        return error(d.where, d.name + ": " + in_quotes(d.args) + ": expected if-present or required");
    }
    if (is_second(d, partner != nullptr)) return;
    rules.required = is_required;
    if (is_required && partner == nullptr) note_refusal(d);
}

void PolicyBuilder::crl_stale(const Directive& d, WrittenPartner* partner) {
    CrlRules& rules = partner != nullptr ? partner->crl_rules : written_.crl_rules;
    constexpr int kMostHours = 24 * 366;
    std::optional<std::int64_t> seconds;
    const std::string word = only_word(d);
    if (equal_nocase(word, "deny")) seconds = 0;
    if (equal_nocase(word, "allow")) seconds = INT64_MAX;
    if (const auto grace = option(word, "grace")) {
        int hours = 0;
        const auto [end, wrong] = std::from_chars(grace->data(), grace->data() + grace->size(), hours);
        const bool whole = wrong == std::errc() && end == grace->data() + grace->size();
        if (whole && hours > 0 && hours <= kMostHours) seconds = hours * kHour;
    }
    if (!seconds) {
        return error(d.where, d.name + ": " + in_quotes(d.args) + ": expected deny, allow or grace=HOURS (1 to 8784)");
    }
    if (is_second(d, partner != nullptr)) return;
    rules.stale_after = seconds;
}

void PolicyBuilder::short_lived(const Directive& d, WrittenPartner* partner) {
    CrlRules& rules = partner != nullptr ? partner->crl_rules : written_.crl_rules;
    constexpr int kMostDays = 366;
    int days = -1;
    const std::string word = only_word(d);
    const auto [end, wrong] = std::from_chars(word.data(), word.data() + word.size(), days);
    const bool whole = wrong == std::errc() && end == word.data() + word.size();
    if (!whole || days < 0 || days > kMostDays) {
        return error(d.where, d.name + ": " + in_quotes(d.args) +
                                  ": expected DAYS from 1 to 366, or 0 for none: leaves with noRevAvail that live no "
                                  "longer need no CRL");
    }
    if (is_second(d, partner != nullptr)) return;
    rules.short_life = days;
    if (days < CrlRules::kDefaultShortLife && partner == nullptr) note_refusal(d);
}

void PolicyBuilder::crl_file(const Directive& d, WrittenPartner*) {
    const auto names = config_words(d.args);
    if (names.empty()) return error(d.where, d.name + ": expected FILE|GLOB..., like mtls/crl/*.crl");
    for (const std::string& name : names) written_.crl_files.push_back({absolute(name), name, d.where});
    note_refusal(d);
}

void PolicyBuilder::grant(const Directive& d, WrittenPartner* partner) {
    const auto words = config_words(d.args);
    const auto condition =
        std::find_if(words.begin(), words.end(), [](const std::string& w) { return equal_nocase(w, "if"); });
    const std::string expected = d.name + ": expected METHODS PATH... [if SELECTOR...], like read /orders/**";
    if (condition - words.begin() < 2) return error(d.where, expected);
    WrittenGrant grant;
    grant.where = d.where;
    const auto methods = MethodSet::parse(words.front());
    if (!methods) return error(d.where, d.name + ": " + methods.error() + " (" + expected + ")");
    grant.methods = methods.value();
    for (auto word = words.begin() + 1; word != condition; ++word) {
        const auto path = PathPattern::parse(*word);
        if (!path) return error(d.where, d.name + ": " + path.error());
        grant.paths.push_back(*word);
    }
    if (condition != words.end()) {
        const std::vector<std::string> selectors(condition + 1, words.end());
        if (selectors.empty()) return error(d.where, d.name + ": expected SELECTOR... after 'if'");
        if (!read_selectors(d, selectors, grant.conditions)) return;
    }
    std::vector<WrittenGrant>& grants = partner != nullptr ? partner->grants : written_.grants;
    std::size_t paths = grant.paths.size();
    for (const WrittenGrant& other : grants) paths += other.paths.size();
    if (paths > kMostGrants) {
        return error(d.where,
                     d.name + ": more than " + std::to_string(kMostGrants) + " paths for one partner; use wildcards");
    }
    grants.push_back(std::move(grant));
}

void PolicyBuilder::expect(const Directive& d, WrittenPartner*) {
    auto expectation = Expectation::parse(d);
    if (!expectation) return error(d.where, expectation.error());
    if (written_.expectations.size() == kMostExpectations) {
        return error(d.where, d.name + ": more than " + std::to_string(kMostExpectations) + " expectations");
    }
    const auto content = read_content(d, expectation.value().file, kLargestCertificateFile);
    if (!content) return;
    auto certificate = read_presented(*content, absolute(expectation.value().file));
    if (!certificate) return error(d.where, d.name + ": " + certificate.error());
    expectation.value().certificate = std::move(certificate.value());
    written_.expectations.push_back(std::move(expectation.value()));
}

}  // namespace mtls
