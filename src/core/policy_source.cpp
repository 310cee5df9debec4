#include "mtls_authz/policy_source.hpp"

#include <cerrno>
#include <cstring>

#include "mtls_authz/file.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

std::string PolicySource::add(Directive directive) {
    // A builder of its own: what is wrong between directives is found by build().
    PolicyBuilder builder(root_);
    builder.add(directive);
    std::string errors;
    for (const Diagnostic& d : builder.diagnostics()) {
        if (d.severity != Diagnostic::Severity::kError) continue;
        errors += (errors.empty() ? "" : "; ") + d.where.str() + ": " + d.message;
    }
    directives_.push_back(std::move(directive));
    return errors;
}

std::shared_ptr<const Policy> PolicySource::build(std::vector<Diagnostic>& findings) {
    PolicyBuilder builder(root_);
    for (const Directive& directive : directives_) builder.add(directive);
    std::shared_ptr<const Policy> policy = builder.build();
    findings.insert(findings.end(), builder.diagnostics().begin(), builder.diagnostics().end());
    files_.clear();
    for (const auto& [path, digest] : builder.files_read()) files_[path] = {{}, digest};
    in_force_.clear();
    for (const auto& [path, file] : files_) in_force_ += path + "\n" + file.digest + "\n";
    return policy;
}

std::string PolicySource::fingerprint() {
    std::string out;
    for (auto& [path, file] : files_) {
        const std::string stamp = settled_stamp(path);
        if (stamp.empty() || stamp != file.stamp) {
            const auto content = read_whole_file(path, kLargestCertificateFile);
            // A key holder's habit: anchors that only root can read. The children cannot look at them; what was read at
            // start stays.
            if (!content.ok() && content.error() == std::strerror(EACCES)) {
                file.stamp = stamp;
            } else {
                file = {stamp, content.ok() ? sha256(content.value()) : content.error()};
            }
        }
        out += path + "\n" + file.digest + "\n";
    }
    return out;
}

std::shared_ptr<const Policy> PolicySource::look(std::vector<Diagnostic>& findings) {
    const std::string seen = fingerprint();
    if (seen == in_force_) {
        awaited_.clear();
        return nullptr;
    }
    if (seen == refused_) return nullptr;
    // Files are copied one by one, and written in pieces: what counts has to look the same twice.
    if (seen != awaited_) {
        awaited_ = seen;
        return nullptr;
    }
    awaited_.clear();
    PolicySource next(root_);
    next.directives_ = directives_;
    std::vector<Diagnostic> said;
    auto policy = next.build(said);
    if (policy && next.in_force_ == seen) {
        in_force_ = std::move(next.in_force_);
        return policy;
    }
    if (policy) return nullptr;  // changed once more between look and load
    refused_ = seen;
    for (Diagnostic& d : said) {
        if (d.severity == Diagnostic::Severity::kError) findings.push_back(std::move(d));
    }
    return nullptr;
}

}  // namespace mtls
