// The rows of a policy database as files: a policy names them `db:NAME`. Nothing here asks a database: one thread
// stores what it has read, and the threads that look at files take it from here.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls {

constexpr std::string_view kDatabasePrefix = "db:";
// As a pattern: all policy files of the database, or all revocation files.
constexpr const char* kAllRows = "db:";
inline bool is_database_name(std::string_view name) { return name.starts_with(kDatabasePrefix); }

// The kinds of rows. Every other one is a fault.
namespace row_kind {
constexpr std::string_view kPolicy = "policy", kRevocation = "revocation", kCertificate = "certificate", kCrl = "crl";
}
constexpr std::string_view kRowKinds[] = {row_kind::kPolicy, row_kind::kRevocation, row_kind::kCertificate,
                                          row_kind::kCrl};
// Whether a row can have this name: it must not read as a pattern, a path or several words.
bool is_valid_row_name(std::string_view name);

// The column `body` is text: content that no column of text can hold is written as base64, after this word.
constexpr std::string_view kBase64Body = "base64:";
std::string row_body_of(std::string_view content);
Result<std::string> content_of_row(std::string_view body);

// Says of each finding about a row, `db:NAME`, in which table that is, for somebody who has a database open.
void name_tables(std::vector<Diagnostic>& findings);

struct DatabaseRow {
    std::string kind;
    std::string content;
    std::string digest;  // SHA-256 of the content

    DatabaseRow(std::string_view row_kind, std::string row_content);
};

// Rows of one revision, read in one transaction.
struct DatabaseRows {
    std::int64_t revision = 0;
    std::map<std::string, DatabaseRow, std::less<>> by_name;
    std::string faults;  // of rows that are left out
};

// What is known of the database at one moment; each look at files uses one.
struct DatabaseSight {
    std::shared_ptr<const DatabaseRows> rows;  // null: none were read
    std::string fault;  // why the rows are not those of now; empty: they are, or nobody asked yet

    bool is_unread() const { return rows == nullptr && fault.empty(); }
    // `name` and `pattern` begin with kDatabasePrefix. Errors complete the sentence "NAME cannot be read: ...".
    Result<std::string> read(std::string_view name, std::size_t limit) const;
    // Names of rows, sorted: those of `all_of` for kAllRows, those that fit a glob(7) pattern, or the name itself.
    Result<std::vector<std::string>> files_of(const std::string& pattern, std::string_view all_of) const;
    const DatabaseRow* find(std::string_view name) const;
    // SHA-256 of what read() gives, or its error.
    std::string digest_of(std::string_view name) const;

private:
    std::string why_unread() const;
};

// Thread-safe.
class DatabaseView {
public:
    // A question has been put to the database. Where no answer comes for kPatience, look() has a fault that says so.
    void begin();
    static constexpr std::int64_t kPatience = 15;  // seconds

    // The answers. A fault beside rows: they are of a lower revision than the floor.
    void put(std::shared_ptr<const DatabaseRows> rows, std::string fault = {});
    void confirm() { put(look_raw().rows); }
    void fail(std::string fault) { put(look_raw().rows, std::move(fault)); }
    // Before a fork: nothing is known again.
    void forget();

    DatabaseSight look() const;
    // Counts the changes of what look() has, silence apart.
    std::uint64_t changes() const { return changes_; }

    // The highest revision that is in force. Outlives this object, and perhaps the process.
    void set_floor(std::atomic<std::int64_t>& floor) { floor_ = &floor; }
    std::int64_t floor() const { return *floor_; }
    void raise_floor(std::int64_t revision);

private:
    DatabaseSight look_raw() const;

    mutable std::mutex mutex_;
    DatabaseSight sight_;
    std::optional<std::int64_t> asked_;  // and not answered yet; seconds of CLOCK_MONOTONIC
    std::atomic<std::uint64_t> changes_{0};
    std::atomic<std::int64_t> own_floor_{0};
    std::atomic<std::int64_t>* floor_ = &own_floor_;
};

}  // namespace mtls
