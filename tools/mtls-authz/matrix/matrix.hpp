// Rows of partner by path by method.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

// One permission, and the line that grants it.
struct MatrixRow {
    std::string partner, path, methods, condition, rule;
    std::string host, gate;  // for a running server only
    std::string state;       // why it is denied now despite the rule; or empty

    std::string condition_and_state() const {
        return condition + (condition.empty() || state.empty() ? "" : "; ") + state;
    }
};

// "EKU:clientAuth DNS:x"
std::string condition_of(const Conditions& conditions);
// Replaces `%{partner}` by the partner's name.
std::string path_for(const PathPattern& path, std::string_view partner);

// Adds what limits a partner whatever the rule: its networks, and why it is denied now. `refusals`: those of revocation
// files.
void add_limits(const Partner& partner, const Refusals& refusals, MatrixRow& to);
// Appends `more` behind a semicolon.
void join(std::string& to, const std::string& more);

// RFC 4180. `is_live`: adds the columns host and gate.
void print_csv(const std::vector<MatrixRow>& rows, bool is_live);
void print_json(const std::vector<MatrixRow>& rows, std::string_view generation, bool is_live);
void print_table(const std::vector<MatrixRow>& rows, bool is_live);

}  // namespace mtls::tool
