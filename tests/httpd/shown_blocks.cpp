#include "shown_blocks.hpp"

#include <algorithm>
#include <regex>
#include <sstream>

#include "bundles.hpp"
#include "claims.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "world.hpp"

namespace test {

namespace {

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The first word that is no comment.
std::string first_word(const std::string& block) {
    std::istringstream lines(block);
    for (std::string line; std::getline(lines, line);) {
        if (!line.empty() && line.front() != '#') return line.substr(0, line.find_first_of(" >"));
    }
    return {};
}

bool stands_in_a_partner(const std::string& directive) {
    const auto top = mtls::PolicyBuilder::top_level_directives(), inside = mtls::PolicyBuilder::partner_directives();
    const auto in = [&directive](const auto& names) {
        return std::find(names.begin(), names.end(), directive) != names.end();
    };
    // One default anchor may stand outside.
    return directive == "MTLSTrustAnchor" || (in(inside) && !in(top));
}

std::string with_surroundings(const std::string& block) {
    const std::string first = first_word(block);
    if (stands_in_a_partner(first)) {
        const bool has_anchor = holds(block, "MTLSTrustAnchor"), has_identity = holds(block, "MTLSIdentity");
        return std::string("<MTLSPartner shown>\n") +
               (has_identity ? "" : "MTLSIdentity URI:spiffe://shown.example/x\n") +
               (has_anchor ? "" : "MTLSTrustAnchor mtls/acme-ca.pem\n") + block + "</MTLSPartner>\n";
    }
    if (first == "<RequireAll" || first == "AuthType") return location("/shown", block);
    return block;
}

std::string missing_partners(const std::string& block) {
    std::string out;
    for (const std::string name : {"acme", "globex"}) {
        if (holds(block, "<MTLSPartner " + name + ">")) continue;
        out += "<MTLSPartner " + name + ">\n    MTLSIdentity    DNS:api." + name +
               ".example\n    MTLSTrustAnchor mtls/" + name +
               "-ca.pem\n    MTLSGroup       suppliers\n    MTLSNetwork     127.0.0.1 198.51.100.0/24\n";
        if (name == "acme") out += "    MTLSGrant       read /orders/** /api/orders/**\n";
        out += "</MTLSPartner>\n";
    }
    return out;
}

std::string content_of(const std::string& file) {
    const World& w = world();
    if (file.ends_with(".json")) return bundle_of(w.lookalike_ca);
    if (holds(file, "server.") || file.starts_with("tls/")) return w.server.pem();
    if (file.ends_with("expect/globex.pem")) return w.globex.cert_pem();
    if (file.ends_with("expect/acme-test.pem")) return w.unnamed.cert_pem();
    if (holds(file, "expect/")) return w.acme.cert_pem();
    if (holds(file, "globex")) return w.globex_ca.cert_pem();
    return holds(file, "acme") ? w.acme_ca.cert_pem() : w.stranger_ca.cert_pem();
}

}  // namespace

std::vector<std::string> shown_blocks(const std::string& file, const std::string& language,
                                      const std::string& heading) {
    std::vector<std::string> out;
    std::istringstream lines(file_text(file));
    bool is_below = heading.empty(), is_code = false, is_wanted = false;
    std::size_t indent = 0;
    for (std::string line; std::getline(lines, line);) {
        const std::string_view text = mtls::trim(line);
        if (text.starts_with("```")) {
            is_code = !is_code;
            is_wanted = is_code && is_below && text == "```" + language;
            indent = line.find('`');
            if (is_wanted) out.emplace_back();
        } else if (is_wanted) {
            out.back() += (line.size() > indent ? line.substr(indent) : "") + "\n";
        } else if (!is_code && text.starts_with("#") && !heading.empty()) {
            is_below = text.substr(text.find_first_not_of("# ")) == heading;
        }
    }
    check(!out.empty(), file + " shows nothing in " + language + " below '" + heading + "'", __FILE__, __LINE__);
    return out;
}

std::string completed(const Httpd& httpd, const std::string& block) {
    std::string text = std::regex_replace(block, std::regex("(MTLSFetchUser +)mtls-authz"), "$1daemon");
    // A program has to be there.
    text = std::regex_replace(text, std::regex("/usr/bin/rotatelogs"), "/bin/cat");
    text = std::regex_replace(text, std::regex("(sha256:[0-9a-f]{4})\\.\\.\\."), "$01" + std::string(60, '0'));
    text = missing_partners(block) + with_surroundings(text);
    const std::regex name("m?tls/[a-z0-9./-]+\\.(pem|key|json|crt)");
    for (auto at = std::sregex_iterator(text.begin(), text.end(), name); at != std::sregex_iterator(); ++at)
        httpd.write(at->str(), content_of(at->str()));
    for (const char* folder : {"partners", "revoked", "crl"})
        httpd.write(std::string("mtls/") + folder + "/none.conf", "# none yet\n");
    return text;
}

}  // namespace test
