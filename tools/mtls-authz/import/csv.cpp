// Reads a table with one partner a line, as exported by spreadsheets and inventories.
#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "../policy/policy_text.hpp"
#include "../terminal.hpp"
#include "import.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/rules/selector.hpp"

namespace mtls::tool {

namespace {

struct Row {
    std::size_t line;
    std::vector<std::string> fields;
    bool is_open = false;  // a quote in it does not end
};

// Parses RFC 4180 with `separator` instead of the comma; skips empty rows.
std::vector<Row> rows_of(std::string_view text, char separator) {
    std::vector<Row> out;
    std::size_t line = 1;
    Row row{line, {""}};
    bool quoted = false;
    const auto end_row = [&] {
        const bool is_blank = std::all_of(row.fields.begin(), row.fields.end(),
                                          [](const std::string& field) { return trim(field).empty(); });
        row.is_open = quoted;
        if (!is_blank) out.push_back(std::move(row));
        row = Row{line, {""}};
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\n') ++line;
        if (c == '"' && quoted && i + 1 < text.size() && text[i + 1] == '"') {
            row.fields.back() += text[++i];
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == separator && !quoted) {
            row.fields.emplace_back();
        } else if (c == '\n' && !quoted) {
            end_row();
        } else if (c != '\r' || quoted) {
            row.fields.back() += c;
        }
    }
    end_row();
    return out;
}

char separator_of(std::string_view text) {
    const std::string_view first = text.substr(0, text.find('\n'));
    const auto count = [first](char c) { return std::count(first.begin(), first.end(), c); };
    return std::max({',', ';', '\t'}, [&](char a, char b) { return count(a) < count(b); });
}

std::vector<std::string> words_of(const std::string& field) {
    std::vector<std::string> out;
    std::string word;
    for (const char c : field + " ") {
        const bool separates = c == ' ' || c == ';' || c == ',' || c == '|';
        if (!separates) word += c;
        if (separates && !word.empty()) out.push_back(std::exchange(word, {}));
    }
    return out;
}

// Stores one field in an entry; returns the fault, or "".
using Column = std::function<std::string(ImportedEntry&, const std::string&)>;

// nullopt for an unknown heading.
std::optional<Column> column_of(const std::string& heading, const Sha1Lookup& by_sha1) {
    static const std::map<std::string_view, std::string_view> kOtherNames = {
        {"dn", "subject"}, {"subject dn", "subject"}, {"common name", "CN"}, {"organization", "O"},
        {"san", "DNS"},    {"host", "DNS"},           {"mail", "email"},     {"serial", "cert-serial"}};
    const std::string word = lower(trim(heading));
    const auto text = [](std::string ImportedEntry::*member) {
        return [member](ImportedEntry& entry, const std::string& value) {
            entry.*member = value;
            return std::string();
        };
    };
    if (word == "name" || word == "partner") return text(&ImportedEntry::partner);
    if (word == "anchor" || word == "ca") return text(&ImportedEntry::anchor);
    if (word == "contact") return text(&ImportedEntry::contact);
    if (word == "until" || word == "valid until") return text(&ImportedEntry::until);
    if (word == "group" || word == "groups") {
        return [](ImportedEntry& entry, const std::string& value) {
            entry.groups = words_of(value);
            return std::string();
        };
    }
    if (word == "grant" || word == "grants") {
        return [](ImportedEntry& entry, const std::string& value) {
            entry.grants.push_back(value);
            return std::string();
        };
    }
    if (word == "fingerprint" || word == "sha1") {
        return [&by_sha1](ImportedEntry& entry, const std::string& value) {
            std::string why, selector = digest_selector(value, by_sha1, why);
            if (!selector.empty()) entry.selectors.push_back(std::move(selector));
            return why;
        };
    }
    const auto other = kOtherNames.find(word);
    const std::string type(other != kOtherNames.end() ? other->second : trim(heading));
    if (!is_selector_type(std::string_view(type).substr(type.starts_with('!') ? 1 : 0))) return std::nullopt;
    // Under a selector's type, the value is written as in a policy; under a name of inventories, it is a text.
    const bool is_literal = other != kOtherNames.end();
    return [type, is_literal](ImportedEntry& entry, const std::string& value) {
        const std::string selector = type + ":" + value;
        const auto parsed = Selector::parse(selector);
        if (!parsed.ok()) return parsed.error();
        std::string fault = is_literal ? fault_of_literal(selector) : "";
        if (!fault.empty()) return fault;
        entry.selectors.push_back(selector);
        return std::string();
    };
}

// Whether a partner of both rows has the same rights, whichever of the two certificates a client has.
bool have_same_rights(const ImportedEntry& a, const ImportedEntry& b) {
    return a.anchor == b.anchor && a.until == b.until && a.groups == b.groups && a.grants == b.grants;
}

}  // namespace

Imported read_csv(std::string_view text, const Sha1Lookup& by_sha1) {
    Imported out;
    const auto rows = rows_of(text, separator_of(text));
    if (rows.empty()) return out;
    std::vector<Column> columns;
    for (const std::string& heading : rows.front().fields) {
        auto column = column_of(heading, by_sha1);
        if (column) {
            columns.push_back(std::move(*column));
            continue;
        }
        // Without a column that holds a condition, a row would let in more certificates: read nothing.
        out.reject(rows.front().line, "the heading '" + std::string(trim(heading)) +
                                          "' is none that a table may have (mtls-authz help import has them): change "
                                          "it, or take the column out; no row was read");
        return out;
    }
    std::map<std::string, ImportedEntry> firsts;  // by partner
    for (std::size_t i = 1; i < rows.size(); ++i) {
        ImportedEntry entry;
        entry.line = rows[i].line;
        std::string fault;
        // A field that is missing may be the anchor: none is guessed.
        if (rows[i].fields.size() != columns.size())
            fault =
                std::to_string(rows[i].fields.size()) + " fields, but " + std::to_string(columns.size()) + " headings";
        if (rows[i].is_open) fault = "a quote that begins in this row does not end: all behind it is in one field";
        for (std::size_t k = 0; k < rows[i].fields.size() && fault.empty(); ++k) {
            const std::string value(trim(rows[i].fields[k]));
            if (!value.empty()) fault = columns[k](entry, value);
        }
        if (fault.empty() && entry.selectors.empty()) fault = "no column says what its certificates have";
        if (fault.empty() && !entry.partner.empty()) {
            const ImportedEntry& first = firsts.emplace(entry.partner, entry).first->second;
            if (!have_same_rights(first, entry))
                fault = "line " + std::to_string(first.line) +
                        " has the same name, but another anchor, group, grant or until, which are of a whole partner: "
                        "give this row a name of its own";
        }
        if (!fault.empty()) out.reject(entry.line, fault);
        if (fault.empty()) out.entries.push_back(std::move(entry));
    }
    return out;
}

}  // namespace mtls::tool
