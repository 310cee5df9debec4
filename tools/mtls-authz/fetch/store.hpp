// The folder that fetch writes into: each file as a whole or not at all, and a note of what was fetched when.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "client.hpp"
#include "mtls_authz/base/result.hpp"
#include "report.hpp"

namespace mtls::tool {

// What is kept of the last answer that was taken for one file.
struct FileNote {
    std::string url;
    Validators validators;
    std::string sha256;  // of the file as it was written, hex
};

// What came for one file.
struct FetchedFile {
    FetchResult result;
    std::string content = {};  // to be written; empty: nothing
    FileNote note = {};        // of what is in the file then
};

// What a responder last said of one certificate.
struct AnswerNote {
    std::string status;            // good or revoked
    std::int64_t this_update = 0;  // no earlier answer counts any more
    std::int64_t next_update = 0;  // 0: none
    std::string line;              // of revoked/ocsp.conf, where it is revoked
};

// Not thread-safe.
class Store {
public:
    // Makes the folders where they are missing, and holds a lock on them until it ends: an error where another fetch
    // has it, or nothing can be written there. Where it is `dry`, nothing is made, locked or written.
    static Result<std::unique_ptr<Store>> open(const std::string& folder, bool dry);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Names below the folder, like crl/acme.crl.
    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    // The content; "" where there is no such file. An error where it cannot be read.
    Result<std::string> read(const std::string& name) const;
    // Writes beside, syncs, renames. Returns why that could not be done, or "".
    std::string write(const std::string& name, const std::string& content) const;
    bool is_dry() const { return dry_; }

    std::map<std::string, FileNote> files;      // by name
    std::map<std::string, AnswerNote> answers;  // by certificate, as Seen::id() has it
    // Why the notes of the last run cannot be read, or "". Without them, no answer is known to be older.
    const std::string& notes_fault() const { return notes_fault_; }
    // Returns why they could not be written, or "".
    std::string write_notes() const;

private:
    Store(std::string folder, bool dry) : folder_(std::move(folder)), dry_(dry) {}
    void read_notes();

    const std::string folder_;
    const bool dry_;
    int lock_ = -1;
    std::string notes_fault_;
};

}  // namespace mtls::tool
