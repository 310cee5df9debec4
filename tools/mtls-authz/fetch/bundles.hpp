// Fetches the bundles of SPIFFE trust domains from their endpoints into bundles/, which MTLSTrustAnchor bundle: reads
// (SPIFFE Federation 5).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client.hpp"
#include "report.hpp"
#include "store.hpp"

namespace mtls::tool {

// --bundle TRUST-DOMAIN=URL[,SPIFFE-ID].
struct BundleEndpoint {
    std::string trust_domain;
    std::string url;          // https
    std::string endpoint_id;  // the server's SPIFFE ID, for https_spiffe; empty: https_web, verified by web CAs
    std::string file() const { return "bundles/" + trust_domain + ".json"; }

    static Result<BundleEndpoint> parse(const std::string& text);
};

// Fetches and checks the bundle of one trust domain, from the first of its endpoints that has one: it must have a valid
// CA, and no lower sequence number than the stored one. An https_spiffe endpoint must prove its SPIFFE ID by the stored
// bundle of that ID's trust domain: an administrator installs the first one. Writes nothing. Thread-safe while no
// thread writes into `store`.
FetchedFile fetch_bundle(const std::vector<BundleEndpoint>& endpoints, const Store& store, const Client& client,
                         std::int64_t now);

}  // namespace mtls::tool
