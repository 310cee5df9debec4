// A soak: soak MODULE [MINUTES]. Policy files, revocation files, suspensions and CRLs are edited at random, the server
// is restarted, its keeper and its children are killed, while clients ask. A model knows what may be answered: while a
// change comes into force either, and afterwards one thing only.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "httpd_server.hpp"
#include "waiting.hpp"
#include "workers.hpp"
#include "world.hpp"

namespace {

namespace fs = std::filesystem;
using namespace test;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Until a change has to be in force, on a machine that is busy with other things.
constexpr seconds kInForce{15};
constexpr int kPartners = 6;

// One thing that can refuse a partner, and how it changed.
class Condition {
public:
    // Before the change is made: from now on requests may see it.
    void change(bool is_refusing) {
        const std::lock_guard lock(mutex_);
        changes_.push_back({Clock::now(), is_refusing});
        while (changes_.size() > 2 && changes_[1].since + kKept < Clock::now()) changes_.pop_front();
    }
    bool now() const {
        const std::lock_guard lock(mutex_);
        return changes_.back().is_refusing;
    }
    // What a request that took that long may have met.
    std::set<bool> between(Clock::time_point begun, Clock::time_point ended) const {
        const std::lock_guard lock(mutex_);
        std::set<bool> out;
        for (std::size_t i = 0; i < changes_.size(); ++i) {
            const bool has_begun = changes_[i].since <= ended;
            const bool is_over = i + 1 < changes_.size() && changes_[i + 1].since + kInForce < begun;
            if (has_begun && !is_over) out.insert(changes_[i].is_refusing);
        }
        return out;
    }

private:
    static constexpr std::chrono::minutes kKept{5};
    struct Change {
        Clock::time_point since;
        bool is_refusing;
    };
    mutable std::mutex mutex_;
    std::deque<Change> changes_{{Clock::time_point::min() + kInForce, false}};
};

enum What { kRemoved, kRevoked, kSuspended, kListed, kConditions };

struct Partner {
    std::string name;
    Identity id;
    Condition conditions[kConditions];
};

class Soak {
public:
    explicit Soak(const HttpdPaths& paths) : httpd_(paths) {
        world().install(httpd_);
        for (int i = 0; i < kPartners; ++i) {
            Partner& partner = partners_[static_cast<std::size_t>(i)];
            partner.name = "p" + std::to_string(i);
            CertSpec spec;
            spec.subject = {{"CN", partner.name}};
            spec.san = {{GEN_DNS, partner.name + ".acme.example"}};
            spec.serial = "10" + std::to_string(i);
            partner.id = issue(spec, &world().acme_ca);
            write_partner(partner);
        }
        write_revocations();
        write_list();
        httpd_.configure(
            "AliasMatch ^/gate/ \"" + httpd_.path("htdocs/ok.html") +
            "\"\nMTLSPolicyFile partners/*.conf\nMTLSRevocationFile revoked/*.conf\n"
            "MTLSCRLFile crl/*.crl\n<Location /gate>\n MTLSAllow any-partner\n MTLSEnv All\n</Location>\n");
        httpd_.start();
    }

    bool run(std::chrono::minutes time) {
        for (std::size_t i = 0; i < 3; ++i) {
            workers_.add([this, i] { ask(i); });
        }
        workers_.add([this] { edit_policy(); });
        workers_.add([this] { edit_refusals(); });
        workers_.add([this] { break_things(); });
        const auto end = Clock::now() + time;
        std::vector<long> held;
        while (Clock::now() < end && !workers_.are_over()) {
            pause_for(seconds(5));
            held.push_back(children_kib(httpd_.pid()) + resident_kib(httpd_.pid()));
        }
        workers_.stop();
        const bool is_flat = report(held);
        return wrong_ == 0 && failed_ == 0 && is_flat;
    }

private:
    // ---- the model's hands ----

    void put(const std::string& name, const std::string& content) {
        const fs::path path = httpd_.path(name);
        const std::string beside = (path.parent_path() / ".new").string();
        httpd_.write(beside.substr(httpd_.root().size() + 1), content);
        fs::rename(beside, path);
    }
    void write_partner(const Partner& partner) {
        put("partners/" + partner.name + ".conf",
            "<MTLSPartner " + partner.name + ">\nMTLSIdentity DNS:" + partner.name +
                ".acme.example\nMTLSTrustAnchor acme.pem\n# " + std::to_string(++edits_) + "\n</MTLSPartner>\n");
    }
    void write_revocations() {
        std::string lines = "# " + std::to_string(++edits_) + "\n";
        for (const Partner& partner : partners_) {
            if (partner.conditions[kRevoked].now()) lines += "MTLSRevoke DNS:" + partner.name + ".acme.example\n";
            if (partner.conditions[kSuspended].now()) lines += "MTLSSuspend " + partner.name + "\n";
        }
        put("revoked/all.conf", lines);
    }
    void write_list() {
        CrlSpec spec;
        spec.number = ++list_number_;
        for (const Partner& partner : partners_) {
            if (partner.conditions[kListed].now()) spec.revoked.emplace_back(&partner.id, 1);
        }
        put("crl/acme.crl", make_crl(world().acme_ca, spec));
    }

    // ---- who edits ----

    std::size_t any(std::size_t count) {
        const std::lock_guard lock(mutex_);
        return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_);
    }
    bool pause(seconds least, std::size_t more) {
        const auto end = Clock::now() + least + milliseconds(any(more * 1000 + 1));
        while (Clock::now() < end && !workers_.are_over()) pause_for(milliseconds(100));
        return !workers_.are_over();
    }

    void edit_policy() {
        while (pause(seconds(1), 6)) {
            Partner& partner = partners_[any(partners_.size())];
            Condition& removed = partner.conditions[kRemoved];
            // The last one stays: a pattern without a file keeps the old policy.
            if (&partner != &partners_[0]) removed.change(!removed.now());
            if (removed.now()) {
                fs::remove(httpd_.path("partners/" + partner.name + ".conf"));
            } else {
                write_partner(partner);
            }
            if (any(8) != 0) continue;
            // What is broken changes nothing: all edits before have come into force by then.
            if (!pause(kInForce, 0)) return;
            httpd_.write("partners/zz.conf", any(2) == 0 ? "nonsense\n" : "<MTLSPartner x>\nMTLSIdentity CN:x\n");
            pause(seconds(2), 4);
            fs::remove(httpd_.path("partners/zz.conf"));
        }
    }
    void edit_refusals() {
        while (pause(seconds(1), 4)) {
            Partner& partner = partners_[any(partners_.size())];
            constexpr What kKinds[] = {kRevoked, kSuspended, kListed};
            const What what = kKinds[any(3)];
            partner.conditions[what].change(!partner.conditions[what].now());
            if (what == kListed) {
                write_list();
            } else {
                write_revocations();
            }
        }
    }
    void break_things() {
        while (pause(seconds(3), 10)) {
            switch (any(4)) {
                case 0:
                    unsure_.change(true);
                    httpd_.graceful();
                    unsure_.change(false);
                    ++restarts_;
                    break;
                case 1:
                    // Until another one answers, new processes refuse.
                    unsure_.change(true);
                    for (const pid_t pid : httpd_.keepers()) kill(pid, SIGKILL);
                    unsure_.change(false);
                    ++keepers_killed_;
                    break;
                case 2: {
                    // Requests that it was at fail.
                    const auto all = httpd_.children();
                    if (all.empty()) break;
                    dying_.change(true);
                    kill(all[any(all.size())], SIGKILL);
                    dying_.change(false);
                    ++children_killed_;
                    break;
                }
                default:
                    unsure_.change(true);
                    for (const pid_t pid : httpd_.keepers()) kill(pid, SIGSTOP);
                    pause(seconds(1), 3);
                    for (const pid_t pid : httpd_.keepers()) kill(pid, SIGCONT);
                    unsure_.change(false);
                    ++keepers_stopped_;
            }
        }
    }

    // ---- who asks ----

    void ask(std::size_t seed) {
        std::map<std::string, std::unique_ptr<TlsClient>> kept;
        for (std::size_t i = seed; !workers_.are_over(); ++i) {
            const Partner& partner = partners_[i % partners_.size()];
            auto& client = kept[partner.name];
            const bool is_fresh = client == nullptr || i % 5 == 0;
            const auto begun = Clock::now();
            int status = 0;
            if (!is_fresh) status = client->get("/gate/x").status;
            // A connection that was kept may have been closed meanwhile.
            if (status == 0) {
                client = std::make_unique<TlsClient>(httpd_.port(), as(partner.id));
                status = client->get("/gate/x").status;
            }
            if (status == 0) client.reset();
            judge(partner, status, begun, Clock::now());
            pause_for(milliseconds(5));
        }
    }

    void judge(const Partner& partner, int status, Clock::time_point begun, Clock::time_point ended) {
        ++asked_;
        bool may_pass = true, may_not = false;
        for (const Condition& condition : partner.conditions) {
            const auto met = condition.between(begun, ended);
            may_pass = may_pass && met.contains(false);
            may_not = may_not || met.contains(true);
        }
        if (may_pass != may_not) ++certain_;
        if (status == 200 && may_pass) return;
        if (status == 403 && may_not) return;
        if (status == 403 && unsure_.between(begun, ended).contains(true)) {
            ++unsure_refusals_;
            return;
        }
        if (status == 0 && dying_.between(begun, ended).contains(true)) {
            ++died_with_;
            return;
        }
        ++(status == 200 || status == 403 ? wrong_ : failed_);
        std::printf("%s got %d, may pass: %d, may not: %d\n", partner.name.c_str(), status, may_pass, may_not);
        std::fflush(stdout);
    }

    // ---- what came of it ----

    // Of what was held in this part of the time, the middle.
    static long middle(std::vector<long> all, double from, double to) {
        const auto at = [&all](double part) {
            return all.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(all.size()) * part);
        };
        std::vector<long> some(at(from), at(to));
        if (some.empty()) return 0;
        std::nth_element(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(some.size() / 2), some.end());
        return some[some.size() / 2];
    }

    bool report(const std::vector<long>& held) {
        const long early = middle(held, 0.1, 0.4), late = middle(held, 0.7, 1.0);
        std::printf(
            "%d requests, of %d of them only one answer was right; %d wrong, %d failed\n"
            "%d refused while a keeper was missing, %d ended with a child that was killed\n"
            "%d edits, %d graceful restarts, %d keepers killed, %d stopped, %d children killed\n"
            "all processes held %ld KiB early and %ld KiB late\n",
            asked_.load(), certain_.load(), wrong_.load(), failed_.load(), unsure_refusals_.load(), died_with_.load(),
            edits_.load() + static_cast<int>(list_number_), restarts_.load(), keepers_killed_.load(),
            keepers_stopped_.load(), children_killed_.load(), early, late);
        for (const std::string& error : httpd_.unclaimed_errors(
                 {": denied ", "the keeper ", "policy files are refused", "zz.conf", "MTLSPartner x"})) {
            std::printf("%s\n", error.substr(0, 300).c_str());
        }
        constexpr long kAllowed = 8192;
        return late <= early + early / 5 + kAllowed;
    }

    Httpd httpd_;
    std::array<Partner, kPartners> partners_;
    Condition unsure_, dying_;
    std::mutex mutex_;
    std::mt19937 random_{std::random_device()()};
    std::atomic<int> edits_{0}, restarts_{0}, keepers_killed_{0}, keepers_stopped_{0}, children_killed_{0};
    std::atomic<int> asked_{0}, certain_{0}, wrong_{0}, failed_{0}, unsure_refusals_{0}, died_with_{0};
    long list_number_ = 0;
    Workers workers_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return std::fprintf(stderr, "usage: soak MODULE [MINUTES]\n"), 2;
    std::signal(SIGPIPE, SIG_IGN);
    try {
        const HttpdPaths paths = find_httpd(fs::absolute(argv[1]));
        const bool is_well = Soak(paths).run(std::chrono::minutes(argc > 2 ? std::atoi(argv[2]) : 20));
        std::printf("%s\n", is_well ? "nothing went wrong" : "FAILED");
        return is_well ? 0 : 1;
    } catch (const std::exception& e) {
        return std::fprintf(stderr, "%s\n", e.what()), 1;
    }
}
