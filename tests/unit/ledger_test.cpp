// What all processes count and remember together.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "claims.hpp"
#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/rules/partner_name.hpp"

using namespace mtls;

namespace {

struct Pair {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    FixedText<40> text;
};

// Runs in a process of its own, and waits for it.
template <class Body>
void in_child(Body body) {
    const pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
}

}  // namespace

CLAIM(children_count_into_one_ledger) {
    Ledger* const ledger = Ledger::create();
    CHECK(ledger != nullptr);
    CHECK(Ledger::adopt(ledger) == ledger);
    for (int i = 0; i < 3; ++i) {
        in_child([&] {
            ledger->decisions.count(Outcome::kDeny, Reason::kExpired, DecisionCounters::kNoPartner);
            const std::size_t acme = ledger->sightings.number_of(partner_key("acme"), "acme");
            ledger->decisions.count(Outcome::kAllow, Reason::kGranted, acme, 300);
            ledger->examples.add(Reason::kExpired, {});
        });
    }
    CHECK_EQUAL(ledger->decisions.decisions(Outcome::kDeny, Reason::kExpired), 3U);
    CHECK_EQUAL(ledger->decisions.decisions(Outcome::kWouldDeny, Reason::kExpired), 0U);
    const auto seen = ledger->sightings.all();
    CHECK_EQUAL(seen.size(), 1U);
    CHECK_EQUAL(seen.front().name, "acme");
    CHECK_EQUAL(ledger->decisions.of_partner(seen.front().number, Outcome::kAllow), 3U);
    CHECK_EQUAL(ledger->decisions.durations().buckets[1], 3U);
    CHECK_EQUAL(ledger->decisions.durations().nanoseconds, 900U);
    CHECK_EQUAL(ledger->examples.newest(Reason::kExpired).size(), 3U);
}

CLAIM(another_versions_ledger_is_not_adopted) {
    Ledger* const ledger = Ledger::create();
    ++ledger->layout;
    CHECK(Ledger::adopt(ledger) == nullptr);
    CHECK(Ledger::adopt(nullptr) == nullptr);
}

CLAIM(durations_fall_into_the_bucket_that_includes_their_bound) {
    Ledger* const ledger = Ledger::create();
    for (const std::uint64_t upper : kDurationBounds) {
        const auto bound = static_cast<std::int64_t>(upper);
        ledger->decisions.count(Outcome::kAllow, Reason::kGranted, DecisionCounters::kNoPartner, bound);
        ledger->decisions.count(Outcome::kAllow, Reason::kGranted, DecisionCounters::kNoPartner, bound + 1);
    }
    const auto durations = ledger->decisions.durations();
    CHECK_EQUAL(durations.buckets.front(), 1U);
    for (std::size_t i = 1; i < kDurationBounds.size(); ++i) CHECK_EQUAL(durations.buckets[i], 2U);
    CHECK_EQUAL(durations.buckets.back(), 1U);
}

CLAIM(the_first_thousand_partners_have_a_number_each_and_all_others_one) {
    Ledger* const ledger = Ledger::create();
    std::set<std::size_t> numbers;
    for (std::size_t i = 0; i < kCountedPartners; ++i) {
        const std::string name = "p" + std::to_string(i);
        const std::size_t number = ledger->sightings.number_of(partner_key(name), name);
        CHECK(number < kCountedPartners);
        CHECK(numbers.insert(number).second);
        CHECK_EQUAL(ledger->sightings.number_of(partner_key(name), name), number);
    }
    for (const char* name : {"late", "later"}) {
        CHECK_EQUAL(ledger->sightings.number_of(partner_key(name), name), Sightings::kOthers);
        ledger->sightings.see(Sightings::kOthers, {});
    }
    CHECK_EQUAL(ledger->sightings.all().size(), kCountedPartners);
}

CLAIM(a_record_is_whole_and_outlives_whoever_is_killed_in_the_middle) {
    Ledger* const ledger = Ledger::create();
    auto& record = *new (reinterpret_cast<char*>(ledger)) SharedRecord<Pair>;  // memory that is shared
    CHECK(!record.read());
    const pid_t writer = fork();
    if (writer == 0) {
        for (std::uint64_t i = 0;; ++i) record.write({i, ~i, std::to_string(i)});
    }
    std::size_t read = 0;
    while (read < 20000) {
        const auto value = record.read();
        if (!value) continue;
        ++read;
        CHECK_EQUAL(value->a, ~value->b);
        CHECK_EQUAL(value->text.str(), std::to_string(value->a));
    }
    kill(writer, SIGKILL);
    int status = 0;
    waitpid(writer, &status, 0);
    // Wherever it was: the next one writes.
    CHECK(record.write({7, ~std::uint64_t{7}, std::string("7")}));
    CHECK_EQUAL(record.read()->a, 7U);
}

CLAIM(a_fixed_text_is_cut_between_characters) {
    const std::string umlauts = "\xc3\xbc\xc3\xbc\xc3\xbc";
    CHECK_EQUAL(FixedText<5>(umlauts).str(), "\xc3\xbc\xc3\xbc");
    CHECK_EQUAL(FixedText<6>(umlauts).str(), umlauts);
    CHECK_EQUAL(FixedText<4>(std::string("abcdef")).str(), "abcd");
    CHECK_EQUAL(FixedText<3>(std::string("\xbf\xbf\xbf\xbf\xbf")).str(), "");
}

CLAIM(children_that_are_gone_are_not_shown) {
    Ledger* const ledger = Ledger::create();
    in_child([&] {
        ChildInfo info;
        info.pid = getpid();
        ledger->children.report(info);
    });
    CHECK_EQUAL(ledger->children.alive().size(), 0U);
    ChildInfo own;
    own.pid = getpid();
    own.generation = std::string("0123456789abcdef");
    ledger->children.report(own);
    own.looked = 5;
    ledger->children.report(own);
    const auto alive = ledger->children.alive();
    CHECK_EQUAL(alive.size(), 1U);
    CHECK_EQUAL(alive.front().generation.str(), "0123456789abcdef");
    CHECK_EQUAL(alive.front().looked, 5);
    ledger->children.remove(getpid());
    CHECK_EQUAL(ledger->children.alive().size(), 0U);
}

CLAIM(a_child_is_shown_once_though_a_place_before_its_own_is_free_by_now) {
    Ledger* const ledger = Ledger::create();
    ChildInfo parent, own;
    parent.pid = getppid();
    own.pid = getpid();
    ledger->children.report(parent);
    ledger->children.report(own);
    ledger->children.remove(getppid());
    own.changes = 7;
    ledger->children.report(own);
    const auto alive = ledger->children.alive();
    CHECK_EQUAL(alive.size(), 1U);
    CHECK_EQUAL(alive.front().changes, 7U);
}

CLAIM(the_newest_examples_of_each_reason_are_kept) {
    Ledger* const ledger = Ledger::create();
    for (int i = 1; i <= 5; ++i) {
        Example e;
        e.time = i;
        ledger->examples.add(Reason::kRevoked, e);
    }
    const auto newest = ledger->examples.newest(Reason::kRevoked);
    CHECK_EQUAL(newest.size(), 3U);
    CHECK_EQUAL(newest.front().time, 5);
    CHECK_EQUAL(newest.back().time, 3);
    CHECK_EQUAL(ledger->examples.newest(Reason::kExpired).size(), 0U);
}

CLAIM(the_first_lines_of_a_kind_are_written_and_the_others_counted) {
    auto& limiter = Ledger::create()->limiter;
    const LogLimiter::Kind kind{"denied reason=expired", mixed(1, "expired-acme"), 3};
    const LogLimiter::Kind other{"denied reason=revoked", mixed(1, "revoked-acme"), 4};
    std::int64_t now = 1000;
    CHECK(!limiter.admits_existing(kind.key, now));
    for (std::uint32_t i = 0; i < LogLimiter::kInFull; ++i) CHECK(limiter.admits(kind, now));
    for (int i = 0; i < 20; ++i) CHECK(!limiter.admits(kind, now + i));
    for (int i = 20; i < 40; ++i) CHECK(limiter.admits_existing(kind.key, now + i) == false);
    CHECK(limiter.admits(other, now));
    CHECK_EQUAL(limiter.take_left_out(now + LogLimiter::kWindowSeconds - 1).size(), 0U);
    const auto left = limiter.take_left_out(now + LogLimiter::kWindowSeconds);
    CHECK_EQUAL(left.size(), 1U);
    CHECK_EQUAL(left.front().about, "denied reason=expired");
    CHECK_EQUAL(left.front().count, 40U);
    CHECK_EQUAL(left.front().level, 3);
    CHECK_EQUAL(left.front().since, 1000);
    // Given out once, and a new minute begins.
    CHECK_EQUAL(limiter.take_left_out(now + 200).size(), 0U);
    CHECK(limiter.admits(kind, now + LogLimiter::kWindowSeconds));
    // What stays below the bound is never held up.
    for (int i = 0; i < 1000; ++i) CHECK(limiter.admits(other, now + 2 * i));
}

CLAIM(a_flood_of_kinds_shares_one_count_and_forgets_nobody) {
    auto& limiter = Ledger::create()->limiter;
    std::size_t admitted = 0;
    constexpr std::size_t kKinds = 100000;
    for (std::size_t i = 0; i < kKinds; ++i) {
        if (limiter.admits({"denied", mixed(1, i), 3}, 1000)) ++admitted;
    }
    CHECK(admitted < 1200);
    const auto left = limiter.take_left_out(1060);
    CHECK_EQUAL(left.size(), 1U);
    CHECK_EQUAL(left.front().about, "of many kinds");
    CHECK_EQUAL(left.front().count + admitted, kKinds);
}
