// Backends may read a path differently from httpd's section matching: no reading may bypass a gate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "httpd/config/httpd.hpp"
#include "mtls_authz/decide/decision.hpp"

namespace mtls::httpd {

// Whether the path has exactly one reading and no fault. Cheap; never throws.
bool is_plain(const request_rec* r) noexcept;

struct PathReadings {
    bool is_bad = false;              // `bad-path`
    std::string detail;               // the reading and its other gate, or the fault
    std::vector<std::string> others;  // the other readings, if all are behind the same gates as the path
};

// A path is bad if a backend reads one of its segments as `.` or `..`, if it holds a control byte, or if one of its
// readings is behind a gate, a `Require mtls-*` or an `AuthType MTLS` that the path is not behind. Also checks
// `unparsed_uri` if the backend gets that. Sections with equal settings count as the same.
PathReadings read_path(request_rec* r);

// In fixups: whether the file turned out to be a program, which may read the path as written. The access checker did
// not check that reading.
bool is_read_otherwise_now(const request_rec* r);

// In fixups: why mod_actions' program may not be run for the file that its PATH_INFO names, or nothing. It reads the
// file itself (PATH_TRANSLATED), whatever httpd's look-up of that path was answered.
std::optional<Objection> object_to_action(request_rec* r);

}  // namespace mtls::httpd
