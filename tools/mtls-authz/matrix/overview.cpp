
#include "overview.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/tell/html.hpp"

namespace mtls::tool {

const char* const kOverviewStyle = R"(
body { max-width: 80rem; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 3px solid; outline-offset: 2px; }
.wide th, .wide td { padding: .25rem .75rem .25rem 0; overflow-wrap: normal; white-space: normal; }
.wide thead th { vertical-align: bottom; font-weight: 600; }
.wide tbody th { font-weight: 600; white-space: nowrap; position: sticky; left: 0; background: Canvas; }
.some { border-bottom: 1px dotted; }
)";

namespace {

constexpr std::size_t kMostColumns = 16;

// Generalises to "/partners/%{partner}/**".
std::string general(std::string_view path, std::string_view partner) {
    std::string out;
    for (const std::string_view segment : split(path.substr(1), '/'))
        out += "/" + std::string(segment == partner ? "%{partner}" : segment);
    return out;
}

// Shortens to "/partners/...".
std::string beginning(const std::string& path) {
    const std::size_t end = path.find('/', 1);
    return end == std::string::npos ? path : path.substr(0, end) + "/...";
}

// A partner's methods in one column.
struct Cell {
    std::set<std::string> methods;
    bool is_conditional = true;  // every permission in it depends on the certificate
};
using Row = std::map<std::string, Cell>;

Row row_of(const Policy& policy, const Partner& partner) {
    Row out;
    for (const auto grants : {std::span(partner.grants), policy.grants()}) {
        for (const Grant& grant : grants) {
            for (const PathPattern& path : grant.paths) {
                Cell& cell = out[general(path.text(), partner.name)];
                cell.methods.insert(grant.methods.text());
                cell.is_conditional = cell.is_conditional && !grant.conditions.empty();
            }
        }
    }
    return out;
}

void shorten(Row& row) {
    Row out;
    for (const auto& [path, cell] : row) {
        Cell& to = out[beginning(path)];
        to.methods.insert(cell.methods.begin(), cell.methods.end());
        to.is_conditional = to.is_conditional && cell.is_conditional;
    }
    row = std::move(out);
}

std::set<std::string> columns_of(const std::vector<Row>& rows) {
    std::set<std::string> out;
    for (const Row& row : rows) {
        for (const auto& [path, cell] : row) out.insert(path);
    }
    return out;
}

// Allows line breaks before slashes only.
std::string path_html(std::string_view path) {
    std::string out;
    for (const std::string_view segment : split(path.substr(1), '/'))
        out += (out.empty() ? "/" : "<wbr>/") + html_escape(segment);
    return out;
}

std::string cell_html(const Row& row, const std::string& column) {
    const auto found = row.find(column);
    if (found == row.end()) return "<td></td>";
    const Cell& cell = found->second;
    // `*` includes all other methods.
    std::string text = cell.methods.contains("*") ? "all" : html_escape(joined(cell.methods, ", "));
    if (cell.is_conditional) text = "<span class=\"some\" title=\"for some certificates\">" + text + " if</span>";
    return "<td>" + text + "</td>";
}

}  // namespace

std::string overview_of(const Policy& policy) {
    std::vector<Row> rows;
    for (const Partner& partner : policy.partners()) rows.push_back(row_of(policy, partner));
    auto columns = columns_of(rows);
    if (columns.empty()) return {};
    if (columns.size() > kMostColumns) {
        for (Row& row : rows) shorten(row);
        columns = columns_of(rows);
    }
    std::string head = "<th scope=\"col\">Partner</th>";
    for (const std::string& column : columns) head += "<th scope=\"col\">" + path_html(column) + "</th>";
    std::string body;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::string name = html_escape(policy.partners()[i].name);
        std::string cells;
        for (const std::string& column : columns) cells += cell_html(rows[i], column);
        body.append("<tr><th scope=\"row\"><a href=\"#p-").append(name).append("\">").append(name);
        body.append("</a></th>").append(cells).append("</tr>\n");
    }
    return "<section aria-labelledby=\"overview\">\n<h2 id=\"overview\">Partners by path</h2>\n<div class=\"wide\" "
           "role=\"region\" aria-labelledby=\"overview\" tabindex=\"0\">\n<table>\n<thead><tr>" +
           head + "</tr></thead>\n<tbody>\n" + body +
           "</tbody>\n</table>\n</div>\n<p class=\"note\">\"if\": for some certificates of the partner; the lines "
           "below "
           "say which. Gates of httpd.conf may ask for more, or for less.</p>\n</section>\n";
}

}  // namespace mtls::tool
