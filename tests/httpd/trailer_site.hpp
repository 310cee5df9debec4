// A site where MergeTrailers makes headers of trailers, before a backend that reads what comes behind the headers.
#pragma once

#include "echo_backend.hpp"
#include "waiting.hpp"
#include "world.hpp"

namespace test {

struct TrailerSite {
    Site site;
    EchoBackend backend;

    // `fields`: the request's headers to be logged at its end, as %{NAME}i.
    explicit TrailerSite(const std::string& fields) : backend(site.httpd.next_port()) {
        site.load("proxy")
            .load("proxy_http")
            .vhost("MergeTrailers On\n" + backend.pass("/") + "CustomLog trailers.log \"%U " + fields + "\"\n");
    }
    void post(const Identity* who, const std::string& path, const std::string& trailers) {
        site.get(who, path, "Transfer-Encoding: chunked\r\nTrailer: X-Mine\r\n", "POST",
                 "3\r\nabc\r\n0\r\n" + trailers + "\r\n");
    }
    void logs(const std::string& expected) {
        const auto is_logged = [&] { return file_text(site.httpd.path("trailers.log")) == expected ? 1 : 0; };
        becomes(is_logged, 1, "what is in the trailers");
    }
};

}  // namespace test
