// The rows of a policy database as files, which a policy names `db:NAME`. One thread reads the database and stores its
// rows here; the threads that poll files read them from here, without a connection of their own.
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

// The kinds of rows. Any other kind is a fault.
namespace row_kind {
constexpr std::string_view kPolicy = "policy", kRevocation = "revocation", kCertificate = "certificate", kCrl = "crl";
}
constexpr std::string_view kRowKinds[] = {row_kind::kPolicy, row_kind::kRevocation, row_kind::kCertificate,
                                          row_kind::kCrl};
// Whether a row can have this name. A name must not look like a pattern, a path or several words.
bool is_valid_row_name(std::string_view name);

// The column `body` is text. Content that a text column cannot hold is written as base64 after this prefix.
constexpr std::string_view kBase64Body = "base64:";
std::string row_body_of(std::string_view content);
Result<std::string> content_of_row(std::string_view body);

// Appends table, row and line to each finding about a row `db:NAME`.
void name_tables(std::vector<Diagnostic>& findings);

struct DatabaseRow {
    std::string kind;
    std::string content;
    std::string digest;  // SHA-256 of the content

    DatabaseRow(std::string_view row_kind, std::string row_content);
    bool operator==(const DatabaseRow& other) const { return kind == other.kind && digest == other.digest; }
};

// What differs after each change. Behind a pooler, one connection leads to several servers one after another, and two
// of them can have different rows at the same revision.
struct DatabaseState {
    std::int64_t revision = 0;
    std::string server;  // of PostgreSQL since when it runs, of MySQL its name; empty: a file
    bool operator==(const DatabaseState&) const = default;
};

// Rows of one state, read in one transaction.
struct DatabaseRows : DatabaseState {
    std::map<std::string, DatabaseRow, std::less<>> by_name;
    std::string faults;  // faults of the rows that were left out
    bool operator==(const DatabaseRows&) const = default;
};

// The known state of the database at one moment. Each poll uses one.
struct DatabaseSight {
    std::shared_ptr<const DatabaseRows> rows;  // null: never read
    std::string fault;  // reason why the rows are not current; empty: they are, or the database was not queried yet

    bool is_unread() const { return rows == nullptr && fault.empty(); }
    // `name` and `pattern` begin with kDatabasePrefix. Errors complete the sentence "NAME cannot be read: ...".
    Result<std::string> read(std::string_view name, std::size_t limit) const;
    // Names of rows, sorted: all rows of kind `all_of` for kAllRows, the rows that match a glob(7) pattern, or the name
    // itself.
    Result<std::vector<std::string>> files_of(const std::string& pattern, std::string_view all_of) const;
    const DatabaseRow* find(std::string_view name) const;
    // SHA-256 of the content that read() would return, or its error.
    std::string digest_of(std::string_view name) const;

private:
    std::string why_unread() const;
};

// Thread-safe.
class DatabaseView {
public:
    // A query was sent to the database. If neither put() nor fail() follows within kPatience, look() returns a fault.
    void begin();
    static constexpr std::int64_t kPatience = 15;  // seconds

    // The answer. Rows with a fault: their revision is lower than the floor, or some rows were left out.
    void put(std::shared_ptr<const DatabaseRows> rows, std::string fault = {});
    void fail(std::string fault) { put(look_raw().rows, std::move(fault)); }
    // Back to the initial state; for the parent, after start.
    void forget();

    DatabaseSight look() const;
    // Counts the changes of the rows and the fault; a missing answer is not counted.
    std::uint64_t changes() const { return changes_; }

    // The highest revision in force. `floor` must outlive this object; it may be in shared memory.
    void set_floor(std::atomic<std::int64_t>& floor) { floor_ = &floor; }
    std::int64_t floor() const { return *floor_; }
    void raise_floor(std::int64_t revision);

private:
    DatabaseSight look_raw() const;

    mutable std::mutex mutex_;
    DatabaseSight sight_;
    std::optional<std::int64_t> asked_;  // time of an unanswered query, in seconds of CLOCK_MONOTONIC
    std::atomic<std::uint64_t> changes_{0};
    std::atomic<std::int64_t> own_floor_{0};
    std::atomic<std::int64_t>* floor_ = &own_floor_;
};

}  // namespace mtls
