// MTLSRevoke and MTLSSuspend outside of a partner: in httpd.conf, policy files and revocation files.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/rules/revocation.hpp"

namespace mtls {

// Parses an MTLSRevoke. Warnings of other directives (a reversed DN) are errors here, because a line that matches
// nothing would fail open.
Result<Revocation> read_revocation(const Directive& directive);

// `MTLSSuspend NAME... [note=TEXT]` outside of a partner.
struct WrittenSuspension {
    std::vector<std::string> names;
    std::string note;
};
Result<WrittenSuspension> read_suspension(const Directive& directive);

// The warning about a suspended name that none of these partners has.
std::string unknown_suspension(std::string_view name, std::span<const std::string_view> partners);

}  // namespace mtls
