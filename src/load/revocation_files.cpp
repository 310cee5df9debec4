#include "mtls_authz/load/revocation_files.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "mtls_authz/base/digest.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/file_watch.hpp"
#include "mtls_authz/load/refusal_directives.hpp"
#include "mtls_authz/load/watched_paths.hpp"

namespace mtls {

namespace {

constexpr std::size_t kLargestFile = 64UL << 20;
// Why a line is invalid, or nothing.
std::optional<std::string> find_fault(const Directive& d) {
    if (const std::string fault = comment_fault(d.args); !fault.empty()) return d.name + ": " + fault;
    if (equal_nocase(d.name, "MTLSRevoke")) {
        auto revocation = read_revocation(d);
        if (!revocation.ok()) return revocation.error();
        RevocationSetBuilder().add(std::move(revocation.value()));
        return std::nullopt;
    }
    if (!equal_nocase(d.name, "MTLSSuspend")) {
        static constexpr std::string_view kKnown[] = {"MTLSRevoke", "MTLSSuspend"};
        return in_quotes(d.name, 60) + did_you_mean(d.name, kKnown) +
               ": only MTLSRevoke and MTLSSuspend NAME... stand in a revocation file";
    }
    const auto suspension = read_suspension(d);
    return suspension.ok() ? std::nullopt : std::optional(suspension.error());
}

// An exception of a line affects only that line. std::bad_alloc is not the line's fault: the next poll tries again.
std::optional<std::string> fault_of(const Directive& d) {
    try {
        return find_fault(d);
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& e) {
        return d.name + ": cannot be used (" + e.what() + ")";
    }
}

Diagnostic error_at(const std::string& path, std::string message) {
    return {Diagnostic::Severity::kError, {path, 0}, std::move(message)};
}

constexpr const char* kUntilBack = " until it is back, or the server is stopped and started";
constexpr const char* kToEndIt = "; to end it, put it back with a comment in it";

std::string lines_stay(std::size_t lines) {
    if (lines == 0) return "it refuses nothing";
    const std::string what =
        lines == 1 ? "the line from there stays" : "the " + std::to_string(lines) + " lines from there stay";
    return what + " in force" + kUntilBack;
}

}  // namespace

std::vector<std::string> RevocationFiles::paths() const { return paths_on_disk(files_); }
std::vector<std::string> RevocationFiles::names() const { return names_on_disk(files_, patterns_); }

void RevocationFiles::report(Report& report, std::string cause, std::vector<Diagnostic> faults,
                             std::vector<Diagnostic>& findings) {
    if (report.cause == cause) return;
    std::set<std::string> diagnostics;
    for (const Diagnostic& d : report.diagnostics) diagnostics.insert(d.str());
    for (const Diagnostic& d : faults) {
        if (!diagnostics.contains(d.str())) findings.push_back(d);
    }
    report = {std::move(cause), std::move(faults)};
}

std::vector<Diagnostic> RevocationFiles::bad_lines() const {
    std::vector<Diagnostic> out;
    for (const auto& [path, file] : files_) {
        if (file.is_there) out.insert(out.end(), file.report.diagnostics.begin(), file.report.diagnostics.end());
    }
    return out;
}

bool RevocationFiles::look(std::vector<Diagnostic>& findings) {
    added_.clear();
    ended_.clear();
    missing_.clear();
    std::set<std::string> present;
    bool some_unreadable = false;
    if (database_ != nullptr) sight_ = database_->look();
    for (Pattern& pattern : patterns_) {
        const bool is_database = pattern.files.pattern == kAllRows;
        // Before the first answer of the database nothing is known of its rows.
        if (is_database && sight_.is_unread()) continue;
        const auto [files, fault] = is_database ? matches_in_database(kAllRows, sight_, row_kind::kRevocation)
                                                : matches_on_disk(pattern.files.pattern, trust_, files_);
        std::vector<Diagnostic> faults;
        if (!fault.empty()) {
            faults.push_back({Diagnostic::Severity::kError, pattern.files.where,
                              (is_database ? "MTLSPolicyDatabase, rows that refuse: " : "MTLSRevocationFile: ") +
                                  fault +
                                  (files_.empty() && files.empty()
                                       ? ": it refuses nothing"
                                       : std::string(": what was read from there stays in force") + kUntilBack)});
        }
        report(pattern.report, fault, std::move(faults), findings);
        const bool is_empty = fault.empty() && files.empty() && !is_database && !has_files_of(pattern.files.pattern);
        warn_of_empty("MTLSRevocationFile", "it refuses nothing", pattern.files, is_empty, pattern.was_seen, findings);
        some_unreadable = some_unreadable || (!fault.empty() && !is_database);
        if (!fault.empty()) missing_.push_back(pattern.files.spelled);
        present.insert(files.begin(), files.end());
    }
    for (const std::string& path : present) poll_guarded(path, files_[path], findings);
    std::vector<std::string> gone;
    for (auto it = files_.begin(); it != files_.end();) {
        File& file = it->second;
        const bool is_missing = !present.contains(it->first);
        if (is_missing) file.removal_digest.clear();
        if (is_missing && file.in_force.empty()) {
            it = files_.erase(it);
            continue;
        }
        const bool is_unknown = is_database_name(it->first) && (sight_.rows == nullptr || !sight_.fault.empty());
        if (is_missing && !is_unknown) gone.push_back(it->first);
        if (!is_unknown && (is_missing || !file.is_there)) missing_.push_back(it->first);
        ++it;
    }
    // An unreadable folder was reported already.
    if (!some_unreadable) report_gone(gone, findings);
    if (!is_changed_) return false;
    rebuild();
    is_changed_ = false;
    return true;
}

bool RevocationFiles::has_files_of(const std::string& pattern) const {
    return std::any_of(files_.begin(), files_.end(), [&](const auto& file) { return may_name(pattern, file.first); });
}

void RevocationFiles::report_gone(const std::vector<std::string>& paths, std::vector<Diagnostic>& findings) {
    if (paths.empty()) return report(gone_, "", {}, findings);
    std::size_t lines = 0;
    std::string all;
    for (const std::string& path : paths) {
        lines += files_[path].in_force.size();
        all += path + "\n";
    }
    const std::size_t more = paths.size() - 1;
    const std::string others = more == 0 ? "" : " and so are " + std::to_string(more) + " more revocation file(s)";
    report(gone_, all, {error_at(paths.front(), "is gone" + others + ": " + lines_stay(lines) + kToEndIt)}, findings);
}

// An exception affects only this file, which is read again at the next poll.
void RevocationFiles::poll_guarded(const std::string& path, File& file, std::vector<Diagnostic>& findings) {
    try {
        is_database_name(path) ? poll_row(path, file, findings) : poll_file(path, file, findings);
    } catch (const std::exception& e) {
        file.removal_digest.clear();
        const std::string fault = std::string("could not be looked at (") + e.what() + ")";
        report(file.report, fault, {error_at(path, fault + ": " + lines_stay(file.in_force.size()))}, findings);
    }
}

// A file that is missing or incomplete removes nothing.
void RevocationFiles::keep_all(const std::string& path, File& file, const std::string& fault,
                               std::vector<Diagnostic>& findings) {
    file.removal_digest.clear();
    report(file.report, fault, {error_at(path, fault)}, findings);
}

std::string RevocationFiles::naming_line(const std::string& path) const {
    const auto named = std::find_if(patterns_.begin(), patterns_.end(),
                                    [&path](const Pattern& pattern) { return pattern.files.pattern == path; });
    return named == patterns_.end() ? "" : ", MTLSRevocationFile at " + named->files.where.str();
}

void RevocationFiles::poll_file(const std::string& path, File& file, std::vector<Diagnostic>& findings) {
    // Lines that an unsafe file adds count: a refusal is never delayed.
    const std::string unsafe = trust_ != nullptr ? find_trust_fault(path, *trust_) : std::string();
    // A network file system may update the stamp only when the file is opened.
    std::string stamp = is_on_local_file_system(path) ? settled_stamp(path) : std::string();
    if (!stamp.empty() && file.stamp == stamp + unsafe) return;
    file.stamp.clear();
    file.is_there = false;
    const auto content = read_whole_file(path, kLargestFile);
    if (!content.ok()) {
        return keep_all(path, file,
                        "cannot be read (" + content.error() + ")" + hint_of_missing(path) +
                            hint_of_unreadable(path, trust_) + naming_line(path) + ": " +
                            lines_stay(file.in_force.size()),
                        findings);
    }
    std::vector<Diagnostic> errors;
    if (!unsafe.empty()) {
        errors.push_back(
            error_at(path, "is not safe: " + unsafe + " (what it adds counts, but nothing is taken away)"));
    }
    if (apply_content(path, file, content.value(), sha256(content.value()) + unsafe, std::move(errors), findings) &&
        !stamp.empty()) {
        file.stamp = stamp + unsafe;
    }
}

// While the database has a fault, its rows add refusals and remove none.
void RevocationFiles::poll_row(const std::string& name, File& file, std::vector<Diagnostic>& findings) {
    const DatabaseRow& row = *sight_.find(name);
    const std::string stamp = row.digest + sight_.fault;
    if (file.stamp == stamp) return;
    file.stamp.clear();
    file.is_there = false;
    if (row.content.size() > kLargestFile) {
        return keep_all(name, file, "is too large: " + lines_stay(file.in_force.size()), findings);
    }
    if (apply_content(name, file, row.content, stamp, {}, findings)) file.stamp = stamp;
}

// Returns whether the lines in force already equal this content. `faults`: reasons why it must remove nothing.
bool RevocationFiles::apply_content(const std::string& path, File& file, const std::string& content,
                                    const std::string& digest, std::vector<Diagnostic> faults,
                                    std::vector<Diagnostic>& findings) {
    if (trim(content).empty()) {
        keep_all(
            path, file,
            "is empty: " + lines_stay(file.in_force.size()) + "; a file that is meant to hold nothing holds a comment",
            findings);
        return false;
    }
    file.is_there = true;
    if (digest == file.complete_digest && digest == file.report.cause) {
        file.removal_digest.clear();
        return true;
    }
    std::vector<Diagnostic> errors;
    std::map<std::string, Directive> lines;
    for (Directive& d : read_single_directives(content, path, errors)) {
        if (const auto fault = fault_of(d)) {
            errors.push_back({Diagnostic::Severity::kError, d.where, *fault});
            continue;
        }
        lines.emplace(lower(d.name) + " " + d.args, std::move(d));
    }
    for (Diagnostic& d : errors) {
        d.message += ": this line does not count, the others do, and nothing is taken away while it stands";
    }
    errors.insert(errors.end(), faults.begin(), faults.end());
    const bool is_whole = errors.empty() && (!is_database_name(path) || sight_.fault.empty());
    report(file.report, digest, std::move(errors), findings);
    // An invalid line may be the new form of a missing one: nothing is removed until it is corrected.
    if (!is_whole) lines.insert(file.in_force.begin(), file.in_force.end());
    apply(file, std::move(lines), digest);
    return false;
}

// Adds new lines at once; removes missing lines if the previous poll missed them in the same content.
void RevocationFiles::apply(File& file, std::map<std::string, Directive> lines, const std::string& digest) {
    for (const auto& [text, directive] : lines) {
        const auto [at, is_new] = file.in_force.emplace(text, directive);
        if (!is_new && at->second.where.line == directive.where.line) continue;
        if (is_new) added_.push_back(directive);
        at->second.where = directive.where;
        is_changed_ = true;
    }
    const bool takes_away = file.in_force.size() != lines.size();
    if (takes_away && file.removal_digest != digest) {
        file.removal_digest = digest;
        file.complete_digest.clear();
        return;
    }
    file.removal_digest.clear();
    file.complete_digest = digest;
    if (!takes_away) return;
    for (const auto& [text, directive] : file.in_force) {
        if (!lines.contains(text)) ended_.push_back(directive);
    }
    file.in_force = std::move(lines);
    is_changed_ = true;
}

bool RevocationFiles::is_waiting() const {
    return std::any_of(files_.begin(), files_.end(),
                       [](const auto& file) { return !file.second.removal_digest.empty(); });
}

void RevocationFiles::take(std::shared_ptr<const Refusals> refusals, std::shared_ptr<const Image> image) {
    files_.clear();
    for (const RefusalLine& line : refusals->lines) {
        Directive d{std::string(line.name.view()), std::string(line.args.view()), line.where, false, {}};
        std::string text = lower(d.name) + " " + d.args;
        files_[d.where.file].in_force.emplace(std::move(text), std::move(d));
    }
    refusals_ = std::move(refusals);
    image_ = std::move(image);
}

void RevocationFiles::end_unnamed() {
    const auto is_unnamed = [this](const auto& file) {
        return std::none_of(patterns_.begin(), patterns_.end(),
                            [&](const Pattern& pattern) { return may_name(pattern.files.pattern, file.first); });
    };
    if (std::erase_if(files_, is_unnamed) > 0) is_changed_ = true;
}

void RevocationFiles::report_again() {
    gone_ = {};
    for (Pattern& pattern : patterns_) pattern.report = {};
    for (auto& [path, file] : files_) {
        file.report = {};
        file.stamp.clear();
    }
}

// If this throws, the previous refusals stay in force until the next poll.
void RevocationFiles::rebuild() {
    auto made = make_image<Refusals>(is_shared_, Watched::kRefusals, [this](Arena& arena) { return write(arena); });
    if (made.value == nullptr) throw std::runtime_error(made.fault);
    refusals_ = std::move(made.value);
    image_ = std::move(made.image);
}

const Refusals* RevocationFiles::write(Arena& arena) const {
    Refusals out;
    RevocationSetBuilder revocations;
    Sha256 digest;
    std::vector<RefusalLine> lines;
    std::map<std::string, Suspension> suspended;
    for (const auto& [path, file] : files_) {
        const std::string_view name = arena.keep(path);
        for (const auto& [text, d] : file.in_force) {
            const StoredWhere where{name, d.where.line};
            lines.push_back({arena.keep(d.name), arena.keep(d.args), where});
            digest.add(d.where.str() + " " + text + "\n");
            if (equal_nocase(d.name, "MTLSRevoke")) {
                auto revocation = read_revocation(d);
                if (revocation.ok()) revocations.add(std::move(revocation.value()));
                continue;
            }
            const auto suspension = read_suspension(d);
            if (!suspension.ok()) continue;
            const Text note = arena.keep(suspension.value().note);
            for (const std::string& partner : suspension.value().names) {
                if (!suspended.contains(partner)) suspended[partner] = {arena.keep(partner), note, where};
            }
        }
    }
    std::vector<Suspension> suspensions;
    for (const auto& [partner, suspension] : suspended) suspensions.push_back(suspension);
    out.suspended = arena.keep(suspensions);
    out.revocations = revocations.finish(arena);
    out.digest = arena.keep(digest.finish());
    out.lines = arena.keep(lines);
    return arena.keep_one(out);
}

}  // namespace mtls
