#include <algorithm>
#include <ctime>
#include <iostream>
#include <tuple>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../terminal.hpp"
#include "in_force.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/load/lint.hpp"

namespace mtls::tool {

namespace {

Json finding_json(const Diagnostic& finding) {
    return {{"file", finding.where.file},
            {"line", finding.where.line},
            {"severity", finding.is_error() ? "error" : "warning"},
            {"message", shown(finding.message)}};
}

// Adds the differences to a running server's policy.
void compare_with_server(const InForce& now, PolicyInput& input) {
    const Policy* const live = now.policy.get();
    if (live == nullptr || live->generation() != input.policy->generation()) {
        const std::string change = live != nullptr ? ": these files have " + describe_change(*live, *input.policy) : "";
        input.findings.push_back({Diagnostic::Severity::kError,
                                  {},
                                  "these files are generation " + std::string(input.policy->generation()) +
                                      ", but in force is " + now.text() + change});
    }
    for (const std::string& sentence : now.not_in_force)
        input.findings.push_back({Diagnostic::Severity::kError, {}, sentence});
    for (Diagnostic& finding : lint_refusals(*input.policy, *now.refusals)) {
        input.findings.push_back(std::move(finding));
    }
}

// Partners that gates of the running server deny, and the files do not have: such a gate denies everybody.
void check_denials(const GateMap& gates, PolicyInput& input) {
    for (const MappedHost& host : gates.hosts) {
        for (const MappedSection& section : host.sections) {
            for (const GateRule& rule : section.deny) {
                const std::string_view name = missing_partner(rule, *input.policy);
                const bool is_said = std::any_of(input.findings.begin(), input.findings.end(),
                                                 [&rule](const auto& f) { return f.where.str() == rule.where.str(); });
                if (name.empty() || is_said) continue;
                input.findings.push_back({Diagnostic::Severity::kError, rule.where,
                                          "MTLSDeny: these files have no partner " + in_quotes(name, 64) +
                                              ": with them, it denies everybody"});
            }
        }
    }
}

}  // namespace

int check_policy(const CheckOptions& options) {
    std::optional<InForce> now;
    if (options.live) {
        auto answer = read_in_force(options.socket);
        if (!answer) return complain(answer.error());
        now = std::move(answer.value());
    }
    PolicyInput input = read_policy(options.files, options.root, Dumps::kStandardInput, now ? &now->gates : nullptr);
    if (now && input.policy) {
        compare_with_server(*now, input);
        check_denials(now->gates, input);
    }
    if (input.policy) {
        constexpr int kSoon = 30;
        const int days = options.warn_days.value_or(options.strict ? 0 : kSoon);
        for (Diagnostic& finding : lint_policy(*input.policy, std::time(nullptr), days)) {
            input.findings.push_back(std::move(finding));
        }
    }
    std::stable_sort(input.findings.begin(), input.findings.end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::tie(a.where.file, a.where.line) < std::tie(b.where.file, b.where.line);
    });
    bool failed = false;
    Json all = Json::array();
    for (Diagnostic& finding : input.findings) {
        if (options.strict) finding.severity = Diagnostic::Severity::kError;
        failed = failed || finding.is_error();
        if (options.json) {
            all.push_back(finding_json(finding));
        } else {
            print_finding(input.unreadable ? std::cerr : std::cout, finding);
        }
    }
    std::string left = options.live ? "who owns the files"
                                    : "what is in force (--live), what httpd.conf itself adds, gates, revocation "
                                      "files, CRLs, who owns the files";
    if (input.policy && input.policy->partners().empty()) left += ", names of partners (there is none in these files)";
    if (options.json) {
        const Json generation = input.policy ? Json(input.policy->generation()) : Json(nullptr);
        std::cout << one_line({{"ok", !failed},
                               {"generation", generation},
                               {"findings", std::move(all)},
                               {"not_asked", left}})
                  << '\n';
    } else if (!failed) {
        std::cout << "generation " << input.policy->generation() << ": " << input.policy->partners().size()
                  << " partner(s)" << (options.live ? ", as in force" : "") << "\nnot asked: " << left << '\n';
    }
    return input.unreadable ? kNotDone : failed ? kErrorsFound : kFine;
}

}  // namespace mtls::tool
