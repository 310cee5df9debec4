// Reads what a policy names: files, and rows of a database.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/load/database_view.hpp"

namespace mtls {

class Policy;

// Reads files under the ownership rules of FileTrust, and rows of a database. Caches the content of files that only the
// starter of the server can read, because the run-time user could not read them again.
class DiskFiles {
public:
    Result<std::string> read(const std::string& path, std::size_t limit);
    Result<std::vector<std::string>> files_of(const std::string& pattern);

    // Forgets the cached contents that are not in force: files that were edited while the run-time user could read
    // them.
    void keep_cached(const Policy& in_force);

    // SHA-256 of the content that read() would return, or its error.
    Result<std::string> digest_of(const std::string& path, std::size_t limit);

    // The fetcher may own the files passed to let_fetcher_own(), and no others.
    void set_trust(const FileTrust& trust);
    void let_fetcher_own(const std::string& path) { fetched_.insert(path); }
    // Sets the database whose rows `db:NAME` names; it must outlive this object.
    void set_database(const DatabaseView& database) { database_ = &database; }
    // Begins a look: takes the current rows of the database, which read() uses until the next call, and forgets the
    // folder that was walked last.
    const DatabaseSight& begin_look() {
        walked_ = {};
        return sight_ = database_ != nullptr ? database_->look() : sight_;
    }
    const DatabaseSight& database() const { return sight_; }
    bool is_database_away() const { return database_ != nullptr && !sight_.fault.empty(); }
    const std::optional<FileTrust>& trust() const { return trust_; }  // for all other files
    const std::optional<FileTrust>& fetched_trust() const { return fetched_trust_; }

private:
    bool is_hidden_from_run_user(const std::string& path) const;
    const FileTrust* trust_for(const std::string& path) const;

    std::optional<FileTrust> trust_;
    std::optional<FileTrust> fetched_trust_;
    std::set<std::string> fetched_;
    std::map<std::string, std::string> pinned_;
    std::map<std::string, std::vector<std::string>> pinned_patterns_;
    WalkedFolder walked_;
    const DatabaseView* database_ = nullptr;
    DatabaseSight sight_{nullptr, "there is no MTLSPolicyDatabase"};
};

}  // namespace mtls
