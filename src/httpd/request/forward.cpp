#include "httpd/request/forward.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "httpd/config/config_tree.hpp"
#include "httpd/config/sections.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/decide/nested.hpp"
#include "httpd/request/overriding.hpp"
#include "httpd/request/request.hpp"
#include "httpd/tls/connection.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/forwarding.hpp"

namespace mtls::httpd {

namespace {

constexpr const char* kTrailerFilter = "MTLS_AUTHZ_TRAILERS";

using Holds = ForwardedHeader::Holds;

// An argument of MTLSForward. `text` is the whole argument if `header` is set, otherwise the part before the header.
struct Argument {
    std::string_view text;
    Holds holds;
    const char* header;  // the fixed name; null: the argument names it
};
constexpr Argument kArguments[] = {{"cert=rfc9440", Holds::kRfc9440, kClientCert},
                                   {"cert=xfcc", Holds::kXfcc, kXForwardedClientCert},
                                   {"cert=pem:", Holds::kPem, nullptr},
                                   {"cert=pem-url:", Holds::kPemUrl, nullptr},
                                   {"cert=der:", Holds::kDer, nullptr},
                                   {"partner=", Holds::kPartner, nullptr},
                                   {"groups=", Holds::kGroups, nullptr}};

Error unknown_argument(const std::string& word) {
    return {in_quotes(word, 100) +
            ": expected cert=rfc9440, cert=pem:HEADER, cert=pem-url:HEADER, cert=der:HEADER, cert=xfcc, "
            "partner=HEADER, groups=HEADER, attr.NAME=HEADER, or Off alone"};
}

Result<ForwardedHeader> read_attribute(const std::string& word) {
    constexpr std::string_view kPrefix = "attr.";
    const std::size_t equals = word.find('=');
    if (!word.starts_with(kPrefix) || equals == std::string::npos || equals == kPrefix.size()) {
        return unknown_argument(word);
    }
    auto header = parse_header_name(std::string_view(word).substr(equals + 1));
    if (!header) return Error{header.error()};
    return ForwardedHeader{Holds::kAttribute, std::move(header.value()),
                           word.substr(kPrefix.size(), equals - kPrefix.size())};
}

Result<ForwardedHeader> read_argument(const std::string& word) {
    for (const auto& [text, holds, fixed] : kArguments) {
        if (fixed != nullptr && word == text) return ForwardedHeader{holds, fixed, {}};
        if (fixed != nullptr || !word.starts_with(text)) continue;
        auto header = parse_header_name(std::string_view(word).substr(text.size()));
        if (!header) return Error{header.error()};
        return ForwardedHeader{holds, std::move(header.value()), {}};
    }
    return read_attribute(word);
}

// What Tomcat's SSLValve reads: the certificate from the second of these if it is there, and from the first otherwise.
constexpr std::string_view kOfSslValve[] = {"sslclientcert", "sslclientescapedcert", "sslcipher", "sslsessionid",
                                            "sslcipherusekeysize"};

bool is_for_ssl_valve(std::string_view key) { return key == kOfSslValve[0] || key == kOfSslValve[1]; }

const char* read_forward(cmd_parms* cmd, DirConfig& config, const char* args) {
    if (const char* fault = context_fault(cmd)) return fault;
    const auto refuse = [cmd](const std::string& why) { return failure(cmd, cmd->cmd->name + (": " + why)); };
    if (const std::string fault = comment_fault(args); !fault.empty()) return refuse(fault);
    auto headers = parse_forward(args);
    if (!headers) return refuse(headers.error());
    if (config.forward != nullptr)
        return refuse("already given at " + config.forward->where.str() + "; name all on one line");
    auto* const rule = pool_new<ForwardRule>(cmd->pool);
    config.forward = rule;
    rule->where = place_of(cmd->directive);
    rule->headers = std::move(headers.value());
    if (rule->headers.empty()) return nullptr;
    auto keys = keys_of(rule->headers);
    if (!keys) return refuse(keys.error());
    auto& all = state().forwarded_keys;
    hook_trailers();
    // Backends that trust this server with client certificates read RFC 9440's fields: always remove those, even if the
    // rule does not set them.
    for (const char* field : {kClientCert, kClientCertChain}) keys.value().push_back(header_key(field));
    if (std::any_of(keys.value().begin(), keys.value().end(), is_for_ssl_valve)) {
        keys.value().insert(keys.value().end(), std::begin(kOfSslValve), std::end(kOfSslValve));
    }
    for (std::string& key : keys.value()) all.add(std::move(key));
    return nullptr;
}

std::string attribute_value(const Identification& who, const std::string& attribute) {
    for (const auto& [name, value] : who.variables) {
        if (equal_nocase(name, kAttributeVariable + attribute)) return header_text(value);
    }
    return {};
}

// "" if the certificate or the partner has no such value.
const char* value_of(const ForwardedHeader& header, const RequestDecision& decision, apr_pool_t* pool) {
    const Identification& who = *decision.who;
    const std::string& leaf = decision.certificate->base64_der();
    switch (header.holds) {
        case Holds::kRfc9440:
            return apr_pstrcat(pool, ":", leaf.c_str(), ":", nullptr);
        case Holds::kPem:
            return pool_text(pool, pem_value(leaf));
        case Holds::kPemUrl:
            return pool_text(pool, pem_url_value(leaf));
        case Holds::kDer:
            return pool_text(pool, leaf);
        case Holds::kXfcc:
            return pool_text(pool, xfcc_value(decision.certificate->facts, leaf, who.intermediates));
        case Holds::kPartner:
            return pool_text(pool, who.partner->name);
        case Holds::kGroups:
            return pool_text(pool, who.description.groups);
        case Holds::kAttribute:
            return pool_text(pool, attribute_value(who, header.attribute));
    }
    return "";
}

// The names, by header_key(), that a backend may take for one of ours or of a front's. A Connection field may not name
// the headers that a WebDAV method was judged by, either: a proxy would remove them.
class HiddenNames {
public:
    explicit HiddenNames(const request_rec* r)
        : snapshot_(state().has_fronts() ? state().snapshot() : SnapshotReader()),
          is_judged_(acts_on_all_below(r) && server_config(r->server).has_gates) {}

    bool empty() const noexcept { return !snapshot_ && forwarded_.empty() && !is_judged_; }
    bool has(std::string_view name) const noexcept { return forwarded_.has(name) || (snapshot_ && is_of_front(name)); }
    bool has_option(std::string_view name) const noexcept {
        return has(name) || (is_judged_ && is_judged_header(name));
    }

private:
    bool is_of_front(std::string_view name) const noexcept {
        const auto keys = snapshot_->policy->front_keys();
        const auto is_it = [name](std::string_view key) { return has_header_key(name, key); };
        return std::any_of(keys.begin(), keys.end(), is_it);
    }

    const HeaderKeys& forwarded_ = state().forwarded_keys;
    SnapshotReader snapshot_;
    bool is_judged_;
};

bool is_connection_field(const char* name) {
    const char first = to_lower(*name);
    if (first != 'c' && first != 'p') return false;
    return equal_nocase(name, "Connection") || equal_nocase(name, "Proxy-Connection");
}

// Whether nothing has to be removed: of nearly all requests, and without any allocation.
bool are_clean(const apr_table_t* table, const HiddenNames& hidden) noexcept {
    if (table == nullptr) return true;
    const auto is_hidden = [&hidden](std::string_view name) { return hidden.has_option(name); };
    for (const apr_table_entry_t& field : entries_of(table)) {
        if (hidden.has(field.key)) return false;
        if (is_connection_field(field.key) && !are_options_without(field.val, is_hidden)) return false;
    }
    return true;
}

void remove_fields(apr_table_t* table, const HiddenNames& hidden) {
    std::vector<std::string> names;
    for (const apr_table_entry_t& field : entries_of(table)) {
        if (hidden.has(field.key)) names.emplace_back(field.key);
    }
    for (const std::string& name : names) apr_table_unset(table, name.c_str());
}

// mod_proxy drops fields that the client's Connection field names: a client could remove ours, or the Depth that it was
// let in for.
void remove_connection_options(request_rec* r, const HiddenNames& hidden) {
    for (const char* name : {"Connection", "Proxy-Connection"}) {
        if (apr_table_get(r->headers_in, name) == nullptr) continue;
        const char* const value = apr_table_getm(r->pool, r->headers_in, name);
        const std::string rest =
            without_options(value, [&hidden](std::string_view option) { return hidden.has_option(option); });
        if (rest.empty()) {
            apr_table_unset(r->headers_in, name);
        } else {
            apr_table_set(r->headers_in, name, rest.c_str());
        }
    }
}

[[gnu::noinline]] void remove_all(request_rec* r, const HiddenNames& hidden) {
    remove_fields(r->headers_in, hidden);
    if (r->trailers_in != nullptr) remove_fields(r->trailers_in, hidden);
    remove_connection_options(r, hidden);
}

// What a request had when it was let in.
struct BeforeBody {
    const apr_table_t* fields;  // of MTLSForward; null: none
    JudgedHeaders judged;
};

// Trailers arrive with the end of the body, and MergeTrailers turns them into headers.
void clean_after_body(request_rec* r, const BeforeBody& before) {
    if (r->trailers_in == nullptr || apr_is_empty_table(r->trailers_in)) return;  // merged into the headers or not
    forward(r, before.fields);
    remove_overrides_in_trailers(r, before.judged);
}

apr_status_t clean_trailers(ap_filter_t* f, apr_bucket_brigade* out, ap_input_mode_t mode, apr_read_type_e block,
                            apr_off_t bytes) {
    const apr_status_t status = ap_get_brigade(f->next, out, mode, block, bytes);
    if (status != APR_SUCCESS || APR_BRIGADE_EMPTY(out) || !APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(out))) return status;
    clean_after_body(f->r, *static_cast<const BeforeBody*>(f->ctx));
    ap_remove_input_filter(f);
    return status;
}

[[gnu::noinline]] int clean_request(request_rec* r) {
    return guarded(r, [&] {
        if (r->method_number == M_CONNECT || r->prev != nullptr) note_connect(r);
        note_front_fields(r);
        remove_forwarded(r);
        return DECLINED;
    });
}

// Always hooked: policy files may define fronts at any time.
extern "C" int on_post_read_request(request_rec* r) {
    const bool is_asked =
        !state().forwarded_keys.empty() || state().has_fronts() || r->prev != nullptr || r->method_number == M_CONNECT;
    return is_asked ? clean_request(r) : DECLINED;
}

// HTTP/1 has trailers behind chunks alone (RFC 9112 7.1.2).
bool may_have_trailers(const request_rec* r) {
    return r->proto_num >= HTTP_VERSION(2, 0) || apr_table_get(r->headers_in, "Transfer-Encoding") != nullptr;
}

extern "C" void on_insert_trailer_filter(request_rec* r) {
    if (r->main != nullptr || !may_have_trailers(r)) return;
    attempt(r->server, [&] {
        const RequestState* const request = find_state(r);
        const apr_table_t* const fields =
            request != nullptr && request->handover != nullptr ? request->handover->fields : nullptr;
        auto* const before = pool_new<BeforeBody>(r->pool, BeforeBody{fields, judged_headers(r)});
        // Some modules read the body before: mod_ssl to ask for a certificate then, mod_auth_form for the form.
        clean_after_body(r, *before);
        ap_add_input_filter(kTrailerFilter, before, r, r->connection);
    });
}

extern "C" apr_status_t on_trailer_filter(ap_filter_t* f, apr_bucket_brigade* out, ap_input_mode_t mode,
                                          apr_read_type_e block, apr_off_t bytes) {
    return guarded(f->r->server, APR_EGENERAL, [&] { return clean_trailers(f, out, mode, block, bytes); });
}

}  // namespace

Result<std::vector<ForwardedHeader>> parse_forward(const char* args) {
    const auto words = config_words(args);
    std::vector<ForwardedHeader> out;
    if (words.size() == 1 && equal_nocase(words.front(), "Off")) return out;
    if (words.empty()) out.push_back({Holds::kRfc9440, kClientCert, {}});
    for (const std::string& word : words) {
        auto header = read_argument(word);
        if (!header) return Error{header.error()};
        const bool is_repeated = std::any_of(out.begin(), out.end(), [&](const ForwardedHeader& h) {
            return h.holds == header.value().holds && equal_nocase(h.attribute, header.value().attribute);
        });
        if (is_repeated) return Error{in_quotes(word) + " says again what was said before it"};
        out.push_back(std::move(header.value()));
    }
    return out;
}

Result<std::vector<std::string>> keys_of(const std::vector<ForwardedHeader>& headers) {
    std::vector<std::string> keys;
    const auto add = [&keys](const std::string& name) {
        std::string key = header_key(name);
        if (std::find(keys.begin(), keys.end(), key) != keys.end()) return false;
        keys.push_back(std::move(key));
        return true;
    };
    for (const ForwardedHeader& header : headers) {
        const bool is_free = add(header.name) && (header.holds != Holds::kRfc9440 || add(kClientCertChain));
        if (!is_free) return Error{in_quotes(header.name) + " cannot hold two things"};
    }
    return keys;
}

apr_table_t* forwarded_fields(request_rec* r, const RequestDecision& decision) {
    const ForwardRule* const rule = dir_config(r).forward;
    if (rule == nullptr || rule->headers.empty()) return nullptr;
    // cert=rfc9440 sets two fields.
    apr_table_t* const out = apr_table_make(r->pool, static_cast<int>(rule->headers.size()) + 1);
    // keys_of() has seen that no two of the names are one.
    const auto add = [out](const char* name, const char* value) {
        if (*value != '\0') apr_table_addn(out, name, value);
    };
    for (const ForwardedHeader& header : rule->headers) {
        add(header.name.c_str(), value_of(header, decision, r->pool));
        if (header.holds != Holds::kRfc9440) continue;
        add(kClientCertChain, pool_text(r->pool, decision.who->client_cert_chain()));
    }
    return out;
}

void remove_forwarded(request_rec* r) {
    const HiddenNames hidden(r);
    if (hidden.empty()) return;
    if (!are_clean(r->headers_in, hidden) || !are_clean(r->trailers_in, hidden)) remove_all(r, hidden);
}

void forward(request_rec* r, const apr_table_t* fields) {
    remove_forwarded(r);
    if (fields == nullptr) return;
    // No field of these names is left.
    for (const apr_table_entry_t& field : entries_of(fields)) apr_table_addn(r->headers_in, field.key, field.val);
}

const char* on_forward(cmd_parms* cmd, void*, const char* args) noexcept {
    return guarded_directive(cmd, [&] { return read_forward(cmd, section_config(cmd), args); });
}

void hook_trailers() {
    if (std::exchange(state().filters_trailers, true)) return;
    ap_hook_insert_filter(on_insert_trailer_filter, nullptr, nullptr, APR_HOOK_LAST);
}

void hook_merged_trailers() {
    if (std::exchange(state().looked_for_merging, true)) return;
    const auto merges = [](const ap_directive_t& d) { return equal_nocase(d.directive, "MergeTrailers"); };
    if (is_any_directive(merges)) hook_trailers();
}

void register_forward_hooks() {
    ap_hook_post_read_request(on_post_read_request, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_register_input_filter(kTrailerFilter, on_trailer_filter, nullptr, AP_FTYPE_RESOURCE);
}

}  // namespace mtls::httpd
