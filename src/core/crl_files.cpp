#include "mtls_authz/crl_files.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "mtls_authz/certificate_facts.hpp"
#include "mtls_authz/shared_text.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

bool CrlFiles::watch(const std::vector<WatchedFiles>& patterns, const CasByName& known) {
    std::vector<Pattern> next;
    for (const WatchedFiles& files : patterns) {
        const auto same = std::find_if(patterns_.begin(), patterns_.end(),
                                       [&](const Pattern& p) { return p.files.pattern == files.pattern; });
        next.push_back({files, same != patterns_.end() ? same->fault : ""});
    }
    patterns_ = std::move(next);
    const auto is_dropped = [this](const auto& file) {
        return std::none_of(patterns_.begin(), patterns_.end(),
                            [&](const Pattern& p) { return p.files.pattern == file.second.pattern; });
    };
    if (std::erase_if(files_, is_dropped) == 0) return false;
    auto set = std::make_shared<CrlSet>();
    for (const auto& [path, file] : files_) {
        for (const auto& list : file.lists) set->add(list, known, std::time(nullptr));
    }
    mark_unusable(*set);
    crls_ = std::move(set);
    missing_.clear();
    return true;
}

std::vector<std::string> CrlFiles::paths() const {
    std::vector<std::string> out;
    for (const auto& [path, file] : files_) out.push_back(path);
    return out;
}

bool CrlFiles::look(const CasByName& known, const CasByName& anchors, std::vector<Diagnostic>& findings) {
    auto next = std::make_shared<CrlSet>(*crls_);
    std::vector<std::string> changed;
    for (Pattern& pattern : patterns_) {
        const auto files = expand(pattern.files.pattern);
        const std::string fault = files.ok() ? "" : files.error();
        if (!fault.empty() && fault != pattern.fault) {
            findings.push_back({Diagnostic::Severity::kError, pattern.files.where,
                                "MTLSCRLFile: " + fault + ": the CRLs read from there stay in force"});
        }
        pattern.fault = fault;
        if (!files.ok()) continue;
        for (const std::string& path : files.value()) {
            File& file = files_[path];
            if (file.pattern.empty()) file.pattern = pattern.files.pattern;
            if (look_apart(path, file, known, *next, findings)) changed.push_back(path);
        }
    }
    if (changed.empty()) return false;
    mark_unusable(*next);
    for (const std::string& path : changed) {
        for (const auto& list : files_[path].lists) {
            if (!next->leaves_out(*list, anchors)) continue;
            findings.push_back(
                {Diagnostic::Severity::kWarning,
                 {path, 0},
                 "the CRL of \"" + escape_for_log(list->issuer_text(), 200) +
                     "\" is of one key, and a trust anchor of that name has another key and no CRL here: "
                     "for what that one issued this CRL counts for nothing"});
            break;
        }
    }
    crls_ = std::move(next);
    return true;
}

void CrlFiles::mark_unusable(CrlSet& set) const {
    set.forget_unusable();
    for (const auto& [path, file] : files_) {
        for (const auto& [issuer, why] : file.unusable) set.mark_unusable(issuer, why);
    }
}

// An exception leaves the other files alone. Its file is read again at the next look.
bool CrlFiles::look_apart(const std::string& path, File& file, const CasByName& known, CrlSet& into,
                          std::vector<Diagnostic>& findings) {
    try {
        const bool changed = look_at(path, file, known, into, findings);
        file.thrown.clear();
        return changed;
    } catch (const std::exception& e) {
        file.stamp.clear();
        file.digest.clear();
        if (file.thrown != e.what()) {
            findings.push_back({Diagnostic::Severity::kError,
                                {path, 0},
                                std::string("could not be looked at (") + e.what() +
                                    "): what was in force stays so until the next look"});
        }
        file.thrown = e.what();
        return false;
    }
}

bool CrlFiles::look_at(const std::string& path, File& file, const CasByName& known, CrlSet& into,
                       std::vector<Diagnostic>& findings) {
    constexpr std::size_t kLargestFile = 256UL << 20;
    const auto complain = [&](const std::string& what) {
        findings.push_back({Diagnostic::Severity::kError, {path, 0}, what + ": what was in force stays so"});
    };
    const auto cannot_use = [&](const std::string& issuer, const std::string& why) {
        file.unusable[issuer] = "a CRL at hand cannot be used: " + path + ": " + why;
    };
    const std::string stamp = settled_stamp(path);
    if (!stamp.empty() && stamp == file.stamp) return false;
    const auto content = read_whole_file(path, kLargestFile, trust_);
    const std::string digest = content.ok() ? sha256(content.value()) : content.error();
    file.stamp = stamp;
    if (digest == file.digest) return false;
    file.digest = digest;
    file.is_whole = false;
    if (!content.ok()) {
        complain("cannot be read (" + content.error() + ")");
        if (trust_ == nullptr || find_trust_fault(path, *trust_).empty()) return false;
        // Whose it is can be read, and that it is not to be relied on.
        const auto unsafe = read_whole_file(path, kLargestFile);
        const DecodedCrls decoded = decode_crls(unsafe.ok() ? unsafe.value() : "");
        if (decoded.lists.empty()) return false;
        file.unusable.clear();
        for (const X509CrlPtr& list : decoded.lists) {
            cannot_use(read_name(*X509_CRL_get_issuer(list.get())).canonical, "others may write it");
        }
        return true;
    }
    DecodedCrls decoded = decode_crls(content.value());
    if (!decoded.fault.empty()) complain(decoded.fault);
    if (decoded.lists.empty() && decoded.broken.empty()) return false;
    file.is_whole = decoded.fault.empty();
    file.unusable.clear();
    // An edit takes away what never counted.
    std::erase_if(file.lists, [&](const auto& list) { return decoded.fault.empty() && into.drop_waiting(*list); });
    for (const std::string& issuer : decoded.broken) cannot_use(issuer, "does not decode");
    for (X509CrlPtr& list : decoded.lists) {
        const std::string name = read_name(*X509_CRL_get_issuer(list.get())).canonical;
        auto crl = Crl::read(std::move(list));
        if (!crl.ok()) {
            complain(crl.error());
            cannot_use(name, crl.error());
            continue;
        }
        const std::string issuer = crl.value()->issuer_text();
        file.lists.push_back(crl.value());
        const std::string fault = into.add(std::move(crl.value()), known, std::time(nullptr));
        if (!fault.empty()) complain("the CRL of \"" + escape_for_log(issuer, 200) + "\" " + fault);
    }
    // What no set holds has been superseded.
    std::erase_if(file.lists, [](const auto& list) { return list.use_count() == 1; });
    return true;
}

// ---- with other processes ------------------------------------------------------------------------------------------

struct CrlFiles::Shared {
    std::string pattern;
    std::string path;
    CrlIdentity list;
};

std::map<std::string, CrlFiles::Shared> CrlFiles::read_shared(std::string_view text) {
    std::map<std::string, Shared> out;
    const auto number = [](std::string field) {
        return field.empty() ? std::nullopt : std::optional(std::move(field));
    };
    for (FieldReader fields(text); !fields.at_end();) {
        Shared shared{fields.next(), fields.next(), {}};
        CrlIdentity& list = shared.list;
        for (std::string* field : {&list.issuer, &list.issuer_text, &list.digest, &list.scope, &list.signer_key}) {
            *field = fields.next();
        }
        list.number = number(fields.next());
        list.base_number = number(fields.next());
        const std::string from = fields.next();
        std::from_chars(from.data(), from.data() + from.size(), list.this_update);
        out.emplace(list.digest, std::move(shared));
    }
    return out;
}

std::string CrlFiles::write_shared(const std::map<std::string, Shared>& lists) {
    std::string out;
    for (const auto& [digest, shared] : lists) {
        const CrlIdentity& list = shared.list;
        for (const std::string& field :
             {shared.pattern, shared.path, list.issuer, list.issuer_text, list.digest, list.scope, list.signer_key,
              list.number.value_or(""), list.base_number.value_or(""), std::to_string(list.this_update)}) {
            put_field(out, field);
        }
    }
    return out;
}

// A list that no key was found for never counted: an edit of its file takes it away.
bool CrlFiles::is_missing(const Shared& shared) const {
    if (crls_->covers(shared.list, std::time(nullptr))) return false;
    const auto file = files_.find(shared.path);
    const bool is_edited = file != files_.end() && file->second.is_whole && !is_certainly_gone(shared.path);
    return !shared.list.signer_key.empty() || !is_edited;
}

bool CrlFiles::merge(std::string& shared, std::vector<Diagnostic>& findings) {
    std::map<std::string, Shared> all;
    for (const auto& [path, file] : files_) {
        for (const auto& list : file.lists) {
            const CrlIdentity id = list->identity();
            if (crls_->holds(list)) all.emplace(id.digest, Shared{file.pattern, path, id});
        }
    }
    std::map<std::string, std::vector<CrlIdentity>> expected;
    std::set<std::string> missing;
    for (const auto& [digest, read] : read_shared(shared)) {
        const Shared& other = read;
        if (const auto own = all.find(digest); own != all.end()) {
            // Its signer may have been met there alone.
            if (own->second.list.signer_key.empty()) own->second.list.signer_key = other.list.signer_key;
            continue;
        }
        if (!is_missing(other)) continue;
        const bool is_watched = std::any_of(patterns_.begin(), patterns_.end(),
                                            [&](const Pattern& p) { return p.files.pattern == other.pattern; });
        if (is_watched) {
            if (!missing_.contains(digest)) {
                findings.push_back({Diagnostic::Severity::kError,
                                    {other.path, 0},
                                    "does not hold the CRL of \"" + escape_for_log(other.list.issuer_text, 200) +
                                        "\" that other processes of the server have in force, nor a newer one: in this "
                                        "process that issuer's certificates are stale until it does, or the server is "
                                        "restarted"});
            }
            missing.insert(digest);
            expected[other.list.issuer].push_back(other.list);
        }
        std::erase_if(all, [&](const auto& own) {
            const CrlIdentity& list = own.second.list;
            return !list.signer_key.empty() && list.signer_key == other.list.signer_key && other.list.supersedes(list);
        });
        all.emplace(digest, other);
    }
    shared = write_shared(all);
    if (missing == missing_) return false;
    auto next = std::make_shared<CrlSet>(*crls_);
    next->expect(std::move(expected));
    crls_ = std::move(next);
    missing_ = std::move(missing);
    return true;
}

}  // namespace mtls
