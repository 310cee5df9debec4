// An image: a value with everything that it points to (relative.hpp), in an unnamed file that the kernel has sealed.
// The keeper writes it once; each process maps it read-only, so that all processes share one copy.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/base/relative.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/system/sealed_file.hpp"

namespace mtls {

// The kinds of sources that the keeper polls. Each has its own thread, so that a hanging file system delays only one
// kind, and its own image.
enum class Watched { kRefusals, kCrls, kPolicy };
constexpr std::size_t kWatched = 3;
constexpr std::size_t index_of(Watched kind) { return static_cast<std::size_t>(kind); }
const char* name_of(Watched kind);  // in messages

// Identifies the code and the layout of this build: only the build that wrote an image, the KeeperBoard or a message of
// the live socket reads it. The Ledger has a version of its own, so that counters survive an upgrade.
std::uint64_t layout_id();

class Image {
public:
    // Maps a file that ImageWriter::finish() made; takes ownership of `file`. The error says why it cannot be used.
    static Result<std::shared_ptr<const Image>> open(int file, Watched kind);
    ~Image();
    Image(const Image&) = delete;
    Image& operator=(const Image&) = delete;

    int file() const { return file_; }
    std::size_t size() const { return memory_.size(); }

    // The root value; null if it or anything that it points to is outside of the image. Shares ownership of the image.
    template <class T>
    static std::shared_ptr<const T> root(const std::shared_ptr<const Image>& image) {
        const Bounds bounds(image->memory_);
        const void* const at = image->memory_.data() + image->root_;
        const auto* const value = static_cast<const T*>(at);
        if (!bounds.hold(at, sizeof(T), alignof(T)) || !value->is_inside(bounds)) return nullptr;
        return {image, value};
    }

private:
    Image(int file, std::span<const char> memory, std::size_t root) : file_(file), memory_(memory), root_(root) {}
    friend class ImageWriter;

    int file_;
    std::span<const char> memory_;
    std::size_t root_;
};

class ImageWriter {
public:
    // Null on failure, with errno set.
    static std::unique_ptr<ImageWriter> create();
    ~ImageWriter();
    ImageWriter(const ImageWriter&) = delete;
    ImageWriter& operator=(const ImageWriter&) = delete;

    Arena& arena() { return arena_; }
    // Seals the image and opens it. Call once, after the last allocation in arena().
    Result<std::shared_ptr<const Image>> finish(Watched kind, const void* root);

private:
    ImageWriter(UnsealedFile file, std::span<char> memory);
    std::size_t grow(std::size_t least);

    UnsealedFile file_;
    std::span<char> memory_;  // the reserved address space
    std::size_t backed_ = 0;  // bytes from its beginning that the file backs
    Arena arena_;
};

// A value allocated in an image, or on the heap of this process.
template <class T>
struct MadeImage {
    std::shared_ptr<const T> value;      // null: see `fault`
    std::shared_ptr<const Image> image;  // null: on the heap
    std::string fault;  // why there was no memory for it; empty while `value` is null: `make` returned null
};

// `make(Arena&)` returns a T that it allocated in the arena, or null.
template <class T, class Make>
MadeImage<T> make_image(bool is_shared, Watched kind, Make&& make) {
    if (!is_shared) {
        auto arena = std::make_shared<Arena>();
        const T* const value = make(*arena);
        return {value != nullptr ? std::shared_ptr<const T>(std::move(arena), value) : nullptr, nullptr, {}};
    }
    const auto writer = ImageWriter::create();
    if (writer == nullptr) return {nullptr, nullptr, "no memory that processes share can be had"};
    try {
        const T* const value = make(writer->arena());
        if (value == nullptr) return {};
        auto image = writer->finish(kind, value);
        if (!image.ok()) return {nullptr, nullptr, image.error()};
        return {Image::root<T>(image.value()), image.value(), {}};
    } catch (const Arena::Full&) {
        return {nullptr, nullptr,
                "it takes more than " + std::to_string(writer->arena().used() >> 10) +
                    " KiB, and there is no room for more: let the server have more memory (ulimit -v, ulimit -f)"};
    }
}

}  // namespace mtls
