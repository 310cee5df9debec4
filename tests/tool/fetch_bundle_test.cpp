// mtls-authz fetch: SPIFFE bundles from nginx, by the CAs of the web and by SPIFFE ID.
#include "bundles.hpp"
#include "fetching.hpp"

using namespace test;

namespace {

constexpr const char* kEndpoint = "spiffe://partner.example/spire/server";

CertSpec server_spec(const std::vector<std::pair<int, std::string>>& names) {
    CertSpec spec;
    spec.subject = {{"CN", "server"}};
    spec.san = names;
    spec.eku = "serverAuth";
    return spec;
}

// The bundle of partner.example at an https endpoint, whose certificate a test chooses.
struct Endpoint : Fetching {
    const Identity web_ca = make_ca("Web CA"), spiffe_ca = make_ca("SPIFFE CA");
    const int port = free_port();
    std::unique_ptr<Nginx> nginx;

    Endpoint() {
        write_policy({});
        file("web.pem", web_ca.cert_pem());
    }
    void serve_as(const Identity& server) {
        nginx.reset();
        file("nginx/server.pem", server.pem());
        nginx = std::make_unique<Nginx>(folder() + "/nginx", free_port(),
                                        "listen 127.0.0.1:" + std::to_string(port) +
                                            " ssl;\nssl_certificate server.pem;\nssl_certificate_key server.pem;\n"
                                            "location = /moved.json { return 302 http://$host/bundle.json; }\n");
    }
    void publish(const std::string& bundle) const { nginx->put("bundle.json", bundle); }
    std::string url(const std::string& path = "/bundle.json") const {
        return "https://localhost:" + std::to_string(port) + path;
    }
    std::string fetch_by(int status, const std::string& bundle, const std::vector<std::string>& more = {}) const {
        std::vector<std::string> args = {"--bundle", bundle, "--web-ca", "web.pem"};
        args.insert(args.end(), more.begin(), more.end());
        return expect_fetch(status, args);
    }
    std::string kept() const { return content("out/bundles/partner.example.json"); }
};

}  // namespace

CLAIM(a_bundle_comes_from_its_https_web_endpoint_and_never_goes_back) {
    Endpoint e;
    e.serve_as(issue(server_spec({{GEN_DNS, "localhost"}}), &e.web_ca));
    const std::string at = "partner.example=" + e.url();
    e.publish(bundle_of(e.spiffe_ca, 7));
    CHECK_CONTAINS(e.fetch_by(0, at), "new: " + e.url() + " -> " + e.folder() +
                                          "/out/bundles/partner.example.json: the bundle with sequence 7, 1 CA(s)");
    CHECK_EQUAL(e.kept(), bundle_of(e.spiffe_ca, 7));
    CHECK_CONTAINS(e.fetch_by(0, at), "unchanged: ");
    CHECK_CONTAINS(e.nginx->requests(), "GET /bundle.json 304\n");
    const Identity other = make_ca("Other CA");
    CertSpec late;
    late.subject = {{"CN", "Late CA"}};
    late.ca = true;
    late.eku = "";
    late.not_before = -7200;
    late.not_after = -3600;
    for (const auto& [bundle, why] : std::vector<std::pair<std::string, const char*>>{
             {bundle_of(other, 6), "the bundle has sequence 6, and the one at hand has sequence 7"},
             {"{\"keys\":[" + jwk_of(other) + "]}", "the bundle has no sequence number"},
             {bundle_of(std::vector<std::string>{}, "8"), "the answer ("},
             {bundle_of(issue(late, nullptr), 8), "holds no CA that is in force"},
             {"<html>", "is not JSON"}}) {
        e.publish(bundle);
        const std::string said = e.fetch_by(1, at);
        CHECK_CONTAINS(said, why);
        CHECK_CONTAINS(said, "; the bundle with sequence 7 stays in force");
        CHECK_EQUAL(e.kept(), bundle_of(e.spiffe_ca, 7));
    }
    e.publish(bundle_of(other, 8));
    CHECK_CONTAINS(e.fetch_by(0, at), "sequence 8");
    // What cannot be compared is not replaced.
    e.file("out/bundles/partner.example.json", "{");
    CHECK_CONTAINS(e.fetch_by(1, at), "remove it to take what the endpoint has");
    CHECK_EQUAL(e.kept(), "{");
}

CLAIM(a_second_endpoint_of_a_trust_domain_is_asked_where_the_first_has_no_bundle) {
    Endpoint e;
    e.serve_as(issue(server_spec({{GEN_DNS, "localhost"}}), &e.web_ca));
    const std::string at = "partner.example=" + e.url();
    e.file("out/bundles/partner.example.json", bundle_of(e.spiffe_ca, 5));
    e.publish(bundle_of(e.spiffe_ca, 10));
    e.nginx->put("second.json", bundle_of(e.spiffe_ca, 7));
    const std::vector<std::string> second = {"--bundle", "partner.example=" + e.url("/second.json")};
    for (const char* const result : {"new: ", "unchanged: "}) {
        const std::string said = e.fetch_by(0, at, second);
        CHECK_CONTAINS(said, result + e.url());
        CHECK(said.find("second.json") == std::string::npos);
        CHECK_EQUAL(e.kept(), bundle_of(e.spiffe_ca, 10));
    }
    e.publish("<html>");
    const std::string both = e.fetch_by(1, at, second);
    CHECK_CONTAINS(both, "is not JSON");
    CHECK_CONTAINS(both, "; " + e.url("/second.json") + ": the bundle has sequence 7");
    CHECK_CONTAINS(both, "; the bundle with sequence 10 stays in force");
    e.nginx->put("second.json", bundle_of(e.spiffe_ca, 11));
    CHECK_CONTAINS(e.fetch_by(0, at, second), "sequence 11");
    // Each trust domain by itself.
    e.publish(bundle_of(e.spiffe_ca, 12));
    const std::string said = e.fetch_by(0, at, {"--bundle", "other.example=" + e.url("/second.json")});
    CHECK_CONTAINS(said, "sequence 12");
    CHECK_CONTAINS(said, "other.example.json: the bundle with sequence 11");
}

CLAIM(a_bundle_endpoint_has_to_be_the_right_server) {
    Endpoint e;
    const std::string at = "partner.example=" + e.url();
    e.serve_as(issue(server_spec({{GEN_DNS, "elsewhere.example"}}), &e.web_ca));
    e.publish(bundle_of(e.spiffe_ca, 7));
    CHECK_CONTAINS(e.fetch_by(1, at), "; there is no bundle");
    e.serve_as(issue(server_spec({{GEN_DNS, "localhost"}}), &e.spiffe_ca));
    CHECK_CONTAINS(e.fetch_by(1, at), "; there is no bundle");
    CHECK(e.kept().empty());
    for (const std::string bundle : {"partner.example=http://localhost/", "partner.example", "../x=https://localhost/",
                                     "Partner=https://localhost/", ".x=https://localhost/", "=https://localhost/",
                                     "partner.example=https://localhost/,spiffe://"}) {
        CHECK_CONTAINS(e.fetch_by(2, bundle), "--bundle: ");
    }
}

CLAIM(an_https_spiffe_endpoint_proves_its_id_by_the_bundle_at_hand) {
    Endpoint e;
    const std::string at = "partner.example=" + e.url() + "," + kEndpoint;
    e.serve_as(issue(server_spec({{GEN_URI, kEndpoint}}), &e.spiffe_ca));
    e.publish(bundle_of(e.spiffe_ca, 8));
    CHECK_CONTAINS(e.fetch_by(1, at), "is not there; put the first bundle there by hand; there is no bundle");
    CHECK(e.kept().empty());
    const std::string first = bundle_of(e.spiffe_ca, 7);
    e.file("out/bundles/partner.example.json", first);
    const auto refused = [&](const Identity& server, const char* why) {
        e.serve_as(server);
        CHECK_CONTAINS(e.fetch_by(1, at), why);
        CHECK_EQUAL(e.kept(), first);
    };
    const Identity stranger = make_ca("SPIFFE CA");
    const char* const kOther = "its certificate is no X509-SVID of the trust domain: ";
    refused(issue(server_spec({{GEN_URI, kEndpoint}}), &stranger), "has no path to a CA of the bundle at hand");
    refused(issue(server_spec({{GEN_URI, "spiffe://partner.example/workload"}}), &e.spiffe_ca),
            "the server is another one: it is spiffe://partner.example/workload");
    refused(issue(server_spec({{GEN_URI, kEndpoint}, {GEN_URI, "spiffe://x.example/y"}}), &e.spiffe_ca), kOther);
    refused(issue(server_spec({{GEN_DNS, "localhost"}}), &e.spiffe_ca), kOther);
    CertSpec late = server_spec({{GEN_URI, kEndpoint}});
    late.not_before = -7200;
    late.not_after = -3600;
    refused(issue(late, &e.spiffe_ca), "its certificate is not in force");
    CertSpec client = server_spec({{GEN_URI, kEndpoint}});
    client.eku = "clientAuth";
    refused(issue(client, &e.spiffe_ca), "has no path to a CA of the bundle at hand");
    // And the nearest that is it. Names of the web are not asked.
    e.serve_as(issue(server_spec({{GEN_URI, kEndpoint}}), &e.spiffe_ca));
    e.publish(bundle_of(e.spiffe_ca, 8));
    CHECK_CONTAINS(e.fetch_by(0, at), "sequence 8");
    CHECK_CONTAINS(e.fetch_by(1, "partner.example=" + e.url("/moved.json") + "," + kEndpoint), "not followed");
}
