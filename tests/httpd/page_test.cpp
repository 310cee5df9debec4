// The page for people, in a real browser: what it shows of hostile certificates stays text, and it fits a phone.
#include <cstdio>
#include <filesystem>

#include "live_site.hpp"

using namespace test;

namespace {

// A browser without a window, or "" where there is none on this machine.
std::string browser() {
    for (const char* file : {"/usr/bin/chromium-headless-shell", "/usr/bin/chromium",
                             "/usr/lib64/chromium-browser/headless_shell", "/usr/bin/chromium-browser"}) {
        if (fs::exists(file)) return file;
    }
    return {};
}

// The document as the browser has it once scripts, were there any, have run; and what it complained about.
std::string render(const Httpd& httpd, const std::string& path) {
    const std::string url = "http://127.0.0.1:" + std::to_string(httpd.plain_port()) + path;
    return run_command({"timeout", "60", browser(), "--headless", "--no-sandbox", "--disable-gpu",
                        "--disable-dev-shm-usage", "--user-data-dir=" + httpd.path("run/browser"),
                        "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", url},
                       "")
        .text;
}

const char* const kPayload = "<img src=x onerror=\"document.title='owned'\">";

}  // namespace

CLAIM(a_browser_shows_hostile_names_as_text_and_the_page_fits_a_phone) {
    const World& w = world();
    if (browser().empty()) {
        std::printf("NOT TRIED: there is no browser on this machine\n");
        return;
    }
    CertSpec spec;
    spec.subject = {
        {"O", kPayload}, {"OU", "</style><script>document.title='owned'</script>"}, {"CN", "M\xc3\xbcller & Co"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    spec.not_before = -40 * std::int64_t{86400};
    spec.not_after = 5 * 86400 + 3600;
    const Identity hostile = issue(spec, &w.acme_ca);
    Site site;
    site.start(
        "<Location /status>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n"
        "<Location /gate>\n MTLSAllow partner acme\n</Location>\n"
        "<Location /gate/denied>\n MTLSAllow partner globex\n</Location>\n"
        "<Location /gate/new>\n MTLSAllow partner globex\n MTLSAuthz LogOnly\n</Location>\n");
    CHECK_EQUAL(site.get(&hostile, "/gate/x").status, 200);
    CHECK_EQUAL(site.get(&hostile, "/gate/denied/%3Cimg%20src=x%20onerror=alert(1)%3E").status, 403);
    CHECK_EQUAL(site.get(&hostile, "/gate/new").status, 200);
    CHECK_EQUAL(site.get(nullptr, "/gate/x").status, 403);

    // That the payload works where nothing is escaped, or this would prove nothing.
    site.httpd.write("htdocs/control.html", std::string("<!DOCTYPE html><title>fine</title>") + kPayload);
    CHECK_CONTAINS(render(site.httpd, "/control.html"), "<title>owned</title>");

    const std::string page = render(site.httpd, "/status");
    CHECK_CONTAINS(page, "<title>Partners by client certificate</title>");
    CHECK(page.find("owned</title>") == std::string::npos);
    CHECK(page.find("<img") == std::string::npos);
    CHECK(page.find("<script") == std::string::npos);
    CHECK_CONTAINS(page, "&lt;img src=x onerror=");
    CHECK_CONTAINS(page, "M\xc3\xbcller &amp; Co");
    CHECK_CONTAINS(page, "<span class=\"warn\">5 days</span>");
    CHECK_CONTAINS(page, "1 partner's certificate</span> near the end: <span class=\"long\">acme</span>.");
    CHECK_CONTAINS(page, "<h3>not-allowed: 1 denied, 1 would be</h3>");
    CHECK_CONTAINS(page, "<h3>no-certificate: 1 denied</h3>");
    CHECK_CONTAINS(page, "Same generation</span> in ");
    // The policy forbids nothing that the page itself needs.
    CHECK(page.find("Content Security Policy") == std::string::npos || page.find("Refused to") == std::string::npos);

    // At the width of a phone nothing sticks out; styles count, or the background would not be checked for.
    site.httpd.write("htdocs/phone.html",
                     R"(<!DOCTYPE html><iframe id=f width=360 height=800 frameborder=0></iframe><p id=out></p><script>
fetch('/status?format=html').then(r => r.text()).then(t => { f.onload = () => {
  const d = f.contentDocument, s = getComputedStyle(d.querySelector('section'));
  out.textContent = 'beyond ' + (d.documentElement.scrollWidth - d.documentElement.clientWidth) + ' border ' + s.borderTopStyle; }; f.srcdoc = t; });
</script>)");
    const std::string phone = render(site.httpd, "/phone.html");
    CHECK_CONTAINS(phone.substr(std::min(phone.find("id=\"out\""), phone.size())), "beyond 0 border solid");

    const Response r = plain_get(site.httpd.plain_port(), "/status", "Accept: text/html\r\n");
    CHECK_CONTAINS(r.headers, "Content-Security-Policy: default-src 'none'; style-src 'sha256-");
    CHECK_CONTAINS(r.headers, "frame-ancestors 'none'");
    CHECK_CONTAINS(r.headers, "Cache-Control: no-store");
    CHECK(r.body.find("http://") == std::string::npos);
    CHECK(r.body.find("https://") == std::string::npos);
}

CLAIM(the_page_says_when_policy_files_are_refused_and_which_child_has_what) {
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start("<Location /status>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n");
    const auto page = [&] { return plain_get(site.httpd.plain_port(), "/status?format=html").body; };
    const auto has = [&](const std::string& text) { return page().find(text) != std::string::npos ? 1 : 0; };
    CHECK_CONTAINS(page(), "<span class=\"good\">Policy in force</span>");
    becomes([&] { return has("Same generation</span> in 2 child processes."); }, 1, "both children");
    for (const pid_t child : site.children()) CHECK(has(">" + std::to_string(child) + "<") == 1);
    site.put("globex.conf", "nonsense\n");
    becomes([&] { return has("Policy files refused since 20"); }, 1, "refused");
    site.drop("globex.conf");
    becomes([&] { return has("<span class=\"good\">Policy in force</span>"); }, 1, "mended");
}
