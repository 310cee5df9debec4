// The commands of mtls-authz. Each returns the exit status: 0 yes or fine, 1 errors found, 2 it could not be done, 3
// deny.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mtls::tool {

constexpr int kFine = 0;
constexpr int kErrorsFound = 1;
constexpr int kNotDone = 2;
constexpr int kDenied = 3;

// What the core reads from certificates, one JSON object a line.
int show_facts(const std::vector<std::string>& files);

struct CheckOptions {
    std::vector<std::string> files;
    std::string root = ".";
    bool strict = false;  // warnings are errors
    bool json = false;
};
// All errors and warnings of a policy.
int check_policy(const CheckOptions& options);

struct ExplainOptions {
    std::vector<std::string> policy;
    std::string root = ".";
    std::string certificate;
    std::vector<std::string> intermediates;
    std::vector<std::string> server_cas;
    std::string method;  // empty: who it is, and nothing more
    std::string path;
    std::string at;  // RFC 3339; empty for now
    bool json = false;
};
// The decision about one certificate, and each step that led to it.
int explain(const ExplainOptions& options);
// What a denial line of the error log says.
int explain_log_line(const std::string& line);

struct SuggestOptions {
    std::vector<std::string> certificates;
    std::string name;  // where there is one certificate
    std::string anchor;
    std::string root = ".";
};
// A ready-to-paste <MTLSPartner> block for each certificate.
int suggest(const SuggestOptions& options);

struct MatrixOptions {
    std::vector<std::string> policy;
    std::string root = ".";
    bool csv = false;
    bool html = false;
};
// Partner by path by method, as text, CSV, or a page that an auditor can keep.
int show_matrix(const MatrixOptions& options);

struct DiffOptions {
    std::string before, after;
    std::string root = ".";
    std::string certificates;  // a folder of certificates, to tell whose answer changes
};
// Who gains and who loses; kErrorsFound where anything differs.
int show_difference(const DiffOptions& options);

}  // namespace mtls::tool
