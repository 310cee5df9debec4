#include "mtls_authz/base/image.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace mtls {

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

#ifdef F_ADD_SEALS
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
#endif

// A memfd, or, on systems without it, a private file that is unlinked at once.
int open_without_name() {
#ifdef MFD_ALLOW_SEALING
    return memfd_create("mtls_authz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
#else
    char name[] = "/tmp/mtls_authz.XXXXXX";
    const int file = mkostemp(name, O_CLOEXEC);
    if (file >= 0) unlink(name);
    return file;
#endif
}

bool seal([[maybe_unused]] int file) {
#ifdef F_ADD_SEALS
    return fcntl(file, F_ADD_SEALS, kSeals) == 0;
#else
    return true;
#endif
}

bool is_sealed([[maybe_unused]] int file) {
#ifdef F_ADD_SEALS
    return fcntl(file, F_GET_SEALS) == kSeals;
#else
    return true;
#endif
}

// The limit on file sizes (ulimit -f), which the kernel also applies to a memfd: a larger one would raise SIGXFSZ and
// end the process.
std::size_t largest_file() {
    rlimit limit{};
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < kMostReserved ? limit.rlim_cur : kMostReserved;
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
    std::shared_ptr<const Image> image(new Image(file, {static_cast<const char*>(memory), size}, head.root));
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
    const int file = open_without_name();
    if (file < 0) return nullptr;
    // Reserved address space takes no memory until the file backs it.
    for (std::size_t size = kMostReserved; size >= kLeastReserved; size /= 2) {
        void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
        if (memory == MAP_FAILED) continue;
        return std::unique_ptr<ImageWriter>(new ImageWriter(file, {static_cast<char*>(memory), size}));
    }
    close(file);
    errno = ENOMEM;
    return nullptr;
}

ImageWriter::ImageWriter(int file, std::span<char> memory)
    : file_(file), memory_(memory), arena_(memory, [this](std::size_t least) { return grow(least); }) {
    arena_.skip(sizeof(Head));
}

ImageWriter::~ImageWriter() {
    if (!memory_.empty()) munmap(memory_.data(), memory_.size());
    if (file_ >= 0) close(file_);
}

// Extends the file by at least `least` bytes; returns by how many, or 0. The step grows with the file.
std::size_t ImageWriter::grow(std::size_t least) {
    constexpr std::size_t kSmallestStep = std::size_t{1} << 16;
    constexpr std::size_t kLargestStep = std::size_t{1} << 24;
    const std::size_t most = std::min(memory_.size(), largest_file());
    if (most < backed_ || least > most - backed_) return 0;
    const std::size_t step =
        std::min(std::max(least, std::clamp(backed_ / 4, kSmallestStep, kLargestStep)), most - backed_);
    // Not ftruncate() alone: it does not allocate, and writing a page without memory raises SIGBUS.
    if (posix_fallocate(file_, static_cast<off_t>(backed_), static_cast<off_t>(step)) != 0) return 0;
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
    if (ftruncate(file_, static_cast<off_t>(head.size)) != 0 || !seal(file_)) {
        return Error{std::string("its memory cannot be sealed (") + std::strerror(errno) + ")"};
    }
    return Image::open(std::exchange(file_, -1), kind);
}

}  // namespace mtls
