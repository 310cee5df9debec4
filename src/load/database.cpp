#include "mtls_authz/load/database.hpp"

#include <apr_dbd.h>
#include <apr_general.h>
#include <apr_pools.h>
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

// ---- parameters -----------------------------------------------------------------------------------------------------

std::string joined_lines(std::string_view text) {
    std::string out;
    for (const std::string_view raw : split(text, '\n')) {
        const std::string_view line = trim(raw);
        if (line.empty() || line.starts_with('#')) continue;
        if (!out.empty()) out += ' ';
        out += line;
    }
    return out;
}

// What separates a parameter from those before it. libpq also takes a URI,
// postgresql://USER:PASSWORD@HOST/DB?NAME=VALUE.
std::string_view separator_after(std::string_view driver, std::string_view parameters) {
    if (driver == "mysql") return ",";
    if (!parameters.starts_with("postgresql://") && !parameters.starts_with("postgres://")) return " ";
    // A user or password may contain '?'.
    const std::size_t begin = parameters.find("://") + 3, end = parameters.find_first_of("@/", begin);
    const bool has_user = end != std::string_view::npos && parameters[end] == '@';
    return parameters.find('?', has_user ? end : begin) == std::string_view::npos ? "?" : "&";
}

// Adds time limits, so that an unreachable server becomes an error soon, and what the statements need.
std::string with_defaults(std::string_view driver, std::string parameters) {
    const auto add = [&](const std::string& name, const std::string& value) {
        if (parameters.find(name) != std::string::npos) return;
        parameters += std::string(separator_after(driver, parameters)) + name + "=" + value;
    };
    if (driver == "pgsql") add("connect_timeout", std::to_string(Database::kLongestConnect));
    // Otherwise an UPDATE that changes nothing in its row returns the same count as one that finds no row.
    if (driver == "mysql") add("flags", "CLIENT_FOUND_ROWS");
    return parameters;
}

// ---- time limits ----------------------------------------------------------------------------------------------------

// Calls `end` from a thread of its own if a query takes too long. APR's drivers wait without a limit: a proxy that
// stops forwarding, or a host that is gone, would block their thread forever.
class TimeLimit {
public:
    explicit TimeLimit(std::function<void()> end) : end_(std::move(end)), thread_([this] { watch(); }) {}
    ~TimeLimit() {
        {
            const std::lock_guard lock(mutex_);
            is_over_ = true;
        }
        wakes_.notify_all();
        thread_.join();
    }
    TimeLimit(const TimeLimit&) = delete;
    TimeLimit& operator=(const TimeLimit&) = delete;

    void begin(int seconds) { set(Clock::now() + std::chrono::seconds(seconds)); }
    // Returns whether the time limit was exceeded.
    bool finish() {
        const std::lock_guard lock(mutex_);
        until_.reset();
        return was_up_;
    }

private:
    using Clock = std::chrono::steady_clock;

    void set(Clock::time_point until) {
        {
            const std::lock_guard lock(mutex_);
            until_ = until;
        }
        wakes_.notify_all();
    }
    void watch() {
        std::unique_lock lock(mutex_);
        while (!is_over_) {
            if (!until_) {
                wakes_.wait(lock);
            } else if (Clock::now() >= *until_) {
                until_.reset();
                was_up_ = true;
                end_();
            } else {
                wakes_.wait_until(lock, *until_);
            }
        }
    }

    std::function<void()> end_;
    std::mutex mutex_;
    std::condition_variable wakes_;
    std::optional<Clock::time_point> until_;
    bool was_up_ = false;
    bool is_over_ = false;
    std::thread thread_;
};

// Ends the query that the driver waits for. APR loads the library of the database at run time, hence dlsym().
void break_off(const std::string& driver, void* native) {
    if (native == nullptr) return;
    if (driver == "sqlite3") {
        using Interrupt = void (*)(void*);
        const auto interrupt = reinterpret_cast<Interrupt>(dlsym(RTLD_DEFAULT, "sqlite3_interrupt"));
        if (interrupt != nullptr) interrupt(native);
        return;
    }
    using Socket = int (*)(const void*);
    const char* const name = driver == "pgsql" ? "PQsocket" : "mysql_get_socket";
    const auto socket_of = reinterpret_cast<Socket>(dlsym(RTLD_DEFAULT, name));
    const int socket = socket_of != nullptr ? socket_of(native) : -1;
    if (socket >= 0) shutdown(socket, SHUT_RDWR);
}

// An APR pool for one connection, or for the rows of one query.
class Pool {
public:
    Pool() {
        if (apr_pool_create_unmanaged_ex(&pool_, nullptr, nullptr) != APR_SUCCESS) throw std::bad_alloc();
    }
    ~Pool() { apr_pool_destroy(pool_); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    apr_pool_t* get() const { return pool_; }

private:
    apr_pool_t* pool_ = nullptr;
};

// Null, with `fault`, if APR has no such driver. A driver stays loaded.
const apr_dbd_driver_t* load_driver(const std::string& name, std::string& fault) {
    static std::mutex loading;
    static apr_pool_t* pool = nullptr;
    const std::lock_guard lock(loading);
    // APR counts these calls: httpd has initialized it already.
    if (pool == nullptr && apr_initialize() != APR_SUCCESS) throw std::bad_alloc();
    if (pool == nullptr && apr_pool_create(&pool, nullptr) != APR_SUCCESS) throw std::bad_alloc();
    const apr_dbd_driver_t* driver = nullptr;
    apr_status_t status = apr_dbd_init(pool);
    if (status == APR_SUCCESS) status = apr_dbd_get_driver(pool, name.c_str(), &driver);
    if (status == APR_SUCCESS) return driver;
    fault = "APR has no driver '" + name + "' here: install it (Debian: libaprutil1-dbd-" + name +
            ", Red Hat: apr-util-" + name + ")";
    return nullptr;
}

// Checks the file first, because SQLite would create a missing one.
std::string find_file_fault(const DatabaseAccess& access, struct stat& info) {
    // Perhaps the parameters of another driver, with a password: they are in no message.
    if (!access.parameters.starts_with('/') || access.parameters.find_first_of(" =") != std::string::npos) {
        return "expected the path of a file that begins with '/', and nothing else, for the driver sqlite3";
    }
    if (stat(access.parameters.c_str(), &info) != 0) return "there is no database '" + access.parameters + "'";
    const std::string fault = access.trust ? find_trust_fault(access.parameters, *access.trust) : "";
    if (!fault.empty()) return "the database is not safe: " + fault;
    // SQLite's file format, 1.3: the version for reading is 2. Who reads then writes files beside the database.
    std::array<char, 20> head{};
    std::ifstream(access.parameters, std::ios::binary).read(head.data(), head.size());
    if (head[19] != 2) return {};
    return "the database has a write-ahead log, which the keeper may not write: sqlite3 " +
           shell_quoted(access.parameters) + " 'PRAGMA journal_mode=DELETE'";
}

std::string one_line(std::string_view text) {
    std::string out;
    for (const std::string_view raw : split(text, '\n')) {
        const std::string_view line = trim(raw);
        if (line.empty()) continue;
        out += (out.empty() ? "" : "; ") + std::string(line);
    }
    std::replace(out.begin(), out.end(), '"', '\'');
    return escape_for_reader(out, 400);
}

std::optional<std::int64_t> read_number(const std::optional<std::string>& text) {
    std::int64_t out = 0;
    if (!text) return std::nullopt;
    const auto [end, wrong] = std::from_chars(text->data(), text->data() + text->size(), out);
    if (wrong != std::errc() || end != text->data() + text->size() || out < 0) return std::nullopt;
    return out;
}

// libpq quotes what it does not understand, and that can be a password: keeps only quoted words that are a host, a
// database or a user by the syntax NAME=VALUE.
std::string without_secrets(std::string text, const std::string& parameters) {
    std::set<std::string, std::less<>> known;
    for (const std::string_view word : split(parameters, ' ')) {
        for (const std::string_view name : {"host=", "hostaddr=", "dbname=", "user="}) {
            const std::string_view value = word.starts_with(name) ? word.substr(name.size()) : "";
            if (value.find_first_of(",=@") == std::string_view::npos) known.emplace(value);
        }
    }
    for (std::size_t begin = text.find('"'); begin != std::string::npos; begin = text.find('"', begin)) {
        const std::size_t end = text.find('"', begin + 1);
        if (end == std::string::npos) return text.substr(0, begin) + "...";
        const std::string quoted = text.substr(begin + 1, end - begin - 1);
        const bool is_secret = parameters.find(quoted) != std::string::npos && !known.contains(quoted);
        if (is_secret) text.replace(begin + 1, quoted.size(), "...");
        begin += (is_secret ? 3 : quoted.size()) + 2;
    }
    return text;
}

}  // namespace

Result<DatabaseAccess> read_database_access(std::string_view driver, const std::string& file, const FileTrust* trust) {
    constexpr std::size_t kLargest = 1UL << 20;
    const auto content = read_whole_file(file, kLargest, trust);
    if (!content.ok()) return Error{"cannot read '" + file + "': " + content.error()};
    struct stat info {};
    if (stat(file.c_str(), &info) != 0 || (info.st_mode & 077) != 0) {
        return Error{"'" + file + "' can be read by others, and it holds a password: chmod 600 '" + file + "'"};
    }
    DatabaseAccess out{std::string(driver), joined_lines(content.value())};
    if (out.parameters.empty()) return Error{"'" + file + "' is empty: expected the parameters of a connection"};
    if (trust != nullptr) out.trust = *trust;
    return out;
}

// ---- a connection ---------------------------------------------------------------------------------------------------

struct Database::Handle {
    std::string name;
    const apr_dbd_driver_t* driver = nullptr;
    Pool pool;
    apr_dbd_t* connection = nullptr;
    std::string file;  // of SQLite
    struct stat opened {};
    std::optional<TimeLimit> limit;
    std::optional<std::chrono::steady_clock::time_point> until;
    bool is_broken = false;

    ~Handle() {
        limit.reset();
        if (connection != nullptr) apr_dbd_close(driver, connection);
    }
    // Runs one query. Returns the error, or "".
    template <class Ask>
    std::string ask(int seconds, Ask&& ask) {
        if (is_broken) return "the connection is broken";
        if (until) {
            const auto left = std::chrono::ceil<std::chrono::seconds>(*until - std::chrono::steady_clock::now());
            seconds = std::clamp(static_cast<int>(left.count()), 1, seconds);
        }
        limit->begin(seconds);
        const int status = ask();
        if (limit->finish()) {
            is_broken = true;
            return "no answer within " + std::to_string(seconds) + " seconds";
        }
        if (status == 0) return {};
        const char* const text = apr_dbd_error(driver, connection, status);
        const std::string said = one_line(text != nullptr ? text : "");
        return said.empty() ? "error " + std::to_string(status) : said;
    }
};

Database::Database(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Database::~Database() = default;
const std::string& Database::driver() const { return handle_->name; }

bool Database::is_replaced() const {
    struct stat info {};
    if (handle_->file.empty()) return false;
    return stat(handle_->file.c_str(), &info) != 0 || info.st_dev != handle_->opened.st_dev ||
           info.st_ino != handle_->opened.st_ino;
}

Result<std::unique_ptr<Database>> Database::open(const DatabaseAccess& access) {
    std::string fault;
    const apr_dbd_driver_t* const driver = load_driver(access.driver, fault);
    if (driver == nullptr) return Error{fault};
    auto handle = std::make_unique<Handle>();
    handle->name = access.driver;
    handle->driver = driver;
    handle->until = access.until;
    if (access.driver == "sqlite3") {
        handle->file = access.parameters;
        fault = find_file_fault(access, handle->opened);
        if (!fault.empty()) return Error{fault};
    }
    const std::string parameters = with_defaults(access.driver, access.parameters);
    const char* why = nullptr;
    const apr_status_t status =
        apr_dbd_open_ex(handle->driver, handle->pool.get(), parameters.c_str(), &handle->connection, &why);
    if (status != APR_SUCCESS) {
        handle->connection = nullptr;
        return Error{"no connection: " +
                     one_line(without_secrets(why != nullptr ? why : "the driver does not say why", parameters))};
    }
    void* const native = apr_dbd_native_handle(handle->driver, handle->connection);
    handle->limit.emplace([name = access.driver, native] { break_off(name, native); });
    auto out = std::unique_ptr<Database>(new Database(std::move(handle)));
    // Text is UTF-8, whatever the defaults of the session are.
    const std::string encoding = access.driver == "pgsql"   ? "SET client_encoding TO 'UTF8'"
                                 : access.driver == "mysql" ? "SET NAMES utf8mb4"
                                                            : "";
    if (!encoding.empty()) fault = out->run(encoding);
    if (!fault.empty()) return Error{fault};
    return out;
}

std::string Database::run(const std::string& statement, int* changed) {
    int rows = 0;
    std::string fault = handle_->ask(
        kLongestQuery, [&] { return apr_dbd_query(handle_->driver, handle_->connection, &rows, statement.c_str()); });
    if (changed != nullptr) *changed = rows;
    return fault;
}

Result<std::vector<Database::Row>> Database::select(const std::string& statement, std::size_t columns, int seconds) {
    const Pool pool;
    std::vector<Row> out;
    const std::string fault = handle_->ask(seconds, [&] {
        // The driver for mysql, given all rows at once, needs a row's number and walks to it from the first row.
        const int all_at_once = handle_->name == "mysql" ? 0 : 1;
        apr_dbd_results_t* results = nullptr;
        const int status =
            apr_dbd_select(handle_->driver, pool.get(), handle_->connection, &results, statement.c_str(), all_at_once);
        if (status != 0) return status;
        apr_dbd_row_t* row = nullptr;
        // After the last row some drivers return 1, others -1.
        while (apr_dbd_get_row(handle_->driver, pool.get(), results, &row, -1) == 0) {
            Row& read = out.emplace_back();
            for (std::size_t i = 0; i < columns; ++i) {
                const char* const entry = apr_dbd_get_entry(handle_->driver, row, static_cast<int>(i));
                read.push_back(entry != nullptr ? std::optional<std::string>(entry) : std::nullopt);
            }
        }
        // If rows come one by one, a lost connection looks like the end.
        const char* const broken = all_at_once != 0 ? "" : apr_dbd_error(handle_->driver, handle_->connection, 0);
        return *broken != '\0' ? 1 : 0;
    });
    if (!fault.empty()) return Error{fault};
    return out;
}

std::string Database::quoted(std::string_view text) {
    const Pool pool;
    const std::string copy(text);
    return "'" + std::string(apr_dbd_escape(handle_->driver, pool.get(), copy.c_str(), handle_->connection)) + "'";
}

namespace {

Result<std::int64_t> revision_of(Result<std::vector<Database::Row>> rows) {
    if (!rows.ok()) return Error{"table mtls_policy_revision: " + rows.error()};
    const auto number = rows.value().size() == 1 ? read_number(rows.value()[0][0]) : std::nullopt;
    if (!number) return Error{"table mtls_policy_revision: expected one row with one number, the revision"};
    return *number;
}

}  // namespace

Result<DatabaseState> Database::state() {
    const char* const server = driver() == "pgsql"   ? "pg_postmaster_start_time()"
                               : driver() == "mysql" ? "CONCAT(@@hostname, ':', @@port, ' ', @@server_id)"
                                                     : "''";
    auto rows = select(std::string("SELECT revision, ") + server + " FROM mtls_policy_revision", 2, kLongestQuery);
    std::string name = rows.ok() && rows.value().size() == 1 ? rows.value()[0][1].value_or("") : "";
    const auto revision = revision_of(std::move(rows));
    if (!revision.ok()) return Error{revision.error()};
    return DatabaseState{revision.value(), std::move(name)};
}

Result<std::int64_t> Database::revision() {
    return revision_of(select("SELECT revision FROM mtls_policy_revision", 1, kLongestQuery));
}

Result<std::int64_t> Database::begin_writing() {
    const std::string& name = handle_->name;
    std::string fault = run(name == "sqlite3" ? "BEGIN IMMEDIATE" : name == "mysql" ? "START TRANSACTION" : "BEGIN");
    if (fault.empty() && name == "pgsql") {
        fault = run("SET LOCAL lock_timeout = '" + std::to_string(kLongestLock) +
                    "s'; SET LOCAL idle_in_transaction_session_timeout = '" + std::to_string(kLongestIdle) + "s'");
    }
    if (!fault.empty()) return Error{fault};
    return revision_of(
        select(std::string("SELECT revision FROM mtls_policy_revision") + (name == "sqlite3" ? "" : " FOR UPDATE"), 1));
}

std::string Database::begin_reading() {
    const std::string& name = handle_->name;
    if (name == "sqlite3") return run("BEGIN");
    const std::string lock = std::to_string(kLongestQuery / 2);
    if (name == "mysql") {
        const std::string fault =
            run("SET SESSION lock_wait_timeout = " + lock + ", SESSION innodb_lock_wait_timeout = " + lock);
        return !fault.empty() ? fault : run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
    }
    const std::string fault = run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    // The server ends the transaction if this process is gone or a table stays locked.
    return !fault.empty() ? fault
                          : run("SET LOCAL statement_timeout = '" + std::to_string(kLongestRead) +
                                "s'; SET LOCAL lock_timeout = '" + lock + "s'");
}

namespace {

// The size of a body in bytes, or -1 where no NUL can stand in it: APR's rows are C strings, and end there.
std::string size_in_sql(std::string_view driver) {
    if (driver == "sqlite3") return "length(CAST(body AS BLOB))";
    return driver == "mysql" ? "octet_length(CONVERT(body USING utf8mb4))" : "-1";
}

// Whether the database, too, takes the kind for a known one. SQLite may hold a BLOB there, or text with a NUL: both
// read as the text before it, and compare otherwise.
std::string known_kind_in_sql() {
    std::string out = "CASE WHEN kind IN (";
    for (const std::string_view kind : kRowKinds) {
        out += (kind == kRowKinds[0] ? "'" : ", '") + std::string(kind) + "'";
    }
    return out + ") THEN 1 ELSE 0 END";
}

// Returns the fault of the row, or "".
std::string add_row(DatabaseRows& to, const std::string& name, const std::string& kind, const std::string& body) {
    if (!is_valid_row_name(name)) {
        return "expected a name of 1 to 200 letters, digits, '.', '_', '-', '@' or '+', beginning with a letter or "
               "digit";
    }
    if (std::find(std::begin(kRowKinds), std::end(kRowKinds), kind) == std::end(kRowKinds)) {
        return "kind " + in_quotes(kind, 60) + did_you_mean(kind, kRowKinds) +
               ": expected policy, revocation, certificate or crl";
    }
    auto content = content_of_row(body);
    if (!content.ok()) return content.error();
    return to.by_name.try_emplace(name, kind, std::move(content.value())).second ? "" : "there are two of that name";
}

constexpr std::size_t kColumnsOfARow = 5;  // name, kind, body, size of the body, whether the kind is known

std::string find_column_fault(const Database::Row& row) {
    if (!row[0] || !row[1] || !row[2]) return "a column is NULL";
    const bool reads_as_known = std::find(std::begin(kRowKinds), std::end(kRowKinds), *row[1]) != std::end(kRowKinds);
    if (reads_as_known && row[4] != "1") {
        return "kind " + in_quotes(*row[1], 60) +
               " is not this text (a BLOB, or a NUL byte behind it): write the row anew";
    }
    const auto size = read_number(row[3]);
    if (!size || static_cast<std::size_t>(*size) == row[2]->size()) return {};
    return "a NUL byte in its body: this is no text (content that is no text stands as base64 behind '" +
           std::string(kBase64Body) + "')";
}

}  // namespace

Result<std::shared_ptr<const DatabaseRows>> Database::rows_where(const std::string& condition) {
    auto state = this->state();
    if (!state.ok()) return Error{state.error()};
    const auto read = select("SELECT name, kind, body, " + size_in_sql(handle_->name) + ", " + known_kind_in_sql() +
                                 " FROM mtls_policy" + condition,
                             kColumnsOfARow);
    if (!read.ok()) return Error{"table mtls_policy: " + read.error()};
    auto out = std::make_shared<DatabaseRows>();
    static_cast<DatabaseState&>(*out) = std::move(state.value());
    constexpr std::size_t kMostNamed = 5;
    std::size_t left_out = 0;
    for (const Row& row : read.value()) {
        std::string fault = find_column_fault(row);
        if (fault.empty()) fault = add_row(*out, *row[0], *row[1], *row[2]);
        if (fault.empty() || ++left_out > kMostNamed) continue;
        out->faults += (out->faults.empty() ? "" : "; ") +
                       ("table mtls_policy, row " + in_quotes(row[0].value_or(""), 200) + ": " + fault);
    }
    if (left_out > kMostNamed) out->faults += "; and " + std::to_string(left_out - kMostNamed) + " more rows";
    return std::shared_ptr<const DatabaseRows>(std::move(out));
}

Result<std::shared_ptr<const DatabaseRows>> Database::read(RowPart part) {
    const std::string fault = begin_reading();
    if (!fault.empty()) return Error{fault};
    auto out = rows_where(part == RowPart::kPolicy ? " WHERE kind IS NULL OR kind <> 'revocation'"
                                                   : " WHERE kind = 'revocation'");
    const std::string end = run(out.ok() ? "COMMIT" : "ROLLBACK");
    if (out.ok() && !end.empty()) return Error{end};
    return out;
}

Result<std::shared_ptr<const DatabaseRows>> Database::read_all_here() { return rows_where(""); }

}  // namespace mtls
