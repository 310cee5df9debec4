#include "mtls_authz/crl_files.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <stdexcept>

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
    file.unusable.clear();
    // An edit takes away what never counted.
    std::erase_if(file.lists, [&](const auto& list) { return decoded.fault.empty() && into.drop_waiting(*list); });
    for (const std::string& issuer : decoded.broken) cannot_use(issuer, "does not decode");
    for (X509CrlPtr& list : decoded.lists) {
        const std::string name = read_name(*X509_CRL_get_issuer(list.get())).canonical;
        std::string encoded = encode(i2d_X509_CRL, *list);
        auto crl = Crl::read(std::move(list));
        if (!crl.ok()) {
            complain(crl.error());
            cannot_use(name, crl.error());
            continue;
        }
        const std::string issuer = crl.value()->issuer_text();
        file.lists.push_back(crl.value());
        encoded_.insert_or_assign(crl.value()->digest(), std::move(encoded));
        const std::string fault = into.add(std::move(crl.value()), known, std::time(nullptr));
        if (!fault.empty()) complain("the CRL of \"" + escape_for_log(issuer, 200) + "\" " + fault);
    }
    // What no set holds has been superseded.
    std::erase_if(file.lists, [](const auto& list) { return list.use_count() == 1; });
    return true;
}

// ---- for other processes -------------------------------------------------------------------------------------------

namespace {

// A text of files: pattern, path, how many lists, each as digest and DER; how many issuers without usable lists, each
// with the reason.
constexpr std::size_t kMostCounted = 1UL << 24;

std::size_t read_count(FieldReader& fields) {
    const std::string text = fields.next();
    std::size_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return std::min(out, kMostCounted);
}

}  // namespace

std::string CrlFiles::write(std::string_view before) const {
    std::map<std::string, std::string> known;
    for (FieldReader fields(before); !fields.at_end();) {
        fields.next();
        fields.next();
        for (std::size_t n = read_count(fields); n > 0 && !fields.at_end(); --n) {
            std::string digest = fields.next();
            known.emplace(std::move(digest), fields.next());
        }
        for (std::size_t n = 2 * read_count(fields); n > 0 && !fields.at_end(); --n) fields.next();
    }
    std::string out;
    for (const auto& [path, file] : files_) {
        put_field(out, file.pattern);
        put_field(out, path);
        put_field(out, std::to_string(file.lists.size()));
        for (const auto& list : file.lists) {
            put_field(out, list->digest());
            const auto fresh = encoded_.find(list->digest());
            put_field(out, fresh != encoded_.end() ? fresh->second : known[list->digest()]);
        }
        put_field(out, std::to_string(file.unusable.size()));
        for (const auto& [issuer, why] : file.unusable) {
            put_field(out, issuer);
            put_field(out, why);
        }
    }
    return out;
}

void CrlFiles::take(std::string_view written, const CasByName& known) {
    std::map<std::string, std::shared_ptr<const Crl>> had;
    for (const auto& [path, file] : files_) {
        for (const auto& list : file.lists) had.emplace(list->digest(), list);
    }
    std::map<std::string, File> files;
    auto set = std::make_shared<CrlSet>();
    for (FieldReader fields(written); !fields.at_end();) {
        std::string pattern = fields.next();
        File& file = files[fields.next()];
        file.pattern = std::move(pattern);
        for (std::size_t n = read_count(fields); n > 0 && !fields.at_end(); --n) {
            const std::string digest = fields.next();
            const std::string encoded = fields.next();
            std::shared_ptr<const Crl>& list = had[digest];
            const auto* at = reinterpret_cast<const unsigned char*>(encoded.data());
            if (list == nullptr) {
                const ErrorQueueGuard errors;
                X509CrlPtr decoded(d2i_X509_CRL(nullptr, &at, static_cast<long>(encoded.size())));
                auto crl =
                    decoded ? Crl::read(std::move(decoded)) : Result<std::shared_ptr<const Crl>>(Error{"broken"});
                if (!crl.ok()) throw std::runtime_error("a CRL that another process has in force cannot be read");
                list = std::move(crl.value());
            }
            file.lists.push_back(list);
            set->restore(list);
        }
        for (std::size_t n = read_count(fields); n > 0 && !fields.at_end(); --n) {
            std::string issuer = fields.next();
            file.unusable.emplace(std::move(issuer), fields.next());
        }
    }
    files_ = std::move(files);
    mark_unusable(*set);
    set->learn(known);
    crls_ = std::move(set);
}

}  // namespace mtls
