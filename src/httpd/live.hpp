// What changes while the server runs: files are looked at in every child, and the snapshot that requests decide on is
// replaced.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "httpd.hpp"
#include "mtls_authz/policy_source.hpp"
#include "mtls_authz/snapshot.hpp"

namespace mtls::httpd {

class Live {
public:
    explicit Live(const std::string& server_root) : source_(server_root) {}

    // The snapshot now current; null before start. Holding it keeps its policy alive.
    std::shared_ptr<const Snapshot> current() const { return current_.load(); }

    // Before the first request: builds the policy, null where it cannot be had, and takes a first look at the files.
    // `findings`: what is wrong with the policy; `reported`: what is wrong with files that are only ever reported.
    std::shared_ptr<const Policy> start(std::vector<Diagnostic>& findings, std::vector<Diagnostic>& reported);

    // One look at all files; publishes a new snapshot where something changed.
    void look(std::vector<Diagnostic>& findings);
    // Whether a change was seen once and waits for a second look.
    bool is_waiting();

    PolicySource& policy_source() { return source_; }
    RevocationFiles& revocation_files() { return revocation_files_; }
    CrlFiles& crl_files() { return crl_files_; }

    // CAs beside the policy's own that may have signed a CRL: mod_ssl's. Borrowed for as long as this lives.
    void add_known_ca(X509& ca);

private:
    void publish();
    void learn_cas();

    std::mutex looking_;
    std::atomic<std::shared_ptr<const Snapshot>> current_;
    PolicySource source_;
    std::shared_ptr<const Policy> policy_;
    RevocationFiles revocation_files_;
    CrlFiles crl_files_;
    std::multimap<std::string, X509*> server_cas_;
    std::multimap<std::string, X509*> known_cas_;  // the policy's, and mod_ssl's
    std::uint64_t last_serial_ = 0;
};

// Hooks: post_config (mod_watchdog), child_init.
void register_live_hooks();

}  // namespace mtls::httpd
