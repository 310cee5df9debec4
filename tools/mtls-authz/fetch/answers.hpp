// Asks OCSP responders about certificates that were seen, and keeps the revoked ones in revoked/ocsp.conf, which an
// MTLSRevocationFile reads.
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

// The certificates of one issuer, and the responders named by it or by the policy's certificates that it issued.
struct OcspJob {
    std::shared_ptr<const PolicyCa> issuer;
    std::vector<std::string> urls;  // asked in turn
    std::vector<SeenLeaf> leafs;
};
std::vector<OcspJob> find_ocsp_jobs(const SeenLeaves& seen, const Sources& sources,
                                    const std::vector<NamedAddress>& named, Report& report);

// The lines of revoked/ocsp.conf, which record revoked certificates: a certificate whose line is deleted is asked about
// again, and lines of other origin are kept. Thread-safe.
class RevokedLines {
public:
    RevokedLines(Store& store, Report& report) : store_(store), report_(report) {}
    std::string path() const;
    // Returns why the file cannot be read, or ""; after an error do not write. A missing file is restored from the
    // notes. A line that the server does not read is repaired, and that reported, or does not count.
    std::string read();

    // The change that an answer makes; "" if none. A `good` that is older than the last answer, or contradicts one of
    // the same time, changes nothing: `objection` says why. `revoked` counts whatever its age.
    struct Change {
        std::string what;
        std::string objection;
    };
    Change take(const SeenLeaf& leaf, const OcspAnswer& answer);
    // Whether it is revoked permanently: no answer changes that.
    bool is_final(const SeenLeaf& leaf) const;
    // The last answer, as text for people.
    std::string last_answer(const SeenLeaf& leaf) const;
    // Drops and reports lines of expired certificates, and writes changes. Returns the error, or "". This machine's
    // clock may be wrong: a certificate has expired if an answer of this run, of the same CA, is from after its end.
    std::string write();

private:
    void keep(const std::string& id, const std::string& line);

    mutable std::mutex mutex_;
    Store& store_;
    Report& report_;
    std::string content_;                       // of the file
    std::vector<std::string> others_;           // lines that fetch did not write
    std::map<std::string, std::string> lines_;  // by id
    std::map<std::string, std::int64_t> time_;  // thisUpdate of the newest answer of this run, by the CA's key, hex
};

// Asks about each leaf of one job, and reports the results.
void ask_responder(const OcspJob& job, RevokedLines& lines, const Client& client, std::int64_t now, Report& report);

}  // namespace mtls::tool
