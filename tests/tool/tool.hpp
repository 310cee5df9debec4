// A folder with certificates and policies, and the tool run in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "httpd_server.hpp"
#include "mtls_authz/base/openssl_types.hpp"
#include "pki.hpp"

namespace test {

std::string& tool_path();

inline std::string der_of(const Identity& id) { return mtls::encode(i2d_X509, *id.cert); }

class Bench {
public:
    Bench() {
        std::string name = "/tmp/mtls-tool-XXXXXX";
        folder_ = mkdtemp(name.data());
    }
    ~Bench() { std::filesystem::remove_all(folder_); }

    Bench& file(const std::string& name, const std::string& content) {
        std::filesystem::create_directories(std::filesystem::path(folder_ + "/" + name).parent_path());
        std::ofstream(folder_ + "/" + name, std::ios::binary) << content;
        return *this;
    }
    const std::string& folder() const { return folder_; }

    // Standard output and error together.
    Httpd::Output run(std::vector<std::string> args) const {
        args.insert(args.begin(), tool_path());
        return run_command(args, folder_);
    }
    // Of a shell, to which "$0" is the tool.
    Httpd::Output shell(const std::string& script) const {
        return run_command({"sh", "-c", script, tool_path()}, folder_);
    }
    // Its output, where it ends with `status`.
    std::string expect(int status, const std::vector<std::string>& args) const {
        const auto out = run(args);
        check_equal(out.status, status, out.text, __FILE__, __LINE__);
        return out.text;
    }

private:
    std::string folder_;
};

}  // namespace test
