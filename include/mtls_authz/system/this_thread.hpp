// Numbers that spread threads over the slots of an array.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <bit>
#include <cstdint>

#include "mtls_authz/system/system.hpp"

namespace mtls {

// The same for a thread's life; those of two threads differ. A pthread_t is a pointer on musl, macOS and the BSDs.
inline std::uint64_t thread_number() noexcept { return std::bit_cast<std::uintptr_t>(pthread_self()); }

constexpr std::uint64_t kGoldenRatio =
    0x9e3779b97f4a7c15;  // times 2^64: spreads numbers that are multiples of a power of two

// The processor that this thread runs on or, where the system does not say, a number of the thread below 256.
inline std::size_t processor_number() noexcept {
#ifdef MTLS_AUTHZ_LINUX
    const int processor = sched_getcpu();
    return processor < 0 ? 0 : static_cast<std::size_t>(processor);
#else
    constexpr int kAllButOneByte = 56;
    return static_cast<std::size_t>((thread_number() * kGoldenRatio) >> kAllButOneByte);
#endif
}

}  // namespace mtls
