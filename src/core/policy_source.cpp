#include "mtls_authz/policy_source.hpp"

#include "mtls_authz/text.hpp"

namespace mtls {

// ---- the record -----------------------------------------------------------------------------------------------

namespace {

constexpr std::string_view kRecordVersion = "mtls-authz record 1\n";

void put(std::string& out, std::string_view text) { out += std::to_string(text.size()) + ":" + std::string(text); }

std::optional<std::string_view> take(std::string_view& rest) {
    std::size_t size = 0;
    std::size_t n = 0;
    constexpr std::size_t kMostDigits = 12;
    for (; n < rest.size() && n < kMostDigits && is_digit(rest[n]); ++n) {
        size = size * 10 + static_cast<std::size_t>(rest[n] - '0');
    }
    if (n == 0 || n == rest.size() || rest[n] != ':' || rest.size() - n - 1 < size) return std::nullopt;
    const std::string_view text = rest.substr(n + 1, size);
    rest.remove_prefix(n + 1 + size);
    return text;
}

// Reads from one source, and remembers what it read.
class Recorder : public FileSource {
public:
    Recorder(FileSource& from, FileRecord& into) : from_(from), into_(into) {}
    Result<std::string> read(const std::string& path, std::size_t limit) override {
        auto content = from_.read(path, limit);
        if (content.ok()) into_.keep(path, content.value());
        return content;
    }
    Result<std::vector<std::string>> files_of(const std::string& pattern) override {
        auto files = from_.files_of(pattern);
        if (files.ok()) into_.keep(pattern, files.value());
        return files;
    }

private:
    FileSource& from_;
    FileRecord& into_;
};

}  // namespace

Result<std::string> FileRecord::read(const std::string& path, std::size_t) {
    const auto found = contents_.find(path);
    if (found == contents_.end()) return Error{"is not in the record"};
    return found->second;
}

Result<std::vector<std::string>> FileRecord::files_of(const std::string& pattern) {
    const auto found = files_.find(pattern);
    if (found == files_.end()) return Error{"is not in the record"};
    return found->second;
}

std::string FileRecord::encode() const {
    std::string out(kRecordVersion);
    put(out, std::to_string(contents_.size()));
    for (const auto& [path, content] : contents_) {
        put(out, path);
        put(out, content);
    }
    for (const auto& [pattern, files] : files_) {
        put(out, pattern);
        std::string names;
        for (const std::string& file : files) put(names, file);
        put(out, names);
    }
    return out;
}

std::size_t FileRecord::size() const {
    std::size_t size = kRecordVersion.size();
    for (const auto& [path, content] : contents_) size += path.size() + content.size();
    for (const auto& [pattern, files] : files_) {
        size += pattern.size();
        for (const std::string& file : files) size += file.size();
    }
    return size;
}

std::optional<FileRecord> FileRecord::decode(std::string_view text) {
    if (!text.starts_with(kRecordVersion)) return std::nullopt;
    text.remove_prefix(kRecordVersion.size());
    FileRecord out;
    const auto count = take(text);
    if (!count) return std::nullopt;
    const std::string contents(*count);
    while (!text.empty()) {
        const auto key = take(text);
        auto value = key ? take(text) : std::nullopt;
        if (!value) return std::nullopt;
        if (std::to_string(out.contents_.size()) != contents) {
            out.keep(std::string(*key), std::string(*value));
            continue;
        }
        std::vector<std::string> files;
        while (!value->empty()) {
            const auto file = take(*value);
            if (!file) return std::nullopt;
            files.emplace_back(*file);
        }
        out.keep(std::string(*key), std::move(files));
    }
    return out;
}

// ---- building -------------------------------------------------------------------------------------------------

std::string PolicySource::add(Directive directive) {
    // A builder of its own: what is wrong between directives is found by build().
    PolicyBuilder builder(root_, disk_);
    builder.add(directive);
    std::string errors;
    for (const Diagnostic& d : builder.diagnostics()) {
        if (d.severity != Diagnostic::Severity::kError) continue;
        errors += (errors.empty() ? "" : "; ") + d.where.str() + ": " + d.message;
    }
    directives_.push_back(std::move(directive));
    return errors;
}

namespace {

std::string names_text(const Result<std::vector<std::string>>& files) {
    if (!files.ok()) return files.error();
    std::string out;
    for (const std::string& file : files.value()) out += file + "\n";
    return out;
}

}  // namespace

PolicySource::Draft PolicySource::make_draft(FileSource& files) const {
    Draft draft;
    Recorder recorder(files, draft.record);
    PolicyBuilder builder(root_, recorder);
    builder.reuse(certificates_);
    for (const Directive& directive : directives_) builder.add(directive);
    for (const WatchedFiles& watched : watched_) builder.add_files(watched);
    draft.policy = builder.build();
    draft.findings = builder.diagnostics();
    draft.certificates = builder.take_certificates();
    for (const auto& [path, read] : builder.files_read()) draft.digests[path] = {read.digest, read.limit};
    for (const auto& [pattern, found] : builder.patterns_read()) {
        if (!is_glob(pattern)) continue;
        draft.digests[pattern] = {names_text(found), 0};
        if (found.ok()) draft.counts[pattern] = found.value().size();
    }
    for (const WatchedFiles& watched : watched_) {
        const auto before = counts_.find(watched.pattern);
        const auto now = draft.counts.find(watched.pattern);
        const bool vanished =
            before != counts_.end() && before->second > 0 && now != draft.counts.end() && now->second == 0;
        if (!vanished) continue;
        draft.policy = nullptr;
        draft.findings.push_back({Diagnostic::Severity::kError, watched.where,
                                  "MTLSPolicyFile " + watched.spelled + ": had " + std::to_string(before->second) +
                                      " file(s) and now has none; if that is meant, restart the server"});
    }
    return draft;
}

void PolicySource::adopt(Draft& draft) {
    in_force_ = std::move(draft.digests);
    counts_ = std::move(draft.counts);
    certificates_ = std::move(draft.certificates);
}

std::shared_ptr<const Policy> PolicySource::build(std::vector<Diagnostic>& findings) {
    Draft draft = make_draft(disk_);
    findings.insert(findings.end(), draft.findings.begin(), draft.findings.end());
    stamps_.clear();
    draft_.reset();
    auto policy = std::move(draft.policy);
    adopt(draft);
    record_size_ = draft.record.size();
    return policy;
}

// ---- looking --------------------------------------------------------------------------------------------------

std::string PolicySource::digest_of(const std::string& path, std::size_t limit) {
    const std::string stamp = settled_stamp(path);
    Stamped& known = stamps_[path];
    if (!stamp.empty() && stamp == known.stamp) return known.digest;
    const auto content = disk_.read(path, limit);
    known = {stamp, content.ok() ? sha256(content.value()) : content.error()};
    return known.digest;
}

PolicySource::Digests PolicySource::scan() {
    Digests seen;
    const auto add = [&](const Digests& known) {
        for (const auto& [name, digest] : known) {
            if (seen.contains(name)) continue;
            seen[name] = {digest.limit > 0 ? digest_of(name, digest.limit) : names_text(disk_.files_of(name)), 0};
        }
    };
    add(in_force_);
    if (draft_) add(draft_->digests);
    return seen;
}

bool PolicySource::agree(const Digests& known, const Digests& seen) {
    for (const auto& [name, digest] : known) {
        const auto found = seen.find(name);
        if (found == seen.end() || found->second.text != digest.text) return false;
    }
    return true;
}

std::shared_ptr<const Policy> PolicySource::look(std::vector<Diagnostic>& findings) {
    const Digests seen = scan();
    const bool drafted = draft_ && agree(draft_->digests, seen);
    if (drafted && draft_->settled) return nullptr;
    if (drafted) {
        draft_->settled = true;
        findings.insert(findings.end(), draft_->findings.begin(), draft_->findings.end());
        auto policy = draft_->policy;
        if (!policy) return nullptr;
        adopt(*draft_);
        record_ = std::move(draft_->record);
        draft_.reset();
        return policy;
    }
    draft_.reset();
    // Files are copied one by one, and written in pieces: what counts has to look the same twice.
    if (!agree(in_force_, seen)) draft_ = make_draft(disk_);
    return nullptr;
}

std::string PolicySource::failing_content() const {
    std::string out;
    for (const auto& [name, digest] : draft_->digests) out += name + "\n" + digest.text + "\n";
    return sha256(out);
}

std::string PolicySource::take_record() {
    std::string out = record_.encode();
    record_ = {};
    return out;
}

std::shared_ptr<const Policy> PolicySource::restore(std::string_view record) {
    auto files = FileRecord::decode(record);
    if (!files) return nullptr;
    Draft draft = make_draft(*files);
    auto policy = std::move(draft.policy);
    if (policy) adopt(draft);
    return policy;
}

void PolicySource::invalidate() {
    for (auto& [name, digest] : in_force_) digest.text = "not in force";
}

std::vector<std::string> PolicySource::paths() const {
    std::vector<std::string> out;
    for (const auto& [name, digest] : in_force_) {
        if (digest.limit > 0) out.push_back(name);
    }
    return out;
}

}  // namespace mtls
