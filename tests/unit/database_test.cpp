// DatabaseView and its users, without a database.
#include "claims.hpp"
#include "mtls_authz/load/database.hpp"
#include "mtls_authz/load/policy_source.hpp"
#include "mtls_authz/load/revocation_files.hpp"
#include "pki.hpp"

using namespace mtls;
using namespace test;

namespace {

std::shared_ptr<const DatabaseRows> rows_of(std::int64_t revision,
                                            const std::vector<std::pair<std::string, DatabaseRow>>& rows) {
    auto out = std::make_shared<DatabaseRows>();
    out->revision = revision;
    for (const auto& [name, row] : rows) out->by_name.emplace(name, row);
    return out;
}

const std::string& ca_pem() {
    static const std::string it = make_ca("Acme CA").cert_pem();
    return it;
}

DatabaseRow partner(const std::string& name) {
    return {"policy", "<MTLSPartner " + name + ">\nMTLSIdentity CN:x\nMTLSTrustAnchor db:ca.pem\n</MTLSPartner>\n"};
}

struct Looked {
    DatabaseView view;
    DiskFiles disk;
    PolicySource source{"/", disk};
    std::vector<Diagnostic> findings;

    Looked() {
        disk.set_database(view);
        source.watch({kAllRows, "pgsql FILE", {"httpd.conf", 7}});
    }
    std::shared_ptr<const Policy> look_twice() {
        findings.clear();
        auto first = source.look(findings);
        return first ? first : source.look(findings);
    }
};

}  // namespace

CLAIM(any_content_comes_back_from_a_row_as_it_went_in) {
    for (const std::string& content : {std::string("# text\r\n\tcaf\xc3\xa9"), std::string("\0\1\2", 3),
                                       std::string("caf\xe9"), std::string("base64: a word"), std::string()}) {
        const auto back = content_of_row(row_body_of(content));
        CHECK(back.ok() && back.value() == content);
    }
    CHECK_EQUAL(row_body_of("# text\n"), "# text\n");
    CHECK(!content_of_row("base64:a").ok());
    CHECK(is_valid_row_name("acme.conf") && is_valid_row_name("0-a_b@c+d"));
    for (const char* name : {"", ".acme", "a/b", "a b", "*", "a\n", "\xc3\xa9"}) CHECK(!is_valid_row_name(name));
}

CLAIM(a_policy_of_rows_counts_when_two_looks_agree_and_stays_while_nobody_can_read_them) {
    Looked it;
    it.view.put(rows_of(3, {{"acme.conf", partner("acme")}, {"ca.pem", {"certificate", ca_pem()}}}));
    CHECK(it.source.build(it.findings) != nullptr);
    CHECK(it.source.revision_in_force() == 3);
    // The same under another number, and other rows.
    it.view.put(rows_of(4, {{"acme.conf", partner("acme")}, {"ca.pem", {"certificate", ca_pem()}}}));
    CHECK(it.look_twice() == nullptr);
    CHECK(it.source.revision_in_force() == 4);
    it.view.put(rows_of(5, {{"beta.conf", partner("beta")}, {"ca.pem", {"certificate", ca_pem()}}}));
    CHECK(it.source.look(it.findings) == nullptr && it.source.is_waiting());
    CHECK(!it.source.revision_in_force());
    const auto policy = it.source.look(it.findings);
    CHECK(policy != nullptr && policy->find("beta") != nullptr && policy->find("acme") == nullptr);
    // Away: said once, and the policy stays; back: no word.
    it.view.fail("away");
    CHECK(it.look_twice() == nullptr && it.source.is_failing());
    CHECK_EQUAL(it.findings.size(), 1U);
    CHECK_CONTAINS(it.findings.front().str(), "httpd.conf:7: error: MTLSPolicyDatabase pgsql FILE: away");
    CHECK(it.look_twice() == nullptr && it.findings.empty());
    it.view.forget();
    CHECK(it.look_twice() == nullptr && it.findings.empty() && !it.source.is_failing());
    it.view.put(rows_of(6, {}));
    CHECK(it.look_twice() == nullptr);
    CHECK_CONTAINS(it.findings.back().str(), "now has none");
}

CLAIM(rows_that_refuse_add_at_once_and_take_away_only_where_they_are_those_of_now) {
    DatabaseView view;
    RevocationFiles files;
    files.set_database(view);
    files.watch({kAllRows, "pgsql FILE", {}});
    std::vector<Diagnostic> findings;
    const auto refuses = [&](const char* name) {
        files.look(findings);
        return files.refusals()->suspends(name) != nullptr;
    };
    CHECK(!refuses("acme") && findings.empty() && files.missing().empty());
    view.put(rows_of(1, {{"r.conf", {"revocation", "MTLSSuspend acme\n"}}}));
    CHECK(refuses("acme"));
    // Of a lower revision, or with a row that cannot count beside it: adds, and takes nothing away.
    view.put(rows_of(0, {{"r.conf", {"revocation", "MTLSSuspend beta\n"}}}), "behind");
    CHECK(refuses("beta") && refuses("acme") && refuses("acme"));
    CHECK_EQUAL(files.missing().size(), 1U);
    // A row that is gone is no edit.
    view.put(rows_of(2, {}));
    CHECK(refuses("acme") && refuses("acme"));
    view.put(rows_of(3, {{"r.conf", {"revocation", "# nobody\n"}}}));
    CHECK(refuses("acme") && files.is_waiting());
    CHECK(!refuses("acme") && !refuses("beta"));
    // Somebody began to ask, long ago.
    view.put(rows_of(4, {{"r.conf", {"revocation", "MTLSSuspend acme\n"}}}));
    CHECK(refuses("acme"));
    view.fail("away");
    CHECK(refuses("acme") && refuses("acme"));
}

CLAIM(a_driver_that_apr_does_not_have_is_named_with_its_package) {
    const auto opened = Database::open({"nosuch", "/policy.db"});
    CHECK(!opened.ok());
    CHECK_CONTAINS(opened.error(), "Debian: libaprutil1-dbd-nosuch, Red Hat: apr-util-nosuch");
}

CLAIM(a_floor_only_rises) {
    std::atomic<std::int64_t> kept{7};
    DatabaseView view;
    view.set_floor(kept);
    view.raise_floor(5);
    CHECK_EQUAL(view.floor(), 7);
    view.raise_floor(9);
    CHECK_EQUAL(kept.load(), 9);
}
