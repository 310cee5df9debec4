
#include "claims.hpp"
#include "mtls_authz/decide/decision.hpp"

using namespace mtls;

namespace {

GateRules allow(const std::vector<std::string>& lines) {
    GateRules out;
    for (const std::string& line : lines) {
        auto rule = GateRule::parse_allow(line);
        test::check(rule.ok(), rule.ok() ? "" : rule.error(), __FILE__, __LINE__);
        out.push_back(rule.value());
    }
    return out;
}

struct Who {
    std::string name;
    Partner partner;
    Identification id;
    Who(const std::string& its_name, const std::vector<std::string>& groups) : name(its_name) {
        partner.name = std::string_view(name);
        id.reason = Reason::kGranted;
        id.partner = &partner;
        id.groups = groups;
        id.denied_groups = groups;
    }
};

std::string ask(const GateRules& rules, const std::vector<std::string>& denials, const Who& who,
                const std::string& method = "GET", const std::vector<Capture>& captures = {}) {
    GateRules denied;
    for (const std::string& line : denials) denied.push_back(GateRule::parse_deny(line).value());
    const DenyChain chain{&denied, nullptr};
    static const Policy kNone;
    const Ask asked = {.who = &who.id, .policy = &kNone, .line = {method, "/"}, .captures = captures};
    return std::string(word_of(decide({&rules, denials.empty() ? nullptr : &chain}, asked).reason));
}

}  // namespace

CLAIM(captures_name_one_partner_and_nothing_names_nobody) {
    const Who acme("acme", {"suppliers"}), none("none-at-all", {});
    const GateRules rules = allow({"partner %{env:MATCH_NAME}"});
    CHECK_EQUAL(ask(rules, {}, acme, "GET", {{"MATCH_NAME", "acme"}}), "granted");
    CHECK_EQUAL(ask(rules, {}, acme, "GET", {{"MATCH_NAME", "Acme"}}), "not-allowed");
    CHECK_EQUAL(ask(rules, {}, acme, "GET", {{"MATCH_NAME", "acme globex"}}), "not-allowed");
    CHECK_EQUAL(ask(rules, {}, acme, "GET", {{"MATCH_NAME", ""}}), "not-allowed");
    CHECK_EQUAL(ask(rules, {}, acme), "not-allowed");
    // A denial that cannot be read denies, and one of a partner that the policy (here: none) does not have.
    const GateRules any = allow({"any-partner"});
    CHECK_EQUAL(ask(any, {"partner globex"}, acme), "not-allowed");
    CHECK_EQUAL(ask(any, {"partner globex methods=POST"}, acme), "granted");
    CHECK_EQUAL(ask(any, {"group customers"}, acme), "granted");
    CHECK_EQUAL(ask(any, {"partner %{env:MATCH_NAME}"}, acme), "not-allowed");
    CHECK_EQUAL(ask(any, {"partner %{env:MATCH_NAME}"}, acme, "GET", {{"MATCH_NAME", ""}}), "not-allowed");
    CHECK_EQUAL(ask(any, {"partner %{env:MATCH_NAME}"}, acme, "GET", {{"MATCH_NAME", "globex"}}), "granted");
    CHECK_EQUAL(ask(any, {"group %{env:MATCH_NAME}"}, none), "not-allowed");
    CHECK_EQUAL(ask(any, {"group %{env:MATCH_NAME}"}, none, "GET", {{"MATCH_NAME", "suppliers"}}), "granted");
}

CLAIM(words_that_name_everybody_are_no_partners_to_deny) {
    for (const char* word : {"any", "all", "any-partner", "by-grant", "none", "None"}) {
        const auto rule = GateRule::parse_deny(word);
        CHECK(!rule.ok());
        CHECK_CONTAINS(rule.error(), "(MTLSAllow none lets nobody in): expected partner NAME...");
    }
    CHECK_CONTAINS(GateRule::parse_deny("acme").error(), "(did you mean 'partner acme'?)");
}

CLAIM(a_blank_within_methods_is_named_as_the_fault) {
    for (const char* args :
         {"partner acme methods=GET, POST", "partner acme methods=GET ,POST", "none methods=GET , POST"})
        CHECK_CONTAINS(GateRule::parse_allow(args).error(), "write 'methods=GET,POST', without blanks");
    CHECK_CONTAINS(GateRule::parse_allow("partner methods=GET acme").error(), "methods= comes last, once");
    CHECK(GateRule::parse_allow("partner acme methods=GET,POST").ok());
}

CLAIM(method_sets_know_read_write_and_head) {
    for (const char* read : {"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"}) {
        CHECK(MethodSet::parse("read").value().contains(read));
        CHECK(!MethodSet::parse("write").value().contains(read));
    }
    for (const char* write : {"POST", "TRACE", "CONNECT", "BREW", "patch", ""}) {
        CHECK(!MethodSet::parse("read").value().contains(write));
        CHECK(MethodSet::parse("write").value().contains(write));
    }
    CHECK(MethodSet::parse("GET").value().contains("HEAD"));
    CHECK(!MethodSet::parse("POST").value().contains("HEAD"));
    CHECK(MethodSet::parse("*").value().contains("ANYTHING"));
    for (const char* bad : {"", "GET,", "get", "HEAD", "read,GET", "GTE"})
        test::check(!MethodSet::parse(bad).ok(), bad, __FILE__, __LINE__);
}

CLAIM(a_method_in_another_case_is_let_in_as_both_and_denied_as_either) {
    const auto let_in = [](const char* set, const char* method) {
        return MethodSet::parse(set).value().contains(method);
    };
    const auto denied = [](const char* set, const char* method) {
        return MethodSet::parse(set).value().may_contain(method);
    };
    for (const char* read : {"get", "Head", "search"}) {
        for (const char* set : {"read", "write", "GET,HEAD,SEARCH"}) CHECK(!let_in(set, read));
        for (const char* set : {"read", "write", "GET,HEAD,SEARCH", "*"}) CHECK(denied(set, read));
    }
    for (const char* write : {"delete", "Patch"}) {
        CHECK(let_in("write", write));
        for (const char* set : {"read", "DELETE,PATCH"}) CHECK(!let_in(set, write));
        for (const char* set : {"write", "DELETE,PATCH"}) CHECK(denied(set, write));
        for (const char* set : {"read", "GET,POST"}) CHECK(!denied(set, write));
    }
    for (const char* set : {"*", "write"}) CHECK(let_in(set, "brew") && denied(set, "brew"));
    for (const char* set : {"read", "GET"}) CHECK(!let_in(set, "brew") && !denied(set, "brew"));
    CHECK(denied("GET", "HEAD") && denied("GET", "GET") && !denied("POST", "GET") && !denied("write", "GET"));
}

CLAIM(rules_cover_another_only_where_together_they_let_in_at_least_the_same) {
    const auto covers = [](const std::vector<std::string>& rules, const std::string& rule) {
        return cover(allow(rules), GateRule::parse_allow(rule).value());
    };
    CHECK(covers({"any-partner"}, "partner a b"));
    CHECK(covers({"partner a b"}, "partner b"));
    CHECK(covers({"partner a"}, "partner a methods=read"));
    CHECK(covers({"partner a methods=read"}, "partner a methods=GET"));
    CHECK(covers({"partner a methods=GET"}, "partner a methods=GET,HEAD"));
    CHECK(covers({"partner a"}, "none"));
    CHECK(!covers({"partner a"}, "any-partner"));
    CHECK(!covers({"partner a"}, "group a"));
    CHECK(!covers({"partner a methods=GET"}, "partner a methods=read"));
    CHECK(!covers({"partner a methods=read"}, "partner a"));
    CHECK(covers({"partner a", "partner b"}, "partner a b"));
    CHECK(!covers({"partner a", "partner b methods=read"}, "partner a b"));
    CHECK(covers({"partner a methods=read", "partner a methods=write"}, "partner a"));
    CHECK(!covers({"partner a methods=read", "partner b methods=write"}, "partner a"));
    CHECK(!covers({"partner a methods=GET,POST", "partner a methods=PUT"}, "partner a"));
    CHECK(!covers({"none"}, "partner a"));
    CHECK(!covers({}, "by-grant"));
}
