#include "httpd/decide/readings.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "httpd/config/config.hpp"
#include "httpd/decide/nested.hpp"
#include "httpd/decide/request_state.hpp"
#include "httpd/decide/section_walk.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls::httpd {

namespace {

// The state of the SectionWalk's copy for which a condition (-U, -F) looks this request up. Null: none.
RequestState* walk_around(const request_rec* r) noexcept {
    for (r = r->main; r != nullptr; r = r->main) {
        RequestState* const request = find_state(r);
        if (request != nullptr && request->is_reading) return request;
    }
    return nullptr;
}

bool is_in_absolute_form(const request_rec* r) noexcept {
    return r->unparsed_uri != nullptr && *r->unparsed_uri != '/';
}

// The path as the client wrote it; nullopt if there is none.
std::optional<std::string_view> path_as_written(const request_rec* r) noexcept {
    std::string_view uri = r->unparsed_uri != nullptr ? r->unparsed_uri : "";
    uri = uri.substr(0, uri.find('?'));  // with HttpProtocolOptions Unsafe, '#' reaches a backend
    // In absolute form with the authority: `//HOST/PATH`. Some applications read that as /HOST/PATH.
    const std::size_t path = uri.find('/');
    return path == std::string_view::npos ? std::nullopt : std::optional(uri.substr(path));
}

// mod_proxy sets this note for `nocanon` and `mapping=encoded`.
bool is_proxied_as_written(const request_rec* r) noexcept {
    return r->proxyreq != PROXYREQ_NONE && apr_table_get(r->notes, "proxy-nocanon") != nullptr;
}

// Whether mod_proxy sends only r->uri's path to the backend. FastCGI, SCGI and uwsgi also send REQUEST_URI.
bool is_proxied_as_decided(const request_rec* r) noexcept {
    constexpr std::string_view kSchemes[] = {"proxy:http://", "proxy:https://", "proxy:ws://", "proxy:wss://",
                                             "proxy:ajp://",  "proxy:h2://",    "proxy:h2c://"};
    const std::string_view to = r->proxyreq != PROXYREQ_NONE && r->filename != nullptr ? r->filename : "";
    return std::any_of(std::begin(kSchemes), std::end(kSchemes),
                       [to](std::string_view s) { return to.starts_with(s); });
}

// Whether httpd's path, of this size, equals the one that the client wrote. httpd decodes and normalises in place, and
// each step shortens the path; a module that sets another path uses other memory.
bool is_as_written(const request_rec* r, std::size_t size) noexcept {
    if (r->uri != r->parsed_uri.path || r->unparsed_uri == nullptr) return false;
    const char behind = r->unparsed_uri[size];
    return behind == '\0' || behind == '?';
}

// Whether httpd may have removed segments from the written path: an application that uses REQUEST_URI sees them.
bool may_have_removed_segments(const request_rec* r) noexcept {
    const auto raw = path_as_written(r);
    return raw && (raw->starts_with("//") || raw->find("/.") != std::string_view::npos ||
                   raw->find("%2") != std::string_view::npos);
}

// Of a request that was let in: whether its request line was judged, or holds nothing but the path that was.
bool is_line_judged(const request_rec* r) noexcept {
    return find_state(r)->is_line_judged || (r->uri == r->parsed_uri.path && !may_have_removed_segments(r));
}

// The request whose line a program that serves `r` reads in REQUEST_URI, unless it was judged before. Of a redirect by
// an ErrorDocument, the first request's is not if no gate has let it in, or if httpd or mod_proxy served it by its own
// path. Null: none.
const request_rec* request_line_of(const request_rec* r) noexcept {
    if (is_initial(r) || is_destination_of_backend(r)) return r;
    while (r->main != nullptr) r = r->main;
    if (r->prev == nullptr) return nullptr;
    while (r->prev != nullptr) r = r->prev;
    return was_let_in(r) && is_line_judged(r) ? nullptr : r;
}

// The path of the request, if a module (mod_rewrite with [PT]) replaced it before httpd chose the sections, or an
// ErrorDocument was asked for instead: a program still reads it in REQUEST_URI.
std::optional<std::string_view> replaced_path(const request_rec* r) noexcept {
    const request_rec* const line = request_line_of(r);
    if (line != nullptr && line != r && was_let_in(line)) return replaced_path(line);
    const char* const path = line != nullptr ? line->parsed_uri.path : nullptr;
    if (path == nullptr || path == r->uri) return std::nullopt;
    const std::string_view asked = path, own = r->uri != nullptr ? r->uri : "";
    return asked.starts_with('/') && asked != own ? std::optional(asked) : std::nullopt;
}

// The next request before this one, by redirects, that was not let in: the program of an ErrorDocument reads its path
// in REDIRECT_URL. Null: none.
const request_rec* next_refused(const request_rec* r) noexcept {
    do {
        while (r->prev == nullptr && r->main != nullptr) r = r->main;
        r = r->prev;
    } while (r != nullptr && was_let_in(r));
    return r;
}

// Whether httpd itself serves the file that it found. mod_actions chooses a program by type and method, too.
bool is_plain_file(const request_rec* r) noexcept {
    return r->finfo.filetype == APR_REG && !has_path_info(r) && !is_programs(r) && !state().has_actions;
}

// Whether the response may be a page of mod_include, whose programs read the REQUEST_URI of the page. After a redirect
// they are subrequests for which request_line_of() finds that line.
bool may_include(const request_rec* r) noexcept {
    return is_initial(r) && ap_find_linked_module("mod_include.c") != nullptr &&
           (ap_allow_options(const_cast<request_rec*>(r)) & OPT_INCLUDES) != 0;
}

// Whether an application may read the path of the request line.
bool is_request_line_read(const request_rec* r) noexcept {
    return is_destination_of_backend(r) || (!is_proxied_as_decided(r) && !is_plain_file(r)) || may_include(r);
}

// The PATH_INFO that a subrequest without its own takes over from the page around it with the page's environment (with
// AcceptPathInfo, mod_include may run a program so). Null: none.
const char* inherited_path_info(const request_rec* r) noexcept {
    const bool may_be_read = r->main != nullptr && !has_path_info(r) && !is_proxied_as_decided(r);
    return may_be_read ? apr_table_get(r->subprocess_env, "PATH_INFO") : nullptr;
}

// The path as the client wrote it if an application may read it; else nullopt.
std::optional<std::string_view> raw_path(const request_rec* r) {
    if (is_proxied_as_written(r)) return path_as_written(r);
    const request_rec* const line = request_line_of(r);
    if (line == nullptr || !is_request_line_read(r)) return std::nullopt;
    if (line != r && !was_let_in(line)) return path_as_written(line);
    const auto raw = may_have_removed_segments(line) ? path_as_written(line) : std::nullopt;
    return raw && has_removed_segment(*raw) ? raw : std::nullopt;
}

// The PATH_INFO of a program that mod_actions may choose, by its path or its file's name: an alias may lead to it, too.
// Null: none.
const char* path_info_for_action(const request_rec* r) noexcept {
    const char* const info = has_path_info(r) ? r->path_info : inherited_path_info(r);
    const std::string_view uri = r->uri, file = r->filename != nullptr ? r->filename : "";
    for (const std::string_view program : state().action_programs) {
        if (is_below(program, uri)) return r->uri + program.size();
        if (info != nullptr && (uri == program || file.ends_with(program.substr(program.rfind('/'))))) return info;
    }
    return nullptr;
}

// A backend that may find a file in the path itself. Of a balancer, the members are not known here.
bool is_proxied_to_program(const request_rec* r) noexcept {
    return r->proxyreq != PROXYREQ_NONE && !is_proxied_as_decided(r);
}

bool may_have_path_info(const request_rec* r) noexcept { return has_path_info(r) || is_proxied_to_program(r); }

// The paths of the file or program that may serve the request, if what follows is its PATH_INFO. Not of a program that
// is mounted under another name (ScriptAlias, WSGIScriptAlias): it is known by its URLs, not as a file.
std::vector<std::string> paths_of_files(const request_rec* r) {
    const std::string_view uri = r->uri, to = r->filename != nullptr ? r->filename : "";
    std::vector<std::string> out;
    const std::string_view rest = r->path_info != nullptr ? r->path_info : "";
    if (r->finfo.filetype == APR_REG && !rest.empty() && uri.ends_with(rest)) {
        const std::string_view path = uri.substr(0, uri.size() - rest.size());
        const std::string_view name = path.substr(path.rfind('/') + 1);
        if (!name.empty() && to.ends_with(name) && to.substr(0, to.size() - name.size()).ends_with('/'))
            out.emplace_back(path);
    }
    // The backend finds the file: a part of the path with an extension (cgi.fix_pathinfo of PHP).
    const bool is_by_backend = is_proxied_to_program(r);
    for (std::size_t at = 1; is_by_backend && (at = uri.find('/', at)) != uri.npos; ++at) {
        const std::string_view path = uri.substr(0, at);
        if (path.find('.', path.rfind('/') + 1) != path.npos) out.emplace_back(path);
    }
    return out;
}

// Whether the section that decides is of paths below this file alone.
bool is_below_file(const Guards& own, std::string_view file) {
    if (own.section == nullptr) return false;
    const std::string_view prefix = own.section->literal_prefix;
    return prefix.size() > file.size() && prefix.starts_with(file) && prefix[file.size()] == '/';
}

// Other decoded paths that a program may read in its environment.
std::vector<std::string> paths_in_environment(const request_rec* r) {
    std::vector<std::string> out;
    if (is_request_line_read(r)) {
        if (const auto replaced = replaced_path(r)) out.emplace_back(*replaced);
        for (const request_rec* p = next_refused(r); p != nullptr; p = next_refused(p)) {
            if (p->uri != nullptr) out.emplace_back(p->uri);
        }
    }
    if (const char* const info = inherited_path_info(r)) out.push_back(std::string(r->uri) + info);
    return out;
}

// Appends the readings of the path to `out`. False if there are too many.
bool add_readings(std::vector<std::string>& out, std::string_view path, PathForm form) {
    const auto all = readings_of(path, form);
    if (all) out.insert(out.end(), all->begin(), all->end());
    return all.has_value();
}

// All readings other than the path itself; nullopt: too many.
std::optional<std::vector<std::string>> other_readings(const request_rec* r) {
    std::vector<std::string> out;
    if (!add_readings(out, r->uri, PathForm::kDecoded)) return std::nullopt;
    const auto raw = raw_path(r);
    if (raw && !add_readings(out, *raw, PathForm::kRaw)) return std::nullopt;
    for (const std::string& path : paths_in_environment(r)) {
        if (!add_readings(out, path, PathForm::kDecoded)) return std::nullopt;
    }
    std::erase(out, r->uri);
    return out;
}

std::string behind(const Guards& guards) {
    if (guards.section == nullptr) return ", which is behind another gate";
    return ", which is behind " + guards.section->title() + " at " + short_place(guards.section->where);
}

// The rare cases of is_plain(), for a path that is plain itself.
[[gnu::noinline]] bool is_plain_in_each_place(const request_rec* r, std::string_view path) noexcept {
    const request_rec* const line = request_line_of(r);
    const bool is_other_line = line != nullptr && line != r;
    if (is_other_line || next_refused(r) != nullptr || inherited_path_info(r) != nullptr) return false;
    if (is_as_written(r, path.size())) return true;
    return (line == nullptr || !may_have_removed_segments(r)) && !replaced_path(r) &&
           (!is_proxied_as_written(r) || path_as_written(r) == path);
}

}  // namespace

bool is_plain(const request_rec* r) noexcept {
    const std::string_view path = r->uri != nullptr ? r->uri : "";
    if (path.empty()) return true;
    if (!is_plain_path(path) || may_have_path_info(r)) return false;
    return (is_initial(r) && is_as_written(r, path.size())) || is_plain_in_each_place(r, path);
}

bool is_read_otherwise_now(const request_rec* r) {
    return r->finfo.filetype == APR_REG && is_programs(r) &&
           (raw_path(r) || replaced_path(r) || next_refused(r) != nullptr);
}

std::optional<Objection> object_to_action(request_rec* r) {
    if (r->uri == nullptr || is_proxied_as_decided(r)) return std::nullopt;
    const char* const path = path_info_for_action(r);
    if (path == nullptr || !std::string_view(path).starts_with('/')) return std::nullopt;
    // mod_actions runs it for a request that was decided.
    if (r->prev != nullptr && was_let_in(r->prev) && std::string_view(r->prev->uri) == path) return std::nullopt;
    return object_to_path(r, "GET", ap_escape_uri(r->pool, path),
                          "it gives the program of an Action line the file at " + in_quotes(path, 200) +
                              ", which is to be asked for by its own path: ");
}

PathReadings read_path(request_rec* r) {
    PathReadings out;
    if (r->uri == nullptr || is_plain(r) || !server_config(r->server).has_gates) return out;
    if (is_initial(r) && is_request_line_read(r)) request_state(r).is_line_judged = true;
    const PathFault fault = find_path_fault(r->uri);
    out.is_bad = fault != PathFault::kNone;
    if (out.is_bad) {
        out.detail =
            fault == PathFault::kDotSegment ? "a backend may read a segment as '.' or '..'" : "it holds a control byte";
        return out;
    }
    auto others = other_readings(r);
    const std::vector<std::string> files = paths_of_files(r);
    if (!others || files.size() > kMostReadings) {
        out.is_bad = true;
        out.detail = "it can be read in more than " + std::to_string(kMostReadings) + " ways";
        return out;
    }
    if (others->empty() && files.empty()) return out;
    // A walk within a walk might have no end.
    if (RequestState* const around = walk_around(r)) {
        around->is_condition_refused = out.is_bad = true;
        out.detail = "a condition of <If> looks it up for one reading of a path, and it can be read otherwise itself";
        return out;
    }
    const SectionWalk walk(r);
    const Guards own = walk.guards_of(r->uri);
    // In absolute form, one reading has the authority as its first folder: /HOST/PATH. Where that is behind no gate, it
    // needs no grant.
    const bool is_folder_added = is_in_absolute_form(r) && own.section == dir_config(r).section;
    for (std::string& reading : *others) {
        const Guards guards = walk.guards_of(reading);
        if (!includes(own, guards)) {
            out.is_bad = true;
            out.detail = "a backend may read it as '" + reading + "'" + behind(guards);
            return out;
        }
        const bool is_guarded = guards.is_gated || guards.authorizes;
        if (is_guarded || !is_folder_added) out.others.push_back(std::move(reading));
    }
    for (const std::string& file : files) {
        const Guards guards = walk.guards_of(file);
        if (includes(own, guards) || is_below_file(own, file)) continue;
        out.is_bad = true;
        out.detail = "'" + file + "' may serve it" + behind(guards);
        return out;
    }
    return out;
}

}  // namespace mtls::httpd
