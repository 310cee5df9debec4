#include "mtls_authz/refusals.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "mtls_authz/digest.hpp"
#include "mtls_authz/file.hpp"
#include "mtls_authz/policy_builder.hpp"
#include "mtls_authz/shared_text.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr std::size_t kLargestFile = 64UL << 20;
// Why a line cannot count, or nothing.
std::optional<std::string> find_fault(const Directive& d) {
    if (equal_nocase(d.name, "MTLSRevoke")) {
        auto revocation = Revocation::parse(d);
        if (!revocation.ok()) return revocation.error();
        RevocationSetBuilder().add(std::move(revocation.value()));
        return std::nullopt;
    }
    if (!equal_nocase(d.name, "MTLSSuspend")) {
        static constexpr std::string_view kKnown[] = {"MTLSRevoke", "MTLSSuspend"};
        return "'" + escape_for_log(d.name, 60) + "'" + did_you_mean(d.name, kKnown) +
               ": only MTLSRevoke and MTLSSuspend NAME... stand in a revocation file";
    }
    const auto names = read_suspension(d);
    return names.ok() ? std::nullopt : std::optional(names.error());
}

// What a line throws while it is read and put in order stays with that line. No memory is no line's fault: the next
// look tries again.
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

constexpr const char* kUntilBack = " until it is back, or the server is restarted";

std::string lines_stay(std::size_t lines) {
    if (lines == 0) return "it refuses nothing";
    const std::string what =
        lines == 1 ? "the line from there stays" : "the " + std::to_string(lines) + " lines from there stay";
    return what + " in force" + kUntilBack;
}

}  // namespace

std::vector<std::string> RevocationFiles::paths() const {
    std::vector<std::string> out;
    for (const auto& [path, file] : files_) out.push_back(path);
    return out;
}

void RevocationFiles::report(Report& report, std::string of, std::vector<Diagnostic> faults,
                             std::vector<Diagnostic>& findings) {
    if (report.of == of) return;
    for (const Diagnostic& d : faults) {
        const bool is_said = std::any_of(report.said.begin(), report.said.end(),
                                         [&](const Diagnostic& said) { return said.str() == d.str(); });
        if (!is_said) findings.push_back(d);
    }
    report = {std::move(of), std::move(faults)};
}

bool RevocationFiles::look(std::vector<Diagnostic>& findings) {
    added_.clear();
    missing_.clear();
    std::set<std::string> present;
    bool some_unknown = false;
    for (Pattern& pattern : patterns_) {
        auto files = expand(pattern.files.pattern);
        std::vector<Diagnostic> faults;
        if (!files.ok()) {
            faults.push_back(
                {Diagnostic::Severity::kError, pattern.files.where,
                 "MTLSRevocationFile: " + files.error() + ": what was read from there stays in force" + kUntilBack});
        }
        report(pattern.report, files.ok() ? "" : files.error(), std::move(faults), findings);
        some_unknown = some_unknown || !files.ok();
        if (!files.ok()) missing_.push_back(pattern.files.spelled);
        if (files.ok()) present.insert(files.value().begin(), files.value().end());
    }
    for (const std::string& path : present) look_apart(path, files_[path], findings);
    std::vector<std::string> gone;
    for (auto it = files_.begin(); it != files_.end();) {
        File& file = it->second;
        const bool is_missing = !present.contains(it->first);
        if (is_missing) file.awaited.clear();
        if (is_missing && file.in_force.empty()) {
            it = files_.erase(it);
            continue;
        }
        if (is_missing) gone.push_back(it->first);
        if (is_missing || !file.is_there) missing_.push_back(it->first);
        ++it;
    }
    // That a folder cannot be read is said already.
    if (!some_unknown) report_gone(gone, findings);
    if (!is_changed_) return false;
    rebuild();
    is_changed_ = false;
    return true;
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
    report(gone_, all, {error_at(paths.front(), "is gone" + others + ": " + lines_stay(lines))}, findings);
}

// An exception leaves the other files alone. Its file is read again at the next look.
void RevocationFiles::look_apart(const std::string& path, File& file, std::vector<Diagnostic>& findings) {
    try {
        look_at(path, file, findings);
    } catch (const std::exception& e) {
        file.awaited.clear();
        const std::string fault = std::string("could not be looked at (") + e.what() + ")";
        report(file.report, fault, {error_at(path, fault + ": " + lines_stay(file.in_force.size()))}, findings);
    }
}

void RevocationFiles::look_at(const std::string& path, File& file, std::vector<Diagnostic>& findings) {
    // What is not there and whole takes nothing away.
    const auto keep_all = [&](const std::string& fault) {
        file.awaited.clear();
        report(file.report, fault, {error_at(path, fault)}, findings);
    };
    file.is_there = false;
    const auto content = read_whole_file(path, kLargestFile);
    if (!content.ok()) {
        return keep_all("cannot be read (" + content.error() + "): " + lines_stay(file.in_force.size()));
    }
    if (trim(content.value()).empty()) {
        return keep_all("is empty: " + lines_stay(file.in_force.size()) +
                        "; a file that is meant to hold nothing holds a comment");
    }
    file.is_there = true;
    // What such a file adds counts all the same: a refusal is never held up.
    const std::string unsafe = trust_ != nullptr ? find_trust_fault(path, *trust_) : std::string();
    const std::string digest = sha256(content.value()) + unsafe;
    if (digest == file.settled && digest == file.report.of) return file.awaited.clear();
    std::vector<Diagnostic> errors;
    std::map<std::string, Directive> lines;
    for (Directive& d : read_single_directives(content.value(), path, errors)) {
        if (const auto fault = fault_of(d)) {
            errors.push_back({Diagnostic::Severity::kError, d.where, *fault});
            continue;
        }
        lines.emplace(lower(d.name) + " " + d.args, std::move(d));
    }
    for (Diagnostic& d : errors) {
        d.message += ": this line does not count, the others do, and nothing is taken away while it stands";
    }
    if (!unsafe.empty()) {
        errors.push_back(
            error_at(path, "is not safe: " + unsafe + " (what it adds counts, but nothing is taken away)"));
    }
    const bool is_whole = errors.empty();
    report(file.report, digest, std::move(errors), findings);
    // A line that cannot be read may be the new form of one that is missing: until it is mended, nothing is taken away.
    if (!is_whole) lines.insert(file.in_force.begin(), file.in_force.end());
    settle(file, std::move(lines), digest);
}

// Adds what is new at once; takes away what is missing when it was missing from the same content before.
void RevocationFiles::settle(File& file, std::map<std::string, Directive> lines, const std::string& digest) {
    for (const auto& [text, directive] : lines) {
        if (!file.in_force.emplace(text, directive).second) continue;
        added_.push_back(directive);
        is_changed_ = true;
    }
    const bool takes_away = file.in_force.size() != lines.size();
    if (takes_away && file.awaited != digest) {
        file.awaited = digest;
        file.settled.clear();
        return;
    }
    file.awaited.clear();
    file.settled = digest;
    if (!takes_away) return;
    file.in_force = std::move(lines);
    is_changed_ = true;
}

bool RevocationFiles::is_waiting() const {
    return std::any_of(files_.begin(), files_.end(), [](const auto& file) { return !file.second.awaited.empty(); });
}

std::string RevocationFiles::write_lines() const {
    std::string out;
    for (const auto& [path, file] : files_) {
        for (const auto& [text, d] : file.in_force) {
            for (const std::string& field : {path, text, d.name, d.args, std::to_string(d.where.line)})
                put_field(out, field);
        }
    }
    return out;
}

void RevocationFiles::take_lines(std::string_view written) {
    files_.clear();
    for (FieldReader fields(written); !fields.at_end();) {
        const std::string path = fields.next();
        const std::string text = fields.next();
        Directive d{fields.next(), fields.next(), {path, 0}, false, {}};
        const std::string line = fields.next();
        std::from_chars(line.data(), line.data() + line.size(), d.where.line);
        files_[path].in_force.emplace(text, std::move(d));
    }
    rebuild();
}

void RevocationFiles::rebuild() {
    auto out = std::make_shared<Refusals>();
    RevocationSetBuilder revocations;
    Sha256 digest;
    for (const auto& [path, file] : files_) {
        for (const auto& [text, d] : file.in_force) {
            digest.add(d.where.str() + " " + text + "\n");
            if (equal_nocase(d.name, "MTLSRevoke")) {
                auto revocation = Revocation::parse(d);
                if (revocation.ok()) revocations.add(std::move(revocation.value()));
                continue;
            }
            const auto names = read_suspension(d);
            if (!names.ok()) continue;
            for (const std::string& name : names.value()) out->suspended.emplace(name, d.where);
        }
    }
    out->revocations = revocations.finish(out->memory);
    out->digest = digest.finish();
    refusals_ = std::move(out);
}

}  // namespace mtls
