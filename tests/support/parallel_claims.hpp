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

// The number behind `--jobs`, which is taken from the words of the command line; 1 without, 0 where it is none.
unsigned take_jobs(std::vector<std::string>& words);

}  // namespace test
