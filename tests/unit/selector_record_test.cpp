// Selectors as bytes of the policy.
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <algorithm>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "selectors.hpp"

using namespace mtls;
using namespace test::selectors;

namespace {

// One of each field and form, and spellings that are not the compared form.
const std::vector<std::string>& words() {
    static const std::vector<std::string> all = {
        "subject:CN=api,O=Acme Corp",
        "issuer:/C=US/CN=Selector CA",
        "dirName:O=Acme",
        "subject:INN=#120d30303737203036323238323138,CN=tax",
        "CN:api",
        "O:Acme  Corp",
        "UID:#0c0161",
        "1.2.3.4:x",
        "issuer.CN:Selector CA",
        "DNS:api.acme.example",
        "!DNS:API.acme.example",
        "DNS:*.acme.example",
        "DNS:**.Acme.example",
        "email:Api@ACME.example",
        "email:*@acme.example",
        "URI:HTTPS://acme.example/a",
        "URI:https://acme.example/*/b/**",
        "URI:spiffe://acme.example/api",
        "IP:203.0.113.0/24",
        "IP:2001:db8::1",
        "UPN:api@acme.example",
        "otherName.1.2.3:text",
        "RID:1.2.3",
        "cert-serial:0A:3F",
        "sha256:" + std::string(64, 'a'),
        "spki-sha256:" + std::string(64, 'B'),
        "issuer.spki-sha256:" + std::string(64, 'c'),
        "EKU:clientAuth",
        "cert-policy:1.2.3",
        "key:RSA>=3072",
        "key:EC:P-256",
        "qcRole:PSP_AI",
        "qcType:esign",
        "extension.1.2.3",
        "extension.1.2.3:text",
    };
    return all;
}

// All that is asked of a selector, whatever it holds.
void ask_all(const Selector& selector, const CertificateFacts& facts) {
    const PathFacts path{{"key"}, facts.policies};
    for (const Repeats repeats : {Repeats::kMustBeSingle, Repeats::kAnyCounts}) selector.test(facts, &path, repeats);
    selector.test(facts, nullptr, Repeats::kMustBeSingle);
    selector.actual_values(facts);
    selector.why_unclear(facts);
    selector.contradicts(selector);
    CHECK(!selector.text().empty());
}

CertificateFacts facts_of_all() {
    test::CertSpec spec = san({{GEN_DNS, "api.acme.example"},
                               {GEN_EMAIL, "Api@acme.example"},
                               {GEN_URI, "https://acme.example/a/b/c"},
                               {GEN_IPADD, std::string("\xcb\x00\x71\x07", 4)}});
    spec.subject = {{"CN", "api"}, {"O", "Acme Corp"}, {"CN", "api"}};
    return facts_of(spec);
}

// In memory of just that size, so that whatever is read beyond it is found.
struct Alone {
    explicit Alone(std::string_view bytes) : size(bytes.size()), memory(new char[bytes.size()]) {
        std::copy(bytes.begin(), bytes.end(), memory.get());
    }
    std::string_view view() const { return {memory.get(), size}; }
    bool counts() const { return Conditions(view()).is_inside(Bounds({memory.get(), size})); }

    std::size_t size;
    std::unique_ptr<char[]> memory;
};

}  // namespace

CLAIM(a_selector_reads_back_from_its_record_and_its_text_makes_the_same_record) {
    std::string all;
    for (const std::string& word : words()) {
        const auto parsed = Selector::parse(word);
        const std::string text(parsed.value().selector().text());
        CHECK_EQUAL(text, word);
        CHECK_EQUAL(Selector::parse(text).value().record, parsed.value().record);
        all += parsed.value().record;
    }
    // Wherever they lie.
    const Alone there(all);
    CHECK(there.counts());
    std::vector<std::string> read;
    for (const Selector& selector : Conditions(there.view())) read.emplace_back(selector.text());
    CHECK(read == words());
}

CLAIM(a_record_takes_eight_bytes_beside_the_text_of_a_name) {
    for (const char* word : {"CN:device-17", "UID:device-17", "DNS:api.acme.example", "DNS:*.acme.example",
                             "email:api@acme.example", "URI:spiffe://acme.example/ns/prod/api", "cert-serial:0a3f"}) {
        const std::size_t size = Selector::parse(word).value().record.size();
        test::check(size <= std::string_view(word).size() + 8, word + (" " + std::to_string(size)), __FILE__, __LINE__);
    }
}

CLAIM(a_damaged_record_is_refused_or_reads_nothing_but_itself) {
    const CertificateFacts facts = facts_of_all();
    std::size_t refused = 0, read = 0;
    const auto ask_it = [&](const std::string& bytes) {
        const Alone there(bytes);
        if (!there.counts()) return ++refused;
        for (const Selector& selector : Conditions(there.view())) ask_all(selector, facts);
        return ++read;
    };
    for (const std::string& word : words()) {
        const std::string whole = Selector::parse(word).value().record;
        CHECK_EQUAL(ask_it(whole), read);
        for (std::size_t i = 0; i < whole.size(); ++i) {
            for (const int flip : {0x01, 0x02, 0x08, 0x20, 0x40, 0x80, 0xff}) {
                std::string changed = whole;
                changed[i] = static_cast<char>(changed[i] ^ flip);
                ask_it(changed);
            }
            const Alone cut(std::string_view(whole).substr(0, i));
            test::check(i == 0 || !cut.counts(), "cut off: " + word, __FILE__, __LINE__);
        }
    }
    CHECK(refused > 500);
    CHECK(read > 5000);
    // A length of more than there is, however it is written.
    for (const std::string& size : {std::string("\x7f"), std::string(9, '\xff') + "\x01", std::string(20, '\xff')}) {
        CHECK(!Alone(std::string("\x06\x00", 2) + size + std::string("\0\0DNS:x", 7)).counts());
    }
}
