// Backends read some paths otherwise than httpd matched its sections against them: no reading may lead around a gate.
#pragma once

#include <string>
#include <vector>

#include "mtls_authz/httpd/config/httpd.hpp"

namespace mtls::httpd {

// Whether this request's path has one reading only, and no fault. Quick; never throws.
bool is_plain(const request_rec* r) noexcept;

struct PathReadings {
    bool is_bad = false;              // `bad-path`
    std::string detail;               // which reading is behind which other gate; empty where that is not the cause
    std::vector<std::string> others;  // the readings, where all are behind the gate that the path itself is behind
};

// A path is bad where a backend reads one of its segments as `.` or `..`, where it holds a control byte, and where one
// of its readings is behind a gate, a `Require mtls-*` or an `AuthType MTLS` that the path itself is not behind. Of
// `unparsed_uri`, too, where the backend gets that. Sections are equal where they say the same.
PathReadings read_path(request_rec* r);

// In fixups: the file turns out to be a program, which may read the path as written. What was decided before did not
// ask that reading.
bool is_read_otherwise_now(const request_rec* r);

}  // namespace mtls::httpd
