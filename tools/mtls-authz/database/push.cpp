#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../policy/diff.hpp"
#include "../terminal.hpp"
#include "database.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/load/policy_source.hpp"
#include "mtls_authz/load/revocation_files.hpp"
#include "mtls_authz/load/watched_paths.hpp"
#include "mtls_authz/trust/crl.hpp"
#include "row_files.hpp"
#include "working_copy.hpp"

namespace mtls::tool {

namespace fs = std::filesystem;

namespace {

// ---- checks ---------------------------------------------------------------------------------------------------------

struct Checked {
    std::shared_ptr<const Policy> policy;
    std::map<std::string, WrittenFile> files;  // that the policy was read from
    std::vector<Diagnostic> findings;
};

void check_lists(const Rows& rows, std::vector<Diagnostic>& findings) {
    for (const auto& [name, row] : rows) {
        if (row.kind != row_kind::kCrl) continue;
        const DecodedCrls decoded = decode_crls(row.content);
        std::string fault = decoded.fault;
        if (fault.empty() && (decoded.lists.empty() || !decoded.broken.empty()))
            fault = "holds a CRL that does not decode";
        if (!fault.empty()) {
            findings.push_back({Diagnostic::Severity::kError, {std::string(kDatabasePrefix) + name, 0}, fault});
        }
    }
}

// Checks the rows as a server would.
Checked check_rows(const Rows& rows, const PushOptions& options) {
    Checked out;
    DatabaseView view;
    auto stored = std::make_shared<DatabaseRows>();
    stored->by_name = rows;
    view.put(stored);
    DiskFiles disk;
    disk.set_database(view);
    disk.begin_look();
    PolicyBuilder builder(absolute_root(options.root), disk);
    for (const std::string& file : options.beside) {
        const auto content = read_whole_file(file, kLargestPolicyFile);
        const auto directives = content ? read_directives(content.value(), file, out.findings)
                                        : Result<std::vector<Directive>>(Error{content.error()});
        if (!content) out.findings.push_back({Diagnostic::Severity::kError, {file, 0}, content.error()});
        if (!directives) continue;
        for (const Directive& directive : directives.value()) builder.add(directive, Origin::kPolicyFile);
    }
    builder.add_files({kAllRows, options.database.first + " " + options.database.second, {}});
    out.policy = builder.build();
    out.files = builder.files_read();
    out.findings.insert(out.findings.end(), builder.diagnostics().begin(), builder.diagnostics().end());
    RevocationFiles revocations;
    revocations.set_database(view);
    revocations.watch({kAllRows, "", {}});
    revocations.look(out.findings);
    check_lists(rows, out.findings);
    name_tables(out.findings);
    return out;
}

// Rows of kind `revocation` with refusals that `after` lacks: servers keep those refusals, and report the missing rows.
std::vector<std::string> find_lost_revocations(const Rows& before, const Rows& after) {
    std::vector<std::string> out;
    for (const auto& [name, row] : before) {
        if (row.kind != row_kind::kRevocation) continue;
        const auto is = after.find(name);
        if (is != after.end() && is->second.kind == row.kind) continue;
        std::vector<Diagnostic> ignored;
        if (!read_single_directives(row.content, name, ignored).empty() || !ignored.empty()) out.push_back(name);
    }
    return out;
}

// Rows that `after` lacks and MTLSCRLFile names, before and after.
std::vector<std::string> find_lost_lists(const Rows& before, const Rows& after, const Policy& was, const Policy& next) {
    const auto names_it = [](const Policy& policy, const std::string& row) {
        const auto files = policy.crl_files();
        return std::any_of(files.begin(), files.end(), [&row](const WatchedFiles& watched) {
            return may_name(watched.pattern, std::string(kDatabasePrefix) + row);
        });
    };
    std::vector<std::string> out;
    for (const auto& [name, row] : before) {
        if (!after.contains(name) && names_it(was, name) && names_it(next, name)) out.push_back(name);
    }
    return out;
}

bool has_policy(const Rows& rows) {
    return std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.second.kind == row_kind::kPolicy; });
}

// Returns an error for each row that a server would not let go.
std::vector<std::string> find_lost_rows(const Rows& before, const Rows& after, const Checked& was,
                                        const Checked& next) {
    std::vector<std::string> out;
    if (has_policy(before) && !has_policy(after)) {
        out.emplace_back(
            "no row of the kind policy would be left, and every web server would keep the policy that it has, with an "
            "error: leave one that holds a comment");
    }
    for (const std::string& name : find_lost_revocations(before, after)) {
        out.push_back("row '" + name +
                      "' refuses, and what it refuses would stay refused, with an error on every web server: put a "
                      "comment in its place, and push that first");
    }
    if (!was.policy || !next.policy) return out;
    for (const std::string& name : find_lost_lists(before, after, *was.policy, *next.policy)) {
        out.push_back("row '" + name +
                      "' is named by MTLSCRLFile, and what it lists would stay revoked, with an error on every web "
                      "server: leave it, or take that line out and push that first");
    }
    for (const std::string& file : find_vanished_refusals(*was.policy, *next.policy, next.files)) {
        if (!is_database_name(file)) continue;
        out.push_back("row '" + file.substr(kDatabasePrefix.size()) +
                      "' refuses, and every web server would refuse a policy without it: take its lines " +
                      std::string(kRefusingLines) + " out, and push that first");
    }
    return out;
}

// ---- changes --------------------------------------------------------------------------------------------------------

struct RowChange {
    enum class Kind { kNew, kChanged, kGone } kind;
    std::string name;
    const DatabaseRow* row;  // null if it is gone

    std::string text() const {
        const char* const verb = kind == Kind::kNew ? "new " : kind == Kind::kChanged ? "changed " : "gone ";
        return verb + (row != nullptr ? row->kind + "/" : std::string()) + name;
    }
};

std::vector<RowChange> changes_between(const Rows& before, const Rows& after) {
    std::vector<RowChange> out;
    for (const auto& [name, row] : after) {
        const auto was = before.find(name);
        if (was == before.end()) {
            out.push_back({RowChange::Kind::kNew, name, &row});
        } else if (was->second.digest != row.digest || was->second.kind != row.kind) {
            out.push_back({RowChange::Kind::kChanged, name, &row});
        }
    }
    for (const auto& [name, row] : before) {
        if (!after.contains(name)) out.push_back({RowChange::Kind::kGone, name, nullptr});
    }
    return out;
}

std::string write_change(Database& to, const RowChange& change) {
    const std::string name = to.quoted(change.name);
    if (change.row == nullptr) return to.run("DELETE FROM mtls_policy WHERE name = " + name);
    const std::string kind = to.quoted(change.row->kind), body = to.quoted(row_body_of(change.row->content));
    return to.run(change.kind == RowChange::Kind::kNew
                      ? "INSERT INTO mtls_policy (name, kind, body) VALUES (" + name + ", " + kind + ", " + body + ")"
                      : "UPDATE mtls_policy SET kind = " + kind + ", body = " + body + " WHERE name = " + name);
}

std::string who_pushes() {
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    const passwd* const user = getpwuid(getuid());
    return std::string(user != nullptr ? user->pw_name : std::to_string(getuid())) + "@" + host.data();
}

std::string summary_of(const std::vector<RowChange>& changes) {
    constexpr std::size_t kMostNamed = 20;
    std::string out = "by " + who_pushes() + ": ";
    for (std::size_t i = 0; i < changes.size() && i < kMostNamed; ++i) out += (i == 0 ? "" : ", ") + changes[i].text();
    if (changes.size() > kMostNamed) out += " and " + std::to_string(changes.size() - kMostNamed) + " more";
    return out;
}

// Writes and commits within the current transaction. Returns the new revision.
Result<std::int64_t> write_all(Database& to, const std::vector<RowChange>& changes, std::int64_t before,
                               bool has_diary) {
    for (const RowChange& change : changes) {
        const std::string fault = write_change(to, change);
        if (!fault.empty()) return Error{"row '" + change.name + "': " + fault};
    }
    auto revision = to.revision();
    // The database lacks the trigger of the example.
    if (revision && revision.value() <= before) {
        const std::string fault = to.run("UPDATE mtls_policy_revision SET revision = " + std::to_string(before + 1));
        if (!fault.empty()) return Error{"table mtls_policy_revision: " + fault};
        revision = to.revision();
    }
    if (!revision) return revision;
    if (has_diary) {
        const std::string fault =
            to.run("INSERT INTO mtls_policy_push (revision, what) VALUES (" + std::to_string(revision.value()) + ", " +
                   to.quoted(summary_of(changes)) + ")");
        if (!fault.empty()) return Error{"table mtls_policy_push: " + fault};
    }
    const std::string fault = to.run("COMMIT");
    if (!fault.empty()) return Error{fault};
    return revision;
}

// Describes who holds the lock that begin_writing() did not get, or returns "". Only PostgreSQL tells that: the system
// column xmax of a locked row is the transaction that locked it.
std::string describe_holder(Database& database) {
    if (database.driver() != "pgsql" || !database.begin_reading().empty()) return {};
    const auto rows = database.select(
        "SELECT a.usename, a.pid FROM mtls_policy_revision r JOIN pg_locks l ON l.locktype = 'transactionid' AND "
        "l.transactionid = r.xmax AND l.granted JOIN pg_stat_activity a ON a.pid = l.pid",
        2);
    database.run("ROLLBACK");
    if (!rows || rows.value().empty()) return {};
    const std::string pid = rows.value()[0][1].value_or("");
    return "; another push or session has held the table for more than " + std::to_string(Database::kLongestLock) +
           " seconds: login '" + shown(rows.value()[0][0].value_or("")) + "', process " + pid +
           " of the database; push again later, or end it with SELECT pg_terminate_backend(" + pid + ")";
}

// ---- push -----------------------------------------------------------------------------------------------------------

class Push {
public:
    Push(const PushOptions& options, Database& database) : options_(options), database_(database) {}

    int run() {
        if (const std::string fault = find_files(); !fault.empty()) return complain(fault);
        folder_ = working_folder(options_);
        // Query this before the transaction, because a failed statement aborts a transaction.
        has_diary_ = database_.select("SELECT revision FROM mtls_policy_push WHERE 1 = 0", 1).ok();
        // Check in a transaction of its own, so that only the writes hold the lock.
        if (const std::string fault = database_.begin_reading(); !fault.empty()) return complain(fault);
        const auto read = database_.read_all_here();
        database_.run(read ? "COMMIT" : "ROLLBACK");
        return read ? check_and_write(*read.value()) : complain(read.error());
    }

private:
    int check_and_write(const DatabaseRows& before) {
        if (const std::string fault = find_stale_base(before.revision, before.by_name.empty()); !fault.empty()) {
            complain(fault);
            return kErrorsFound;
        }
        DatabaseRows next;
        if (!is_whole_) next.by_name = before.by_name;
        if (const std::string fault = add_files(files_, before.by_name, options_.kind, next.by_name); !fault.empty()) {
            return complain(fault);
        }
        const auto changes = changes_between(before.by_name, next.by_name);
        const Checked checked = check_rows(next.by_name, options_),
                      was = changes.empty() ? checked : check_rows(before.by_name, options_);
        const auto gone = find_lost_rows(before.by_name, next.by_name, was, checked);
        for (const std::string& fault : gone) complain(fault);
        print_findings(std::cerr, checked.findings);
        if (!gone.empty() || has_error(checked.findings) || !checked.policy) {
            complain("nothing was pushed");
            return kErrorsFound;
        }
        std::vector<std::string> lines;
        if (was.policy) lines = differences(*was.policy, *checked.policy);
        if (changes.empty() || options_.dry_run) {
            report(before.revision, *checked.policy, changes, lines, was.policy != nullptr, false);
            return changes.empty() ? kFine : kErrorsFound;
        }
        const int status = write(before.revision, changes, next.revision);
        if (status != kFine) return status;
        report(next.revision, *checked.policy, changes, lines, was.policy != nullptr, true);
        if (!has_diary_) complain("who pushed is not recorded: there is no table mtls_policy_push");
        const std::string fault = write_base(folder_, next);
        return fault.empty() ? kFine : complain(fault + "; it was pushed all the same");
    }

    // Writes the changes if the database still has the revision that they were checked against.
    int write(std::int64_t checked, const std::vector<RowChange>& changes, std::int64_t& revision) {
        const auto locked = database_.begin_writing();
        if (!locked) {
            database_.run("ROLLBACK");
            return complain(locked.error() + describe_holder(database_) + "; nothing was pushed");
        }
        if (locked.value() != checked) {
            database_.run("ROLLBACK");
            complain(stale(locked.value(), "were checked against " + std::to_string(checked)));
            return kErrorsFound;
        }
        const auto pushed = write_all(database_, changes, checked, has_diary_);
        if (!pushed) {
            database_.run("ROLLBACK");
            return complain(pushed.error() + "; nothing was pushed");
        }
        revision = pushed.value();
        return kFine;
    }

    static std::string stale(std::int64_t revision, const std::string& how) {
        return "the database has revision " + std::to_string(revision) + ", and these files " + how +
               ": somebody pushed meanwhile; mtls-authz pull, and push again";
    }

    std::string find_stale_base(std::int64_t revision, bool is_empty) const {
        const auto base = read_base(folder_);
        if (!base) return base.error();
        const auto known = options_.base  ? options_.base
                           : base.value() ? std::optional(base.value()->revision)
                                          : std::nullopt;
        if (known == revision || (!known && is_empty)) return {};
        if (known) return stale(revision, "come from " + std::to_string(*known));
        return "the database has revision " + std::to_string(revision) + ", and no file " + kBaseFile +
               " says which one these files come from: mtls-authz pull first, or say --base";
    }

    // Sets the files to push. Returns a fault, or "".
    std::string find_files() {
        for (const std::string& file : options_.files) {
            std::error_code fault;
            const fs::file_type type = fs::status(file, fault).type();
            if (type == fs::file_type::not_found) return "'" + shown(file) + "': no such file or folder";
            if (type == fs::file_type::none) return "'" + shown(file) + "': " + fault.message();
            if (type == fs::file_type::directory) is_whole_ = true;
        }
        if (!is_whole_) {
            files_.assign(options_.files.begin(), options_.files.end());
            return {};
        }
        if (options_.files.size() > 1) return "one folder, or files: a folder is all that the database will hold";
        auto found = row_files_below(options_.files.front());
        if (!found) return found.error();
        files_ = std::move(found.value());
        return {};
    }

    void report(std::int64_t revision, const Policy& policy, const std::vector<RowChange>& changes,
                const std::vector<std::string>& lines, bool had_policy, bool is_pushed) const {
        if (options_.json) {
            Json rows = Json::array();
            for (const RowChange& change : changes) rows.push_back(change.text());
            std::cout << one_line({{"pushed", is_pushed},
                                   {"revision", revision},
                                   {"generation", policy.generation()},
                                   {"rows", std::move(rows)},
                                   {"changes", lines}})
                      << '\n';
            return;
        }
        for (const RowChange& change : changes) std::cout << shown(change.text()) << '\n';
        for (const std::string& line : lines) std::cout << shown(line) << '\n';
        if (!had_policy) std::cout << "what the database holds now is no policy, so there is nothing to compare with\n";
        std::cout << (is_pushed         ? "pushed: "
                      : changes.empty() ? "the same: "
                                        : "not pushed (--dry-run): ")
                  << "revision " << revision << ", generation " << policy.generation() << ", "
                  << policy.partners().size() << " partner(s)\n";
    }

    const PushOptions& options_;
    Database& database_;
    std::string folder_;
    std::vector<fs::path> files_;
    bool is_whole_ = false;
    bool has_diary_ = false;
};

}  // namespace

int push(const PushOptions& options) {
    const auto opened = open_database(options.database);
    if (!opened) return complain(opened.error());
    return Push(options, *opened.value()).run();
}

}  // namespace mtls::tool
