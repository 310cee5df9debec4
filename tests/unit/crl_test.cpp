// CRLs as RFC 5280 6.3 has them, and what must never empty the list in force.

#include <filesystem>
#include <fstream>

#include "claims.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"
#include "mtls_authz/load/crl_files.hpp"
#include "pki.hpp"

using namespace mtls;

namespace {

using test::CrlSpec;
using test::Identity;

CasByName known_of(const std::vector<const Identity*>& cas) {
    return [cas](const std::string& name) {
        std::vector<X509Ptr> out;
        for (const Identity* ca : cas) {
            if (read_name(*X509_get_subject_name(ca->cert.get())).canonical == name) out.push_back(share(*ca->cert));
        }
        return out;
    };
}

std::string add(CrlSet& set, const std::string& pem, const std::vector<const Identity*>& cas) {
    DecodedCrls decoded = decode_crls(pem);
    std::string said = decoded.fault;
    for (X509CrlPtr& list : decoded.lists) {
        auto crl = Crl::read(std::move(list));
        said += crl.ok() ? set.add(std::move(crl.value()), known_of(cas), std::time(nullptr)) : crl.error();
    }
    return said;
}

// The status, and the detail.
std::pair<std::string, std::string> answer_of(const CrlSet& set, const Identity& who, const Identity& ca,
                                              const CrlRules& rules, std::int64_t later,
                                              const std::vector<const Identity*>& more_signers = {}) {
    std::vector<const Identity*> signers = more_signers;
    signers.push_back(&ca);
    // Whose a list is otherwise, CrlSignerSearch finds out: here, one that is verified is another CA's.
    const CrlSigners under_this_anchor{
        known_of(signers),
        [](X509& signer) { return may_sign_crls(signer) ? CrlSigner::kValid : CrlSigner::kLacksCrlSign; },
        [](const Crl& list) { return std::string(list.is_unverified() ? "its signer is not known" : ""); }};
    std::vector<std::int64_t> edges;
    std::string detail;
    static constexpr const char* kWords[] = {"good", "revoked", "stale", "unknown"};
    const CrlStatus status =
        check_crls({&set}, *who.cert, under_this_anchor, rules, std::time(nullptr) + later, edges, detail);
    return {kWords[static_cast<std::size_t>(status)], detail};
}

std::string ask(const CrlSet& set, const Identity& who, const Identity& ca, const CrlRules& rules = {},
                std::int64_t later = 0, const std::vector<const Identity*>& more_signers = {}) {
    return answer_of(set, who, ca, rules, later, more_signers).first;
}

std::string detail_of(const CrlSet& set, const Identity& who, const Identity& ca, const CrlRules& rules,
                      std::int64_t later = 0) {
    return answer_of(set, who, ca, rules, later).second;
}

struct Pki {
    Identity ca = test::make_ca("CRL CA"), twin = test::make_ca("CRL CA"), other = test::make_ca("Other CA");
    Identity good = test::make_client("good", "a.example.org", ca), bad = test::make_client("bad", "b.example.org", ca);
};
const Pki& pki() {
    static const Pki it;
    return it;
}

const CrlRules kRequired{true, std::nullopt};

}  // namespace

CLAIM(a_crl_revokes_what_it_lists_for_the_ca_that_signed_it) {
    const Pki& p = pki();
    for (const bool signer_known : {true, false}) {
        CrlSet set;
        CHECK_EQUAL(add(set, test::make_crl(p.ca, {{{&p.bad, -1}}}),
                        signer_known ? std::vector{&p.ca} : std::vector<const Identity*>{}),
                    "");
        CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
        CHECK_EQUAL(ask(set, p.good, p.ca), "good");
        // Same name, another key: it counts for nothing there.
        CHECK_EQUAL(ask(set, p.bad, p.twin), "good");
        CHECK_EQUAL(ask(set, p.bad, p.twin, kRequired), "unknown");
        CHECK_EQUAL(ask(set, p.good, p.ca, kRequired), "good");
    }
    CHECK_EQUAL(ask(CrlSet(), p.good, p.ca), "good");
    CHECK_EQUAL(ask(CrlSet(), p.good, p.ca, kRequired), "unknown");
}

CLAIM(each_part_of_a_crl_counts_however_many_there_are_before_its_signer_is_known) {
    const Pki& p = pki();
    CrlSet set;
    const auto part = [&](std::size_t i, const Identity* revoked) {
        CrlSpec spec;
        if (revoked != nullptr) spec.revoked = {{revoked, -1}};
        spec.idp = "fullname:URI:http://crl.example/" + std::to_string(i);
        return add(set, test::make_crl(p.ca, spec), {});
    };
    const std::size_t most = CrlSet::kMostUnverified;
    for (std::size_t i = 0; i < most; ++i) CHECK_EQUAL(part(i, i == 0 ? &p.bad : nullptr), "");
    CHECK_EQUAL(set.size(), most);
    CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(set, p.good, p.ca), "good");
    // Now the signer is known: there may be more.
    CHECK_EQUAL(part(most, &p.good), "");
    CHECK_EQUAL(ask(set, p.good, p.ca), "revoked");
}

CLAIM(one_crl_too_many_without_a_known_signer_makes_its_issuer_stale) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
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
        std::ofstream(folder + "/ca.crl") << parts(CrlSet::kMostUnverified + (is_too_many ? 1 : 0));
        CrlFiles files;
        files.watch({{folder + "/*.crl", "*.crl", {"httpd.conf", 1}}}, known);
        std::vector<Diagnostic> said;
        files.look(known, known, said);
        CHECK_EQUAL(said.size(), is_too_many ? 1U : 0U);
        if (is_too_many) CHECK_CONTAINS(said.front().message, "MTLSIntermediate");
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), is_too_many ? "stale" : "good");
        CHECK_EQUAL(ask(*files.crls(), other, p.other), "good");
    }
    std::filesystem::remove_all(folder);
}

CLAIM(an_impostors_or_older_crl_never_replaces_the_one_in_force) {
    const Pki& p = pki();
    CrlSet set;
    CrlSpec current{{{&p.bad, -1}}};
    current.number = 300;
    CHECK_EQUAL(add(set, test::make_crl(p.ca, current), {&p.ca, &p.twin}), "");
    CrlSpec older;
    older.number = 2;
    older.this_update = -10;  // the number decides, not the date
    CHECK_CONTAINS(add(set, test::make_crl(p.ca, older), {&p.ca}), "older than the one in force");
    CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
    CrlSpec fake;
    fake.number = 9000;
    Identity forger = test::copy_of(p.ca);
    forger.key = test::make_key();
    CHECK_CONTAINS(add(set, test::make_crl(forger, fake), {&p.ca, &p.twin}), "signed by none");
    CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
    for (int i = 0; i < 20; ++i) add(set, test::make_crl(forger, fake), {&p.ca});
    CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
    CrlSpec newer;
    newer.number = 301;
    CHECK_EQUAL(add(set, test::make_crl(p.ca, newer), {&p.ca}), "");
    CHECK_EQUAL(ask(set, p.bad, p.ca), "good");
}

CLAIM(a_ca_that_may_not_sign_crls_signs_none) {
    test::CertSpec spec;
    spec.subject = {{"CN", "No CRL CA"}};
    spec.ca = true;
    spec.key_usage = "critical,keyCertSign";
    const Identity ca = test::issue(spec, nullptr), leaf = test::make_client("x", "x.example.org", ca);
    CrlSet set;
    add(set, test::make_crl(ca, {{{&leaf, -1}}}), {&ca});
    CHECK_EQUAL(ask(set, leaf, ca, kRequired), "stale");
}

CLAIM(a_stale_crl_denies_unless_forgiven_and_still_revokes) {
    const Pki& p = pki();
    CrlSet set;
    CrlSpec spec{{{&p.bad, -1}}};
    spec.next_update = 100;
    add(set, test::make_crl(p.ca, spec), {&p.ca});
    CHECK_EQUAL(ask(set, p.good, p.ca, {}, 90), "good");
    CHECK_EQUAL(ask(set, p.good, p.ca, {}, 110), "stale");
    CHECK_EQUAL(ask(set, p.good, p.ca, {std::nullopt, INT64_MAX}, 110), "good");
    CHECK_EQUAL(ask(set, p.good, p.ca, {std::nullopt, 3600}, 3000), "good");
    CHECK_EQUAL(ask(set, p.good, p.ca, {std::nullopt, 3600}, 3800), "stale");
    CHECK_EQUAL(ask(set, p.bad, p.ca, {std::nullopt, INT64_MAX}, 110), "revoked");
    CHECK_EQUAL(ask(set, p.bad, p.ca, {}, 110), "revoked");
    CrlSet endless;
    spec.has_next_update = false;
    add(endless, test::make_crl(p.ca, spec), {&p.ca});
    CHECK_EQUAL(ask(endless, p.good, p.ca), "stale");
    CHECK_CONTAINS(detail_of(endless, p.good, p.ca, {}), "has no nextUpdate");
    CHECK_CONTAINS(detail_of(set, p.good, p.ca, {}, 110), "is past its nextUpdate");
    CHECK_EQUAL(ask(endless, p.good, p.ca, {std::nullopt, INT64_MAX}), "good");
    CrlSet future;
    spec.this_update = 500;
    add(future, test::make_crl(p.ca, spec), {&p.ca});
    CHECK_EQUAL(ask(future, p.bad, p.ca), "good");
    CHECK_EQUAL(ask(future, p.bad, p.ca, kRequired), "unknown");
    CHECK_CONTAINS(detail_of(future, p.bad, p.ca, kRequired), "is not used before its thisUpdate");
    CHECK_EQUAL(ask(future, p.bad, p.ca, {}, 600), "revoked");
}

CLAIM(deltas_remove_on_their_base_only) {
    const Pki& p = pki();
    CrlSpec base{{{&p.bad, 6}}};
    base.number = 10;
    CrlSpec delta{{{&p.bad, 8}, {&p.good, 1}}};
    delta.number = 12;
    delta.base = 10;
    CrlSet set;
    CHECK_EQUAL(add(set, test::make_crl(p.ca, base) + test::make_crl(p.ca, delta), {&p.ca}), "");
    CHECK_EQUAL(ask(set, p.bad, p.ca), "good");  // removeFromCRL
    CHECK_EQUAL(ask(set, p.good, p.ca), "revoked");
    CrlSet alone;
    add(alone, test::make_crl(p.ca, delta), {&p.ca});
    // What it lists is revoked, base or not; without its base it answers for no other certificate.
    CHECK_EQUAL(ask(alone, p.good, p.ca), "revoked");
    CHECK_EQUAL(ask(alone, p.bad, p.ca, kRequired), "unknown");
    delta.base = 11;
    CrlSet gap;
    add(gap, test::make_crl(p.ca, base) + test::make_crl(p.ca, delta), {&p.ca});
    CHECK_EQUAL(ask(gap, p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(gap, p.good, p.ca), "revoked");
    // In a complete list, removeFromCRL takes nothing back.
    CrlSpec odd{{{&p.bad, 8}}};
    CrlSet complete;
    add(complete, test::make_crl(p.ca, odd), {&p.ca});
    CHECK_EQUAL(ask(complete, p.bad, p.ca), "revoked");
}

CLAIM(scopes_say_what_a_crl_is_about) {
    const Pki& p = pki();
    const Identity sub = test::make_ca("Sub CA", &p.ca), unlisted = test::make_ca("Sub CA", &p.ca);
    const auto with = [&](const std::string& idp) {
        CrlSet set;
        CrlSpec spec{{{&p.bad, -1}, {&sub, -1}}};
        spec.idp = idp;
        const std::string said = add(set, test::make_crl(p.ca, spec), {&p.ca});
        return std::pair(set, said);
    };
    CHECK_EQUAL(ask(with("onlyuser:TRUE").first, p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(with("onlyuser:TRUE").first, unlisted, p.ca, kRequired), "unknown");
    CHECK_EQUAL(ask(with("onlyCA:TRUE").first, p.good, p.ca, kRequired), "unknown");
    CHECK_EQUAL(ask(with("onlyCA:TRUE").first, sub, p.ca), "revoked");
    CHECK_CONTAINS(with("onlyAA:TRUE").second, "attribute certificates");
    CHECK_EQUAL(ask(with("onlysomereasons:keyCompromise").first, p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(with("onlysomereasons:keyCompromise").first, p.good, p.ca, kRequired), "unknown");
    test::CertSpec pointed;
    pointed.subject = {{"CN", "pointed"}};
    pointed.crl_points = "URI:http://crl.example/1";
    const Identity one = test::issue(pointed, &p.ca);
    CHECK_EQUAL(ask(with("fullname:URI:http://crl.example/1").first, one, p.ca, kRequired), "good");
    CHECK_EQUAL(ask(with("fullname:URI:http://crl.example/2").first, one, p.ca, kRequired), "unknown");
    CHECK_EQUAL(ask(with("fullname:URI:http://crl.example/1").first, p.good, p.ca, kRequired), "unknown");
    CrlSpec strange;
    strange.raw_critical = {{"1.2.3.4", test::der_utf8("x")}};
    CrlSet set;
    CHECK_CONTAINS(add(set, test::make_crl(p.ca, strange), {&p.ca}), "unknown critical extension");
}

CLAIM(an_indirect_crl_counts_where_the_certificate_points_to_its_signer) {
    const Pki& p = pki();
    const Identity signer = test::make_ca("CRL Signer", &p.ca), stranger = test::make_ca("CRL Signer");
    test::CertSpec spec;
    spec.subject = {{"CN", "pointed"}};
    spec.crl_issuer = &signer;
    const Identity bad = test::issue(spec, &p.ca), good = test::issue(spec, &p.ca);
    CrlSpec list;
    list.idp = "indirectCRL:TRUE";
    list.revoked = {{&bad, 1}, {&p.bad, 1}};
    list.entry_issuer = &p.ca;
    CrlSet set;
    CHECK_EQUAL(add(set, test::make_crl(signer, list), {}), "");
    const std::vector<const Identity*> signers = {&signer};
    CHECK_EQUAL(ask(set, bad, p.ca, kRequired, 0, signers), "revoked");
    CHECK_EQUAL(ask(set, good, p.ca, kRequired, 0, signers), "good");
    // Not without a verified signer, nor with one of the same name, nor for a certificate that points nowhere.
    CHECK_EQUAL(ask(set, bad, p.ca, kRequired), "unknown");
    CHECK_EQUAL(ask(set, bad, p.ca, kRequired, 0, {&stranger}), "unknown");
    CHECK_EQUAL(ask(set, p.bad, p.ca, kRequired, 0, signers), "unknown");
    // Entries name their issuer: the same serial of the signer's own is another certificate.
    CrlSpec own;
    own.idp = "indirectCRL:TRUE";
    own.revoked = {{&bad, 1}};
    CrlSet other;
    add(other, test::make_crl(signer, own), {});
    CHECK_EQUAL(ask(other, bad, p.ca, {}, 0, signers), "good");
    // A list that is not indirect speaks for its signer alone.
    CrlSpec direct;
    direct.revoked = {{&bad, 1}};
    CrlSet plain;
    add(plain, test::make_crl(signer, direct), {});
    CHECK_EQUAL(ask(plain, bad, p.ca, kRequired, 0, signers), "unknown");
}

CLAIM(broken_foreign_empty_or_missing_files_leave_the_list_in_force) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const auto write = [&](const std::string& content) {
        std::ofstream(folder + "/ca.crl", std::ios::binary) << content;
    };
    CrlFiles files;
    files.watch({{folder + "/*.crl", "*.crl", {"httpd.conf", 1}}}, known_of({}));
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
    std::filesystem::remove(folder + "/ca.crl");
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
    std::filesystem::remove_all(folder);
}

CLAIM(a_crl_whose_signer_is_not_known_stays_in_force_until_a_newer_one_is_in_its_file) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    CrlSpec older, current{{{&p.bad, -1}}}, newer;
    current.number = 2;
    newer.number = 3;
    CrlSpec of_part = newer;
    of_part.idp = "fullname:URI:http://crl.example/1";
    const auto known = known_of({});
    const std::string lower = test::make_crl(p.ca, older), higher = test::make_crl(p.ca, newer);
    for (const std::string& content : {lower, test::make_crl(p.other, newer), test::make_crl(p.ca, of_part), higher}) {
        const auto write = [&](const std::string& text) { std::ofstream(folder + "/ca.crl") << text; };
        CrlFiles files;
        files.watch({{folder + "/*.crl", "*.crl", {"httpd.conf", 1}}}, known);
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
    std::filesystem::remove_all(folder);
}

CLAIM(another_pattern_that_names_the_file_of_a_crl_keeps_it_in_force) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const auto known = known_of({&p.ca});
    const WatchedFiles literal{folder + "/ca.crl", "ca.crl", {"httpd.conf", 1}},
        glob{folder + "/*.crl", "*.crl", {"httpd.conf", 2}}, other{folder + "/b*.crl", "b*.crl", {"httpd.conf", 3}};
    using Patterns = std::vector<WatchedFiles>;
    for (const auto& [before, after] : {std::pair(Patterns{literal}, Patterns{glob}),
                                        {{glob}, {literal}},
                                        {{literal, glob}, {glob}},
                                        {{glob, literal}, {literal}}}) {
        std::ofstream(folder + "/ca.crl") << test::make_crl(p.ca, {{{&p.bad, -1}}});
        CrlFiles files;
        files.watch(before, known);
        std::vector<Diagnostic> said;
        files.look(known, known, said);
        std::filesystem::remove(folder + "/ca.crl");
        files.watch(after, known);
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
        CHECK_EQUAL(said.size(), 1U);  // it is gone
        files.watch({other}, known);
        files.look(known, known, said);
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "good");
    }
    std::filesystem::remove_all(folder);
}

CLAIM(a_crl_counts_as_long_as_one_file_that_is_named_holds_it) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    CrlSpec older{{{&p.bad, -1}}}, newer{{{&p.bad, -1}, {&p.good, -1}}};
    newer.number = 2;
    const WatchedFiles a{folder + "/a.crl", "a.crl", {"httpd.conf", 1}},
        b{folder + "/b.crl", "b.crl", {"httpd.conf", 2}};
    const auto known = known_of({&p.ca});
    for (const bool is_same : {true, false}) {
        std::ofstream(folder + "/a.crl") << test::make_crl(p.ca, newer);
        std::ofstream(folder + "/b.crl") << test::make_crl(p.ca, is_same ? newer : older);
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
    std::filesystem::remove_all(folder);
}

CLAIM(a_file_that_vanishes_from_a_pattern_is_reported_once_and_missing_until_it_is_back) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const std::string pem = test::make_crl(p.ca, {{{&p.bad, -1}}});
    const auto write = [&](const std::string& name, const std::string& content) {
        std::ofstream(folder + "/" + name, std::ios::binary) << content;
    };
    CrlFiles files;
    files.watch({{folder + "/*.crl", "*.crl", {"httpd.conf", 1}}}, known_of({}));
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
    std::filesystem::remove(folder + "/ca.crl");
    look();
    CHECK_EQUAL(files.missing().at(0), folder + "/ca.crl");
    CHECK_EQUAL(said.size(), 1U);
    CHECK_CONTAINS(said.back().str(), "ca.crl: error: the CRL file is gone");
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    write("ca.crl", pem);
    look();
    CHECK_EQUAL(files.missing().size(), 0U);
    // A list is not missing if another file has it, or if a newer list has replaced it.
    std::filesystem::rename(folder + "/ca.crl", folder + "/renamed.crl");
    look();
    CHECK_EQUAL(files.missing().size(), 0U);
    CrlSpec newer;
    newer.number = 2;
    std::filesystem::remove(folder + "/renamed.crl");
    write("newer.crl", test::make_crl(p.ca, newer));
    look();
    CHECK_EQUAL(files.missing().size(), 0U);
    CHECK_EQUAL(said.size(), 1U);
    std::filesystem::remove(folder + "/newer.crl");
    look();
    CHECK_EQUAL(said.size(), 2U);
    // Its folder goes too; a server that starts then has nothing of it.
    std::filesystem::remove_all(folder);
    look();
    CHECK_CONTAINS(said.back().str(), "the CRLs read from there stay in force");
    CrlFiles anew;
    anew.watch({{folder + "/*.crl", "*.crl", {"httpd.conf", 1}}}, known_of({}));
    said.clear();
    anew.look(known, known, said);
    CHECK_EQUAL(said.size(), 1U);
    CHECK_CONTAINS(said.front().str(), ": no CRL is read from there");
}

CLAIM(a_file_whose_list_cannot_be_used_is_missing_when_it_is_gone_until_another_list_answers) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    CrlSpec strange;
    strange.raw_critical = {{"1.2.3.4", test::der_utf8("x")}};
    CrlFiles files;
    files.watch({{folder + "/*.crl", "*.crl", {"httpd.conf", 1}}}, known_of({}));
    const auto known = known_of({&p.ca});
    std::vector<Diagnostic> said;
    const auto look = [&] {
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
    };
    std::ofstream(folder + "/odd.crl") << test::make_crl(p.ca, strange);
    look();
    CHECK_EQUAL(said.size(), 1U);
    CHECK_EQUAL(files.missing().size(), 0U);
    std::ofstream(folder + "/odd.crl") << "";
    look();
    CHECK_CONTAINS(said.back().message, ": what was in force stays so");
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "stale");
    std::filesystem::remove(folder + "/odd.crl");
    look();
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "stale");
    CHECK_EQUAL(said.size(), 3U);
    CHECK_CONTAINS(said.back().str(), "odd.crl: error: the CRL file is gone");
    CHECK_EQUAL(files.missing().size(), 1U);
    std::ofstream(folder + "/ca.crl") << test::make_crl(p.ca, {});
    look();
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "good");
    CHECK_EQUAL(files.missing().size(), 0U);
    std::filesystem::remove_all(folder);
}

CLAIM(a_list_past_or_near_its_end_is_reported_once_when_it_is_read) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const auto known = known_of({&p.ca});
    const auto said_of = [&](std::int64_t from, std::int64_t until, long number) {
        CrlSpec spec;
        spec.this_update = from;
        spec.next_update = until;
        spec.number = number;
        std::ofstream(folder + "/ca.crl") << test::make_crl(p.ca, spec);
        CrlFiles files;
        files.watch({{folder + "/ca.crl", "ca.crl", {"httpd.conf", 1}}}, known_of({}));
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
    std::filesystem::remove_all(folder);
}

CLAIM(a_file_with_one_broken_list_among_good_ones_says_that_those_count) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const std::string good = test::make_crl(p.ca, {{{&p.bad, -1}}});
    const std::string broken = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    const std::string behind_good = std::to_string(std::count(good.begin(), good.end(), '\n') + 1);
    const auto known = known_of({&p.ca});
    CrlFiles files;
    const auto said_of = [&](const std::string& content) {
        std::ofstream(folder + "/ca.crl") << content;
        std::vector<Diagnostic> said;
        for (int i = 0; i < 3; ++i) files.look(known, known, said);
        CHECK_EQUAL(said.size(), 1U);
        return said.front().message;
    };
    files.watch({{folder + "/ca.crl", "ca.crl", {"httpd.conf", 1}}}, known_of({}));
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
    std::filesystem::remove_all(folder);
}

CLAIM(what_one_list_throws_holds_up_no_other_and_is_tried_again) {
    const Pki& p = pki();
    std::string folder = "/tmp/mtls-crl-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const Identity a = test::make_ca("A CA"), c = test::make_ca("C CA");
    const Identity of_a = test::make_client("a", "a.example.org", a), of_c = test::make_client("c", "c.example.org", c);
    std::ofstream(folder + "/a.crl") << test::make_crl(a, {{{&of_a, -1}}});
    std::ofstream(folder + "/b.crl") << test::make_crl(p.ca, {{{&p.bad, -1}}});
    std::ofstream(folder + "/c.crl") << test::make_crl(c, {{{&of_c, -1}}});
    CrlFiles files;
    files.watch({{folder + "/*.crl", "*.crl", {"httpd.conf", 1}}}, known_of({}));
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
    std::ofstream(folder + "/b.crl") << test::make_crl(p.ca, newer);
    files.look(failing, known, said);
    CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
    CHECK_EQUAL(said.size(), 2U);
    files.look(known, known, said);
    CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "revoked");
    std::filesystem::remove_all(folder);
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
        std::string folder = "/tmp/mtls-crl-XXXXXX";
        CHECK(mkdtemp(folder.data()) != nullptr);
        std::ofstream(folder + "/ca.crl", std::ios::binary) << content;
        CrlFiles files;
        files.watch({{folder + "/*.crl", "*.crl", {"httpd.conf", 1}}}, known_of({}));
        std::vector<Diagnostic> said;
        CHECK(files.look(known_of({&p.ca}), known_of({&p.ca}), said));
        CHECK_EQUAL(said.size(), 1U);
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "stale");
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca, {std::nullopt, INT64_MAX}), "good");
        const Identity other_leaf = test::make_client("x", "x.example.org", p.other);
        CHECK_EQUAL(ask(*files.crls(), other_leaf, p.other), "good");
        std::ofstream(folder + "/ca.crl", std::ios::binary) << pem;
        CHECK(files.look(known_of({&p.ca}), known_of({&p.ca}), said));
        CHECK_EQUAL(ask(*files.crls(), p.good, p.ca), "good");
        CHECK_EQUAL(ask(*files.crls(), p.bad, p.ca), "revoked");
        std::filesystem::remove_all(folder);
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
