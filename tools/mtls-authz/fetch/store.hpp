// The output folder of fetch: files are replaced atomically, and notes record the time of each download.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "client.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/system/file_passing.hpp"
#include "report.hpp"

namespace mtls::tool {

// The last accepted answer for one file.
struct FileNote {
    std::string url;
    Validators validators;
    std::string sha256;  // of the written file, hex
};

// Result of fetching one file.
struct FetchedFile {
    FetchResult result;
    std::string content = {};  // to be written; empty: nothing
    FileNote note = {};        // the note for this content
};

// A responder's last answer about one certificate.
struct AnswerNote {
    std::string status;            // good or revoked
    std::int64_t this_update = 0;  // older answers are ignored
    std::int64_t next_update = 0;  // 0: none
    std::string line;              // of revoked/ocsp.conf, if revoked
};

// Not thread-safe.
class Store {
public:
    // Creates missing folders and locks them for the object's life: an error if another fetch holds the lock, or the
    // folder is not writable. With `dry`, creates, locks and writes nothing.
    static Result<std::unique_ptr<Store>> open(const std::string& folder, bool dry);
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // `name` is relative to the folder, like crl/acme.crl.
    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    // The content; "" if there is no such file; an error if it is unreadable.
    Result<std::string> read(const std::string& name) const;
    // Writes a temporary file, syncs and renames it. Returns the error, or "".
    std::string write(const std::string& name, const std::string& content) const;

    std::map<std::string, FileNote> files;      // by name
    std::map<std::string, AnswerNote> answers;  // by certificate, see SeenLeaf::id()
    // Why the last run's notes are unreadable, or "". Without notes, older answers are not detected.
    const std::string& notes_fault() const { return notes_fault_; }
    // Returns the error, or "".
    std::string write_notes() const;

private:
    Store(std::string folder, bool dry) : folder_(std::move(folder)), dry_(dry) {}
    void read_notes();

    const std::string folder_;
    const bool dry_;
    OwnedFile lock_;
    std::string notes_fault_;
};

}  // namespace mtls::tool
