#include "mtls_authz/keeper/live_policy.hpp"

#include <cerrno>
#include <ctime>
#include <new>
#include <stdexcept>
#include <utility>

namespace mtls {

// What every process but the keeper does: taking the images that are in force.

namespace {

template <class T>
std::shared_ptr<const T> value_of(const std::shared_ptr<const Image>& image) {
    auto out = Image::root<T>(image);
    if (out == nullptr) throw std::runtime_error("it is damaged");
    return out;
}

}  // namespace

std::vector<Diagnostic> LivePolicy::join(bool asks) {
    if (board_ == nullptr) return {};
    shelf_.become_reader();
    drop_policy();
    if (asks) asked_ = ++board_->asked;
    is_new_ = asks;
    serials_ = {};
    images_ = {};
    seen_changes_ = UINT64_MAX;
    return follow();
}

// Read `answered` before the shelf, so that the images are at least as new as the answer. If one image is unusable, use
// none: the old policy may let in a partner that the new one refuses.
std::vector<Diagnostic> LivePolicy::follow() {
    std::vector<Diagnostic> findings;
    const std::unique_lock lock(following_, std::try_to_lock);
    if (!lock || board_ == nullptr) return findings;
    const bool is_answered = is_new_ && board_->answered >= asked_;
    const std::uint64_t least = board_->least_publisher;
    auto shelf = shelf_.look();
    if (!shelf) return findings;  // until the shelf has images, each request retries
    if (shelf->publisher < least) {
        refuse_until_published(least, findings);
        return findings;
    }
    const auto before = serials_;
    bool is_whole = true;
    for (const Watched kind : {Watched::kRefusals, Watched::kPolicy, Watched::kCrls}) {
        const std::size_t i = index_of(kind);
        const bool is_same = shelf->serials[i] == serials_[i];
        is_whole = is_whole && (is_same || take(kind, *shelf, findings) == Taken::kYes);
    }
    if (!is_whole) {
        drop_policy();
        serials_[index_of(Watched::kPolicy)] = 0;
        return findings;
    }
    seen_publisher_ = shelf->publisher;
    if (is_answered) is_new_ = false;
    if (serials_ != before || is_answered) publish();
    if (!is_new_) seen_changes_ = shelf->serial;
    return findings;
}

// What is on the shelf does not count any more. It comes from a keeper that was stopped over a restart, whose successor
// puts that right; or a restart could not put there what it read, and what this process has is as old.
void LivePolicy::refuse_until_published(std::uint64_t least, std::vector<Diagnostic>& findings) {
    if (is_new_ || seen_publisher_ >= least || !policy()) return;
    drop_policy();
    serials_[index_of(Watched::kPolicy)] = 0;
    findings.push_back({Diagnostic::Severity::kError,
                        {},
                        "what is in force since the restart is not handed out yet: this process refuses everything "
                        "until it is"});
}

// Each image that cannot be used is reported once. kLacking: it can be once there are descriptors or memory.
LivePolicy::Taken LivePolicy::take(Watched kind, ShelfContents& shelf, std::vector<Diagnostic>& findings) {
    const std::uint64_t serial = shelf.serials[index_of(kind)];
    const auto fail = [&](const char* why, Taken as) {
        if (std::exchange(faulty_[index_of(kind)], serial) == serial) return as;
        findings.push_back({Diagnostic::Severity::kError,
                            {},
                            std::string("the ") + name_of(kind) + " in force cannot be used (" + why +
                                "): this process refuses everything until it can, or others are in force"});
        return as;
    };
    try {
        std::shared_ptr<const Image> image;
        if (serial != 0) {
            if (shelf.files[index_of(kind)].get() < 0) return fail("no descriptor is free: ulimit -n", Taken::kLacking);
            errno = 0;
            auto opened = Image::open(shelf.files[index_of(kind)].release(), kind);
            const bool is_lacking = errno == ENOMEM || errno == EAGAIN || errno == ENFILE;  // of mmap()
            if (!opened.ok()) return fail(opened.error().c_str(), is_lacking ? Taken::kLacking : Taken::kUnusable);
            image = std::move(opened.value());
        }
        take_image(kind, std::move(image));
        serials_[index_of(kind)] = serial;
        return Taken::kYes;
    } catch (const std::bad_alloc& e) {
        return fail(e.what(), Taken::kLacking);
    } catch (const std::exception& e) {
        return fail(e.what(), Taken::kUnusable);
    }
}

// `image` null: there is none. Without a policy image this process has no policy and denies.
void LivePolicy::take_image(Watched kind, std::shared_ptr<const Image> image) {
    switch (kind) {
        case Watched::kRefusals: {
            if (image == nullptr) return;
            revocation_files_.take(value_of<Refusals>(image), image);
            const std::lock_guard lock(mutex_);
            refusals_ = revocation_files_.refusals();
            return;
        }
        case Watched::kCrls: {
            if (image == nullptr) return;
            crl_files_.take(value_of<CrlRecords>(image), image, known_cas(policy()));
            const std::lock_guard lock(mutex_);
            crls_ = crl_files_.crls();
            return;
        }
        case Watched::kPolicy:
            break;
    }
    if (image == nullptr) return drop_policy();
    auto policy = value_of<Policy>(image);
    source_.follow(policy, std::move(image));
    put_in_force(policy);
    if (board_ != nullptr) in_force_since_ = board_->in_force_since.load();
    crl_files_.crls()->verify_signers(known_cas(policy));
}

void LivePolicy::stop_following() {
    constexpr int kTries = 300;
    constexpr timespec kSoon = {0, 10'000'000};
    for (int i = 0; i < kTries && !following_.try_lock(); ++i) nanosleep(&kSoon, nullptr);
}

}  // namespace mtls
