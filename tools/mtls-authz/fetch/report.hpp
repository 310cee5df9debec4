// What fetch did, and what it could not do: one line each.
#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace mtls::tool {

enum class Fetched {
    kNew,        // written
    kUnchanged,  // as it was
    kFailed,     // what was in force stays so
    kNote,       // something that only people can do
};

struct FetchResult {
    Fetched result = Fetched::kFailed;
    const char* kind = "";      // crl, ocsp, bundle, policy, notes
    std::string address;        // that was asked; empty: none
    std::string file;           // below the folder, or of the policy; empty: none
    std::string what;           // what came, or what is wrong
    std::string in_force = {};  // of kFailed: what counts meanwhile
};

// Thread-safe.
class Report {
public:
    void add(FetchResult result);
    // In the order of kinds, files and addresses: runs that did the same say the same.
    std::vector<FetchResult> sorted() const;

private:
    mutable std::mutex mutex_;
    std::vector<FetchResult> results_;
};

}  // namespace mtls::tool
