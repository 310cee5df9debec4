// What must never empty the CRLs in force: their files as they change, break and go.

#include <filesystem>
#include <fstream>

#include "crl_answers.hpp"
#include "mtls_authz/load/crl_files.hpp"

using namespace test::crls;
using test::CrlSpec;
using test::Identity;

namespace {

// A folder of CRLs that goes with the object.
struct Folder {
    std::string path = "/tmp/mtls-crl-XXXXXX";

    Folder() { CHECK(mkdtemp(path.data()) != nullptr); }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    void write(const std::string& name, const std::string& content) const {
        std::ofstream(path + "/" + name, std::ios::binary) << content;
    }
    void remove(const std::string& name) const { std::filesystem::remove(path + "/" + name); }
    // As a line of MTLSCRLFile names them.
    WatchedFiles files(const std::string& pattern, unsigned line = 1) const {
        return {path + "/" + pattern, pattern, {"httpd.conf", line}};
    }
};

}  // namespace

CLAIM(one_crl_too_many_without_a_known_signer_makes_its_issuer_stale) {
    const Pki& p = pki();
    Folder folder;
    const auto parts = [&](std::size_t count) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i) {
            CrlSpec spec;
            if (i == 0) spec.revoked = {{&p.bad, -1}};
            spec.idp = "fullname:URI:http://crl.example/" + std::to_string(i);
            out += test::make_crl(p.ca, spec);
        }
        return out;
    };
    const auto known = known_of({});
    const Identity other = test::make_client("x", "x.example.org", p.other);
    for (const bool is_too_many : {false, true}) {
        folder.write("ca.crl", parts(CrlSet::kMostUnverified + (is_too_many ? 1 : 0)));
        CrlFiles files;
        files.watch({folder.files("*.crl")}, known);
        std::vector<Diagnostic> said;
        files.look(known, known, said);
        CHECK_EQUAL(said.size(), is_too_many ? 1U : 0U);
        if (is_too_many) CHECK_CONTAINS(said.front().message, "MTLSIntermediate");
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), is_too_many ? "stale" : "good");
        CHECK_EQUAL(ask(*files.crls(), other, p.other), "good");
    }
}

CLAIM(broken_foreign_empty_or_missing_files_leave_the_list_in_force) {
    const Pki& p = pki();
    Folder folder;
    const auto write = [&](const std::string& content) { folder.write("ca.crl", content); };
    CrlFiles files;
    files.watch({folder.files("*.crl")}, known_of({}));
    const auto known = known_of({&p.ca});
    std::vector<Diagnostic> said;
    CHECK(!files.look(known, known, said));
    CHECK_EQUAL(said.size(), 1U);
    CHECK_CONTAINS(said.back().str(), "warning: MTLSCRLFile *.crl: no file fits yet: no CRL is read from there");
    said.clear();
    const std::string pem = test::make_crl(p.ca, {{{&p.bad, -1}}});
    write(pem);
    CHECK(files.look(known, known, said));
    CHECK_EQUAL(said.size(), 0U);
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    std::size_t expected = 0;
    for (const std::string& content : {std::string("<html>404</html>"), std::string(), pem.substr(0, pem.size() / 2),
                                       std::string("\x30\x82\x01", 3)}) {
        write(content);
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
        CHECK_EQUAL(said.size(), ++expected);  // once for each content
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    }
    folder.remove("ca.crl");
    files.look(known, known, said);
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    // DER as well; and the way back.
    const DecodedCrls decoded = decode_crls(pem);
    unsigned char* der = nullptr;
    const int n = i2d_X509_CRL(decoded.lists.front().get(), &der);
    CHECK_EQUAL(decode_crls({reinterpret_cast<char*>(der), static_cast<std::size_t>(n)}).lists.size(), 1U);
    OPENSSL_free(der);
    CrlSpec empty;
    empty.number = 2;
    write(test::make_crl(p.ca, empty));
    CHECK(files.look(known, known, said));
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "good");
}

CLAIM(a_crl_whose_signer_is_not_known_stays_in_force_until_a_newer_one_is_in_its_file) {
    const Pki& p = pki();
    Folder folder;
    CrlSpec older, current{{{&p.bad, -1}}}, newer;
    current.number = 2;
    newer.number = 3;
    CrlSpec of_part = newer;
    of_part.idp = "fullname:URI:http://crl.example/1";
    const auto known = known_of({});
    const std::string lower = test::make_crl(p.ca, older), higher = test::make_crl(p.ca, newer);
    for (const std::string& content : {lower, test::make_crl(p.other, newer), test::make_crl(p.ca, of_part), higher}) {
        const auto write = [&](const std::string& text) { folder.write("ca.crl", text); };
        CrlFiles files;
        files.watch({folder.files("*.crl")}, known);
        std::vector<Diagnostic> said;
        write(test::make_crl(p.ca, current));
        files.look(known, known, said);
        write(content);
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
        const bool is_newer = content == higher, is_older = content == lower;
        CHECK_EQUAL(said.size(), is_older ? 1U : 0U);
        if (is_older)
            CHECK_CONTAINS(said.front().message, "is older than the one in force: what was in force stays so");
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), is_newer ? "good" : "revoked");
        CHECK_EQUAL(files.crls()->size(), is_newer ? 1U : 2U);
    }
}

CLAIM(another_pattern_that_names_the_file_of_a_crl_keeps_it_in_force) {
    const Pki& p = pki();
    Folder folder;
    const auto known = known_of({&p.ca});
    const WatchedFiles literal = folder.files("ca.crl"), glob = folder.files("*.crl", 2),
                       other = folder.files("b*.crl", 3);
    using Patterns = std::vector<WatchedFiles>;
    for (const auto& [before, after] : {std::pair(Patterns{literal}, Patterns{glob}),
                                        {{glob}, {literal}},
                                        {{literal, glob}, {glob}},
                                        {{glob, literal}, {literal}}}) {
        folder.write("ca.crl", test::make_crl(p.ca, {{{&p.bad, -1}}}));
        CrlFiles files;
        files.watch(before, known);
        std::vector<Diagnostic> said;
        files.look(known, known, said);
        folder.remove("ca.crl");
        files.watch(after, known);
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
        CHECK_EQUAL(said.size(), 1U);  // it is gone
        files.watch({other}, known);
        files.look(known, known, said);
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "good");
    }
}

CLAIM(a_crl_counts_as_long_as_one_file_that_is_named_holds_it) {
    const Pki& p = pki();
    Folder folder;
    CrlSpec older{{{&p.bad, -1}}}, newer{{{&p.bad, -1}, {&p.good, -1}}};
    newer.number = 2;
    const WatchedFiles a = folder.files("a.crl"), b = folder.files("b.crl", 2);
    const auto known = known_of({&p.ca});
    for (const bool is_same : {true, false}) {
        folder.write("a.crl", test::make_crl(p.ca, newer));
        folder.write("b.crl", test::make_crl(p.ca, is_same ? newer : older));
        CrlFiles files;
        files.watch({a, b}, known);
        std::vector<Diagnostic> said;
        files.look(known, known, said);
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "revoked");
        files.watch({b}, known);
        files.look(known, known, said);
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), is_same ? "revoked" : "good");
    }
}

CLAIM(a_file_that_vanishes_from_a_pattern_is_reported_once_and_missing_until_it_is_back) {
    const Pki& p = pki();
    Folder folder;
    const std::string pem = test::make_crl(p.ca, {{{&p.bad, -1}}});
    const auto write = [&](const std::string& name, const std::string& content) { folder.write(name, content); };
    CrlFiles files;
    files.watch({folder.files("*.crl")}, known_of({}));
    const auto known = known_of({&p.ca});
    std::vector<Diagnostic> said;
    const auto look = [&] {
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
    };
    look();
    CHECK_EQUAL(said.size(), 1U);
    CHECK_CONTAINS(said.back().str(), "warning: MTLSCRLFile *.crl: no file fits yet: no CRL is read from there");
    said.clear();
    write("ca.crl", pem);
    look();
    CHECK_EQUAL(files.missing().size() + said.size(), 0U);
    folder.remove("ca.crl");
    look();
    CHECK_EQUAL(files.missing().at(0), folder.path + "/ca.crl");
    CHECK_EQUAL(said.size(), 1U);
    CHECK_CONTAINS(said.back().str(), "ca.crl: error: the CRL file is gone");
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    write("ca.crl", pem);
    look();
    CHECK_EQUAL(files.missing().size(), 0U);
    // A list is not missing if another file has it, or if a newer list has replaced it.
    std::filesystem::rename(folder.path + "/ca.crl", folder.path + "/renamed.crl");
    look();
    CHECK_EQUAL(files.missing().size(), 0U);
    CrlSpec newer;
    newer.number = 2;
    folder.remove("renamed.crl");
    write("newer.crl", test::make_crl(p.ca, newer));
    look();
    CHECK_EQUAL(files.missing().size(), 0U);
    CHECK_EQUAL(said.size(), 1U);
    folder.remove("newer.crl");
    look();
    CHECK_EQUAL(said.size(), 2U);
    // Its folder goes too; a server that starts then has nothing of it.
    std::filesystem::remove_all(folder.path);
    look();
    CHECK_CONTAINS(said.back().str(), "the CRLs read from there stay in force");
    CrlFiles anew;
    anew.watch({folder.files("*.crl")}, known_of({}));
    said.clear();
    anew.look(known, known, said);
    CHECK_EQUAL(said.size(), 1U);
    CHECK_CONTAINS(said.front().str(), ": no CRL is read from there");
}

CLAIM(a_file_whose_list_cannot_be_used_is_missing_when_it_is_gone_until_another_list_answers) {
    const Pki& p = pki();
    Folder folder;
    CrlSpec strange;
    strange.raw_critical = {{"1.2.3.4", test::der_utf8("x")}};
    CrlFiles files;
    files.watch({folder.files("*.crl")}, known_of({}));
    const auto known = known_of({&p.ca});
    std::vector<Diagnostic> said;
    const auto look = [&] {
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
    };
    folder.write("odd.crl", test::make_crl(p.ca, strange));
    look();
    CHECK_EQUAL(said.size(), 1U);
    CHECK_EQUAL(files.missing().size(), 0U);
    folder.write("odd.crl", "");
    look();
    CHECK_CONTAINS(said.back().message, ": what was in force stays so");
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "stale");
    folder.remove("odd.crl");
    look();
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "stale");
    CHECK_EQUAL(said.size(), 3U);
    CHECK_CONTAINS(said.back().str(), "odd.crl: error: the CRL file is gone");
    CHECK_EQUAL(files.missing().size(), 1U);
    folder.write("ca.crl", test::make_crl(p.ca, {}));
    look();
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "good");
    CHECK_EQUAL(files.missing().size(), 0U);
}

CLAIM(a_list_past_or_near_its_end_is_reported_once_when_it_is_read) {
    const Pki& p = pki();
    Folder folder;
    const auto known = known_of({&p.ca});
    const auto said_of = [&](std::int64_t from, std::int64_t until, long number) {
        CrlSpec spec;
        spec.this_update = from;
        spec.next_update = until;
        spec.number = number;
        folder.write("ca.crl", test::make_crl(p.ca, spec));
        CrlFiles files;
        files.watch({folder.files("ca.crl")}, known_of({}));
        std::vector<Diagnostic> said;
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
        std::string out;
        for (const Diagnostic& d : said) out += d.str() + "\n";
        return out;
    };
    const std::string past = said_of(-7200, -3600, 1);
    CHECK_CONTAINS(past, "is past its nextUpdate, ");
    CHECK_CONTAINS(past, "(1 hour ago)");
    CHECK_EQUAL(past.find('\n'), past.size() - 1);
    CHECK_CONTAINS(said_of(-95 * 3600, 5 * 3600, 2), "is near its end, nextUpdate ");
    CHECK_EQUAL(said_of(-80 * 3600, 20 * 3600, 3), "");
    CHECK_CONTAINS(said_of(2 * 3600, 20 * 3600, 4), "is of the future, and not used before its thisUpdate, ");
}

CLAIM(a_file_with_one_broken_list_among_good_ones_says_that_those_count) {
    const Pki& p = pki();
    Folder folder;
    const std::string good = test::make_crl(p.ca, {{{&p.bad, -1}}});
    const std::string broken = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    const std::string behind_good = std::to_string(std::count(good.begin(), good.end(), '\n') + 1);
    const auto known = known_of({&p.ca});
    CrlFiles files;
    const auto said_of = [&](const std::string& content) {
        folder.write("ca.crl", content);
        std::vector<Diagnostic> said;
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
        CHECK_EQUAL(said.size(), 1U);
        return said.front().message;
    };
    files.watch({folder.files("ca.crl")}, known_of({}));
    CHECK_EQUAL(said_of(broken), "holds a CRL that cannot be read (line 1): no list of this file is in force");
    CHECK_EQUAL(said_of(good + broken), "holds a CRL that cannot be read (line " + behind_good +
                                            "): the other lists of this file are in force");
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    CHECK_EQUAL(said_of(broken + broken), "holds a CRL that cannot be read (line 1): what was in force stays so");
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    CrlSpec newer;
    newer.number = 2;
    CHECK_EQUAL(
        said_of(broken + test::make_crl(p.ca, newer)),
        "holds a CRL that cannot be read (line 1): the other lists of this file are in force, and what they do not "
        "replace stays so");
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "good");
}

CLAIM(what_one_list_throws_holds_up_no_other_and_is_tried_again) {
    const Pki& p = pki();
    Folder folder;
    const Identity a = test::make_ca("A CA"), c = test::make_ca("C CA");
    const Identity of_a = test::make_client("a", "a.example.org", a), of_c = test::make_client("c", "c.example.org", c);
    folder.write("a.crl", test::make_crl(a, {{{&of_a, -1}}}));
    folder.write("b.crl", test::make_crl(p.ca, {{{&p.bad, -1}}}));
    folder.write("c.crl", test::make_crl(c, {{{&of_c, -1}}}));
    CrlFiles files;
    files.watch({folder.files("*.crl")}, known_of({}));
    const auto known = known_of({&a, &p.ca, &c});
    const std::string second = read_name(*X509_get_subject_name(p.ca.cert.get())).canonical;
    const CasByName failing = [&](const std::string& name) {
        return name == second ? throw std::bad_alloc() : known(name);
    };
    std::vector<Diagnostic> said;
    for (int i = 0; i < 3; ++i) files.look(failing, known, said);
    CHECK_EQUAL(said.size(), 1U);
    CHECK_CONTAINS(said.front().str(), "b.crl");
    CHECK_EQUAL(ask(*files.crls(), of_a, a), "revoked");
    CHECK_EQUAL(ask(*files.crls(), of_c, c), "revoked");
    // Until then, its issuer has a list that cannot be used.
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "stale");
    CHECK(files.look(known, known, said));
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "good");
    CHECK_EQUAL(said.size(), 1U);
    // What was in force before stays so.
    CrlSpec newer{{{&p.bad, -1}, {&p.good, -1}}};
    newer.number = 2;
    folder.write("b.crl", test::make_crl(p.ca, newer));
    files.look(failing, known, said);
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    CHECK_EQUAL(said.size(), 2U);
    files.look(known, known, said);
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "revoked");
    // Where nothing else has changed, too.
    Folder other;
    other.write("a.crl", test::make_crl(a, {}));
    CrlFiles alone;
    alone.watch({other.files("*.crl")}, known);
    alone.look(failing, known, said);
    other.write("b.crl", test::make_crl(p.ca, {{{&p.bad, -1}}}));
    CHECK(alone.look(failing, known, said));
    CHECK_EQUAL(ask(*alone.crls(), p.bad, p.ca), "stale");
}

CLAIM(an_unusable_list_with_nothing_before_it_is_stale) {
    const Pki& p = pki();
    const std::string pem = test::make_crl(p.ca, {{{&p.bad, -1}}});
    Identity forger = test::copy_of(p.ca);
    forger.key = test::make_key();
    CrlSpec strange;
    strange.raw_critical = {{"1.2.3.4", test::der_utf8("x")}};
    const DecodedCrls decoded = decode_crls(pem);
    unsigned char* der = nullptr;
    const int n = i2d_X509_CRL(decoded.lists.front().get(), &der);
    const std::string whole(reinterpret_cast<char*>(der), static_cast<std::size_t>(n));
    OPENSSL_free(der);
    for (const std::string& content :
         {pem.substr(0, pem.size() * 2 / 3), whole.substr(0, whole.size() - 30), test::make_crl(forger, {}),
          test::make_crl(p.ca, strange), test::make_crl(p.other, {}) + pem.substr(1)}) {
        Folder folder;
        folder.write("ca.crl", content);
        CrlFiles files;
        files.watch({folder.files("*.crl")}, known_of({}));
        std::vector<Diagnostic> said;
        CHECK(files.look(known_of({&p.ca}), known_of({&p.ca}), said));
        CHECK_EQUAL(said.size(), 1U);
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "stale");
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca, {std::nullopt, INT64_MAX}), "good");
        const Identity other_leaf = test::make_client("x", "x.example.org", p.other);
        CHECK_EQUAL(ask(*files.crls(), other_leaf, p.other), "good");
        folder.write("ca.crl", pem);
        CHECK(files.look(known_of({&p.ca}), known_of({&p.ca}), said));
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "good");
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    }
    CHECK_EQUAL(issuer_of_broken_crl("<html>"), "");
    for (std::size_t k = 0; k < whole.size(); ++k) issuer_of_broken_crl(whole.substr(0, k));
    // A list of a known CA of the same name is that one's, whenever that CA becomes known.
    CrlSet twins;
    add(twins, test::make_crl(p.twin, {}), {&p.ca});
    CHECK_EQUAL(ask(twins, p.good, p.ca), "stale");
    twins.verify_signers(known_of({&p.ca, &p.twin}));
    CHECK_EQUAL(ask(twins, p.good, p.ca), "good");
}
