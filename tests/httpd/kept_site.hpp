// A site with acme and globex in files, one more file that can refuse, and a keeper that can be looked for.
#pragma once

#include <csignal>
#include <stdexcept>

#include "live_site.hpp"

namespace test {

inline const std::string kBroken = "<MTLSPartner q>\nMTLSNonsense x\n</MTLSPartner>\n";

inline bool is_there(pid_t pid) { return kill(pid, 0) == 0; }

struct Kept : LiveSite {
    // Not started.
    Kept() {
        put("acme.conf", kAcme);
        put("globex.conf", kGlobex);
        httpd.write("revoked/list.conf", "# nobody\n");
    }
    explicit Kept(const std::string& mpm, const std::string& lines = "") : Kept() { run(mpm, lines); }

    void run(const std::string& mpm = "event", const std::string& lines = "",
             const std::vector<std::string>& wrapper = {}) {
        configure(
            "MTLSRevocationFile revoked/list.conf\n<Location /status>\n SetHandler mtls-authz-status\n"
            " MTLSStatus On\n</Location>\n" +
                lines,
            mpm);
        httpd.start(wrapper);
    }
    void refuse(const std::string& lines) const {
        httpd.write("revoked/.new", lines);
        fs::rename(httpd.path("revoked/.new"), httpd.path("revoked/list.conf"));
    }
    std::vector<pid_t> keepers() const { return httpd.keepers(); }
    pid_t keeper() const {
        for (int i = 0; i < 1200; ++i) {
            const auto all = keepers();
            if (all.size() == 1) return all.front();
            pause_for(std::chrono::milliseconds(50));
        }
        throw std::runtime_error("there is not one keeper, but " + std::to_string(keepers().size()));
    }
    std::string metrics() const { return TlsClient(httpd.port(), as(world().acme)).get("/status").body; }
    int acme() const { return get(world().acme); }
    int globex() const { return get(world().globex); }
};

}  // namespace test
