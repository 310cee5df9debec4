#include "mtls_authz/crl_files.hpp"

#include <algorithm>

#include "mtls_authz/certificate_facts.hpp"
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
        for (const auto& list : file.lists) set->add(list, known);
        for (const std::string& issuer : file.unusable) set->mark_unusable(issuer);
    }
    crls_ = std::move(set);
    return true;
}

std::vector<std::string> CrlFiles::paths() const {
    std::vector<std::string> out;
    for (const auto& [path, file] : files_) out.push_back(path);
    return out;
}

bool CrlFiles::look(const CasByName& known, std::vector<Diagnostic>& findings) {
    auto next = std::make_shared<CrlSet>(*crls_);
    bool changed = false;
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
            changed = look_at(path, file, known, *next, findings) || changed;
        }
    }
    if (changed) crls_ = std::move(next);
    return changed;
}

bool CrlFiles::look_at(const std::string& path, File& file, const CasByName& known, CrlSet& into,
                       std::vector<Diagnostic>& findings) {
    constexpr std::size_t kLargestFile = 256UL << 20;
    const auto complain = [&](const std::string& what) {
        findings.push_back({Diagnostic::Severity::kError, {path, 0}, what + ": what was in force stays so"});
    };
    const auto mark_unusable = [&](std::string issuer) {
        file.unusable.push_back(issuer);
        into.mark_unusable(std::move(issuer));
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
        // What it is about is known, and that nobody can rely on it.
        const auto unsafe = read_whole_file(path, kLargestFile);
        auto lists = decode_crls(unsafe.ok() ? unsafe.value() : "");
        if (!lists.ok()) return false;
        file.unusable.clear();
        for (const X509CrlPtr& list : lists.value()) {
            mark_unusable(read_name(*X509_CRL_get_issuer(list.get())).canonical);
        }
        return true;
    }
    file.unusable.clear();
    auto decoded = decode_crls(content.value());
    if (!decoded.ok()) {
        complain(decoded.error());
        std::string issuer = issuer_of_broken_crl(content.value());
        if (issuer.empty()) return false;
        mark_unusable(std::move(issuer));
        return true;
    }
    bool added = false;
    for (X509CrlPtr& list : decoded.value()) {
        std::string name = read_name(*X509_CRL_get_issuer(list.get())).canonical;
        auto crl = Crl::read(std::move(list));
        if (!crl.ok()) {
            complain(crl.error());
            mark_unusable(std::move(name));
            added = true;
            continue;
        }
        const std::string issuer = crl.value()->issuer_text();
        file.lists.push_back(crl.value());
        const std::string fault = into.add(std::move(crl.value()), known);
        if (!fault.empty()) complain("the CRL of \"" + escape_for_log(issuer, 200) + "\" " + fault);
        added = true;
    }
    // What nobody else holds has been superseded.
    std::erase_if(file.lists, [](const auto& list) { return list.use_count() == 1; });
    return added;
}

}  // namespace mtls
