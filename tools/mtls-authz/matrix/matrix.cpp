#include "matrix.hpp"

#include <algorithm>
#include <ctime>
#include <iostream>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../input.hpp"
#include "../terminal.hpp"
#include "page.hpp"

namespace mtls::tool {

std::string condition_of(const Conditions& conditions) { return joined(conditions, " ", &Selector::text); }

std::string path_for(const PathPattern& path, std::string_view partner) {
    constexpr std::string_view kVariable = "%{partner}";
    std::string out(path.text());
    for (std::size_t at = out.find(kVariable); at != std::string::npos; at = out.find(kVariable, at + partner.size())) {
        out.replace(at, kVariable.size(), partner);
    }
    return out;
}

void join(std::string& to, const std::string& more) {
    if (!more.empty()) to += (to.empty() ? "" : "; ") + more;
}

void add_limits(const Partner& partner, const Refusals& refusals, MatrixRow& to) {
    if (!partner.validity.contains(std::time(nullptr))) join(to.state, "it is outside its contract now");
    if (partner.suspended || refusals.suspends(partner.name) != nullptr) join(to.state, "it is suspended now");
    if (!partner.networks.empty()) join(to.condition, "from " + texts_of(partner.networks));
}

namespace {

std::vector<MatrixRow> rows_of(const Policy& policy) {
    std::vector<MatrixRow> out;
    for (const Partner& partner : policy.partners()) {
        for (const auto grants : {std::span(partner.grants), policy.grants()}) {
            for (const Grant& grant : grants) {
                for (const PathPattern& path : grant.paths) {
                    out.push_back({std::string(partner.name),
                                   path_for(path, partner.name),
                                   grant.methods.text(),
                                   condition_of(grant.conditions),
                                   grant.where.str(),
                                   {},
                                   {},
                                   {}});
                    add_limits(partner, {}, out.back());
                }
            }
        }
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const MatrixRow& a, const MatrixRow& b) { return a.partner < b.partner; });
    return out;
}

// RFC 4180; a text that spreadsheets would evaluate as a formula gets a leading quote.
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

constexpr const char* kPartner = "PARTNER";

// Width of a column with this heading.
std::size_t width_of(const std::vector<MatrixRow>& rows, std::string MatrixRow::*column, std::string_view heading) {
    std::size_t out = heading.size();
    for (const MatrixRow& row : rows) out = std::max(out, width_on_screen(shown(row.*column)));
    return out;
}

std::string cell(const std::string& text, std::size_t width) {
    const std::string safe = shown(text);
    const std::size_t own = width_on_screen(safe);
    return safe + std::string(own < width ? width - own : 0, ' ') + "  ";
}

}  // namespace

void print_csv(const std::vector<MatrixRow>& rows, bool is_live) {
    std::cout << (is_live ? "host," : "") << "partner,path,methods,condition,rule" << (is_live ? ",gate\r\n" : "\r\n");
    for (const MatrixRow& row : rows) {
        if (is_live) std::cout << csv_field(row.host) << ',';
        std::cout << csv_field(row.partner) << ',' << csv_field(row.path) << ',' << csv_field(row.methods) << ','
                  << csv_field(row.condition_and_state()) << ',' << csv_field(row.rule);
        if (is_live) std::cout << ',' << csv_field(row.gate);
        std::cout << "\r\n";
    }
}

void print_json(const std::vector<MatrixRow>& rows, std::string_view generation, bool is_live) {
    Json out = {{"generation", generation}, {"rows", Json::array()}};
    for (const MatrixRow& row : rows) {
        Json one = {{"partner", row.partner}, {"path", row.path},
                    {"methods", row.methods}, {"condition", row.condition_and_state()},
                    {"rule", row.rule},       {"denied_now", row.state.empty() ? Json(nullptr) : Json(row.state)}};
        if (is_live) one.update({{"host", row.host}, {"gate", row.gate}});
        out["rows"].push_back(std::move(one));
    }
    std::cout << one_line(out) << '\n';
}

void print_table(const std::vector<MatrixRow>& rows, bool is_live) {
    const std::size_t host = width_of(rows, &MatrixRow::host, "HOST"),
                      partner = width_of(rows, &MatrixRow::partner, kPartner),
                      path = width_of(rows, &MatrixRow::path, "PATH"),
                      methods = width_of(rows, &MatrixRow::methods, "METHODS");
    if (is_live) std::cout << cell("HOST", host);
    std::cout << cell(kPartner, partner) << cell("PATH", path) << cell("METHODS", methods) << "RULE\n";
    for (const MatrixRow& row : rows) {
        if (is_live) std::cout << cell(row.host, host);
        std::cout << cell(row.partner, partner) << cell(row.path, path) << cell(row.methods, methods) << shown(row.rule)
                  << (row.condition.empty() ? "" : "  if " + shown(row.condition))
                  << (row.state.empty() ? "" : "  but " + shown(row.state)) << '\n';
    }
}

namespace {

void print_text(const Policy& policy, const std::vector<MatrixRow>& rows) {
    std::cout << "generation " << policy.generation() << "\n";
    print_table(rows, false);
    const std::size_t width = width_of(rows, &MatrixRow::partner, kPartner);
    for (const Partner& p : policy.partners()) {
        const bool granted =
            std::any_of(rows.begin(), rows.end(), [&](const MatrixRow& row) { return row.partner == p.name; });
        if (granted) continue;
        MatrixRow limits;
        add_limits(p, {}, limits);
        std::cout << cell(std::string(p.name), width) << "no grant: only gates that name it, its groups or any-partner"
                  << (limits.state.empty() ? "" : ", but " + limits.state) << '\n';
    }
    std::cout << "not asked: gates of httpd.conf, revocation files (--live asks a running server)\n";
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
        std::cout << page_of(*input.policy, nullptr);
    } else if (options.csv) {
        print_csv(rows, false);
    } else if (options.json) {
        print_json(rows, input.policy->generation(), false);
    } else {
        print_text(*input.policy, rows);
    }
    return kFine;
}

}  // namespace mtls::tool
