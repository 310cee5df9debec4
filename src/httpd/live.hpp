// What changes while the server runs: files are looked at in every child, and the snapshot that requests decide on is
// replaced.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "httpd.hpp"
#include "mtls_authz/snapshot.hpp"

namespace mtls::httpd {

class Live {
public:
    // The snapshot now current; null before start. Holding it keeps its policy alive.
    std::shared_ptr<const Snapshot> current() const { return current_.load(); }

    // Before the first request: the policy, and a first look at the files.
    void start(std::shared_ptr<const Policy> policy, std::vector<Diagnostic>& findings);

    // One look at all files; publishes a new snapshot where something changed. Called by one thread at a time per
    // process.
    void look(std::vector<Diagnostic>& findings);

    RevocationFiles& revocation_files() { return revocation_files_; }
    CrlFiles& crl_files() { return crl_files_; }
    bool watches_anything() const { return !revocation_files_.empty() || !crl_files_.empty(); }

    // CAs beside the policy's own that may have signed a CRL: mod_ssl's. Borrowed for as long as this lives.
    void add_known_ca(X509& ca);

private:
    void publish();

    std::mutex looking_;
    std::atomic<std::shared_ptr<const Snapshot>> current_;
    std::shared_ptr<const Policy> policy_;
    RevocationFiles revocation_files_;
    CrlFiles crl_files_;
    std::multimap<std::string, X509*> known_cas_;
    std::uint64_t last_serial_ = 0;
};

// Hooks: post_config (mod_watchdog), child_init.
void register_live_hooks();

}  // namespace mtls::httpd
