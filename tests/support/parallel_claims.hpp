// Claims side by side, each in a process of its own: for tests that mostly wait.
#pragma once

#include <string>
#include <vector>

namespace test {

// Runs the claims that `filters` choose, `jobs` at a time. What a claim prints is printed as
// one piece, in cmocka's words. A claim that crashes, or takes longer than 15 minutes, fails. Returns the number of
// failures.
int run_claims_in_parallel(const std::vector<std::string>& filters, unsigned jobs);

}  // namespace test
