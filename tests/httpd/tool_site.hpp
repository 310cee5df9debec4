// A server, and the tool beside the module, which asks it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "live_site.hpp"

namespace test {

struct ToolSite : LiveSite {
    // The certificates that questions name.
    ToolSite() {
        const World& w = world();
        certificate("acme", w.acme);
        certificate("globex", w.globex);
        certificate("unnamed", w.unnamed);
        put("acme.conf", kAcme);
        put("globex.conf", kGlobex);
        refuse("# nobody\n");
    }
    void certificate(const std::string& name, const Identity& who, const std::string& chain = "") const {
        httpd.write("certs/" + name + ".pem", who.cert_pem() + chain);
    }
    void refuse(const std::string& lines) const {
        httpd.write("revoked/.new", lines);
        fs::rename(httpd.path("revoked/.new"), httpd.path("revoked/list.conf"));
    }
    std::string socket() const { return httpd.path("run/mtls_authz.sock"); }

    static std::string tool() {
        fs::path folder = fs::path(httpd_paths().module).parent_path();
        if (!fs::exists(folder / "mtls-authz")) folder = folder.parent_path();
        return folder / "mtls-authz";
    }
    Httpd::Output run_tool(std::vector<std::string> words) const {
        words.insert(words.begin(), tool());
        return run_command(words, httpd.root());
    }
    // Of a certificate by its name.
    Httpd::Output explain(const std::string& who, const std::string& path, std::vector<std::string> more = {}) const {
        std::vector<std::string> words = {"explain", "--socket", socket(), "--cert", "certs/" + who + ".pem"};
        if (!path.empty()) words.insert(words.end(), {"--path", path});
        words.insert(words.end(), more.begin(), more.end());
        return run_tool(words);
    }
    // The first line of its answer.
    std::string answer(const std::string& who, const std::string& path, std::vector<std::string> more = {}) const {
        const std::string text = explain(who, path, std::move(more)).text;
        return text.substr(0, text.find('\n'));
    }
    nlohmann::json answer_json(const std::string& who, const std::string& path,
                               std::vector<std::string> more = {}) const {
        more.emplace_back("--json");
        const auto out = explain(who, path, std::move(more));
        auto json = nlohmann::json::parse(out.text, nullptr, false);
        if (json.is_discarded()) throw std::runtime_error(out.text);
        return json;
    }
};

}  // namespace test
