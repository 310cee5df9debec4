#include "mtls_authz/policy_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <ctime>
#include <new>

#include "mtls_authz/digest.hpp"
#include "mtls_authz/policy.hpp"

namespace mtls {

namespace {

constexpr std::size_t kGeneration = 16;
constexpr std::size_t kDigest = 32;

// Bytes of the file that are locked: while a part is filled, and for each part.
constexpr std::size_t kFiller = 0;
constexpr std::size_t kFirstPart = 1;

std::size_t page_size() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
std::size_t whole_pages(std::size_t size) { return (size + page_size() - 1) / page_size() * page_size(); }

int open_without_name() {
#ifdef MFD_CLOEXEC
    return memfd_create("mtls_authz", MFD_CLOEXEC);
#else
    return -1;
#endif
}

// Whether a file may become so large (ulimit -f, LimitFSIZE): beyond it, the signal would end the process.
bool may_grow_to(std::size_t size) {
    rlimit limit{};
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur);
}

}  // namespace

struct PolicyMemory::Part {
    std::atomic<std::uint64_t> serial;  // 0: nothing that could be used
    const Policy* policy;
    std::size_t used;
    char generation[kGeneration];
    char checksum[kDigest];
};

struct PolicyMemory::Header {
    std::atomic<std::uint64_t> serial;
    std::array<std::atomic<std::uint64_t>, kGeneration / sizeof(std::uint64_t)> generation;
    std::atomic<bool> is_filling;  // still, where the one that was has died
    std::array<Part, kParts> parts;
};

struct PolicyMemory::Lease {
    Lease(std::shared_ptr<PolicyMemory> m, std::size_t p, std::uint64_t e) : memory(std::move(m)), part(p), era(e) {}
    ~Lease() { memory->leave(part, era); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    const std::shared_ptr<PolicyMemory> memory;
    const std::size_t part;
    const std::uint64_t era;
};

std::shared_ptr<PolicyMemory> PolicyMemory::create(std::size_t capacity) {
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
    const std::size_t part = whole_pages(capacity);
    const std::size_t size = whole_pages(sizeof(Header)) + kParts * part;
    const int file = open_without_name();
    if (file < 0) return nullptr;
    // Memory of the file, since it takes nothing that is not used, however strict the system is. Where the file may not
    // grow it serves for locks alone, which need no content.
    const bool in_file = may_grow_to(size) && ftruncate(file, static_cast<off_t>(size)) == 0;
    const int kind = MAP_SHARED | MAP_NORESERVE | (in_file ? 0 : MAP_ANONYMOUS);
    void* const memory = mmap(nullptr, size, PROT_NONE, kind, in_file ? file : -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, whole_pages(sizeof(Header)), PROT_READ | PROT_WRITE) != 0) {
        if (memory != MAP_FAILED) munmap(memory, size);
        close(file);
        return nullptr;
    }
    new (memory) Header{};
    return std::make_shared<PolicyMemory>(Place{file, static_cast<char*>(memory), part});
}

void PolicyMemory::discard() {
    munmap(memory_, whole_pages(sizeof(Header)) + kParts * capacity_);
    close(file_);
}

PolicyMemory::Header& PolicyMemory::header() const { return *reinterpret_cast<Header*>(memory_); }

char* PolicyMemory::memory_of(std::size_t part) const {
    return memory_ + whole_pages(sizeof(Header)) + part * capacity_;
}

bool PolicyMemory::lock(std::size_t byte, int kind) const {
    struct flock wanted {};
    wanted.l_type = static_cast<short>(kind);
    wanted.l_whence = SEEK_SET;
    wanted.l_start = static_cast<off_t>(byte);
    wanted.l_len = 1;
    return fcntl(file_, F_SETLK, &wanted) == 0;
}

// In this process.
bool PolicyMemory::protect(std::size_t part, int rights) const {
    return mprotect(memory_of(part), capacity_, rights) == 0;
}

// Gives its memory back to the system, for all processes; afterwards this one can neither read nor write it.
void PolicyMemory::empty(std::size_t part) const {
#ifdef MADV_REMOVE
    if (protect(part, PROT_READ | PROT_WRITE)) madvise(memory_of(part), capacity_, MADV_REMOVE);
    protect(part, PROT_NONE);
#endif
    header().parts[part].used = 0;
}

std::uint64_t PolicyMemory::serial() const { return header().serial; }

std::string PolicyMemory::generation() const {
    std::string out(kGeneration, '\0');
    for (std::size_t i = 0; i < header().generation.size(); ++i) {
        const std::uint64_t word = header().generation[i];
        std::memcpy(out.data() + i * sizeof word, &word, sizeof word);
    }
    return out;
}

std::string PolicyMemory::checksum(const Part& record, std::size_t part) const {
    Sha256 digest;
    const auto address = reinterpret_cast<std::uintptr_t>(record.policy);
    digest.add({reinterpret_cast<const char*>(&address), sizeof address});
    digest.add({reinterpret_cast<const char*>(&record.used), sizeof record.used});
    digest.add({record.generation, kGeneration});
    digest.add({memory_of(part), record.used});
    return digest.finish();
}

std::string PolicyMemory::find_fault(const Part& record, std::size_t part) const {
    const char* const begin = memory_of(part);
    const auto* const at = reinterpret_cast<const char*>(record.policy);
    const bool inside = record.used <= capacity_ && record.used >= sizeof(Policy) && at >= begin &&
                        static_cast<std::size_t>(at - begin) <= record.used - sizeof(Policy);
    if (!inside || checksum(record, part) != std::string_view(record.checksum, kDigest)) {
        return "what the process that built it left there is damaged";
    }
    return {};
}

std::shared_ptr<const Policy> PolicyMemory::hold(std::size_t part) {
    ++holders_[part];
    auto lease = std::make_shared<Lease>(shared_from_this(), part, era_);
    const Policy* const policy = header().parts[part].policy;
    return {std::move(lease), policy};
}

PolicyMemory::Taken PolicyMemory::take() {
    constexpr int kTries = 1000;
    constexpr timespec kSoon = {0, 1'000'000};
    const std::lock_guard guard(mutex_);
    Taken out;
    for (int i = 0; i < kTries; ++i) {
        out = {serial(), generation(), nullptr, ""};
        std::size_t part = 0;
        while (part < kParts && (out.serial == 0 || header().parts[part].serial != out.serial)) ++part;
        if (part == kParts) {
            if (serial() == out.serial) return out;
            continue;
        }
        const bool is_held = holders_[part] > 0;
        // Whoever empties a part, or fills it anew, has it for itself: then this is no longer the one in force.
        if (!is_held && !lock(kFirstPart + part, F_RDLCK)) {
            nanosleep(&kSoon, nullptr);
            continue;
        }
        const Part& record = header().parts[part];
        const bool is_still = serial() == out.serial && record.serial == out.serial;
        const bool is_readable = is_held || protect(part, PROT_READ);
        if (is_still) out.fault = is_readable ? find_fault(record, part) : "the system does not let it be read";
        if (is_still && out.fault.empty()) {
            out.policy = hold(part);
            return out;
        }
        if (!is_held) {
            protect(part, PROT_NONE);
            lock(kFirstPart + part, F_UNLCK);
        }
        if (is_still) return out;
    }
    out.fault = "another process keeps it from being read";
    return out;
}

void PolicyMemory::leave(std::size_t part, std::uint64_t era) {
    const std::lock_guard guard(mutex_);
    if (era != era_ || --holders_[part] > 0) return;
    protect(part, PROT_NONE);
    const auto is_in_force = [&] { return header().parts[part].serial == serial(); };
    if (!is_in_force() && lock(kFirstPart + part, F_WRLCK) && !is_in_force()) empty(part);
    lock(kFirstPart + part, F_UNLCK);
}

PolicyMemory::Begun PolicyMemory::begin(std::shared_ptr<Filling>& out) {
    const std::lock_guard guard(mutex_);
    if (is_filling_ || !lock(kFiller, F_WRLCK)) return Begun::kBusy;
    const bool after_death = header().is_filling.exchange(true);
    std::size_t chosen = kParts;
    for (std::size_t part = 0; part < kParts; ++part) {
        Part& record = header().parts[part];
        const bool is_in_force = record.serial != 0 && record.serial == serial();
        if (is_in_force || holders_[part] > 0 || !lock(kFirstPart + part, F_WRLCK)) continue;
        // One that nobody holds may still be full: of a process that died.
        record.serial = 0;
        if (record.used > 0 || after_death) empty(part);
        if (chosen == kParts) {
            chosen = part;
        } else {
            lock(kFirstPart + part, F_UNLCK);
        }
    }
    is_filling_ = chosen < kParts && protect(chosen, PROT_READ | PROT_WRITE);
    if (!is_filling_) {
        if (chosen < kParts) lock(kFirstPart + chosen, F_UNLCK);
        header().is_filling = false;
        lock(kFiller, F_UNLCK);
        return Begun::kFull;
    }
    out = std::make_shared<Filling>(shared_from_this(), chosen, after_death);
    return Begun::kFilling;
}

void PolicyMemory::end_filling(std::size_t part, bool is_published) {
    const std::lock_guard guard(mutex_);
    if (!is_published) {
        protect(part, PROT_NONE);
        empty(part);
        lock(kFirstPart + part, F_UNLCK);
    }
    is_filling_ = false;
    header().is_filling = false;
    lock(kFiller, F_UNLCK);
}

pid_t PolicyMemory::find_holder_of_old() const {
    for (std::size_t part = 0; part < kParts; ++part) {
        const std::uint64_t serial = header().parts[part].serial;
        if (serial == 0 || serial == this->serial()) continue;
        struct flock found {};
        found.l_type = F_WRLCK;
        found.l_whence = SEEK_SET;
        found.l_start = static_cast<off_t>(kFirstPart + part);
        found.l_len = 1;
        if (fcntl(file_, F_GETLK, &found) == 0 && found.l_type != F_UNLCK) return found.l_pid;
    }
    return 0;
}

void PolicyMemory::let_go() {
    const std::lock_guard guard(mutex_);
    ++era_;
    for (std::size_t part = 0; part < kParts; ++part) {
        if (holders_[part] > 0) lock(kFirstPart + part, F_UNLCK);
        holders_[part] = 0;
    }
}

void PolicyMemory::after_fork() {
    const std::lock_guard guard(mutex_);
    ++era_;
    is_filling_ = false;
    for (std::size_t part = 0; part < kParts; ++part) {
        holders_[part] = 0;
        protect(part, PROT_NONE);
    }
}

// ---- filling --------------------------------------------------------------------------------------------------

PolicyMemory::Filling::Filling(std::shared_ptr<PolicyMemory> memory, std::size_t part, bool after_death)
    : memory_(std::move(memory)),
      part_(part),
      after_death_(after_death),
      arena_(std::span(memory_->memory_of(part), memory_->capacity_)) {}

PolicyMemory::Filling::~Filling() { memory_->end_filling(part_, is_published_); }

PolicyMemory::Taken PolicyMemory::Filling::publish(const Policy& policy) {
    const std::lock_guard guard(memory_->mutex_);
    Part& record = memory_->header().parts[part_];
    record.policy = &policy;
    record.used = arena_.used();
    policy.generation().copy(record.generation, kGeneration);
    memory_->checksum(record, part_).copy(record.checksum, kDigest);
    memory_->protect(part_, PROT_READ);
    Header& header = memory_->header();
    for (std::size_t i = 0; i < header.generation.size(); ++i) {
        std::uint64_t word = 0;
        std::memcpy(&word, policy.generation().data() + i * sizeof word, sizeof word);
        header.generation[i] = word;
    }
    const std::uint64_t serial = header.serial + 1;
    record.serial = serial;
    header.serial = serial;
    memory_->lock(kFirstPart + part_, F_RDLCK);
    is_published_ = true;
    return {serial, std::string(policy.generation()), memory_->hold(part_), ""};
}

}  // namespace mtls
