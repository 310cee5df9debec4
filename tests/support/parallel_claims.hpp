// Runs claims in parallel, each in its own process: for tests that mostly wait.
#pragma once

#include <string>
#include <vector>

namespace test {

// Runs the claims that match `filters`, `jobs` at a time. Prints each claim's output as one block, in cmocka's format.
// A claim that crashes, or takes longer than 15 minutes, fails. Returns the number of failures.
int run_claims_in_parallel(const std::vector<std::string>& filters, unsigned jobs);

}  // namespace test
