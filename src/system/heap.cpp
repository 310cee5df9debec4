#include "mtls_authz/system/heap.hpp"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "mtls_authz/system/system.hpp"

namespace mtls {

// malloc_trim() does not release the free memory at the end of a thread's heap: allocates that once more, and drops its
// pages.
void release_free_memory() {
#if defined(MTLS_AUTHZ_LINUX) && defined(__GLIBC__)
    malloc_trim(0);
#if __GLIBC_PREREQ(2, 33)
    constexpr std::size_t kPiece = 1UL << 18;
    const std::size_t most = mallinfo2().fordblks / kPiece + 1;
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    std::vector<std::unique_ptr<char[]>> taken;
    for (std::size_t i = 0; i < most; ++i) {
        taken.push_back(std::make_unique_for_overwrite<char[]>(kPiece));
        void* begin = taken.back().get();
        std::size_t size = kPiece;
        std::align(page, page, begin, size);
        madvise(begin, size / page * page, MADV_DONTNEED);
    }
    taken.clear();
    malloc_trim(0);
#endif
#endif
}

}  // namespace mtls
