#include "mtls_authz/load/database_view.hpp"

#include <fnmatch.h>

#include <algorithm>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

std::string_view row_of(std::string_view name) { return name.substr(kDatabasePrefix.size()); }

bool is_column_text(std::string_view content) {
    return content.find('\0') == std::string_view::npos && decode_utf8(content) && !content.starts_with(kBase64Body);
}

}  // namespace

bool is_valid_row_name(std::string_view name) {
    constexpr std::size_t kLongest = 200;
    return !name.empty() && name.size() <= kLongest && is_alnum(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '@' || c == '+'; });
}

std::string row_body_of(std::string_view content) {
    return is_column_text(content) ? std::string(content) : std::string(kBase64Body) + base64(content);
}

Result<std::string> content_of_row(std::string_view body) {
    if (!body.starts_with(kBase64Body)) return std::string(body);
    auto decoded = from_base64(trim(body.substr(kBase64Body.size())));
    if (!decoded) return Error{"begins with " + std::string(kBase64Body) + " and is not base64"};
    return std::move(*decoded);
}

namespace {

constexpr const char* kTable = " (table mtls_policy, row ";

}  // namespace

void name_tables(std::vector<Diagnostic>& findings) {
    for (Diagnostic& d : findings) {
        if (!is_database_name(d.where.file) || d.message.find(kTable) != std::string::npos) continue;
        d.message += kTable + std::string(row_of(d.where.file)) +
                     (d.where.line != 0 ? ", line " + std::to_string(d.where.line) : "") + ")";
    }
}

DatabaseRow::DatabaseRow(std::string_view row_kind, std::string row_content)
    : kind(row_kind), content(std::move(row_content)), digest(sha256(content)) {}

// ---- DatabaseSight --------------------------------------------------------------------------------------------------

std::string DatabaseSight::why_unread() const { return fault.empty() ? "the database has not been read yet" : fault; }

const DatabaseRow* DatabaseSight::find(std::string_view name) const {
    if (rows == nullptr) return nullptr;
    const auto found = rows->by_name.find(row_of(name));
    return found != rows->by_name.end() ? &found->second : nullptr;
}

Result<std::string> DatabaseSight::read(std::string_view name, std::size_t limit) const {
    if (rows == nullptr) return Error{why_unread()};
    const DatabaseRow* const row = find(name);
    if (row == nullptr) return Error{"table mtls_policy has no such row"};
    if (row->content.size() > limit) return Error{"is larger than " + std::to_string(limit >> 20) + " MiB"};
    return row->content;
}

std::string DatabaseSight::digest_of(std::string_view name) const {
    if (const DatabaseRow* const row = find(name)) return row->digest;
    return read(name, 0).error();
}

Result<std::vector<std::string>> DatabaseSight::files_of(const std::string& pattern, std::string_view all_of) const {
    if (!is_glob(pattern) && pattern != kAllRows) return std::vector<std::string>{pattern};
    if (rows == nullptr) return Error{why_unread()};
    const std::string glob(row_of(pattern));
    std::vector<std::string> out;
    for (const auto& [name, row] : rows->by_name) {
        if (glob.empty() ? row.kind != all_of : fnmatch(glob.c_str(), name.c_str(), 0) != 0) continue;
        out.push_back(std::string(kDatabasePrefix) + name);
    }
    return out;
}

// ---- DatabaseView ---------------------------------------------------------------------------------------------------

void DatabaseView::begin() {
    const std::lock_guard lock(mutex_);
    asked_ = monotonic_seconds();
}

void DatabaseView::put(std::shared_ptr<const DatabaseRows> rows, std::string fault) {
    const std::lock_guard lock(mutex_);
    asked_.reset();
    if (rows == sight_.rows && fault == sight_.fault) return;
    sight_ = {std::move(rows), std::move(fault)};
    ++changes_;
}

void DatabaseView::forget() {
    const std::lock_guard lock(mutex_);
    sight_ = {};
    asked_.reset();
}

DatabaseSight DatabaseView::look_raw() const {
    const std::lock_guard lock(mutex_);
    return sight_;
}

DatabaseSight DatabaseView::look() const {
    const std::lock_guard lock(mutex_);
    DatabaseSight out = sight_;
    if (asked_ && out.fault.empty() && monotonic_seconds() - *asked_ > kPatience) {
        out.fault = "the database does not answer";
    }
    return out;
}

void DatabaseView::raise_floor(std::int64_t revision) {
    std::int64_t known = *floor_;
    while (known < revision && !floor_->compare_exchange_weak(known, revision)) {
    }
}

}  // namespace mtls
