#include "httpd/request/branches.hpp"

#include <algorithm>

#include "httpd/config/config.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

bool is(const ap_directive_t* node, std::string_view directive) { return equal_nocase(node->directive, directive); }

// The containers of mod_authz_core; its development builds have <RequireNotAll>.
bool is_container(const ap_directive_t* node) {
    return is(node, "<RequireAll") || is(node, "<RequireAny") || is(node, "<RequireNone") || is(node, "<RequireNotAll");
}

bool is_conjunction(const ap_directive_t* node) { return is(node, "<RequireAll") || is(node, "<RequireNotAll"); }
bool is_negation(const ap_directive_t* node) { return is(node, "<RequireNone") || is(node, "<RequireNotAll"); }

bool is_negated_line(const ap_directive_t* line) {
    const auto words = config_words(line->args != nullptr ? line->args : "");
    return !words.empty() && equal_nocase(words.front(), "not");
}

AuthzNode read_line(const cmd_parms* cmd, const ap_directive_t* line, ReadOwn read_own) {
    AuthzNode out;
    const char* args = line->args != nullptr ? line->args : "";
    out.name = ap_getword_conf(cmd->pool, &args);
    if (equal_nocase(out.name, "not")) {
        out.negated = true;
        out.name = ap_getword_conf(cmd->pool, &args);
    }
    out.args = args;
    cmd_parms at_line = *cmd;
    at_line.directive = const_cast<ap_directive_t*>(line);  // without its siblings
    if (read_own(&at_line, out)) return out;
    out.provider =
        static_cast<const authz_provider*>(ap_lookup_provider(AUTHZ_PROVIDER_GROUP, out.name, AUTHZ_PROVIDER_VERSION));
    if (out.provider == nullptr || out.provider->parse_require_line == nullptr) return out;
    apr_pool_userdata_setn(out.name, AUTHZ_PROVIDER_NAME_NOTE, apr_pool_cleanup_null, cmd->temp_pool);
    // httpd reports the error when it reads this line itself.
    if (out.provider->parse_require_line(&at_line, args, &out.parsed) != nullptr) out.provider = nullptr;
    return out;
}

std::vector<AuthzNode> read_children(const cmd_parms* cmd, const ap_directive_t* first, const ap_directive_t* without,
                                     ReadOwn read_own);

AuthzNode read_node(const cmd_parms* cmd, const ap_directive_t* node, ReadOwn read_own) {
    if (!is_container(node)) return read_line(cmd, node, read_own);
    AuthzNode out;
    out.kind = is_conjunction(node) ? AuthzNode::Kind::kAll : AuthzNode::Kind::kAny;
    out.negated = is_negation(node);
    out.children = read_children(cmd, node->first_child, nullptr, read_own);
    return out;
}

std::vector<AuthzNode> read_children(const cmd_parms* cmd, const ap_directive_t* first, const ap_directive_t* without,
                                     ReadOwn read_own) {
    std::vector<AuthzNode> out;
    for (const ap_directive_t* node = first; node != nullptr; node = node->next) {
        const bool counts = is(node, "Require") || is_container(node);
        if (counts && node != without) out.push_back(read_node(cmd, node, read_own));
    }
    return out;
}

bool is_alone(const ap_directive_t* parent, const ap_directive_t* child) {
    for (const ap_directive_t* node = parent->first_child; node != nullptr; node = node->next) {
        if (node != child &&
            (is(node, "Require") || is_container(node) || is(node, "<Limit") || is(node, "<LimitExcept")))
            return false;
    }
    return true;
}

// As in mod_authz_core: neutral neither grants nor denies. Errors, and requirements that need a login, deny.
enum class Answer { kGranted, kNeutral, kDenied };

Answer ask(request_rec* r, const AuthzNode& node);

Answer ask_line(request_rec* r, const AuthzNode& line) {
    if (line.holds != nullptr) return line.holds(r, line.parsed) ? Answer::kGranted : Answer::kDenied;
    if (line.provider == nullptr) return Answer::kDenied;
    apr_table_setn(r->notes, AUTHZ_PROVIDER_NAME_NOTE, line.name);
    const authz_status status = line.provider->check_authorization(r, line.args, line.parsed);
    apr_table_unset(r->notes, AUTHZ_PROVIDER_NAME_NOTE);
    return status == AUTHZ_GRANTED ? Answer::kGranted : status == AUTHZ_NEUTRAL ? Answer::kNeutral : Answer::kDenied;
}

Answer ask_all(request_rec* r, const AuthzNode& node) {
    const bool is_all = node.kind == AuthzNode::Kind::kAll;
    const Answer decisive = is_all ? Answer::kDenied : Answer::kGranted;
    Answer out = Answer::kNeutral;
    for (const AuthzNode& child : node.children) {
        const Answer answer = ask(r, child);
        if (answer == decisive) return decisive;
        if (answer != Answer::kNeutral) out = answer;
    }
    return out;
}

Answer ask(request_rec* r, const AuthzNode& node) {
    const Answer answer = node.kind == AuthzNode::Kind::kLine ? ask_line(r, node) : ask_all(r, node);
    if (!node.negated) return answer;
    return answer == Answer::kGranted ? Answer::kDenied : Answer::kNeutral;
}

// httpd evaluates the companions too, and logs their results: suppress the log here.
bool hold_quietly(request_rec* r, const std::vector<AuthzNode>& nodes) {
    static const ap_logconf kQuiet = {nullptr, APLOG_EMERG};
    const ap_logconf* const log = r->log;
    r->log = &kQuiet;
    const bool hold = std::none_of(nodes.begin(), nodes.end(),
                                   [r](const AuthzNode& node) { return ask(r, node) == Answer::kDenied; });
    r->log = log;
    return hold;
}

}  // namespace

Branch read_branch(cmd_parms* cmd, ReadOwn read_own) {
    Branch out;
    const ap_directive_t* child = cmd->directive;
    out.is_negated = is_negated_line(child);
    const ap_directive_t* parent = child->parent;
    for (; parent != nullptr && is_container(parent); child = parent, parent = parent->parent) {
        out.is_negated = out.is_negated || is_negation(parent);
        if (is_conjunction(parent)) {
            for (AuthzNode& node : read_children(cmd, parent->first_child, child, read_own))
                out.companions.push_back(std::move(node));
        } else if (!out.companions.empty() && !is_alone(parent, child)) {
            out.has_alternatives = true;
        }
    }
    const bool stands_alone = parent != nullptr && is_alone(parent, child);
    out.has_alternatives = out.has_alternatives || (!out.companions.empty() && !stands_alone);
    return out;
}

bool is_refusing(const ap_directive_t* line) {
    bool out = is_negated_line(line);
    const ap_directive_t* parent = line->parent;
    for (; parent != nullptr && is_container(parent); parent = parent->parent) out = out != is_negation(parent);
    return out;
}

bool grants_request(request_rec* r, const Branch& branch) {
    const AuthMerging merging = dir_config(r).auth_merging;
    if (branch.is_negated || merging == AuthMerging::kMixed) return false;
    const bool is_proved = !branch.has_alternatives && merging == AuthMerging::kNone;
    return is_proved || hold_quietly(r, branch.companions);
}

}  // namespace mtls::httpd
