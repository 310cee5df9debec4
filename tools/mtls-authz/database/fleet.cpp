#include <algorithm>
#include <charconv>
#include <iomanip>
#include <iostream>
#include <map>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../terminal.hpp"
#include "database.hpp"
#include "mtls_authz/base/text.hpp"
#include "working_copy.hpp"

namespace mtls::tool {

namespace {

struct Node {
    std::string name, generation, since, error;
    std::optional<std::int64_t> revision, age;  // seconds
    std::vector<std::string> findings;
};

std::optional<std::int64_t> number_of(const std::optional<std::string>& text) {
    std::int64_t out = 0;
    if (!text) return std::nullopt;
    const auto [end, wrong] = std::from_chars(text->data(), text->data() + text->size(), out);
    return wrong == std::errc() ? std::optional(out) : std::nullopt;
}

// By the clock of the database.
std::string age_in_sql(const std::string& driver) {
    if (driver == "pgsql") return "CAST(EXTRACT(EPOCH FROM now() - seen) AS bigint)";
    if (driver == "mysql") return "TIMESTAMPDIFF(SECOND, seen, NOW())";
    return "CAST(strftime('%s', 'now') - strftime('%s', seen) AS INTEGER)";
}

Result<std::vector<Node>> read_nodes(Database& database) {
    constexpr std::size_t kColumns = 6;
    const std::string what = "SELECT node, generation, revision, since, error, ",
                      from = " FROM mtls_node ORDER BY node";
    auto rows = database.select(what + age_in_sql(database.driver()) + from, kColumns);
    // A table that was not made by the example may lack the column `seen`.
    const bool has_seen = rows.ok();
    if (!rows) rows = database.select(what + "NULL" + from, kColumns);
    if (!rows) return Error{"table mtls_node: " + rows.error()};
    std::vector<Node> out;
    for (const Database::Row& row : rows.value()) {
        out.push_back({row[0].value_or(""),
                       row[1].value_or(""),
                       row[3].value_or(""),
                       row[4].value_or(""),
                       number_of(row[2]),
                       number_of(row[5]),
                       {}});
        if (has_seen && !out.back().age) out.back().findings.emplace_back("has no time of its last word in `seen`");
    }
    return out;
}

void find_faults(Node& node, std::int64_t revision, std::int64_t most_age) {
    constexpr std::int64_t kMostAhead = 60;  // seconds
    if (node.age && *node.age < -kMostAhead) {
        node.findings.push_back("has a last word of " + std::to_string(-*node.age) +
                                " s ahead: the clock of the database is wrong, or was");
    }
    if (node.age && *node.age > most_age) {
        node.findings.push_back("has said nothing for " + std::to_string(*node.age) + " s");
    }
    if (!node.error.empty()) node.findings.push_back(node.error);
    if (node.generation.empty()) node.findings.push_back("has no policy in force: its gates are closed");
    if (node.revision.value_or(0) < revision) node.findings.push_back("is behind revision " + std::to_string(revision));
    if (node.revision.value_or(0) > revision) {
        node.findings.push_back("is ahead of revision " + std::to_string(revision) +
                                ": the database is older than what it has (a backup?); raise its revision");
    }
}

// Servers of one revision have one generation, unless their own files or directives differ.
void find_differences(std::vector<Node>& nodes, std::int64_t revision) {
    std::map<std::string, std::size_t> servers;
    const auto counts = [revision](const Node& node) { return node.revision == revision && !node.generation.empty(); };
    for (const Node& node : nodes) {
        if (counts(node)) ++servers[node.generation];
    }
    const auto most = std::max_element(servers.begin(), servers.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    for (Node& node : nodes) {
        if (!counts(node) || node.generation == most->first) continue;
        node.findings.push_back("has another generation at this revision than " + std::to_string(most->second) +
                                " server(s) with " + most->first + ": its own policy files or directives differ");
    }
}

Json json_of(const Node& node) {
    const auto text = [](const std::string& value) { return value.empty() ? Json(nullptr) : Json(value); };
    const auto number = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
    return {{"node", node.name},
            {"generation", text(node.generation)},
            {"revision", number(node.revision)},
            {"since", text(node.since)},
            {"age", number(node.age)},
            {"error", text(node.error)},
            {"findings", node.findings}};
}

}  // namespace

int show_fleet(const FleetOptions& options) {
    const auto opened = open_database(options.database);
    if (!opened) return complain(opened.error());
    // The revision last, or a push between both would make servers ahead of it.
    auto nodes = read_nodes(*opened.value());
    const auto revision = opened.value()->revision();
    if (!revision) return complain(revision.error());
    if (!nodes) return complain(nodes.error());
    find_differences(nodes.value(), revision.value());
    bool has_findings = nodes.value().empty();
    Json all = Json::array();
    std::size_t width = 4;
    for (Node& node : nodes.value()) {
        find_faults(node, revision.value(), options.most_age);
        has_findings = has_findings || !node.findings.empty();
        width = std::max(width, shown(node.name).size());
        all.push_back(json_of(node));
    }
    if (options.json) {
        std::cout << one_line({{"revision", revision.value()}, {"ok", !has_findings}, {"nodes", std::move(all)}})
                  << '\n';
        return has_findings ? kErrorsFound : kFine;
    }
    std::cout << "revision " << revision.value() << ", " << nodes.value().size() << " node(s)\n";
    if (nodes.value().empty()) {
        const bool is_sqlite = opened.value()->driver() == "sqlite3";
        complain(std::string("no server has written what it has into mtls_node; ") +
                 (is_sqlite ? "with sqlite3 none does" : "each needs the right to") +
                 ": ask one with mtls-authz matrix --live");
    }
    for (const Node& node : nodes.value()) {
        std::cout << std::left << std::setw(static_cast<int>(width)) << shown(node.name) << "  " << std::setw(16)
                  << shown(node.generation.empty() ? "-" : node.generation) << "  revision "
                  << (node.revision ? std::to_string(*node.revision) : "-") << "  since "
                  << shown(node.since.empty() ? "-" : node.since) << "  "
                  << (node.age ? std::to_string(*node.age) + " s ago" : "-") << '\n';
        for (const std::string& finding : node.findings) {
            std::cout << "  " << coloured(shown(finding), Colour::kBad) << '\n';
        }
    }
    return has_findings ? kErrorsFound : kFine;
}

}  // namespace mtls::tool
