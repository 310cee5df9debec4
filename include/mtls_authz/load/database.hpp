// A connection to a policy database, by APR's drivers. A query that takes too long closes the connection, and every
// later query fails.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/load/database_view.hpp"

namespace mtls {

constexpr std::string_view kDatabaseDrivers[] = {"pgsql", "sqlite3", "mysql"};

struct DatabaseAccess {
    std::string driver;                   // one of kDatabaseDrivers
    std::string parameters;               // for APR's driver; with the password
    std::optional<FileTrust> trust = {};  // ownership rules for a database that is a file
    // No query lasts longer than until then.
    std::optional<std::chrono::steady_clock::time_point> until = {};
};

// Reads the parameters from a file: lines that begin with '#' are comments, the others are joined by blanks. An error
// if users other than its owner may read it, or if it does not pass `trust`.
Result<DatabaseAccess> read_database_access(std::string_view driver, const std::string& file, const FileTrust* trust);

// The rows that one connection reads: those of kind `revocation`, or all others.
enum class RowPart { kPolicy, kRevocations };

// Not thread-safe. A connection must not be used after a fork.
class Database {
public:
    static constexpr int kLongestConnect = 5, kLongestQuery = 10, kLongestRead = 60;  // seconds
    // In seconds, for PostgreSQL: how long a writer waits for the lock of another one, and how long a writer may hold
    // it without sending a statement. The wait is longer: an idle writer loses the lock before the next one gives up.
    static constexpr int kLongestLock = 20, kLongestIdle = 15;

    static Result<std::unique_ptr<Database>> open(const DatabaseAccess& access);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    Result<DatabaseState> state();
    Result<std::int64_t> revision();
    // Reads the rows in a transaction of its own.
    Result<std::shared_ptr<const DatabaseRows>> read(RowPart part);
    // Begins a transaction that sees one state of the database. Returns an error, or "".
    std::string begin_reading();
    // Reads all rows in the current transaction.
    Result<std::shared_ptr<const DatabaseRows>> read_all_here();

    // Runs a statement. Returns an error, or "". `changed`: the number of changed rows.
    std::string run(const std::string& statement, int* changed = nullptr);
    using Row = std::vector<std::optional<std::string>>;
    // Returns the first `columns` columns of each row.
    Result<std::vector<Row>> select(const std::string& statement, std::size_t columns, int seconds = kLongestRead);
    // The text as a literal of SQL.
    std::string quoted(std::string_view text);
    const std::string& driver() const;
    // Whether a database that is a file was replaced or removed.
    bool is_replaced() const;
    // Begins a transaction that excludes other writers. Returns the revision before it.
    Result<std::int64_t> begin_writing();

private:
    struct Handle;
    explicit Database(std::unique_ptr<Handle> handle);
    Result<std::shared_ptr<const DatabaseRows>> rows_where(const std::string& condition);

    std::unique_ptr<Handle> handle_;
};

}  // namespace mtls
