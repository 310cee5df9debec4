// What anybody can send to a TLS port, without meaning well: raw bytes, and handshakes that are cut off or damaged.
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

    // Bytes as they are.
    void send(const std::string& bytes) const;
    // All that comes until the server closes, or says nothing for three seconds.
    std::string answer() const;

    // Sees the bytes of each flight that the client sends, counted from 1, and may change them; false: closes instead.
    using Flight = std::function<bool(int number, std::string& bytes)>;
    // Begins TLS with these options and OpenSSL's name of the ciphers. Returns whether the client's side completed.
    bool shake_hands(const ClientOptions& options, const std::string& ciphers = "", const Flight& flight = {});
    // After a handshake: encrypted.
    void send_encrypted(const std::string& text, const Flight& flight = {});
    SSL* ssl() { return ssl_.get(); }
    // Drives a handshake that ssl() has begun again. Returns whether it completed.
    bool go_on(const Flight& flight = {});

private:
    bool flush(const Flight& flight);

    int socket_ = -1;
    int flights_ = 0;
    SslCtxPtr ctx_;
    SslPtr ssl_;
};

}  // namespace test
