#include <filesystem>
#include <iostream>

#include "../commands.hpp"
#include "../facts_json.hpp"
#include "../terminal.hpp"
#include "database.hpp"
#include "mtls_authz/base/text.hpp"
#include "working_copy.hpp"

namespace mtls::tool {

namespace fs = std::filesystem;

namespace {

std::string digest_of(const std::string& file) {
    const auto digest = file_sha256(file, SIZE_MAX >> 1);
    return digest ? hex(bytes_of(digest.value())) : "";
}

// Files that were changed both here and in the database since the last pull.
std::vector<std::string> find_conflicts(const std::string& folder, const BaseRevision& base, const DatabaseRows& rows) {
    std::vector<std::string> out;
    std::map<std::string, std::string> now;
    for (const auto& [name, row] : rows.by_name) now.emplace(place_of(name, row), hex(bytes_of(row.digest)));
    std::map<std::string, std::string> all = base.digests;
    all.insert(now.begin(), now.end());
    for (const auto& [place, ignored] : all) {
        const std::string here = digest_of(fs::path(folder) / place);
        const auto was = base.digests.find(place);
        const auto is = now.find(place);
        const bool is_edited = here != (was != base.digests.end() ? was->second : "");
        if (is_edited && here != (is != now.end() ? is->second : "")) out.push_back(place);
    }
    return out;
}

// A link in place of a folder KIND would make pull write and delete files elsewhere. Returns an error, or "".
std::string find_linked_folder(const std::string& folder) {
    for (const std::string_view kind : kRowKinds) {
        const fs::path place = fs::path(folder) / kind;
        std::error_code ignored;
        const fs::file_type type = fs::symlink_status(place, ignored).type();
        if (type != fs::file_type::not_found && type != fs::file_type::directory) {
            return place.string() + ": expected a folder, and no link to one: pull writes and deletes files there";
        }
    }
    return {};
}

}  // namespace

int pull(const PullOptions& options) {
    const auto opened = open_database(options.database);
    if (!opened) return complain(opened.error());
    Database& database = *opened.value();
    if (const std::string fault = database.begin_reading(); !fault.empty()) return complain(fault);
    const auto read = database.read_all_here();
    database.run("COMMIT");
    if (!read) return complain(read.error());
    const DatabaseRows& rows = *read.value();
    if (!rows.faults.empty()) return complain(rows.faults);
    const auto base = read_base(options.folder);
    if (!base) return complain(base.error());
    if (const std::string fault = find_linked_folder(options.folder); !fault.empty()) return complain(fault);
    const BaseRevision before = base.value().value_or(BaseRevision());
    const auto conflicts = find_conflicts(options.folder, before, rows);
    for (const std::string& place : conflicts) {
        complain(place + " was changed here, and is not what the database has: move it away, or push it");
    }
    if (!conflicts.empty()) return kErrorsFound;
    remove_unfinished(options.folder);
    for (const auto& [place, ignored] : before.digests) {
        const std::size_t slash = place.find('/');
        const auto row = rows.by_name.find(place.substr(slash + 1));
        std::error_code gone;
        const bool is_there = row != rows.by_name.end() && row->second.kind == place.substr(0, slash);
        if (!is_there) fs::remove(options.folder + "/" + place, gone);
    }
    for (const auto& [name, row] : rows.by_name) {
        const std::string fault = write_file(options.folder + "/" + place_of(name, row), row.content);
        if (!fault.empty()) return complain(fault);
    }
    if (const std::string fault = write_base(options.folder, rows); !fault.empty()) return complain(fault);
    if (options.json) {
        std::cout << one_line({{"revision", rows.revision}, {"files", rows.by_name.size()}}) << '\n';
    } else {
        std::cout << "revision " << rows.revision << ": " << rows.by_name.size() << " file(s)\n";
    }
    return kFine;
}

}  // namespace mtls::tool
