// Fetches the bundles of SPIFFE trust domains from their endpoints into bundles/, where MTLSTrustAnchor bundle: reads
// them (SPIFFE Federation 5).
#pragma once

#include <cstdint>
#include <string>

#include "client.hpp"
#include "report.hpp"
#include "store.hpp"

namespace mtls::tool {

// --bundle TRUST-DOMAIN=URL[,SPIFFE-ID].
struct BundleJob {
    std::string trust_domain;
    std::string url;          // https
    std::string endpoint_id;  // of the server, for https_spiffe; empty: https_web, by the CAs of the web
    std::string file() const { return "bundles/" + trust_domain + ".json"; }

    static Result<BundleJob> parse(const std::string& text);
};

// Asks, and judges what comes: a bundle with a CA that is in force, and no lower sequence number than the one at hand.
// An https_spiffe endpoint has to prove its SPIFFE ID by the bundle at hand of that ID's trust domain: the first one is
// put there by people. Writes nothing. Thread-safe while nobody writes into `store`.
FetchedFile fetch_bundle(const BundleJob& job, const Store& store, const Client& client, std::int64_t now);

}  // namespace mtls::tool
