// What needs a person is told once, to the log and to MTLSEventCmd; and whatever that program does, the server serves.
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>

#include "config_draft.hpp"
#include "exposition.hpp"
#include "live_site.hpp"
#include "mtls_authz/base/calendar.hpp"

using namespace test;

namespace {

using Json = nlohmann::json;
constexpr std::int64_t kDay = 86400;

const char* const kStatus = "<Location /status>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n";

std::string acme_with(const std::string& lines) {
    return partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n" + lines);
}

// A certificate of acme's that ends in so many seconds, of a life of so many days.
Identity ending_in(std::int64_t seconds, std::int64_t days, const std::string& eku = "clientAuth") {
    CertSpec spec;
    spec.subject = {{"CN", "api \"x\" $(reboot)"}};
    spec.san = {{GEN_DNS, "api.acme.example"}};
    spec.not_after = seconds;
    spec.not_before = seconds - days * kDay;
    spec.eku = eku;
    return issue(spec, &world().acme_ca);
}

struct EventSite : LiveSite {
    EventSite() {
        fs::create_directory(httpd.path("events"));
        chmod(httpd.path("events").c_str(), 0777);
        put("acme.conf", acme_with("MTLSContact \"Acme's PKI desk, pki@acme.example\""));
        put("globex.conf", kGlobex);
        httpd.write("revoked/list.conf", "# nobody\n");
    }
    // A program that the server runs, as a shell script; `%`: the folder that it may write to.
    std::string program(const std::string& name, std::string script) const {
        for (std::size_t at = 0; (at = script.find('%', at)) != std::string::npos;)
            script.replace(at, 1, httpd.path("events"));
        httpd.write(name, "#!/bin/sh\n" + script);
        chmod(httpd.path(name).c_str(), 0755);
        return "MTLSEventCmd " + httpd.path(name) + "\n";
    }
    // All events are kept, one a line.
    std::string collecting() const { return program("tell", "cat >> %/all\n"); }

    void begin(const std::string& lines) {
        start("MTLSRevocationFile revoked/list.conf\n" + std::string(kStatus) + lines);
    }
    void refuse(const std::string& lines) const {
        httpd.write("revoked/.new", lines);
        fs::rename(httpd.path("revoked/.new"), httpd.path("revoked/list.conf"));
    }
    std::vector<Json> told() const {
        std::vector<Json> out;
        std::istringstream lines(file_text(httpd.path("events/all")));
        for (std::string line; std::getline(lines, line);) out.push_back(Json::parse(line));
        return out;
    }
    int count(const std::string& kind) const {
        const auto all = told();
        return static_cast<int>(
            std::count_if(all.begin(), all.end(), [&](const Json& event) { return event["event"] == kind; }));
    }
    // Waits for it.
    Json the(const std::string& kind, int number = 1) const {
        becomes([&] { return std::min(count(kind), number); }, number, kind.c_str());
        Json out;
        for (const Json& event : told()) {
            if (event["event"] == kind) out = event;
        }
        return out;
    }
    Exposition metrics() const {
        Exposition out = read_exposition(plain_get(httpd.plain_port(), "/status").body);
        CHECK_EQUAL(out.fault, "");
        return out;
    }
    Json status() const { return Json::parse(plain_get(httpd.plain_port(), "/status?format=json").body); }
    std::string page() const { return plain_get(httpd.plain_port(), "/status?format=html").body; }
};

double since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// As bits, of a process's /proc/PID/status. The C library keeps those from 32 to below SIGRTMIN for itself and lets
// nobody set them: they stay as whatever started the server left them.
std::uint64_t ignored_signals(const std::string& status) {
    const std::string label = "SigIgn:\t";
    std::uint64_t bits = std::stoull(status.substr(status.find(label) + label.size(), 16), nullptr, 16);
    for (int number = 32; number < SIGRTMIN; ++number) bits &= ~(std::uint64_t{1} << (number - 1));
    return bits;
}

}  // namespace

CLAIM(a_late_certificate_is_told_once_with_its_contact_and_not_again_after_restarts) {
    const Identity late = ending_in(8 * kDay + 3600, 100), next = ending_in(7 * kDay + 3600, 100);
    EventSite site;
    site.begin(site.collecting());
    CHECK_EQUAL(site.get(world().acme), 200);
    CHECK_EQUAL(site.get(world().globex), 200);
    CHECK_EQUAL(site.get(late), 200);
    const Json event = site.the("certificate-late");
    CHECK_EQUAL(event["partner"].get<std::string>(), "acme");
    CHECK_EQUAL(event["contact"].get<std::string>(), "Acme's PKI desk, pki@acme.example");
    CHECK_EQUAL(event["host"].get<std::string>(), "localhost");
    CHECK_EQUAL(event["sha256"].get<std::string>(), hex_sha256(late));
    CHECK_CONTAINS(event["subject"].get<std::string>(), "$(reboot)");
    CHECK_CONTAINS(event["message"].get<std::string>(), ", in 8 days");
    CHECK(site.httpd.wait_for_log("certificate-late: partner=acme contact=\"Acme's PKI desk, pki@acme.example\""));

    const std::string acme = "{partner=\"acme\"}", certificate = "mtls_authz_partner_certificate_";
    const std::string runs = "mtls_authz_events_total{result=\"ok\"}";
    becomes([&] { return static_cast<int>(site.metrics().value(runs)); }, 1, "one run");
    const Exposition all = site.metrics();
    const double life = all.value(certificate + "not_after_timestamp_seconds" + acme) -
                        all.value(certificate + "not_before_timestamp_seconds" + acme);
    CHECK_EQUAL(life, 100.0 * kDay);
    CHECK_EQUAL(all.value(certificate + "late" + acme), 1);
    CHECK_EQUAL(all.value(certificate + "late{partner=\"globex\"}"), 0);
    CHECK_EQUAL(all.value("mtls_authz_events_total{result=\"failed\"}"), 0);
    bool is_seen = false;
    const Json status = site.status();
    for (const Json& one : status["partners"]) {
        const bool is_acme = one["partner"] == "acme";
        CHECK_EQUAL(one["certificate"]["late"].get<bool>(), is_acme);
        CHECK_EQUAL(one.contains("contact"), is_acme);
        is_seen = is_seen || is_acme;
    }
    CHECK(is_seen);
    CHECK_CONTAINS(site.page(), "Contact: <span class=\"name\">Acme&#39;s PKI desk, pki@<wbr>acme.<wbr>example");
    CHECK_CONTAINS(site.page(), "<span class=\"tag is-warn\">late</span>");
    CHECK_CONTAINS(site.page(), "The certificate by which the partner was last identified ends on ");

    for (const int number : {SIGUSR1, SIGHUP}) {
        site.httpd.restart(number);
        becomes([&] { return site.get(late); }, 200, "after a restart");
    }
    // In the middle of a restart there is none.
    const auto the_keeper = [&] {
        const auto found = site.httpd.keepers();
        return found.size() == 1 ? found.front() : 0;
    };
    becomes([&] { return the_keeper() != 0; }, true, "one keeper");
    const pid_t keeper = the_keeper();
    if (keeper != 0) kill(keeper, SIGKILL);
    becomes([&] { return the_keeper() != 0 && the_keeper() != keeper; }, true, "another keeper");
    becomes([&] { return site.get(late); }, 200, "after another keeper");
    pause_for(kTakesHold);
    CHECK_EQUAL(site.count("certificate-late"), 1);
    CHECK_EQUAL(site.times("certificate-late: "), 1U);
    // The next certificate is another cause.
    CHECK_EQUAL(site.get(next), 200);
    CHECK_EQUAL(site.the("certificate-late", 2)["sha256"].get<std::string>(), hex_sha256(next));
}

CLAIM(mtls_warn_says_when_a_certificate_is_late) {
    const Identity half = ending_in(4 * kDay, 10);
    for (const auto& [rule, late] : {std::pair<const char*, int>("", 0),
                                     {"MTLSWarn 30%\n", 0},
                                     {"MTLSWarn 50%\n", 1},
                                     {"MTLSWarn 3d\n", 0},
                                     {"MTLSWarn 5d\n", 1}}) {
        EventSite site;
        site.begin(rule);
        CHECK_EQUAL(site.get(half), 200);
        CHECK_EQUAL(site.metrics().value("mtls_authz_partner_certificate_late{partner=\"acme\"}"), late);
        CHECK_EQUAL(site.page().find("late</span>") != std::string::npos, late == 1);
    }
    EventSite site;
    site.configure("MTLSWarn 20\n");
    const auto tested = site.httpd.run({"-t"});
    CHECK(tested.status != 0);
    CHECK_CONTAINS(tested.text, "MTLSWarn: '20': expected a share of its life, 1% to 99%, or days before its end");
}

CLAIM(each_kind_of_event_is_told) {
    const World& w = world();
    EventSite site;
    CertSpec old;
    old.subject = {{"CN", "Old CA"}};
    old.ca = true;
    old.eku = "";
    old.not_before = -300 * kDay;
    old.not_after = 10 * kDay;
    site.httpd.write("old.pem", issue(old, nullptr).cert_pem());
    site.put("initech.conf",
             partner("initech", "MTLSIdentity CN:initech\nMTLSTrustAnchor old.pem\nMTLSContact ini@example.org"));
    CrlSpec stale;
    stale.next_update = -2 * kDay;
    stale.this_update = -9 * kDay;
    site.httpd.write("acme.crl", make_crl(w.acme_ca, stale));
    site.begin(site.collecting() + "MTLSCRLFile acme.crl\nMTLSCRLStale allow\n");

    Json event = site.the("anchor-late");
    CHECK_EQUAL(event["partner"].get<std::string>(), "initech");
    CHECK_EQUAL(event["contact"].get<std::string>(), "ini@example.org");
    CHECK_EQUAL(event["file"].get<std::string>(), "old.pem");
    CHECK_EQUAL(site.metrics().value("mtls_authz_anchor_late{partner=\"initech\",anchor=\"CN=Old CA (old.pem)\"}"), 1);
    event = site.the("crl-overdue");
    CHECK_EQUAL(event["partner"].get<std::string>(), "acme");
    CHECK_CONTAINS(event["message"].get<std::string>(), "was due 2 days ago");
    CHECK_CONTAINS(event["issuer"].get<std::string>(), "Acme CA");

    // An issuer that mod_ssl knows, and one that it does not.
    CHECK_EQUAL(site.get(w.acme_from_globex), 403);
    event = site.the("unknown-issuer");
    CHECK_EQUAL(event["partner"].get<std::string>(), "acme");
    CHECK_EQUAL(event["reason"].get<std::string>(), "wrong-issuer");
    CHECK_CONTAINS(event["issuer"].get<std::string>(), "Globex CA");
    CHECK_EQUAL(event["sha256"].get<std::string>(), hex_sha256(w.acme_from_globex));
    CHECK_EQUAL(site.get(w.acme_from_stranger), 0);
    event = site.the("unknown-issuer", 2);
    CHECK_EQUAL(event["reason"].get<std::string>(), "unknown-ca");
    CHECK_CONTAINS(event["issuer"].get<std::string>(), "Stranger CA");
    CHECK(site.httpd.wait_for_log("claimed=acme contact=\"Acme's PKI desk, pki@acme.example\""));
    CHECK_EQUAL(site.get(w.acme_from_globex), 403);
    CHECK_EQUAL(site.get(w.acme_from_stranger), 0);
    // Nobody whom they would name.
    CHECK_EQUAL(site.get(w.unnamed), 403);

    // A policy that is refused; the same once more, after it was mended.
    const std::string broken = "<MTLSPartner q>\nMTLSNonsense x\n</MTLSPartner>\n";
    site.put("zz.conf", broken);
    event = site.the("policy-refused");
    CHECK_CONTAINS(event["findings"][0].get<std::string>(), "zz.conf:2: error: unknown directive 'MTLSNonsense'");
    CHECK_CONTAINS(event["message"].get<std::string>(), "stays in force since");
    site.httpd.graceful();
    becomes([&] { return site.get(w.globex); }, 200, "after a restart");
    pause_for(kTakesHold);
    CHECK_EQUAL(site.count("policy-refused"), 1);
    site.drop("zz.conf");
    CHECK(site.httpd.wait_for_log("the policy files are no longer refused"));
    site.put("zz.conf", broken);
    site.the("policy-refused", 2);

    // A source of refusals that is gone.
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.get(w.globex); }, 403, "suspended");
    fs::remove(site.httpd.path("revoked/list.conf"));
    event = site.the("refusal-source-gone");
    CHECK_CONTAINS(event["file"].get<std::string>(), "revoked/list.conf");
    CHECK_EQUAL(site.get(w.globex), 403);
    pause_for(kTakesHold);
    CHECK_EQUAL(site.count("refusal-source-gone"), 1);
    site.httpd.graceful();
    pause_for(2 * kTakesHold);
    CHECK_EQUAL(site.get(w.globex), 403);
    CHECK_EQUAL(site.count("refusal-source-gone"), 1);
    CHECK_EQUAL(site.count("unknown-issuer"), 2);
    CHECK_EQUAL(site.count("crl-overdue"), 1);
    CHECK_EQUAL(site.count("anchor-late"), 1);
    CHECK_EQUAL(site.count("certificate-late"), 0);
}

CLAIM(a_waived_purpose_is_told_counted_for_its_partner_and_warned_of_near_its_end) {
    const Identity server = ending_in(50 * kDay, 100, "serverAuth");
    EventSite site;
    const std::int64_t end = std::time(nullptr) + 40 * kDay;
    const std::string until = mtls::format_time(end);
    site.put("acme.conf", acme_with("MTLSContact pki@acme.example\nMTLSPurpose serverAuth until=" + until));
    site.begin(site.collecting());
    CHECK(site.httpd.error_log().find("by then the partner needs") == std::string::npos);
    for (int i = 0; i < 3; ++i) CHECK_EQUAL(site.get(server), 200);
    CHECK_EQUAL(site.get(world().globex), 200);
    Json event = site.the("purpose-waived");
    CHECK_EQUAL(event["partner"].get<std::string>(), "acme");
    CHECK_EQUAL(event["contact"].get<std::string>(), "pki@acme.example");
    CHECK_EQUAL(event["sha256"].get<std::string>(), hex_sha256(server));
    CHECK_CONTAINS(event["message"].get<std::string>(), "until " + until);
    const std::string waived = "mtls_authz_partner_purpose_waived_total",
                      ends = "mtls_authz_partner_purpose_until_timestamp_seconds";
    Exposition all = site.metrics();
    CHECK_EQUAL(all.value("mtls_authz_purpose_waived_total"), 3);
    CHECK_EQUAL(all.value(waived + "{partner=\"acme\"}"), 3);
    CHECK_EQUAL(all.value(waived + "{partner=\"globex\"}"), -1);
    CHECK_EQUAL(all.value(ends + "{partner=\"acme\"}"), static_cast<double>(end));
    CHECK_CONTAINS(site.page(), "1 partner with MTLSPurpose serverAuth: <span class=\"name\">acme</span> (until ");
    CHECK_CONTAINS(site.page(), "made for servers alone");
    CHECK_CONTAINS(site.page(), ", 3 requests)");
    const Json status = site.status();
    for (const Json& one : status["partners"]) {
        if (one["partner"] != "acme") continue;
        CHECK(one["purpose"]["waived_until"] == until && one["purpose"]["ends_soon"] == false &&
              one["purpose"]["requests"] == 3);
        CHECK(one["certificate"]["made_for_servers"] == true);
    }
    // Nearer to its end: at a reload, on the page, and once more as an event.
    const std::string soon = mtls::format_time(std::time(nullptr) + 20 * kDay + 60);
    site.put("acme.conf", acme_with("MTLSContact pki@acme.example\nMTLSPurpose serverAuth until=" + soon));
    CHECK(site.httpd.wait_for_log("MTLSPurpose serverAuth of acme ends on " + soon +
                                  ", in 20 days: by then the partner needs a certificate that was made for clients; "
                                  "contact: pki@acme.example"));
    event = site.the("purpose-waived", 2);
    CHECK_EQUAL(event["until"].get<std::string>(), soon);
    becomes([&] { return site.page().find("serverAuth ends</span>") != std::string::npos; }, true, "the page");
    pause_for(kTakesHold);
    CHECK_EQUAL(site.count("purpose-waived"), 2);
    // At a start, too, and by days.
    EventSite other;
    other.put("acme.conf", acme_with("MTLSPurpose serverAuth until=" + until));
    other.begin("MTLSWarn 45d\n");
    CHECK_CONTAINS(other.httpd.error_log(), "MTLSPurpose serverAuth of acme ends on " + until);
}

CLAIM(a_program_that_hangs_floods_or_fails_holds_up_nothing) {
    const World& w = world();
    const Identity late = ending_in(8 * kDay, 100);
    EventSite site;
    // It ignores what asks it to end, has a child that does, too, floods its output and never reads.
    site.begin(site.program("hang",
                            "echo $$ >> %/pids\n(trap '' TERM HUP INT; sleep 300) &\necho $! >> %/pids\n"
                            "trap '' TERM HUP INT\nhead -c 10000000 /dev/zero\nhead -c 10000000 /dev/zero >&2\n"
                            "while :; do sleep 1; done\n"));
    CHECK_EQUAL(site.get(late), 200);
    becomes([&] { return file_text(site.httpd.path("events/pids")).empty() ? 0 : 1; }, 1, "it runs");
    // Refusals and policies come into force meanwhile, as fast as ever.
    for (int round = 0; round < 3; ++round) {
        auto start = std::chrono::steady_clock::now();
        site.refuse("MTLSSuspend globex\n");
        becomes([&] { return site.get(w.globex); }, 403, "suspended");
        CHECK(since(start) < 3);
        site.refuse("# nobody\n");
        becomes([&] { return site.get(w.globex); }, 200, "no longer");
    }
    CHECK(site.httpd.wait_for_log(
        "did not end in time, so it was ended, with all that it started, for certificate-late of acme"));
    std::istringstream pids(file_text(site.httpd.path("events/pids")));
    int n = 0;
    for (pid_t pid = 0; pids >> pid; ++n) CHECK(kill(pid, 0) != 0);
    CHECK_EQUAL(n, 2);
    CHECK_EQUAL(site.metrics().value("mtls_authz_events_total{result=\"failed\"}"), 1);
    CHECK_EQUAL(site.metrics().value("mtls_authz_keeper_up"), 1);
    CHECK_CONTAINS(site.page(), "1 run</span> of MTLSEventCmd failed");
    CHECK_EQUAL(site.httpd.keepers().size(), 1U);
    // No zombie is left: no thread of the keeper has a child.
    for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(site.httpd.keepers().front()) + "/task"))
        CHECK_EQUAL(file_text(task.path().string() + "/children"), "");
}

CLAIM(a_program_that_is_missing_is_warned_of_at_start_and_harms_nothing) {
    Draft d;
    d.warns("MTLSEventCmd \"/bin/sh -c true\"", ": its arguments are words of their own, not quoted with it: events");
    d.is_silent_about("MTLSEventCmd /bin/sh -c true", "MTLSEventCmd");
    EventSite site;
    site.begin("MTLSEventCmd no/such/program --now\n");
    CHECK_CONTAINS(site.httpd.error_log(),
                   "no/such/program cannot be run (No such file or directory): events are only");
    CHECK_EQUAL(site.get(ending_in(8 * kDay, 100)), 200);
    CHECK(site.httpd.wait_for_log("no/such/program ended with status 127 (it, or a command in it, was not found)"));
    CHECK_EQUAL(site.get(world().globex), 200);
    CHECK_EQUAL(site.metrics().value("mtls_authz_events_total{result=\"failed\"}"), 1);
    const auto tested = site.httpd.run({"-t"});
    CHECK_EQUAL(tested.status, 0);
    CHECK_CONTAINS(tested.text, "MTLSEventCmd: ");
    site.configure("MTLSEventCmd\n");
    CHECK_CONTAINS(site.httpd.run({"-t"}).text, "MTLSEventCmd: expected PROGRAM [ARGUMENT...]");
}

CLAIM(a_program_has_nothing_of_the_servers_and_no_text_of_a_certificate_but_in_its_input) {
    EventSite site;
    site.httpd.set_environment("MTLS_TEST_SECRET", "of-the-server");
    site.begin(site.program("look",
                            "cat > %/in\nls -l /proc/self/fd > %/fd\ncat /proc/$$/cmdline /proc/$$/environ > %/words\n"
                            "id -u > %/uid\ncat /proc/self/status > %/status\necho done > %/done\n"));
    CHECK_EQUAL(site.get(ending_in(8 * kDay, 100)), 200);
    becomes([&] { return file_text(site.httpd.path("events/done")).empty() ? 0 : 1; }, 1, "it ran");
    const auto text = [&](const std::string& name) { return file_text(site.httpd.path("events/" + name)); };
    CHECK_EQUAL(Json::parse(text("in"))["event"].get<std::string>(), "certificate-late");
    // 0, 1, 2, and the folder that ls reads.
    const std::string fds = text("fd"), folder = fs::canonical(site.httpd.path("events"));
    std::vector<std::string> open_files;
    for (std::size_t at = 0; (at = fds.find("-> ", at)) != std::string::npos; ++at)
        open_files.push_back(fds.substr(at + 3, fds.find('\n', at) - at - 3));
    test::check(open_files.size() == 4 && open_files[0].starts_with("pipe:") && open_files[1] == folder + "/fd" &&
                    open_files[2] == "/dev/null" && open_files[3].starts_with("/proc/"),
                fds, __FILE__, __LINE__);
    for (const char* what : {"of-the-server", "reboot", "acme"})
        test::check(text("words").find(what) == std::string::npos, text("words"), __FILE__, __LINE__);
    if (getuid() == 0) CHECK(text("uid") != "0\n");
    CHECK_CONTAINS(text("status"), "SigBlk:\t0000000000000000");
    test::check(ignored_signals(text("status")) == 0, text("status"), __FILE__, __LINE__);
}

CLAIM(events_run_one_at_a_time_over_a_restart_too) {
    EventSite site;
    site.begin(
        site.program("slow", "if ! mkdir %/lock; then echo two >> %/two; fi\nsleep 2\ncat >> %/all\nrmdir %/lock\n"));
    for (int days = 1; days <= 3; ++days) {
        CHECK_EQUAL(site.get(ending_in(days * kDay, 100)), 200);
        pause_for(std::chrono::milliseconds(1500));
    }
    site.httpd.graceful();
    site.the("certificate-late");
    pause_for(std::chrono::seconds(5));
    CHECK_EQUAL(file_text(site.httpd.path("events/two")), "");
    CHECK(site.count("certificate-late") >= 2);
}

CLAIM(the_examples_mail_and_post_what_they_are_told) {
    const std::string here = fs::current_path().string() + "/conf/examples/";
    for (const char* name : {"event-mail.sh", "event-webhook.sh"}) {
        EventSite site;
        site.httpd.write("example.sh", file_text(here + name));
        chmod(site.httpd.path("example.sh").c_str(), 0755);
        site.program("bin/sendmail", "cat > %/mail; echo \"$@\" > %/args\n");
        site.program("bin/curl", "cat > %/posted; for word; do echo \"$word\"; done > %/args\n");
        site.httpd.write("bin/run", "#!/bin/sh\nPATH=" + site.httpd.path("bin") +
                                        ":$PATH SENDMAIL=" + site.httpd.path("bin/sendmail") + " exec \"$@\"\n");
        chmod(site.httpd.path("bin/run").c_str(), 0755);
        site.begin("MTLSEventCmd bin/run " + site.httpd.path("example.sh") + " pki@example.org\n");
        CHECK_EQUAL(site.get(ending_in(8 * kDay, 100)), 200);
        becomes([&] { return static_cast<int>(site.metrics().value("mtls_authz_events_total{result=\"ok\"}")); }, 1,
                name);
        const std::string args = file_text(site.httpd.path("events/args"));
        CHECK(args.find("reboot") == std::string::npos);
        if (std::string(name) == "event-mail.sh") {
            const std::string mail = file_text(site.httpd.path("events/mail"));
            CHECK_CONTAINS(mail, "To: pki@example.org\nSubject: [mod_mtls_authz localhost] certificate-late acme\n");
            CHECK(mail.substr(0, mail.find("\n\n")).find("reboot") == std::string::npos);
            CHECK_CONTAINS(mail, "$(reboot)");
            CHECK_EQUAL(args, "-i -t\n");
        } else {
            CHECK_EQUAL(Json::parse(file_text(site.httpd.path("events/posted")))["partner"].get<std::string>(), "acme");
            CHECK_CONTAINS(args, "\n--\npki@example.org\n");
        }
    }
}
