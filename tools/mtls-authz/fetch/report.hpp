// The results of fetch, one line each.
#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace mtls::tool {

enum class Fetched {
    kNew,        // written
    kUnchanged,  // as it was
    kFailed,     // the current file stays in force
    kNote,       // needs an administrator
};

struct FetchResult {
    Fetched result = Fetched::kFailed;
    const char* kind = "";      // crl, ocsp, bundle, policy, notes
    std::string address;        // the address asked; empty: none
    std::string file;           // below the output folder, or of the policy; empty: none
    std::string what;           // the result or the fault
    std::string in_force = {};  // for kFailed: what stays in force
};

// A name of a certificate, as a line shows it.
std::string quoted(const std::string& name);

// Thread-safe.
class Report {
public:
    void add(FetchResult result);
    // Sorted by kind, file and address: equal runs print equal reports.
    std::vector<FetchResult> sorted() const;

private:
    mutable std::mutex mutex_;
    std::vector<FetchResult> results_;
};

}  // namespace mtls::tool
