// Clients that speak HTTP/2 without TLS: from the beginning, or after an upgrade.
#pragma once

#include <curl/curl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>

#include "claims.hpp"
#include "tls_client.hpp"

namespace test::h2c {

// The status of a request over HTTP/2 that begins without an upgrade, as a front speaks it ("prior knowledge").
inline long status_by_prior_knowledge(int port, const std::string& header_line) {
    const std::unique_ptr<CURL, void (*)(CURL*)> easy(curl_easy_init(), curl_easy_cleanup);
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(curl_slist_append(nullptr, header_line.c_str()),
                                                                     curl_slist_free_all);
    const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/gate/acme/own";
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(easy.get(), CURLOPT_NOBODY, 1L);
    CHECK_EQUAL(curl_easy_perform(easy.get()), CURLE_OK);
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
}

// RFC 9113 4.1.
inline std::string frame(char type, char flags, char stream, const std::string& payload) {
    const std::size_t size = payload.size();
    std::string out = {static_cast<char>(size >> 16),
                       static_cast<char>(size >> 8),
                       static_cast<char>(size),
                       type,
                       flags,
                       0,
                       0,
                       0,
                       stream};
    return out + payload;
}

// RFC 7541 6.2.2, without Huffman coding.
inline std::string field(const std::string& name, const std::string& value) {
    const auto text = [](const std::string& word) {
        constexpr std::size_t kPrefix = 127;
        if (word.size() < kPrefix) return std::string(1, static_cast<char>(word.size())) + word;
        std::string out(1, static_cast<char>(kPrefix));
        std::size_t rest = word.size() - kPrefix;
        for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
        return out + static_cast<char>(rest) + word;
    };
    return std::string(1, '\0') + text(name) + text(value);
}

// Upgrades a connection by a request to an open page, and asks for `path` over HTTP/2 then. Returns what came back
// until the answer's headers, or until nothing came for ten seconds. All is sent at once: mod_http2 hands a connection
// back to the MPM when the page is answered before the next request has come, and the MPM closes an upgraded one.
inline std::string ask_through_upgrade(int port, const std::string& path, const std::string& name,
                                       const std::string& value) {
    const int s = connect_to(port);
    const timeval patience{10, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    constexpr char kHeaders = 1, kSettings = 4, kEndOfHeaders = 4, kEndOfStreamAndHeaders = 5, kStream = 3;
    const std::string said =
        "GET /free/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
        frame(kSettings, 0, 0, "") +
        frame(kHeaders, kEndOfStreamAndHeaders, kStream,
              field(":method", "GET") + field(":scheme", "http") + field(":authority", "localhost") +
                  field(":path", path) + field(name, value));
    CHECK_EQUAL(write(s, said.data(), said.size()), static_cast<ssize_t>(said.size()));
    const std::string answered = {kHeaders, kEndOfHeaders, 0, 0, 0, kStream};
    std::string heard;
    char data[4096];
    for (ssize_t n = 0; heard.find(answered) == std::string::npos && (n = read(s, data, sizeof data)) > 0;) {
        heard.append(data, static_cast<std::size_t>(n));
    }
    close(s);
    return heard;
}

}  // namespace test::h2c
