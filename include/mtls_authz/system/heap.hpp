// The heap, as glibc has it. Fallback on other systems: free memory stays with the process.
#pragma once

namespace mtls {

// Returns free memory of the heap to the system: after a reload it is as large as the policy.
void release_free_memory();

}  // namespace mtls
