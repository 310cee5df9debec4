// Parses the module's lines: denials and refused handshakes in httpd's error log, and lines of its audit log.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "mtls_authz/base/result.hpp"

namespace mtls::tool {

struct LogLine {
    enum class Kind {
        kGrant,
        kDenial,
        kWouldDeny,
        kNotSatisfied,  // of one Require line, or AuthType MTLS: another one may have let the request in
        kHandshake,
        kMisdirected
    };
    Kind kind = Kind::kDenial;
    std::string_view reason;
    std::string sentence;                       // meaning of the reason, and advice
    std::string method, path;                   // of the request
    std::map<std::string, std::string> fields;  // all fields of the line, unescaped

    // Empty if the line has no such field.
    std::string get(const std::string& field) const;
};

// An error if the line is none of these. Text that clients control (paths, names) is never parsed as a field.
Result<LogLine> read_log_line(const std::string& line);

}  // namespace mtls::tool
