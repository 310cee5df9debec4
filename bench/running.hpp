// What a policy costs to load, to check and to exchange, and what a client feels of it.
#pragma once

#include "policies.hpp"
#include "report.hpp"

namespace bench {

// `sizes`: identities.
void measure_loading(Report& report, const Pki& pki, const std::vector<int>& sizes);
// The tool's `check`.
void measure_check(Report& report, const Pki& pki, const std::string& tool, int identities);
void measure_reload(Report& report, const Pki& pki, int identities);
// Beside the same server without the module.
void measure_latency(Report& report, Pki& pki);
// While a policy is exchanged.
void measure_exchange(Report& report, Pki& pki, int partners, int rounds);

}  // namespace bench
