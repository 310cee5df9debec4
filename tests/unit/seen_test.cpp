// Who was seen with which certificate, over restarts; and what was counted in the last 24 hours.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/ledger/ledger.hpp"
#include "mtls_authz/ledger/seen_revocation.hpp"
#include "mtls_authz/ledger/sighting_file.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "mtls_authz/tell/refusal_report.hpp"
#include "cas.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

Sighting sighting(const std::string& sha256, std::int64_t seen) {
    Sighting out;
    out.seen = seen;
    out.sha256 = sha256;
    out.subject = "CN=" + sha256;
    return out;
}

std::string certificates_of(const Sightings& sightings) {
    std::string out;
    for (const auto& seen : sightings.all()) {
        out += seen.name + ":";
        for (const auto& known : seen.certificates)
            out += " " + known.sighting.sha256.str() + (known.is_revoked.value_or(false) ? "!" : "");
        out += "\n";
    }
    return out;
}

std::size_t number(Sightings& sightings, const std::string& name) {
    return sightings.number_of(partner_key(name), name);
}

std::string hours_text(const HourlyCounts::Day& day) {
    std::string out;
    for (std::size_t i = 0; i < day.size(); ++i) {
        if (day[i].allowed + day[i].denied == 0) continue;
        out += std::to_string(day.size() - 1 - i) + "h:" + std::to_string(day[i].allowed) + "/" +
               std::to_string(day[i].denied) + " ";
    }
    return out;
}

}  // namespace

CLAIM(the_four_newest_certificates_of_a_partner_are_known_newest_first) {
    const auto sightings = std::make_unique<Sightings>();
    const std::size_t acme = number(*sightings, "acme");
    CHECK(sightings->see(acme, sighting("a", 100)));
    CHECK(sightings->see(acme, sighting("b", 100)));  // in the same second, after it
    CHECK_EQUAL(certificates_of(*sightings), "acme: b a\n");
    CHECK(!sightings->see(acme, sighting("a", 160)));  // known: nothing to keep
    CHECK_EQUAL(certificates_of(*sightings), "acme: a b\n");
    CHECK(sightings->see(acme, sighting("c", 170)));
    CHECK(sightings->see(acme, sighting("d", 180)));
    CHECK(sightings->see(acme, sighting("e", 190)));  // b is the oldest
    CHECK_EQUAL(certificates_of(*sightings), "acme: e d c a\n");
    CHECK_EQUAL(sightings->all().front().last->sha256.str(), "e");
    // What was seen before takes the place of nothing.
    CHECK(!sightings->see_earlier(acme, sighting("b", 50)));
    const std::size_t globex = number(*sightings, "globex");
    CHECK(sightings->see(globex, sighting("g", 100)));
    CHECK(!sightings->see_earlier(globex, sighting("g", 50)));
    CHECK(sightings->see_earlier(globex, sighting("f", 50)));
    CHECK_EQUAL(certificates_of(*sightings), "acme: e d c a\nglobex: g f\n");
    CHECK(!sightings->see(Sightings::kOthers, sighting("x", 1)));
}

CLAIM(a_mark_of_revocation_ends_with_its_certificate) {
    const auto sightings = std::make_unique<Sightings>();
    const std::size_t acme = number(*sightings, "acme");
    sightings->see(acme, sighting("a", 1));
    sightings->see(acme, sighting("b", 2));
    sightings->mark(acme, sighting("a", 0), true);
    CHECK_EQUAL(certificates_of(*sightings), "acme: b a!\n");
    sightings->mark(acme, sighting("nobody's", 0), true);
    for (int i = 3; i < 6; ++i) sightings->see(acme, sighting(std::string(1, static_cast<char>('a' + i)), i));
    CHECK_EQUAL(certificates_of(*sightings), "acme: f e d b\n");
    sightings->mark(acme, sighting("b", 0), true);
    sightings->mark(acme, sighting("b", 0), false);
    CHECK_EQUAL(certificates_of(*sightings), "acme: f e d b\n");
}

CLAIM(of_each_sighting_that_is_kept_the_certificate_itself_is_stored) {
    const auto ca = test::make_ca("CA");
    std::vector<test::Identity> all;
    for (int i = 0; i < 7; ++i) all.push_back(test::issue(client_spec(std::to_string(i)), &ca));
    const auto sightings = std::make_unique<Sightings>();
    const std::size_t acme = number(*sightings, "acme");
    const auto of = [&](int i) { return Sighting::of(read_facts(*all[static_cast<std::size_t>(i)].cert), false, i); };
    const auto kept = [&] {
        std::string out;
        for (int i = 0; i < 7; ++i) {
            const auto certificate = sightings->certificate(acme, of(i));
            if (!certificate) continue;
            out += std::to_string(i);
            CHECK_EQUAL(hex(bytes_of(certificate_sha256(*certificate->decode().front()))), of(i).sha256.str());
        }
        return out;
    };
    const auto see = [&](int i) {
        const bool is_new = sightings->see(acme, of(i));
        if (is_new) sightings->keep(acme, of(i), *SeenCertificate::of(*all[static_cast<std::size_t>(i)].cert, {}, {}));
        return is_new;
    };
    CHECK_EQUAL(kept(), "");
    see(0);
    see(1);
    CHECK_EQUAL(kept(), "01");
    see(2);
    see(3);
    CHECK_EQUAL(kept(), "0123");
    CHECK(!see(0));
    CHECK_EQUAL(kept(), "0123");  // also of one that others came after
    see(4);
    see(5);
    CHECK_EQUAL(kept(), "2345");
    // Of one whose sighting was pushed out, once it comes again.
    see(6);
    CHECK(see(2));
    CHECK_EQUAL(kept(), "2456");
    // One that was never seen is not kept.
    sightings->keep(number(*sightings, "globex"), of(0), *SeenCertificate::of(*all[0].cert, {}, {}));
    CHECK_EQUAL(kept(), "2456");
}

CLAIM(sightings_come_back_from_their_file_with_the_certificates_themselves) {
    const auto ca = test::make_ca("Acme CA");
    const auto api = test::make_client("api", "api.acme.example", ca);
    const CertificateFacts facts = read_facts(*api.cert);
    const auto before = std::make_unique<Sightings>();
    const std::size_t acme = number(*before, "acme");
    const auto one = Sighting::of(facts, true, 1000);
    CHECK(before->see(acme, one));
    before->keep(acme, one, *SeenCertificate::of(*api.cert, {}, {}));
    Sighting hostile = sighting("ff", 900);
    hostile.subject = std::string("CN=\xff\n end 3\0-", 14);
    before->see(acme, hostile);
    before->see(number(*before, "left"), sighting("1", 800));
    const std::string text = sightings_text(*before, 77);
    for (const char c : text) CHECK(c == '\n' || (c >= 0x20 && c < 0x7f));

    Draft d;
    d.file("acme.pem", ca.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor acme.pem"));
    const auto after = std::make_unique<Sightings>();
    const auto since = restore_sightings(text, policy.get(), *after);
    CHECK(since.ok() && since.value() == 77);
    CHECK_EQUAL(certificates_of(*after), "acme: " + test::hex_sha256(api) + " ff\n");  // `left` is no partner any more
    const auto seen = after->all().front();
    const Sighting& s = *seen.last;
    CHECK_EQUAL(s.seen, 1000);
    CHECK_EQUAL(s.not_before, facts.not_before);
    CHECK_EQUAL(s.not_after, facts.not_after);
    CHECK(s.is_purpose_waived);
    CHECK_EQUAL(s.subject.str(), "CN=api,O=api Org,C=US");
    CHECK_EQUAL(s.issuer.str(), facts.issuer.text());
    CHECK_EQUAL(s.san.str(), "DNS:api.acme.example");
    CHECK_EQUAL(s.serial.str(), facts.serial);
    CHECK_EQUAL(s.key.str(), "EC:P-256");
    CHECK_EQUAL(seen.certificates[1].sighting.subject.str(), hostile.subject.str());
    CHECK(kept_certificate(*policy, *after, seen.number, s, now()).has_value());
    CHECK(!kept_certificate(*policy, *after, seen.number, seen.certificates[1].sighting, now()).has_value());
}

CLAIM(a_file_of_sightings_that_is_foreign_or_damaged_adds_nothing) {
    const auto before = std::make_unique<Sightings>();
    before->see(number(*before, "acme"), sighting("a", 1));
    before->see(number(*before, "globex"), sighting("b", 2));
    const std::string good = sightings_text(*before, 77);
    const auto after = std::make_unique<Sightings>();
    std::vector<std::string> bad = {"",
                                    "\n",
                                    "hello\n",
                                    std::string(1, '\0'),
                                    good.substr(0, good.size() - 1),
                                    good.substr(0, good.find("end")),
                                    good + "end 2\n",
                                    "x" + good};
    for (const char* wrong : {"end 1\n", "end 3\n", "end -2\n", "end x\n", "end 2 2\n"})
        bad.push_back(good.substr(0, good.find("end")) + wrong);
    // Any one byte of the lines that is no digit of hex, or is missing.
    for (std::size_t at = good.find('\n') + 1; at < good.find("end"); at += 3) {
        std::string changed = good;
        changed[at] = 'z';
        bad.push_back(changed);
        if (good[at] != ' ') continue;
        bad.push_back(good.substr(0, at) + good.substr(at + 1));
    }
    for (const std::string& text : bad) {
        const auto since = restore_sightings(text, nullptr, *after);
        test::check(!since.ok(), "taken: " + text, __FILE__, __LINE__);
        CHECK(!since.error().empty());
    }
    CHECK_EQUAL(certificates_of(*after), "");
    CHECK(restore_sightings(good, nullptr, *after).ok());
    CHECK_EQUAL(certificates_of(*after), "acme: a\nglobex: b\n");
}

CLAIM(the_file_of_sightings_is_written_whole_and_follows_no_link) {
    Draft folder;
    const std::string path = folder.folder() + "/sightings", other = folder.folder() + "/other";
    folder.file("other", "precious");
    CHECK_EQUAL(symlink(other.c_str(), (path + ".new").c_str()), 0);
    CHECK_EQUAL(write_sightings(path, "text"), "");
    CHECK_EQUAL(read_whole_file(path, 100).value(), "text");
    CHECK_EQUAL(read_whole_file(other, 100).value(), "precious");
    CHECK(!std::filesystem::exists(path + ".new"));
    CHECK_EQUAL(std::filesystem::status(path).permissions() == std::filesystem::perms(0600), true);
    CHECK_CONTAINS(write_sightings(folder.folder() + "/no/such", "text"), "No such file");
}

CLAIM(revoked_certificates_are_marked_whoever_revoked_them) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root);
    const auto one = test::issue(client_spec("one"), &root), two = test::issue(client_spec("two"), &root),
               deep = test::issue(client_spec("deep"), &sub), listed = test::issue(client_spec("listed"), &root);
    Draft d;
    d.file("root.pem", root.cert_pem());
    const std::string acme = partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem");
    const auto sightings = std::make_unique<Sightings>();
    std::int64_t at = 100;
    for (const auto* who : {&one, &two, &deep, &listed}) {
        const std::size_t n = number(*sightings, who == &one || who == &two ? "acme" : "globex");
        const auto seen = Sighting::of(read_facts(*who->cert), false, --at);
        sightings->see(n, seen);
        std::vector<X509Ptr> above;
        if (who == &deep) above.push_back(share(*sub.cert));
        sightings->keep(n, seen, *SeenCertificate::of(*who->cert, above, digests_of(above)));
    }
    const auto revoked = [&] {
        std::string out;
        for (const auto& seen : sightings->all()) {
            for (const auto& known : seen.certificates)
                out += !known.is_revoked ? "?" : known.is_revoked.value() ? "!" : ".";
        }
        return out;
    };
    RevokedMarks marks;
    Snapshot snapshot;
    snapshot.refusals = std::make_shared<const Refusals>();
    snapshot.crls = std::make_shared<const CrlSet>();
    const auto with = [&](const std::string& lines) {
        snapshot.policy = d.policy(acme + lines + "\n");
        ++snapshot.serial;
        marks.update(*sightings, snapshot, now());
        return revoked();
    };
    CHECK_EQUAL(revoked(), "????");
    CHECK_EQUAL(with(""), "....");
    CHECK_EQUAL(with("MTLSRevoke sha256:" + test::hex_sha256(two)), ".!..");
    CHECK_EQUAL(with("MTLSRevoke sha256:" + test::hex_sha256(sub)), "..!.");
    CHECK_EQUAL(with("MTLSRevoke O:Acme"), "!!!!");
    CHECK_EQUAL(with(""), "....");
    auto crls = std::make_shared<CrlSet>();
    CrlSpec spec;
    spec.revoked = {{&listed, -1}};
    DecodedCrls decoded = decode_crls(make_crl(root, spec));
    crls->add(
        Crl::read(std::move(decoded.lists.front())).value(),
        [&](const std::string& name) { return snapshot.policy->cas().cas_named(name); }, now());
    const auto by_crl = [&] { return describe_listed(*crls, *d.policy(acme), *sightings, now()); };
    CHECK_CONTAINS(by_crl(), "CRLs refuse globex, last seen ");
    snapshot.crls = crls;
    CHECK_EQUAL(with(""), "...!");
    CHECK_EQUAL(by_crl(), "");  // marked before
    // Below an intermediate that the client sent.
    const auto list_of = [&](const test::Identity& issuer, const test::Identity& refused) {
        auto lists = std::make_shared<CrlSet>();
        CrlSpec listing;
        listing.revoked = {{&refused, -1}};
        const auto named = [&](const std::string& name) {
            auto out = snapshot.policy->cas().cas_named(name);
            out.push_back(share(*issuer.cert));
            return out;
        };
        lists->add(Crl::read(std::move(decode_crls(make_crl(issuer, listing)).lists.front())).value(), named, now());
        return lists;
    };
    for (const auto& lists : {list_of(sub, deep), list_of(root, sub)}) {
        snapshot.crls = lists;
        CHECK_EQUAL(with(""), "..!.");
        snapshot.crls = std::make_shared<CrlSet>();
        CHECK_EQUAL(with(""), "....");
    }
    CHECK_EQUAL(with("MTLSRevoke issuer.spki-sha256:" + hex(bytes_of(spki_sha256(*root.cert)))), "!!!!");
}

CLAIM(without_its_path_no_certificate_is_said_to_be_no_revoked_one) {
    const auto root = test::make_ca("Root"), other = test::make_ca("Other");
    const auto one = test::issue(client_spec("one"), &root);
    Draft d;
    d.file("other.pem", other.cert_pem());
    const std::string acme = partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor other.pem");
    const auto sightings = std::make_unique<Sightings>();
    const std::size_t n = number(*sightings, "acme");
    const auto seen = Sighting::of(read_facts(*one.cert), false, 100);
    sightings->see(n, seen);
    sightings->keep(n, seen, *SeenCertificate::of(*one.cert, {}, {}));
    RevokedMarks marks;
    Snapshot snapshot;
    snapshot.refusals = std::make_shared<const Refusals>();
    snapshot.crls = std::make_shared<const CrlSet>();
    const auto mark = [&](const std::string& lines) {
        snapshot.policy = d.policy(acme + lines);
        ++snapshot.serial;
        marks.update(*sightings, snapshot, now());
        return sightings->all().front().certificates.front().is_revoked;
    };
    CHECK(mark("") == std::nullopt);
    CHECK(mark("MTLSRevoke CN:one\n") == std::optional(true));
}

CLAIM(hours_show_what_was_counted_in_them) {
    Ledger& ledger = *Ledger::create();
    const std::size_t acme = number(ledger.sightings, "acme");
    const auto count = [&](int allowed, int denied) {
        for (int i = 0; i < allowed; ++i) ledger.decisions.count(Outcome::kAllow, Reason::kGranted, acme);
        for (int i = 0; i < denied; ++i)
            ledger.decisions.count(Outcome::kDeny, Reason::kExpired, DecisionCounters::kNoPartner);
        ledger.decisions.count(Outcome::kWouldDeny, Reason::kExpired, acme);  // let through: neither
    };
    constexpr std::int64_t kStart = 1'000'000 * kHour;
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart)), "");
    count(2, 1);
    ledger.note_hours(kStart);
    ledger.note_hours(kStart + 10);
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + 10)), "0h:2/1 ");
    count(3, 0);
    ledger.note_hours(kStart + kHour);
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + kHour)), "1h:2/1 0h:3/0 ");
    CHECK_EQUAL(hours_text(ledger.hours.of_partner(acme, kStart + kHour)), "1h:2/0 0h:3/0 ");
    // Nobody noted anything for three hours: it is in the next one.
    count(5, 2);
    ledger.note_hours(kStart + 5 * kHour);
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + 5 * kHour)), "5h:2/1 4h:3/0 0h:5/2 ");
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + 24 * kHour - 1)), "23h:2/1 22h:3/0 18h:5/2 ");
    // A day later it is forgotten, and nothing else comes in its place.
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + 24 * kHour)), "23h:3/0 19h:5/2 ");
    ledger.note_hours(kStart + 24 * kHour);
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + 24 * kHour)), "23h:3/0 19h:5/2 ");
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + 100 * kHour)), "");
    count(1, 1);
    ledger.note_hours(kStart + 100 * kHour);
    ledger.note_hours(kStart + 101 * kHour);
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + 101 * kHour)), "");  // when it was is not known
    count(4, 4);
    ledger.note_hours(kStart + 101 * kHour);
    CHECK_EQUAL(hours_text(ledger.hours.of_server(kStart + 101 * kHour)), "0h:4/4 ");
    CHECK_EQUAL(sum_of(ledger.hours.of_server(kStart + 101 * kHour)).denied, 4U);
}

CLAIM(strangers_push_no_partner_out_of_the_refused_handshakes) {
    RefusedHandshakes& refused = Ledger::create()->refused_handshakes;
    const auto add = [&](const std::string& claimed, const std::string& sha256, std::int64_t time) {
        RefusedHandshake one;
        one.claimed = claimed;
        one.sha256 = sha256;
        one.time = time;
        refused.add(one);
    };
    add("acme", "a", 1);
    add("globex", "g", 2);
    for (int i = 0; i < 100; ++i) add("", std::to_string(i), 100 + i);
    for (int i = 0; i < 100; ++i) add("acme", "a", 1000 + i);  // the same again and again
    const auto newest = refused.newest();
    CHECK_EQUAL(newest.size(), 18U);
    CHECK_EQUAL(newest.front().claimed.str(), "acme");
    CHECK_EQUAL(newest.front().time, 1099);
    CHECK_EQUAL(newest[1].sha256.str(), "99");
    CHECK_EQUAL(newest.back().claimed.str(), "globex");
}
