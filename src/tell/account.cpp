#include "mtls_authz/tell/account.hpp"

#include <ctime>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/json_writer.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

// Writes key=value pairs; texts from certificates and requests are quoted and escaped.
class Line {
public:
    Line(std::string_view verb, std::string_view method, std::string_view path) {
        constexpr std::size_t kMostMethodBytes = 32, kUsualSize = 1024;
        text_.reserve(kUsualSize);
        text_.append(verb).append(1, ' ');
        append_for_log(text_, method, kMostMethodBytes);
        text_.append(" \"");
        append_for_log(text_, path, kMostPathBytes);
        text_.append("\":");
    }

    void add(const char* key, std::string_view value) {
        if (value.empty()) return;
        // A file's name.
        if (value.find(' ') != value.npos) return quote(key, value);
        text_.append(1, ' ').append(key).append(1, '=');
        append_for_log(text_, value, kMostNameBytes);
    }
    void quote(const char* key, std::string_view value) {
        text_.append(1, ' ').append(key).append("=\"");
        append_for_log(text_, value, kMostNameBytes);
        text_.append(1, '"');
    }
    std::string with_sentence(std::string_view sentence) && {
        text_.append(": ").append(sentence);
        return std::move(text_);
    }

private:
    std::string text_;
};

// Cuts a text longer than `limit` at the end of a character.
std::string cut(std::string_view text, std::size_t limit) {
    std::size_t size = limit;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
    return std::string(text.substr(0, size)) + "...";
}

// RFC 3339 with microseconds, UTC.
std::string time_text(std::int64_t microseconds) {
    constexpr std::int64_t kMillion = 1'000'000;
    std::string out = format_time(microseconds / kMillion);
    const std::string fraction = std::to_string(kMillion + microseconds % kMillion).substr(1);
    return out.insert(out.size() - 1, "." + fraction);
}

void put_text(JsonWriter& json, const char* key, std::string_view value, std::size_t limit) {
    if (value.size() <= limit) {
        json.member(key, value);
    } else {
        json.member(key, cut(value, limit));
    }
}

void put_certificate(JsonWriter& json, const CertificateText& c, std::size_t most_name) {
    put_text(json, "subject", c.subject, most_name);
    put_text(json, "san", c.san, most_name);
    put_text(json, "issuer", c.issuer, most_name);
    if (!c.serial.empty()) put_text(json, "serial", c.serial, most_name);
    if (!c.not_after.empty()) put_text(json, "not_after", c.not_after, most_name);
    if (!c.sha256.empty()) put_text(json, "sha256", c.sha256, most_name);
}

// In the usual length. A connection has one certificate, and often a line for each of its requests.
const std::string& members_of(const CertificateText& c) {
    return c.audit_members.get([&c] {
        JsonWriter json;
        put_certificate(json.begin_object(), c, kMostNameBytes);
        return std::move(json).text().substr(1);
    });
}

std::string json_of(const Account& a, std::size_t most_name, std::size_t most_path) {
    constexpr std::size_t kUsual = 1400;
    JsonWriter json(0, kUsual);
    const auto add = [&](const char* key, std::string_view value) {
        if (!value.empty()) put_text(json, key, value, most_name);
    };
    json.begin_object();
    json.member("time", time_text(a.time));
    json.member("decision", word_of(a.outcome));
    json.member("reason", word_of(a.reason));
    add("detail", a.detail);
    add("partner", a.partner);
    add("claimed", a.claimed);
    add("via", a.via);
    add("contact", a.contact);
    add("rule", a.rule);
    add("matched", a.matched);
    add("grant", a.grant);
    add("purpose", a.purpose);
    add("directive", a.directive);
    add("gate", a.gate);
    put_text(json, "method", a.method, most_name);
    put_text(json, "path", a.path, most_path);
    add("vhost", a.vhost);
    add("client", a.client);
    add("http", a.http);
    if (a.status != 0) json.member("status", a.status);
    add("request_id", a.request_id);
    add("tls", a.tls);
    if (!a.tls.empty()) json.member("resumed", a.resumed);
    if (a.certificate != nullptr) {
        if (most_name == kMostNameBytes) {
            json.members(members_of(*a.certificate));
        } else {
            put_certificate(json, *a.certificate, most_name);
        }
        add("issuer_spki", a.issuer_spki);
    }
    add("generation", a.generation);
    if (a.duration >= 0) json.member("duration_ns", a.duration);
    json.end_object();
    return std::move(json).text();
}

}  // namespace

std::string denial_line(const Account& a, std::string_view verb) {
    Line line(verb, a.method, a.path);
    line.add("reason", word_of(a.reason));
    if (!a.detail.empty()) line.quote("detail", a.detail);
    line.add("partner", a.partner);
    line.add("claimed", a.claimed);
    line.add("via", a.via);
    if (!a.contact.empty()) line.quote("contact", a.contact);
    line.add("rule", a.rule);
    line.add("grant", a.grant);
    line.add("purpose", a.purpose);
    if (!a.directive.empty()) line.quote("directive", a.directive);
    line.add("gate", a.gate);
    line.add("vhost", a.vhost);
    line.add("tls", a.tls);
    if (!a.tls.empty()) line.add("resumed", a.resumed ? "yes" : "no");
    if (a.certificate != nullptr) {
        line.quote("subject", a.certificate->subject);
        line.quote("san", a.certificate->san);
        line.quote("issuer", a.certificate->issuer);
        line.add("issuer_spki", a.issuer_spki);
        line.add("serial", a.certificate->serial);
        line.add("not_after", a.certificate->not_after);
        line.add("sha256", a.certificate->sha256);
    }
    line.add("generation", a.generation);
    line.add("request_id", a.request_id);
    return std::move(line).with_sentence(advice_for(a.reason, a.detail, a.directive));
}

std::string audit_line(const Account& account) {
    // Halve the limits until the line fits: escaping makes a text up to six times longer.
    for (std::size_t divisor = 1;; divisor *= 2) {
        std::string out = json_of(account, kMostNameBytes / divisor, kMostPathBytes / divisor) + '\n';
        if (out.size() <= kMostAuditBytes) return out;
    }
}

}  // namespace mtls
