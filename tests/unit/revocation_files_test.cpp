// Revocation files, and CRLs, as a policy decides on them.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tuple>

#include "cas.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/load/policy_source.hpp"
#include "mtls_authz/load/refusal_directives.hpp"
#include "mtls_authz/load/revocation_files.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "mtls_authz/tell/refusal_report.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

// Revocation files in a folder of their own.
struct Revoked {
    std::string folder = "/tmp/mtls-revoked-XXXXXX";
    RevocationFiles files;
    std::vector<Diagnostic> said;

    explicit Revoked(const std::string& pattern = "*.conf") {
        test::check(mkdtemp(folder.data()) != nullptr, "mkdtemp", __FILE__, __LINE__);
        files.watch({folder + "/" + pattern, pattern, {"httpd.conf", 1}});
    }
    ~Revoked() { std::filesystem::remove_all(folder); }
    std::string path(const std::string& name) const { return folder + "/" + name; }
    void write(const std::string& name, const std::string& content) const { std::ofstream(path(name)) << content; }
    // The names that are suspended after so many looks, and how many revocations there are.
    std::string look(int times = 1) {
        for (int i = 0; i < times; ++i) files.look(said);
        std::string out = std::to_string(files.refusals()->revocations.all().size());
        for (const Suspension& s : files.refusals()->suspended) out += " " + std::string(s.partner.view());
        return out;
    }
    std::string last_said() const { return said.empty() ? "" : said.back().str(); }
};

}  // namespace

CLAIM(what_revocation_files_refuse_is_refused) {
    const auto root = test::make_ca("Root");
    const auto leaf = test::issue(client_spec("api"), &root);
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem()).policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    const auto answer = [&](const std::string& lines) {
        Revoked r;
        r.write("a.conf", lines);
        r.look();
        r.look();
        return verdict(ask(*policy, leaf, {}, now(), {}, *r.files.refusals()));
    };
    CHECK_EQUAL(answer("MTLSRevoke CN:other\nMTLSSuspend other\n"), "granted acme");
    CHECK_EQUAL(answer("MTLSRevoke CN:api\n"), "revoked");
    CHECK_EQUAL(answer("MTLSSuspend acme\n"), "suspended acme");
}

CLAIM(one_line_that_cannot_be_used_holds_up_no_other) {
    for (const char* odd : {R"(MTLSRevoke 'email:"a"@b@acme.example')", R"(MTLSRevoke 'email:"a"b@acme.example@x')",
                            "MTLSRevoke DNS:", "MTLSRevoke sha1:00", "MTLSNonsense x", "MTLSSuspend", "<MTLSPartner x>",
                            "MTLSRevoke 'email:\"@'", "MTLSRevoke CN:globex,", "MTLSRevoke CN:globex\u00a0"}) {
        Revoked r;
        r.write("a.conf", "MTLSSuspend acme\n" + std::string(odd) + "\nMTLSRevoke DNS:acme.example\n");
        CHECK_EQUAL(r.look(), "1 acme");
        CHECK_EQUAL(r.said.size(), 1U);
        CHECK_CONTAINS(r.last_said(), "a.conf:2: error: ");
        CHECK_EQUAL(r.look(3), "1 acme");
        CHECK_EQUAL(r.said.size(), 1U);
        // Lines above and below that come later count too; and nothing is taken away while it stands.
        r.write("a.conf", "MTLSSuspend globex\n" + std::string(odd) + "\nMTLSRevoke DNS:globex.example\n");
        CHECK_EQUAL(r.look(3), "2 acme globex");
        r.write("a.conf", "MTLSRevoke DNS:acme.example\n");
        CHECK_EQUAL(r.look(), "2 acme globex");
        CHECK(r.files.is_waiting());
        CHECK_EQUAL(r.look(), "1");
    }
}

CLAIM(a_refusal_ends_only_by_an_edit_of_a_file_that_is_there_and_whole) {
    namespace fs = std::filesystem;
    const std::string lines = "MTLSRevoke CN:a\nMTLSSuspend acme\n";
    const std::pair<const char*, void (*)(const std::string&)> losses[] = {
        {"removed", [](const std::string& f) { fs::remove(f); }},
        {"truncated", [](const std::string& f) { fs::resize_file(f, 0); }},
        {"blank", [](const std::string& f) { std::ofstream(f) << " \n\n"; }},
        {"a link that leads nowhere", [](const std::string& f) { fs::remove(f), fs::create_symlink("nowhere", f); }},
        {"a link to itself", [](const std::string& f) { fs::remove(f), fs::create_symlink(f, f); }},
        {"a folder", [](const std::string& f) { fs::remove(f), fs::create_directory(f); }},
        {"its folder is empty",
         [](const std::string& f) {
             fs::rename(fs::path(f).parent_path(), f.substr(0, f.size() - 7) + ".old"),
                 fs::create_directory(fs::path(f).parent_path());
         }},
        {"its folder is gone",
         [](const std::string& f) { fs::rename(fs::path(f).parent_path(), f.substr(0, f.size() - 7) + ".old"); }},
        {"half a line", [](const std::string& f) { std::ofstream(f) << "MTLSSusp"; }},
        {"NUL bytes", [](const std::string& f) { std::ofstream(f) << std::string(45, '\0'); }},
    };
    for (const char* pattern : {"d/*.conf", "d/a.conf"}) {
        for (const auto& [what, lose] : losses) {
            Revoked r(pattern);
            fs::create_directory(r.path("d"));
            r.write("d/a.conf", lines);
            CHECK_EQUAL(r.look(), "1 acme");
            CHECK_EQUAL(r.said.size(), 0U);
            lose(r.path("d/a.conf"));
            test::check_equal(r.look(5), "1 acme", what, __FILE__, __LINE__);
            test::check_equal(r.said.size(), 1U, std::string(what) + ": " + r.last_said(), __FILE__, __LINE__);
            CHECK_CONTAINS(r.last_said(), "error: ");
            CHECK(!r.files.is_waiting());
            // It is back, whole: what it says counts, after two looks.
            fs::remove_all(r.path("d"));
            fs::create_directory(r.path("d"));
            r.write("d/a.conf", "# nobody\n");
            test::check_equal(r.look(), "1 acme", what, __FILE__, __LINE__);
            test::check_equal(r.look(), "0", what, __FILE__, __LINE__);
            // Once it is gone again, with nothing in it, there is nothing to say.
            const std::size_t before = r.said.size();
            fs::remove(r.path("d/a.conf"));
            r.look(3);
            CHECK_EQUAL(r.said.size(), before + (mtls::is_glob(pattern) ? 0U : 1U));
        }
    }
}

CLAIM(a_folder_of_a_pattern_that_cannot_be_read_holds_up_no_refusal_of_the_others) {
    Revoked r("*/*.conf");
    for (const char* name : {"a", "b"}) {
        std::filesystem::create_directory(r.path(name));
        r.write(name + std::string("/x.conf"), "# nobody\n");
    }
    chmod(r.folder.c_str(), 0755);
    r.write("a/known.conf", "MTLSSuspend before\n");
    CHECK_EQUAL(r.look(), "0 before");
    // Root would read it.
    struct AsAnother {
        AsAnother() { CHECK_EQUAL(seteuid(geteuid() == 0 ? 65534 : geteuid()), 0); }
        ~AsAnother() { std::ignore = seteuid(getuid()); }
    };
    const auto look = [&] {
        const AsAnother user;
        return r.look(3);
    };
    chmod(r.path("a").c_str(), geteuid() == 0 ? 0700 : 0000);
    r.write("b/x.conf", "MTLSSuspend globex\n");
    r.write("b/new.conf", "MTLSSuspend acme\n");
    CHECK_EQUAL(look(), "0 acme before globex");
    CHECK_EQUAL(r.said.size(), 1U);
    CHECK_CONTAINS(r.last_said(), "cannot be read: '" + r.path("a") + "'");
    CHECK_CONTAINS(r.last_said(), "what was read from there stays in force until it is back");
    // A removed line of a readable file ends. The lines of the unreadable file stay in force.
    r.write("b/x.conf", "# nobody\n");
    CHECK_EQUAL(look(), "0 acme before");
    // One that can be passed, and not listed: the files that are known are read.
    chmod(r.path("a").c_str(), geteuid() == 0 ? 0711 : 0311);
    r.write("a/known.conf", "MTLSSuspend later\n");
    r.write("a/unknown.conf", "MTLSSuspend unknown\n");
    CHECK_EQUAL(look(), "0 acme later");
    CHECK_EQUAL(r.said.size(), 1U);
    chmod(r.path("a").c_str(), 0755);
    CHECK_EQUAL(look(), "0 acme later unknown");
}

CLAIM(a_file_whose_name_reads_like_a_pattern_counts) {
    Revoked r("app[prod].conf");
    r.write("app[prod].conf", "MTLSSuspend acme\n");
    CHECK_EQUAL(r.look(2), "0 acme");
    Revoked pattern("app[prod].conf");
    pattern.write("appd.conf", "MTLSSuspend globex\n");
    CHECK_EQUAL(pattern.look(2), "0 globex");
}

CLAIM(a_source_of_which_nothing_was_read_yet_is_said_to_refuse_nothing) {
    namespace fs = std::filesystem;
    Revoked r("d/*.conf");
    fs::create_symlink("d", r.path("d"));
    r.look();
    CHECK_CONTAINS(r.last_said(), ": it refuses nothing");
    fs::remove(r.path("d"));
    fs::create_directory(r.path("d"));
    r.write("d/a.conf", "MTLSSuspend acme\n");
    CHECK_EQUAL(r.look(), "0 acme");
    fs::remove_all(r.path("d"));
    fs::create_symlink("d", r.path("d"));
    CHECK_EQUAL(r.look(3), "0 acme");
    CHECK_CONTAINS(r.last_said(), ": what was read from there stays in force");
}

CLAIM(a_named_file_that_is_not_there_is_said_with_the_line_that_names_it) {
    Revoked r("a.conf");
    CHECK_EQUAL(r.look(), "0");
    CHECK_CONTAINS(r.last_said(), "a.conf: error: cannot be read (No such file or directory)");
    CHECK_CONTAINS(r.last_said(), ", MTLSRevocationFile at httpd.conf:1: it refuses nothing");
    r.write("a.conf", "MTLSSuspend acme\n");
    CHECK_EQUAL(r.look(), "0 acme");
    CHECK_EQUAL(r.said.size(), 1U);
}

CLAIM(a_pattern_that_fits_no_file_is_warned_of_at_the_first_look) {
    Revoked r("*.cnf");
    r.write("a.conf", "MTLSSuspend acme\n");
    CHECK_EQUAL(r.look(3), "0");
    CHECK_EQUAL(r.said.size(), 1U);
    CHECK_CONTAINS(r.last_said(), ": no file fits yet: it refuses nothing");
    r.write("a.cnf", "MTLSSuspend acme\n");
    CHECK_EQUAL(r.look(3), "0 acme");
    CHECK_EQUAL(r.said.size(), 1U);
    // What is in force from a file that is gone is an error of its own.
    std::filesystem::remove(r.path("a.cnf"));
    CHECK_EQUAL(r.look(3), "0 acme");
    CHECK_EQUAL(r.said.size(), 2U);
    CHECK_CONTAINS(r.last_said(), "stays in force");
}

CLAIM(what_one_process_has_in_force_is_taken_over_by_another) {
    Revoked r, later;
    r.write("a.conf", "MTLSRevoke 'CN:a b' \"note=x\"\nMTLSSuspend acme\n");
    r.write("b.conf", "MTLSSuspend globex\n");
    CHECK_EQUAL(r.look(), "1 acme globex");
    later.write("c.conf", "MTLSSuspend old\n");
    CHECK_EQUAL(later.look(), "0 old");
    std::filesystem::remove(later.path("c.conf"));
    later.files.take(r.files.refusals(), nullptr);
    CHECK_EQUAL(later.look(3), "1 acme globex");
    CHECK_CONTAINS(later.files.refusals()->suspends("acme")->where.str(), "a.conf:2");
}

CLAIM(a_line_that_comes_and_goes_between_two_looks_is_gone_after_two_more) {
    Revoked r;
    r.write("a.conf", "MTLSSuspend a\nMTLSSuspend b\n");
    CHECK_EQUAL(r.look(2), "0 a b");
    r.write("a.conf", "MTLSSuspend a\nMTLSSuspend c\n");
    CHECK_EQUAL(r.look(), "0 a b c");
    r.write("a.conf", "MTLSSuspend a\nMTLSSuspend b\n");
    CHECK_EQUAL(r.look(), "0 a b c");
    CHECK_EQUAL(r.look(), "0 a b");
    CHECK(!r.files.is_waiting());
}

CLAIM(a_line_that_moves_within_its_file_is_told_by_its_new_place) {
    Revoked r;
    r.write("a.conf", "MTLSSuspend acme\nMTLSRevoke CN:x\n");
    CHECK_EQUAL(r.look(2), "1 acme");
    r.write("a.conf", "# one\n# two\nMTLSSuspend acme\nMTLSRevoke CN:x\nMTLSSuspend globex\n");
    CHECK_EQUAL(r.look(), "1 acme globex");
    CHECK_EQUAL(r.files.refusals()->suspended.data()[0].where.str(), r.path("a.conf") + ":3");
    CHECK_EQUAL(r.files.refusals()->revocations.all().data()[0].where.str(), r.path("a.conf") + ":4");
    CHECK_EQUAL(r.files.take_added().size(), 1U);
    CHECK_EQUAL(r.files.take_ended().size(), 0U);
}

CLAIM(lines_of_a_file_that_no_pattern_names_end_and_those_of_one_that_is_gone_do_not) {
    Revoked before;
    before.write("acme.conf", "MTLSSuspend acme\n");
    before.write("globex.conf", "MTLSSuspend globex\n");
    before.look();
    for (const auto& [pattern, left] : {std::pair{"*.conf", "0 acme globex"},
                                        {"a*.conf", "0 acme"},
                                        {"globex.conf", "0 globex"},
                                        {"[!a]*.conf", "0 globex"},
                                        {"*/*.conf", "0"},
                                        {"*", "0 acme globex"}}) {
        RevocationFiles after;
        after.watch({before.folder + "/" + pattern, pattern, {"httpd.conf", 1}});
        after.take(before.files.refusals(), nullptr);
        after.end_unnamed();
        std::filesystem::remove(before.path("acme.conf"));
        after.look(before.said);
        std::string now = "0";
        for (const Suspension& s : after.refusals()->suspended) now += " " + std::string(s.partner.view());
        CHECK_EQUAL(now, left);
    }
}

CLAIM(files_that_vanish_together_are_one_error) {
    Revoked r;
    for (int i = 0; i < 30; ++i) r.write(std::to_string(i) + ".conf", "MTLSSuspend p" + std::to_string(i) + "\n");
    const std::string all = r.look();
    for (int i = 0; i < 29; ++i) std::filesystem::remove(r.path(std::to_string(i) + ".conf"));
    CHECK_EQUAL(r.look(3), all);
    CHECK_EQUAL(r.said.size(), 1U);
    CHECK_CONTAINS(r.last_said(), "and so are 28 more revocation file(s): the 29 lines from there stay in force");
    // An edit of one that is there takes away its own lines alone.
    r.write("29.conf", "# nobody\n");
    CHECK_EQUAL(r.look(2), all.substr(0, all.find(" p29")) + all.substr(all.find(" p29") + 4));
}

CLAIM(a_suspended_name_that_no_partner_has_is_warned_of_with_its_near_miss) {
    const auto root = test::make_ca("Root");
    Draft d;
    d.file("root.pem", root.cert_pem());
    const std::string acme = partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem");
    const auto policy = d.policy(acme + "MTLSSuspend acmee\n");
    CHECK_CONTAINS(d.said(), "p.conf:5: warning: MTLSSuspend: there is no partner 'acmee' (did you mean 'acme'?)");
    using namespace std::string_view_literals;
    const std::vector<Suspension> names = {
        {"acme"sv, ""sv, {"r.conf"sv, 1}}, {"amce"sv, ""sv, {"r.conf"sv, 2}}, {"zzzzzzzz"sv, ""sv, {"r.conf"sv, 3}}};
    Refusals refusals;
    refusals.suspended = Span<Suspension>(names);
    const auto said = lint_refusals(*policy, refusals);
    CHECK_EQUAL(said.size(), 2U);
    CHECK_CONTAINS(said[0].str(), "r.conf:2: warning: MTLSSuspend: there is no partner 'amce' (did you mean 'acme'?)");
    CHECK_CONTAINS(said[1].str(), "there is no partner 'zzzzzzzz': ");
    // Without any partner, nothing is known of names.
    CHECK_EQUAL(lint_refusals(*d.policy("MTLSSuspend acmee\n"), refusals).size(), 0U);
    CHECK_EQUAL(d.said(), "");
}

CLAIM(what_a_new_line_refuses_is_said_of_those_who_were_seen) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root);
    const auto leaf = test::issue(client_spec("api"), &root), deep = test::issue(client_spec("deep"), &sub);
    std::vector<test::Identity> renewed;
    for (int i = 0; i < 3; ++i) renewed.push_back(test::issue(client_spec("api"), &root));
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem") +
                                 partner("globex", "MTLSIdentity CN:deep\nMTLSTrustAnchor root.pem") +
                                 partner("initech", "MTLSIdentity CN:x\nMTLSTrustAnchor root.pem"));
    const auto sightings = std::make_unique<Sightings>();
    const auto see = [&](const char* name, const test::Identity& who, const std::vector<X509Ptr>& above) {
        const std::size_t number = sightings->number_of(partner_key(name), name);
        const CertificateFacts facts = read_facts(*who.cert);
        const Sighting seen{now(), 0, 0, false, facts.subject.text(), facts.serial, hex(bytes_of(facts.sha256))};
        sightings->see(number, seen);
        sightings->keep(number, seen, *SeenCertificate::of(*who.cert, above, digests_of(above)));
    };
    see("acme", leaf, {});
    see("acme", renewed[0], {});
    see("acme", renewed[1], {});
    std::vector<X509Ptr> above;
    above.push_back(share(*sub.cert));
    see("globex", deep, above);
    const auto said = [&](const std::string& name, const std::string& args) {
        return describe_refusals({{name, args, {"r.conf", 1}, false, {}}}, *policy, *sightings, now());
    };
    CHECK_CONTAINS(said("MTLSRevoke", "sha256:" + test::hex_sha256(leaf)), "r.conf:1 refuses acme, last seen ");
    CHECK_CONTAINS(said("MTLSRevoke", "sha256:" + test::hex_sha256(sub)), "r.conf:1 refuses globex, last seen ");
    CHECK_CONTAINS(said("MTLSRevoke", "O:Acme"), "refuses acme, last seen ");
    CHECK_CONTAINS(said("MTLSRevoke", "O:Acme"), ", globex, last seen ");
    CHECK_EQUAL(said("MTLSRevoke", "CN:nobody"), "r.conf:1 fits nobody seen so far");
    CHECK_CONTAINS(said("MTLSSuspend", "acme \"note=x y\""), "r.conf:1 refuses acme, last seen ");
    CHECK_EQUAL(said("MTLSSuspend", "initech"), "r.conf:1 refuses initech, fits nobody seen so far");
    CHECK_EQUAL(said("MTLSSuspend", "acmee"), "r.conf:1 fits nobody seen so far");
    // A partner that the policy has under another name now, or no more.
    see("old-acme", leaf, {});
    CHECK_EQUAL(said("MTLSSuspend", "old-acme"), "r.conf:1 fits nobody seen so far");
    CHECK_CONTAINS(said("MTLSSuspend", "old-acme acme"), "r.conf:1 refuses acme, last seen ");
    see("acme", renewed[2], {});
    CHECK_EQUAL(said("MTLSRevoke", "CN:nobody"),
                "r.conf:1 fits nobody seen so far; of 1 partner(s) not every certificate that was seen is known with "
                "its path (more than 4, or above 12 KiB)");
    const std::vector<Directive> many(25, {"MTLSRevoke", "CN:nobody", {"r.conf", 1}, false, {}});
    CHECK_CONTAINS(describe_refusals(many, *policy, *sightings, now()), "; and 15 more line(s)");
}

CLAIM(crls_are_asked_for_every_certificate_below_the_anchor) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), other = test::make_ca("Other");
    const auto signer = test::make_ca("Signer", &root), alien = test::make_ca("Signer", &other);
    test::CertSpec pointing = client_spec("pointing");
    pointing.crl_issuer = &signer;
    const auto deep = test::issue(client_spec("deep"), &sub), pointed = test::issue(pointing, &root),
               plain = test::issue(client_spec("x"), &root);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("signer.pem", signer.cert_pem()).file("alien.pem", alien.cert_pem());
    const auto make = [&](const std::string& lines) {
        return d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem\n" + lines));
    };
    const CasByName known = [&](const std::string& name) {
        std::vector<X509Ptr> out;
        if (name == read_name(*X509_get_subject_name(alien.cert.get())).canonical) out.push_back(share(*alien.cert));
        return out;
    };
    const auto set_of = [&](const std::vector<std::string>& lists) {
        CrlSet set;
        for (const std::string& pem : lists) {
            DecodedCrls decoded = decode_crls(pem);
            for (X509CrlPtr& list : decoded.lists) set.add(Crl::read(std::move(list)).value(), known, now());
        }
        return set;
    };
    const auto verdict_of = [&](const Policy& policy, const test::Identity& who, const CrlSet& crls,
                                std::int64_t at = now()) {
        return std::string(word_of(ask(policy, who, {&sub}, at, {}, {}, crls).reason));
    };
    const auto lax = make(""), strict = make("MTLSCRL required\nMTLSCRLStale grace=1");
    test::CrlSpec by_root, by_sub;
    by_root.next_update = 100;
    const auto both = set_of({test::make_crl(root, by_root), test::make_crl(sub, by_sub)});
    CHECK_EQUAL(verdict_of(*strict, deep, both), "granted");
    CHECK_EQUAL(verdict_of(*strict, deep, set_of({test::make_crl(root, by_root)})), "revocation-unknown");
    CHECK_EQUAL(verdict_of(*strict, deep, set_of({test::make_crl(sub, by_sub)})), "revocation-unknown");
    CHECK_EQUAL(verdict_of(*lax, deep, set_of({})), "granted");
    // Stale for the default, forgiven for an hour by the partner's own rule.
    CHECK_EQUAL(verdict_of(*lax, plain, both, now() + 200), "revocation-stale");
    CHECK_EQUAL(verdict_of(*strict, plain, both, now() + 200), "granted");
    CHECK_EQUAL(verdict_of(*strict, plain, both, now() + 3800), "revocation-stale");
    const auto answer = ask(*lax, plain, {}, now(), {}, {}, both);
    CHECK(answer.valid_until <= now() + 101 && answer.valid_until >= now() + 90);
    by_root.revoked = {{&sub, 2}};
    CHECK_EQUAL(verdict_of(*lax, deep, set_of({test::make_crl(root, by_root)})), "revoked");
    CHECK_EQUAL(verdict_of(*lax, plain, set_of({test::make_crl(root, by_root)})), "granted");
    // An indirect list counts by a signer under the same anchor alone.
    test::CrlSpec indirect;
    indirect.idp = "indirectCRL:TRUE";
    indirect.revoked = {{&pointed, 1}};
    indirect.entry_issuer = &root;
    const auto with_signer = make("MTLSIntermediate signer.pem"), with_alien = make("MTLSIntermediate alien.pem");
    CHECK_EQUAL(verdict_of(*with_signer, pointed, set_of({test::make_crl(signer, indirect)})), "revoked");
    CHECK_EQUAL(verdict_of(*lax, pointed, set_of({test::make_crl(signer, indirect)})), "revocation-stale");
    CHECK_EQUAL(verdict_of(*with_alien, pointed, set_of({test::make_crl(alien, indirect)})), "revocation-stale");
    d.file("other.pem", other.cert_pem());
    const auto of_another =
        d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem\nMTLSIntermediate alien.pem") +
                 partner("beta", "MTLSIdentity O:Beta\nMTLSTrustAnchor other.pem"));
    CHECK_EQUAL(verdict_of(*of_another, pointed, set_of({test::make_crl(alien, indirect)})), "granted");
}
