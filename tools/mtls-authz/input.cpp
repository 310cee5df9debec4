#include "input.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <set>
#include <utility>

#include "mtls_authz/base/file.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/load/crl_files.hpp"
#include "mtls_authz/load/revocation_files.hpp"

namespace mtls::tool {

namespace {

Result<std::string> read_at_most(std::size_t limit, const std::string& file) {
    if (file != "-") return read_whole_file(file, limit);
    std::string content((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    if (content.size() > limit) return Error{"is larger than " + std::to_string(limit >> 20) + " MiB"};
    return content;
}

}  // namespace

std::string absolute_root(const std::string& root) {
    return (std::filesystem::absolute(root) / "").lexically_normal().parent_path();
}

std::string name_for_server(const std::string& file, const std::string& root) {
    const auto path = std::filesystem::absolute(file).lexically_normal();
    const auto below = path.lexically_relative(absolute_root(root));
    const bool is_below = root != "." && !below.empty() && *below.begin() != "..";
    return is_below ? below : path;
}

std::string anchor_name(const std::string& file, const std::string& root) {
    std::error_code none;
    const std::string prefix(file.starts_with(kBundlePrefix) ? kBundlePrefix : "");
    const std::string path = file.substr(prefix.size());
    const bool is_in_root = std::filesystem::exists(std::filesystem::path(absolute_root(root)) / path, none);
    if (is_in_root || !std::filesystem::exists(path, none)) return file;
    return prefix + name_for_server(path, root);
}

Result<std::string> read_input(const std::string& file) { return read_at_most(kLargestCertificateFile, file); }

Result<std::vector<std::string>> files_below(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code fault;
    if (!fs::is_directory(path, fault)) return std::vector<std::string>{path};
    std::vector<std::string> out;
    for (fs::recursive_directory_iterator i(path, fault), end; !fault && i != end; i.increment(fault)) {
        std::error_code none;
        if (i->is_regular_file(none)) out.push_back(i->path());
    }
    if (fault) return Error{fault.message()};
    std::sort(out.begin(), out.end());
    return out;
}

Result<std::shared_ptr<const PresentedCertificate>> read_client(const std::string& file,
                                                                const std::vector<std::string>& more) {
    std::vector<X509Ptr> certificates;
    std::vector<std::string> files = {file};
    files.insert(files.end(), more.begin(), more.end());
    for (const std::string& name : files) {
        const auto content = read_input(name);
        if (!content) return Error{name + ": " + content.error()};
        auto found = decode_certificates(content.value());
        if (!found) return Error{name + ": " + found.error()};
        for (X509Ptr& certificate : found.value()) certificates.push_back(std::move(certificate));
    }
    std::vector<X509*> chain;
    for (std::size_t i = 1; i < certificates.size(); ++i) chain.push_back(certificates[i].get());
    X509& leaf = *certificates.front();
    put_path_first(leaf, chain);
    return std::make_shared<const PresentedCertificate>(leaf, useful_helpers(leaf, chain));
}

namespace {

// Reads each file once, even if several patterns match it.
class PolicyReader {
public:
    PolicyReader(const std::string& root, Dumps dumps, PolicyInput& out)
        : builder_(absolute_root(root), disk_), out_(out), is_default_root_(root == "."), dumps_(dumps) {}

    void add_files(const std::string& pattern) {
        const auto files = expand(pattern);
        if (!files) return fail(pattern, files.error());
        if (files.value().empty()) return fail(pattern, "no file fits this pattern");
        for (const std::string& file : files.value()) {
            if (seen_.insert(std::filesystem::absolute(file).lexically_normal()).second) add_file(file);
        }
    }
    void add_text(const std::string& text, const std::string& file) {
        const Origin origin = is_dump_ && text.starts_with(kDumpHead) ? Origin::kDump : Origin::kPolicyFile;
        read_each_directive(text, file, out_.findings,
                            [&](const Directive& directive) { builder_.add(directive, origin); });
    }
    // The policy's part of httpd.conf; its relative paths begin at the server's ServerRoot.
    void add_server(const GateMap& server, const std::string& root) {
        builder_.set_root(server.server_root);
        for (const Directive& directive : server.policy) builder_.add(directive);
        builder_.set_root(absolute_root(root));
    }
    void finish() {
        if (out_.findings.empty()) out_.policy = builder_.build();
        out_.suspended_names = builder_.suspended_names();
        out_.findings.insert(out_.findings.end(), builder_.diagnostics().begin(), builder_.diagnostics().end());
        if (!is_default_root_) return;
        // --root is missing rather than that folder.
        const std::string below = ": cannot read '" + absolute_root(".") + "/";
        std::string advice =
            "; relative paths in policies begin at --root DIR, the server's ServerRoot, and at the "
            "current folder without it";
        for (Diagnostic& finding : out_.findings) {
            if (finding.message.find(below) == std::string::npos) continue;
            finding.message.resize(std::min(finding.message.find("; there is no folder"), finding.message.size()));
            finding.message += std::exchange(advice, {});
        }
    }

private:
    // The first line of what `httpd -t -D DUMP_MTLS_POLICY` prints.
    static constexpr std::string_view kDumpHead = "# MTLS policy, generation ";

    void fail(const std::string& file, const std::string& why) {
        out_.unreadable = true;
        out_.findings.push_back({Diagnostic::Severity::kError, {file, 0}, "cannot be read: " + why});
    }
    void add_file(const std::string& file) {
        const auto content = read_at_most(kLargestPolicyFile, file);
        if (!content) return fail(file, content.error());
        is_dump_ = dumps_ == Dumps::kAnywhere || file == "-";
        if (!trim(content.value()).empty()) return add_text(content.value(), file);
        out_.findings.push_back(
            {Diagnostic::Severity::kError, {file, 0}, "the policy file is empty, so the server refuses it"});
    }

    DiskFiles disk_;
    PolicyBuilder builder_;
    PolicyInput& out_;
    const bool is_default_root_;
    const Dumps dumps_;
    bool is_dump_ = false;  // the text may be a dump
    std::set<std::string> seen_;
};

}  // namespace

PolicyInput read_policy(const std::vector<std::string>& files, const std::string& root, Dumps dumps,
                        const GateMap* server) {
    PolicyInput out;
    PolicyReader reader(root, dumps, out);
    if (server != nullptr) reader.add_server(*server, root);
    for (const std::string& file : files) reader.add_files(file);
    reader.finish();
    return out;
}

PolicyInput read_policy_text(const std::string& text, const std::string& root) {
    PolicyInput out;
    PolicyReader reader(root, Dumps::kStandardInput, out);
    reader.add_text(text, "");
    reader.finish();
    return out;
}

namespace {

// Reports missing files as errors: the server only warns of them, but on a command line they are a mistake.
void watch_all(const std::vector<std::string>& names, Refusing& out, const std::function<void(WatchedFiles)>& watch) {
    for (const std::string& name : names) {
        const auto files = expand(name);
        std::string fault = !files ? files.error() : files.value().empty() ? "no file fits this pattern" : "";
        for (const std::string& file : files ? files.value() : std::vector<std::string>()) {
            const auto content = read_input(file);
            if (!content) fault = content.error();
        }
        watch({std::filesystem::absolute(name), name, {}});
        if (fault.empty()) continue;
        out.unreadable = true;
        out.findings.push_back({Diagnostic::Severity::kError, {name, 0}, "cannot be read: " + fault});
    }
}

}  // namespace

Refusing read_refusing(const Policy& policy, const std::vector<std::string>& revocations,
                       const std::vector<std::string>& crls, const std::vector<X509Ptr>& more) {
    Refusing out;
    RevocationFiles lines;
    watch_all(revocations, out, [&lines](WatchedFiles file) { lines.watch(std::move(file)); });
    if (out.unreadable) return out;
    lines.look(out.findings);
    out.refusals = lines.refusals();

    const CasByName cas_by_name = [&](const std::string& name) {
        auto cas = policy.cas().cas_named(name);
        for (const X509Ptr& ca : more) {
            if (read_name(*X509_get_subject_name(ca.get())).canonical == name) cas.push_back(share(*ca));
        }
        return cas;
    };
    const CasByName anchors = [&](const std::string& name) { return policy.ends_named(name, more); };
    CrlFiles lists;
    std::vector<WatchedFiles> files = policy.crl_files();
    watch_all(crls, out, [&files](WatchedFiles file) { files.push_back(std::move(file)); });
    if (out.unreadable) return out;
    lists.watch(files, cas_by_name);
    std::vector<Diagnostic> findings;
    lists.look(cas_by_name, anchors, findings);
    for (Diagnostic& finding : findings) {
        if (finding.message.find(kIsOlder) != std::string::npos) finding.severity = Diagnostic::Severity::kWarning;
    }
    // The server may have an older list of such a file, which is not known here.
    out.unreadable = has_error(findings);
    out.findings.insert(out.findings.end(), findings.begin(), findings.end());
    out.crls = lists.crls();
    return out;
}

}  // namespace mtls::tool
