// Asks OCSP responders about certificates that were seen, and keeps who is revoked in revoked/ocsp.conf, where an
// MTLSRevocationFile reads it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client.hpp"
#include "lists.hpp"
#include "ocsp.hpp"
#include "report.hpp"
#include "seen.hpp"
#include "sources.hpp"
#include "store.hpp"

namespace mtls::tool {

// The certificates of one issuer, and where it, or the certificates of the policy that it issued, say to ask.
struct OcspJob {
    std::shared_ptr<const PolicyCa> issuer;
    std::vector<std::string> urls;  // asked in turn
    std::vector<SeenLeaf> leafs;
};
std::vector<OcspJob> find_ocsp_jobs(const Seen& seen, const Sources& sources, const std::vector<NamedAddress>& named,
                                    Report& report);

// The lines of revoked/ocsp.conf. They are the memory of what is revoked: a line that people take out is asked about
// anew, and lines that people add stay. Thread-safe.
class RevokedLines {
public:
    explicit RevokedLines(Store& store) : store_(store) {}
    std::string path() const;
    // "" or why the file cannot be read; then nothing may be written. A file that is gone is made anew from the notes.
    std::string read();

    // What the answer changes, "" where nothing. An answer older than the last one, or of the same certificate on other
    // terms, changes nothing: then `objection` says why.
    struct Change {
        std::string what;
        std::string objection;
    };
    Change take(const SeenLeaf& leaf, const OcspAnswer& answer);
    // Whether it is revoked for good: no answer changes that.
    bool is_final(const SeenLeaf& leaf) const;
    // What was said last, for people.
    std::string last_answer(const SeenLeaf& leaf) const;
    // Drops lines of certificates that have expired, and writes what changed. Returns why it could not, or "".
    std::string write(std::int64_t now);

private:
    mutable std::mutex mutex_;
    Store& store_;
    std::string content_;                       // of the file
    std::vector<std::string> others_;           // lines that are not ours
    std::map<std::string, std::string> lines_;  // by id
};

// Asks about each leaf of one job, and reports.
void ask_responder(const OcspJob& job, RevokedLines& lines, const Client& client, long timeout, std::int64_t now,
                   Report& report);

}  // namespace mtls::tool
