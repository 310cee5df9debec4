// Clients: HTTP/1.1 over OpenSSL, which can resume, renegotiate and do post-handshake authentication; HTTP/2 over
// libcurl.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "pki.hpp"

namespace test {

using SslCtxPtr = std::unique_ptr<SSL_CTX, mtls::FreeWith<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, mtls::FreeWith<SSL_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, mtls::FreeWith<SSL_SESSION_free>>;

struct Response {
    int status = 0;  // 0: no answer (handshake refused, connection closed)
    std::string headers;
    std::string body;
};

struct ClientOptions {
    const Identity* identity = nullptr;
    std::vector<const Identity*> chain;  // sent after the leaf
    int tls = TLS1_3_VERSION;
    bool tickets = true;
    bool post_handshake_auth = false;
    std::string server_name = "localhost";
};

// A TCP connection to 127.0.0.1; reads time out after 15 s.
int connect_to(int port);
// A context with these options.
SslCtxPtr client_context(const ClientOptions& options);

// One connection. `resume`: the session of an earlier one.
class TlsClient {
public:
    TlsClient(int port, const ClientOptions& options, SSL_SESSION* resume = nullptr);
    ~TlsClient();

    bool connected() const { return connected_; }
    bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
    Response get(const std::string& path, const std::string& headers = "", const std::string& method = "GET",
                 const std::string& body = "");
    // Subjects of the CAs that the server announced in its certificate request, in the last complete handshake.
    std::vector<std::string> announced() const;
    // The session to resume; call it after at least one response.
    SslSessionPtr session();

private:
    bool write_all(const std::string& data);
    bool read_more();

    SslCtxPtr ctx_;
    SslPtr ssl_;
    int socket_ = -1;
    bool connected_ = false;
    std::string buffer_;
    SslSessionPtr ticket_;
    std::string server_name_;
};

// A request without TLS.
Response plain_get(int port, const std::string& path, const std::string& headers = "");

// One HTTP/2 connection through libcurl; `fresh()` makes the next request open a new one, which resumes its session.
class Http2Client {
public:
    Http2Client(int port, const ClientOptions& options, const std::string& folder);
    ~Http2Client();
    Response get(const std::string& path);
    // Sends all requests at once, as streams of one connection. `headers`: a line for each, or none.
    std::vector<Response> get_all(const std::vector<std::string>& paths, const std::vector<std::string>& headers = {});
    void fresh();

private:
    void* make_easy(const std::string& path, Response& into);

    int port_;
    std::string files_;
    long tls_version_;
    bool has_identity_ = false;
    bool fresh_ = false;
    void* multi_ = nullptr;
    void* share_ = nullptr;
};

}  // namespace test
