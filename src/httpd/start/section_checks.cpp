#include "httpd/start/section_checks.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "httpd/config/config.hpp"
#include "httpd/config/config_tree.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

using Kind = GateSection::Kind;
using Findings = std::vector<Diagnostic>;

void warn(Findings& findings, const Where& where, std::string message) {
    findings.push_back({Diagnostic::Severity::kWarning, where, std::move(message)});
}
void fail(Findings& findings, const Where& where, std::string message) {
    findings.push_back({Diagnostic::Severity::kError, where, std::move(message)});
}

bool is_literal_location(const GateSection& s) {
    return s.kind == Kind::kLocation && s.literal_prefix.size() == s.path.size();
}

bool is_enforced(const DirConfig& c) { return has_gate(c) && gate_mode(c) == GateMode::kOn; }

// Whether a section replaces the allow rules of those that are merged before it.
bool replaces_rules(const DirConfig& c) { return c.allow != nullptr || (c.mode && !is_enforced(c)); }

std::string rules_text(const DirConfig& c) {
    if (c.mode == GateMode::kOff) return "MTLSAuthz Off";
    if (c.allow == nullptr) return "MTLSAuthz LogOnly";
    std::string out = "MTLSAllow ";
    for (const GateRule& rule : *c.allow) out += (&rule == &c.allow->front() ? "" : " | ") + rule.text();
    return out;
}

// Whether `later`, which replaces the rules of `earlier`, allows partners that `earlier` denied.
bool is_wider(const DirConfig& later, const DirConfig& earlier) {
    if (!is_enforced(later)) return true;
    if (later.allow == nullptr || earlier.allow == nullptr) return earlier.allow == nullptr && later.allow != nullptr;
    return !std::all_of(later.allow->begin(), later.allow->end(), [&](const GateRule& rule) {
        return std::any_of(earlier.allow->begin(), earlier.allow->end(),
                           [&](const GateRule& previous) { return previous.covers(rule); });
    });
}

bool is_always_true(const GateSection& s) {
    return s.kind == Kind::kIf && s.holder == Kind::kServer && (s.other == "<If \"true\">" || s.other == "<If true>");
}

// The path at and below which the section applies to every request; nothing if some condition is left.
std::optional<std::string_view> covered_path(const GateSection& s) {
    if (is_literal_location(s)) return s.path;
    if (is_always_true(s)) return "/";
    const bool is_prefix = s.kind == Kind::kLocationMatch && s.path == "^" + s.literal_prefix;
    return is_prefix ? std::optional<std::string_view>(s.literal_prefix) : std::nullopt;
}

// Whether `late` is merged after `early`, which is written before it, and applies wherever that does.
bool replaces(const GateSection& late, const GateSection& early) {
    const auto over = covered_path(late);
    if (!over || !replaces_rules(*late.config)) return false;
    if (is_literal_location(late) && is_literal_location(early)) {
        return over->size() < early.path.size() && covers(*over, early.path);
    }
    // A pattern that comes first is a part of what its literal prefix covers.
    return is_wider(*late.config, *early.config) && (*over == "/" || covers(*over, early.literal_prefix));
}

// Virtual hosts inherit what was said of the main server.
void warn_once(Findings& findings, const Where& where, const std::string& text) {
    const bool is_said =
        std::any_of(findings.begin(), findings.end(), [&](const Diagnostic& other) { return other.message == text; });
    if (!is_said) warn(findings, where, text);
}

// httpd merges Locations in order of appearance, not by length: a later, shorter one replaces a longer one.
void check_order(const std::vector<const GateSection*>& sections, Findings& findings) {
    for (std::size_t i = 0; i < sections.size(); ++i) {
        const GateSection& early = *sections[i];
        const bool is_location = early.kind == Kind::kLocation || early.kind == Kind::kLocationMatch;
        if (!is_location || !is_enforced(*early.config)) continue;
        for (std::size_t j = 0; j < sections.size(); ++j) {
            const GateSection& late = *sections[j];
            if ((j <= i && late.kind != Kind::kIf) || !replaces(late, early)) continue;
            const bool is_if = late.kind == Kind::kIf;
            const bool are_literal = is_literal_location(late) && is_literal_location(early);
            std::string told = is_if         ? "this section "
                               : are_literal ? "this later, shorter section "
                                             : "this later section ";
            told += "replaces the gate of " + early.title() + " at " + early.where.str() + " with '" +
                    rules_text(*late.config) + "': ";
            told += is_if ? "<If> is merged after all Locations; put these rules into a <Location /> before that one"
                          : "Locations count in order of appearance; put it before that one";
            if (is_if || !are_literal) {
                warn_once(findings, late.where, told);
            } else if (is_wider(*late.config, *early.config)) {
                told += " (an error, since it lets in more than that one)";
                fail(findings, late.where, told);
            } else {
                warn(findings, late.where, told);
            }
        }
    }
}

// The URL of a folder below DocumentRoot, "/" for a folder around it; empty if no URL is known.
std::string url_of(const server_rec* s, const std::string& folder) {
    const std::string root =
        static_cast<const core_server_config*>(ap_get_core_module_config(s->module_config))->ap_document_root;
    std::string_view path = folder;
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (covers(path, root)) return "/";
    return is_below(root, path) ? std::string(path.substr(root.size())) : "";
}

// Locations are merged after Directories, Files and Proxy sections, and replace their rules.
void check_hidden(const server_rec* s, const std::vector<const GateSection*>& sections, Findings& findings) {
    for (const GateSection* hidden : sections) {
        const bool is_before = hidden->kind == Kind::kDirectory || hidden->kind == Kind::kDirectoryMatch ||
                               hidden->kind == Kind::kFiles || hidden->kind == Kind::kOther;
        if (!is_before || hidden->config->allow == nullptr || !is_enforced(*hidden->config)) continue;
        const bool is_literal =
            hidden->kind == Kind::kDirectory && hidden->literal_prefix.size() == hidden->path.size();
        const std::string url = is_literal ? url_of(s, hidden->path) : "";
        const auto over = std::find_if(sections.rbegin(), sections.rend(), [&](const GateSection* location) {
            const auto path = location->kind == Kind::kIf ? std::nullopt : covered_path(*location);
            return path && replaces_rules(*location->config) && (*path == "/" || (!url.empty() && covers(*path, url)));
        });
        if (over == sections.rend()) continue;
        const std::string text = "the rules of " + hidden->title() + " are not asked" +
                                 (*covered_path(**over) == "/" ? "" : " at " + url) + ": " + (*over)->title() + " at " +
                                 (*over)->where.str() + " is merged after it, and replaces them with '" +
                                 rules_text(*(*over)->config) + "'; write them into a Location after that one";
        warn_once(findings, hidden->where, text);
    }
}

// Why httpd's path, decoded and normalised, never begins as this one; "" if it may.
std::string never_matches(const std::string& path) {
    if (path.find(':') != std::string::npos || path.starts_with('*')) return "";  // a forward proxy's URL; OPTIONS *
    if (!path.starts_with('/')) return "paths begin with '/'";
    if (path.find("//") != std::string::npos) return "httpd merges slashes before it looks for sections: write one";
    if (has_removed_segment(path))
        return "httpd removes '.' and '..' before it looks for sections: write the path without";
    if (path.find('=', std::min(path.find('?'), path.size())) != std::string::npos) {
        return "the query is no part of the path: write the path alone, and look at the query in an <If>";
    }
    for (std::size_t at = path.find('%'); at != std::string::npos; at = path.find('%', at + 1)) {
        const std::string code = path.substr(at + 1, 2);
        const bool is_escape = code.size() == 2 && hex_digit(code[0]) >= 0 && hex_digit(code[1]) >= 0;
        // With AllowEncodedSlashes NoDecode, slashes stay as they are.
        if (is_escape && !equal_nocase(code, "2f")) {
            return "httpd decodes the path before it looks for sections: write the character instead of '%" + code +
                   "', in quotes if it is a blank";
        }
    }
    return "";
}

void check_section(const GateSection& section, Findings& findings) {
    if (has_gate(*section.config) && gate_mode(*section.config) == GateMode::kLogOnly) {
        warn(findings, section.where,
             "MTLSAuthz LogOnly: " + section.title() + " lets everybody through; it only logs what it would deny");
    }
    const std::string fault = section.kind == Kind::kLocation ? never_matches(section.path) : "";
    if (!fault.empty()) warn(findings, section.where, section.title() + " never applies: " + fault);
}

// Of mod_proxy: a list by which a client may begin a tunnel in which it speaks HTTP again.
bool is_wide_upgrade(const std::string& word) {
    constexpr std::string_view kUpgrade = "upgrade=";
    if (!starts_nocase(word, kUpgrade)) return false;
    std::string list = word.substr(kUpgrade.size());
    std::replace_if(list.begin(), list.end(), is_blank, ',');
    const auto protocols = split(list, ',');
    return std::any_of(protocols.begin(), protocols.end(), [](std::string_view protocol) {
        return protocol == "*" || equal_nocase(protocol, "ANY") || equal_nocase(protocol, "h2c");
    });
}

// Whether flags of mod_rewrite ("[L,P]") send the request to a backend.
bool has_proxy_flag(std::string_view flags) {
    std::string list = ',' + lower(flags) + ',';
    std::erase_if(list, [](char c) { return c == '[' || c == ']' || c == ' '; });
    return list.find(",p,") != std::string::npos || list.find(",proxy,") != std::string::npos;
}

// "ws://HOST/", also behind "proxy:" or "unix:SOCKET|".
bool names_websocket(const std::string& word) {
    const std::string text = ':' + lower(word);
    for (const char* scheme : {":ws://", ":wss://", "|ws://", "|wss://"}) {
        if (text.find(scheme) != std::string::npos) return true;
    }
    return false;
}

bool sends_to_websocket(const ap_directive_t& d, const std::vector<std::string>& words) {
    constexpr const char* kSenders[] = {"ProxyPass",  "ProxyPassMatch", "BalancerMember",
                                        "SetHandler", "AddHandler",     "RewriteRule"};
    const bool sends = std::any_of(std::begin(kSenders), std::end(kSenders),
                                   [&d](const char* name) { return equal_nocase(d.directive, name); });
    if (!sends || std::none_of(words.begin(), words.end(), names_websocket)) return false;
    return !equal_nocase(d.directive, "RewriteRule") || (words.size() > 2 && has_proxy_flag(words[2]));
}

// Whether mod_proxy_wstunnel serves WebSockets itself, which tunnels whatever the backend answers; else it leaves them
// to mod_proxy_http, which tunnels after a 101 alone.
bool has_unasked_tunnels() {
    if (ap_find_linked_module("mod_proxy_wstunnel.c") == nullptr) return false;
    return ap_find_linked_module("mod_proxy_http.c") == nullptr || is_any_directive([](const ap_directive_t& d) {
               return equal_nocase(d.directive, "ProxyWebsocketFallbackToProxyHttp") && d.args != nullptr &&
                      equal_nocase(trim(d.args), "Off");
           });
}

// Tunnels in which a client may speak HTTP with the backend itself.
void check_tunnels(const server_rec* s, Findings& findings) {
    const bool are_unasked = has_unasked_tunnels();
    for_each_directive(s, [&](const ap_directive_t& d) {
        const auto words = config_words(d.args != nullptr ? d.args : "");
        const auto upgrade = std::find_if(words.begin(), words.end(), is_wide_upgrade);
        if (upgrade != words.end() &&
            (starts_nocase(d.directive, "ProxyPass") || equal_nocase(d.directive, "ProxySet") ||
             equal_nocase(d.directive, "BalancerMember"))) {
            warn(findings, place_of(&d),
                 std::string(d.directive) + " with " + *upgrade +
                     " beside gates: by a tunnel for h2c, a client asks the backend for every path, and no gate is "
                     "asked; write upgrade=websocket");
        }
        if (!are_unasked || !sends_to_websocket(d, words)) return;
        warn(
            findings, place_of(&d),
            std::string(d.directive) +
                " to a WebSocket beside gates: mod_proxy_wstunnel opens the tunnel whatever the backend answers, and a "
                "client asks the backend through it for every path, and no gate is asked; load mod_proxy_http, and "
                "leave ProxyWebsocketFallbackToProxyHttp On");
    });
}

// Checks directives of other modules that affect the gates of one server. `asked_elsewhere`: virtual hosts that inherit
// these sections ask for certificates.
// False if the handshake refuses every certificate, since mod_ssl is given no CA.
bool knows_a_ca(const server_rec* s) {
    const std::string engine = server_setting(s, "SSLEngine");
    if (engine.empty() || equal_nocase(engine, "off") || client_ca_of(s) != ClientCaMode::kOff) return true;
    if (equal_nocase(server_setting(s, "SSLVerifyClient"), "optional_no_ca")) return true;
    static constexpr const char* kSources[] = {"SSLCACertificateFile", "SSLCACertificatePath", "SSLOpenSSLConfCmd"};
    return std::any_of(std::begin(kSources), std::end(kSources),
                       [s](const char* name) { return !server_setting(s, name).empty(); });
}

void check_surroundings(const server_rec* s, const std::vector<const GateSection*>& sections, bool asked_elsewhere,
                        Findings& findings) {
    bool asks = asked_elsewhere;
    const auto look = [&](const ap_directive_t& d) {
        const auto words = config_words(d.args != nullptr ? d.args : "");
        if (equal_nocase(d.directive, "SSLVerifyClient") && !words.empty() && !equal_nocase(words[0], "none")) {
            asks = true;
            if (equal_nocase(words[0], "optional_no_ca")) {
                warn(findings, place_of(&d),
                     "SSLVerifyClient optional_no_ca: mod_ssl lets unverified certificates in; the "
                     "gates verify themselves, but other rules on SSL_CLIENT_* would believe them; "
                     "use optional");
            }
        }
        if (equal_nocase(d.directive, "CacheEnable")) {
            warn(findings, place_of(&d),
                 "CacheEnable beside gates: nothing that a gate decided is stored, but what was "
                 "stored before the gate was there, or by another virtual host of this name, is served without "
                 "asking it; CacheQuickHandler Off lets the gate decide first");
        }
        const bool local_403 = equal_nocase(d.directive, "ErrorDocument") && words.size() == 2 && words[0] == "403" &&
                               words[1].starts_with('/');
        if (!local_403) return;
        const GateSection* last = nullptr;
        for (const GateSection* section : sections) {
            if (is_literal_location(*section) && covers(section->path, words[1])) last = section;
        }
        if (last != nullptr && is_enforced(*last->config)) {
            warn(findings, place_of(&d),
                 "ErrorDocument 403 " + words[1] + " stands behind the gate of " + last->title() + " at " +
                     last->where.str() +
                     ": whoever is denied cannot read it either; move "
                     "it out, or give it a section with MTLSAuthz Off");
        }
    };
    for_each_directive(s, look);
    if (s->is_virtual) {
        const std::string inherited = server_setting(s, "SSLVerifyClient");
        asks = asks || (!inherited.empty() && !equal_nocase(inherited, "none"));
    }
    if (asks && !knows_a_ca(s)) {
        warn(findings, {},
             "the virtual host '" + std::string(host_name(s)) +
                 "' asks for certificates and trusts no CA, so the handshake refuses every one: set MTLSClientCA On, "
                 "or SSLCACertificateFile");
    }
    const bool has_own = !server_config(s).sections.empty();
    if (asks || !has_own) return;
    warn(findings, server_config(s).sections.front()->where,
         "the virtual host '" + std::string(host_name(s)) +
             "' has gates, but never asks for a certificate, so nobody can pass them: add SSLVerifyClient optional");
}

// The SSLOptions that leave OptRenegotiate on, by section (null: server level). A word without a sign replaces those
// before it.
std::map<const ap_directive_t*, const ap_directive_t*> quick_verifications(const server_rec* main_server,
                                                                           const server_rec* s) {
    std::map<const ap_directive_t*, const ap_directive_t*> on;
    const auto look = [&on](const ap_directive_t& d) {
        if (!equal_nocase(d.directive, "SSLOptions") || d.args == nullptr) return;
        const ap_directive_t*& line = on[d.parent != host_of(&d) ? d.parent : nullptr];
        for (const std::string& word : config_words(d.args)) {
            const bool has_sign = word.starts_with('+') || word.starts_with('-');
            const bool is_it = equal_nocase(word.substr(has_sign ? 1 : 0), "OptRenegotiate");
            if (is_it || !has_sign) line = is_it && !word.starts_with('-') ? &d : nullptr;
        }
    };
    for_each_directive(main_server, look);
    if (s != main_server) for_each_directive(s, look);
    return on;
}

void check_quick_verifications(const server_rec* main_server, const server_rec* s, Findings& findings) {
    for (const auto& [section, line] : quick_verifications(main_server, s)) {
        if (line == nullptr) continue;
        warn(findings, place_of(line),
             "the virtual host '" + std::string(host_name(s)) +
                 "' has SSLOptions OptRenegotiate beside MTLSClientCA: where SSLVerifyClient differs between sections, "
                 "mod_ssl verifies a certificate of TLS 1.2 again by its own CAs alone, and answers 403 to partners "
                 "whose trust anchor it does not have: write SSLOptions -OptRenegotiate");
    }
}

// With MTLSClientCA, all other code in this server that checks the client's certificate trusts the policy's anchors
// too; with MTLSPurpose serverAuth, it sees certificates of servers.
void check_client_ca(const server_rec* main_server, const server_rec* s, const Policy& policy, Findings& findings) {
    const ClientCaMode mode = client_ca_of(s);
    const bool by_anchors = mode != ClientCaMode::kOff;
    if (!by_anchors && !policy.some_waive_purpose()) return;
    const auto look = [&](const ap_directive_t& d) {
        const std::string_view args = d.args != nullptr ? d.args : "";
        const auto is = [&d](const char* name) { return equal_nocase(d.directive, name); };
        if (is("CustomLog") || is("LogFormat") || is("ErrorLogFormat") || is("TransferLog")) return;
        // These name a header, not the variable.
        if (is("MTLSForward") || is("MTLSFront") || (is("RequestHeader") && args.starts_with("unset "))) return;
        const bool reads = args.find("SSL_CLIENT_") != std::string_view::npos || is("SSLRequire") ||
                           is("SSLUserName") ||
                           (is("Require") && args.find("ssl-verify-client") != std::string_view::npos) ||
                           (is("SSLOptions") && args.find("FakeBasicAuth") != std::string_view::npos);
        if (!reads) return;
        warn(findings, place_of(&d),
             std::string(d.directive) + " looks at the client's certificate by itself: " +
                 (by_anchors ? "with MTLSClientCA it believes the CAs of all partners, who can issue any name"
                             : "with MTLSPurpose serverAuth it sees certificates that were made for servers, too") +
                 "; use Require mtls-partner instead");
    };
    for_each_directive(s, look);
    if (!by_anchors) return;
    const auto check = server_setting_words(s, "SSLCARevocationCheck");
    const bool asks_crls = !check.empty() && !equal_nocase(check.front(), "none");
    if (asks_crls && !equal_nocase(check.back(), "no_crl_for_cert_ok")) {
        warn(findings, {},
             "the virtual host '" + std::string(host_name(s)) + "' has SSLCARevocationCheck " + check.front() +
                 " beside MTLSClientCA: mod_ssl then wants a CRL in SSLCARevocationFile for every client, and refuses "
                 "in the handshake partners whose CRL is in MTLSCRLFile alone: write SSLCARevocationCheck " +
                 check.front() + " no_crl_for_cert_ok");
    }
    const std::string ocsp = server_setting(s, "SSLOCSPEnable");
    const bool asks_ocsp = !ocsp.empty() && !equal_nocase(ocsp, "off");
    const bool trusts_responders = !server_setting(s, "SSLOCSPResponderCertificateFile").empty() ||
                                   equal_nocase(server_setting(s, "SSLOCSPNoVerify"), "on");
    if (asks_ocsp && !trusts_responders) {
        warn(findings, {},
             "the virtual host '" + std::string(host_name(s)) + "' has SSLOCSPEnable " + ocsp +
                 " beside MTLSClientCA: mod_ssl verifies OCSP answers by its own CAs alone, and refuses in the "
                 "handshake partners whose trust anchor it does not have: name their responders' certificates in "
                 "SSLOCSPResponderCertificateFile, or write SSLOCSPEnable off, and let mtls-authz fetch ask");
    }
    check_quick_verifications(main_server, s, findings);
    if (mode == ClientCaMode::kOn && !policy.cas().announced_names(kMostAnnouncedBytes, apr_time_sec(apr_time_now()))) {
        warn(findings, {},
             "MTLSClientCA On: the names of all trust anchors are more than 16 kB, so none are announced, and clients "
             "choose their certificate by themselves");
    }
}

void check_servers(const server_rec* main_server, const Policy* policy, Findings& findings) {
    std::vector<const GateSection*> inherited;
    bool some_virtual_asks = false;
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        if (is_main_server(s)) inherited = server_config(s).sections;
        some_virtual_asks = some_virtual_asks || (s->is_virtual && !server_setting(s, "SSLVerifyClient").empty());
    }
    check_order(inherited, findings);
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        if (policy != nullptr) check_client_ca(main_server, s, *policy, findings);
        const auto& own = server_config(s).sections;
        std::vector<const GateSection*> sections = inherited;
        if (s->is_virtual) sections.insert(sections.end(), own.begin(), own.end());
        // Virtual hosts inherit what the main server sends to backends.
        if (is_main_server(s) ? !state().sections.empty() : !sections.empty()) check_tunnels(s, findings);
        if (sections.empty()) continue;
        if (s->is_virtual && !own.empty()) check_order(sections, findings);
        check_hidden(s, sections, findings);
        check_surroundings(s, sections, is_main_server(s) && some_virtual_asks, findings);
    }
}

bool asks_for_grants(const DirConfig& c) {
    const auto by_grant = [](const GateRule& rule) { return rule.kind == GateRule::Kind::kByGrant; };
    return c.requires_grant || (c.allow != nullptr && std::any_of(c.allow->begin(), c.allow->end(), by_grant));
}

// Whether a gate that asks for grants may cover a path that this pattern matches.
bool could_ask(const GateSection& section, const PathPattern& path) {
    if (!asks_for_grants(*section.config)) return false;
    if (section.kind != Kind::kLocation && section.kind != Kind::kLocationMatch) return true;
    return path.may_be_in(section.literal_prefix, is_literal_location(section));
}

// Reports grants that no gate asks for, and gates that ask for grants if there are none.
void check_grants(const Policy& policy, Findings& findings) {
    const auto& sections = state().sections;
    std::vector<const Grant*> grants;
    for (const Grant& grant : policy.grants()) grants.push_back(&grant);
    for (const Partner& partner : policy.partners()) {
        for (const Grant& grant : partner.grants) grants.push_back(&grant);
    }
    constexpr std::size_t kMostNamed = 10;
    std::size_t idle = 0;
    for (const Grant* grant : grants) {
        for (const PathPattern& path : grant->paths) {
            const bool asked = std::any_of(sections.begin(), sections.end(),
                                           [&](const GateSection* section) { return could_ask(*section, path); });
            if (asked || ++idle > kMostNamed) continue;
            warn(findings, grant->where,
                 "MTLSGrant " + std::string(path.text()) +
                     ": no gate asks for it; put MTLSAllow by-grant into the section over that "
                     "path");
        }
    }
    if (idle > kMostNamed) warn(findings, {}, std::to_string(idle - kMostNamed) + " more grants likewise");
    for (const GateSection* section : sections) {
        if (!grants.empty() || !asks_for_grants(*section->config)) continue;
        warn(
            findings, section->where,
            section->title() + " asks for grants, but the policy has none, so nobody can pass it: add MTLSGrant lines");
    }
}

}  // namespace

bool is_main_server(const server_rec* s) { return !s->is_virtual; }

void check_sections(server_rec* main_server, const Policy* policy, std::vector<Diagnostic>& findings) {
    for (const GateSection* section : state().sections) check_section(*section, findings);
    check_servers(main_server, policy, findings);
    if (policy != nullptr) check_grants(*policy, findings);
}

}  // namespace mtls::httpd
