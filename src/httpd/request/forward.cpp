#include "httpd/request/forward.hpp"

#include <algorithm>
#include <utility>

#include "httpd/config/sections.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/request/overriding.hpp"
#include "httpd/request/request.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/forwarding.hpp"

namespace mtls::httpd {

namespace {

constexpr const char* kTrailerFilter = "MTLS_AUTHZ_TRAILERS";

// Reads one argument; returns the error, or nullopt.
std::optional<std::string> read_argument(ForwardRule& rule, const std::string& word) {
    constexpr std::string_view kPem = "cert=pem:";
    constexpr std::string_view kPartner = "partner=";
    if (word == "cert=rfc9440") {
        rule.rfc9440 = true;
        return std::nullopt;
    }
    const bool is_pem = word.starts_with(kPem);
    if (!is_pem && !word.starts_with(kPartner)) {
        return "'" + escape_for_log(word, 100) +
               "': expected cert=rfc9440, cert=pem:HEADER, partner=HEADER, or Off alone";
    }
    auto header = parse_header_name(std::string_view(word).substr(is_pem ? kPem.size() : kPartner.size()));
    if (!header) return header.error();
    std::string& target = is_pem ? rule.pem_header : rule.partner_header;
    if (!target.empty()) return "'" + word + "' says again what was said before it";
    target = std::move(header.value());
    return std::nullopt;
}

// header_key() of the headers that the rule sets; an error if a backend could confuse two of them.
Result<std::vector<std::string>> keys_of(const ForwardRule& rule) {
    std::vector<std::string> keys;
    if (rule.rfc9440) keys = {header_key(kClientCert), header_key(kClientCertChain)};
    for (const std::string* header : {&rule.pem_header, &rule.partner_header}) {
        if (header->empty()) continue;
        std::string key = header_key(*header);
        if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
            return Error{"'" + *header + "' cannot hold two things"};
        }
        keys.push_back(std::move(key));
    }
    // Backends that trust this server with client certificates read RFC 9440's fields: always remove those, even if the
    // rule does not set them.
    for (const char* field : {kClientCert, kClientCertChain}) keys.push_back(header_key(field));
    return keys;
}

const char* read_forward(cmd_parms* cmd, DirConfig& config, const char* args) {
    if (const char* fault = context_fault(cmd)) return fault;
    auto* const rule = pool_new<ForwardRule>(cmd->pool);
    config.forward = rule;
    const auto words = config_words(args);
    if (words.size() == 1 && equal_nocase(words.front(), "Off")) return nullptr;
    rule->rfc9440 = words.empty();
    const auto refuse = [cmd](const std::string& why) { return failure(cmd, cmd->cmd->name + (": " + why)); };
    for (const std::string& word : words) {
        if (const auto fault = read_argument(*rule, word)) return refuse(*fault);
    }
    auto keys = keys_of(*rule);
    if (!keys) return refuse(keys.error());
    auto& all = state().forwarded_keys;
    if (!keys.value().empty()) hook_trailers();
    for (std::string& key : keys.value()) {
        if (std::find(all.begin(), all.end(), key) == all.end()) all.push_back(std::move(key));
    }
    return nullptr;
}

using Keys = std::vector<std::string>;  // by header_key()

// Removes each field that a backend may take for one of ours or of a front's.
void remove_fields(apr_table_t* table, const Keys& keys) {
    const apr_array_header_t* const all = apr_table_elts(table);
    std::vector<std::string> names;
    for (int i = 0; i < all->nelts; ++i) {
        const char* const name = reinterpret_cast<const apr_table_entry_t*>(all->elts)[i].key;
        const auto is_it = [name](const std::string& key) { return has_header_key(name, key); };
        if (std::any_of(keys.begin(), keys.end(), is_it)) names.emplace_back(name);
    }
    for (const std::string& name : names) apr_table_unset(table, name.c_str());
}

// mod_proxy drops fields that the client's Connection field names: a client could remove ours.
void remove_connection_options(request_rec* r, const Keys& keys) {
    for (const char* name : {"Connection", "Proxy-Connection"}) {
        if (apr_table_get(r->headers_in, name) == nullptr) continue;
        const char* const value = apr_table_getm(r->pool, r->headers_in, name);
        const std::string rest = without_options(value, keys);
        if (rest.empty()) {
            apr_table_unset(r->headers_in, name);
        } else {
            apr_table_set(r->headers_in, name, rest.c_str());
        }
    }
}

void remove_all(request_rec* r, const Keys& keys) {
    if (keys.empty()) return;
    remove_fields(r->headers_in, keys);
    if (r->trailers_in != nullptr) remove_fields(r->trailers_in, keys);
    remove_connection_options(r, keys);
}

void clean(request_rec* r) {
    const Keys& forwarded = state().forwarded_keys;
    if (!state().has_fronts()) return remove_all(r, forwarded);
    Keys keys = front_keys();
    keys.insert(keys.end(), forwarded.begin(), forwarded.end());
    remove_all(r, keys);
}

// Trailers arrive after the decision, and MergeTrailers turns them into headers.
apr_status_t clean_trailers(ap_filter_t* f, apr_bucket_brigade* out, ap_input_mode_t mode, apr_read_type_e block,
                            apr_off_t bytes) {
    const apr_status_t status = ap_get_brigade(f->next, out, mode, block, bytes);
    if (status != APR_SUCCESS || APR_BRIGADE_EMPTY(out) || !APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(out))) return status;
    forward(f->r, static_cast<const apr_table_t*>(f->ctx));
    remove_overrides_in_trailers(f->r);
    ap_remove_input_filter(f);
    return status;
}

[[gnu::noinline]] int clean_request(request_rec* r) {
    return guarded(r, [&] {
        note_front_fields(r);
        clean(r);
        return DECLINED;
    });
}

// Always hooked: policy files may define fronts at any time.
extern "C" int on_post_read_request(request_rec* r) {
    const bool is_asked = !state().forwarded_keys.empty() || state().has_fronts() || r->prev != nullptr;
    return is_asked ? clean_request(r) : DECLINED;
}

extern "C" void on_insert_trailer_filter(request_rec* r) {
    if (r->main != nullptr) return;
    guarded(r, [&] {
        const RequestState* const request = find_state(r);
        const bool forwards = request != nullptr && request->handover != nullptr;
        ap_add_input_filter(kTrailerFilter, forwards ? request->handover->fields : nullptr, r, r->connection);
        return OK;
    });
}

extern "C" apr_status_t on_trailer_filter(ap_filter_t* f, apr_bucket_brigade* out, ap_input_mode_t mode,
                                          apr_read_type_e block, apr_off_t bytes) {
    return guarded(f->r->server, APR_EGENERAL, [&] { return clean_trailers(f, out, mode, block, bytes); });
}

}  // namespace

apr_table_t* forwarded_fields(request_rec* r, const RequestDecision& decision) {
    const ForwardRule* const rule = dir_config(r).forward;
    if (rule == nullptr || rule->is_off()) return nullptr;
    constexpr int kMostFields = 4;
    apr_table_t* const out = apr_table_make(r->pool, kMostFields);
    const std::string& leaf = decision.certificate->base64_der();
    const auto set = [&](const char* name, const std::string& value) {
        if (!value.empty()) apr_table_set(out, name, value.c_str());
    };
    if (rule->rfc9440) {
        set(kClientCert, client_cert_value(leaf));
        set(kClientCertChain, decision.who->client_cert_chain());
    }
    if (!rule->pem_header.empty()) set(rule->pem_header.c_str(), pem_value(leaf));
    if (!rule->partner_header.empty()) set(rule->partner_header.c_str(), std::string(decision.who->partner->name));
    return out;
}

void forward(request_rec* r, const apr_table_t* fields) {
    clean(r);
    if (fields == nullptr) return;
    const apr_array_header_t* const all = apr_table_elts(fields);
    const auto* const first = reinterpret_cast<const apr_table_entry_t*>(all->elts);
    // clean() left no field of these names.
    for (int i = 0; i < all->nelts; ++i) apr_table_addn(r->headers_in, first[i].key, first[i].val);
}

const char* on_forward(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&] { return read_forward(cmd, section_config(cmd), args); });
}

void hook_trailers() {
    if (std::exchange(state().filters_trailers, true)) return;
    ap_hook_insert_filter(on_insert_trailer_filter, nullptr, nullptr, APR_HOOK_LAST);
}

void register_forward_hooks() {
    ap_hook_post_read_request(on_post_read_request, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_register_input_filter(kTrailerFilter, on_trailer_filter, nullptr, AP_FTYPE_RESOURCE);
}

}  // namespace mtls::httpd
