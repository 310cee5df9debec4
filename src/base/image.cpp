#include "mtls_authz/base/image.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace mtls {

const char* name_of(Watched kind) {
    switch (kind) {
        case Watched::kRefusals:
            return "revocations";
        case Watched::kCrls:
            return "CRLs";
        case Watched::kPolicy:
            break;
    }
    return "policy";
}

namespace {

constexpr std::array<char, 8> kMagic = {'m', 't', 'l', 's', 'i', 'm', 'g', '\n'};

struct Head {
    std::array<char, 8> magic = kMagic;
    std::uint64_t layout = 0;
    std::uint64_t kind = 0;
    std::uint64_t size = 0;  // of the whole image, including this header
    std::uint64_t root = 0;  // offset of the root value
};

// Address space reserved while an image is written: kMostReserved if the system allows it, at least kLeastReserved.
constexpr std::size_t kMostReserved = std::size_t{1} << (sizeof(void*) > 4 ? 32 : 28);
constexpr std::size_t kLeastReserved = std::size_t{1} << 20;

// The limit on file sizes (ulimit -f), which the kernel also applies to a memfd: a larger one would raise SIGXFSZ and
// end the process.
std::size_t largest_file() {
    rlimit limit{};
    const bool is_less = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < kMostReserved;
    return is_less ? static_cast<std::size_t>(limit.rlim_cur) : kMostReserved;
}

}  // namespace

// ---- reading --------------------------------------------------------------------------------------------------------

Result<std::shared_ptr<const Image>> Image::open(int file, Watched kind) {
    const auto refuse = [file](const char* why) {
        close(file);
        return Error{why};
    };
    struct stat info {};
    if (fstat(file, &info) != 0 || !is_sealed(file)) return refuse("it is not sealed");
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size < sizeof(Head)) return refuse("it is too small");
    void* const memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return refuse("there is no address space for it (ulimit -v)");
    Head head;
    std::memcpy(&head, memory, sizeof head);
    // Owns the mapping from here on, so that every error below unmaps it.
    std::shared_ptr<const Image> image(
        new Image(file, {static_cast<const char*>(memory), size}, static_cast<std::size_t>(head.root)));
    if (head.magic != kMagic || head.layout != layout_id()) return Error{"another version of the module made it"};
    if (head.kind != static_cast<std::uint64_t>(kind) || head.size != size || head.root > size) {
        return Error{"it is damaged"};
    }
    return image;
}

Image::~Image() {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): as mmap() returned it
    munmap(const_cast<char*>(memory_.data()), memory_.size());
    close(file_);
}

// ---- writing --------------------------------------------------------------------------------------------------------

std::unique_ptr<ImageWriter> ImageWriter::create() {
    auto file = UnsealedFile::create();
    if (!file) return nullptr;
    // Reserved address space takes no memory until the file backs it.
    for (std::size_t size = kMostReserved; size >= kLeastReserved; size /= 2) {
        void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | kNoReserve, file->get(), 0);
        if (memory == MAP_FAILED) continue;
        return std::unique_ptr<ImageWriter>(new ImageWriter(std::move(*file), {static_cast<char*>(memory), size}));
    }
    errno = ENOMEM;
    return nullptr;
}

ImageWriter::ImageWriter(UnsealedFile file, std::span<char> memory)
    : file_(std::move(file)), memory_(memory), arena_(memory, [this](std::size_t least) { return grow(least); }) {
    arena_.skip(sizeof(Head));
}

ImageWriter::~ImageWriter() {
    if (!memory_.empty()) munmap(memory_.data(), memory_.size());
}

// Extends the file by at least `least` bytes; returns by how many, or 0. The step grows with the file.
std::size_t ImageWriter::grow(std::size_t least) {
    constexpr std::size_t kSmallestStep = std::size_t{1} << 16;
    constexpr std::size_t kLargestStep = std::size_t{1} << 24;
    const std::size_t most = std::min(memory_.size(), largest_file());
    if (most < backed_ || least > most - backed_) return 0;
    const std::size_t step =
        std::min(std::max(least, std::clamp(backed_ / 4, kSmallestStep, kLargestStep)), most - backed_);
    if (!file_.extend(backed_, step)) return 0;
    backed_ += step;
    return step;
}

Result<std::shared_ptr<const Image>> ImageWriter::finish(Watched kind, const void* root) {
    Head head;
    head.layout = layout_id();
    head.kind = static_cast<std::uint64_t>(kind);
    head.size = arena_.used();
    head.root = static_cast<std::size_t>(static_cast<const char*>(root) - memory_.data());
    std::memcpy(memory_.data(), &head, sizeof head);
    // F_SEAL_WRITE fails while a writable mapping exists.
    munmap(memory_.data(), memory_.size());
    memory_ = {};
    OwnedFile sealed = std::move(file_).seal(static_cast<std::size_t>(head.size));
    if (sealed.get() < 0) return Error{std::string("its memory cannot be sealed (") + std::strerror(errno) + ")"};
    return Image::open(sealed.release(), kind);
}

}  // namespace mtls
