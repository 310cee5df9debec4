// A server whose partners stand in files alone, and the two of them that most tests need.
#pragma once

#include <sys/types.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "waiting.hpp"
#include "world.hpp"

namespace test {

namespace fs = std::filesystem;

inline std::string partner(const std::string& name, const std::string& lines) {
    return "<MTLSPartner " + name + ">\n" + lines + "\n</MTLSPartner>\n";
}
inline const std::string kAcme = partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem");
inline const std::string kGlobex = partner("globex", "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem");

struct LiveSite {
    Httpd httpd;
    LiveSite() : httpd(httpd_paths()) { world().install(httpd); }

    void put(const std::string& name, const std::string& content) const {
        httpd.write("partners/.new", content);
        fs::rename(httpd.path("partners/.new"), httpd.path("partners/" + name));
    }
    void drop(const std::string& name) const { fs::remove_all(httpd.path("partners/" + name)); }

    void configure(const std::string& lines = "", const std::string& mpm = "event") {
        httpd.configure(
            "AliasMatch ^/(gate|free)/ \"" + httpd.path("htdocs/ok.html") +
                "\"\nMTLSPolicyFile partners/*.conf\n<Location /gate>\n MTLSAllow any-partner\n MTLSEnv All\n"
                "</Location>\n" +
                lines,
            mpm);
    }
    void start(const std::string& lines = "", const std::string& mpm = "event") {
        configure(lines, mpm);
        httpd.start();
    }
    int get(const Identity& who, const std::string& path = "/gate/x", const std::string& method = "GET") const {
        return TlsClient(httpd.port(), as(who)).get(path, "", method).status;
    }
    std::size_t times(const std::string& text) const { return times_in(httpd.error_log(), text); }
    // Lines at `error` that hold the text: what the children say at debug does not count.
    std::size_t errors(const std::string& text) const {
        std::size_t n = 0;
        std::istringstream lines(httpd.error_log());
        for (std::string line; std::getline(lines, line);) {
            if (line.find(":error]") != std::string::npos && line.find(text) != std::string::npos) ++n;
        }
        return n;
    }
    std::vector<pid_t> children() const { return httpd.children(); }
};

}  // namespace test
