// The Unix socket through which `mtls-authz --live` reads a running server. A peer sends a fixed
// greeting; the keeper replies with sealed files: the images, and the gates of httpd.conf as text. No other input is
// read.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/keeper/image_shelf.hpp"

namespace mtls {

// A server's reply.
struct LiveAnswer {
    std::array<std::uint64_t, kWatched> serials{};  // 0: the server has no such image
    std::array<OwnedFile, kWatched> images;
    OwnedFile gates;                  // for read_sealed_text()
    std::int64_t in_force_since = 0;  // of the policy, in seconds since the epoch
    std::string not_in_force;         // what the server does not count of its files: lines for people, cut at 4 kB
};

// ---- the tool -------------------------------------------------------------------------------------------------------

// Asks the server that listens at `path`; waits at most 5 s for each step. Refuses a server that was started by a user
// other than root and this process's user, and one whose module has another layout than this code. The error is a
// sentence for people.
Result<LiveAnswer> ask_live_server(const std::string& path);

// Reads the text of make_sealed_text(); an error if the file is not sealed.
Result<std::string> read_sealed_text(int file);

// ---- the server -----------------------------------------------------------------------------------------------------

// Makes a sealed file (system/sealed_file.hpp) with this text.
Result<OwnedFile> make_sealed_text(std::string_view text);

// Listens at `path`; only `user` and root may connect (mode 0600). Replaces a stale socket; fails if a server still
// listens there, or if the path is another kind of file. Call it in the parent: the kernel shows a client the user
// that called listen(), and the tool trusts root and its own user only.
Result<OwnedFile> listen_live(const std::string& path, uid_t user);

// The keeper's side of the socket; runs in its own thread and never blocks on a peer. Limits: kMostPeers waiting peers
// per user, kLongestSilence without a greeting, and kMostUnread answered peers per user that have not read their files,
// since the kernel counts files in transit against the limit of open files.
class LiveSocketServer {
public:
    static constexpr std::size_t kMostPeers = 16;
    static constexpr std::size_t kMostUnread = 8;
    static constexpr std::chrono::seconds kLongestSilence{1};

    // `look`: returns the current images. Called once for each reply.
    LiveSocketServer(uid_t run_user, std::function<LiveAnswer()> look) : run_user_(run_user), look_(std::move(look)) {}

    // Waits for an event and handles it. `also`: one more descriptor to wait for; returns whether it is readable.
    bool turn(int listener, int also);

private:
    using Clock = std::chrono::steady_clock;
    struct Peer {
        OwnedFile socket;
        uid_t user = 0;
        Clock::time_point since;
        bool is_answered = false;  // answered, but the reply is not read yet
        bool stays = true;
    };

    void welcome(int listener);
    bool attend(Peer& peer, short events) const;
    bool answer(Peer& peer) const;
    std::size_t count(uid_t user, bool answered) const;

    uid_t run_user_;
    std::function<LiveAnswer()> look_;
    std::vector<Peer> peers_;
};

}  // namespace mtls
