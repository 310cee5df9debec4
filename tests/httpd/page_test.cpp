// The page for people, in a real browser: what it shows of hostile certificates stays text, it can be read on a phone
// and without a mouse, and it says what needs somebody.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "exposition.hpp"
#include "live_site.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

using namespace test;

namespace {

const char* const kStatus = "<Location /status>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n";

// A browser without a window. Skips the claim if there is none on this machine.
std::string browser() {
    for (const char* file : {"/usr/bin/chromium-headless-shell", "/usr/bin/chromium",
                             "/usr/lib64/chromium-browser/headless_shell", "/usr/bin/chromium-browser"}) {
        if (fs::exists(file)) return file;
    }
    skip("there is no browser on this machine");
}

// The document as the browser has it once scripts, were there any, have run; and what it complained about.
std::string render(const Httpd& httpd, const std::string& path, const std::vector<std::string>& options = {}) {
    std::vector<std::string> command = {"timeout",
                                        "60",
                                        browser(),
                                        "--headless",
                                        "--no-sandbox",
                                        "--disable-gpu",
                                        "--disable-dev-shm-usage",
                                        "--user-data-dir=" + httpd.path("run/browser"),
                                        "--enable-logging=stderr",
                                        "--virtual-time-budget=5000",
                                        "--dump-dom"};
    command.insert(command.end(), options.begin(), options.end());
    command.push_back("http://127.0.0.1:" + std::to_string(httpd.plain_port()) + path);
    return run_command(command, "").text;
}

// What `script` puts into `out` of the page in a frame of that width; `d` is its document.
std::string in_frame(const Httpd& httpd, int width, const std::string& script,
                     const std::vector<std::string>& options = {}) {
    httpd.write("htdocs/frame.html",
                "<!DOCTYPE html><iframe id=f frameborder=0 height=900 width=" + std::to_string(width) +
                    "></iframe><p id=out></p><script>\n"
                    "fetch('/status?format=html').then(r => r.text()).then(t => {\n"
                    " f.onload = () => { const d = f.contentDocument, w = f.contentWindow;\n" +
                    script + " }; f.srcdoc = t; });\n</script>");
    const std::string page = render(httpd, "/frame.html", options);
    const std::size_t at = std::min(page.find("id=\"out\">"), page.size());
    return page.substr(at, page.find("</p>", at) - at);
}

const char* const kPayload = "<img src=x onerror=\"document.title='owned'\">";

std::string html_of(const Httpd& httpd, const std::string& more = "") {
    return plain_get(httpd.plain_port(), "/status?format=html" + more).body;
}

nlohmann::json json_of(const Httpd& httpd) {
    return nlohmann::json::parse(plain_get(httpd.plain_port(), "/status?format=json").body);
}

int troubles(const Httpd& httpd, const char* kind) { return json_of(httpd)["needs_you"]["counts"][kind].get<int>(); }

}  // namespace

CLAIM(a_browser_shows_hostile_names_as_text_and_the_page_fits_a_phone) {
    const World& w = world();
    CertSpec spec;
    spec.subject = {
        {"O", kPayload}, {"OU", "</style><script>document.title='owned'</script>"}, {"CN", "M\xc3\xbcller & Co"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    spec.not_before = -40 * std::int64_t{86400};
    spec.not_after = 5 * 86400 + 3600;
    const Identity hostile = issue(spec, &w.acme_ca);
    spec.not_after = -3600;
    const Identity refused = issue(spec, &w.acme_ca);
    Site site;
    site.start(std::string(kStatus) +
               "<Location /gate>\n MTLSAllow partner acme\n</Location>\n"
               "<Location /gate/denied>\n MTLSAllow partner globex\n</Location>\n"
               "<Location /gate/new>\n MTLSAllow partner globex\n MTLSAuthz LogOnly\n</Location>\n");
    CHECK_EQUAL(site.get(&hostile, "/gate/x").status, 200);
    CHECK_EQUAL(site.get(&hostile, "/gate/denied/%3Cimg%20src=x%20onerror=alert(1)%3E").status, 403);
    CHECK_EQUAL(site.get(&hostile, "/gate/new").status, 200);
    CHECK_EQUAL(site.get(nullptr, "/gate/x").status, 403);
    CHECK_EQUAL(site.get(&refused, "/gate/x").status, 0);

    // That the payload works where nothing is escaped, or this would prove nothing.
    site.httpd.write("htdocs/control.html", std::string("<!DOCTYPE html><title>fine</title>") + kPayload);
    CHECK_CONTAINS(render(site.httpd, "/control.html"), "<title>owned</title>");

    const std::string page = render(site.httpd, "/status?q=%3Cimg+src%3Dx%3E");
    CHECK_CONTAINS(page, "img src=x");  // what was asked for, in the form
    const std::string all = render(site.httpd, "/status");
    for (const std::string& one : {page, all}) {
        CHECK_CONTAINS(one, "Partners by client certificate</title>");
        CHECK(one.find("owned</title>") == std::string::npos);
        CHECK(one.find("<script") == std::string::npos);
        // The policy forbids nothing that the page itself needs.
        CHECK(one.find("Content Security Policy") == std::string::npos || one.find("Refused to") == std::string::npos);
    }
    CHECK(all.find("<img") == std::string::npos);
    CHECK_CONTAINS(html_of(site.httpd, "&q=%3Cimg+src%3Dx%3E"), "value=\"&lt;img src=x&gt;\"");
    CHECK_CONTAINS(all, "&lt;img src=x onerror=");
    CHECK_CONTAINS(all, "M\xc3\xbcller &amp; Co");
    CHECK_CONTAINS(all, "<span class=\"warn\">5 days</span>");
    CHECK_CONTAINS(all, "The certificate by which the partner was last identified ends on ");
    CHECK_CONTAINS(all, "Its handshake is refused: expired");
    CHECK_CONTAINS(all, "<h3>not-allowed: 1 denied, 1 would be</h3>");
    CHECK_CONTAINS(all, "<h3>no-certificate: 1 denied</h3>");
    CHECK_CONTAINS(all, "Same generation in ");
    CHECK_CONTAINS(all, "aria-label=\"Last 24 hours: 1 allowed, 2 denied\"");

    const Response r = plain_get(site.httpd.plain_port(), "/status", "Accept: text/html\r\n");
    CHECK_CONTAINS(r.headers, "Content-Security-Policy: default-src 'none'; style-src 'sha256-");
    CHECK_CONTAINS(r.headers, "form-action 'self'");
    CHECK_CONTAINS(r.headers, "frame-ancestors 'none'");
    CHECK_CONTAINS(r.headers, "Cache-Control: no-store");
    CHECK(r.body.find("http://") == std::string::npos);
    CHECK(r.body.find("https://") == std::string::npos);
    for (const char* bad : {"filter=lat", "filter=", "from=x", "from=-1", "from=1x"})
        CHECK_EQUAL(plain_get(site.httpd.plain_port(), std::string("/status?format=html&") + bad).status, 400);
    CHECK_EQUAL(plain_get(site.httpd.plain_port(), "/status?format=html&filter=all&other=1").status, 200);
    CHECK_CONTAINS(html_of(site.httpd, "&filter=denied"), "id=\"p-acme\"");
    CHECK_CONTAINS(html_of(site.httpd, "&filter=suspended"), "No partner is like that.");
}

CLAIM(no_name_is_broken_inside_a_word_at_any_width_and_the_page_is_read_without_a_mouse) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    std::string others;
    for (const char* name : {"umbrella.health.research-and-development.emea", "initech_payments_europe_2026",
                             "wayne-enterprises-applied-sciences-division"})
        others += partner(name, std::string("MTLSIdentity DNS:") + "api.globex.example \"CN:" + name +
                                    "\"\nMTLSTrustAnchor globex.pem\nMTLSContact \"pki-operations@" +
                                    "subsidiary.example, +1 555 0100\"");
    site.put("others.conf", others);
    site.start(kStatus);
    CHECK_EQUAL(site.get(w.acme), 200);
    CHECK_EQUAL(site.get(w.globex), 403);
    CHECK_EQUAL(site.get(w.acme_from_globex), 403);
    // A word ends where a line may: at a blank, or at the end of a text.
    const char* const measure = R"(
  let words = 0, broken = [];
  for (const name of d.querySelectorAll('.name')) {
    for (const details of d.querySelectorAll('details')) details.open = true;
    const walker = d.createTreeWalker(name, NodeFilter.SHOW_TEXT);
    for (let node; node = walker.nextNode();) {
      for (const word of node.data.matchAll(/\S+/g)) {
        const range = d.createRange();
        range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map(r => Math.round(r.top)));
        ++words; if (lines.size > 1) broken.push(word[0]);
      }
    }
  }
  const root = d.documentElement, style = w.getComputedStyle(d.querySelector('section'));
  out.textContent = 'words ' + (words > 50) + ' broken ' + broken.join(' ') + '. beyond ' +
    (root.scrollWidth - root.clientWidth) + ' border ' + style.borderTopStyle + ' by ' +
    [...d.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > root.clientWidth)
      .map(e => e.tagName + '.' + e.className).slice(0, 5).join(' ');)";
    for (const int width : {320, 360, 768, 1280})
        CHECK_CONTAINS(in_frame(site.httpd, width, measure), "words true broken . beyond 0 border solid");
    // That it would be found, or this would prove nothing.
    const std::string narrow =
        in_frame(site.httpd, 360, "d.querySelector('#partners').style.width = '5rem';" + std::string(measure));
    CHECK_CONTAINS(narrow, "words true broken ");
    CHECK(narrow.find("broken . ") == std::string::npos);
    const std::string keyboard = in_frame(site.httpd, 1280, R"(
  const first = d.querySelector('a, button, input, summary'); first.focus();
  const box = first.getBoundingClientRect();
  out.textContent = 'first ' + first.textContent + ' leads ' + (d.querySelector(first.hash) !== null) +
    ' visible ' + (box.left >= 0 && box.top >= 0) +
    ' heads ' + d.querySelectorAll('th').length + ' without ' + d.querySelectorAll('th:not([scope])').length +
    ' lost ' + [...d.querySelectorAll('a[href^="#"]')].filter(a => !d.getElementById(a.hash.slice(1))).length +
    ' unnamed ' + [...d.querySelectorAll('svg')].filter(s => !s.getAttribute('aria-label')).length +
    ' label ' + (d.querySelector('label[for=q]') !== null) + ' main ' + d.querySelectorAll('main').length;)");
    CHECK_CONTAINS(keyboard, "first Skip to the partners leads true visible true heads ");
    CHECK_CONTAINS(keyboard, " without 0 lost 0 unnamed 0 label true main 1");
    const std::string colours = "out.textContent = w.getComputedStyle(d.body).backgroundColor;";
    CHECK_CONTAINS(in_frame(site.httpd, 360, colours), "rgb(243, 245, 248)");
    CHECK_CONTAINS(in_frame(site.httpd, 360, colours, {"--blink-settings=preferredColorScheme=0"}), "rgb(14, 18, 23)");
}

CLAIM(the_page_says_when_policy_files_are_refused_and_which_child_has_what) {
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start(std::string(kStatus) + "MTLSWarn 1%\n");
    const auto has = [&](const std::string& text) { return html_of(site.httpd).find(text) != std::string::npos; };
    CHECK(has("<span class=\"good\">Nothing needs you</span>"));
    becomes([&] { return has("Same generation in 2 child processes."); }, true, "both children");
    for (const pid_t child : site.children()) CHECK(has(">" + std::to_string(child) + "<"));
    site.put("globex.conf", "# of Globex\nnonsense\n");
    becomes([&] { return has("globex.<wbr>conf:<wbr>2</span></a></h3><p>The policy files are refused"); }, true,
            "refused");
    CHECK(has("<span class=\"bad\">1 thing needs you</span>"));
    CHECK(has("&#39;nonsense&#39;"));
    CHECK(has(" stays in force since 20"));
    CHECK_EQUAL(troubles(site.httpd, "policy-refused"), 1);
    // So it is after a restart, for as long as the file is like that.
    site.httpd.graceful();
    becomes([&] { return has("globex.<wbr>conf:<wbr>2</span></a></h3><p>The policy files are refused"); }, true,
            "refused again");
    site.drop("globex.conf");
    becomes([&] { return has("<span class=\"good\">Nothing needs you</span>"); }, true, "mended");
    CHECK_EQUAL(troubles(site.httpd, "policy-refused"), 0);
}

CLAIM(the_page_names_revocation_files_that_are_gone_or_have_bad_lines_and_marks_who_is_refused) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.httpd.write("revoked/list.conf", "# nothing yet\n");
    site.start(std::string(kStatus) + "MTLSWarn 1%\nMTLSRevocationFile revoked/*.conf\n");
    CHECK_EQUAL(site.get(w.acme), 200);
    CHECK_EQUAL(site.get(w.globex), 200);
    const auto states = [&](const std::string& name) {
        const auto json = json_of(site.httpd);
        for (const auto& partner : json["partners"]) {
            if (partner["partner"] == name) return partner["states"].dump();
        }
        return std::string("absent");
    };
    CHECK_EQUAL(states("acme") + states("globex"), "[][]");
    site.httpd.write("revoked/list.conf",
                     "MTLSRevoke sha256:" + hex_sha256(w.acme) + "\nMTLSSuspend globex\nMTLSRevoke DSN:nonsense\n");
    becomes([&] { return states("acme") == "[\"revoked\"]"; }, true, "marked as revoked");
    CHECK_EQUAL(states("globex"), "[\"suspended\"]");
    CHECK_EQUAL(troubles(site.httpd, "refusal-line-bad"), 1);
    CHECK_CONTAINS(html_of(site.httpd), "list.<wbr>conf:<wbr>3</span></a></h3>");
    CHECK_CONTAINS(html_of(site.httpd), "DSN");
    // In front of its certificate, so that it is seen whose it is.
    CHECK_CONTAINS(html_of(site.httpd),
                   "<span class=\"gone\"><span class=\"name\">DNS:<wbr>api.<wbr>acme.<wbr>example");
    fs::rename(site.httpd.path("revoked"), site.httpd.path("away"));
    becomes([&] { return troubles(site.httpd, "refusal-source-gone") > 0; }, true, "gone");
    CHECK_EQUAL(states("acme"), "[\"revoked\"]");
    CHECK_CONTAINS(html_of(site.httpd), "A source of refusals is gone, empty or unreadable");
    CHECK_CONTAINS(html_of(site.httpd), "until it is back (a revocation file with a comment in it), or the server");
    const Response metrics = plain_get(site.httpd.plain_port(), "/status");
    CHECK(read_exposition(metrics.body).value("mtls_authz_needs_attention{trouble=\"refusal-source-gone\"}") > 0);
    fs::rename(site.httpd.path("away"), site.httpd.path("revoked"));
    site.httpd.write("revoked/list.conf", "# nothing any more\n");
    becomes([&] { return states("acme") + states("globex") == "[][]"; }, true, "let in again");
    becomes([&] { return json_of(site.httpd)["needs_you"]["total"].get<int>(); }, 0, "mended");
}

CLAIM(what_refuses_a_certificate_below_an_intermediate_that_the_client_sent_is_shown) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.httpd.write("revoked/list.conf", "# nobody\n");
    site.httpd.write("crl/acme.pem", make_crl(w.acme_ca, {}));
    site.start(std::string(kStatus) + "MTLSRevocationFile revoked/*.conf\nMTLSCRLFile crl/*.pem\n");
    const Identity leaf = make_client("api", "api.acme.example", w.acme_sub);
    ClientOptions options = as(leaf);
    options.chain = {&w.acme_sub};
    const auto get = [&] { return TlsClient(site.httpd.port(), options).get("/gate/x").status; };
    const auto revoked = [&] {
        const auto json = json_of(site.httpd);
        const auto& answer = json["partners"][0]["certificates"][0]["revoked"];
        return answer.is_null() ? -1 : answer.get<bool>() ? 1 : 0;
    };
    CHECK_EQUAL(get(), 200);
    becomes(revoked, 0, "asked");
    const std::string root_key = mtls::hex(mtls::bytes_of(mtls::spki_sha256(*w.acme_ca.cert)));
    for (const std::string& selector : {"sha256:" + hex_sha256(w.acme_sub), "issuer.spki-sha256:" + root_key}) {
        site.httpd.write("revoked/list.conf", "# now\nMTLSRevoke " + selector + "\n");
        becomes(get, 403, selector.c_str());
        becomes(revoked, 1, selector.c_str());
        site.httpd.write("revoked/list.conf", "# nobody\n");
        becomes(get, 200, "lifted");
        becomes(revoked, 0, "lifted");
    }
    CHECK_EQUAL(site.times("list.conf:2 refuses acme, last seen "), 2U);
    CrlSpec spec;
    spec.revoked = {{&leaf, -1}};
    site.httpd.write("crl/sub.pem", make_crl(w.acme_sub, spec));
    becomes(get, 403, "by the intermediate's list");
    becomes(revoked, 1, "by the intermediate's list");
    CHECK(site.httpd.wait_for_log("CRLs refuse acme, last seen "));
}

CLAIM(refused_handshakes_of_partners_need_somebody_until_the_same_certificate_is_let_in) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", partner("acme",
                                  "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n"
                                  "MTLSContact pki@acme.example"));
    site.start(std::string(kStatus) + "MTLSWarn 1%\n");
    CHECK_EQUAL(site.get(w.acme_from_stranger), 0);  // claims to be acme
    CHECK_EQUAL(troubles(site.httpd, "unknown-issuer"), 1);
    CHECK_EQUAL(troubles(site.httpd, "handshake-refused"), 0);
    CHECK_CONTAINS(html_of(site.httpd), "subject: CN=api");
    CHECK_CONTAINS(html_of(site.httpd), "Contact: <span class=\"name\">pki@<wbr>acme.<wbr>example</span>");
    CHECK_CONTAINS(html_of(site.httpd, "&filter=refused"), "id=\"p-acme\"");
    const auto refused = json_of(site.httpd)["refused_handshakes"];
    CHECK_EQUAL(refused.size(), 1U);
    CHECK_EQUAL(refused[0]["claimed"].get<std::string>(), "acme");
    CHECK_EQUAL(refused[0]["reason"].get<std::string>(), "unknown-ca");
    CHECK_EQUAL(refused[0]["at"].get<std::string>(), refused[0]["subject"].get<std::string>());
    CHECK_CONTAINS(refused[0]["advice"].get<std::string>(), "somebody else has a certificate with this partner's name");
    CHECK_EQUAL(refused[0]["client"].get<std::string>(), "127.0.0.1");
    CHECK_EQUAL(refused[0]["sha256"].get<std::string>(), hex_sha256(w.acme_from_stranger));
    // One of the partner's own CA is no stranger's, though mod_ssl does not know that CA.
    CertSpec spec;
    spec.subject = {{"CN", "Own CA"}};
    spec.ca = true;
    const Identity own_ca = issue(spec, nullptr), own = make_client("own", "own.example", own_ca);
    site.httpd.write("own.pem", own_ca.cert_pem());
    site.put("own.conf", partner("own", "MTLSIdentity CN:own\nMTLSTrustAnchor own.pem"));
    becomes([&] { return json_of(site.httpd)["policy"]["partners"].get<int>(); }, 2, "the new partner");
    CHECK_EQUAL(site.get(own), 0);
    CHECK_EQUAL(troubles(site.httpd, "unknown-issuer"), 1);
    CHECK_EQUAL(troubles(site.httpd, "handshake-refused"), 1);
    CHECK_CONTAINS(html_of(site.httpd), "MTLSClientCA On would let it in");
    for (const auto& one : json_of(site.httpd)["refused_handshakes"]) {
        const bool is_known =
            one["advice"].get<std::string>().find("has the CA \"CN=Own CA\" above") != std::string::npos;
        CHECK_EQUAL(is_known, one["claimed"].get<std::string>() == "own");
    }
}

CLAIM(who_was_seen_is_known_after_a_restart_and_a_damaged_file_harms_nothing) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.start(kStatus);
    const Identity renewed = make_client("api", "api.acme.example", w.acme_ca);
    CHECK_EQUAL(site.get(w.acme), 200);
    CHECK_EQUAL(site.get(renewed), 200);
    const auto certificates = [&] {
        std::string out;
        const auto json = json_of(site.httpd);
        for (const auto& partner : json["partners"]) {
            if (!partner.contains("certificates")) continue;
            for (const auto& one : partner["certificates"])
                out += partner["partner"].get<std::string>() + " " + one["sha256"].get<std::string>() + "\n";
        }
        return out;
    };
    const std::string both = "acme " + hex_sha256(renewed) + "\nacme " + hex_sha256(w.acme) + "\n";
    CHECK_EQUAL(certificates(), both);
    const std::string file = site.httpd.path("run/mtls_authz-seen/sightings");
    const auto holds = [&] { return file_text(file).find("\nend 2\n") != std::string::npos; };
    becomes(holds, true, "written");
    const std::string since = json_of(site.httpd)["watched_since"];
    CHECK(site.httpd.stop());
    pause_for(std::chrono::milliseconds(1100));
    site.httpd.start();
    becomes([&] { return certificates() == both; }, true, "read again");
    CHECK_EQUAL(json_of(site.httpd)["watched_since"].get<std::string>(), since);
    CHECK(json_of(site.httpd)["since"].get<std::string>() > since);
    CHECK_CONTAINS(html_of(site.httpd), "not since ");  // globex
    // It decides nothing.
    CHECK_EQUAL(site.get(w.acme), 200);
    CHECK(site.httpd.stop());
    std::string damaged = file_text(file);
    damaged[damaged.size() / 2] = 'z';
    std::ofstream(file, std::ios::binary) << damaged;
    site.httpd.start();
    CHECK(site.httpd.wait_for_log("sightings is not used (line "));
    CHECK_EQUAL(certificates(), "");
    CHECK_EQUAL(site.get(w.acme), 200);
    becomes([&] { return file_text(file).find("\nend 1\n") != std::string::npos; }, true, "written anew");
    CHECK_EQUAL(site.times("sightings is not used"), 1U);
}
