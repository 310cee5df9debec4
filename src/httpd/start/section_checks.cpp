#include "httpd/start/section_checks.hpp"

#include <algorithm>
#include <map>

#include "httpd/config/config_tree.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/start/section_paths.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

using Kind = GateSection::Kind;

bool has_line(const ap_directive_t* section, const char* name) {
    const ap_directive_t* line = section->first_child;
    while (line != nullptr && !equal_nocase(line->directive, name)) line = line->next;
    return line != nullptr;
}

// Whether a section with checks applies to a part of a repository alone. `has_several`: each folder in `path` is one.
bool is_within_repository(const GateSection& section, std::string_view path, bool has_several) {
    const DirConfig& c = *section.config;
    const bool is_location = section.kind == Kind::kLocation || section.kind == Kind::kLocationMatch;
    const std::string_view prefix = section.literal_prefix;
    if (!is_location || !is_below(path, prefix)) return false;
    if (!is_enforced(c) && !c.has_provider && !section.authenticates) return false;
    std::string_view rest = prefix.substr(path.size());
    rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
    if (has_several) rest.remove_prefix(std::min(rest.find('/'), rest.size()));
    return rest.find_first_not_of('/') != rest.npos || (!has_several && !is_literal_location(section));
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

// mod_dav_svn serves a whole repository below /!svn/ too, so no request there passes a gate for a part of it.
void check_subversion(const server_rec* s, const Sections& sections, Findings& findings) {
    for_each_directive(s, [&](const ap_directive_t& d) {
        const auto path = serves_subversion(d) ? literal_location(path_section_of(&d)) : std::nullopt;
        if (!path) return;
        const bool has_several = has_line(path_section_of(&d), "SVNParentPath");
        const auto gate = std::find_if(sections.begin(), sections.end(), [&](const GateSection* section) {
            return is_within_repository(*section, *path, has_several);
        });
        if (gate == sections.end()) return;
        warn(findings, place_of(&d),
             "DAV svn in <Location " + std::string(*path) + ">, with " + (*gate)->title() + " at " +
                 (*gate)->where.str() +
                 " below: Subversion's clients reach each file under /!svn/, which is nested-gate here, so they cannot "
                 "work; gate the repository as a whole, and write AuthType MTLS there and AuthzSVNAccessFile "
                 "(mod_authz_svn) for its folders");
    });
}

// False if the handshake refuses every certificate, since mod_ssl is given no CA.
bool knows_a_ca(const server_rec* s) {
    if (!serves_tls(s) || client_ca_of(s) != ClientCaMode::kOff) return true;
    if (equal_nocase(server_setting(s, "SSLVerifyClient"), "optional_no_ca")) return true;
    static constexpr const char* kSources[] = {"SSLCACertificateFile", "SSLCACertificatePath", "SSLOpenSSLConfCmd"};
    return std::any_of(std::begin(kSources), std::end(kSources),
                       [s](const char* name) { return !server_setting(s, name).empty(); });
}

// Whether clients may pass this gate through a front that needs no certificate itself, with TLS or without.
bool is_behind_network_front(const GateSection& gate, const server_rec* s, const Policy* policy) {
    const auto has_network = [policy](const std::string& name) {
        const Partner* const partner = policy != nullptr ? policy->find(name) : nullptr;
        return policy == nullptr ||
               (partner != nullptr && partner->front() != nullptr && !partner->front()->networks.empty());
    };
    const auto& fronts = state().front_sections;
    return std::any_of(fronts.begin(), fronts.end(), [&](const GateSection* front) {
        const auto& names = front->config->fronts->names;
        const bool is_elsewhere =
            is_literal_location(*front) && is_literal_location(gate) && !covers(front->path, gate.path);
        return !is_elsewhere && accepts_front_in(*front, s) && std::any_of(names.begin(), names.end(), has_network);
    });
}

// Gates of this server itself that no certificate can reach. A virtual host may leave those of the main server closed.
void check_entrance(const server_rec* s, const Policy* policy, bool asks, Findings& findings) {
    bool is_by_tls = serves_tls(s);
    for (const server_rec* heir = s; is_main_server(s) && heir != nullptr; heir = heir->next)
        is_by_tls = is_by_tls || serves_tls(heir);
    if (is_by_tls && asks) return;
    const auto& own = server_config(s).sections;
    const auto closed = std::find_if(own.begin(), own.end(), [&](const GateSection* section) {
        const DirConfig& c = *section->config;
        return (has_gate(c) || c.has_provider || section->authenticates) &&
               !is_behind_network_front(*section, s, policy);
    });
    if (closed == own.end()) return;
    const std::string host = "the virtual host '" + std::string(host_name(s)) + "' has gates, but ";
    warn(findings, (*closed)->where,
         host + (is_by_tls
                     ? "never asks for a certificate, so nobody can pass them: add SSLVerifyClient optional"
                     : "serves no TLS, so nobody can pass them (no-tls), and of fronts only those with network= count: "
                       "put them into a virtual host with SSLEngine on and SSLVerifyClient optional"));
}

// Checks directives of other modules that affect the gates of one server. `asked_elsewhere`: virtual hosts that inherit
// these sections ask for certificates.
void check_surroundings(const server_rec* s, const std::vector<const GateSection*>& sections, const Policy* policy,
                        bool asked_elsewhere, Findings& findings) {
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
    const bool guards_all = std::any_of(sections.begin(), sections.end(), [](const GateSection* section) {
        return section->kind == GateSection::Kind::kServer ||
               (section->kind == GateSection::Kind::kOther && section->path == "*");
    });
    if (!sections.empty() && !guards_all && equal_nocase(server_setting(s, "ProxyRequests"), "on")) {
        warn(
            findings, sections.front()->where,
            "ProxyRequests On beside gates: what a client asks of a forward proxy is a whole URL, or a host to connect "
            "to, and no <Location> with a path covers that, so anybody may: put MTLSAllow into <Proxy \"*\"> too, or "
            "set ProxyRequests Off");
    }
    if (s->is_virtual) {
        const std::string inherited = server_setting(s, "SSLVerifyClient");
        asks = asks || (!inherited.empty() && !equal_nocase(inherited, "none"));
    }
    if (asks && !knows_a_ca(s)) {
        warn(findings, place_of(s),
             "the virtual host '" + std::string(host_name(s)) +
                 "' asks for certificates and trusts no CA, so the handshake refuses every one: set MTLSClientCA On, "
                 "or SSLCACertificateFile");
    }
    check_entrance(s, policy, asks, findings);
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
        warn(findings, place_of(s),
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
        warn(findings, place_of(s),
             "the virtual host '" + std::string(host_name(s)) + "' has SSLOCSPEnable " + ocsp +
                 " beside MTLSClientCA: mod_ssl verifies OCSP answers by its own CAs alone, and refuses in the "
                 "handshake partners whose trust anchor it does not have: name their responders' certificates in "
                 "SSLOCSPResponderCertificateFile, or write SSLOCSPEnable off, and let mtls-authz fetch ask");
    }
    check_quick_verifications(main_server, s, findings);
    if (mode == ClientCaMode::kOn && !policy.cas().announced_names(kMostAnnouncedBytes, apr_time_sec(apr_time_now()))) {
        warn(findings, place_of(s),
             "MTLSClientCA On: the names of all trust anchors are more than 16 kB, so none are announced, and clients "
             "choose their certificate by themselves");
    }
}

// <If> is asked before any gate is: the variables of this request do not exist yet.
void check_conditions(const server_rec* s, Findings& findings) {
    for_each_directive(s, [&findings](const ap_directive_t& d) {
        if (!starts_nocase(d.directive, "<If") && !starts_nocase(d.directive, "<ElseIf")) return;
        const std::string_view args = d.args != nullptr ? d.args : "";
        constexpr std::string_view kVariables[] = {"MTLS_DECISION", "MTLS_REASON",   "MTLS_PARTNER",
                                                   "MTLS_ATTR_",    "MTLS_VIA",      "MTLS_GROUPS",
                                                   "MTLS_CERT_",    "MTLS_IDENTITY", "MTLS_GENERATION"};
        const bool reads = std::any_of(std::begin(kVariables), std::end(kVariables), [args](std::string_view name) {
            return args.find(name) != std::string_view::npos;
        });
        if (!reads) return;
        warn(findings, place_of(&d),
             std::string(d.directive) + " " + std::string(args) +
                 " is asked before a gate sets MTLS_* variables, so they are empty there: write MTLSAllow, MTLSDeny or "
                 "Require mtls-*");
    });
}

void check_servers(const server_rec* main_server, const Policy* policy, Findings& findings) {
    std::vector<const GateSection*> inherited;
    bool some_virtual_asks = false;
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        if (is_main_server(s)) inherited = server_config(s).sections;
        some_virtual_asks = some_virtual_asks || (s->is_virtual && !server_setting(s, "SSLVerifyClient").empty());
    }
    for (const server_rec* s = main_server; s != nullptr; s = s->next) {
        if (policy != nullptr) check_client_ca(main_server, s, *policy, findings);
        check_conditions(s, findings);
        const auto& own = server_config(s).sections;
        std::vector<const GateSection*> sections = inherited;
        if (s->is_virtual) sections.insert(sections.end(), own.begin(), own.end());
        // Virtual hosts inherit what the main server sends to backends.
        if (is_main_server(s) ? !state().sections.empty() : !sections.empty()) check_tunnels(s, findings);
        if (sections.empty()) continue;
        check_order(s, sections, findings);
        check_reach(s, sections, findings);
        check_subversion(s, sections, findings);
        check_surroundings(s, sections, policy, is_main_server(s) && some_virtual_asks, findings);
    }
}

void check_mode(const GateSection& section, Findings& findings) {
    const DirConfig& c = *section.config;
    if (has_gate(c) && gate_mode(c) == GateMode::kLogOnly) {
        warn(findings, section.where,
             "MTLSAuthz LogOnly: " + section.title() + " lets everybody through; it only logs what it would deny");
    }
    if (c.mode == GateMode::kOff && (c.allow != nullptr || c.deny != nullptr)) {
        warn(findings, section.where,
             "MTLSAuthz Off: " + section.title() + " lets everybody through; the rules beside it are not asked");
    }
    if (c.has_provider && lower(section.authorization).find("satisfy any") != std::string::npos) {
        warn(findings, section.where,
             "Satisfy Any: in " + section.title() +
                 ", Require mtls-* has to hold all the same, whatever Allow says: for alternatives, write <RequireAny> "
                 "with Require ip and the like");
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

bool serves_subversion(const ap_directive_t& d) {
    return equal_nocase(d.directive, "DAV") && d.args != nullptr && equal_nocase(trim(d.args), "svn");
}

void check_sections(server_rec* main_server, const Policy* policy, std::vector<Diagnostic>& findings) {
    for (const GateSection* section : state().sections) check_mode(*section, findings);
    check_servers(main_server, policy, findings);
    if (policy != nullptr) check_grants(*policy, findings);
}

}  // namespace mtls::httpd
