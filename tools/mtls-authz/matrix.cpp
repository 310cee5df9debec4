#include <algorithm>
#include <iostream>

#include "commands.hpp"
#include "input.hpp"
#include "page.hpp"
#include "terminal.hpp"

namespace mtls::tool {

namespace {

// One cell: who may do what where, and the line that says so.
struct Row {
    std::string partner, path, methods, condition, rule;
};

std::string condition_of(const Grant& grant) {
    std::string out;
    for (const std::string_view text : grant.conditions.texts()) out += (out.empty() ? "" : " ") + std::string(text);
    return out;
}

// `%{partner}` is written out: an auditor asks about names.
std::string path_for(const PathPattern& path, std::string_view partner) {
    constexpr std::string_view kVariable = "%{partner}";
    std::string out(path.text());
    for (std::size_t at = out.find(kVariable); at != std::string::npos; at = out.find(kVariable, at + partner.size())) {
        out.replace(at, kVariable.size(), partner);
    }
    return out;
}

std::vector<Row> rows_of(const Policy& policy) {
    std::vector<Row> out;
    for (const Partner& partner : policy.partners()) {
        for (const auto grants : {std::span(partner.grants), policy.grants()}) {
            for (const Grant& grant : grants) {
                for (const PathPattern& path : grant.paths) {
                    out.push_back({std::string(partner.name), path_for(path, partner.name), grant.methods.text(),
                                   condition_of(grant), grant.where.str()});
                }
            }
        }
    }
    std::stable_sort(out.begin(), out.end(), [](const Row& a, const Row& b) { return a.partner < b.partner; });
    return out;
}

// RFC 4180; what a spreadsheet would take for a formula is made text.
std::string csv_field(const std::string& text) {
    const bool formula = !text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos;
    std::string out = "\"";
    if (formula) out += '\'';
    for (const char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + "\"";
}

void print_csv(const std::vector<Row>& rows) {
    std::cout << "partner,path,methods,condition,rule\r\n";
    for (const Row& row : rows) {
        std::cout << csv_field(row.partner) << ',' << csv_field(row.path) << ',' << csv_field(row.methods) << ','
                  << csv_field(row.condition) << ',' << csv_field(row.rule) << "\r\n";
    }
}

void print_text(const Policy& policy, const std::vector<Row>& rows) {
    std::size_t partner = 7, path = 4, methods = 7;
    for (const Row& row : rows) {
        partner = std::max(partner, row.partner.size());
        path = std::max(path, row.path.size());
        methods = std::max(methods, row.methods.size());
    }
    const auto cell = [](const std::string& text, std::size_t width) {
        const std::string safe = shown(text);
        return safe + std::string(safe.size() < width ? width - safe.size() : 0, ' ') + "  ";
    };
    std::cout << "generation " << policy.generation() << "\n"
              << cell("PARTNER", partner) << cell("PATH", path) << cell("METHODS", methods) << "RULE\n";
    for (const Row& row : rows) {
        std::cout << cell(row.partner, partner) << cell(row.path, path) << cell(row.methods, methods) << row.rule
                  << (row.condition.empty() ? "" : "  if " + shown(row.condition)) << '\n';
    }
    for (const Partner& p : policy.partners()) {
        const bool granted =
            std::any_of(rows.begin(), rows.end(), [&](const Row& row) { return row.partner == p.name; });
        if (!granted)
            std::cout << cell(std::string(p.name), partner)
                      << "no grant: only gates that name it, its groups or any-partner\n";
    }
}

}  // namespace

int show_matrix(const MatrixOptions& options) {
    const PolicyInput input = read_policy(options.policy, options.root);
    if (!input.policy) {
        print_findings(std::cerr, input.findings);
        return input.unreadable ? kNotDone : kErrorsFound;
    }
    const auto rows = rows_of(*input.policy);
    if (options.html) {
        std::cout << page_of(*input.policy);
    } else if (options.csv) {
        print_csv(rows);
    } else {
        print_text(*input.policy, rows);
    }
    return kFine;
}

}  // namespace mtls::tool
