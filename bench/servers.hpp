// The servers that are compared, each with a rule and without, and what a request costs them in instructions.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pki.hpp"

namespace bench {

// A client, what it is answered, and the pages that it asks for by turns: /gate/orders/17 or 18.
struct Visitor {
    const test::Identity* identity;
    int status;
    std::vector<std::string> pages = {"/gate/orders/17"};
};

// What every server needs: its certificate, the CA of its clients, a page, and whatever files its rules name.
struct Files {
    std::string server;  // certificate and key
    std::string client_ca;
    std::vector<std::pair<std::string, std::string>> others;  // name, content
};

// Into the folder of a server.
void write_files(const std::string& folder, const Files& files);

// Instructions of one kept-alive request of each visitor, in their order. `lines`: what stands at /gate/.
std::vector<long> httpd_requests(const Files& files, const std::string& global, const std::string& gate,
                                 bool with_module, const std::vector<Visitor>& visitors);

// Instructions of connections with one request each, on average: full handshakes, and resumed ones.
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
