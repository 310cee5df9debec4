// Runs claims in parallel, each in its own process: for tests that mostly wait.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "claims.hpp"

namespace test {

// Runs the claims that match `filters` and are about one of `modules`, `jobs` at a time. Prints each claim's output as
// one block, in cmocka's format. A claim that crashes, or takes longer than 15 minutes, fails. Returns the number of
// failures.
int run_claims_in_parallel(const std::vector<std::string>& filters, const std::set<Module>& modules, unsigned jobs);

// Removes `--jobs N` from the front of the words of a command line. Returns N, 1 without it, 0 if N is no number.
unsigned take_jobs(std::vector<std::string>& words);

}  // namespace test
