// `mtls-authz import`, and who a certificate is by the policy that it makes.
#pragma once

#include <string>
#include <vector>

#include "tool.hpp"

namespace test {

struct Importing : Bench {
    Identity ca = make_ca("Partners CA");
    Importing() { file("ca.pem", ca.cert_pem()); }

    // Its policy, which reads without an error; what it says beside that is appended.
    std::string import(int status, const std::string& format, const std::string& content,
                       const std::vector<std::string>& more = {}) {
        file("today", content);
        std::string words;
        for (const std::string& word : more) words += " '" + word + "'";
        const auto out = shell("\"$0\" import " + format + " today --anchor ca.pem" + words + " > p.conf");
        check_equal(out.status, status, out.text, __FILE__, __LINE__);
        if (out.status != 2) expect(0, {"check", "p.conf"});
        return shell("cat p.conf").text + out.text;
    }
    // Who a certificate is by that policy; empty where it is nobody.
    std::string who(const std::vector<Attr>& subject, const std::string& dns = "") {
        CertSpec spec;
        spec.subject = subject;
        if (!dns.empty()) spec.san = {{GEN_DNS, dns}};
        file("leaf.pem", issue(spec, &ca).cert_pem());
        const auto out = run({"explain", "--policy", "p.conf", "--cert", "leaf.pem", "--json"});
        const std::size_t at = out.text.find("\"partner\":\"");
        if (out.status != 0 || at == std::string::npos) return "";
        return out.text.substr(at + 11, out.text.find('"', at + 11) - at - 11);
    }
};

}  // namespace test
