// The commands of mtls-authz. Each returns the exit status: 0 yes or fine, 1 errors found, 2 it could not be done, 3
// deny.
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
    bool json = false;  // on a terminal, too
};
// What the core reads from certificates: one JSON object a line, or a summary where standard output is a terminal.
int show_facts(const FactsOptions& options);

struct CheckOptions {
    std::vector<std::string> files;
    std::string root = ".";
    bool strict = false;           // warnings are errors
    std::optional<int> warn_days;  // of anchors that expire within them; otherwise 30, with `strict` 0
    bool json = false;
    bool live = false;   // whether a running server has the same in force, too
    std::string socket;  // its own; empty: the one in a usual place
};
// All errors and warnings of a policy.
int check_policy(const CheckOptions& options);

struct ExplainOptions {
    std::vector<std::string> policy;
    std::string root = ".";
    std::string certificate;
    std::vector<std::string> intermediates;
    std::vector<std::string> server_cas;
    std::vector<std::string> revocations;  // MTLSRevocationFiles
    std::vector<std::string> crls;
    int security_level = 1;  // of the virtual host
    std::string method;      // empty: who it is, and nothing more
    std::string path;
    std::string from;  // the client's address; empty: networks are not asked
    std::string at;    // RFC 3339; empty for now
    bool json = false;
    bool live = false;   // what a running server has in force, in place of files
    std::string socket;  // its own; empty: the one in a usual place
    std::string host;    // NAME or NAME:PORT of a virtual host
};
// The time that the question is about, in seconds since the epoch; an error where an option cannot be understood.
Result<std::int64_t> check_question(const ExplainOptions& options);
// The decision about one certificate, and each step that led to it.
int explain(const ExplainOptions& options);
// The same by what a running server has in force, its gates included.
int explain_live(const ExplainOptions& options);

struct WhyOptions {
    std::vector<std::string> lines;   // of a log, or request ids; none, or "-": standard input
    std::vector<std::string> logs;    // where request ids are looked up
    std::vector<std::string> policy;  // for the places of what has to be edited; may be empty
    std::string root = ".";
    bool json = false;
};
// What denial lines, refused handshakes and lines of the audit log say, and the edits that would mend it.
int explain_lines(const WhyOptions& options);

struct SuggestOptions {
    std::vector<std::string> certificates;
    std::string name;  // where there is one certificate
    std::string anchor;
    std::string root = ".";
    bool json = false;
};
// A ready-to-paste <MTLSPartner> block for each certificate.
int suggest(const SuggestOptions& options);
struct Suggestion {
    std::string name;
    std::string block;
    std::string objection;  // why the anchor would not accept the certificate; empty where it does, or none was given
};
Result<Suggestion> suggestion_for(const std::string& file, const SuggestOptions& options);

struct InitOptions {
    std::string root;         // the server's; empty: where this system has it
    std::string path;         // of the first gate
    std::string certificate;  // of the first partner; may be empty
    std::string anchor;       // file of its CA
    std::string name;
    bool json = false;
};
// Makes the folders, the gate, and the first partner. What is there already stays as it is.
int make_first_files(const InitOptions& options);

struct MatrixOptions {
    std::vector<std::string> policy;
    std::string root = ".";
    bool csv = false;
    bool html = false;
    bool json = false;
    bool live = false;   // what a running server has in force, by the paths of its gates
    std::string socket;  // its own; empty: the one in a usual place
};
// Partner by path by method, as text, CSV, or a page that an auditor can keep.
int show_matrix(const MatrixOptions& options);
int show_live_matrix(const MatrixOptions& options);

struct DiffOptions {
    std::string before, after;
    std::string root = ".";
    std::string certificates;  // a folder of certificates, to tell whose answer changes
    bool json = false;
    bool live = false;   // what a running server has in force is `before`
    std::string socket;  // its own; empty: the one in a usual place
};
// Who gains and who loses; kErrorsFound where anything differs.
int show_difference(const DiffOptions& options);

}  // namespace mtls::tool
