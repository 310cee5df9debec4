// The commands of mtls-authz. Each returns the exit status: 0 fine or allowed, 1 errors or differences found, 2 not
// done, 3 denied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/base/result.hpp"

namespace mtls::tool {

constexpr int kFine = 0;
constexpr int kErrorsFound = 1;
constexpr int kNotDone = 2;
constexpr int kDenied = 3;

struct FactsOptions {
    std::vector<std::string> files;
    bool json = false;  // also on a terminal
};
// Prints what the core reads from certificates: one JSON object a line, or a summary if standard output is a terminal.
int show_facts(const FactsOptions& options);

struct CheckOptions {
    std::vector<std::string> files;
    std::string root = ".";
    bool strict = false;           // warnings are errors
    std::optional<int> warn_days;  // for anchors that expire within this time; default 30, with `strict` 0
    bool json = false;
    bool live = false;   // also compare with a running server
    std::string socket;  // the server's socket; empty: the one in a usual place
};
// Prints all errors and warnings of a policy.
int check_policy(const CheckOptions& options);

struct ExplainOptions {
    std::vector<std::string> policy;
    std::string root = ".";
    std::string certificate;
    std::vector<std::string> intermediates;
    std::vector<std::string> server_cas;
    std::vector<std::string> revocations;  // files for MTLSRevocationFile
    std::vector<std::string> crls;
    int security_level = 1;  // SSL security level of the virtual host
    std::string method;      // empty: identify only
    std::string path;
    std::string from;  // the client's address; empty: skip MTLSNetwork
    std::string at;    // RFC 3339; empty: now
    bool json = false;
    bool live = false;   // use a running server's policy instead of files
    std::string socket;  // the server's socket; empty: the one in a usual place
    std::string host;    // NAME or NAME:PORT of a virtual host
};
// Returns the time to decide for, in seconds since the epoch; an error if an option is invalid.
Result<std::int64_t> check_question(const ExplainOptions& options);
// Prints the decision about one certificate, and each step of it.
int explain(const ExplainOptions& options);
// The same with a running server's policy and gates.
int explain_live(const ExplainOptions& options);

struct WhyOptions {
    std::vector<std::string> lines;   // lines of a log, or request ids; empty: all of `logs`, or standard input
    std::vector<std::string> logs;    // files to look up request ids in
    std::vector<std::string> policy;  // to locate the lines to edit; empty: a running server's, if there is one
    std::string root = ".";
    bool json = false;
    bool live = false;   // a running server has to be there
    std::string socket;  // the server's socket; empty: the one in a usual place
};
// Explains denial lines, refused handshakes and audit lines, with the edits that would help.
int explain_lines(const WhyOptions& options);

struct SuggestOptions {
    std::vector<std::string> certificates;
    std::string name;  // all certificates are this partner's
    std::vector<std::string> anchors;
    std::string root = ".";
    bool json = false;
};
// Prints ready-to-paste <MTLSPartner> blocks: one for certificates that belong together, as before and after a renewal.
int suggest(const SuggestOptions& options);
struct Suggestion {
    std::string name;
    std::vector<std::string> files;
    std::string block;
    std::string objection;  // why the anchors would not accept a certificate; empty if they do, or without an anchor
};
// For one certificate, without MTLSExpect lines and a grant.
Result<Suggestion> suggestion_for(const std::string& file, const SuggestOptions& options);

constexpr const char* kFirstPath = "/partners";
struct InitOptions {
    std::string root;               // the server's; empty: this system's default
    std::string path = kFirstPath;  // path of the first gate
    std::string certificate;        // of the first partner; may be empty
    std::string anchor;             // file of its CA
    std::string name;
    bool json = false;
};
// Creates the folders, the gate, and the first partner. Existing files are not changed.
int make_first_files(const InitOptions& options);

struct MatrixOptions {
    std::vector<std::string> policy;
    std::string root = ".";
    bool csv = false;
    bool html = false;
    bool json = false;
    bool live = false;   // use a running server's policy, with the paths of its gates
    std::string socket;  // the server's socket; empty: the one in a usual place
};
// Prints partner by path by method, as text, CSV, or an HTML page for auditors.
int show_matrix(const MatrixOptions& options);
int show_live_matrix(const MatrixOptions& options);

struct DiffOptions {
    std::string before, after;
    std::string root = ".";
    std::string certificates;  // a folder of certificates, to show whose decision changes
    bool json = false;
    bool live = false;   // `before` is a running server's policy
    std::string socket;  // the server's socket; empty: the one in a usual place
};
// Prints which partners gain or lose access; kErrorsFound if anything differs.
int show_difference(const DiffOptions& options);

}  // namespace mtls::tool
