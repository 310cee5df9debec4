// Policy files that change or vanish while a policy built from them is in force.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "mtls_authz/load/policy_source.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

const std::string kAcme = partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem");

// A source of the files *.conf in a folder of its own, which also has root.pem.
struct WatchedFolder {
    Draft draft;
    DiskFiles disk;
    PolicySource source{draft.folder(), disk};
    std::vector<Diagnostic> said;

    WatchedFolder() {
        draft.file("root.pem", test::make_ca("Root").cert_pem());
        source.watch({path("*.conf"), "*.conf", {"httpd.conf", 1}});
    }
    std::string path(const std::string& name) const { return draft.folder() + "/" + name; }
    void put(const std::string& name, const std::string& content) { draft.file(name, content); }
    void remove(const std::string& name) const { std::filesystem::remove(path(name)); }
    // The policy that comes into force within three looks, or null.
    std::shared_ptr<const Policy> next() {
        for (int i = 0; i < 3; ++i) {
            if (auto policy = source.look(said)) return policy;
        }
        return nullptr;
    }
    std::string last_said() const { return said.empty() ? "" : said.back().str(); }
};

}  // namespace

CLAIM(a_policy_file_that_held_refusals_does_not_end_them_by_vanishing) {
    for (const std::string refusal : {"MTLSRevoke CN:stolen\n", "MTLSSuspend acme\n", "MTLSSuspend later\n",
                                      "MTLSCRL required\n", "MTLSCRLFile lists/*.crl\n", "MTLSShortLived 0\n"}) {
        WatchedFolder w;
        w.put("acme.conf", kAcme);
        w.put("globex.conf", partner("globex", "MTLSIdentity O:Globex\nMTLSTrustAnchor root.pem\nMTLSSuspend On"));
        w.put("stop.conf", refusal);
        CHECK(w.source.build(w.said) != nullptr);
        w.said.clear();
        w.remove("stop.conf");
        for (int i = 0; i < 3; ++i) CHECK(w.source.look(w.said) == nullptr);
        CHECK_EQUAL(w.said.size(), 1U);
        CHECK_CONTAINS(w.last_said(), "stop.conf: error: is gone, and with it lines that refuse");
        // Nor by one that is half written.
        for (const char* const content : {"", "\n", " \t\r\n\n"}) {
            w.put("stop.conf", content);
            CHECK(w.next() == nullptr);
            CHECK_CONTAINS(w.last_said(), "stop.conf: error: the policy file is empty, so it may be half written");
        }
        // An edit ends them; a partner that goes takes its own along.
        w.put("stop.conf", "# nobody\n");
        CHECK(w.source.look(w.said) == nullptr);
        CHECK(w.source.look(w.said) != nullptr);
        w.remove("stop.conf");
        w.remove("globex.conf");
        CHECK(w.source.look(w.said) == nullptr);
        CHECK(w.source.look(w.said) != nullptr);
    }
}

CLAIM(a_policy_file_that_held_only_what_lets_in_more_may_vanish) {
    for (const std::string line : {"MTLSCRL if-present\n", "MTLSCRLStale allow\n", "MTLSShortLived 30\n"}) {
        WatchedFolder w;
        w.put("acme.conf", kAcme);
        w.put("mild.conf", line);
        CHECK(w.source.build(w.said) != nullptr);
        w.remove("mild.conf");
        CHECK(w.next() != nullptr);
    }
}

CLAIM(crl_rules_of_a_partner_do_not_end_by_a_file_that_vanishes_and_end_with_the_partner) {
    const std::string strict = "\nMTLSCRL required", deny = "\nMTLSCRLStale deny", short_lived = "\nMTLSShortLived 0";
    const auto acme = [](const std::string& lines) {
        return partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem" + lines);
    };
    for (const std::string& line : {strict, deny, short_lived}) {
        WatchedFolder w;
        w.put("all.conf", "MTLSCRLStale allow\n");
        w.put("acme.conf", acme(line));
        CHECK(w.source.build(w.said) != nullptr);
        w.remove("acme.conf");
        w.put("moved.conf", kAcme);
        CHECK(w.next() == nullptr);
        CHECK_CONTAINS(w.last_said(), "acme.conf: error: is gone, and with it lines that refuse");
        w.put("moved.conf", acme(line + "\nMTLSContact pki@acme.example"));
        CHECK(w.next() != nullptr);
        // The partner's own file is edited, or goes with the partner.
        w.put("moved.conf", kAcme);
        CHECK(w.next() != nullptr);
        w.put("moved.conf", acme(line));
        CHECK(w.next() != nullptr);
        w.remove("moved.conf");
        CHECK(w.next() != nullptr);
    }
}

CLAIM(a_policy_file_that_refuses_may_be_renamed_and_holds_up_nothing) {
    WatchedFolder w;
    w.put("acme.conf", kAcme);
    w.put("zz.conf", "MTLSSuspend globex\nMTLSCRL required\n");
    CHECK(w.source.build(w.said) != nullptr);
    std::filesystem::rename(w.path("zz.conf"), w.path("yy.conf"));
    CHECK(w.next() != nullptr);
    // With one line less it is not the same file.
    w.remove("yy.conf");
    w.put("xx.conf", "MTLSSuspend globex\n");
    CHECK(w.next() == nullptr);
    CHECK_CONTAINS(w.last_said(),
                   "yy.conf: error: is gone, and with it lines that refuse: a refusal ends only by an edit of a file "
                   "that is there; take its lines that refuse (MTLSRevoke, MTLSSuspend, MTLSCRL, MTLSCRLFile, "
                   "MTLSShortLived) out first, or stop and start the server");
}

CLAIM(each_policy_file_that_suspends_counts_and_a_partners_own_may_be_renamed) {
    WatchedFolder w;
    w.put("acme.conf", kAcme);
    w.put("one.conf", "MTLSSuspend acme\n");
    w.put("two.conf", "# of two\nMTLSSuspend acme\n");
    CHECK(w.source.build(w.said) != nullptr);
    for (const char* name : {"one.conf", "two.conf"}) {
        std::filesystem::rename(w.path(name), w.path("away"));
        CHECK(w.next() == nullptr);
        CHECK_CONTAINS(w.last_said(), std::string(name) + ": error: is gone, and with it lines that refuse");
        std::filesystem::rename(w.path("away"), w.path(name));
        CHECK(w.next() == nullptr);
    }
    w.put("one.conf", "# nobody\n");
    w.put("two.conf", "# nobody\n");
    w.put("acme.conf", partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem\nMTLSSuspend On"));
    CHECK(w.next() != nullptr);
    std::filesystem::rename(w.path("acme.conf"), w.path("renamed.conf"));
    const auto renamed = w.next();
    CHECK(renamed != nullptr && renamed->find("acme")->suspended.has_value());
    w.remove("renamed.conf");
    w.put("acme.conf", kAcme);
    CHECK(w.next() == nullptr);
    CHECK_CONTAINS(w.last_said(), "renamed.conf: error: is gone, and with it lines that refuse");
}

CLAIM(a_policy_file_that_held_refusals_ends_them_over_a_restart_only_where_no_directive_names_it) {
    WatchedFolder w;
    w.put("acme.conf", kAcme);
    w.put("stop.conf", "MTLSSuspend acme\n");
    const auto policy = w.source.build(w.said);
    CHECK(policy != nullptr);
    w.remove("stop.conf");
    const auto builds = [&](const std::string& pattern) {
        PolicySource after(w.draft.folder(), w.disk);
        after.watch({w.path(pattern), pattern, {"httpd.conf", 1}});
        after.follow(policy, nullptr);
        return after.build(w.said) != nullptr;
    };
    CHECK(!builds("*.conf") && !builds("[as]*.conf"));
    CHECK_CONTAINS(w.last_said(), "stop.conf: error: is gone, and with it lines that refuse");
    CHECK(builds("a*.conf"));
    w.put("stop.conf", "# nobody\n");
    CHECK(builds("*.conf"));
}

CLAIM(an_edit_that_could_not_be_read_counts_once_it_can_although_the_file_did_not_change) {
    WatchedFolder w;
    w.disk.set_trust({geteuid(), 4242, 4242});
    std::filesystem::create_directory(w.path("sub"));
    w.put("sub/acme.conf", kAcme);
    w.source.watch({w.path("sub/acme.conf"), "sub/acme.conf", {"httpd.conf", 2}});
    CHECK(w.source.build(w.said) != nullptr);
    const auto let_all_write = [&](bool may) { chmod(w.path("sub").c_str(), may ? 0777 : 0755); };
    let_all_write(true);
    w.put("sub/acme.conf", kAcme + "MTLSSuspend acme\n");
    // So that the stamp of the file is one that counts.
    std::this_thread::sleep_for(std::chrono::milliseconds(2100));
    for (int i = 0; i < 3; ++i) CHECK(w.next() == nullptr);
    CHECK_CONTAINS(w.last_said(), "is not safe: '" + w.path("sub") + "'");
    let_all_write(false);
    const auto now = w.next();
    CHECK(now != nullptr && now->find("acme")->suspended.has_value());
}

CLAIM(a_changed_anchor_file_counts_after_two_equal_looks_and_a_bad_one_never) {
    const auto a = test::make_ca("A"), b = test::make_ca("B");
    std::string folder = "/tmp/mtls-source-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const auto write = [&](const std::string& content) { std::ofstream(folder + "/ca.pem") << content; };
    write(a.cert_pem());
    DiskFiles disk;
    PolicySource source(folder, disk);
    CHECK(source
              .add({"MTLSPartner",
                    "acme",
                    {"p.conf", 1},
                    true,
                    {{"MTLSIdentity", "CN:api", {"p.conf", 2}, false, {}},
                     {"MTLSTrustAnchor", "ca.pem", {"p.conf", 3}, false, {}}}})
              .empty());
    std::vector<Diagnostic> said;
    const auto first = source.build(said);
    CHECK(first != nullptr);
    for (int i = 0; i < 3; ++i) CHECK(source.look(said) == nullptr);
    // Broken, half written or gone: reported once, the old one stays.
    const std::string pem = b.cert_pem();
    std::size_t expected = 0;
    for (const std::string& bad : {std::string("garbage"), pem.substr(0, pem.size() / 2), std::string()}) {
        write(bad);
        for (int i = 0; i < 4; ++i) CHECK(source.look(said) == nullptr);
        CHECK_EQUAL(said.size(), ++expected);
    }
    std::filesystem::remove(folder + "/ca.pem");
    for (int i = 0; i < 4; ++i) CHECK(source.look(said) == nullptr);
    CHECK_EQUAL(said.size(), ++expected);
    write(pem);
    CHECK(source.look(said) == nullptr);
    CHECK(source.is_waiting());
    const auto second = source.look(said);
    CHECK(second != nullptr);
    CHECK(second->generation() != first->generation());
    CHECK_EQUAL(verdict(ask(*second, test::issue(client_spec("api"), &b))), "granted acme");
    CHECK_EQUAL(verdict(ask(*second, test::issue(client_spec("api"), &a))), "not-verified");
    CHECK(source.look(said) == nullptr);
    // A content that changes at each look never counts.
    for (int i = 0; i < 5; ++i) {
        write((i % 2 == 0 ? a : b).cert_pem() + "\n# " + std::to_string(i) + "\n");
        CHECK(source.look(said) == nullptr);
    }
    std::filesystem::remove_all(folder);
}

CLAIM(a_reload_has_the_certificates_that_changed_and_those_that_did_not) {
    const auto a = test::make_ca("A"), b = test::make_ca("B"), c = test::make_ca("C");
    Draft d;
    d.file("a.pem", a.cert_pem()).file("b.pem", b.cert_pem());
    d.file("all.conf", partner("one", "MTLSIdentity CN:one\nMTLSTrustAnchor a.pem") +
                           partner("two", "MTLSIdentity CN:two\nMTLSTrustAnchor b.pem"));
    DiskFiles disk;
    PolicySource source(d.folder(), disk);
    source.watch({d.folder() + "/all.conf", "all.conf", {"httpd.conf", 1}});
    std::vector<Diagnostic> said;
    const auto before = source.build(said);
    CHECK(before != nullptr);
    const auto anchor_of = [](const Policy& policy, const char* name) {
        return policy.find(name)->anchors->anchors.front().certificates.front().sha256;
    };
    d.file("b.pem", c.cert_pem());
    CHECK(source.look(said) == nullptr);
    const auto after = source.look(said);
    CHECK(after != nullptr);
    CHECK(anchor_of(*after, "one") == anchor_of(*before, "one"));
    CHECK(anchor_of(*after, "two") != anchor_of(*before, "two"));
    CHECK_EQUAL(verdict(ask(*after, test::issue(client_spec("one"), &a))), "granted one");
    CHECK_EQUAL(verdict(ask(*after, test::issue(client_spec("two"), &b))), "not-verified");
    CHECK_EQUAL(verdict(ask(*after, test::issue(client_spec("two"), &c))), "granted two");
}

CLAIM(a_policy_whose_crls_could_not_be_put_in_force_once_is_tried_again) {
    WatchedFolder w;
    w.put("acme.conf", kAcme);
    CHECK(w.source.build(w.said) != nullptr);
    w.put("stop.conf", "MTLSSuspend globex\n");
    bool fails = true;
    const auto prepare = [&](const std::shared_ptr<const Policy>&) {
        if (fails) throw std::bad_alloc();
    };
    CHECK(w.source.look(w.said, prepare) == nullptr);
    for (int i = 0; i < 3; ++i) {
        bool has_thrown = false;
        try {
            w.source.look(w.said, prepare);
        } catch (const std::bad_alloc&) {
            has_thrown = true;
        }
        CHECK(has_thrown);
        CHECK(w.source.is_failing());
    }
    CHECK_EQUAL(w.said.size(), 1U);  // there is no globex
    fails = false;
    CHECK(w.source.look(w.said, prepare) != nullptr);
    CHECK(!w.source.is_failing());
    CHECK(w.source.look(w.said, prepare) == nullptr);
}
