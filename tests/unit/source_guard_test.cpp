// The house, checked: rings, documentation, configuration. Run from the repository's root.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "claims.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/policy/lateness.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/policy/reason.hpp"
#include "mtls_authz/tell/status_report.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& file) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    test::check(!text.str().empty(), "cannot read " + file.string(), __FILE__, __LINE__);
    return text.str();
}

std::vector<std::string> directives() {
    const std::string source = read("mod_mtls_authz.cpp");
    std::vector<std::string> out;
    for (std::size_t at = source.find("AP_INIT_"); at != std::string::npos; at = source.find("AP_INIT_", at + 1)) {
        const std::size_t name = source.find_first_not_of("\"<", source.find('"', at));
        const std::string word = source.substr(name, source.find('"', name) - name);
        if (word.starts_with("MTLS")) out.push_back(word);  // others are documented where they come from
    }
    return out;
}

// The part of docs/directives.md about one directive.
std::string section_of(const std::string& docs, const std::string& name) {
    std::size_t at = docs.find("### " + name + "\n");
    if (at == std::string::npos) at = docs.find("### &lt;" + name + "&gt;\n");
    test::check(at != std::string::npos, name + " has no section", __FILE__, __LINE__);
    return docs.substr(at, docs.find("\n### ", at + 1) - at);
}

// The house, from the ground up: each folder uses those before it. What is not in httpd/ knows nothing of httpd.
constexpr std::array kFolders = {"system",        "base",         "certificate", "trust",        "rules",
                                 "policy",        "decide",       "load",        "keeper",       "ledger",
                                 "tell",          "httpd/config", "httpd/tls",   "httpd/decide", "httpd/tell",
                                 "httpd/request", "httpd/keeper", "httpd/start"};

std::vector<std::pair<fs::path, std::string>> files_of_house() {
    std::vector<std::pair<fs::path, std::string>> out;
    for (const char* root : {"src", "include/mtls_authz"}) {
        for (const auto& file : fs::recursive_directory_iterator(root)) {
            const std::string extension = file.path().extension();
            if (extension != ".cpp" && extension != ".hpp") continue;
            out.emplace_back(file.path(), fs::relative(file.path().parent_path(), root).string());
        }
    }
    return out;
}

std::size_t floor_of(const std::string& folder) {
    const auto found = std::find(kFolders.begin(), kFolders.end(), folder);
    test::check(found != kFolders.end(), "no folder of the house: " + folder, __FILE__, __LINE__);
    return static_cast<std::size_t>(found - kFolders.begin());
}

std::vector<std::string> headers_in(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("#include")) {
            const std::size_t begin = line.find_first_of("<\"") + 1;
            out.push_back(line.substr(begin, line.find_first_of(">\"", begin) - begin));
        }
    }
    return out;
}

}  // namespace

CLAIM(every_directive_is_documented_with_syntax_default_context_and_example) {
    const std::string docs = read("docs/directives.md");
    CHECK(directives().size() >= 13);
    for (const std::string& name : directives()) {
        const std::string section = section_of(docs, name);
        for (const char* part : {"| Syntax |", "| Default |", "| Context |", "```apache"})
            CHECK_CONTAINS(section, part);
    }
}

CLAIM(every_directive_of_the_policy_is_registered_with_httpd) {
    const auto registered = directives();
    for (const auto& names : {mtls::PolicyBuilder::top_level_directives(), mtls::PolicyBuilder::partner_directives()}) {
        for (const std::string_view name : names) {
            test::check(std::find(registered.begin(), registered.end(), name) != registered.end(), std::string(name),
                        __FILE__, __LINE__);
        }
    }
}

CLAIM(a_policy_file_says_of_every_directive_of_the_server_where_it_stands) {
    const auto top = mtls::PolicyBuilder::top_level_directives(), inside = mtls::PolicyBuilder::partner_directives();
    const auto in = [](const auto& names, const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    for (const std::string& name : directives()) {
        if (in(top, name) || in(inside, name)) continue;
        mtls::DiskFiles disk;
        mtls::PolicyBuilder builder("/nonexistent", disk);
        builder.add({name, "x", {"p.conf", 1}, false, {}}, mtls::Origin::kPolicyFile);
        CHECK_EQUAL(builder.diagnostics().size(), 1U);
        const std::string said = builder.diagnostics().front().message;
        const std::string place = name + " belongs in httpd.conf, not in a policy file";
        const bool is_right = said == place || said == place +
                                                           ": it is of a gate, in a section like <Location /orders> "
                                                           "(what a partner may do is said by MTLSGrant)";
        test::check(is_right, said, __FILE__, __LINE__);
    }
}

CLAIM(documented_defaults_are_the_codes) {
    const std::string docs = read("docs/directives.md");
    const std::string code = read("src/httpd/config/config.hpp") + read("src/httpd/request/request.cpp");
    CHECK_CONTAINS(code, "mode.value_or(GateMode::kOn)");
    CHECK_CONTAINS(section_of(docs, "MTLSAuthz"), "| Default | `On` where a gate has rules |");
    CHECK_CONTAINS(code, "int refresh_seconds = 1;");
    CHECK_CONTAINS(section_of(docs, "MTLSPolicyRefresh"), "| Default | `1` |");
    const std::string crl = read("src/trust/crl_set.cpp");
    CHECK_CONTAINS(crl, "rules.required.value_or(false)");
    CHECK_CONTAINS(section_of(docs, "MTLSCRL"), "| Default | `if-present` |");
    CHECK_CONTAINS(crl, "rules.stale_after.value_or(0)");
    CHECK_CONTAINS(section_of(docs, "MTLSCRLStale"), "| Default | `deny` |");
    CHECK_CONTAINS(read("include/mtls_authz/trust/crl.hpp"), "kDefaultShortLife = 10;");
    CHECK_CONTAINS(section_of(docs, "MTLSShortLived"), "| Default | `10` |");
    CHECK_CONTAINS(code, "remote_user.value_or(false)");
    CHECK_CONTAINS(section_of(docs, "MTLSRemoteUser"), "| Default | `Off` |");
    CHECK_CONTAINS(read("src/httpd/tell/status.cpp"), "status.value_or(false)");
    CHECK_CONTAINS(section_of(docs, "MTLSStatus"), "| Default | `Off` |");
    CHECK_CONTAINS(read("src/httpd/tell/error_detail.cpp"), "error_detail.value_or(false)");
    CHECK_CONTAINS(section_of(docs, "MTLSErrorDetail"), "| Default | `Off` |");
    CHECK_CONTAINS(code, "client_ca.value_or(ClientCaMode::kOff)");
    CHECK_CONTAINS(section_of(docs, "MTLSClientCA"), "| Default | `Off` |");
    CHECK(!mtls::Partner().server_purpose);
    CHECK_CONTAINS(section_of(docs, "MTLSPurpose"), "| Default | `clientAuth` |");
    CHECK_CONTAINS(section_of(docs, "MTLSWarn"), "| Default | `" + mtls::LateRule().text() + "` |");
    CHECK_CONTAINS(code, "bool starts_without_policy = false;");
    CHECK_CONTAINS(section_of(docs, "MTLSPolicyStart"), "| Default | `strict` |");
    CHECK_CONTAINS(code, "const AcceptedFronts* fronts = nullptr;");
    CHECK_CONTAINS(section_of(docs, "MTLSAcceptFront"), "| Default | `none` |");
    CHECK_CONTAINS(code, "const ForwardRule* forward = nullptr;");
    CHECK_CONTAINS(read("src/httpd/request/forward.cpp"), "if (words.empty()) out.push_back({Holds::kRfc9440,");
    CHECK_CONTAINS(section_of(docs, "MTLSForward"), "| Default | `Off`; without arguments `cert=rfc9440` |");
    CHECK_CONTAINS(code, "env.value_or(EnvLevel::kBasic)");
    CHECK_CONTAINS(section_of(docs, "MTLSEnv"), "| Default | `Basic` |");
}

CLAIM(the_reference_configuration_shows_every_directive) {
    const std::string reference = read("conf/reference.conf");
    for (const std::string& name : directives()) CHECK_CONTAINS(reference, name);
    for (const char* require :
         {"mtls-any-partner", "mtls-partner", "mtls-group", "mtls-grant", "mtls-identity", "AuthType MTLS"}) {
        CHECK_CONTAINS(reference, require);
    }
}

CLAIM(every_reason_is_documented_and_says_what_to_do) {
    const std::string docs = read("docs/reasons.md");
    for (const mtls::ReasonText& text : mtls::kReasons) {
        CHECK(&mtls::text_of(text.reason) == &text);
        CHECK(text.sentence.size() > 20);
        if (text.reason != mtls::Reason::kGranted) CHECK_CONTAINS(docs, "| `" + std::string(text.word) + "` |");
    }
}

CLAIM(every_refusal_of_a_handshake_is_documented_and_says_what_to_do) {
    const std::string docs = read("docs/reasons.md");
    for (const mtls::HandshakeRefusalText& text : mtls::kHandshakeRefusals) {
        CHECK(text.sentence.size() > 20);
        CHECK_CONTAINS(docs, "| `" + std::string(text.word) + "` |");
    }
}

CLAIM(the_audit_logs_schema_knows_every_reason) {
    const auto schema = nlohmann::json::parse(read("docs/audit-log.schema.json"));
    std::set<std::string> reasons;
    for (const mtls::ReasonText& text : mtls::kReasons) reasons.emplace(text.word);
    CHECK(schema["properties"]["reason"]["enum"].get<std::set<std::string>>() == reasons);
}

CLAIM(every_metric_is_documented_and_examples_ask_for_no_other) {
    const std::string docs = read("docs/directives.md");
    std::set<std::string> metrics;
    std::istringstream lines(mtls::prometheus_text({}));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# TYPE ")) metrics.insert(line.substr(7, line.find(' ', 7) - 7));
    }
    CHECK(metrics.size() > 12);
    for (const std::string& metric : metrics) CHECK_CONTAINS(docs, "`" + metric);
    for (const char* file : {"conf/examples/prometheus-alerts.yml", "conf/examples/grafana-dashboard.json"}) {
        const std::string text = read(file), prefix = "mtls_authz_";
        std::size_t asked = 0;
        for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
            std::string name = text.substr(at, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at) - at);
            if (name.ends_with("_bucket")) name.resize(name.size() - 7);
            test::check(metrics.contains(name), std::string(file) + " asks for " + name, __FILE__, __LINE__);
            ++asked;
        }
        CHECK(asked > 10);
    }
    CHECK(nlohmann::json::parse(read("conf/examples/grafana-dashboard.json"))["panels"].size() > 10);
}

CLAIM(each_trouble_has_an_alert_rule) {
    const std::string rules = read("conf/examples/prometheus-alerts.yml");
    const std::map<std::string, std::string> by_other_metrics = {{"no-policy", "MtlsNoPolicy"},
                                                                 {"keeper-down", "MtlsKeeperDown"},
                                                                 {"policy-refused", "MtlsPolicyRefused"},
                                                                 {"crl-overdue", "MtlsCrlOverdue"},
                                                                 {"certificate-late", "MtlsPartnerCertificateLate"},
                                                                 {"purpose-ends", "MtlsPurposeWaiverEnds"},
                                                                 {"anchor-late", "MtlsTrustAnchorLate"}};
    for (const mtls::TroubleText& text : mtls::kTroubles) {
        const auto other = by_other_metrics.find(std::string(text.word));
        CHECK_CONTAINS(rules, other != by_other_metrics.end() ? "alert: " + other->second + "\n"
                                                              : "trouble=\"" + std::string(text.word) + "\"");
    }
}

CLAIM(prometheus_takes_the_alert_rules) {
    if (std::system("command -v promtool >/dev/null") != 0) test::skip("there is no promtool on this machine");
    CHECK_EQUAL(std::system("promtool check rules conf/examples/prometheus-alerts.yml >/dev/null"), 0);
}

CLAIM(includes_go_downwards_folder_by_folder) {
    const std::string own = "mtls_authz/";
    std::size_t seen = 0;
    for (const auto& [path, folder] : files_of_house()) {
        for (const std::string& header : headers_in(read(path))) {
            const bool is_core = header.starts_with(own), is_httpd = header.starts_with("httpd/");
            if (!is_core && !is_httpd) continue;
            const std::string below = fs::path(is_core ? header.substr(own.size()) : header).parent_path();
            test::check(floor_of(below) <= floor_of(folder), path.string() + " includes " + header, __FILE__, __LINE__);
            ++seen;
        }
    }
    CHECK(seen > 500);
}

CLAIM(no_folder_holds_more_than_fifteen_files) {
    std::map<std::string, int> files;
    for (const auto& [path, folder] : files_of_house()) {
        test::check(++files[path.parent_path()] <= 15, path.parent_path().string(), __FILE__, __LINE__);
    }
}

CLAIM(the_core_includes_nothing_of_httpd) {
    for (const auto& [path, folder] : files_of_house()) {
        if (folder.starts_with("httpd/")) continue;
        for (const std::string& header : headers_in(read(path))) {
            // APR's database drivers, which know nothing of httpd either.
            if (path == "src/load/database.cpp" && header.starts_with("apr_")) continue;
            for (const char* foreign : {"http", "ap_", "apr", "mod_", "util_"}) {
                test::check(!header.starts_with(foreign), path.string() + ": " + header, __FILE__, __LINE__);
            }
        }
    }
}

// What decides about a request finds everything parsed already. Of files that also decide, each says where it parses.
CLAIM(selectors_paths_fields_and_words_are_parsed_where_configuration_is_read_alone) {
    const std::set<std::string> readers = {
        "src/load/expectation.cpp",            // MTLSExpect
        "src/rules/field_name.cpp",            // parses
        "src/decide/gate.cpp",                 // GateRule::parse_allow() and parse_deny()
        "src/rules/grant.cpp",                 // PathPattern::parse() and with_fields()
        "src/load/policy_anchors.cpp",         //
        "src/load/policy_builder.cpp",         //
        "src/load/policy_directives.cpp",      //
        "src/load/policy_writer.cpp",          //
        "src/load/refusal_directives.cpp",     // read_revocation()
        "src/rules/selector_parse.cpp",        // parses
        "src/base/text.cpp",                   // parses
        "src/httpd/tell/audit.cpp",            // MTLSAuditLog
        "src/httpd/start/directives.cpp",      // directives
        "src/httpd/config/config_tree.cpp",    // at the start
        "src/httpd/config/sections.cpp",       // at the start
        "src/httpd/keeper/events.cpp",         // MTLSEventCmd
        "src/httpd/request/branches.cpp",      // Require
        "src/httpd/request/forward.cpp",       // MTLSForward
        "src/httpd/request/providers.cpp",     // Require
        "src/httpd/start/section_checks.cpp",  // at the start
        "src/httpd/start/section_paths.cpp",   // at the start
        "src/httpd/start/start_checks.cpp",    // at the start
        "src/httpd/start/forward_checks.cpp",  // at the start
        "src/httpd/start/status_checks.cpp",   // at the start
    };
    std::set<std::string> found;
    for (const auto& [path, folder] : files_of_house()) {
        if (path.extension() != ".cpp") continue;
        const std::string text = read(path);
        for (const char* call : {"Selector::parse(", "FieldName::parse(", "PathPattern::parse(", "config_words("}) {
            if (text.find(call) != std::string::npos) found.insert(path.string());
        }
    }
    for (const std::string& file : found) test::check(readers.contains(file), file + " parses", __FILE__, __LINE__);
    for (const std::string& file : readers) test::check(found.contains(file), file, __FILE__, __LINE__);
}

CLAIM(log_formats_are_those_that_apr_knows) {
    for (const auto& [path, folder] : files_of_house()) {
        if (!folder.starts_with("httpd/")) continue;
        for (const char* modifier : {"%z", "%j", "%t", "%hh"}) {
            test::check(read(path).find(modifier) == std::string::npos, path.string() + " has " + modifier, __FILE__,
                        __LINE__);
        }
    }
}
