
#include "lists.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "../input.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/trust/crl.hpp"
#include "ocsp.hpp"

namespace mtls::tool {

namespace {

// "acme-ca" for "CN=Acme CA,O=Acme".
std::string slug(std::string_view name) {
    constexpr std::size_t kMost = 40;
    name = name.substr(0, name.find(','));
    name = name.substr(name.find('=') + 1);
    std::string out;
    for (const char c : name) {
        if (out.size() == kMost) break;
        if (is_alnum(c)) {
            out += to_lower(c);
        } else if (!out.empty() && out.back() != '-') {
            out += '-';
        }
    }
    while (out.ends_with('-')) out.pop_back();
    return out.empty() ? "ca" : out;
}

PolicyCas named_in(const PolicyCas& cas, const std::string& name) {
    PolicyCas out;
    std::copy_if(cas.begin(), cas.end(), std::back_inserter(out), [&](const auto& ca) { return ca->name == name; });
    return out;
}

std::set<std::string> keys_of(const PolicyCas& cas) {
    std::set<std::string> out;
    for (const auto& ca : cas) out.insert(ca->key);
    return out;
}

// Merges lists of one issuer at the same addresses, unless different CAs of that name, of other partners, sign them.
class ListFinder {
public:
    void add(const std::string& issuer, std::vector<std::string> urls, const PolicyCas& signers) {
        PolicyCas& known_signers = found_[{issuer, std::move(urls)}][keys_of(signers)];
        if (known_signers.empty()) known_signers = signers;
    }
    std::vector<ListJob> jobs() const {
        std::vector<std::pair<std::size_t, ListJob>> ranked;
        std::map<std::string, std::size_t> ranks;
        for (const auto& [what, by_signers] : found_) {
            const auto& [issuer, urls] = what;
            for (const auto& [keys, signers] : by_signers) {
                std::string key_text = issuer;
                for (const std::string& url : urls) key_text += "\n" + url;
                if (by_signers.size() > 1) {
                    for (const std::string& key : keys) key_text += "\n" + key;
                }
                constexpr std::size_t kDigits = 8;
                const std::string name = slug(issuer.empty() ? "any" : signers.front()->name_text) + "-" +
                                         hex(bytes_of(sha256(key_text))).substr(0, kDigits);
                ranked.emplace_back(ranks[issuer]++, ListJob{"crl/" + name + ".crl", urls, issuer, signers});
            }
        }
        // The first list of each issuer, then the second: one with many delays only its own.
        std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        std::vector<ListJob> out;
        for (auto& [rank, job] : ranked) out.push_back(std::move(job));
        return out;
    }
    bool has_any(const std::string& issuer) const {
        return std::any_of(found_.begin(), found_.end(),
                           [&](const auto& one) { return one.first.first.empty() || one.first.first == issuer; });
    }

private:
    std::map<std::pair<std::string, std::vector<std::string>>, std::map<std::set<std::string>, PolicyCas>> found_;
};

void add_distribution_points(const Sources& sources, ListFinder& finder) {
    const auto common = sources.partners.find("");
    for (const auto& [partner, own] : sources.partners) {
        PolicyCas cas = own;
        if (!partner.empty() && common != sources.partners.end()) {
            cas.insert(cas.end(), common->second.begin(), common->second.end());
        }
        for (const auto& ca : own) {
            for (ListPoint& point : list_points(*ca->certificate)) {
                const PolicyCas signers = named_in(cas, point.issuer);
                if (!signers.empty()) finder.add(point.issuer, std::move(point.urls), signers);
            }
        }
    }
}

}  // namespace

NamedAddress NamedAddress::parse(const std::string& text) {
    const std::size_t scheme = text.find("://");
    const std::size_t equals = text.rfind('=', scheme);
    if (scheme == std::string::npos || equals == std::string::npos) return {"", text};
    return {text.substr(0, equals), text.substr(equals + 1)};
}

Result<PolicyCas> NamedAddress::cas_of(const Sources& sources) const {
    if (ca_file.empty()) return sources.all();
    const auto content = read_input(ca_file);
    if (!content) return Error{ca_file + ": " + content.error()};
    auto read = decode_certificates(content.value());
    if (!read) return Error{ca_file + " " + read.error()};
    PolicyCas out;
    for (X509Ptr& certificate : read.value()) {
        const PolicyCa meant(std::move(certificate), ca_file);
        for (const auto& [partner, cas] : sources.partners) {
            const PolicyCas same = named_in(cas, meant.name);
            if (keys_of(same).contains(meant.key)) out.insert(out.end(), same.begin(), same.end());
        }
    }
    if (out.empty()) return Error{ca_file + " holds no CA that the policy names"};
    return out;
}

std::vector<ListJob> find_lists(const Sources& sources, const std::vector<NamedAddress>& named,
                                const std::map<std::string, std::string>& hints, Report& report) {
    ListFinder finder;
    add_distribution_points(sources, finder);
    for (const NamedAddress& address : named) {
        const auto cas = address.cas_of(sources);
        if (!cas) {
            report.add({Fetched::kFailed, "crl", address.url, "", cas.error(), "it is not asked"});
        } else if (address.ca_file.empty()) {
            finder.add("", {address.url}, cas.value());
        } else {
            for (const auto& ca : cas.value()) finder.add(ca->name, {address.url}, named_in(cas.value(), ca->name));
        }
    }
    std::set<std::string> reported;
    for (const auto& ca : sources.all()) {
        if (finder.has_any(ca->name) || !reported.insert(ca->name).second) continue;
        const auto hint = hints.find(ca->name);
        report.add({Fetched::kNote, "crl", "", ca->file,
                    "no certificate of the policy says where " + quoted(ca->name_text) +
                        " has its CRL: name the address with --crl " + ca->file + "=" +
                        (hint == hints.end() ? "URL" : hint->second + ", as a certificate that it issued says")});
    }
    return finder.jobs();
}

// ---- one list ------------------------------------------------------------------------------------------------------

namespace {

using CrlPtr = std::shared_ptr<const Crl>;

bool is_past(const Crl& list, std::int64_t now) { return !list.next_update() || *list.next_update() < now; }

std::string describe(const Crl& list) { return "of " + format_time(list.this_update()); }

// "until 2026-11-28T00:00:00Z", or why there is no end.
std::string end_of(const Crl& list, std::int64_t now) {
    if (!list.next_update()) return "which names no nextUpdate";
    return (is_past(list, now) ? "past its nextUpdate " : "until ") + format_time(*list.next_update());
}

std::string in_force(const CrlPtr& kept, std::int64_t now) {
    if (kept == nullptr) return "there is no list";
    return "the list " + describe(*kept) + " stays in force, " + end_of(*kept, now);
}

// The only CRL in these bytes; else an error.
Result<CrlPtr> read_list(const std::string& content) {
    DecodedCrls decoded = decode_crls(content);
    if (decoded.lists.size() != 1 || !decoded.fault.empty()) {
        return Error{decoded.lists.size() > 1 ? "holds several CRLs"
                     : decoded.fault.empty()  ? "holds no CRL"
                                              : decoded.fault};
    }
    return Crl::read(std::move(decoded.lists.front()));
}

class ListJudge {
public:
    ListJudge(const ListJob& job, CrlPtr kept, std::int64_t now) : job_(job), kept_(std::move(kept)), now_(now) {
        if (kept_ != nullptr) is_signed(*kept_);
    }
    // Why the list must not replace the stored one; "" if it may, or is the same.
    std::string objection_to(const Crl& list) const {
        const std::string wanted = !job_.issuer.empty() ? job_.issuer : kept_ != nullptr ? kept_->issuer() : "";
        const std::string whose = "the list of " + quoted(list.issuer_text());
        if (!wanted.empty() && list.issuer() != wanted) {
            return whose + " is another CA's, not that of " +
                   quoted(kept_ != nullptr ? kept_->issuer_text() : job_.signers.front()->name_text);
        }
        if (!is_signed(list)) return whose + " is signed by no CA of the policy of that name that may sign CRLs";
        if (list.is_delta()) return whose + " is a delta";
        if (list.this_update() > now_ + kClockSkew)
            return whose + " is of the future, " + format_time(list.this_update());
        if (is_past(list, now_) && (kept_ == nullptr || !is_past(*kept_, now_)))
            return whose + " " + describe(list) + " is of no use: " + end_of(list, now_);
        if (kept_ == nullptr || kept_->is_same_as(list)) return {};
        if (!list.same_scope(*kept_)) {
            return whose + " has another scope than the one at hand: remove the file if the CA has changed that";
        }
        const bool is_same_key = list.signed_by_signers_of(*kept_);
        const bool is_newer = is_same_key ? list.supersedes(*kept_) : list.this_update() >= kept_->this_update();
        return is_newer ? "" : whose + " " + describe(list) + " is not newer than the one at hand";
    }

private:
    bool is_signed(const Crl& list) const {
        return std::any_of(job_.signers.begin(), job_.signers.end(), [&](const auto& ca) {
            return ca->name == list.issuer() && may_sign_crls(*ca->certificate) && list.signed_by(*ca->certificate);
        });
    }

    const ListJob& job_;
    const CrlPtr kept_;
    const std::int64_t now_;
};

}  // namespace

FetchedFile fetch_list(const ListJob& job, const Store& store, const Client& client, std::size_t limit,
                       std::int64_t now) {
    const std::string path = store.path(job.file);
    FetchResult result{Fetched::kFailed, "crl", job.urls.front(), path, ""};
    const auto content = store.read(job.file);
    if (!content) {
        result.what = "the list at hand cannot be read (" + content.error() + "), and none compared with it";
        result.in_force = "it stays in force";
        return {result};
    }
    const auto stored = content.value().empty() ? Result<CrlPtr>(Error{}) : read_list(content.value());
    const CrlPtr kept = stored ? stored.value() : nullptr;
    const ListJudge judge(job, kept, now);
    const auto noted = store.files.find(job.file);
    const bool has_note = kept != nullptr && noted != store.files.end() && !is_past(*kept, now) &&
                          noted->second.sha256 == hex(bytes_of(sha256(content.value())));
    constexpr int kSlowAnswers = 4;  // then other lists get their turn
    const std::chrono::seconds most(kSlowAnswers * client.timeout());
    const auto end = std::chrono::steady_clock::now() + most;
    for (const std::string& url : job.urls) {
        if (std::chrono::steady_clock::now() >= end) {
            result.what += "; its other addresses were not asked, after " + std::to_string(most.count()) + " s";
            break;
        }
        const auto fail = [&](const std::string& why) {
            if (!result.what.empty()) {
                result.what += "; ";
                result.what += url;
                result.what += ": ";
            }
            result.what += why;
        };
        HttpRequest question{url};
        question.limit = limit;
        if (has_note && noted->second.url == url) question.validators = noted->second.validators;
        HttpAnswer answer = client.ask(question);
        if (!answer.fault.empty()) {
            fail(answer.fault);
            continue;
        }
        if (answer.not_modified) {
            return {{Fetched::kUnchanged, "crl", url, path, "not modified since the list " + describe(*kept)},
                    "",
                    noted->second};
        }
        const auto list = read_list(answer.content);
        const std::string objection =
            list ? judge.objection_to(*list.value())
                 : "the answer (" + std::to_string(answer.content.size()) + " bytes" +
                       (answer.content_type.empty() ? "" : ", " + escape_for_log(answer.content_type, 60)) + ") " +
                       list.error();
        if (!objection.empty()) {
            fail(objection);
            continue;
        }
        if (kept != nullptr && kept->is_same_as(*list.value())) {
            if (is_past(*kept, now)) {
                fail("has no newer list");
                continue;
            }
            return {{Fetched::kUnchanged, "crl", url, path, "the list " + describe(*kept)},
                    "",
                    {url, answer.validators, hex(bytes_of(sha256(content.value())))}};
        }
        std::string encoded;
        for (const X509CrlPtr& decoded : decode_crls(answer.content).lists) encoded = encode(i2d_X509_CRL, *decoded);
        const std::string what = "the list of " + quoted(list.value()->issuer_text()) + " " + describe(*list.value()) +
                                 ", " + std::to_string(list.value()->size()) + " entries, " +
                                 end_of(*list.value(), now);
        FileNote note{url, answer.validators, hex(bytes_of(sha256(encoded)))};
        return {{Fetched::kNew, "crl", url, path, what}, std::move(encoded), std::move(note)};
    }
    result.in_force = in_force(kept, now);
    return {result};
}

}  // namespace mtls::tool
