#include "working_copy.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace fs = std::filesystem;

Result<std::optional<BaseRevision>> read_base(const std::string& folder) {
    constexpr std::size_t kLargest = 256UL << 20;
    const std::string file = folder + "/" + kBaseFile;
    if (!fs::exists(file)) return std::optional<BaseRevision>();
    const auto content = read_whole_file(file, kLargest);
    if (!content) return Error{file + ": " + content.error()};
    BaseRevision out;
    bool has_revision = false;
    for (const std::string_view line : split(content.value(), '\n')) {
        const std::size_t blank = line.find(' ');
        if (line.starts_with('#') || blank == std::string_view::npos) continue;
        const std::string_view word = line.substr(0, blank), value = line.substr(blank + 1);
        if (word != "revision") {
            out.digests.emplace(word, value);
            continue;
        }
        const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), out.revision);
        has_revision = wrong == std::errc() && end == value.data() + value.size();
    }
    if (!has_revision) return Error{file + ": expected a line like 'revision 7'"};
    return std::optional(std::move(out));
}

std::string place_of(const std::string& name, const DatabaseRow& row) { return row.kind + "/" + name; }

std::string write_file(const std::string& file, const std::string& content) {
    std::error_code fault;
    fs::create_directories(fs::path(file).parent_path(), fault);
    const std::string unfinished = file + ".new";
    std::ofstream out(unfinished, std::ios::binary | std::ios::trunc);
    out << content;
    out.close();
    if (!out) return file + ": cannot be written";
    fs::rename(unfinished, file, fault);
    return fault ? file + ": " + fault.message() : "";
}

std::string write_base(const std::string& folder, const DatabaseRows& rows) {
    std::string text = "# Of mtls-authz pull: what was in the database when these files were as there.\nrevision " +
                       std::to_string(rows.revision) + "\n";
    for (const auto& [name, row] : rows.by_name) text += place_of(name, row) + " " + hex(bytes_of(row.digest)) + "\n";
    return write_file(folder + "/" + kBaseFile, text);
}

Result<std::unique_ptr<Database>> open_database(const std::pair<std::string, std::string>& driver_and_file) {
    const auto& [driver, file] = driver_and_file;
    if (std::find(std::begin(kDatabaseDrivers), std::end(kDatabaseDrivers), driver) == std::end(kDatabaseDrivers)) {
        return Error{"there is no driver '" + escape_for_log(driver, 60) + "'" +
                     did_you_mean(driver, kDatabaseDrivers) + ": expected pgsql, sqlite3 or mysql"};
    }
    const auto access = read_database_access(driver, file, nullptr);
    if (!access) return Error{access.error()};
    return Database::open(access.value());
}

}  // namespace mtls::tool
