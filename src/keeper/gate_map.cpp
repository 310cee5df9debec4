#include "mtls_authz/keeper/gate_map.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace mtls {

namespace {

using Json = nlohmann::ordered_json;

// Encodes each byte above 0x7F as one code point, because JSON needs UTF-8 and a path may be any bytes.
std::string as_utf8(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
            continue;
        }
        out += static_cast<char>(0xc0 | byte >> 6);
        out += static_cast<char>(0x80 | (byte & 0x3f));
    }
    return out;
}

std::string as_bytes(const std::string& utf8) {
    std::string out;
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto byte = static_cast<unsigned char>(utf8[i]);
        if (byte < 0x80 || i + 1 == utf8.size()) {
            out += utf8[i];
            continue;
        }
        out += static_cast<char>((byte & 0x03) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3f));
    }
    return out;
}

std::string text_at(const Json& json, const char* key) { return as_bytes(json.at(key).get<std::string>()); }

void put_where(Json& json, const Where& where) {
    json["file"] = as_utf8(where.file);
    json["line"] = where.line;
}
Where where_at(const Json& json) { return {text_at(json, "file"), json.at("line").get<unsigned>()}; }

Json texts(const std::vector<std::string>& all) {
    Json out = Json::array();
    for (const std::string& text : all) out.push_back(as_utf8(text));
    return out;
}
std::vector<std::string> texts_at(const Json& json, const char* key) {
    std::vector<std::string> out;
    for (const Json& text : json.at(key)) out.push_back(as_bytes(text.get<std::string>()));
    return out;
}

Json rules_json(const GateRules& rules) {
    Json out = Json::array();
    for (const GateRule& rule : rules) {
        Json one = {{"rule", rule.text()}, {"captures", Json::array()}};
        put_where(one, rule.where);
        for (const NameReference& name : rule.names) {
            if (!name.capture.empty()) one["captures"].push_back(name.pattern);
        }
        out.push_back(std::move(one));
    }
    return out;
}

GateRules rules_at(const Json& json, const char* key) {
    const bool allow = std::string_view(key) == "allow";
    GateRules out;
    for (const Json& one : json.at(key)) {
        const auto text = one.at("rule").get<std::string>();
        auto rule = allow ? GateRule::parse_allow(text) : GateRule::parse_deny(text);
        if (!rule) throw std::runtime_error(rule.error());
        rule.value().where = where_at(one);
        std::size_t next = 0;
        for (NameReference& name : rule.value().names) {
            if (!name.capture.empty()) name.pattern = one.at("captures").at(next++).get<unsigned>();
        }
        out.push_back(std::move(rule.value()));
    }
    return out;
}

Json section_json(const MappedSection& section) {
    Json out = {{"match", section.match},
                {"title", as_utf8(section.title)},
                {"path", as_utf8(section.path)},
                {"location", section.is_location},
                {"directory", section.is_directory},
                {"around", section.around},
                {"path_around", as_utf8(section.path_around)},
                {"authorizes", section.authorizes},
                {"deny", rules_json(section.deny)}};
    put_where(out, section.where);
    if (section.mode) out["mode"] = *section.mode;
    if (section.allow) out["allow"] = rules_json(*section.allow);
    return out;
}

MappedSection section_of(const Json& json) {
    MappedSection out;
    out.match = json.at("match").get<MappedSection::Match>();
    out.title = text_at(json, "title");
    out.where = where_at(json);
    out.path = text_at(json, "path");
    out.is_location = json.at("location").get<bool>();
    out.is_directory = json.at("directory").get<bool>();
    out.around = json.at("around").get<MappedSection::Match>();
    out.path_around = text_at(json, "path_around");
    out.authorizes = json.at("authorizes").get<bool>();
    if (json.contains("mode")) out.mode = json.at("mode").get<GateMode>();
    if (json.contains("allow")) out.allow = rules_at(json, "allow");
    out.deny = rules_at(json, "deny");
    return out;
}

Json host_json(const MappedHost& host) {
    Json out = {{"name", as_utf8(host.name)},
                {"aliases", texts(host.aliases)},
                {"addresses", texts(host.addresses)},
                {"has_gates", host.has_gates},
                {"merges_slashes", host.merges_slashes},
                {"sections", Json::array()},
                {"remaps", texts(host.remaps)},
                {"document_root", as_utf8(host.document_root)},
                {"has_tls", host.has_tls},
                {"asks_for_certificates", host.asks_for_certificates},
                {"asking_section", as_utf8(host.asking_section)},
                {"accepts_fronts", host.accepts_fronts},
                {"believes_anchors", host.believes_anchors},
                {"lets_unknown_cas_in", host.lets_unknown_cas_in},
                {"checks_crls", host.checks_crls},
                {"asks_ocsp", host.asks_ocsp},
                {"has_crls", host.has_crls},
                {"verify_depth", host.verify_depth},
                {"security_level", host.security_level},
                {"certificates", host.certificates}};
    put_where(out, host.where);
    for (const MappedSection& section : host.sections) out["sections"].push_back(section_json(section));
    return out;
}

MappedHost host_of(const Json& json) {
    MappedHost out;
    out.name = text_at(json, "name");
    out.aliases = texts_at(json, "aliases");
    out.addresses = texts_at(json, "addresses");
    out.where = where_at(json);
    out.has_gates = json.at("has_gates").get<bool>();
    out.merges_slashes = json.at("merges_slashes").get<bool>();
    for (const Json& section : json.at("sections")) out.sections.push_back(section_of(section));
    out.remaps = texts_at(json, "remaps");
    out.document_root = text_at(json, "document_root");
    out.has_tls = json.at("has_tls").get<bool>();
    out.asks_for_certificates = json.at("asks_for_certificates").get<bool>();
    out.asking_section = text_at(json, "asking_section");
    out.accepts_fronts = json.at("accepts_fronts").get<bool>();
    out.believes_anchors = json.at("believes_anchors").get<bool>();
    out.lets_unknown_cas_in = json.at("lets_unknown_cas_in").get<bool>();
    out.checks_crls = json.at("checks_crls").get<bool>();
    out.asks_ocsp = json.at("asks_ocsp").get<bool>();
    out.has_crls = json.at("has_crls").get<bool>();
    out.verify_depth = json.at("verify_depth").get<int>();
    out.security_level = json.at("security_level").get<int>();
    out.certificates = json.at("certificates").get<std::string>();
    return out;
}

Json directives_json(const std::vector<Directive>& directives) {
    Json out = Json::array();
    for (const Directive& d : directives) {
        Json one = {{"name", as_utf8(d.name)}, {"args", as_utf8(d.args)}};
        put_where(one, d.where);
        if (d.is_section) one["children"] = directives_json(d.children);
        out.push_back(std::move(one));
    }
    return out;
}

std::vector<Directive> directives_of(const Json& json) {
    std::vector<Directive> out;
    for (const Json& one : json) {
        const bool is_section = one.contains("children");
        out.push_back({text_at(one, "name"), text_at(one, "args"), where_at(one), is_section, {}});
        if (is_section) out.back().children = directives_of(one.at("children"));
    }
    return out;
}

}  // namespace

std::string gate_map_text(const GateMap& map) {
    Json out = {{"server_root", as_utf8(map.server_root)},
                {"policy", directives_json(map.policy)},
                {"knows_regexes", map.knows_regexes},
                {"patterns", Json::array()},
                {"hosts", Json::array()}};
    for (const MappedPattern& pattern : map.patterns) {
        out["patterns"].push_back({{"of_path", pattern.is_of_path}, {"text", as_utf8(pattern.text)}});
    }
    for (const MappedHost& host : map.hosts) out["hosts"].push_back(host_json(host));
    return out.dump();
}

Result<GateMap> read_gate_map(std::string_view text) {
    try {
        const Json json = Json::parse(text);
        GateMap out;
        out.server_root = text_at(json, "server_root");
        out.policy = directives_of(json.at("policy"));
        out.knows_regexes = json.at("knows_regexes").get<bool>();
        for (const Json& pattern : json.at("patterns")) {
            out.patterns.push_back({pattern.at("of_path").get<bool>(), text_at(pattern, "text")});
        }
        for (const Json& host : json.at("hosts")) out.hosts.push_back(host_of(host));
        return out;
    } catch (const std::exception& e) {
        return Error{e.what()};
    }
}

}  // namespace mtls
