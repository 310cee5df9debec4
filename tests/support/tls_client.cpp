
#include "tls_client.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <stdexcept>

#include "mtls_authz/base/text.hpp"
#include "sockets.hpp"

namespace test {

int connect_to(int port) {
    const int s = try_connect(port);
    if (s < 0) throw std::runtime_error("cannot connect to port " + std::to_string(port));
    const timeval limit{15, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return s;
}

namespace {

std::string request_text(const std::string& method, const std::string& path, const std::string& host,
                         const std::string& headers, const std::string& body) {
    std::string out = method + " " + path + " HTTP/1.1\r\n";
    if (headers.find("Host:") == std::string::npos) out += "Host: " + host + "\r\n";
    out += headers;
    if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return out + "\r\n" + body;
}

// Takes one complete response from the front of `buffer`; false if it is incomplete.
bool take_response(std::string& buffer, bool head, bool closed, Response& out) {
    const std::size_t end = buffer.find("\r\n\r\n");
    if (end == std::string::npos || buffer.size() < 12) return false;
    const std::string headers = buffer.substr(0, end + 2);
    std::size_t at = end + 4;
    std::string body;
    const auto field = [&](const char* name) -> std::string {
        // Ignore case: HAProxy writes lower-case names.
        const std::size_t p = mtls::lower(headers).find(mtls::lower(name));
        if (p == std::string::npos) return {};
        const std::size_t from = p + std::strlen(name);
        return headers.substr(from, headers.find("\r\n", from) - from);
    };
    const int status = std::stoi(buffer.substr(9, 3));
    const bool none = head || status == 204 || status == 304;
    if (!none && field("\r\nTransfer-Encoding: ") == "chunked") {
        for (;;) {
            const std::size_t line = buffer.find("\r\n", at);
            if (line == std::string::npos) return false;
            const std::size_t size = std::stoul(buffer.substr(at, line - at), nullptr, 16);
            if (buffer.size() < line + 2 + size + 2) return false;
            body += buffer.substr(line + 2, size);
            at = line + 2 + size + 2;
            if (size == 0) break;
        }
    } else if (!none && !field("\r\nContent-Length: ").empty()) {
        const std::size_t size = std::stoul(field("\r\nContent-Length: "));
        if (buffer.size() < at + size) return false;
        body = buffer.substr(at, size);
        at += size;
    } else if (!none) {
        if (!closed) return false;
        body = buffer.substr(at);
        at = buffer.size();
    }
    out = {status, headers, body};
    buffer.erase(0, at);
    return true;
}

}  // namespace

SslCtxPtr client_context(const ClientOptions& o) {
    SslCtxPtr out(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* const ctx = out.get();
    SSL_CTX_set_min_proto_version(ctx, o.tls);
    SSL_CTX_set_max_proto_version(ctx, o.tls);
    SSL_CTX_set_security_level(ctx, 0);
    if (!o.tickets) SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (o.post_handshake_auth) SSL_CTX_set_post_handshake_auth(ctx, 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    if (o.identity != nullptr) {
        SSL_CTX_use_certificate(ctx, o.identity->cert.get());
        SSL_CTX_use_PrivateKey(ctx, o.identity->key.get());
        for (const Identity* link : o.chain) SSL_CTX_add1_chain_cert(ctx, link->cert.get());
    }
    return out;
}

TlsClient::TlsClient(int port, const ClientOptions& o, SSL_SESSION* resume)
    : ctx_(client_context(o)), server_name_(o.server_name) {
    SSL_CTX* const ctx = ctx_.get();
    ssl_.reset(SSL_new(ctx));
    SSL_set_tlsext_host_name(ssl_.get(), o.server_name.c_str());
    SSL_set_app_data(ssl_.get(), this);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
        static_cast<TlsClient*>(SSL_get_app_data(ssl))->ticket_.reset(session);
        return 1;
    });
    if (resume != nullptr) SSL_set_session(ssl_.get(), resume);
    socket_ = connect_to(port);
    SSL_set_fd(ssl_.get(), socket_);
    connected_ = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
}

std::vector<std::string> TlsClient::announced() const {
    std::vector<std::string> out;
    const STACK_OF(X509_NAME)* const names = SSL_get0_peer_CA_list(ssl_.get());
    for (int i = 0; i < sk_X509_NAME_num(names); ++i) {
        char line[512];
        out.emplace_back(X509_NAME_oneline(sk_X509_NAME_value(names, i), line, sizeof line));
    }
    return out;
}

TlsClient::~TlsClient() {
    if (connected_) SSL_shutdown(ssl_.get());
    ERR_clear_error();
    if (socket_ >= 0) close(socket_);
}

bool TlsClient::write_all(const std::string& data) {
    return SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size())) == static_cast<int>(data.size());
}

bool TlsClient::read_more() {
    char data[16384];
    const int n = SSL_read(ssl_.get(), data, sizeof data);
    ERR_clear_error();
    if (n <= 0) return false;
    buffer_.append(data, static_cast<std::size_t>(n));
    return true;
}

Response TlsClient::get(const std::string& path, const std::string& headers, const std::string& method,
                        const std::string& body) {
    Response out;
    if (!connected_ || !write_all(request_text(method, path, server_name_, headers, body))) return out;
    while (!take_response(buffer_, method == "HEAD", false, out)) {
        if (!read_more()) {
            take_response(buffer_, method == "HEAD", true, out);
            break;
        }
    }
    return out;
}

SslSessionPtr TlsClient::session() {
    if (ticket_) return std::move(ticket_);
    return SslSessionPtr(SSL_get1_session(ssl_.get()));
}

Response plain_get(int port, const std::string& path, const std::string& headers) {
    const int s = connect_to(port);
    const std::string text = request_text("GET", path, "localhost", headers + "Connection: close\r\n", "");
    Response out;
    if (write(s, text.data(), text.size()) < 0) return out;
    std::string buffer;
    char data[8192];
    for (ssize_t n = 0; (n = read(s, data, sizeof data)) > 0;) buffer.append(data, static_cast<std::size_t>(n));
    close(s);
    take_response(buffer, false, true, out);
    return out;
}

Http2Client::Http2Client(int port, const ClientOptions& o, const std::string& folder) : port_(port), files_(folder) {
    static const CURLcode started = curl_global_init(CURL_GLOBAL_ALL);
    if (started != CURLE_OK) throw std::runtime_error("libcurl");
    static int number = 0;
    files_ = folder + "/h2-client-" + std::to_string(++number) + ".pem";
    has_identity_ = o.identity != nullptr;
    if (has_identity_) {
        std::ofstream out(files_);
        out << o.identity->cert_pem();
        for (const Identity* link : o.chain) out << link->cert_pem();
        out << o.identity->key_pem();
    }
    // CURL_SSLVERSION_TLSv1_3 and _TLSv1_2, each also as the maximum: the sum does not fit libcurl's enumeration.
    tls_version_ = o.tls == TLS1_3_VERSION ? (7L | (7L << 16)) : (6L | (6L << 16));
    multi_ = curl_multi_init();
    curl_multi_setopt(static_cast<CURLM*>(multi_), CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    share_ = curl_share_init();
    curl_share_setopt(static_cast<CURLSH*>(share_), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

Http2Client::~Http2Client() {
    curl_multi_cleanup(static_cast<CURLM*>(multi_));
    curl_share_cleanup(static_cast<CURLSH*>(share_));
}

void* Http2Client::make_easy(const std::string& path, Response& into) {
    CURL* const easy = curl_easy_init();
    const std::string url = "https://127.0.0.1:" + std::to_string(port_) + path;
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, tls_version_);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(easy, CURLOPT_SHARE, static_cast<CURLSH*>(share_));
    if (fresh_) curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    if (has_identity_) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, files_.c_str());
        curl_easy_setopt(easy, CURLOPT_SSLKEY, files_.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &into.body);
    curl_easy_setopt(
        easy, CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t n, void* text) {
            static_cast<std::string*>(text)->append(data, size * n);
            return size * n;
        });
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &into.headers);
    curl_easy_setopt(
        easy, CURLOPT_HEADERFUNCTION, +[](char* data, size_t size, size_t n, void* text) {
            static_cast<std::string*>(text)->append(data, size * n);
            return size * n;
        });
    return easy;
}

std::vector<Response> Http2Client::get_all(const std::vector<std::string>& paths,
                                           const std::vector<std::string>& headers) {
    std::vector<Response> out(paths.size());
    std::vector<std::unique_ptr<curl_slist, void (*)(curl_slist*)>> lists;
    for (const std::string& line : headers)
        lists.emplace_back(curl_slist_append(nullptr, line.c_str()), curl_slist_free_all);
    std::vector<CURL*> easies;
    auto* const multi = static_cast<CURLM*>(multi_);
    for (std::size_t i = 0; i < paths.size(); ++i) {
        easies.push_back(static_cast<CURL*>(make_easy(paths[i], out[i])));
        if (!lists.empty()) curl_easy_setopt(easies.back(), CURLOPT_HTTPHEADER, lists.at(i).get());
        curl_multi_add_handle(multi, easies.back());
    }
    fresh_ = false;
    for (int running = 1; running != 0;) {
        curl_multi_perform(multi, &running);
        if (running != 0) curl_multi_poll(multi, nullptr, 0, 200, nullptr);
    }
    for (std::size_t i = 0; i < easies.size(); ++i) {
        long status = 0;
        long version = 0;
        curl_easy_getinfo(easies[i], CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easies[i], CURLINFO_HTTP_VERSION, &version);
        out[i].status = static_cast<int>(status);
        if (status != 0 && version != CURL_HTTP_VERSION_2_0) throw std::runtime_error("not HTTP/2");
        curl_multi_remove_handle(multi, easies[i]);
        curl_easy_cleanup(easies[i]);
    }
    return out;
}

Response Http2Client::get(const std::string& path) { return get_all({path}).front(); }

void Http2Client::fresh() { fresh_ = true; }

}  // namespace test
