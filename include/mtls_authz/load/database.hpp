// A connection to a policy database, by APR's drivers. No question takes longer than kLongestQuestion seconds: then the
// connection is broken off, and every later question fails.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/trust/database_view.hpp"
#include "mtls_authz/base/file.hpp"

namespace mtls {

constexpr std::string_view kDatabaseDrivers[] = {"pgsql", "sqlite3", "mysql"};

struct DatabaseAccess {
    std::string driver;                   // one of kDatabaseDrivers
    std::string parameters;               // as APR's driver takes them; with the password
    std::optional<FileTrust> trust = {};  // of a database that is a file
};

// The parameters from a file: lines that '#' begins are comments, the others are joined by blanks. Refused where others
// than its owner may read it, or `trust` does not pass it.
Result<DatabaseAccess> read_database_access(std::string_view driver, const std::string& file, const FileTrust* trust);

enum class RowPart { kPolicy, kRefusing };

// Not thread-safe; each process opens its own after it was forked.
class Database {
public:
    static constexpr int kLongestConnect = 5, kLongestQuestion = 10, kLongestRead = 60;  // seconds

    static Result<std::unique_ptr<Database>> open(const DatabaseAccess& access);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    Result<std::int64_t> revision();
    // In one transaction.
    Result<std::shared_ptr<const DatabaseRows>> read(RowPart part);
    // Begins a transaction that sees one state of the database. An error, or "".
    std::string begin_reading();
    // All of them, in the transaction that is there.
    Result<std::shared_ptr<const DatabaseRows>> read_all_here();

    // Statements. An error of the database as text, or "". `changed`: how many rows were.
    std::string run(const std::string& statement, int* changed = nullptr);
    using Row = std::vector<std::optional<std::string>>;
    // The first `columns` columns.
    Result<std::vector<Row>> select(const std::string& statement, std::size_t columns, int seconds = kLongestRead);
    // As a literal of SQL.
    std::string quoted(std::string_view text);
    const std::string& driver() const;
    // Of a database that is a file: whether another one, or none, is in its place.
    bool is_replaced() const;
    // Begins a transaction that no other writer comes between, and returns the revision it starts from.
    Result<std::int64_t> begin_writing();

private:
    struct Handle;
    explicit Database(std::unique_ptr<Handle> handle);
    Result<std::shared_ptr<const DatabaseRows>> rows_where(const std::string& condition);

    std::unique_ptr<Handle> handle_;
};

}  // namespace mtls
