#include "mtls_authz/decide/decision.hpp"

#include "claims.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

// Somebody whom steps 4 to 9 let pass, and what the steps beside say.
struct Request {
    Draft files;
    std::shared_ptr<const Policy> policy;
    Identification who;
    GateRules allow = {GateRule::parse_allow("any-partner").value()};
    GateRules deny, outer_deny;
    Objection place{Reason::kBadPath, "a dot segment"};
    std::vector<std::string> readings;
    std::string address = address_from_text("198.51.100.7");
    std::vector<Capture> captures;
    std::string path = "/";

    Request() {
        policy =
            files.file("root.pem", make_ca("Root").cert_pem())
                .policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSNetwork 198.51.100.0/24"));
        who.reason = Reason::kGranted;
        who.partner = policy->find("acme");
    }

    std::string decide(bool is_place_bad = false, Reason missing = Reason::kGranted, const char* method = "GET") const {
        const DenyChain outer{&outer_deny, nullptr}, inner{&deny, &outer};
        Ask ask = {.objection = is_place_bad ? &place : nullptr,
                   .missing = missing,
                   .who = missing == Reason::kGranted ? &who : nullptr,
                   .policy = policy.get(),
                   .address = address,
                   .line = {method, path},
                   .readings = readings,
                   .captures = captures};
        return std::string(word_of(mtls::decide({&allow, &inner}, ask).reason));
    }
};

}  // namespace

CLAIM(the_first_step_that_fails_names_the_reason_of_a_request) {
    Request r;
    CHECK_EQUAL(r.decide(), "granted");
    CHECK_EQUAL(r.decide(true), "bad-path");
    CHECK_EQUAL(r.decide(true, Reason::kNoCertificate), "bad-path");
    for (const Reason missing :
         {Reason::kNoTls, Reason::kFrontNotTrusted, Reason::kNoCertificate, Reason::kPolicyUnavailable}) {
        CHECK_EQUAL(r.decide(false, missing), std::string(word_of(missing)));
    }
    r.address = address_from_text("203.0.113.7");
    CHECK_EQUAL(r.decide(), "wrong-network");
    for (const Reason reason : {Reason::kExpired, Reason::kRevoked, Reason::kSuspended, Reason::kAmbiguous}) {
        r.who.reason = reason;
        CHECK_EQUAL(r.decide(), std::string(word_of(reason)));
    }
}

CLAIM(a_path_is_granted_only_where_each_of_its_readings_is) {
    Request r;
    r.allow = {GateRule::of(GateRule::Kind::kByGrant)};
    const PathPattern pattern = PathPattern::parse("/a/**").value();
    const Grant any_method{};
    r.who.grants = GrantedPaths({{&any_method, &pattern, {}}}, "acme");
    r.path = "/a/x";
    CHECK_EQUAL(r.decide(), "granted");
    r.readings = {"/a/y", "/a/z"};
    CHECK_EQUAL(r.decide(), "granted");
    r.readings = {"/a/y", "/b/z"};
    CHECK_EQUAL(r.decide(), "bad-path");
    r.readings = {"/b/y", "/a/z"};
    CHECK_EQUAL(r.decide(), "bad-path");
    r.path = "/b/x";
    CHECK_EQUAL(r.decide(), "not-allowed");
}

CLAIM(a_capture_counts_for_its_own_pattern_and_name_alone) {
    Request r;
    r.allow = {GateRule::parse_allow("partner %{env:MATCH_WHO}").value()};
    r.allow[0].names[0].pattern = 1;
    r.captures = {{"MATCH_WHO", "acme", 1}};
    CHECK_EQUAL(r.decide(), "granted");
    r.captures = {{"MATCH_WHO", "acme", 2}};
    CHECK_EQUAL(r.decide(), "not-allowed");
    r.captures = {{"MATCH_OTHER", "acme", 1}, {"MATCH_WHO", "globex", 1}};
    CHECK_EQUAL(r.decide(), "not-allowed");
}

CLAIM(denials_add_up_over_sections_and_ask_every_group_that_may_hold) {
    Request r;
    r.outer_deny = {GateRule::parse_deny("partner acme methods=POST").value()};
    CHECK_EQUAL(r.decide(false, Reason::kGranted, "POST"), "not-allowed");
    CHECK_EQUAL(r.decide(false, Reason::kGranted, "GET"), "granted");
    // Of a partner that the policy does not have: everybody.
    r.outer_deny = {GateRule::parse_deny("partner globex methods=POST").value()};
    CHECK_EQUAL(r.decide(false, Reason::kGranted, "POST"), "not-allowed");
    CHECK_EQUAL(r.decide(false, Reason::kGranted, "GET"), "granted");
    r.outer_deny = {};
    r.who.denied_groups = {"blocked"};
    r.deny = {GateRule::parse_deny("group blocked").value()};
    CHECK_EQUAL(r.decide(), "not-allowed");
    r.who.denied_groups = {};
    r.who.groups = {"others"};
    CHECK_EQUAL(r.decide(), "granted");
}

CLAIM(no_method_in_another_case_passes_what_its_own_case_would_not) {
    Request r;
    r.outer_deny = {GateRule::parse_deny("partner acme methods=POST").value()};
    CHECK_EQUAL(r.decide(false, Reason::kGranted, "post"), "not-allowed");
    CHECK_EQUAL(r.decide(false, Reason::kGranted, "get"), "granted");
    r.outer_deny = {};
    r.allow = {GateRule::parse_allow("partner acme methods=write").value()};
    CHECK_EQUAL(r.decide(false, Reason::kGranted, "get"), "method-not-granted");
    CHECK_EQUAL(r.decide(false, Reason::kGranted, "patch"), "granted");
}

CLAIM(only_what_a_section_captures_can_name_a_partner) {
    CHECK(NameReference::parse("%{env:MATCH_WHO}").ok());
    CHECK(NameReference::parse("acme").ok());
    for (const char* forged : {"%{env:HTTP_HOST}", "%{reqenv:WHO}", "%{env:MATCH_}", "%{HTTP:X-Partner}",
                               "%{env:MATCH_A-B}", "%{env:MATCH_WHO}x", "$1", "a%", "a b", ".acme"}) {
        check(!NameReference::parse(forged).ok(), forged, __FILE__, __LINE__);
    }
}
