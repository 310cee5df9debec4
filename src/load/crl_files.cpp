#include "mtls_authz/load/crl_files.hpp"

#include <algorithm>
#include <ctime>
#include <stdexcept>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"
#include "mtls_authz/load/watched_paths.hpp"
#include "mtls_authz/policy/lateness.hpp"
#include "mtls_authz/trust/crl_signers.hpp"

namespace mtls {

bool CrlFiles::watch(const std::vector<WatchedFiles>& patterns, const CasByName& cas) {
    std::vector<Pattern> next;
    for (const WatchedFiles& files : patterns) {
        const auto same = std::find_if(patterns_.begin(), patterns_.end(),
                                       [&](const Pattern& p) { return p.files.pattern == files.pattern; });
        next.push_back(same != patterns_.end() ? Pattern{files, same->fault, same->was_seen} : Pattern{files});
    }
    patterns_ = std::move(next);
    const auto is_dropped = [this](const auto& file) {
        return std::none_of(patterns_.begin(), patterns_.end(),
                            [&](const Pattern& p) { return may_name(p.files.pattern, file.first); });
    };
    if (std::erase_if(files_, is_dropped) == 0) return false;
    read_again();  // what the others hold may have been the same, or older
    auto set = std::make_shared<CrlSet>();
    for (const auto& [path, file] : files_) {
        for (const auto& list : file.lists) set->add(list, cas, std::time(nullptr));
    }
    put_in_force(std::move(set));
    return true;
}

std::vector<std::string> CrlFiles::paths() const { return paths_on_disk(files_); }
std::vector<std::string> CrlFiles::names() const { return names_on_disk(files_, patterns_); }

bool CrlFiles::look(const CasByName& cas, const CasByName& anchors, std::vector<Diagnostic>& findings) {
    auto next = std::make_shared<CrlSet>(*crls_);
    std::vector<std::string> changed;
    std::set<std::string> present;
    if (database_ != nullptr) sight_ = database_->look();
    for (Pattern& pattern : patterns_) {
        const bool is_of_database = is_database_name(pattern.files.pattern);
        if (is_of_database && sight_.is_unread()) continue;
        const auto [files, fault] = is_of_database ? matches_in_database(pattern.files.pattern, sight_, row_kind::kCrl)
                                                   : matches_on_disk(pattern.files.pattern, trust_, files_);
        if (!fault.empty() && fault != pattern.fault) {
            findings.push_back({Diagnostic::Severity::kError, pattern.files.where,
                                "MTLSCRLFile: " + fault + ": " +
                                    (has_lists_of(pattern.files.pattern) ? "the CRLs read from there stay in force"
                                                                         : "no CRL is read from there")});
        }
        pattern.fault = fault;
        const bool is_empty = fault.empty() && files.empty() && !is_of_database && !has_lists_of(pattern.files.pattern);
        warn_of_empty("MTLSCRLFile", "no CRL is read from there", pattern.files, is_empty, pattern.was_seen, findings);
        if (!fault.empty() && (!is_of_database || sight_.rows == nullptr)) {
            // Reported already; nothing is known of its other files.
            for (const auto& [path, file] : files_) {
                if (may_name(pattern.files.pattern, path)) present.insert(path);
            }
        }
        present.insert(files.begin(), files.end());
        for (const std::string& path : files) {
            File& file = files_[path];
            if (poll_guarded(path, file, cas, *next, findings)) changed.push_back(path);
        }
    }
    note_missing(present, *next, findings);
    if (changed.empty() && is_image_current_) return false;
    put_in_force(std::move(next));
    for (const std::string& path : changed) {
        if (!files_[path].exception.empty()) continue;
        warn_of_end(path, *crls_, findings);
        for (const auto& list : files_[path].lists) {
            const std::string gap = find_gap(*crls_, *list, cas, anchors);
            if (gap.empty()) continue;
            findings.push_back({Diagnostic::Severity::kWarning,
                                {path, 0},
                                "the CRL of " + in_double_quotes(list->issuer_text()) + " " + gap});
            break;
        }
    }
    return true;
}

bool CrlFiles::has_lists_of(const std::string& pattern) const {
    return std::any_of(files_.begin(), files_.end(), [&](const auto& entry) {
        return may_name(pattern, entry.first) && !entry.second.lists.empty();
    });
}

// Whether the same list was read from a file that is still there.
bool CrlFiles::is_elsewhere(const Crl& list, const File& file) const {
    return std::any_of(files_.begin(), files_.end(), [&](const auto& entry) {
        const File& other = entry.second;
        return &other != &file && other.is_there && other.digests.contains(list.digest());
    });
}

// A literal name that cannot be read is reported by poll_file().
void CrlFiles::note_missing(const std::set<std::string>& present, const CrlSet& next,
                            std::vector<Diagnostic>& findings) {
    missing_.clear();
    for (auto& [path, file] : files_) {
        const bool is_present = present.contains(path);
        if (!is_present) {
            file.is_there = false;
            file.stamp.clear();  // read again when it is back
            file.digest.clear();
        }
        const File& gone = file;
        const bool has_lists = std::any_of(gone.lists.begin(), gone.lists.end(), [&](const auto& list) {
            return next.holds(*list) && !is_elsewhere(*list, gone);
        });
        // Its unusable list keeps its issuer's certificates stale while there is no other.
        const bool is_unusable = std::any_of(gone.unusable.begin(), gone.unusable.end(),
                                             [&](const auto& list) { return !next.has_lists_of(list.first); });
        const bool is_needed = !gone.is_there && (has_lists || is_unusable);
        if (is_needed) missing_.push_back(path);
        if (is_present || !is_needed) reported_gone_.erase(path);
        if (is_present || !is_needed || !reported_gone_.insert(path).second) continue;
        findings.push_back({Diagnostic::Severity::kError,
                            {path, 0},
                            "the CRL file is gone: what was read from it stays in force until it is back, or the "
                            "server is stopped and started"});
    }
}

// Warns of a list that is past its nextUpdate, or in the last tenth of the time between thisUpdate and nextUpdate, and
// of one of the future. Each list is warned of once, when it is read.
void CrlFiles::warn_of_end(const std::string& path, const CrlSet& next, std::vector<Diagnostic>& findings) {
    constexpr int kShare = 10;
    const std::int64_t now = std::time(nullptr);
    for (const auto& list : files_.at(path).lists) {
        const auto end = list->next_update();
        const bool is_of_future = list->this_update() > now;
        const bool ends = end && now >= *end - (*end - list->this_update()) / kShare;
        if (!next.holds(*list) || (!is_of_future && !ends)) continue;
        if (!reported_ends_.insert(list->digest()).second) continue;
        const std::string what = "the CRL of " + in_double_quotes(list->issuer_text()) + " ";
        if (is_of_future) {
            const std::int64_t begin = list->this_update();
            findings.push_back({Diagnostic::Severity::kWarning,
                                {path, 0},
                                what + "is of the future, and not used before its thisUpdate, " + format_time(begin) +
                                    " (" + distance_text(now, begin) + "): is the clock right?"});
            continue;
        }
        findings.push_back({Diagnostic::Severity::kWarning,
                            {path, 0},
                            what + (now > *end ? "is past its nextUpdate, " : "is near its end, nextUpdate ") +
                                format_time(*end) + " (" + distance_text(now, *end) + ")" +
                                (now > *end ? ": with MTLSCRLStale deny, its certificates are revocation-stale" : "") +
                                ": fetch a newer one (mtls-authz fetch)"});
    }
}

// Puts `next` in force. Throws if there is no memory for the image; the next poll tries again.
void CrlFiles::put_in_force(std::shared_ptr<CrlSet> next) {
    is_image_current_ = false;
    // Lists that `next` does not contain have been superseded.
    for (auto& [path, file] : files_) {
        std::erase_if(file.lists, [&](const auto& list) { return !next->holds(*list); });
    }
    mark_unusable(*next);
    crls_ = std::move(next);
    auto made = is_shared_ ? make_image<CrlRecords>(true, Watched::kCrls, [this](Arena& a) { return write(a); })
                           : MadeImage<CrlRecords>();
    if (is_shared_ && made.value == nullptr) throw std::runtime_error(made.fault);
    if (is_shared_) bind(made.value);
    image_ = std::move(made.image);
    is_image_current_ = true;
}

void CrlFiles::mark_unusable(CrlSet& set) const {
    set.forget_unusable();
    for (const auto& [path, file] : files_) {
        for (const auto& [issuer, why] : file.unusable) set.mark_unusable(issuer, why);
    }
}

// An exception affects only this file, which is read again at the next poll.
bool CrlFiles::poll_guarded(const std::string& path, File& file, const CasByName& cas, CrlSet& into,
                            std::vector<Diagnostic>& findings) {
    const auto unusable = file.unusable;
    try {
        const bool changed = poll_file(path, file, cas, into, findings);
        file.exception.clear();
        return changed;
    } catch (const std::exception& e) {
        file.stamp.clear();
        file.digest.clear();
        if (file.exception != e.what()) {
            findings.push_back({Diagnostic::Severity::kError,
                                {path, 0},
                                std::string("could not be looked at (") + e.what() +
                                    "): what was in force stays so until the next look"});
        }
        file.exception = e.what();
        file.unusable.insert(unusable.begin(), unusable.end());
        return file.unusable != unusable;
    }
}

namespace {

// Adds a list of a file that held the lists `before`. Returns what CrlSet::add() does.
std::string replace_unverified(const std::vector<std::shared_ptr<const Crl>>& before,
                               const std::shared_ptr<const Crl>& crl, const CasByName& cas, CrlSet& into) {
    const std::int64_t now = std::time(nullptr);
    std::string fault = into.add(crl, cas, now);
    for (const auto& list : before) {
        if (fault.empty() && crl->is_unverified() && list->replaces_unverified(*crl, now)) fault = kIsOlder;
        if (crl->replaces_unverified(*list, now)) into.drop_unverified(*list);
    }
    return fault;
}

}  // namespace

bool CrlFiles::poll_file(const std::string& path, File& file, const CasByName& cas, CrlSet& into,
                         std::vector<Diagnostic>& findings) {
    constexpr std::size_t kLargestFile = 256UL << 20;
    bool had_lists = !file.lists.empty();
    bool some_count = false;  // of the lists that are there now
    const auto complain = [&](const std::string& what) {
        findings.push_back(
            {Diagnostic::Severity::kError,
             {path, 0},
             what + (!some_count ? had_lists ? ": what was in force stays so" : ": no list of this file is in force"
                     : had_lists ? ": the other lists of this file are in force, and what they do not replace stays so"
                                 : ": the other lists of this file are in force")});
    };
    const auto cannot_use = [&](const std::string& issuer, const std::string& why) {
        file.unusable[issuer] = "a CRL at hand cannot be used: " + path + ": " + why;
    };
    const bool is_row = is_database_name(path);
    const std::string stamp = is_row ? sight_.digest_of(path) : settled_stamp(path);
    if (!stamp.empty() && stamp == file.stamp) return false;
    const auto content = is_row ? sight_.read(path, kLargestFile) : read_whole_file(path, kLargestFile, trust_);
    const std::string digest = content.ok() ? sha256(content.value()) : content.error();
    // A fault can end without a new stamp: of a folder, or a lack of descriptors.
    file.stamp = content.ok() ? stamp : "";
    file.is_there = content.ok();
    if (digest == file.digest) return false;
    file.digest = digest;
    if (!content.ok()) {
        complain("cannot be read (" + content.error() + ")" +
                 (is_row ? "" : hint_of_missing(path) + hint_of_unreadable(path, trust_)));
        if (is_row || trust_ == nullptr || find_trust_fault(path, *trust_).empty()) return false;
        // Parses the unsafe file only for the names of its issuers, to mark their lists as unusable.
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
    std::vector<std::string> faults;  // told once it is known whether other lists count
    if (!decoded.fault.empty()) faults.push_back(decoded.fault);
    if (decoded.lists.empty() && decoded.broken.empty()) {
        had_lists = had_lists || !file.unusable.empty();
        for (const std::string& fault : faults) complain(fault);
        return false;
    }
    file.unusable.clear();
    file.digests.clear();
    // A list that none of the known CAs of its name signed disappears with an edit of its file; one of a CA that only
    // clients send does not.
    std::erase_if(file.lists, [&](const auto& list) {
        const bool may_go = decoded.fault.empty() && list->is_unverified() && !cas(list->issuer()).empty();
        return may_go && into.drop_unverified(*list);
    });
    const auto before = file.lists;
    for (const std::string& issuer : decoded.broken) cannot_use(issuer, "does not decode");
    for (X509CrlPtr& list : decoded.lists) {
        const std::string name = read_name(*X509_CRL_get_issuer(list.get())).canonical;
        // Until it is read: an exception, as of too little memory, must not let in what it lists.
        const bool is_first_fault = file.unusable.try_emplace(name, "a CRL at hand could not be read: " + path).second;
        auto crl = Crl::read(std::move(list));
        if (!crl.ok()) {
            faults.push_back(crl.error());
            cannot_use(name, crl.error());
            continue;
        }
        const std::string issuer = crl.value()->issuer_text();
        file.lists.push_back(crl.value());
        file.digests.insert(crl.value()->digest());
        const std::string fault = replace_unverified(before, crl.value(), cas, into);
        if (!fault.empty()) faults.push_back("the CRL of " + in_double_quotes(issuer) + " " + fault);
        if (is_first_fault) file.unusable.erase(name);
        if (fault == kTooMany) cannot_use(name, fault);
        some_count = some_count || fault.empty();
    }
    for (const std::string& fault : faults) complain(fault);
    return true;
}

// ---- images ---------------------------------------------------------------------------------------------------------

const CrlRecords* CrlFiles::write(Arena& arena) const {
    std::vector<CrlFileRecord> files;
    for (const auto& [path, file] : files_) {
        std::vector<CrlRecord> lists;
        for (const auto& list : file.lists) lists.push_back(list->keep(arena));
        std::vector<CrlFileRecord::Unusable> unusable;
        for (const auto& [issuer, why] : file.unusable) unusable.push_back({arena.keep(issuer), arena.keep(why)});
        files.push_back({arena.keep(path), arena.keep(lists), arena.keep(unusable)});
    }
    return arena.keep_one(CrlRecords{arena.keep(files)});
}

// Recreates all lists from these records, which have the same content, and keeps their verified signers.
void CrlFiles::bind(const std::shared_ptr<const CrlRecords>& records) {
    std::map<std::string, std::shared_ptr<const Crl>> had;
    for (const auto& [path, file] : files_) {
        for (const auto& list : file.lists) had.emplace(list->digest(), list);
    }
    auto set = std::make_shared<CrlSet>();
    for (const CrlFileRecord& record : records->files) {
        File& file = files_[std::string(record.path.view())];
        file.lists.clear();
        file.unusable.clear();
        for (const CrlRecord& list : record.lists) {
            const auto before = had.find(std::string(list.digest.view()));
            file.lists.push_back(std::make_shared<const Crl>(std::shared_ptr<const CrlRecord>(records, &list),
                                                             before != had.end() ? before->second.get() : nullptr));
            set->restore(file.lists.back());
        }
        for (const auto& [issuer, why] : record.unusable) {
            file.unusable.emplace(std::string(issuer.view()), std::string(why.view()));
        }
    }
    mark_unusable(*set);
    crls_ = std::move(set);
}

void CrlFiles::take(const std::shared_ptr<const CrlRecords>& records, std::shared_ptr<const Image> image,
                    const CasByName& cas) {
    std::erase_if(files_, [&](const auto& file) {
        return std::none_of(records->files.begin(), records->files.end(),
                            [&](const CrlFileRecord& record) { return record.path == file.first; });
    });
    read_again();
    bind(records);
    crls_->verify_signers(cas);
    image_ = std::move(image);
    is_image_current_ = true;
}

void CrlFiles::read_again() {
    for (auto& [path, file] : files_) {
        file.stamp.clear();
        file.digest.clear();
    }
}

void CrlFiles::report_again() {
    for (Pattern& pattern : patterns_) pattern.fault.clear();
    reported_gone_.clear();
    read_again();
}

}  // namespace mtls
