// Asks servers, within limits: for files that may have changed, and with a question in the body.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "address.hpp"
#include "mtls_authz/base/openssl_types.hpp"

namespace mtls::tool {

struct ClientOptions {
    ReachableNetworks networks{{}};
    std::string proxy;   // a URL; empty: none, whatever the environment says
    std::string web_ca;  // CAs of https servers, PEM; empty: those of the system
    long timeout = 60;   // seconds, for one answer as a whole, its redirects included
};

// What an earlier answer said of itself, to be asked whether it still holds.
struct Validators {
    std::string etag;
    std::string last_modified;

    bool empty() const { return etag.empty() && last_modified.empty(); }
};

// Says whether a server's certificate (with what it sent besides) is the right one; "" or why not. In place of the
// CAs and the host name of web PKI.
using ServerCheck = std::function<std::string(X509& leaf, const std::vector<X509Ptr>& sent)>;

struct Question {
    std::string url;
    Validators known = {};          // empty: whatever is there
    std::string body = {};          // empty: GET, else POST
    std::string content_type = {};  // of the body
    std::size_t limit = 0;          // of the answer, in bytes
    ServerCheck check_server = {};  // empty: web PKI
};

struct Answer {
    std::string fault;          // why there is none; empty: there is
    bool is_dead = false;       // nothing was answered in time, or at all: asking there again is in vain
    bool not_modified = false;  // what `known` describes still holds
    std::string content;
    std::string content_type;
    Validators validators;
};

// Thread-safe.
class Client {
public:
    explicit Client(ClientOptions options);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Asks, and follows redirects to the same server, three at most. Never throws for what a server does.
    Answer ask(const Question& question) const;

private:
    struct Reply;
    Reply ask_once(const Question& question, const Url& url, long milliseconds) const;

    const ClientOptions options_;
};

}  // namespace mtls::tool
