// What the tests of `mtls-authz fetch` have in common: a partner with a root and an intermediate CA, and the tool run
// with loopback addresses allowed.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "lists.hpp"
#include "tool.hpp"
#include "web_servers.hpp"

namespace test {

struct Fetching : Bench {
    Identity ca = make_ca("Acme CA");

    // Writes the policy of one partner: its anchor, and an intermediate that says where its issuer has lists.
    void write_policy(const CertSpec& intermediate) {
        CertSpec spec = intermediate;
        spec.subject = {{"CN", "Acme Sub"}};
        spec.ca = true;
        spec.eku = "";
        sub = issue(spec, &ca);
        file("ca.pem", ca.cert_pem()).file("sub.pem", sub.cert_pem());
        file("p.conf",
             "<MTLSPartner acme>\nMTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSIntermediate sub.pem\n"
             "</MTLSPartner>\n");
    }
    static CertSpec with_list_at(const std::string& url) {
        CertSpec spec;
        spec.crl_points = "URI:" + url;
        return spec;
    }
    Httpd::Output fetch(const std::vector<std::string>& more = {}, bool allows_loopback = true) const {
        std::vector<std::string> args = {"fetch", "--policy", "p.conf", "--into", "out"};
        if (allows_loopback) args.insert(args.end(), {"--allow-network", "127.0.0.0/8"});
        args.insert(args.end(), more.begin(), more.end());
        return run(args);
    }
    std::string expect_fetch(int status, const std::vector<std::string>& more = {}) const {
        const auto out = fetch(more);
        check_equal(out.status, status, out.text, __FILE__, __LINE__);
        return out.text;
    }
    std::string content(const std::string& name) const {
        std::ostringstream out;
        out << std::ifstream(folder() + "/" + name, std::ios::binary).rdbuf();
        return out.str();
    }
    std::vector<std::string> files(const std::string& below) const {
        std::vector<std::string> out;
        if (!std::filesystem::exists(folder() + "/" + below)) return out;
        for (const auto& entry : std::filesystem::directory_iterator(folder() + "/" + below)) {
            out.push_back(below + "/" + entry.path().filename().string());
        }
        return out;
    }
    // The one list that was fetched.
    std::string only_list() const {
        const auto found = files("out/crl");
        check_equal(found.size(), 1U, "lists", __FILE__, __LINE__);
        return found.front();
    }

    Identity sub;
};

// `openssl ocsp`, as the responder of one CA, behind a server on loopback.
class OpensslResponder {
public:
    explicit OpensslResponder(const Identity& ca) : ca_(ca), signer(&ca) {}

    std::string url(const std::string& path = "/ocsp") const { return server_.url(path); }
    std::size_t requests() const { return server_.requests(); }

private:
    std::string answer(const std::string& request) {
        std::string index;
        for (const std::string& serial : known) {
            const auto entry = revoked.find(serial);
            const std::string reason = entry == revoked.end() || entry->second.empty() ? "" : "," + entry->second;
            index += (entry == revoked.end() ? "V\t350101000000Z\t" : "R\t350101000000Z\t260101000000Z" + reason) +
                     "\t" + serial + "\tunknown\t/CN=" + serial + "\n";
        }
        files_.file("index.txt", index).file("request.der", request);
        files_.file("signer.pem", signer->pem()).file("ca.pem", ca_.cert_pem());
        std::vector<std::string> words = {"openssl",  "ocsp",       "-index", "index.txt",   "-CA",      "ca.pem",
                                          "-rsigner", "signer.pem", "-reqin", "request.der", "-respout", "answer.der"};
        words.insert(words.end(), more.begin(), more.end());
        const auto out = run_command(words, files_.folder());
        if (out.status != 0) return out.text;
        std::ostringstream content;
        content << std::ifstream(files_.folder() + "/answer.der", std::ios::binary).rdbuf();
        return content.str();
    }

    Bench files_;
    const Identity& ca_;

public:
    std::map<std::string, std::string> revoked;  // serial in hex, upper case, two digits a byte: reason, or ""
    std::vector<std::string> known;
    const Identity* signer;
    std::vector<std::string> more = {"-ndays", "1"};
    std::string replayed;  // in place of an answer
    std::string last;      // that was given

private:
    const RawServer server_{[this](int client, const std::string& request) {
        last = replayed.empty() ? answer(body_of(request)) : replayed;
        send_all(client, http_answer(last, "application/ocsp-response"));
    }};
};

}  // namespace test
