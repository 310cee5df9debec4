
#include "seen.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "../input.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls::tool {

namespace {

constexpr std::size_t kMostKeyBytes = 64;

class SeenReader {
public:
    SeenReader(const Sources& sources, std::int64_t now, SeenLeaves& out, Report& report)
        : cas_(sources.all()), now_(now), out_(out), report_(report) {}

    void add_path(const std::string& path) {
        const auto files = files_below(path);
        if (!files) return fail(path, "cannot be read: " + files.error());
        for (const std::string& file : files.value()) add_file(file);
    }

    void add_audit_log(const std::string& path) {
        std::ifstream in(path);
        if (!in) return fail(path, "cannot be read");
        std::set<std::string> digests;
        for (std::string line; std::getline(in, line);) {
            // A million lines name a thousand certificates: parse a line as JSON only for a new digest.
            constexpr std::string_view kDigest = "\"sha256\":\"";
            constexpr std::size_t kDigits = 64;
            const std::size_t at = line.find(kDigest);
            if (at == std::string::npos || line.find("\"decision\":\"allow\"") == std::string::npos) continue;
            if (digests.insert(line.substr(at + kDigest.size(), kDigits)).second) add_grant(line);
        }
        for (const auto& [key, count] : unknown_) {
            report_.add({Fetched::kNote, "ocsp", "", path,
                         std::to_string(count) + " certificate(s) were issued by a CA with the key " + key +
                             ", which no file of the policy holds: with MTLSIntermediate they can be asked about"});
        }
    }

private:
    void fail(const std::string& file, const std::string& why) {
        report_.add({Fetched::kFailed, "ocsp", "", file, why, "its certificates are not asked about"});
    }
    void add_file(const std::string& file) {
        const auto content = read_input(file);
        auto found = content ? decode_certificates(content.value()) : Result<std::vector<X509Ptr>>(Error{});
        if (!found) return fail(file, content ? found.error() : "cannot be read: " + content.error());
        bool has_issuer = false;
        for (const X509Ptr& certificate : found.value()) has_issuer = add(*certificate) || has_issuer;
        if (!has_issuer) {
            report_.add({Fetched::kNote, "ocsp", "", file, "holds no certificate that a CA of the policy issued"});
        }
    }
    bool add(const X509& certificate) {
        const CertificateFacts facts = read_facts(certificate);
        for (const auto& ca : cas_) {
            if (facts.issuer.canonical != ca->name || !ca->issued(certificate)) continue;
            if (facts.is_ca) return true;
            for (const ListPoint& point : list_points(certificate)) {
                out_.list_hints.emplace(point.issuer, point.urls.front());
            }
            for (const std::string& url : responder_urls(certificate)) out_.responder_hints.emplace(ca->name, url);
            see({ca, facts.serial, hex(bytes_of(facts.sha256)), facts.not_after});
            return true;
        }
        return false;
    }
    void add_grant(const std::string& line) {
        const auto json = nlohmann::json::parse(line, nullptr, false);
        const auto text = [&json](const char* key) {
            const auto found = json.find(key);
            return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
        };
        if (!json.is_object() || text("decision") != "allow" || text("serial").empty()) return;
        const std::string key = text("issuer_spki"), issuer = text("issuer");
        const auto not_after = parse_date(text("not_after"), DateEdge::kUntil);
        // If one key has several names, take the name in the log, which may be truncated.
        std::shared_ptr<const PolicyCa> ca;
        for (const auto& one : cas_) {
            const bool is_it = hex(bytes_of(one->key)) == key || hex(bytes_of(key_sha256(*one->certificate))) == key;
            if (is_it && (ca == nullptr || one->name_text == issuer)) ca = one;
        }
        if (ca == nullptr) {
            ++unknown_[escape_for_log(key, kMostKeyBytes)];
        } else {
            see({ca, text("serial"), text("sha256"), not_after ? not_after.value() : 0});
        }
    }
    void see(SeenLeaf leaf) {
        if (leaf.not_after != 0 && leaf.not_after < now_) return;
        std::string id = leaf.id();
        out_.leafs.emplace(std::move(id), std::move(leaf));
    }

    const PolicyCas cas_;
    const std::int64_t now_;
    SeenLeaves& out_;
    Report& report_;
    std::map<std::string, std::size_t> unknown_;  // number of certificates by issuer key
};

}  // namespace

bool SeenLeaf::has_long_serial() const { return serial.size() - (serial.starts_with('-') ? 1 : 0) > kMostSerialDigits; }

std::string SeenLeaf::id() const {
    return has_long_serial() ? "sha256:" + sha256 : hex(bytes_of(issuer->key)) + ":" + serial;
}

SeenLeaves read_seen(const std::vector<std::string>& certificates, const std::vector<std::string>& audit_logs,
                     const Sources& sources, std::int64_t now, Report& report) {
    SeenLeaves out;
    SeenReader reader(sources, now, out, report);
    for (const std::string& path : certificates) reader.add_path(path);
    for (const std::string& path : audit_logs) reader.add_audit_log(path);
    return out;
}

}  // namespace mtls::tool
