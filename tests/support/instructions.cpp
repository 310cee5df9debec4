
#include "instructions.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>

#include "httpd_server.hpp"

namespace test {

InstructionCounter::InstructionCounter(std::string folder) : folder_(std::move(folder)) {
    if (geteuid() == 0) run_command({"chown", "-R", "nobody", folder_}, "");
}

std::vector<std::string> InstructionCounter::wrapper(const std::string& part_begins) const {
    // Blocks cost more or less with how the heap happens to lie. So small ones come from a thread's cache, and larger
    // ones are mapped, each by itself, unless the heap has a hole for them.
    std::vector<std::string> words = {"env", "MALLOC_MMAP_THRESHOLD_=4096",
                                      "GLIBC_TUNABLES=glibc.malloc.tcache_count=1000"};
    if (geteuid() == 0) {
        const bool debian = std::filesystem::exists("/etc/debian_version");
        words.insert(words.end(),
                     {"setpriv", "--reuid=nobody", debian ? "--regid=nogroup" : "--regid=nobody", "--clear-groups"});
    }
    words.insert(words.end(), {"valgrind", "--tool=callgrind", "--separate-threads=yes",
                               "--callgrind-out-file=" + folder_ + "/callgrind.out"});
    if (!part_begins.empty()) words.push_back("--dump-before=" + part_begins);
    return words;
}

std::vector<std::string> InstructionCounter::wrapper_within(const std::string& function) const {
    std::vector<std::string> words = wrapper("");
    words.push_back("--toggle-collect=" + function);
    return words;
}

std::vector<std::uint64_t> InstructionCounter::sums(const std::string& by) const {
    std::map<unsigned long, std::uint64_t> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        if (!entry.path().filename().string().starts_with("callgrind.out")) continue;
        std::ifstream in(entry.path());
        unsigned long number = 0;
        for (std::string line; std::getline(in, line);) {
            if (line.starts_with(by)) number = std::strtoul(line.c_str() + by.size(), nullptr, 10);
            if (line.starts_with("totals: ")) found[number] += std::strtoull(line.c_str() + 8, nullptr, 10);
        }
    }
    std::vector<std::uint64_t> out;
    for (const auto& [number, total] : found) out.push_back(total);
    if (out.empty()) throw std::runtime_error("callgrind wrote no counts to " + folder_);
    return out;
}

namespace {

std::vector<std::uint64_t> sorted(const std::vector<std::uint64_t>& parts, std::size_t count, std::size_t after) {
    if (count == 0 || parts.size() < count + after) throw std::runtime_error("callgrind wrote too few counts");
    const auto end = parts.end() - static_cast<std::ptrdiff_t>(after);
    std::vector<std::uint64_t> out(end - static_cast<std::ptrdiff_t>(count), end);
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace

long InstructionCounter::median(const std::vector<std::uint64_t>& parts, std::size_t count, std::size_t after) {
    return static_cast<long>(sorted(parts, count, after)[count / 2]);
}

long InstructionCounter::least(const std::vector<std::uint64_t>& parts, std::size_t count, std::size_t after) {
    return static_cast<long>(sorted(parts, count, after).front());
}

}  // namespace test
