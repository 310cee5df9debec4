// Numbers that spread threads over the slots of an array, and what a thread needs before memory runs out.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <bit>
#include <cstdint>
#include <exception>
#include <thread>
#include <utility>

#include "mtls_authz/system/system.hpp"

namespace mtls {

// Constant for a thread's life, and unique among running threads. A pthread_t is a pointer on musl, macOS and the BSDs.
inline std::uint64_t thread_number() noexcept { return std::bit_cast<std::uintptr_t>(pthread_self()); }

// 2^64 by the golden ratio: multiplying by it spreads multiples of a power of two over the high bits.
constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;

// The processor that this thread runs on. Fallback: a number of the thread below 256.
inline std::size_t processor_number() noexcept {
#ifdef MTLS_AUTHZ_LINUX
    const int processor = sched_getcpu();
    return processor < 0 ? 0 : static_cast<std::size_t>(processor);
#else
    constexpr int kAllButOneByte = 56;
    return static_cast<std::size_t>((thread_number() * kGoldenRatio) >> kAllButOneByte);
#endif
}

// Allocates the C++ library's data for this thread. Without this, they are allocated when the thread first throws, and
// glibc aborts the process if there is no memory: a library that is loaded at run time gets its thread-local data at
// their first use.
inline void be_ready_to_throw() noexcept { [[maybe_unused]] const volatile int used = std::uncaught_exceptions(); }

// Starts a detached thread, in which exceptions can be thrown even when memory has run out.
template <class Body>
void start_thread(Body body) {
    std::thread([body = std::move(body)] {
        be_ready_to_throw();
        body();
    }).detach();
}

}  // namespace mtls
