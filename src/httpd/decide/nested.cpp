#include "httpd/decide/nested.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "httpd/config/config_tree.hpp"
#include "httpd/decide/captures.hpp"
#include "httpd/decide/front.hpp"
#include "httpd/decide/request_state.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/rules/method_set.hpp"

namespace mtls::httpd {

namespace {

// False when mod_dir looks for an index in the destination: then `main` is itself a subrequest.
bool is_destination(const request_rec* r) {
    return r->main != nullptr && r->main->main == nullptr && has_destination(r->main);
}

// A file has nothing below it, unless a script serves it; that is known in fixups.
bool is_file(const request_rec* r) {
    return r->finfo.filetype == APR_REG && !has_path_info(r) && (!is_programs(r) || is_served_by_dav(r));
}

// RFC 4918 9.6.1 and 9.9.2: DELETE and MOVE act on everything below, whatever Depth says. RFC 3253 7.1 and 8.2: without
// Depth, UPDATE and LABEL do not; the others do.
bool is_recursive(const request_rec* r) {
    if (!acts_on_all_below(r) || is_file(r)) return false;
    const int method = method_number_of(r);
    if (method == M_DELETE || method == M_MOVE) return true;
    const char* const depth = apr_table_get(r->headers_in, "Depth");
    return depth != nullptr ? std::string_view(depth) != "0" : method != M_UPDATE && method != M_LABEL;
}

// RFC 4918 9.8.4: a collection at the destination is deleted first, unless `Overwrite: F`. A DAV repository may have
// collections outside of the file system: if neither source nor destination are in it, assume a collection.
bool overwrites_collection(const request_rec* destination) {
    const char* const overwrite = apr_table_get(destination->main->headers_in, "Overwrite");
    if (overwrite != nullptr && std::string_view(overwrite) == "F") return false;
    const bool is_unknown =
        destination->finfo.filetype == APR_NOFILE && destination->main->finfo.filetype == APR_NOFILE;
    return destination->finfo.filetype == APR_DIR || is_unknown;
}

// Whether the method acts on what is below this path.
bool reaches(const request_rec* r) {
    return is_destination(r) ? is_recursive(r->main) || overwrites_collection(r) : is_recursive(r);
}

// Whether a <Files> or <If> section may apply somewhere below this path. It applies within its holder alone.
bool may_decide_below(const GateSection& section, const request_rec* r) {
    using Kind = GateSection::Kind;
    const char* const path = section.holder == Kind::kLocation ? r->uri : r->filename;
    if (section.holder == Kind::kServer || path == nullptr) return true;
    const std::string_view here = path, holder = section.holder_prefix;
    if (!section.is_holder_literal) return here.starts_with(holder) || holder.starts_with(here);
    return covers(holder, here) || is_below(here, holder);
}

bool covers_something_below(const GateSection& section, const request_rec* r) {
    using Kind = GateSection::Kind;
    if (section.kind == Kind::kFiles || section.kind == Kind::kIf) return may_decide_below(section, r);
    const bool location = section.kind == Kind::kLocation || section.kind == Kind::kLocationMatch;
    const bool directory = section.kind == Kind::kDirectory || section.kind == Kind::kDirectoryMatch;
    if (!location && !directory) return false;
    const char* const path = location ? r->uri : r->filename;
    if (path == nullptr) return false;
    const std::string_view here = path;
    std::string_view prefix = section.literal_prefix;
    const bool literal = prefix.size() == section.path.size();
    // httpd appends a slash to the path of a <Directory>, but it matches the folder itself too.
    if (literal && directory && prefix.ends_with('/')) prefix.remove_suffix(1);
    if (is_below(here, prefix)) return true;
    // A pattern may match anywhere below its literal prefix.
    return !literal && here.starts_with(prefix);
}

// Whether the section is a <Files> whose allow rules are replaced by the <Location> that applies here and below, which
// is merged later.
bool is_replaced_by(const DirConfig& here, const GateSection& section) {
    const GateSection* const own = here.section;
    return section.kind == GateSection::Kind::kFiles && section.config->deny == nullptr && own != nullptr &&
           own->kind == GateSection::Kind::kLocation && own->is_literal() && own->config->allow != nullptr &&
           own->config->allow == here.allow;
}

// Whether the section has checks that this request's own sections do not have. A section with other captures below
// counts as another one.
bool is_other_gate(const GateSection& section, const DirConfig& here) {
    const DirConfig& own = *section.config;
    const bool is_gate = is_enforced(own);
    const bool same_gate = here.section == &section || (own.allow != nullptr && own.allow == here.allow);
    const bool authorizes = own.has_provider || section.authenticates;
    return (is_gate && !(same_gate && has_same_captures_below(own)) && !is_replaced_by(here, section)) ||
           (authorizes && here.authorizer != &section);
}

// Whether a front has sent the request on. A subrequest or redirect has the fields of its original request.
bool came_through_front(const request_rec* r) {
    while (r->main != nullptr) r = r->main;
    const RequestState* const request = find_state(r);
    return request != nullptr && !request->front_fields.empty();
}

// A section below that accepts other fronts than the one that has sent the request on.
bool accepts_others(const GateSection& section, const DirConfig& here) {
    return section.config->fronts->names != here.fronts->names;
}

using IsOther = bool (*)(const GateSection& section, const DirConfig& here);
const GateSection* find_below(const request_rec* r, const std::vector<const GateSection*>& sections, IsOther is_other) {
    const DirConfig& here = dir_config(r);
    const auto found = std::find_if(sections.begin(), sections.end(), [&](const GateSection* section) {
        return section->applies_in(r->server) && is_other(*section, here) && covers_something_below(*section, r);
    });
    return found != sections.end() ? *found : nullptr;
}

// Why the path in the header cannot be told; "" if `path` is set.
std::string read_destination(const request_rec* r, const char* header, const char*& path) {
    const std::string_view text = header;
    const bool is_odd =
        std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= ' '; });
    apr_uri_t uri;
    const bool is_read = !is_odd && apr_uri_parse(r->pool, header, &uri) == APR_SUCCESS && uri.path != nullptr;
    if (!is_read || *uri.path != '/') return "its Destination cannot be read as an absolute URI or path";
    if (uri.hostname != nullptr && !equal_nocase(uri.hostname, r->hostname != nullptr ? r->hostname : "")) {
        return "its Destination names another host than the request: " + in_quotes(uri.hostname, 100);
    }
    path = uri.path;
    return "";
}

}  // namespace

bool is_served_by_dav(const request_rec* r) noexcept {
    return r->handler != nullptr && std::string_view(r->handler) == "dav-handler";
}

// mod_rewrite notes what [H=] and [T=] choose, and sets it at the end of fixups, after us.
bool is_programs(const request_rec* r) noexcept {
    constexpr std::string_view kProgramType = "application/x-httpd-";
    const char* const chosen = apr_table_get(r->notes, "rewrite-forced-mimetype");
    const char* const type = chosen != nullptr ? chosen : r->content_type;
    return r->handler != nullptr || apr_table_get(r->notes, "rewrite-forced-handler") != nullptr ||
           (type != nullptr && std::string_view(type).starts_with(kProgramType));
}

int number_in_any_case(const request_rec* r) noexcept {
    const std::string_view method = r->method != nullptr ? r->method : "";
    for (const std::string_view known : kMethodsOnAllBelow) {
        if (equal_nocase(known, method)) return ap_method_number_of(known.data());
    }
    return M_INVALID;
}

bool has_method_on_all_below(const request_rec* r) noexcept {
    return r->method != nullptr && mtls::acts_on_all_below(r->method);
}

bool is_destination_of_backend(const request_rec* r) noexcept {
    return is_destination(r) && !is_served_by_dav(r->main);
}

std::optional<Objection> object_to_destination(request_rec* r) {
    if (r->main != nullptr || !has_destination(r) || is_served_by_dav(r)) return std::nullopt;
    const char* const header = apr_table_get(r->headers_in, "Destination");
    const char* path = nullptr;
    if (header == nullptr) return Objection{Reason::kBadPath, "it has no Destination, so a backend chooses one"};
    if (std::string fault = read_destination(r, header, path); !fault.empty()) {
        return Objection{Reason::kBadPath, std::move(fault)};
    }
    return object_to_path(r, r->method, path, "its Destination " + in_quotes(path, 200) + " may not be written to: ");
}

std::optional<Objection> object_to_path(request_rec* r, const char* method, const char* path, const std::string& text) {
    request_rec* const found = ap_sub_req_method_uri(method, path, r, nullptr);
    const RequestState* const request = find_state(found);
    std::optional<Objection> out;
    if (found->status != HTTP_OK && !was_let_in(found)) {
        const Reason reason =
            request != nullptr && request->denied_for ? request->denied_for->reason : Reason::kBadPath;
        out = Objection{reason, text + std::to_string(found->status)};
    }
    ap_destroy_sub_req(found);
    return out;
}

bool acts_elsewhere_if_overridden(const request_rec* r) {
    request_rec deletes = *r;
    deletes.method = "DELETE";
    deletes.method_number = M_DELETE;
    return nested_gate(&deletes) != nullptr || apr_table_get(r->headers_in, "Destination") != nullptr;
}

bool reaches_below(const request_rec* r) {
    if (!reaches(r)) return false;
    return method_number_of(r) != M_DELETE || is_served_by_dav(r) || apr_table_get(r->headers_in, "Depth") != nullptr;
}

std::string repository_of(const request_rec* r) {
    const std::string_view path = r->uri != nullptr ? r->uri : "";
    for (const std::string& special : state().svn_uris) {
        for (std::size_t at = 0; (at = path.find(special, at)) != path.npos; ++at) {
            if (covers(special, path.substr(at))) return at > 0 ? std::string(path.substr(0, at)) : "/";
        }
    }
    return {};
}

const GateSection* nested_gate(const request_rec* r) {
    if (is_of_subversion(r)) {
        std::string repository = repository_of(r);
        request_rec all = *r;
        all.uri = repository.data();
        return find_below(&all, state().sections, is_other_gate);
    }
    if (!reaches(r)) return nullptr;
    const DirConfig& here = dir_config(r);
    const GateSection* const gate = find_below(r, state().sections, is_other_gate);
    const bool counts = accepts_front(here) && came_through_front(r);
    return gate != nullptr || !counts ? gate : find_below(r, state().front_sections, accepts_others);
}

}  // namespace mtls::httpd
