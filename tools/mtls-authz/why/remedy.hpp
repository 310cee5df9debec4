// What to do about a log line: the edit of the policy that mends it, and the command that shows whether it does.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "../commands.hpp"
#include "log_line.hpp"
#include "mtls_authz/keeper/gate_map.hpp"
#include "mtls_authz/policy/policy.hpp"
#include "mtls_authz/policy/refusals.hpp"
#include "suspect.hpp"

namespace mtls::tool {

inline bool is_handshake(const LogLine& log_line) { return log_line.kind == LogLine::Kind::kHandshake; }

// The partner in the line, or the first one that the certificate claims.
std::string partner_in(const LogLine& log_line);
// FILE:LINE in a detail like "MTLSSuspend at FILE:LINE: note"; "" if it begins otherwise.
std::string place_in_detail(const LogLine& log_line, std::string_view begin);

// Whether a line of the policy can hold the word, and shows what it says: a denied client wrote it.
bool can_be_pasted(const std::string& word);

// Where to look up partners and the places of edits.
struct Places {
    std::shared_ptr<const Policy> policy;      // may be null
    std::shared_ptr<const Refusals> refusals;  // may be null
    std::shared_ptr<const GateMap> gates;      // may be null
    bool is_live = false;                      // a server runs here, which --live can ask
};

// A line to change in the policy; empty if no edit helps, or none that gives no more than was asked.
struct Edit {
    std::string where;
    std::string line;
    std::string caution = {};  // what the line opens beside this request; without a line, what has to be decided
};

Edit edit_for(const LogLine& log_line, const Suspect& suspect, const Places& places);
// The command that shows whether the edit, or a new certificate, helps; "" if neither can.
std::string command_for(const LogLine& log_line, const Edit& edit, const WhyOptions& options, const Places& places);

}  // namespace mtls::tool
