
#include "claims.hpp"
#include "mtls_authz/rules/network.hpp"
#include "pki.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

bool holds(const std::string& network, const std::string& address) {
    return Network::parse(network).value().contains(address_from_text(address));
}

}  // namespace

CLAIM(a_network_holds_the_addresses_of_its_prefix_and_no_others) {
    for (const auto& [network, inside, outside] : {std::tuple("198.51.100.0/24", "198.51.100.255", "198.51.101.0"),
                                                   {"198.51.100.0/25", "198.51.100.127", "198.51.100.128"},
                                                   {"198.51.100.128/25", "198.51.100.128", "198.51.100.127"},
                                                   {"198.51.100.7", "198.51.100.7", "198.51.100.6"},
                                                   {"198.51.100.7/32", "198.51.100.7", "198.51.100.8"},
                                                   {"10.0.0.0/7", "11.255.255.255", "12.0.0.0"},
                                                   {"0.0.0.0/0", "203.0.113.7", "::1"},
                                                   {"::/0", "2001:db8::1", "203.0.113.7"},
                                                   {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
                                                   {"::ffff:0:0/96", "::ffff:203.0.113.7", "203.0.113.7"}}) {
        CHECK(holds(network, inside));
        CHECK(!holds(network, outside));
        CHECK_EQUAL(Network::parse(Network::parse(network).value().text()).value().text(),
                    Network::parse(network).value().text());
    }
    CHECK(!Network::parse("0.0.0.0/0").value().contains(""));
    CHECK_EQUAL(without_mapping(address_from_text("::ffff:203.0.113.7")), address_from_text("203.0.113.7"));
    CHECK_EQUAL(without_mapping(address_from_text("::fffe:203.0.113.7")), address_from_text("::fffe:203.0.113.7"));
    for (const char* wrong :
         {"", "/8", "198.51.100", "198.51.100.0/", "198.51.100.0/-1", "198.51.100.0/+8", "198.51.100.0/8x",
          "0198.51.100.0", "198.51.100.1/24", "2001:db8::1/64", "2001:db8::/129", "fe80::1%eth0"}) {
        test::check(!Network::parse(wrong).ok(), wrong, __FILE__, __LINE__);
    }
    CHECK(!Network::parse(std::string("10.0.0.0\0/8", 11)).ok());
}

CLAIM(a_partners_networks_add_up_and_say_what_is_outside_of_them) {
    const auto root = test::make_ca("Root");
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem())
                            .policy(partner("acme",
                                            "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSNetwork "
                                            "198.51.100.0/25 2001:db8::/32\nMTLSNetwork 203.0.113.7") +
                                    partner("globex", "MTLSIdentity CN:other\nMTLSTrustAnchor root.pem"));
    const auto objection = [&](const char* name, const std::string& address) {
        return policy->find(name)->network_objection(address_from_text(address));
    };
    for (const char* inside : {"198.51.100.1", "2001:db8::7", "203.0.113.7", "::ffff:203.0.113.7"}) {
        CHECK_EQUAL(objection("acme", inside), "");
    }
    CHECK_EQUAL(objection("acme", "203.0.113.8"), "203.0.113.8 is not in 198.51.100.0/25 2001:db8::/32 203.0.113.7");
    CHECK_CONTAINS(objection("acme", "::ffff:203.0.113.8"), "203.0.113.8 is not in ");
    CHECK_CONTAINS(objection("acme", ""), "a client without an IP address is not in ");
    CHECK_EQUAL(objection("globex", "203.0.113.8"), "");
    CHECK_EQUAL(objection("globex", ""), "");
    CHECK_CONTAINS(policy->render(), "    MTLSNetwork 198.51.100.0/25 2001:db8::/32 203.0.113.7\n");
}
