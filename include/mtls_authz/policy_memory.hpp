// Where the processes of one server have their policy in common: memory without a name, mapped before they are forked,
// so that it is at one address in all of them. One process at a time fills a part of it; each checks what it finds
// before it uses it, and holds the part for as long as it does. Nobody waits, and whoever dies lets go: the locks are
// the kernel's (fcntl).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "mtls_authz/arena.hpp"

namespace mtls {

class Policy;

class PolicyMemory : public std::enable_shared_from_this<PolicyMemory> {
public:
    // The one in force, the next, and those that somebody still decides by.
    static constexpr std::size_t kParts = 16;

    // Null where it cannot be had. `capacity`: bytes of the largest policy; of all parts, only what is filled is used.
    // The process keeps it until discard(), also where this object is gone.
    static std::shared_ptr<PolicyMemory> create(std::size_t capacity);
    void discard();

    // Where it lies, in all processes; to find it again after a restart.
    struct Place {
        int file = -1;
        char* memory = nullptr;
        std::size_t capacity = 0;
    };
    Place place() const { return {file_, memory_, capacity_}; }
    explicit PolicyMemory(const Place& place) : file_(place.file), memory_(place.memory), capacity_(place.capacity) {}
    std::size_t capacity() const { return capacity_; }
    PolicyMemory(const PolicyMemory&) = delete;
    PolicyMemory& operator=(const PolicyMemory&) = delete;

    // Counts what came into force, from 1; 0: nothing yet.
    std::uint64_t serial() const;

    // What is in force.
    struct Taken {
        std::uint64_t serial = 0;
        std::string generation;
        std::shared_ptr<const Policy> policy;  // holds its part
        std::string fault;                     // why it cannot be used
    };
    Taken take();

    // A part that is being filled; given back unless published.
    class Filling {
    public:
        Filling(std::shared_ptr<PolicyMemory> memory, std::size_t part, bool after_death);
        ~Filling();
        Filling(const Filling&) = delete;
        Filling& operator=(const Filling&) = delete;

        Arena& arena() { return arena_; }
        std::size_t capacity() const { return memory_->capacity_; }
        // Whether the process that filled one before ended in the middle of it.
        bool after_death() const { return after_death_; }
        // Puts what was built in arena() into force for all processes. It is read-only from then on.
        Taken publish(const Policy& policy);

    private:
        std::shared_ptr<PolicyMemory> memory_;
        std::size_t part_;
        bool after_death_;
        bool is_published_ = false;
        Arena arena_;
    };
    enum class Begun { kFilling, kBusy, kFull };
    // kBusy: another process is at it. kFull: no part can be had, since somebody decides by each.
    Begun begin(std::shared_ptr<Filling>& out);

    // A process that holds a part that is in force no longer; 0: there is none.
    pid_t find_holder_of_old() const;

    // In a process that was forked just now: forgets what its parent held. And in the parent: lets go of everything,
    // and only ever looks at it until the next fork.
    void after_fork();
    void let_go();

private:
    struct Part;
    struct Header;
    struct Lease;
    char* memory_of(std::size_t part) const;
    Header& header() const;
    bool lock(std::size_t byte, int kind) const;
    bool protect(std::size_t part, int rights) const;
    void empty(std::size_t part) const;
    std::string checksum(const Part& record, std::size_t part) const;
    std::string find_fault(const Part& record, std::size_t part) const;
    std::shared_ptr<const Policy> hold(std::size_t part);
    void leave(std::size_t part, std::uint64_t era);
    void end_filling(std::size_t part, bool is_published);
    std::string generation() const;

    const int file_;
    char* const memory_;
    const std::size_t capacity_;
    std::mutex mutex_;                           // of what follows, and of this process's locks
    std::array<std::size_t, kParts> holders_{};  // in this process
    std::uint64_t era_ = 0;                      // changes with each fork
    bool is_filling_ = false;
};

}  // namespace mtls
