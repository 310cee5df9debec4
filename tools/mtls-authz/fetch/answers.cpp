
#include "answers.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/load/refusal_directives.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "ocsp.hpp"

namespace mtls::tool {

namespace {

constexpr const char* kFile = "revoked/ocsp.conf";

}  // namespace

std::vector<OcspJob> find_ocsp_jobs(const SeenLeaves& seen, const Sources& sources,
                                    const std::vector<NamedAddress>& named, Report& report) {
    std::map<std::string, OcspJob> jobs;  // by the issuer's key
    for (const auto& [id, leaf] : seen.leafs) {
        OcspJob& job = jobs[leaf.issuer->key];
        job.issuer = leaf.issuer;
        job.leafs.push_back(leaf);
    }
    const auto add = [](OcspJob& job, const std::string& url) {
        if (std::find(job.urls.begin(), job.urls.end(), url) == job.urls.end()) job.urls.push_back(url);
    };
    for (const NamedAddress& address : named) {
        const auto cas = address.cas_of(sources);
        if (!cas) {
            report.add({Fetched::kFailed, "ocsp", address.url, "", cas.error(), "it is not asked"});
            continue;
        }
        for (const auto& ca : cas.value()) {
            const auto job = jobs.find(ca->key);
            if (job != jobs.end()) add(job->second, address.url);
        }
    }
    const PolicyCas all = sources.all();
    std::vector<OcspJob> out;
    for (auto& [key, job] : jobs) {
        for (const auto& ca : all) {
            if (ca->issuer != job.issuer->name || !job.issuer->issued(*ca->certificate)) continue;
            for (const std::string& url : responder_urls(*ca->certificate)) add(job, url);
        }
        if (!job.urls.empty()) {
            out.push_back(std::move(job));
            continue;
        }
        const auto hint = seen.responder_hints.find(job.issuer->name);
        report.add(
            {Fetched::kNote, "ocsp", "", job.issuer->file,
             "no certificate of the policy says where " + quoted(job.issuer->name_text) + " answers by OCSP, and " +
                 std::to_string(job.leafs.size()) + " certificate(s) of it were seen: name the address with --ocsp " +
                 job.issuer->file + "=" +
                 (hint == seen.responder_hints.end() ? "URL"
                                                     : hint->second + ", as a certificate that it issued says")});
    }
    return out;
}

// ---- the lines -----------------------------------------------------------------------------------------------------

namespace {

constexpr std::string_view kHeader =
    "# Written by mtls-authz fetch: certificates that an OCSP responder says are revoked. A line goes when its\n"
    "# certificate has expired, or its responder says that it is no longer on hold; nothing else takes one away.\n"
    "# A line that you take out is asked about again, and lines that you add stay.\n";

bool is_usable(const std::string& line) {
    std::vector<Diagnostic> faults;
    const auto read = read_single_directives(line + "\n", kFile, faults);
    return faults.empty() && read.size() == 1 && read_revocation(read.front()).ok();
}

// The serial number in the form that cert-serial: accepts.
std::string written_serial(std::string serial) {
    const std::size_t digits = serial.starts_with('-') ? 1 : 0;
    return reads_as_decimal(std::string_view(serial).substr(digits)) ? serial.insert(digits, "0x") : serial;
}

std::string read_serial(std::string serial) {
    const std::size_t digits = serial.starts_with('-') ? 1 : 0;
    return serial.compare(digits, 2, "0x") == 0 ? serial.erase(digits, 2) : serial;
}

// Identifies the certificate by issuer and serial number, as CAs do. The issuer's key is what matches; its name, if it
// can be written, separates equal serial numbers of CAs below it.
std::string line_of(const SeenLeaf& leaf, const OcspAnswer& answer) {
    const std::string pins = leaf.has_long_serial() ? leaf.id()
                                                    : "issuer.spki-sha256:" + hex(bytes_of(leaf.issuer->key)) +
                                                          " cert-serial:" + written_serial(leaf.serial);
    std::string note = "note=OCSP " + format_time(answer.this_update) + ": revoked " + format_time(answer.revoked_at);
    if (!answer.reason.empty()) note += ", " + answer.reason;
    if (leaf.not_after != 0) note += "; certificate until " + format_time(leaf.not_after);
    const std::string rest = pins + " " + config_quote(note);
    const auto written = NamePattern::parse(leaf.issuer->name_text);
    const bool is_same =
        written && written.value().matches(read_name(*X509_get_subject_name(leaf.issuer->certificate.get())));
    std::string line = "MTLSRevoke " + config_quote("issuer:" + leaf.issuer->name_text) + " " + rest;
    return is_same && is_usable(line) ? line : "MTLSRevoke " + rest;
}

struct ReadLine {
    std::string id;
    std::int64_t this_update = 0;
    std::int64_t not_after = 0;  // 0: not known
    bool is_on_hold = false;
};

std::int64_t date_behind(const std::string& text, std::string_view word) {
    constexpr std::size_t kDateTime = 20;
    const std::size_t at = text.find(word);
    if (at == std::string::npos) return 0;
    const auto date = parse_date(text.substr(at + word.size(), kDateTime), DateEdge::kUntil);
    return date ? date.value() : 0;
}

// nullopt if the line was not written by fetch.
std::optional<ReadLine> read_line(const std::string& line) {
    constexpr std::string_view kKey = "issuer.spki-sha256:", kSerial = "cert-serial:", kDigest = "sha256:",
                               kNote = "note=OCSP ";
    std::string key, serial, digest, note;
    const auto words = config_words(line);
    if (words.empty() || words.front() != "MTLSRevoke") return std::nullopt;
    for (const std::string& word : words) {
        if (word.starts_with(kKey)) key = word.substr(kKey.size());
        if (word.starts_with(kSerial)) serial = read_serial(word.substr(kSerial.size()));
        if (word.starts_with(kDigest)) digest = word;
        if (word.starts_with(kNote)) note = word;
    }
    const std::string id = !digest.empty() ? digest : key.empty() || serial.empty() ? "" : key + ":" + serial;
    if (id.empty() || note.empty()) return std::nullopt;
    return ReadLine{id, date_behind(note, kNote), date_behind(note, "; certificate until "),
                    note.find(", certificateHold") != std::string::npos};
}

// A line of fetch as cert-serial: reads it.
std::string repaired(const std::string& line) {
    constexpr std::string_view kSerial = "cert-serial:";
    std::string out;
    for (const std::string& word : config_words(line)) {
        const bool is_serial = word.starts_with(kSerial);
        out += (out.empty() ? "" : " ") +
               (is_serial ? std::string(kSerial) + written_serial(read_serial(word.substr(kSerial.size())))
                          : config_quote(word));
    }
    return out;
}

}  // namespace

std::string RevokedLines::path() const { return store_.path(kFile); }

std::string RevokedLines::read() {
    const auto content = store_.read(kFile);
    if (!content) return content.error();
    content_ = content.value();
    if (trim(content_).empty()) {
        for (const auto& [id, note] : store_.answers) {
            if (!note.line.empty()) keep(id, note.line);
        }
        return {};
    }
    const std::string_view body =
        content_.starts_with(kHeader) ? std::string_view(content_).substr(kHeader.size()) : std::string_view(content_);
    for (const std::string_view part : split(body, '\n')) {
        const std::string line(part);
        const auto ours = read_line(line);
        if (ours) {
            keep(ours->id, line);
        } else if (!trim(line).empty()) {
            others_.push_back(line);
        }
    }
    return {};
}

void RevokedLines::keep(const std::string& id, const std::string& line) {
    if (is_usable(line)) {
        lines_[id] = line;
        return;
    }
    const std::string better = repaired(line);
    if (!is_usable(better)) {
        others_.push_back(line);
        return;
    }
    lines_[id] = better;
    report_.add({Fetched::kNew, "ocsp", "", path(),
                 "the line of certificate " + id.substr(id.find(':') + 1) +
                     " refused nothing: it is written as the server reads it"});
}

RevokedLines::Change RevokedLines::take(const SeenLeaf& leaf, const OcspAnswer& answer) {
    const std::lock_guard lock(mutex_);
    std::int64_t& time = time_[hex(bytes_of(leaf.issuer->key))];
    time = std::max(time, answer.this_update);
    const std::string id = leaf.id(), what = "certificate " + leaf.serial + " of " + quoted(leaf.issuer->name_text);
    const auto line = lines_.find(id);
    const auto old = line != lines_.end() ? read_line(line->second) : std::nullopt;
    const auto note = store_.answers.find(id);
    const std::int64_t last =
        std::max(note != store_.answers.end() ? note->second.this_update : 0, old ? old->this_update : 0);
    const bool is_revoked = answer.status == OcspAnswer::Status::kRevoked;
    // An answer made in advance may be older than one that another server of the responder has made.
    if (answer.this_update < last && !is_revoked) {
        return {"", "the answer of " + format_time(answer.this_update) + " is older than the last one, of " +
                        format_time(last)};
    }
    if (answer.status == OcspAnswer::Status::kUnknown) return {"", "the responder does not know it"};
    AnswerNote new_note{is_revoked ? "revoked" : "good", std::max(answer.this_update, last), answer.next_update, {}};
    Change out;
    if (is_revoked) {
        // Keep an unchanged line byte for byte, or the server would log it as a new refusal.
        const bool is_same = old && old->is_on_hold == answer.is_on_hold();
        new_note.line = is_same ? line->second : line_of(leaf, answer);
        if (!is_same) {
            out.what = what + " is revoked since " + format_time(answer.revoked_at) +
                       (answer.reason.empty() ? "" : " (" + answer.reason + ")");
        }
        lines_[id] = new_note.line;
    } else if (line != lines_.end()) {
        // Only lines on hold are asked about again.
        if (answer.this_update == last) return {"", "two answers of one time say that it is good, and revoked"};
        lines_.erase(line);
        out.what = what + " is no longer on hold";
    }
    store_.answers[id] = std::move(new_note);
    return out;
}

bool RevokedLines::is_final(const SeenLeaf& leaf) const {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(leaf.id());
    if (line == lines_.end()) return false;
    const auto read = read_line(line->second);
    return !read || !read->is_on_hold;
}

std::string RevokedLines::last_answer(const SeenLeaf& leaf) const {
    const std::lock_guard lock(mutex_);
    if (lines_.contains(leaf.id())) return "it stays revoked";
    const auto note = store_.answers.find(leaf.id());
    if (note == store_.answers.end()) return "nothing refuses it";
    const std::int64_t until = note->second.next_update;
    return "nothing refuses it: the last answer was " + note->second.status + ", of " +
           format_time(note->second.this_update) + (until != 0 ? ", for until " + format_time(until) : "");
}

std::string RevokedLines::write() {
    const std::lock_guard lock(mutex_);
    std::erase_if(lines_, [&](const auto& line) {
        const auto& [id, text] = line;
        const auto read = read_line(text);
        const auto time = time_.find(id.substr(0, id.find(':')));
        if (!read || read->not_after == 0 || time == time_.end() || time->second < read->not_after + kDay) return false;
        report_.add({Fetched::kNew, "ocsp", "", path(),
                     "certificate " + id.substr(id.find(':') + 1) +
                         " has expired, by the clock of its CA's responder: its line is taken out"});
        store_.answers.erase(id);
        return true;
    });
    std::string content(kHeader);
    for (const std::string& line : others_) content += line + "\n";
    for (const auto& [id, line] : lines_) content += line + "\n";
    if (content == content_) return {};
    std::string fault = store_.write(kFile, content);
    if (fault.empty()) content_ = std::move(content);
    return fault;
}

// ---- asking --------------------------------------------------------------------------------------------------------

namespace {

// The result of one request.
struct AskResult {
    std::string fault;
    std::string url;  // the responder that answered, or was asked last
};

class ResponderRun {
public:
    ResponderRun(const OcspJob& job, RevokedLines& lines, const Client& client, std::int64_t now, Report& report)
        : job_(job), urls_(job.urls), lines_(lines), client_(client), now_(now), report_(report) {}

    void run() {
        std::size_t done = 0;
        for (; done < job_.leafs.size(); ++done) {
            const SeenLeaf& leaf = job_.leafs[done];
            if (lines_.is_final(leaf)) continue;
            if (is_over()) {
                report_rest(done, "there was no time left");
                break;
            }
            const AskResult asked = ask(leaf);
            if (urls_.empty()) {
                report_rest(done, asked.fault);
                break;
            }
            if (!asked.fault.empty()) note_fault(leaf, asked);
        }
        report_results();
    }

private:
    struct Fault {
        std::size_t count = 0;
        std::string url, serial, in_force;
    };

    bool is_over() const { return std::chrono::steady_clock::now() >= end_; }
    AskResult ask(const SeenLeaf& leaf) {
        HttpRequest question;
        question.body = ocsp_request(*leaf.issuer->certificate, leaf.serial);
        question.content_type = "application/ocsp-request";
        constexpr std::size_t kMostAnswer = 256UL << 10;
        question.limit = kMostAnswer;
        AskResult out;
        for (std::size_t i = 0; i < urls_.size();) {
            out.url = question.url = urls_[i];
            const HttpAnswer answer = client_.ask(question);
            out.fault = answer.fault;
            if (answer.is_dead && is_over()) return out;
            if (answer.is_dead) {
                urls_.erase(urls_.begin() + static_cast<std::ptrdiff_t>(i));
                continue;
            }
            ++i;
            if (!out.fault.empty()) continue;
            const auto read = read_ocsp_answer(answer.content, *leaf.issuer->certificate, leaf.serial, now_);
            if (!read) {
                out.fault = "the answer " + read.error();
                continue;
            }
            const auto change = lines_.take(leaf, read.value());
            out.fault = change.objection;
            if (!out.fault.empty()) continue;
            if (!change.what.empty()) report_.add({Fetched::kNew, "ocsp", out.url, lines_.path(), change.what});
            ++answered_;
            return out;
        }
        return out;
    }
    // Groups certificates with the same fault into one line.
    void note_fault(const SeenLeaf& leaf, const AskResult& asked) {
        Fault& fault = faults_[asked.fault];
        if (fault.count++ == 0) fault = {1, asked.url, leaf.serial, lines_.last_answer(leaf)};
    }
    void report_rest(std::size_t done, const std::string& why) {
        report_.add({Fetched::kFailed, "ocsp", job_.urls.front(), lines_.path(),
                     std::to_string(job_.leafs.size() - done) + " certificate(s) of " + quoted(job_.issuer->name_text) +
                         " were not asked about: " + why,
                     "what was revoked stays so"});
    }
    void report_results() {
        for (const auto& [what, fault] : faults_) {
            std::string about = "certificate " + fault.serial;
            if (fault.count > 1) about += " and " + std::to_string(fault.count - 1) + " more";
            about += " of ";
            about += quoted(job_.issuer->name_text);
            about += ": ";
            about += what;
            report_.add({Fetched::kFailed, "ocsp", fault.url, lines_.path(), std::move(about), fault.in_force});
        }
        if (answered_ > 0) {
            report_.add({Fetched::kUnchanged, "ocsp", job_.urls.front(), lines_.path(),
                         std::to_string(answered_) + " certificate(s) of " + quoted(job_.issuer->name_text) +
                             " were asked about"});
        }
    }

    const OcspJob& job_;
    std::vector<std::string> urls_;  // without dead responders
    RevokedLines& lines_;
    const Client& client_;
    const std::int64_t now_;
    Report& report_;
    static constexpr long kSlowAnswers = 10;  // then other issuers get their turn; the timer runs fetch again
    const std::chrono::steady_clock::time_point end_ =
        std::chrono::steady_clock::now() + std::chrono::seconds(kSlowAnswers * client_.timeout());
    std::map<std::string, Fault> faults_;
    std::size_t answered_ = 0;
};

}  // namespace

void ask_responder(const OcspJob& job, RevokedLines& lines, const Client& client, std::int64_t now, Report& report) {
    ResponderRun(job, lines, client, now, report).run();
}

}  // namespace mtls::tool
