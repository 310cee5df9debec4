#include "httpd/start/dump.hpp"

#include "httpd/config/config.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/keeper/live_socket.hpp"

namespace mtls::httpd {

namespace {

std::string describe(const GateSection& section) {
    static constexpr const char* kModes[] = {"On", "LogOnly", "Off"};
    const DirConfig& c = *section.config;
    const std::string host = host_name(section.server);
    std::string out = "# gate " + section.title() + " of " + (section.server->is_virtual ? host : "the main server") +
                      " (" + section.where.str() + ")\n";
    if (c.mode) out += "#     MTLSAuthz " + std::string(kModes[static_cast<std::size_t>(*c.mode)]) + "\n";
    if (c.allow != nullptr) {
        for (const GateRule& rule : *c.allow) out += "#     MTLSAllow " + rule.text() + "\n";
    }
    if (c.deny != nullptr) {
        for (const GateRule& rule : *c.deny->rules) out += "#     MTLSDeny " + rule.text() + "\n";
    }
    if (c.fronts != nullptr) out += "#     MTLSAcceptFront " + c.fronts->text() + "\n";
    if (c.has_provider) out += "#     Require mtls-*\n";
    if (section.authenticates) out += "#     AuthType MTLS\n";
    return out;
}

}  // namespace

void dump_policy(apr_pool_t* pool) {
    if (ap_exists_config_define("DUMP_MTLS_POLICY") == 0 || !state().policy) return;
    std::string out =
        "# MTLS policy, generation " + std::string(state().policy->generation()) + "\n" + state().policy->render();
    out += "# mtls-authz --live asks at " + live_socket_path(pool) + "\n";
    for (const GateSection* section : state().sections) out += describe(*section);
    apr_file_t* stdout_file = nullptr;
    if (apr_file_open_stdout(&stdout_file, pool) != APR_SUCCESS) return;
    apr_file_write_full(stdout_file, out.data(), out.size(), nullptr);
}

}  // namespace mtls::httpd
