// The partners section of the status page: sorted by trouble, filtered and paged.
#pragma once

#include <string>

#include "mtls_authz/tell/status_report.hpp"

namespace mtls::page {

// A link to this partner's row: on this page, or on a page filtered by its name.
std::string partner_link(const StatusReport& report, const PageQuery& query, const std::string& name);

// The whole section, as HTML.
std::string partners_section(const StatusReport& report, const PageQuery& query);

}  // namespace mtls::page
