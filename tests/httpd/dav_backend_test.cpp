// WebDAV that a backend serves: what its methods do elsewhere than at their path is decided as by mod_dav.
#include "claims.hpp"
#include "echo_backend.hpp"
#include "front_site.hpp"
#include "world.hpp"

using namespace test;
using namespace test::fronts;

namespace {

// Everything goes to a backend that answers with the request it got.
struct Shared {
    Site site;
    EchoBackend backend;
    explicit Shared(const std::string& lines) : site(), backend(site.httpd.next_port()) {
        site.load("proxy").load("proxy_http").vhost(backend.pass("/"));
        site.start(lines + location("/dav/acme", "MTLSAllow partner acme") +
                   location("/dav/globex", "MTLSAllow partner globex"));
    }
    Response ask(const Identity* who, const char* method, const std::string& path, const std::string& headers = "") {
        return site.get(who, path, headers, method);
    }
    // What a COPY of `from` to the Destination `to` is answered.
    int copy(const Identity* who, const std::string& from, const std::string& to) {
        return ask(who, "COPY", from, "Destination: " + to + "\r\n").status;
    }
};

}  // namespace

CLAIM(a_destination_that_a_backend_reads_is_decided_as_a_request_for_it) {
    const World& w = world();
    Shared dav(location("/dav/grant", "Require mtls-partner globex"));
    const std::string own = "https://localhost:" + std::to_string(dav.site.httpd.port());
    CHECK_EQUAL(dav.copy(&w.acme, "/dav/acme/x", own + "/dav/globex/x"), 403);
    CHECK_EQUAL(dav.site.reason_for("/dav/acme/x"), "not-allowed");
    CHECK_CONTAINS(dav.site.log_about("/dav/acme/x"), "its Destination '/dav/globex/x' may not be written to: 403");
    CHECK_EQUAL(dav.copy(&w.acme, "/dav/acme/x", own + "/dav/acme/y"), 200);
    CHECK_EQUAL(dav.copy(&w.globex, "/dav/globex/x", own + "/dav/grant/y"), 200);
    // Out of an ungated place, too.
    CHECK_EQUAL(dav.copy(nullptr, "/pub/x", "/pub/y"), 200);
    for (const char* to : {"/dav/globex/x", "/dav/grant/x", "/dav/acme/../globex/x", "/pub/%2e%2e/dav/globex/x",
                           "//host/dav/globex/x", "/dav%2fglobex/x", "/dav/globex;/x"}) {
        test::check_equal(dav.copy(nullptr, "/pub/x", to), 403, to, __FILE__, __LINE__);
        test::check_equal(dav.copy(&w.acme, "/dav/acme/x", own + to), 403, to, __FILE__, __LINE__);
    }
    CHECK_EQUAL(dav.ask(&w.acme, "MOVE", "/dav/acme/x", "Destination: /dav/globex/x\r\n").status, 403);
    CHECK_EQUAL(dav.ask(&w.acme, "MOVE", "/dav/acme/x", "Destination: /dav/acme/y\r\n").status, 200);
    // A backend may write to all that is below a destination.
    CHECK_EQUAL(dav.copy(nullptr, "/pub/x", "/dav"), 403);
}

CLAIM(a_destination_that_cannot_be_told_is_refused) {
    const World& w = world();
    Shared dav("");
    for (const char* to :
         {"https://elsewhere.example/dav/acme/y", "dav/acme/y", "/dav/acme/y, /dav/globex/x", "urn:x"}) {
        test::check_equal(dav.copy(&w.acme, "/dav/acme/x", to), 403, to, __FILE__, __LINE__);
    }
    CHECK_EQUAL(dav.site.reason_for("/dav/acme/x"), "bad-path");
    // Of another method it means nothing.
    CHECK_EQUAL(dav.ask(&w.acme, "PUT", "/dav/acme/x", "Destination: urn:x\r\n").status, 200);
}

CLAIM(a_copy_without_a_destination_names_none_elsewhere) {
    const World& w = world();
    Shared dav("");
    // mod_dav takes it for the path of a Destination that is missing.
    for (const char* name : {"New-uri", "new_uri", "New.Uri"}) {
        const std::string target = std::string(name) + ": /dav/globex/x\r\n";
        for (const char* method : {"COPY", "MOVE"}) {
            test::check_equal(dav.ask(nullptr, method, "/pub/x", target).status, 403, name, __FILE__, __LINE__);
            test::check_equal(dav.ask(&w.acme, method, "/dav/acme/x", target).status, 403, name, __FILE__, __LINE__);
        }
        const Response own = dav.ask(&w.acme, "COPY", "/dav/acme/x", target + "Destination: /dav/acme/y\r\n");
        CHECK_EQUAL(own.status, 200);
        CHECK(own.body.find("globex") == std::string::npos);
    }
    CHECK_EQUAL(dav.site.reason_for("/dav/acme/x"), "bad-path");
    CHECK_EQUAL(dav.ask(&w.acme, "PUT", "/dav/acme/x").status, 200);
}

CLAIM(methods_in_another_case_reach_where_an_application_that_ignores_case_acts) {
    const World& w = world();
    Shared dav(location("/dav", "MTLSAllow any-partner"));
    const std::string flat = "Depth: 0\r\n", to = "Destination: ";
    CHECK_EQUAL(dav.ask(&w.acme, "delete", "/dav/", flat).status, 403);
    CHECK_EQUAL(dav.site.reason_for("/dav/"), "nested-gate");
    CHECK_EQUAL(dav.ask(&w.acme, "Search", "/dav/").status, 403);
    CHECK_EQUAL(dav.ask(&w.acme, "delete", "/dav/acme/", flat).status, 200);
    CHECK_EQUAL(dav.ask(&w.acme, "brew", "/dav/").status, 200);
    CHECK_EQUAL(dav.ask(&w.acme, "Copy", "/dav/acme/x", to + "/dav/globex/x\r\n").status, 403);
    CHECK_EQUAL(dav.ask(nullptr, "move", "/pub/x").status, 403);
    CHECK_EQUAL(dav.ask(&w.acme, "Copy", "/dav/acme/x", to + "/dav/acme/y\r\n").status, 200);
}

CLAIM(delete_and_move_reach_below_whatever_depth_says) {
    const World& w = world();
    Shared dav(location("/dav", "MTLSAllow any-partner"));
    const std::string flat = "Depth: 0\r\n";
    CHECK_EQUAL(dav.ask(&w.acme, "DELETE", "/dav/", flat).status, 403);
    CHECK_EQUAL(dav.site.reason_for("/dav/"), "nested-gate");
    CHECK_EQUAL(dav.ask(&w.acme, "MOVE", "/dav/", flat + "Destination: /dav/acme/all\r\n").status, 403);
    CHECK_EQUAL(dav.ask(&w.acme, "SEARCH", "/dav/").status, 403);
    CHECK_EQUAL(dav.ask(&w.acme, "SEARCH", "/dav/acme/").status, 200);
    CHECK_EQUAL(dav.ask(&w.acme, "PROPFIND", "/dav/", flat).status, 200);
    CHECK_EQUAL(dav.ask(&w.acme, "DELETE", "/dav/acme/", flat).status, 200);
}

CLAIM(a_client_cannot_have_the_headers_dropped_that_say_how_far_a_method_reaches) {
    const World& w = world();
    Shared dav(location("/dav", "MTLSAllow any-partner"));
    for (const char* connection :
         {"Connection: Depth, Overwrite, Destination, X-Hop\r\n", "Connection: dEPTH;OverWrite;destination;x-hop\r\n",
          "Connection: \"Depth\" \"Overwrite\" \"Destination\" X-Hop\r\n",
          "Connection: X-Hop, Depth\r\nConnection: Overwrite\r\nConnection: Destination\r\n",
          "Connection: X-Hop\r\nProxy-Connection: Depth, Overwrite, Destination\r\n"}) {
        for (const Identity* who : {&w.acme, static_cast<const Identity*>(nullptr)}) {
            const std::string path = who != nullptr ? "/dav/y" : "/pub/y", to = who != nullptr ? "/dav/x" : "/pub/x";
            const std::string sent = "Depth: 0\r\nOverwrite: F\r\nDestination: " + to + "\r\n";
            const std::string got = dav.ask(who, "COPY", path, sent + "X-Hop: 1\r\n" + connection).body;
            for (const std::string line : {"Depth: 0\r\n", "Overwrite: F\r\n"}) {
                check(got.find(line) != std::string::npos, connection + got, __FILE__, __LINE__);
            }
            check(got.find("Destination: " + to) != std::string::npos, connection, __FILE__, __LINE__);
            check(got.find("X-Hop: 1") == std::string::npos, connection, __FILE__, __LINE__);
        }
        check_equal(dav.ask(&w.acme, "PROPFIND", "/dav/", connection).status, 403, connection, __FILE__, __LINE__);
    }
    // They mean nothing to another method.
    const std::string got = dav.ask(&w.acme, "PUT", "/dav/y", "Depth: 0\r\nConnection: Depth\r\n").body;
    CHECK(got.starts_with("PUT ") && got.find("Depth: 0") == std::string::npos);
    CHECK_CONTAINS(dav.ask(&w.acme, "propfind", "/dav/", "Depth: 0\r\nConnection: Depth\r\n").body, "Depth: 0");
}

CLAIM(label_and_update_reach_below_where_depth_says_so) {
    const World& w = world();
    Shared dav(location("/dav", "MTLSAllow any-partner"));
    for (const char* method : {"LABEL", "UPDATE"}) {
        for (const char* depth : {"Depth: infinity\r\n", "Depth: 1\r\n"}) {
            CHECK_EQUAL(dav.ask(&w.acme, method, "/dav/", depth).status, 403);
            CHECK_EQUAL(dav.ask(&w.acme, method, "/dav/acme/", depth).status, 200);
        }
        CHECK_EQUAL(dav.site.reason_for("/dav/"), "nested-gate");
        for (const char* flat : {"Depth: 0\r\n", ""}) CHECK_EQUAL(dav.ask(&w.acme, method, "/dav/", flat).status, 200);
    }
}

CLAIM(a_grant_without_all_below_lets_no_recursive_method_through_to_a_backend) {
    const World& w = world();
    Site site;
    EchoBackend backend(site.httpd.next_port());
    site.load("proxy").load("proxy_http").vhost(backend.pass("/"));
    site.start("MTLSGrant * /files/ /files/* /req/ /files/all/** /req/all/**\n" +
               location("/files", "MTLSAllow by-grant") + location("/req", "Require mtls-grant"));
    const auto ask = [&](const char* method, const char* path, const std::string& headers) {
        return site.get(&w.acme, path, headers, method).status;
    };
    const std::string flat = "Depth: 0\r\n", keep = "Overwrite: F\r\nDestination: ";
    for (const std::string root : {"/files/", "/req/"}) {
        const std::string all = root + "all/", to = keep + root + "all/y\r\n";
        for (const char* method : {"PROPFIND", "LOCK", "REPORT", "SEARCH", "LABEL", "UPDATE", "COPY", "MOVE"}) {
            const bool has_destination = std::string_view(method) == "COPY" || std::string_view(method) == "MOVE";
            const std::string headers = has_destination ? to : "";
            // RFC 3253 7.1 and 8.2: without Depth, these act on their path alone.
            const bool is_flat = std::string_view(method) == "LABEL" || std::string_view(method) == "UPDATE";
            for (const char* depth : {"", "Depth: 1\r\n", "Depth: infinity\r\n"}) {
                const int here = is_flat && *depth == '\0' ? 200 : 403;
                test::check_equal(ask(method, root.c_str(), depth + headers), here, method, __FILE__, __LINE__);
                test::check_equal(ask(method, all.c_str(), depth + headers), 200, method, __FILE__, __LINE__);
            }
            // RFC 4918 9.9.2: a MOVE takes everything along, whatever Depth says.
            const int expected = std::string_view(method) == "MOVE" ? 403 : 200;
            test::check_equal(ask(method, root.c_str(), flat + headers), expected, method, __FILE__, __LINE__);
        }
        // APIs of other kinds delete by DELETE, and know no Depth.
        CHECK_EQUAL(ask("DELETE", root.c_str(), ""), 200);
        CHECK_EQUAL(ask("DELETE", root.c_str(), "Depth: infinity\r\n"), 403);
        CHECK_EQUAL(ask("DELETE", all.c_str(), "Depth: infinity\r\n"), 200);
    }
    CHECK_CONTAINS(site.log_about("/files/"), "it also acts on what is below its path: grant one that ends in /**");
    // A collection at the destination is deleted first.
    CHECK_EQUAL(ask("COPY", "/files/x", flat + keep + "/files/y\r\n"), 200);
    CHECK_EQUAL(ask("COPY", "/files/x", flat + "Destination: /files/y\r\n"), 403);
    CHECK_EQUAL(ask("COPY", "/files/x", flat + "Destination: /files/all/y\r\n"), 200);
}

CLAIM(a_header_makes_no_request_one_that_acts_elsewhere) {
    const World& w = world();
    Shared dav(location("/dav", "MTLSAllow any-partner"));
    const std::string deletes = "X-HTTP-Method-Override: DELETE\r\n";
    const auto got = [&](const char* path, const std::string& headers) {
        return dav.ask(&w.acme, "POST", path, headers).body;
    };
    CHECK(got("/dav/", deletes).find("DELETE") == std::string::npos);
    CHECK(got("/", deletes).find("DELETE") == std::string::npos);
    CHECK_CONTAINS(got("/dav/acme/", deletes), "DELETE");
    CHECK(got("/pub/x", "X-HTTP-Method: COPY\r\nDestination: /dav/globex/x\r\n").find("COPY") == std::string::npos);
    CHECK_CONTAINS(got("/pub/x", "X-HTTP-Method: COPY\r\n"), "COPY");
}

CLAIM(what_a_front_brings_reaches_no_place_below_that_accepts_it_not) {
    const World& w = world();
    FrontSite s(location("/gate", "SetHandler some-program\nMTLSAllow partner acme\nMTLSAcceptFront lb") +
                location("/gate/keys", "MTLSAcceptFront none") + location("/gate/same/sub", "MTLSAcceptFront lb"));
    const auto deletes = [&](const Identity& tls, const std::string& path, const std::string& headers) {
        s.get(&tls, path, headers, "DELETE");
        return s.reason_for(path);
    };
    CHECK_EQUAL(deletes(edge().lb, "/gate/", cert(w.acme)), "nested-gate");
    CHECK(deletes(edge().lb, "/gate/same/", cert(w.acme)) != "nested-gate");
    // The connection's own certificate counts there as it does here: httpd looks for the program, which is missing.
    CHECK(s.get(&w.acme, "/gate/", "", "DELETE").status != 403);
}
