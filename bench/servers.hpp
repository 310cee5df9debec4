// Runs the compared servers, each with and without a rule, and counts instructions per request.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pki.hpp"
#include "tls_client.hpp"

namespace bench {

// A client, its expected status, and the pages that it requests by turns: each below /gate/, /other/ or /free/.
struct Visitor {
    test::ClientOptions client;
    int status = 200;
    std::vector<std::string> pages = {"/gate/orders/17"};
};

// Files for every server: its certificate, the clients' CAs, and the files that its rules name.
struct Files {
    std::string server;  // certificate and key
    std::string client_ca;
    std::vector<std::pair<std::string, std::string>> others;  // name, content
};

// Writes them into a server's folder, and the page of nginx.
void write_files(const std::string& folder, const Files& files);

// An httpd with one process, and one thread where its MPM has threads.
struct HttpdSite {
    Files files;
    std::string global = {};                   // lines of the main server
    std::string gate = "Require all granted";  // of the sections /gate/ and /other/
    bool with_module = true;
    std::string mpm = "worker";
    std::string tls = {};  // lines of the TLS host
};

// Instructions per kept-alive request, for each visitor in order.
std::vector<long> httpd_requests(const HttpdSite& site, const std::vector<Visitor>& visitors);
// Over HTTP/2, of the thread that serves its streams: what that of the connection does depends on when it is woken.
long httpd_streams(HttpdSite site, const Visitor& visitor);
// Instructions per denial that the error log has in full. Asks fewer than the 60 times a minute from which on the log
// only counts repetitions.
long httpd_told_denials(const HttpdSite& site, const Visitor& visitor);

// Mean instructions per connection with one request.
struct Connections {
    long full = 0, resumed = 0;
    long first = 0;  // full, with a certificate that the process has not seen
};
// `visitor` and each of `strangers` fit.
Connections httpd_connections(const HttpdSite& site, const Visitor& visitor, const std::vector<Visitor>& strangers);
// The median of some full handshakes without a request.
long httpd_handshakes(const HttpdSite& site);

// `rule`: lines for the location or frontend; `map`: lines outside of it, for nginx.
std::vector<long> nginx_requests(const Files& files, const std::string& map, const std::string& rule,
                                 const std::vector<Visitor>& visitors);
std::vector<long> haproxy_requests(const Files& files, const std::string& rule, const std::vector<Visitor>& visitors);

}  // namespace bench
