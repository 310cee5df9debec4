// A hostile TLS client: raw bytes, and handshakes that are truncated or damaged.
#pragma once

#include <functional>
#include <string>

#include "tls_client.hpp"

namespace test {

class Stranger {
public:
    explicit Stranger(int port);
    ~Stranger();
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;

    // Sends raw bytes.
    void send(const std::string& bytes) const;
    // Everything until the server closes, or sends nothing for 3 s.
    std::string answer() const;

    // Called with the bytes of each flight that the client sends, counted from 1; may change them. False: close
    // instead.
    using Flight = std::function<bool(int number, std::string& bytes)>;
    // Starts TLS with these options and OpenSSL cipher string. Returns whether the client's side completed.
    bool shake_hands(const ClientOptions& options, const std::string& ciphers = "", const Flight& flight = {});
    // Sends encrypted data after a handshake.
    void send_encrypted(const std::string& text, const Flight& flight = {});
    SSL* ssl() { return ssl_.get(); }
    // Continues a handshake that ssl() has started again. Returns whether it completed.
    bool go_on(const Flight& flight = {});

private:
    bool flush(const Flight& flight);

    int socket_ = -1;
    int flights_ = 0;
    SslCtxPtr ctx_;
    SslPtr ssl_;
};

}  // namespace test
