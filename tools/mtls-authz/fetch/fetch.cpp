
#include "fetch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <mutex>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../terminal.hpp"
#include "answers.hpp"
#include "bundles.hpp"
#include "lists.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

using Job = std::function<void()>;
using Bundles = std::map<std::string, std::vector<BundleEndpoint>>;  // by trust domain

// A slow server delays only the jobs of its thread.
void run_side_by_side(const std::vector<Job>& jobs) {
    constexpr std::size_t kMostThreads = 8;
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t i = next++; i < jobs.size(); i = next++) jobs[i]();
    };
    std::vector<std::future<void>> threads;
    while (threads.size() < std::min(kMostThreads, jobs.size()))
        threads.push_back(std::async(std::launch::async, work));
    for (std::future<void>& thread : threads) thread.get();
}

class Fetch {
public:
    Fetch(const FetchOptions& options, Store& store, const Sources& sources, const Client& client, Report& report)
        : options_(options),
          store_(store),
          sources_(sources),
          client_(client),
          report_(report),
          lines_(store, report) {}

    void run(const Bundles& bundles) {
        const SeenLeaves seen = read_seen(options_.certificates, options_.audit_logs, sources_, now_, report_);
        const auto lists = find_lists(sources_, addresses(options_.crls), seen.list_hints, report_);
        const auto questions = find_ocsp_jobs(seen, sources_, addresses(options_.responders), report_);
        constexpr int kBitsOfMib = 20;
        const std::size_t most = options_.most_mib << kBitsOfMib;
        for (const auto& bundle : bundles) {
            add_job(files_, "bundle", bundle.second.front().url, [&, &endpoints = bundle.second] {
                take(endpoints.front().file(), fetch_bundle(endpoints, store_, client_, now_));
            });
        }
        for (const ListJob& job : lists) {
            add_job(files_, "crl", job.urls.front(),
                    [&] { take(job.file, fetch_list(job, store_, client_, most, now_)); });
        }
        const std::string fault = lines_.read();
        if (!fault.empty()) fail_lines(fault);
        for (const OcspJob& job : questions) {
            if (!fault.empty()) break;
            add_job(questions_, "ocsp", job.urls.front(), [&] {
                ask_responder(job, lines_, client_, now_, report_);
                write_lines();
            });
        }
        // Neither waits for the other's servers.
        auto asking = std::async(std::launch::async, [&] { run_side_by_side(questions_); });
        run_side_by_side(files_);
        asking.get();
        if (fault.empty()) write_lines();
        // Only after the jobs, which read store_.files.
        for (auto& [file, note] : notes_) store_.files[file] = std::move(note);
        const std::string notes_fault = store_.write_notes();
        if (!notes_fault.empty()) report_.add({Fetched::kFailed, "notes", "", "", notes_fault});
    }
    // Whether an option names a CA file that is not there.
    bool some_missing() const { return some_missing_; }

private:
    // CA files are looked for below --root first, where the policy's begin.
    std::vector<NamedAddress> addresses(const std::vector<std::string>& texts) {
        namespace fs = std::filesystem;
        std::vector<NamedAddress> out;
        for (const std::string& text : texts) {
            NamedAddress& address = out.emplace_back(NamedAddress::parse(text));
            const fs::path below = fs::path(absolute_root(options_.root)) / address.ca_file;
            std::error_code none;
            if (!address.ca_file.empty() && fs::exists(below, none)) address.ca_file = below;
            if (!address.ca_file.empty() && !fs::exists(address.ca_file, none)) some_missing_ = true;
        }
        return out;
    }
    // An exception fails only its own job.
    void add_job(std::vector<Job>& jobs, const char* kind, const std::string& url, Job job) {
        jobs.push_back([this, kind, url, job = std::move(job)] {
            try {
                job();
            } catch (const std::exception& e) {
                report_.add({Fetched::kFailed, kind, url, "", e.what(), "what is at hand stays in force"});
            }
        });
    }
    void fail_lines(const std::string& fault) {
        report_.add({Fetched::kFailed, "ocsp", "", lines_.path(), fault, "what it holds stays in force"});
    }
    void write_lines() {
        const std::string fault = lines_.write();
        if (!fault.empty()) fail_lines(fault);
    }
    // Writes the fetched content, notes it, and reports the result.
    void take(const std::string& file, FetchedFile fetched) {
        const std::string fault = fetched.content.empty() ? std::string() : store_.write(file, fetched.content);
        if (!fault.empty()) {
            fetched.result.result = Fetched::kFailed;
            fetched.result.what += " cannot be written: " + fault;
            fetched.result.in_force = "what is at hand stays in force";
        }
        if (fetched.result.result != Fetched::kFailed) {
            const std::lock_guard lock(mutex_);
            notes_[file] = std::move(fetched.note);
        }
        report_.add(std::move(fetched.result));
    }

    const FetchOptions& options_;
    Store& store_;
    const Sources& sources_;
    const Client& client_;
    Report& report_;
    RevokedLines lines_;
    const std::int64_t now_ = std::time(nullptr);
    std::vector<Job> files_, questions_;
    std::mutex mutex_;
    bool some_missing_ = false;
    std::map<std::string, FileNote> notes_;  // files that are new, or were confirmed unchanged
};

const char* word_of(Fetched result) {
    switch (result) {
        case Fetched::kNew:
            return "new";
        case Fetched::kUnchanged:
            return "unchanged";
        case Fetched::kNote:
            return "note";
        case Fetched::kFailed:
            break;
    }
    return "failed";
}

std::string line_of(const FetchResult& r, bool dry) {
    std::string out = r.address;
    if (!r.file.empty()) out += (out.empty() ? "" : " -> ") + r.file;
    out += (out.empty() ? "" : ": ") + r.what;
    if (r.result == Fetched::kNew && dry) out += " (not written: --dry-run)";
    if (!r.in_force.empty()) out += "; " + r.in_force;
    return out;
}

Json json_of(const FetchResult& r) {
    const auto text = [](const std::string& value) { return value.empty() ? Json(nullptr) : Json(value); };
    return {{"result", word_of(r.result)}, {"kind", r.kind},       {"address", text(r.address)},
            {"file", text(r.file)},        {"what", text(r.what)}, {"in_force", text(r.in_force)}};
}

// Returns the exit status.
int print_report(const FetchOptions& options, const Report& report, bool unreadable) {
    const auto results = report.sorted();
    const bool failed =
        std::any_of(results.begin(), results.end(), [](const FetchResult& r) { return r.result == Fetched::kFailed; });
    if (options.json) {
        Json all = Json::array();
        for (const FetchResult& r : results) all.push_back(json_of(r));
        std::cout << one_line({{"ok", !failed && !unreadable}, {"dry_run", options.dry_run}, {"results", all}}) << '\n';
    } else {
        for (const FetchResult& r : results) {
            const std::string line = line_of(r, options.dry_run);
            if (r.result == Fetched::kFailed) {
                complain(shown(line));
            } else {
                std::cout << word_of(r.result) << ": " << shown(line) << '\n';
            }
        }
    }
    return unreadable ? kNotDone : failed ? kErrorsFound : kFine;
}

}  // namespace

int fetch(const FetchOptions& options) {
    std::vector<Network> networks;
    for (const std::string& text : options.networks) {
        const auto network = Network::parse(text);
        if (!network) return complain("--allow-network: " + network.error());
        networks.push_back(network.value());
    }
    Bundles bundles;
    for (const std::string& text : options.bundles) {
        const auto endpoint = BundleEndpoint::parse(text);
        if (!endpoint) return complain("--bundle: " + endpoint.error());
        bundles[endpoint.value().trust_domain].push_back(endpoint.value());
    }
    ClientOptions client_options;
    client_options.networks = ReachableNetworks(std::move(networks));
    client_options.proxy = options.proxy;
    client_options.web_ca = options.web_ca;
    client_options.timeout = options.timeout;
    client_options.end = std::chrono::steady_clock::now() + std::chrono::seconds(options.most_time);
    const Client client(std::move(client_options));
    const Sources sources = read_sources(options.policy, options.root, options.server_cas, std::time(nullptr));
    Report report;
    const bool is_empty = sources.partners.empty() && bundles.empty();
    if (is_empty && sources.findings.empty()) return complain("the policy names no CA certificate that is in force");
    for (const Diagnostic& finding : sources.findings) {
        report.add({Fetched::kFailed, "policy", "", finding.where.str(), finding.message,
                    "what it names is not fetched, all else is"});
    }
    auto store = Store::open(options.into, options.dry_run);
    if (!store) return complain(store.error());
    if (!store.value()->notes_fault().empty()) {
        report.add({Fetched::kFailed, "notes", "", "", store.value()->notes_fault()});
    }
    Fetch work(options, *store.value(), sources, client, report);
    work.run(bundles);
    return print_report(options, report, sources.unreadable || is_empty || work.some_missing());
}

}  // namespace mtls::tool
