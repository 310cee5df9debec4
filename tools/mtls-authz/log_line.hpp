// The lines that the module writes: denials and refused handshakes of httpd's error log, and lines of its audit log.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "mtls_authz/base/result.hpp"

namespace mtls::tool {

struct LogLine {
    enum class Kind { kGrant, kDenial, kWouldDeny, kHandshake };
    Kind kind = Kind::kDenial;
    std::string_view reason;
    std::string_view sentence;                  // what the reason may mean and what to do
    std::string method, path;                   // of the request
    std::map<std::string, std::string> fields;  // all of the line, with escapes taken back

    // Empty where the line has none.
    std::string get(const std::string& field) const;
};

// The error says why it is none of these. What clients wrote into a line (paths, names) is never taken for a field.
Result<LogLine> read_log_line(const std::string& line);

}  // namespace mtls::tool
