// Runs the compared servers, each with and without a rule, and counts instructions per request.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pki.hpp"

namespace bench {

// A client, its expected status, and the pages that it requests in turn: /gate/orders/17 or 18.
struct Visitor {
    const test::Identity* identity;
    int status;
    std::vector<std::string> pages = {"/gate/orders/17"};
};

// Files for every server: its certificate, the clients' CA, a page, and the files that its rules name.
struct Files {
    std::string server;  // certificate and key
    std::string client_ca;
    std::vector<std::pair<std::string, std::string>> others;  // name, content
};

// Writes them into a server's folder.
void write_files(const std::string& folder, const Files& files);

// Instructions per kept-alive request, for each visitor in order. `gate`: lines of the section /gate/.
std::vector<long> httpd_requests(const Files& files, const std::string& global, const std::string& gate,
                                 bool with_module, const std::vector<Visitor>& visitors);

// Mean instructions per connection with one request: full and resumed handshakes.
struct Connections {
    long full = 0, resumed = 0;
};
Connections httpd_connections(const Files& files, const std::string& global, const std::string& gate, bool with_module,
                              const Visitor& visitor);

// `rule`: lines for the location or frontend; `map`: lines outside of it, for nginx.
std::vector<long> nginx_requests(const Files& files, const std::string& map, const std::string& rule,
                                 const std::vector<Visitor>& visitors);
std::vector<long> haproxy_requests(const Files& files, const std::string& rule, const std::vector<Visitor>& visitors);

}  // namespace bench
