// A bounded HTTP client: conditional GET, and POST with a body.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "address.hpp"
#include "mtls_authz/base/openssl_types.hpp"

namespace mtls::tool {

struct ClientOptions {
    ReachableNetworks networks{{}};
    std::string proxy;   // a URL; empty: none, the environment is ignored
    std::string web_ca;  // CAs for https servers, PEM; empty: the system's
    long timeout = 60;   // seconds for one answer, redirects included
    std::chrono::steady_clock::time_point end = std::chrono::steady_clock::time_point::max();  // of all requests
};

// Validators of an earlier answer, for a conditional request.
struct Validators {
    std::string etag;
    std::string last_modified;

    bool empty() const { return etag.empty() && last_modified.empty(); }
};

// Checks a server's certificate, with the certificates it sent; returns the fault, or "". Replaces verification by web
// CAs and host name.
using ServerCheck = std::function<std::string(X509& leaf, const std::vector<X509Ptr>& sent)>;

struct HttpRequest {
    std::string url;
    Validators validators = {};     // empty: unconditional
    std::string body = {};          // empty: GET, else POST
    std::string content_type = {};  // of the body
    std::size_t limit = 0;          // maximum size of the answer in bytes
    ServerCheck check_server = {};  // empty: web CAs and host name
};

struct HttpAnswer {
    std::string fault;          // why there is no answer; empty: success
    bool is_dead = false;       // no answer in time, or no connection: do not ask there again
    bool not_modified = false;  // `validators` is still current
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

    // Sends the request, following at most three redirects to the same server. Never throws because of the server.
    HttpAnswer ask(const HttpRequest& question) const;
    long timeout() const { return options_.timeout; }

private:
    struct Reply;
    Reply ask_once(const HttpRequest& question, const Url& url, long milliseconds) const;

    const ClientOptions options_;
};

}  // namespace mtls::tool
