#include "mtls_authz/ledger/sighting_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/rules/partner_name.hpp"
#include "mtls_authz/system/file_passing.hpp"

namespace mtls {

namespace {

constexpr std::string_view kTitle = "mod_mtls_authz-sightings-2";
constexpr std::string_view kEnd = "end";

// "-" for an empty text, so that each line has the same number of words.
std::string word(std::string_view text) { return text.empty() ? "-" : hex(bytes_of(text)); }

std::string line_of(const std::string& name, const Sighting& s, const std::optional<SeenCertificate>& kept) {
    std::string out = word(name);
    for (const std::int64_t number : {s.seen, s.not_before, s.not_after, std::int64_t{s.is_purpose_waived}})
        out += " " + std::to_string(number);
    for (const std::string_view text :
         {s.subject.view(), s.serial.view(), s.sha256.view(), s.key.view(), s.issuer.view(), s.san.view()})
        out += " " + word(text);
    out += " " + word(kept ? kept->chain.view() : "") + " " + word(kept ? kept->above.view() : "");
    return out + "\n";
}

// Parses the words of a line. A missing or malformed word makes the line invalid.
class Words {
public:
    explicit Words(std::string_view line) : words_(split(line, ' ')) {}
    std::int64_t number() {
        const std::string_view text = next();
        std::int64_t out = 0;
        const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (wrong != std::errc() || end != text.data() + text.size()) is_good_ = false;
        return out;
    }
    std::string text() {
        const std::string_view word = next();
        if (word == "-") return {};
        const auto bytes = from_hex(word, false);
        if (!bytes || bytes->empty()) is_good_ = false;
        return bytes.value_or("");
    }
    std::string_view next() {
        if (at_ < words_.size()) return words_[at_++];
        is_good_ = false;
        return {};
    }
    bool end_well() const { return is_good_ && at_ == words_.size(); }

private:
    std::vector<std::string_view> words_;
    std::size_t at_ = 0;
    bool is_good_ = true;
};

struct Line {
    std::string name;
    Sighting sighting;
    SeenCertificate certificate;
};

std::optional<Line> read_line(std::string_view text) {
    Words words(text);
    Line out;
    out.name = words.text();
    Sighting& s = out.sighting;
    s.seen = words.number();
    s.not_before = words.number();
    s.not_after = words.number();
    s.is_purpose_waived = words.number() != 0;
    s.subject = words.text();
    s.serial = words.text();
    s.sha256 = words.text();
    s.key = words.text();
    s.issuer = words.text();
    s.san = words.text();
    out.certificate.chain = words.text();
    out.certificate.above = words.text();
    if (!words.end_well() || out.name.empty()) return std::nullopt;
    return out;
}

}  // namespace

std::string sightings_text(const Sightings& sightings, std::int64_t watched_since) {
    std::string out = std::string(kTitle) + " " + std::to_string(watched_since) + "\n";
    std::size_t lines = 0;
    for (const Sightings::Seen& seen : sightings.all()) {
        // Oldest first, so that reading in this order restores the order of sightings.
        for (auto it = seen.certificates.rbegin(); it != seen.certificates.rend(); ++it) {
            const Sighting& sighting = it->sighting;
            auto kept = sightings.certificate(seen.number, sighting);
            const bool is_its = kept && hex(bytes_of(sha256(kept->leaf()))) == sighting.sha256.view();
            out += line_of(seen.name, sighting, is_its ? kept : std::nullopt);
            ++lines;
        }
    }
    return out + std::string(kEnd) + " " + std::to_string(lines) + "\n";
}

Result<std::int64_t> restore_sightings(const std::string& text, const Policy* policy, Sightings& sightings) {
    if (!text.ends_with('\n')) return Error{"it is cut off"};
    const auto lines = split(std::string_view(text).substr(0, text.size() - 1), '\n');
    Words title(lines.front());
    if (title.next() != kTitle) return Error{"it is of something else, or of another version"};
    const std::int64_t since = title.number();
    Words end(lines.back());
    const bool is_end = end.next() == kEnd;
    const auto count = static_cast<std::size_t>(end.number());
    if (!title.end_well() || !is_end || !end.end_well() || count + 2 != lines.size()) return Error{"it is cut off"};
    std::vector<Line> read;
    for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
        auto line = read_line(lines[i]);
        if (!line) return Error{"line " + std::to_string(i + 1) + " is damaged"};
        read.push_back(std::move(*line));
    }
    for (const Line& line : read) {
        if (policy != nullptr && policy->find(line.name) == nullptr) continue;
        const std::size_t number = sightings.number_of(partner_key(line.name), line.name);
        if (!sightings.see_earlier(number, line.sighting)) continue;
        if (!line.certificate.chain.view().empty()) sightings.keep(number, line.sighting, line.certificate);
    }
    return since;
}

std::string write_sightings(const std::string& path, const std::string& text) {
    const std::string next = path + ".new";
    const auto fault = [&](const char* what) { return std::string(what) + " " + next + ": " + std::strerror(errno); };
    constexpr mode_t kOwnerAlone = 0600;
    unlink(next.c_str());
    const OwnedFile file(open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kOwnerAlone));
    if (file.get() < 0) return fault("cannot make");
    for (std::size_t at = 0; at < text.size();) {
        const ssize_t written = write(file.get(), text.data() + at, text.size() - at);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            std::string out = fault("cannot write");
            unlink(next.c_str());
            return out;
        }
        at += static_cast<std::size_t>(written);
    }
    return rename(next.c_str(), path.c_str()) == 0 ? "" : fault("cannot rename");
}

}  // namespace mtls
