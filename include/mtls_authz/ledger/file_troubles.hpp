// Faults of policy and revocation files. The keeper finds them; events and the status page report them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/base/shared_record.hpp"

namespace mtls {

// In the sentence about a source of refusals that is gone.
constexpr std::string_view kGoneSince = " is gone, empty or unreadable since ";

struct FileTroubles {
    struct Refused {
        std::string content;  // digest of the refused files
        std::vector<std::string> findings;
        std::string consequence;
        bool operator==(const Refused&) const = default;
    };
    std::optional<Refused> policy = {};
    std::map<std::string, std::int64_t> gone = {};  // sources of refusals that are gone, with the time each vanished
    std::vector<std::string> bad_lines = {};        // of existing sources: "FILE:LINE: error: ..."

    bool operator==(const FileTroubles&) const = default;
    // A sentence each: what does not count of the files.
    std::vector<std::string> sentences() const;
};

// FileTroubles in shared memory: the first kShown of each kind, texts truncated, and the full counts. Only the keeper
// writes.
class SharedFileTroubles {
public:
    void put(const FileTroubles& troubles);
    void clear() noexcept;
    // Without Refused::content.
    FileTroubles get() const;
    // The full counts, beyond kShown.
    std::size_t gone() const noexcept { return gone_; }
    std::size_t bad_lines() const noexcept { return bad_; }

private:
    static constexpr std::size_t kShown = 8;  // of each kind
    struct Texts {
        std::uint32_t count = 0;
        std::array<FixedText<480>, kShown> texts;
    };
    struct Refused {
        bool is_refused = false;
        Texts findings;
        FixedText<240> consequence;
    };
    struct Gone {
        Texts sources;
        std::array<std::int64_t, kShown> since{};
    };
    static Texts texts_of(const std::vector<std::string>& texts);

    SharedRecord<Refused> policy_;
    SharedRecord<Gone> gone_sources_;
    SharedRecord<Texts> bad_lines_;
    std::atomic<std::size_t> gone_{0};
    std::atomic<std::size_t> bad_{0};
};

}  // namespace mtls
