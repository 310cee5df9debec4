// mtls-authz fetch: CRLs from nginx as distribution point, and from servers that lie.
#include <sys/socket.h>
#include <sys/stat.h>

#include "fetching.hpp"

using namespace test;
using Json = nlohmann::json;

namespace {

// An nginx that has the list of the root, at the address in the intermediate's certificate.
struct Distribution : Fetching {
    const int port = free_port();
    const Nginx nginx{folder(), port,
                      "location = /moved.crl { return 302 /acme.crl; }\n"
                      "location = /elsewhere.crl { return 302 http://localhost:" +
                          std::to_string(port) +
                          "/acme.crl; }\n"
                          "location = /metadata.crl { return 302 http://169.254.169.254/acme.crl; }\n"
                          "location = /file.crl { return 302 file:///etc/passwd; }\n"
                          "location = /circle.crl { return 302 /circle.crl; }\n"
                          "location = /slow.crl { limit_rate 20; alias htdocs/acme.crl; }\n"
                          "location = /huge.crl { sub_filter_types *; sub_filter a b; }\n"};
    Identity leaf = make_client("api", "api.acme.example", ca);

    explicit Distribution(const std::string& path = "/acme.crl") { write_policy(with_list_at(nginx.url(path))); }
    void publish(const CrlSpec& spec, const Identity* signer = nullptr) const {
        nginx.put("acme.crl", make_crl(signer != nullptr ? *signer : ca, spec));
    }
    void publish_der(const ListSpec& spec) const { nginx.put("acme.crl", der_of(*make_list(spec))); }
};

std::string decision_about(const Distribution& d, const std::string& list) {
    return d.run({"explain", "--policy", "p.conf", "--cert", "leaf.pem", "--crl", list}).text;
}

}  // namespace

CLAIM(fetches_lists_of_distribution_points_of_the_policys_cas) {
    Distribution d;
    d.file("leaf.pem", d.leaf.cert_pem());
    d.publish({.revoked = {{&d.leaf, 1}}, .number = 7});
    const std::string said = d.expect_fetch(0);
    const std::string list = d.only_list();
    CHECK(list.starts_with("out/crl/acme-ca-") && list.ends_with(".crl"));
    CHECK_CONTAINS(said, "new: " + d.nginx.url("/acme.crl") + " -> " + d.folder() + "/" + list);
    CHECK_CONTAINS(said, "the list of \"CN=Acme CA,");
    CHECK_CONTAINS(said, "1 entries");
    CHECK_CONTAINS(decision_about(d, list), "deny: revoked");
    struct stat info {};
    CHECK_EQUAL(stat((d.folder() + "/" + list).c_str(), &info), 0);
    CHECK_EQUAL(info.st_mode & 07777, 0644U);
    // The server's user reads it, whatever the umask; folders that were there keep their mode.
    d.shell("mkdir -m 700 there && mkdir -m 700 there/crl");
    for (const std::string mask : {"077", "027"}) {
        for (const std::string& into : {"new-" + mask, std::string("there")}) {
            const auto made =
                d.shell("umask " + mask + "; \"$0\" fetch --policy p.conf --allow-network 127.0.0.0/8 --into " + into +
                        " >/dev/null; cd " + into + "; stat -c %a . crl revoked bundles crl/*.crl");
            CHECK_EQUAL(made.text, into == "there" ? "700\n700\n755\n755\n644\n" : "755\n755\n755\n755\n644\n");
        }
    }
    // A newer one in DER takes its place.
    ListSpec newer;
    newer.signer = &d.ca;
    newer.number = 8;
    d.publish_der(newer);
    CHECK_CONTAINS(d.expect_fetch(0), "new: ");
    CHECK_EQUAL(d.only_list(), list);
    CHECK_CONTAINS(decision_about(d, list), "allow: granted");
    CHECK_EQUAL(d.files("out/crl").size(), 1U);
}

CLAIM(asks_whether_a_list_has_changed) {
    Distribution d;
    d.publish({});
    d.expect_fetch(0);
    CHECK_CONTAINS(d.expect_fetch(0), "unchanged: ");
    CHECK_CONTAINS(d.nginx.requests(), "GET /acme.crl 200\nGET /acme.crl 304\n");
    // Where the file is not what was fetched, the server's word that it has not changed says nothing.
    const std::string list = d.only_list(), before = d.content(list);
    for (const std::string& other : {std::string("damaged"), make_crl(d.ca, {.this_update = -7200, .number = 0})}) {
        d.file(list, other);
        CHECK_CONTAINS(d.expect_fetch(0), "new: ");
        CHECK(d.content(list) == before);
    }
    std::filesystem::remove(d.folder() + "/" + list);
    CHECK_CONTAINS(d.expect_fetch(0), "new: ");
    CHECK(d.content(list) == before);
    // Notes that cannot be read are a finding, and hold up nothing.
    d.file("out/fetch-notes.json", "{");
    CHECK_CONTAINS(d.expect_fetch(1), "fetch-notes.json does not decode");
    d.expect_fetch(0);
}

CLAIM(follows_redirects_on_the_same_server_alone) {
    Distribution d("/moved.crl");
    d.publish({});
    CHECK_CONTAINS(d.expect_fetch(0), "new: ");
    for (const auto& [path, why] : std::vector<std::pair<std::string, const char*>>{
             {"/elsewhere.crl", "another server and not followed"},
             {"/metadata.crl", "redirects to 'http://169.254.169.254/acme.crl', which is another server"},
             {"/file.crl", "another server and not followed"},
             {"/circle.crl", "after 3 redirects"}}) {
        d.write_policy(Distribution::with_list_at(d.nginx.url(path)));
        CHECK_CONTAINS(d.expect_fetch(1, {"--allow-network", "169.254.0.0/16"}), why);
    }
    CHECK_EQUAL(d.files("out/crl").size(), 1U);
}

CLAIM(a_server_that_lies_leaves_the_list_at_hand_in_force) {
    Distribution d;
    const Identity lookalike = make_ca("Acme CA"), globex = make_ca("Globex CA");
    d.file("globex.pem", globex.cert_pem()).file("lookalike.pem", lookalike.cert_pem());
    d.file("q.conf",
           "<MTLSPartner globex>\nMTLSIdentity CN:g\nMTLSTrustAnchor globex.pem\n</MTLSPartner>\n"
           "<MTLSPartner lookalike>\nMTLSIdentity CN:l\nMTLSTrustAnchor lookalike.pem\n</MTLSPartner>\n");
    d.publish({.revoked = {{&d.leaf, 1}}, .number = 7});
    const std::vector<std::string> both = {"--policy", "q.conf"};
    d.expect_fetch(0, both);
    const std::string list = d.only_list(), before = d.content(list);
    const auto refused = [&](const char* why) {
        const std::string said = d.expect_fetch(1, both);
        CHECK_CONTAINS(said, why);
        CHECK_CONTAINS(said, d.nginx.url("/acme.crl") + " -> " + d.folder() + "/" + list);
        CHECK_CONTAINS(said, "stays in force, until 20");
        test::check(d.content(list) == before, why, __FILE__, __LINE__);
        CHECK_EQUAL(d.files("out/crl").size(), 1U);
    };
    const auto lie = [&](const std::string& content, const char* why) {
        d.nginx.put("acme.crl", content);
        refused(why);
    };
    lie("<!DOCTYPE html><title>Sorry</title>", "holds no CRL");
    lie("", "holds no CRL");
    lie(make_crl(d.ca, {.number = 6}), "is not newer than the one at hand");
    lie(make_crl(d.ca, {.this_update = -7200, .number = 0}), "is not newer than the one at hand");
    lie(make_crl(d.ca, {.this_update = -3700, .number = 7}), "is not newer than the one at hand");
    lie(make_crl(globex, {.number = 9}), "is another CA's, not that of \"CN=Acme CA,");
    lie(make_crl(lookalike, {.number = 9}), "is signed by no CA of the policy of that name");
    lie(make_crl(d.ca, {.number = 9, .idp = "onlyCA:TRUE"}), "has another scope");
    lie(make_crl(d.ca, {.number = 9, .base = 7}), "is a delta");
    lie(make_crl(d.ca, {.this_update = 7200, .number = 9}), "is of the future");
    lie(make_crl(d.ca, {.number = 9}) + make_crl(d.ca, {.number = 10}), "holds several CRLs");
    const std::string good = make_crl(d.ca, {.number = 9});
    lie(good.substr(0, good.size() / 2), "holds a CRL that cannot be read");
    ListSpec damaged;
    damaged.signer = &d.ca;
    damaged.number = 9;
    damaged.damaged = true;
    lie(der_of(*make_list(damaged)), "is signed by no CA of the policy");
    std::filesystem::remove(d.folder() + "/htdocs/acme.crl");
    refused("answered 404");
    // And the nearest that is none.
    d.publish({.number = 8});
    CHECK_CONTAINS(d.expect_fetch(0, both), "new: ");
    CHECK(d.content(list) != before);
}

CLAIM(size_and_time_of_an_answer_are_bounded) {
    Distribution d("/huge.crl");
    std::filesystem::resize_file(
        [&] {
            d.nginx.put("huge.crl", "");
            return d.folder() + "/htdocs/huge.crl";
        }(),
        10UL << 30);
    CHECK_CONTAINS(d.expect_fetch(1, {"--max-size", "1"}), "is larger than 1048576 bytes and was cut off");
    d.nginx.put("plain.crl", "");
    std::filesystem::resize_file(d.folder() + "/htdocs/plain.crl", 10UL << 30);
    d.write_policy(Distribution::with_list_at(d.nginx.url("/plain.crl")));
    CHECK_CONTAINS(d.expect_fetch(1), "is larger than 67108864 bytes and was cut off");
    d.publish({});
    d.write_policy(Distribution::with_list_at(d.nginx.url("/slow.crl")));
    const auto begin = std::chrono::steady_clock::now();
    CHECK_CONTAINS(d.expect_fetch(1, {"--timeout", "2"}), "no whole answer within 2 s");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
    CHECK(d.files("out/crl").empty());
    // Endless, and cut off before its end.
    const RawServer endless([](int client, const std::string&) {
        bool goes_on = send_all(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
        while (goes_on) goes_on = send_all(client, chunk);
    });
    d.write_policy(Distribution::with_list_at(endless.url("/acme.crl")));
    CHECK_CONTAINS(d.expect_fetch(1), "was cut off");
    const RawServer cutting([&](int client, const std::string&) {
        send_all(client, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + make_crl(d.ca, {}));
    });
    d.write_policy(Distribution::with_list_at(cutting.url("/acme.crl")));
    CHECK_CONTAINS(d.expect_fetch(1), "the answer ends before its end");
    CHECK(d.files("out/crl").empty());
    const RawServer not_modified([](int client, const std::string&) {
        send_all(client, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
    });
    d.write_policy(Distribution::with_list_at(not_modified.url("/acme.crl")));
    CHECK_CONTAINS(d.expect_fetch(1), "though nothing was known; there is no list");
}

CLAIM(addresses_that_are_not_public_are_refused_unless_they_are_named) {
    Distribution d;
    d.publish({});
    const auto out = d.fetch({}, false);
    CHECK_EQUAL(out.status, 1);
    CHECK_CONTAINS(out.text, "127.0.0.1 is a loopback address: --allow-network 127.0.0.1 allows it");
    CHECK(d.nginx.requests().empty());
    // However they are spelled, by name too.
    const std::string port = ":" + std::to_string(d.port) + "/acme.crl";
    for (const char* host : {"localhost",
                             "127.1",
                             "2130706433",
                             "0x7f000001",
                             "0177.0.0.1",
                             "0",
                             "[::1]",
                             "[::ffff:127.0.0.1]",
                             "[64:ff9b::7f00:1]",
                             "[2002:7f00:1::]",
                             "[::127.0.0.1]",
                             "[::]",
                             "10.0.0.1",
                             "172.31.255.1",
                             "192.168.1.1",
                             "169.254.169.254",
                             "100.100.100.200",
                             "168.63.129.16",
                             "[fd00:ec2::254]",
                             "[fe80::1]",
                             "[fec0::1]",
                             "[ff02::1]",
                             "224.0.0.1",
                             "255.255.255.255",
                             "198.18.0.1",
                             "[2001::1]",
                             "[100::1]"}) {
        const auto said = d.fetch({"--crl", "http://" + std::string(host) + port, "--timeout", "5"}, false);
        CHECK_EQUAL(said.status, 1);
        test::check(
            said.text.find("http://" + std::string(host) + port) != std::string::npos &&
                said.text.find("--allow-network ", said.text.find("http://" + std::string(host))) != std::string::npos,
            said.text, __FILE__, __LINE__);
    }
    // An IPv4 address within an IPv6 address is judged, and named, as itself.
    for (const char* host : {"[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]"}) {
        const auto said = d.fetch({"--crl", "http://" + std::string(host) + port, "--timeout", "5"}, false).text;
        const std::size_t line = said.find("http://" + std::string(host));
        CHECK_CONTAINS(said.substr(line, said.find('\n', line) - line),
                       " is a loopback address: --allow-network 127.0.0.1 allows it");
    }
    CHECK(d.nginx.requests().empty());
    // Another block does not allow it, the right one does, also for the spelling in IPv6.
    CHECK_CONTAINS(d.fetch({"--allow-network", "10.0.0.0/8"}, false).text, "is a loopback address");
    CHECK_CONTAINS(d.fetch({"--allow-network", "127.0.0.1"}, false).text, "new: ");
    CHECK_CONTAINS(d.expect_fetch(2, {"--allow-network", "10.0.0.1/8"}), "--allow-network: ");
}

CLAIM(schemes_and_user_names_that_could_reach_something_else_are_refused) {
    Distribution d;
    d.publish({});
    d.expect_fetch(0);
    for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "ldap://127.0.0.1/x"}) {
        CHECK_CONTAINS(d.expect_fetch(1, {"--crl", url}), "is neither http nor https");
    }
    CHECK_CONTAINS(d.expect_fetch(1, {"--crl", "http://user:word@127.0.0.1/x"}), "has a user name or password in it");
    CHECK_CONTAINS(d.expect_fetch(1, {"--crl", "127.0.0.1"}), "http");
}

CLAIM(an_address_in_a_clients_certificate_is_shown_and_never_asked) {
    Distribution d;
    d.publish({});
    CertSpec spec;
    spec.subject = {{"CN", "api"}};
    spec.crl_points = "URI:" + d.nginx.url("/of-leaf.crl");
    d.file("leaf.pem", issue(spec, &d.sub).cert_pem());
    d.nginx.put("of-leaf.crl", make_crl(d.sub, {}));
    const std::string said = d.expect_fetch(0, {"--cert", "leaf.pem"});
    CHECK_CONTAINS(said, "note: sub.pem: no certificate of the policy says where \"CN=Acme Sub\" has its CRL");
    CHECK_CONTAINS(said, "--crl sub.pem=" + d.nginx.url("/of-leaf.crl"));
    CHECK(d.nginx.requests().find("of-leaf") == std::string::npos);
    // Named, it is; and it is the list of that CA alone.
    const std::string named = "sub.pem=" + d.nginx.url("/of-leaf.crl");
    CHECK_CONTAINS(d.expect_fetch(0, {"--crl", named}), "crl/acme-sub-");
    d.nginx.put("of-leaf.crl", make_crl(d.ca, {.number = 5}));
    CHECK_CONTAINS(d.expect_fetch(1, {"--crl", named}), "is another CA's, not that of \"CN=Acme Sub\"");
    // As the note names it, from a folder elsewhere.
    const std::string below = "fetch --root " + d.folder() + " --policy " + d.folder() + "/p.conf --into " + d.folder();
    const auto pasted = d.shell("cd / && \"$0\" " + below + "/out2 --allow-network 127.0.0.0/8 --crl " + named);
    CHECK_CONTAINS(pasted.text, "crl/acme-sub-");
    // Of a CA that is not in the policy there is nothing to ask.
    d.file("other.pem", make_ca("Other CA").cert_pem());
    CHECK_CONTAINS(d.expect_fetch(1, {"--crl", "other.pem=" + d.nginx.url("/acme.crl")}),
                   "holds no CA that the policy names");
    CHECK_CONTAINS(d.expect_fetch(2, {"--crl", "othr.pem=" + d.nginx.url("/acme.crl")}), "othr.pem: ");
    // An address without its CA takes the first list of any CA of the policy, and from then on that CA's.
    const std::string any = d.nginx.url("/any.crl");
    d.nginx.put("any.crl", make_crl(d.sub, {}));
    CHECK_CONTAINS(d.expect_fetch(0, {"--crl", any}), "crl/any-");
    d.nginx.put("any.crl", make_crl(d.ca, {.number = 50}));
    CHECK_CONTAINS(d.expect_fetch(1, {"--crl", any}), "is another CA's, not that of \"CN=Acme Sub\"");
}

CLAIM(a_list_past_its_next_update_is_said_to_be) {
    Distribution d;
    d.publish({.this_update = -7200, .next_update = -3600});
    CHECK_CONTAINS(d.expect_fetch(1), "is of no use: past its nextUpdate 20");
    CHECK(d.files("out/crl").empty());
    d.publish({.this_update = -7200, .next_update = 2, .number = 3});
    d.expect_fetch(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(3100));
    const std::string said = d.expect_fetch(1);
    CHECK_CONTAINS(said, "has no newer list");
    CHECK_CONTAINS(said, "stays in force, past its nextUpdate");
    // One that is late, too, but newer, lists more.
    d.publish({.revoked = {{&d.leaf, 1}}, .this_update = -3600, .next_update = -60, .number = 4});
    CHECK_CONTAINS(d.expect_fetch(0), "1 entries");
    // In place of one that is not late it would shut everybody out.
    d.publish({.this_update = -1800, .number = 5});
    d.expect_fetch(0);
    const std::string list = d.only_list(), before = d.content(list);
    d.publish({.revoked = {{&d.leaf, 1}}, .this_update = -1700, .next_update = -60, .number = 6});
    const std::string refused = d.expect_fetch(1);
    CHECK_CONTAINS(refused, "is of no use: past its nextUpdate 20");
    CHECK_CONTAINS(refused, "stays in force, until 20");
    CHECK(d.content(list) == before);
    d.publish({.revoked = {{&d.leaf, 1}, {&d.sub, 1}}, .this_update = -1700, .number = 6});
    CHECK_CONTAINS(d.expect_fetch(0), "2 entries");
}

namespace {

std::string tlv(int tag, const std::string& content) {
    const int size = static_cast<int>(content.size());
    std::string out{static_cast<char>(tag), '\x82', static_cast<char>(size >> 8), static_cast<char>(size)};
    return out + content;
}

// Distribution points with this many addresses each of a server.
std::string points_at(const RawServer& server, int points, int addresses) {
    std::string all;
    for (int point = 0; point < points; ++point) {
        std::string names;
        for (int i = 0; i < addresses; ++i) {
            names += tlv(0x86, server.url("/" + std::to_string(point) + "/" + std::to_string(i)));
        }
        all += tlv(0x30, tlv(0xa0, tlv(0xa0, names)));
    }
    std::string out = "DER:";
    for (const char c : tlv(0x30, all)) {
        const auto byte = static_cast<unsigned char>(c);
        for (const int digit : {byte >> 4, byte & 15}) out += "0123456789abcdef"[digit];
    }
    return out;
}

}  // namespace

CLAIM(servers_that_do_not_answer_hold_up_neither_responders_nor_lists_of_other_cas) {
    Distribution d;
    // Until its client gives up.
    const RawServer silent([](int client, const std::string&) {
        char byte = 0;
        while (recv(client, &byte, 1, 0) > 0) {
        }
    });
    d.publish({});
    OpensslResponder responder(d.ca);
    std::string serial = serial_of(d.leaf);
    if (serial.size() % 2 != 0) serial.insert(0, "0");
    for (char& c : serial) c = static_cast<char>(std::toupper(c));
    responder.known = {serial};
    d.file("leaf.pem", d.leaf.cert_pem());
    d.file("q.conf", "<MTLSPartner slow>\nMTLSIdentity CN:s\nMTLSTrustAnchor slow.pem\n</MTLSPartner>\n");
    const auto run = [&](int points, int addresses, const char* most) {
        const Identity slow_ca = make_ca("A");
        CertSpec spec;
        spec.subject = {{"CN", "Slow Sub"}};
        spec.ca = true;
        spec.eku = "";
        spec.extensions = {{NID_crl_distribution_points, points_at(silent, points, addresses)}};
        d.file("slow.pem", issue(spec, &slow_ca).cert_pem() + slow_ca.cert_pem());
        std::filesystem::remove_all(d.folder() + "/out");
        const auto begin = std::chrono::steady_clock::now();
        const std::string said = d.expect_fetch(1, {"--policy", "q.conf", "--ocsp", "ca.pem=" + responder.url(),
                                                    "--cert", "leaf.pem", "--timeout", "1", "--max-time", most});
        CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(12));
        CHECK_CONTAINS(said, ": the list of \"CN=Acme CA");
        CHECK_CONTAINS(said, "1 certificate(s) of \"CN=Acme CA,O=Acme CA Inc,C=US\" were asked about");
        return said;
    };
    CHECK_CONTAINS(run(1, 20, "600"), "; its other addresses were not asked, after 4 s; there is no list");
    CHECK_CONTAINS(run(40, 1, "3"), "/39/0 -> ");
    CHECK_CONTAINS(run(40, 1, "3"), ": the run has no time left; there is no list");
}

CLAIM(what_is_wrong_in_a_policy_holds_up_no_list_of_the_rest) {
    Distribution d;
    d.publish({});
    d.file("broken.conf", "<MTLSPartner broken>\nMTLSTrustAnchor gone.pem\nMTLSIdentity\n</MTLSPartner>\n");
    const std::string said = d.expect_fetch(1, {"--policy", "broken.conf"});
    CHECK_CONTAINS(said, "broken.conf:2: ");
    CHECK_CONTAINS(said, "gone.pem");
    CHECK_CONTAINS(said, "what it names is not fetched, all else is");
    CHECK_CONTAINS(said, "new: ");
    CHECK_CONTAINS(d.expect_fetch(2, {"--policy", "none.conf"}), "unchanged: ");
    CHECK_CONTAINS(d.expect(2, {"fetch", "--policy", "none.conf", "--into", "out"}), "none.conf");
    d.file("out-file", "");
    CHECK_CONTAINS(d.expect(2, {"fetch", "--policy", "p.conf", "--into", "out-file"}), "out-file");
}

CLAIM(a_dry_run_asks_and_writes_nothing) {
    Distribution d;
    d.publish({});
    const Json said = Json::parse(d.expect_fetch(0, {"--dry-run", "--json"}));
    CHECK(said["ok"] == true && said["dry_run"] == true);
    CHECK_EQUAL(said["results"][0]["result"], "new");
    CHECK_EQUAL(said["results"][0]["kind"], "crl");
    CHECK_EQUAL(said["results"][0]["address"], d.nginx.url("/acme.crl"));
    CHECK(!std::filesystem::exists(d.folder() + "/out"));
    CHECK_CONTAINS(d.expect_fetch(0, {"--dry-run"}), "not written: --dry-run");
    d.publish({.this_update = 7200});
    const Json refused = Json::parse(d.expect_fetch(1, {"--json"}));
    CHECK(refused["ok"] == false);
    CHECK_EQUAL(refused["results"][0]["result"], "failed");
    CHECK_EQUAL(refused["results"][0]["in_force"], "there is no list");
}

CLAIM(proxies_are_those_that_are_named) {
    Distribution d;
    d.publish({});
    const RawServer proxy([&](int client, const std::string& request) {
        check_contains(request, "GET http://", __FILE__, __LINE__);
        send_all(client, http_answer(make_crl(d.ca, {})));
    });
    const std::string by_environment = "http_proxy=" + proxy.url("") + " ALL_PROXY=" + proxy.url("") +
                                       " \"$0\" fetch --policy p.conf --into out --allow-network 127.0.0.0/8";
    CHECK_CONTAINS(d.shell(by_environment).text, "new: ");
    CHECK_EQUAL(proxy.requests(), 0U);
    std::filesystem::remove_all(d.folder() + "/out");
    CHECK_CONTAINS(d.fetch({"--proxy", proxy.url("")}, true).text, "new: ");
    CHECK_EQUAL(proxy.requests(), 1U);
    // The proxy is no way to an address that may not be asked.
    CHECK_CONTAINS(d.fetch({"--proxy", proxy.url("")}, false).text, "is a loopback address");
    CHECK_EQUAL(proxy.requests(), 1U);
}

CLAIM(two_fetches_do_not_write_into_one_folder) {
    Distribution d("/slow.crl");
    d.publish({});
    const auto out = d.shell(
        "\"$0\" fetch --policy p.conf --into out --allow-network 127.0.0.0/8 --timeout 4 & sleep 1; "
        "\"$0\" fetch --policy p.conf --into out; echo \"status $?\"; wait");
    CHECK_CONTAINS(out.text, "another fetch is writing there\nstatus 2\n");
}
