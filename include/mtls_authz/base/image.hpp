// What the keeper hands out: a value with all that it points to (relative.hpp), in a file without a name that the
// kernel has sealed. It is written once, and mapped read only by each process that uses it, so that all have one copy.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "mtls_authz/base/arena.hpp"
#include "mtls_authz/base/relative.hpp"
#include "mtls_authz/base/result.hpp"
#include "mtls_authz/system/sealed_file.hpp"

namespace mtls {

// What the keeper looks at, each by a thread of its own: a file system that hangs holds up none of the others. Of each
// there is an image.
enum class Watched { kRefusals, kCrls, kPolicy };
constexpr std::size_t kWatched = 3;

// Tells the code that this was built from, and with, from any other: images and shared memory are read by the same
// alone.
std::uint64_t layout_id();

class Image {
public:
    // Maps what an ImageWriter has finished; takes over `file`. The error says why it cannot be used.
    static Result<std::shared_ptr<const Image>> open(int file, Watched kind);
    ~Image();
    Image(const Image&) = delete;
    Image& operator=(const Image&) = delete;

    int file() const { return file_; }
    std::size_t size() const { return memory_.size(); }

    // What lies in it; null where something that it points to lies elsewhere. Holds the image.
    template <class T>
    static std::shared_ptr<const T> root(const std::shared_ptr<const Image>& image) {
        const Bounds bounds(image->memory_);
        const void* const at = image->memory_.data() + image->root_;
        const auto* const value = static_cast<const T*>(at);
        if (!bounds.hold(at, sizeof(T), alignof(T)) || !value->lies_in(bounds)) return nullptr;
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
    // Null where it cannot be had; errno says why.
    static std::unique_ptr<ImageWriter> create();
    ~ImageWriter();
    ImageWriter(const ImageWriter&) = delete;
    ImageWriter& operator=(const ImageWriter&) = delete;

    Arena& arena() { return arena_; }
    // Once, with what was written in arena().
    Result<std::shared_ptr<const Image>> finish(Watched kind, const void* root);

private:
    ImageWriter(UnsealedFile file, std::span<char> memory);
    std::size_t grow(std::size_t least);

    UnsealedFile file_;
    std::span<char> memory_;  // reserved
    std::size_t backed_ = 0;  // from its beginning, by the file
    Arena arena_;
};

// A value that was made in an image, or on the heap of this process.
template <class T>
struct MadeImage {
    std::shared_ptr<const T> value;      // null: see fault
    std::shared_ptr<const Image> image;  // null: on the heap
    std::string fault;                   // why there is no room for it; where empty, `make` had nothing
};

// `make(Arena&)` returns where it has put a T in there, or null.
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
