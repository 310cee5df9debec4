// What a server says of its gates comes back as it was.

#include "claims.hpp"
#include "mtls_authz/keeper/gate_map.hpp"

using namespace mtls;

namespace {

GateMap some_map() {
    MappedSection section;
    section.match = MappedSection::Match::kRegex;
    section.title = "<LocationMatch ^/p/(?<who>[^/]+)>";
    section.where = {"conf/\xe9.conf", 17};
    section.path = "^/p/(?<who>[^/]+)\xff";
    section.is_location = true;
    section.around = MappedSection::Match::kPrefix;
    section.path_around = "/p";
    section.mode = GateMode::kLogOnly;
    GateRule rule = GateRule::parse_allow("partner acme %{env:MATCH_WHO} methods=GET,PUT").value();
    rule.names.back().pattern = 1;
    rule.where = {"g.conf", 3};
    section.allow = GateRules{rule};
    section.deny = {GateRule::parse_deny("group a b").value()};
    MappedHost host;
    host.name = "shop.example";
    host.aliases = {"*.shop.example"};
    host.addresses = {"*:443"};
    host.sections = {section, MappedSection{}};
    host.remaps = {"Alias"};
    host.verify_depth = 5;
    host.has_tls = true;
    host.asking_section = "<Location /\xe9>";
    host.accepts_fronts = true;
    const std::vector<Directive> policy = {{"MTLSCRLFile", "'caf\xe9/*.crl'", {"/etc/httpd.conf", 3}, false, {}},
                                           {"MTLSPartner",
                                            "acme",
                                            {"/etc/httpd.conf", 4},
                                            true,
                                            {{"MTLSIdentity", "CN:x", {"/etc/httpd.conf", 5}, false, {}}}},
                                           {"MTLSPartner", "empty", {"/etc/httpd.conf", 7}, true, {}}};
    return {"/etc/httpd", policy, false, {{true, "^/p/(?<who>[^/]+)"}}, {host}};
}

}  // namespace

CLAIM(a_map_of_gates_reads_back_as_it_was_written) {
    const std::string text = gate_map_text(some_map());
    const auto back = read_gate_map(text);
    CHECK(back.ok());
    CHECK_EQUAL(gate_map_text(back.value()), text);
    CHECK(!back.value().knows_regexes);
    const MappedHost& host = back.value().hosts.at(0);
    const MappedSection& section = host.sections.at(0);
    CHECK_EQUAL(section.path, some_map().hosts[0].sections[0].path);
    CHECK_EQUAL(section.where.str(), "conf/\xe9.conf:17");
    CHECK_EQUAL(section.allow->at(0).text(), "partner acme %{env:MATCH_WHO} methods=GET,PUT");
    CHECK_EQUAL(section.allow->at(0).names.back().pattern, 1U);
    CHECK_EQUAL(section.deny.at(0).text(), "group a b");
    CHECK(!host.sections.at(1).allow);
    CHECK(!host.sections.at(1).mode);
    CHECK_EQUAL(host.asking_section, "<Location /\xe9>");
    CHECK(host.accepts_fronts);
    CHECK_EQUAL(host.verify_depth, 5);
    CHECK_EQUAL(back.value().server_root, "/etc/httpd");
    CHECK_EQUAL(back.value().policy.at(0).args, "'caf\xe9/*.crl'");
    CHECK_EQUAL(back.value().policy.at(1).children.at(0).where.str(), "/etc/httpd.conf:5");
    CHECK(!back.value().policy.at(1).children.at(0).is_section);
    CHECK(back.value().policy.at(2).is_section);
}

CLAIM(what_is_no_map_of_gates_is_an_error) {
    for (const std::string text : {"", "{}", "[1]", "{\"knows_regexes\":true,\"patterns\":[],\"hosts\":[{}]}"}) {
        CHECK(!read_gate_map(text).ok());
    }
}
