// Memory: inside a real httpd, under valgrind.
#include <filesystem>

#include "claims.hpp"
#include "stranger.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kGates = R"(
<Location /gate>
    MTLSAllow partner acme methods=read
    MTLSDeny group customers
    MTLSEnv All
</Location>
<LocationMatch "^/free/(?<PARTNER>[^/]+)/">
    MTLSAllow partner %{env:MATCH_PARTNER}
</LocationMatch>
<Location /require>
    <RequireAll>
        Require mtls-partner acme
        Require mtls-identity CN:api
    </RequireAll>
</Location>
)";

}  // namespace

namespace {

// Each report of valgrind whose stack has a frame in the module: its XML names the object of every frame, while its
// text names the source file in place of it wherever there is debug information.
std::string reports_about(const std::string& object, const std::string& xml) {
    std::string out;
    for (std::size_t at = xml.find("<error>"); at != std::string::npos; at = xml.find("<error>", at + 1)) {
        const std::string one = xml.substr(at, xml.find("</error>", at) - at);
        if (one.find(object + "</obj>") != std::string::npos) out += one;
    }
    return out;
}

}  // namespace

CLAIM(valgrind_finds_no_error_and_no_leak_in_the_module, Turn::kFirst, Module::kPlain) {
    const World& w = world();
    Site site;
    site.httpd.set_log_level("warn mtls_authz:debug");
    site.httpd.configure("ErrorDocument 400 /gate/error\nAliasMatch ^/(gate|free|require)/ \"" +
                             site.httpd.path("htdocs/ok.html") + "\"\n" + World::policy() + kGates,
                         "prefork");
    const std::string folder = site.httpd.path("valgrind");
    fs::create_directory(folder);
    fs::permissions(folder, fs::perms::all);
    site.httpd.start({"valgrind", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
                      "--keep-debuginfo=yes", "--num-callers=30", "--xml=yes", "--xml-file=" + folder + "/%p.xml"});
    for (int i = 0; i < 10; ++i) {
        ClientOptions options;
        options.identity = i % 2 == 0 ? &w.acme : &w.malformed;
        options.tls = i % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
        const int expected = i % 2 == 0 ? 200 : 403;
        SslSessionPtr session;
        {
            // One process serves one connection at a time: this one has to be gone before the next.
            TlsClient client(site.httpd.port(), options);
            for (const char* path : {"/gate/x", "/free/acme/x", "/require/x"}) {
                test::check_equal(client.get(path).status, expected, path, __FILE__, __LINE__);
            }
            CHECK_EQUAL(client.get("/gate/..;/x").status, 403);
            session = client.session();
        }
        {
            TlsClient again(site.httpd.port(), options, session.get());
            CHECK_EQUAL(again.get("/gate/y").status, expected);
        }
        // Handshakes that fail.
        { Stranger closes(site.httpd.port()); }
        {
            Stranger plain(site.httpd.port());
            plain.send("GET /gate/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
            plain.answer();
        }
        Stranger refused(site.httpd.port());
        refused.shake_hands(as(w.acme_from_stranger, options.tls));
    }
    CHECK(site.httpd.wait_for_log("granted GET"));
    site.httpd.stop();
    std::string all;
    for (const auto& entry : fs::directory_iterator(folder)) all += file_text(entry.path());
    CHECK_CONTAINS(all, "</valgrindoutput>");
    const std::string ours = reports_about("/mod_mtls_authz.so", all);
    test::check(ours.empty(), ours, __FILE__, __LINE__);
    // That they came so far.
    CHECK_CONTAINS(site.httpd.error_log(), "reason=no-tls");
}
