// Partner by path by method, as rows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/policy/policy.hpp"

namespace mtls::tool {

// Who may do what where, and the line that says so.
struct MatrixRow {
    std::string partner, path, methods, condition, rule;
    std::string host, gate;  // of a running server
};

// "EKU:clientAuth DNS:x"
std::string condition_of(const Conditions& conditions);
// With the partner's name in place of `%{partner}`: an auditor asks about names.
std::string path_for(const PathPattern& path, std::string_view partner);

// RFC 4180. `is_live`: with columns for host and gate.
void print_csv(const std::vector<MatrixRow>& rows, bool is_live);
void print_json(const std::vector<MatrixRow>& rows, std::string_view generation, bool is_live);
void print_table(const std::vector<MatrixRow>& rows, bool is_live);

}  // namespace mtls::tool
