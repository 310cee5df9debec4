#include "mtls_authz/refusals.hpp"

#include <algorithm>
#include <set>

#include "mtls_authz/file.hpp"
#include "mtls_authz/policy_builder.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr std::size_t kLargestFile = 64UL << 20;
constexpr const char* kGone = "gone";

// Why a line cannot count, or nothing.
std::optional<std::string> fault_of(const Directive& d) {
    if (equal_nocase(d.name, "MTLSRevoke")) {
        const auto revocation = Revocation::parse(d);
        return revocation.ok() ? std::nullopt : std::optional(revocation.error());
    }
    if (!equal_nocase(d.name, "MTLSSuspend")) {
        static constexpr std::string_view kKnown[] = {"MTLSRevoke", "MTLSSuspend"};
        return "'" + escape_for_log(d.name, 60) + "'" + did_you_mean(d.name, kKnown) +
               ": only MTLSRevoke and MTLSSuspend NAME... stand in a revocation file";
    }
    const auto names = read_suspension(d);
    return names.ok() ? std::nullopt : std::optional(names.error());
}

}  // namespace

std::vector<std::string> RevocationFiles::paths() const {
    std::vector<std::string> out;
    for (const auto& [path, file] : files_) out.push_back(path);
    return out;
}

bool RevocationFiles::look(std::vector<Diagnostic>& findings) {
    std::set<std::string> present;
    bool some_unknown = false;
    for (const WatchedFiles& watched : patterns_) {
        auto files = expand(watched.pattern);
        std::string& reported = pattern_faults_[watched.pattern];
        const std::string fault = files.ok() ? "" : files.error();
        if (!fault.empty() && fault != reported) {
            findings.push_back({Diagnostic::Severity::kError, watched.where,
                                "MTLSRevocationFile: " + fault + ": what was read from there stays in force"});
        }
        reported = fault;
        some_unknown = some_unknown || !fault.empty();
        if (files.ok()) present.insert(files.value().begin(), files.value().end());
    }
    bool changed = false;
    for (const std::string& path : present) changed = look_at(path, files_[path], findings) || changed;
    for (auto it = files_.begin(); it != files_.end();) {
        File& file = it->second;
        const bool gone = !present.contains(it->first) && !some_unknown && is_certainly_gone(it->first);
        if (gone) changed = settle(file, {}, kGone) || changed;
        it = gone && file.in_force.empty() ? files_.erase(it) : std::next(it);
    }
    if (changed) rebuild();
    return changed;
}

bool RevocationFiles::look_at(const std::string& path, File& file, std::vector<Diagnostic>& findings) {
    const auto complain = [&](const std::string& key, unsigned line, const std::string& what) {
        if (file.reported == key) return;
        findings.push_back({Diagnostic::Severity::kError, {path, line}, what});
    };
    const auto content = read_whole_file(path, kLargestFile);
    if (!content.ok()) {
        if (is_certainly_gone(path)) {
            complain(kGone, 0, "the revocation file is not there");
            file.reported = kGone;
            return settle(file, {}, kGone);
        }
        complain(content.error(), 0, "cannot be read (" + content.error() + "): what it held stays in force");
        file.reported = content.error();
        file.awaited.clear();
        return false;
    }
    if (content.value().empty()) {
        complain("empty", 0,
                 "is empty: what it held stays in force; a file that is meant to hold nothing holds a comment");
        file.reported = "empty";
        file.awaited.clear();
        return false;
    }
    // What such a file adds counts all the same: a refusal is never held up.
    const std::string unsafe = trust_ != nullptr ? find_trust_fault(path, *trust_) : std::string();
    const std::string digest = sha256(content.value()) + unsafe;
    std::vector<Diagnostic> errors;
    std::map<std::string, Directive> lines;
    for (Directive& d : read_single_directives(content.value(), path, errors)) {
        if (const auto fault = fault_of(d)) {
            errors.push_back({Diagnostic::Severity::kError, d.where, *fault});
            continue;
        }
        lines.emplace(lower(d.name) + " " + d.args, std::move(d));
    }
    if (file.reported != digest) {
        if (!unsafe.empty()) {
            findings.push_back({Diagnostic::Severity::kError,
                                {path, 0},
                                "is not safe: " + unsafe + " (what it adds counts, but nothing is taken away)"});
        }
        for (Diagnostic& d : errors) {
            d.message += ": this line does not count, the others do, and nothing is taken away while it stands";
            findings.push_back(std::move(d));
        }
        file.reported = digest;
    }
    if (errors.empty() && unsafe.empty()) return settle(file, std::move(lines), digest);
    // A line that cannot be read may be the new form of one that is missing: until it is mended, nothing is taken away.
    for (const auto& [text, directive] : file.in_force) lines.emplace(text, directive);
    return settle(file, std::move(lines), digest);
}

// Adds what is new at once; takes away what is missing when it was missing from the same content before.
bool RevocationFiles::settle(File& file, std::map<std::string, Directive> lines, const std::string& digest) {
    bool added = false;
    for (const auto& [text, directive] : lines) added = file.in_force.emplace(text, directive).second || added;
    if (file.in_force.size() == lines.size()) {
        file.awaited.clear();
        return added;
    }
    if (file.awaited != digest) {
        file.awaited = digest;
        return added;
    }
    file.awaited.clear();
    file.in_force = std::move(lines);
    return true;
}

bool RevocationFiles::is_waiting() const {
    return std::any_of(files_.begin(), files_.end(), [](const auto& file) { return !file.second.awaited.empty(); });
}

void RevocationFiles::rebuild() {
    auto out = std::make_shared<Refusals>();
    RevocationSetBuilder revocations;
    for (const auto& [path, file] : files_) {
        for (const auto& [text, d] : file.in_force) {
            if (equal_nocase(d.name, "MTLSRevoke")) {
                auto revocation = Revocation::parse(d);
                if (revocation.ok()) revocations.add(std::move(revocation.value()));
                continue;
            }
            const auto names = read_suspension(d);
            for (const std::string& name : names.value()) out->suspended.emplace(name, d.where);
        }
    }
    out->revocations = revocations.finish(out->memory);
    refusals_ = std::move(out);
}

}  // namespace mtls
