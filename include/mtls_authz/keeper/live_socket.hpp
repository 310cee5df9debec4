// The Unix socket through which `mtls-authz --live` reads a running server. To each peer that sends a
// fixed greeting the keeper passes sealed files: the images, and the gates of httpd.conf as text. It reads nothing else
// of what a peer sends.
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

// What a server answers.
struct LiveAnswer {
    std::array<std::uint64_t, kWatched> serials{};  // 0: there is no such image
    std::array<OwnedFile, kWatched> images;
    OwnedFile gates;                  // as read_sealed_text() reads it
    std::int64_t in_force_since = 0;  // of the policy, in seconds since the epoch
};

// ---- the tool -------------------------------------------------------------------------------------------------------

// Asks the server that listens at `path`; waits five seconds at most for each step. Refuses what neither root nor this
// process's own user has made, and a server whose module is of another build than this code. The error is a sentence
// for people.
Result<LiveAnswer> ask_live_server(const std::string& path);

// The text that make_sealed_text() has put there; an error where the file is not sealed.
Result<std::string> read_sealed_text(int file);

// ---- the server -----------------------------------------------------------------------------------------------------

// Makes a sealed file that holds this text.
Result<OwnedFile> make_sealed_text(std::string_view text);

// Listens at `path`; only `user` and root may connect (mode 0600). Replaces a socket that no process listens at; fails
// where a server still listens, or another kind of file has that name. Call it in the parent: the kernel shows a
// client the user who called listen(), and the tool believes root and its own user alone.
Result<OwnedFile> listen_live(const std::string& path, uid_t user);

// What the keeper does at that socket, in a thread of its own. Nothing that a peer does makes it wait: there are at
// most kMostPeers at a time of each user, none may be silent for longer than kLongestSilence, and files are sent to a
// peer only while fewer than kMostUnread of its user have not been taken (the kernel counts those that are under way
// against the limit of open files).
class LiveDesk {
public:
    static constexpr std::size_t kMostPeers = 16;
    static constexpr std::size_t kMostUnread = 8;
    static constexpr std::chrono::seconds kLongestSilence{1};

    // `look`: returns what is in force. It is called once for each answer.
    LiveDesk(uid_t run_user, std::function<LiveAnswer()> look) : run_user_(run_user), look_(std::move(look)) {}

    // Waits for something to do, and does it. `also`: one more descriptor to wait for; returns whether it can be read.
    bool turn(int listener, int also);

private:
    using Clock = std::chrono::steady_clock;
    struct Peer {
        OwnedFile socket;
        uid_t user = 0;
        Clock::time_point since;
        bool is_answered = false;  // and has not taken it yet
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
