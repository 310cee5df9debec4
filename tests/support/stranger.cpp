#include "stranger.hpp"

#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>

namespace test {

Stranger::Stranger(int port) : socket_(connect_to(port)) {
    const timeval limit{3, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

Stranger::~Stranger() {
    ERR_clear_error();
    close(socket_);
}

void Stranger::send(const std::string& bytes) const {
    // The server may have closed the connection already.
    if (write(socket_, bytes.data(), bytes.size()) < 0) return;
}

std::string Stranger::answer() const {
    std::string out;
    char data[4096];
    for (ssize_t n = 0; (n = read(socket_, data, sizeof data)) > 0;) out.append(data, static_cast<std::size_t>(n));
    return out;
}

bool Stranger::shake_hands(const ClientOptions& options, const std::string& ciphers, const Flight& flight) {
    ctx_ = client_context(options);
    if (!ciphers.empty() && SSL_CTX_set_cipher_list(ctx_.get(), ciphers.c_str()) != 1) {
        throw std::runtime_error("no such ciphers: " + ciphers);
    }
    ssl_.reset(SSL_new(ctx_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
    return go_on(flight);
}

bool Stranger::go_on(const Flight& flight) {
    for (;;) {
        const int done = SSL_do_handshake(ssl_.get());
        const bool wants_more = done != 1 && SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ;
        if (!flush(flight)) return false;
        if (!wants_more) return done == 1;
        char data[16384];
        const ssize_t n = read(socket_, data, sizeof data);
        if (n <= 0) return false;
        BIO_write(SSL_get_rbio(ssl_.get()), data, static_cast<int>(n));
    }
}

void Stranger::send_encrypted(const std::string& text, const Flight& flight) {
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
    flush(flight);
}

bool Stranger::flush(const Flight& flight) {
    char data[65536];
    const int n = BIO_read(SSL_get_wbio(ssl_.get()), data, sizeof data);
    if (n <= 0) return true;
    std::string bytes(data, static_cast<std::size_t>(n));
    if (flight && !flight(++flights_, bytes)) return false;
    send(bytes);
    return true;
}

}  // namespace test
