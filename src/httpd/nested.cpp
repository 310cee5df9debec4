#include "nested.hpp"

#include "mtls_authz/request_path.hpp"

namespace mtls::httpd {

namespace {

bool is_dav_destination(const request_rec* r) {
    return r->main != nullptr && (r->main->method_number == M_COPY || r->main->method_number == M_MOVE);
}

bool is_recursive(const request_rec* r) {
    if (!acts_on_all_below(r->method_number)) return false;
    const char* const depth = apr_table_get(r->headers_in, "Depth");
    return depth == nullptr || std::string_view(depth) != "0";
}

bool covers_something_below(const GateSection& section, const request_rec* r) {
    using Kind = GateSection::Kind;
    const bool location = section.kind == Kind::kLocation || section.kind == Kind::kLocationMatch;
    const bool directory = section.kind == Kind::kDirectory || section.kind == Kind::kDirectoryMatch;
    if (!location && !directory) return false;
    const char* const place = location ? r->uri : r->filename;
    if (place == nullptr) return false;
    const std::string_view here = place;
    const std::string& prefix = section.literal_prefix;
    const bool literal = prefix.size() == section.path.size();
    if (is_below(here, prefix)) return true;
    // A pattern may fit anywhere below its literal beginning.
    return !literal && here.starts_with(prefix);
}

bool is_other_gate(const GateSection& section, const DirConfig& here) {
    const DirConfig& own = *section.config;
    const bool enforced = (has_gate(own) && gate_mode(own) == GateMode::kOn) || own.has_provider;
    const bool same = here.section == &section || (own.allow != nullptr && own.allow == here.allow);
    return enforced && !same;
}

}  // namespace

bool reaches_below(const request_rec* r) {
    const request_rec* const asked = is_dav_destination(r) ? r->main : r;
    // Below a file there is nothing.
    return is_recursive(asked) && asked->finfo.filetype != APR_REG && asked->handler != nullptr &&
           std::string_view(asked->handler) == "dav-handler";
}

const GateSection* nested_gate(const request_rec* r) {
    if (!is_recursive(r) && !is_dav_destination(r)) return nullptr;
    const DirConfig& here = dir_config(r);
    for (const GateSection* section : state().sections) {
        const bool applies = section->server == r->server || !section->server->is_virtual;
        if (applies && is_other_gate(*section, here) && covers_something_below(*section, r)) return section;
    }
    return nullptr;
}

}  // namespace mtls::httpd
