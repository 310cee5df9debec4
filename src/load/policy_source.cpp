#include "mtls_authz/load/policy_source.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/watched_paths.hpp"

namespace mtls {

std::set<std::string> find_vanished_refusals(const Policy& before, const Policy& after,
                                             const std::map<std::string, WrittenFile>& read) {
    std::set<std::string_view> milder;  // files whose suspensions and CRL rules of partners are not in `after`
    for (const Partner& partner : before.partners()) {
        const bool can_refuse = partner.suspended || partner.crl_rules.is_any();
        const Partner* const now = can_refuse ? after.find(partner.name) : nullptr;
        if (now == nullptr) continue;
        if (partner.suspended && !now->suspended) milder.insert(partner.suspended->file);
        if (now->crl_rules.over(after.crl_rules()).is_milder_than(partner.crl_rules)) milder.insert(partner.where.file);
    }
    std::set<std::string_view> refusing;  // digests of files of `after`: another name of the same lines is a rename
    for (const auto& [name, file] : read) {
        if (file.refuses) refusing.insert(file.digest);
    }
    std::set<std::string> out;
    for (const PolicyFile& file : before.files()) {
        if (read.contains(std::string(file.name))) continue;
        if (milder.contains(file.name) || (file.refuses && !refusing.contains(file.digest))) out.emplace(file.name);
    }
    return out;
}

std::vector<Diagnostic> PolicySource::add(Directive directive) {
    // A separate builder: build() checks the directives together, and reads the files that they name.
    PolicyBuilder builder(root_, disk_);
    builder.check_text_only();
    builder.add(directive);
    std::vector<Diagnostic> errors;
    for (const Diagnostic& d : builder.diagnostics()) {
        if (d.is_error()) errors.push_back(d);
    }
    directives_.push_back(std::move(directive));
    return errors;
}

PolicySource::Draft PolicySource::make_draft(const Policy* reused) const {
    Draft draft;
    PolicyBuilder builder(root_, disk_);
    if (reused != nullptr) builder.reuse(*reused);
    for (const Directive& directive : directives_) builder.add(directive);
    for (const WatchedFiles& watched : watched_) builder.add_files(watched);
    auto made = make_image<Policy>(is_shared_ && !builder.has_errors(), Watched::kPolicy,
                                   [&](Arena& arena) { return builder.build(arena); });
    draft.policy = std::move(made.value);
    draft.image = std::move(made.image);
    draft.findings = builder.diagnostics();
    if (!made.fault.empty()) {
        draft.out_of_memory_at = std::chrono::steady_clock::now();
        draft.findings.push_back({Diagnostic::Severity::kError, {}, "the policy cannot be shared: " + made.fault});
    }
    draft.digests = builder.files_read();
    draft.rows = disk_.database().rows;
    find_vanished(draft);
    keep_stamps(draft);
    return draft;
}

// Keeps the stamps of files with the same content in the draft and in the policy in force.
void PolicySource::keep_stamps(Draft& draft) const {
    if (!in_force_) return;
    for (const PolicyFile& file : in_force_->files()) {
        const auto stamp = stamps_.find(file.name.view());
        const auto drafted = stamp != stamps_.end() ? draft.digests.find(stamp->first) : draft.digests.end();
        if (drafted == draft.digests.end() || drafted->second.digest != file.digest.view()) continue;
        draft.stamps.emplace_hint(draft.stamps.end(), *stamp);
    }
}

void PolicySource::find_vanished(Draft& draft) const {
    if (!in_force_) return;
    for (const WatchedFiles& watched : watched_) {
        const auto now = draft.digests.find(watched.pattern);
        const auto before = in_force_->files();
        const auto was = std::find_if(before.begin(), before.end(),
                                      [&](const PolicyFile& file) { return file.name == watched.pattern; });
        const bool vanished = was != before.end() && was->count > 0 && now != draft.digests.end() &&
                              now->second.listed && now->second.count == 0;
        if (!vanished) continue;
        draft.policy = nullptr;
        draft.findings.push_back({Diagnostic::Severity::kError, watched.where,
                                  (watched.pattern == kAllRows ? "MTLSPolicyDatabase " : "MTLSPolicyFile ") +
                                      watched.spelled + ": had " + std::to_string(was->count) +
                                      " file(s) and now has none; if that is meant, stop and start the server"});
    }
    if (!draft.policy) return;
    for (const std::string& file : find_vanished_refusals(*in_force_, *draft.policy, draft.digests)) {
        // A directive that was taken out ends what its files refused.
        if (std::none_of(watched_.begin(), watched_.end(),
                         [&](const WatchedFiles& watched) { return may_name(watched.pattern, file); })) {
            continue;
        }
        draft.policy = nullptr;
        draft.findings.push_back({Diagnostic::Severity::kError,
                                  {file, 0},
                                  "is gone, and with it lines that refuse: a refusal ends only by an edit of a file "
                                  "that is there; take its lines " +
                                      std::string(kRefusingLines) + " out first, or stop and start the server"});
    }
}

std::shared_ptr<const Policy> PolicySource::put_in_force(Draft& draft) {
    disk_.keep_cached(*draft.policy);  // may throw, and nothing is lost: the next poll tries again
    stamps_ = std::move(draft.stamps);
    rows_ = std::move(draft.rows);
    builds_anew_ = false;
    in_force_ = std::move(draft.policy);
    image_ = std::move(draft.image);
    return in_force_;
}

std::shared_ptr<const Policy> PolicySource::build(std::vector<Diagnostic>& findings) {
    disk_.begin_look();
    // Nothing is reused: a restart accepts an older SPIFFE bundle.
    Draft draft = make_draft(nullptr);
    findings.insert(findings.end(), draft.findings.begin(), draft.findings.end());
    draft_.reset();
    return draft.policy ? put_in_force(draft) : nullptr;
}

// ---- polling --------------------------------------------------------------------------------------------------

namespace {

// 64-bit hash of the stat() stamp; 0: no settled stamp (missing, or changed less than 2 s ago).
std::uint64_t hash_of_stamp(const std::string& path) {
    const std::string stamp = settled_stamp(path);
    std::uint64_t out = 0;
    if (!stamp.empty()) std::memcpy(&out, sha256(stamp).data(), sizeof out);
    return out;
}

}  // namespace

// `last_stamp`: hash of the stamp when the file last had this digest; updated.
bool PolicySource::holds(const std::string& name, std::size_t limit, std::string_view digest,
                         std::uint64_t& last_stamp) {
    if (limit == 0) return digest_of_names(disk_.files_of(name)) == digest;
    const std::uint64_t stamp = hash_of_stamp(name);
    if (stamp != 0 && stamp == last_stamp) return true;
    const auto now = disk_.digest_of(name, limit);
    if ((now.ok() ? now.value() : now.error()) != digest) return false;
    // A fault can end without a new stamp: of a folder, or a lack of descriptors.
    if (now.ok()) last_stamp = stamp;
    return true;
}

// Whether a row, or a pattern of rows, has not changed. Rows that were never read count as unchanged.
bool PolicySource::row_holds(const std::string& name, std::size_t limit, std::string_view digest) const {
    if (disk_.database().is_unread()) return true;
    if (limit == 0) return digest_of_names(disk_.database().files_of(name, row_kind::kPolicy)) == digest;
    return disk_.database().digest_of(name) == digest;
}

bool PolicySource::is_in_force() {
    if (!in_force_) return false;
    const auto& rows = disk_.database().rows;
    // Rows that cannot be read remove nothing.
    const bool are_rows_known = rows == nullptr || rows == rows_;
    const auto files = in_force_->files();
    const bool out = std::all_of(files.begin(), files.end(), [&](const PolicyFile& file) {
        if (is_database_name(file.name)) {
            return are_rows_known || row_holds(std::string(file.name), file.limit, file.digest);
        }
        std::string name(file.name);
        std::uint64_t& last_stamp = stamps_[name];
        return holds(name, file.limit, file.digest, last_stamp);
    });
    if (out && rows != nullptr) rows_ = rows;
    return out;
}

bool PolicySource::is_drafted() {
    if (!draft_) return false;
    const auto& rows = disk_.database().rows;
    const bool out = std::all_of(draft_->digests.begin(), draft_->digests.end(), [&](const auto& file) {
        const auto& [name, was] = file;
        if (is_database_name(name)) return rows == draft_->rows || row_holds(name, was.limit, was.digest);
        return holds(name, was.limit, was.digest, draft_->stamps[name]);
    });
    if (out) draft_->rows = rows;
    return out;
}

void PolicySource::report_database(std::vector<Diagnostic>& findings) {
    if (!disk_.is_database_away()) return database_faults_.clear();
    const std::string& fault = disk_.database().fault;
    const auto database = std::find_if(watched_.begin(), watched_.end(),
                                       [](const WatchedFiles& watched) { return watched.pattern == kAllRows; });
    if (database == watched_.end() || !database_faults_.insert(fault).second) return;
    findings.push_back(
        {Diagnostic::Severity::kError, database->where, "MTLSPolicyDatabase " + database->spelled + ": " + fault});
}

void PolicySource::look_at_database(std::vector<Diagnostic>& findings) {
    disk_.begin_look();
    report_database(findings);
}

std::optional<std::int64_t> PolicySource::revision_in_force() const {
    if (rows_ == nullptr || draft_) return std::nullopt;
    return rows_->revision;
}

std::shared_ptr<const Policy> PolicySource::look(std::vector<Diagnostic>& findings, const Prepare& prepare) {
    look_at_database(findings);
    const bool drafted = is_drafted();
    if (drafted && draft_->confirmed && !draft_->policy) {
        // Memory may be available by now.
        constexpr std::chrono::seconds kAgain{10};
        if (draft_->out_of_memory_at && std::chrono::steady_clock::now() - *draft_->out_of_memory_at > kAgain) {
            Draft again = make_draft(in_force_.get());
            draft_->out_of_memory_at = again.out_of_memory_at;
            if (!again.out_of_memory_at) draft_ = std::move(again);
        }
        return nullptr;
    }
    if (drafted) {
        if (!draft_->confirmed) findings.insert(findings.end(), draft_->findings.begin(), draft_->findings.end());
        draft_->confirmed = true;
        if (!draft_->policy) return nullptr;
        if (prepare) prepare(draft_->policy);  // if it throws, the next poll tries again
        auto policy = put_in_force(*draft_);
        draft_.reset();
        return policy;
    }
    draft_.reset();
    // Files are copied one by one, and written in pieces: a change counts only after two polls saw the same.
    const bool must_build = builds_anew_ && !disk_.is_database_away();
    if (must_build || !is_in_force()) draft_ = make_draft(in_force_.get());
    return nullptr;
}

void PolicySource::follow(std::shared_ptr<const Policy> policy, std::shared_ptr<const Image> image) {
    draft_.reset();
    stamps_.clear();
    rows_.reset();
    in_force_ = std::move(policy);
    image_ = std::move(image);
    if (in_force_) disk_.keep_cached(*in_force_);
}

std::string PolicySource::failing_content() const {
    std::string out = disk_.database().fault;
    if (draft_) {
        for (const auto& [name, file] : draft_->digests) out += name + "\n" + file.digest + "\n";
    }
    return sha256(out);
}

std::vector<std::string> PolicySource::paths() const {
    std::vector<std::string> out;
    if (!in_force_) return out;
    for (const PolicyFile& file : in_force_->files()) {
        if (file.limit > 0 && !is_database_name(file.name)) out.emplace_back(file.name);
    }
    return out;
}

std::vector<std::string> PolicySource::names() const {
    std::set<std::string> out;
    for (const WatchedFiles& watched : watched_) out.insert(watched.pattern);
    if (in_force_) {
        for (const PolicyFile& file : in_force_->files()) out.emplace_hint(out.end(), file.name);
    }
    if (draft_) {
        for (const auto& [name, file] : draft_->digests) out.emplace_hint(out.end(), name);
    }
    std::erase_if(out, is_database_name);
    return {out.begin(), out.end()};
}

}  // namespace mtls
