// The partners on the status page: sorted by trouble, filtered, a page of them at a time.
#pragma once

#include <string>

#include "mtls_authz/tell/status_report.hpp"

namespace mtls::page {

// Where something about this partner is to be found: on this page, or on one that shows only what its name is part of.
std::string partner_link(const StatusReport& report, const PageQuery& query, const std::string& name);

// A whole section. HTML.
std::string partners_section(const StatusReport& report, const PageQuery& query);

}  // namespace mtls::page
