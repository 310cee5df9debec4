#include "mtls_authz/tell/account.hpp"

#include <ctime>
#include <nlohmann/json.hpp>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

// Writes key=value pairs; texts from certificates and requests are quoted and escaped.
class Line {
public:
    explicit Line(std::string start) : text_(std::move(start)) {}

    void add(const char* key, std::string_view value) {
        if (!value.empty()) text_ += std::string(" ") + key + "=" + escape_for_log(value, kMostNameBytes);
    }
    void quote(const char* key, std::string_view value) {
        text_ += std::string(" ") + key + "=\"" + escape_for_log(value, kMostNameBytes) + "\"";
    }
    std::string with_sentence(std::string_view sentence) && { return std::move(text_) + ": " + std::string(sentence); }

private:
    std::string text_;
};

std::string cut(const std::string& text, std::size_t limit) {
    if (text.size() <= limit) return text;
    std::size_t size = limit;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
    return text.substr(0, size) + "...";
}

// RFC 3339 with microseconds, UTC.
std::string time_text(std::int64_t microseconds) {
    constexpr std::int64_t kMillion = 1'000'000;
    std::string out = format_time(microseconds / kMillion);
    const std::string fraction = std::to_string(kMillion + microseconds % kMillion).substr(1);
    return out.insert(out.size() - 1, "." + fraction);
}

nlohmann::ordered_json json_of(const Account& a, std::size_t most_name, std::size_t most_path) {
    nlohmann::ordered_json out;
    const auto add = [&](const char* key, const std::string& value, std::size_t limit) {
        if (!value.empty()) out[key] = cut(value, limit);
    };
    out["time"] = time_text(a.time);
    out["decision"] = word_of(a.outcome);
    out["reason"] = word_of(a.reason);
    add("detail", a.detail, most_name);
    add("partner", a.partner, most_name);
    add("claimed", a.claimed, most_name);
    add("via", a.via, most_name);
    add("contact", a.contact, most_name);
    add("rule", a.rule, most_name);
    add("matched", a.matched, most_name);
    add("grant", a.grant, most_name);
    add("purpose", a.purpose, most_name);
    add("gate", a.gate, most_name);
    out["method"] = cut(a.method, most_name);
    out["path"] = cut(a.path, most_path);
    add("vhost", a.vhost, most_name);
    add("client", a.client, most_name);
    add("http", a.http, most_name);
    if (a.status != 0) out["status"] = a.status;
    add("request_id", a.request_id, most_name);
    add("tls", a.tls, most_name);
    if (!a.tls.empty()) out["resumed"] = a.resumed;
    if (!a.sha256.empty()) {
        out["subject"] = cut(a.subject, most_name);
        out["san"] = cut(a.san, most_name);
        out["issuer"] = cut(a.issuer, most_name);
        add("issuer_spki", a.issuer_spki, most_name);
        add("serial", a.serial, most_name);
        add("not_after", a.not_after, most_name);
        add("sha256", a.sha256, most_name);
    }
    add("generation", a.generation, most_name);
    if (a.duration >= 0) out["duration_ns"] = a.duration;
    return out;
}

}  // namespace

std::string denial_line(const Account& a, std::string_view verb) {
    constexpr std::size_t kMostMethodBytes = 32;
    Line line(std::string(verb) + " " + escape_for_log(a.method, kMostMethodBytes) + " \"" +
              escape_for_log(a.path, kMostPathBytes) + "\":");
    line.add("reason", word_of(a.reason));
    if (!a.detail.empty()) line.quote("detail", a.detail);
    line.add("partner", a.partner);
    line.add("claimed", a.claimed);
    line.add("via", a.via);
    if (!a.contact.empty()) line.quote("contact", a.contact);
    line.add("rule", a.rule);
    line.add("grant", a.grant);
    line.add("purpose", a.purpose);
    line.add("gate", a.gate);
    line.add("vhost", a.vhost);
    line.add("tls", a.tls);
    if (!a.tls.empty()) line.add("resumed", a.resumed ? "yes" : "no");
    if (!a.sha256.empty()) {
        line.quote("subject", a.subject);
        line.quote("san", a.san);
        line.quote("issuer", a.issuer);
        line.add("issuer_spki", a.issuer_spki);
        line.add("serial", a.serial);
        line.add("not_after", a.not_after);
        line.add("sha256", a.sha256);
    }
    line.add("generation", a.generation);
    line.add("request_id", a.request_id);
    return std::move(line).with_sentence(text_of(a.reason).sentence);
}

std::string audit_line(const Account& account) {
    // Halve the limits until the line fits: escaping makes a text up to six times longer.
    for (std::size_t divisor = 1;; divisor *= 2) {
        constexpr int kCompact = -1;
        constexpr bool kAscii = true;
        std::string line = json_of(account, kMostNameBytes / divisor, kMostPathBytes / divisor)
                               .dump(kCompact, ' ', kAscii, nlohmann::ordered_json::error_handler_t::replace);
        line += '\n';
        if (line.size() <= kMostAuditBytes) return line;
    }
}

}  // namespace mtls
