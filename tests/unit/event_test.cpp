// What people are told of, once for each cause, and the program that is told it.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "claims.hpp"
#include "httpd_server.hpp"
#include "mtls_authz/keeper/event_program.hpp"
#include "mtls_authz/ledger/event.hpp"
#include "mtls_authz/load/crl_files.hpp"
#include "mtls_authz/policy/lateness.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

using Made = test::Identity;
using std::chrono::milliseconds;

Ledger& new_ledger() { return *Ledger::create(); }

// A policy published as it is to requests, with CRLs.
class InForce {
public:
    explicit InForce(std::shared_ptr<const Policy> policy, std::shared_ptr<const CrlSet> crls = {}) {
        auto next = std::make_unique<Snapshot>();
        next->policy = std::move(policy);
        next->refusals = std::make_shared<const Refusals>();
        next->crls = crls ? crls : std::make_shared<const CrlSet>();
        next->serial = 1;
        published_.publish(std::move(next));
    }
    SnapshotReader read() { return published_.read(); }

private:
    mtls::Published<Snapshot> published_;
};

void see(Ledger& ledger, const std::string& name, std::int64_t not_before, std::int64_t not_after, bool waived = false,
         const std::string& sha256 = "aa") {
    const std::size_t number = ledger.sightings.number_of(partner_key(name), name);
    ledger.sightings.see(number, {now(), not_before, not_after, waived, "CN=" + name, std::string("0a"), sha256});
}

// Words, partners and contacts of what is found.
std::string found(EventFinder& finder, const Ledger& ledger, const SnapshotReader& snapshot,
                  const FileTroubles& files = {}, std::int64_t at = now()) {
    std::string out;
    for (const Event& event : finder.find(ledger, snapshot, files, at, [](const Event&) { return false; })) {
        out += std::string(word_of(event.kind)) + " " + event.partner + " " + event.contact + "\n";
    }
    return out;
}

struct Folder {
    Folder() { path = mkdtemp(name); }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string script(const std::string& text) const {
        const std::string file = path + "/program";
        std::ofstream(file) << "#!/bin/sh\n" << text;
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
        return file;
    }
    std::string text(const std::string& file) const { return test::file_text(path + "/" + file); }
    char name[32] = "/tmp/mtls-event-XXXXXX";
    std::string path;
};

std::string run(const std::vector<std::string>& command, const std::string& input,
                milliseconds longest = milliseconds(5000)) {
    std::signal(SIGPIPE, SIG_IGN);
    std::atomic<std::int32_t> runner{0};
    std::string out = EventProgram(command).run(input, runner, longest);
    CHECK_EQUAL(runner.load(), 0);
    CHECK(waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD);  // no zombie
    return out;
}

bool is_there(const std::string& pid) { return kill(std::stoi(pid), 0) == 0; }

}  // namespace

CLAIM(late_is_a_share_of_a_life_or_days_before_its_end) {
    const struct {
        const char* rule;
        std::int64_t life, late;  // seconds; how long before the end
    } rows[] = {
        {"20%", 10 * kDay, 2 * kDay},   {"20%", 47 * kDay, 47 * kDay / 5}, {"20%", 398 * kDay, 30 * kDay},
        {"50%", 10 * kDay, 5 * kDay},   {"7d", 10 * kDay, 7 * kDay},       {"7d", 398 * kDay, 7 * kDay},
        {"60d", 398 * kDay, 60 * kDay}, {"7d", 2 * kDay, 2 * kDay},        {"1%", 100, 1},
    };
    for (const auto& row : rows) {
        const LateRule rule = LateRule::parse(row.rule).value();
        CHECK_EQUAL(rule.text(), row.rule);
        constexpr std::int64_t kBegin = 1'000'000'000;
        const std::int64_t end = kBegin + row.life;
        CHECK_EQUAL(end - rule.late_from(kBegin, end), row.late);
        CHECK(rule.is_late(kBegin, end, end - row.late));
        CHECK(!rule.is_late(kBegin, end, end - row.late - 1));
    }
    CHECK_EQUAL(LateRule().text(), "20%");
    CHECK_EQUAL(LateRule::parse("14d").value().is_late(100 * kDay, 86 * kDay), true);
    CHECK_EQUAL(LateRule::parse("14d").value().is_late(100 * kDay, 86 * kDay - 1), false);
    CHECK_EQUAL(LateRule().is_late(100 * kDay, 70 * kDay), true);
    // Certificates whose dates cannot be read.
    CHECK(LateRule().is_late(INT64_MAX, INT64_MIN, 0));
    for (const char* odd :
         {"", "20", "0%", "100%", "-1%", "20 %", "20%d", "0d", "3651d", "d", "%", "1.5d", "99999999999d"}) {
        CHECK_CONTAINS(LateRule::parse(odd).error(), "expected a share of its life, 1% to 99%");
    }
    CHECK_EQUAL(distance_text(0, 8 * kDay + 5), "in 8 days");
    CHECK_EQUAL(distance_text(0, kDay + 3600), "in 25 hours");
    CHECK_EQUAL(distance_text(3 * kDay, 0), "3 days ago");
    CHECK_EQUAL(distance_text(3600, 0), "1 hour ago");
}

CLAIM(what_was_told_is_remembered_and_the_oldest_forgotten) {
    auto shared = std::make_unique<ReportedCauses>();
    CauseIndex memory(*shared);
    CHECK(!memory.has(7));
    memory.add(7);
    memory.add(7);
    CHECK(memory.has(7));
    CHECK(CauseIndex(*shared).has(7));  // another keeper
    memory.forget(7);
    CHECK(!memory.has(7));
    CHECK(!CauseIndex(*shared).has(7));
    for (std::uint64_t cause = 100; cause < 100 + ReportedCauses::kKept + 10; ++cause) memory.add(cause);
    const CauseIndex next(*shared);
    CHECK(!memory.has(100) && !next.has(100));
    CHECK(memory.has(100 + ReportedCauses::kKept) && next.has(100 + ReportedCauses::kKept));
}

CLAIM(late_certificates_anchors_and_lists_are_found_with_their_contact) {
    const Made acme_ca = make_ca("Acme CA"), globex_ca = make_ca("Globex CA");
    CertSpec old;
    old.subject = {{"CN", "Old CA"}};
    old.ca = true;
    old.eku = "";
    old.not_before = -100 * kDay;
    old.not_after = 5 * kDay;
    Draft d;
    d.file("acme.pem", acme_ca.cert_pem())
        .file("globex.pem", globex_ca.cert_pem())
        .file("old.pem", issue(old, nullptr).cert_pem());
    const auto policy = d.policy(
        "MTLSTrustAnchor old.pem\n" +
        partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor acme.pem\nMTLSContact pki@acme.example") +
        partner("globex", "MTLSIdentity CN:globex\nMTLSTrustAnchor globex.pem old.pem") +
        partner("initech", "MTLSIdentity CN:initech\nMTLSContact ini") +
        partner("ended", "MTLSIdentity CN:ended\nMTLSTrustAnchor acme.pem\nMTLSTrustAnchor old.pem until=2020-01-01"));
    CrlSpec stale;
    stale.next_update = -60;
    auto crls = std::make_shared<CrlSet>();
    DecodedCrls decoded = decode_crls(make_crl(acme_ca, stale) + make_crl(globex_ca, {}));
    for (X509CrlPtr& list : decoded.lists)
        crls->add(
            Crl::read(std::move(list)).value(), [&](const std::string& name) { return policy->cas().cas_named(name); },
            now());
    InForce published(policy, crls);
    Ledger& ledger = new_ledger();
    EventFinder finder{LateRule()};
    CHECK_EQUAL(found(finder, ledger, published.read()), "crl-overdue  \nanchor-late globex \nanchor-late * \n");
    see(ledger, "globex", now() - 90 * kDay, now() + 19 * kDay);
    see(ledger, "acme", now() - 90 * kDay, now() + 30 * kDay);
    see(ledger, "gone", now() - 90 * kDay, now() - kDay);
    see(ledger, "initech", now() - 90 * kDay, now() - kDay);
    CHECK_EQUAL(
        found(finder, ledger, published.read()),
        "crl-overdue  \ncertificate-late globex \ncertificate-late initech ini\nanchor-late globex \nanchor-late * \n");
    EventFinder by_days{LateRule::parse("5d").value()};
    CHECK_EQUAL(found(by_days, ledger, published.read()),
                "crl-overdue  \ncertificate-late initech ini\nanchor-late globex \nanchor-late * \n");
    EventFinder tight{LateRule::parse("1%").value()};
    CHECK_EQUAL(found(tight, ledger, published.read()), "crl-overdue  \ncertificate-late initech ini\n");
    // Told once for each certificate; the next one has a cause of its own.
    auto causes = std::make_unique<ReportedCauses>();
    CauseIndex memory(*causes);
    const auto tell = [&] {
        int n = 0;
        for (const Event& event :
             finder.find(ledger, published.read(), {}, now(), [&](const Event& e) { return memory.has(e.cause); })) {
            memory.add(event.cause);
            ++n;
        }
        return n;
    };
    CHECK_EQUAL(tell(), 5);
    CHECK_EQUAL(tell(), 0);
    see(ledger, "globex", now() - 90 * kDay, now() + 19 * kDay, false, "bb");
    CHECK_EQUAL(tell(), 1);
    CHECK_EQUAL(tell(), 0);
}

CLAIM(a_list_of_one_partners_ca_is_its_partners_business) {
    const Made ca = make_ca("Acme CA");
    Draft d;
    const auto policy = d.file("acme.pem", ca.cert_pem())
                            .policy(partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor acme.pem\nMTLSContact pki"));
    CrlSpec none;
    none.has_next_update = false;
    auto crls = std::make_shared<CrlSet>();
    DecodedCrls decoded = decode_crls(make_crl(ca, none));
    for (X509CrlPtr& list : decoded.lists)
        crls->add(
            Crl::read(std::move(list)).value(), [&](const std::string& name) { return policy->cas().cas_named(name); },
            now());
    InForce published(policy, crls);
    EventFinder finder{LateRule()};
    CHECK_EQUAL(found(finder, new_ledger(), published.read()), "crl-overdue acme pki\n");
}

CLAIM(a_waived_purpose_is_told_once_and_again_near_its_end) {
    const Made ca = make_ca("Acme CA");
    Draft d;
    const std::int64_t end = now() + 40 * kDay;
    const auto policy =
        d.file("acme.pem", ca.cert_pem())
            .policy(partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor acme.pem\nMTLSPurpose serverAuth until=" +
                                        format_time(end)) +
                    partner("globex", "MTLSIdentity CN:globex\nMTLSTrustAnchor acme.pem\nMTLSPurpose serverAuth") +
                    partner("initech", "MTLSIdentity CN:initech\nMTLSTrustAnchor acme.pem"));
    InForce published(policy);
    Ledger& ledger = new_ledger();
    for (const char* name : {"acme", "globex", "initech"}) see(ledger, name, now() - kDay, now() + 300 * kDay, true);
    see(ledger, "globex", now() - kDay, now() + 300 * kDay, false);
    EventFinder finder{LateRule()};
    const auto at = [&](std::int64_t then) {
        std::vector<Event> out = finder.find(ledger, published.read(), {}, then,
                                             [](const Event& e) { return e.kind != EventKind::kPurposeWaived; });
        CHECK_EQUAL(out.size(), 1U);
        CHECK_EQUAL(out[0].partner, "acme");
        return out[0];
    };
    const Event early = at(now()), late = at(end - 29 * kDay);
    CHECK(early.cause != late.cause);
    CHECK_CONTAINS(early.message, "until " + format_time(end));
    CHECK_CONTAINS(late.message, "ends on " + format_time(end) + ", in 29 days");
}

CLAIM(troubles_with_files_are_told_again_once_they_were_over) {
    Ledger& ledger = new_ledger();
    EventFinder finder{LateRule()};
    FileTroubles files;
    files.policy = FileTroubles::Refused{"content 1", {"p.conf:1: error: x"}, "generation abc stays in force"};
    files.gone = {{"r.conf", now() - 5}, {"just.conf", now()}};
    CHECK_EQUAL(found(finder, ledger, {}, files), "policy-refused  \nrefusal-source-gone  \n");
    CHECK(finder.take_ended(files).empty());
    FileTroubles other = files;
    other.policy->content = "content 2";
    CHECK_EQUAL(finder.take_ended(other).size(), 1U);
    CHECK_EQUAL(finder.take_ended({}).size(), 1U);
    CHECK(finder.take_ended({}).empty());
}

CLAIM(a_source_that_is_gone_is_told_though_the_clock_was_set_back) {
    Ledger& ledger = new_ledger();
    EventFinder finder{LateRule()};
    FileTroubles files;
    files.gone = {{"r.conf", now() + 5 * 3600}};
    CHECK_EQUAL(found(finder, ledger, {}, files), "refusal-source-gone  \n");
}

CLAIM(one_unknown_issuer_is_one_cause_however_many_certificates_it_issues) {
    const Made ca = make_ca("Stranger CA"), twin = make_ca("Stranger CA");
    const auto incident = [](const Made& who, const std::string& claimed) {
        return UnknownIssuer::of(read_facts(*who.cert), claimed, "wrong-issuer", now());
    };
    const UnknownIssuer one = incident(make_client("a", "a.example", ca), "acme"),
                        same = incident(make_client("b", "b.example", ca), "acme"),
                        other_key = incident(make_client("a", "a.example", twin), "acme"),
                        other_partner = incident(make_client("a", "a.example", ca), "globex");
    CHECK_EQUAL(one.cause, same.cause);
    CHECK(one.cause != other_key.cause && one.cause != other_partner.cause && other_key.cause != other_partner.cause);
    Ledger& ledger = new_ledger();
    for (int i = 0; i < 200; ++i) ledger.incidents.add(i % 2 == 0 ? one : other_partner);
    Draft d;
    InForce published(d.file("ca.pem", make_ca("Acme CA").cert_pem())
                          .policy(partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor ca.pem\nMTLSContact pki")));
    EventFinder finder{LateRule()};
    CHECK_EQUAL(found(finder, ledger, published.read()), "unknown-issuer acme pki\nunknown-issuer globex \n");
}

CLAIM(an_event_is_one_line_of_json_whatever_it_holds) {
    Event event{EventKind::kCertificateLate, 1};
    event.partner = "acme";
    event.contact = "\"Jane\" <x@y>\n$(reboot)";
    event.message = "ends";
    event.details = {{"subject", "CN=\xff\x1b[2J\"};\n"}};
    event.findings = {"a\nb"};
    const std::string line = event_json(event, "www.example.org", 1'000'000'000);
    CHECK_EQUAL(line.find('\n'), line.size() - 1);
    for (const char c : line.substr(0, line.size() - 1)) CHECK(c >= 0x20 && c < 0x7f);
    const auto json = nlohmann::json::parse(line);
    CHECK_EQUAL(json["event"].get<std::string>(), "certificate-late");
    CHECK_EQUAL(json["time"].get<std::string>(), "2001-09-09T01:46:40Z");
    CHECK_EQUAL(json["host"].get<std::string>(), "www.example.org");
    CHECK_EQUAL(json["contact"].get<std::string>(), event.contact);
    CHECK(json["findings"][0] == "a\nb");
    const std::string told = event_line(event);
    for (const char c : told) CHECK(c >= 0x20 && c < 0x7f);
    CHECK_CONTAINS(told, "certificate-late: partner=acme contact=\"\\x22Jane\\x22 <x@y>\\x0a$(reboot)\" subject=\"");
}

CLAIM(a_program_gets_its_text_and_nothing_else_of_this_process) {
    Folder folder;
    const std::string text = "{\"event\":\"x\"}\n";
    setenv("MTLS_SECRET", "secret", 1);
    const int leaks = open("/dev/null", O_RDONLY);  // without FD_CLOEXEC
    CHECK(leaks > 2);
    CHECK_EQUAL(
        run({folder.script(
                 "cat > \"$1/in\"; env > \"$1/env\"; ls -l /proc/self/fd > \"$1/fd\"; echo \"$#\" > \"$1/args\"\n"),
             folder.path, "$(touch x)"},
            text),
        "");
    close(leaks);
    unsetenv("MTLS_SECRET");
    CHECK_EQUAL(folder.text("in"), text);
    CHECK_EQUAL(folder.text("args"), "2\n");
    CHECK(folder.text("env").find("SECRET") == std::string::npos);
    CHECK_CONTAINS(folder.text("env"), "PATH=");
    // 0, 1 (the file), 2 and the folder that ls reads.
    const std::string open_files = folder.text("fd");
    CHECK_EQUAL(std::count(open_files.begin(), open_files.end(), '>'), 4);
}

CLAIM(what_a_program_does_wrong_is_said_and_harms_nothing) {
    Folder folder;
    CHECK_CONTAINS(run({folder.script("exit 3\n")}, "x"), "ended with status 3");
    CHECK_CONTAINS(run({folder.script("kill -TERM $$\n")}, "x"), "ended with status 143");
    CHECK_CONTAINS(run({folder.path + "/missing"}, "x"),
                   "ended with status 127 (it, or a command in it, was not found)");
    std::ofstream(folder.path + "/text") << "no program";
    CHECK_CONTAINS(run({folder.path + "/text"}, "x"),
                   "ended with status 126 (it, or a command in it, could not be run)");
    CHECK_CONTAINS(EventProgram({folder.path + "/text"}).find_fault(), "Permission denied");
    CHECK_CONTAINS(EventProgram({folder.path + "/missing"}).find_fault(), "No such file");
    CHECK_CONTAINS(EventProgram({folder.path}).find_fault(), "no regular file");
    CHECK_EQUAL(EventProgram({"/bin/sh"}).find_fault(), "");
    // It floods its output, and does not read what is more than a pipe holds.
    const std::string large(1 << 20, 'x');
    CHECK_EQUAL(run({folder.script("head -c 50000000 /dev/zero; head -c 50000000 /dev/zero >&2; exit 0\n")}, large),
                "");
    CHECK_EQUAL(run({folder.script("wc -c > " + folder.path + "/count\n")}, large), "");
    CHECK_CONTAINS(folder.text("count"), "1048576");
}

CLAIM(a_program_that_does_not_end_is_ended_with_all_that_it_started) {
    Folder folder;
    const auto timed = [&](const std::string& script, milliseconds longest = milliseconds(2000)) {
        const auto start = std::chrono::steady_clock::now();
        std::string said = run({folder.script(script)}, std::string(1 << 20, 'x'), longest);
        CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));  // they would take 100
        return said;
    };
    const std::string here = folder.path;
    CHECK_CONTAINS(timed("echo $$ > " + here + "/a; (trap '' TERM HUP; echo $$ > /dev/null; sleep 100) & echo $! > " +
                         here + "/b; trap '' TERM; while :; do sleep 1; done\n"),
                   "did not end in time");
    CHECK(!is_there(folder.text("a")));
    CHECK(!is_there(folder.text("b")));
    // It ends, and leaves something behind.
    CHECK_CONTAINS(timed("sleep 100 & echo $! > " + here + "/c\n"), "did not end in time");
    CHECK(!is_there(folder.text("c")));
    // What ends in time is waited for.
    CHECK_EQUAL(timed("(sleep 0.2; echo done > " + here + "/d) &\n", std::chrono::minutes(1)), "");
    CHECK_EQUAL(folder.text("d"), "done\n");
}

CLAIM(a_program_is_ended_in_time_even_where_whoever_ran_it_is_gone) {
    Folder folder;
    const std::string file = folder.script("echo $$ > " + folder.path + "/a; sleep 100\n");
    const pid_t runner_of_it = fork();
    if (runner_of_it == 0) {
        std::atomic<std::int32_t> runner{0};
        EventProgram({file}).run("x", runner, milliseconds(3000));  // on a busy machine, it takes a while to begin
        _exit(0);
    }
    for (int i = 0; i < 500 && folder.text("a").empty(); ++i) std::this_thread::sleep_for(milliseconds(20));
    kill(runner_of_it, SIGKILL);
    waitpid(runner_of_it, nullptr, 0);
    const std::string program = folder.text("a");
    CHECK(is_there(program));
    for (int i = 0; i < 500 && is_there(program); ++i) std::this_thread::sleep_for(milliseconds(20));
    CHECK(!is_there(program));
}
