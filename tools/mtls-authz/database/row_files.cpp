#include "row_files.hpp"

#include <algorithm>

#include "../input.hpp"
#include "../terminal.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/load/directive.hpp"
#include "working_copy.hpp"

namespace mtls::tool {

namespace fs = std::filesystem;

namespace {

// Whether the content has only lines of revocation files.
bool has_only_refusals(const std::string& content) {
    std::vector<Diagnostic> errors;
    const auto directives = read_single_directives(content, "", errors);
    return errors.empty() && !directives.empty() &&
           std::all_of(directives.begin(), directives.end(), [](const Directive& d) {
               return equal_nocase(d.name, "MTLSRevoke") || equal_nocase(d.name, "MTLSSuspend");
           });
}

std::string kind_of_content(const std::string& content) {
    const FileObjects found = read_objects(content);
    if (!found.lists.empty()) return std::string(row_kind::kCrl);
    if (!found.certificates.empty()) return std::string(row_kind::kCertificate);
    return std::string(has_only_refusals(content) ? row_kind::kRevocation : row_kind::kPolicy);
}

// The kind is that of the folder of a pulled file; otherwise of the existing row, of --kind, or of the content.
std::string kind_of(const fs::path& file, const std::string& content, const Rows& known, const std::string& said) {
    std::string folder = fs::absolute(file).parent_path().filename();
    if (is_kind(folder)) return folder;
    const auto row = known.find(file.filename().string());
    if (row != known.end()) return row->second.kind;
    return said.empty() ? kind_of_content(content) : said;
}

// Adds the files of a folder. Names that begin with '.' are skipped: a row cannot have them. Returns a fault, or "".
std::string add_files_below(const fs::path& folder, bool has_kind, std::vector<fs::path>& to) {
    std::error_code fault;
    for (fs::directory_iterator i(folder, fault), end; !fault && i != end; i.increment(fault)) {
        const fs::path& file = i->path();
        const std::string name = file.filename();
        if (name.starts_with('.')) continue;
        std::error_code why;
        const fs::file_type type = i->status(why).type();
        if (type == fs::file_type::regular) {
            to.push_back(file);
        } else if (type == fs::file_type::not_found) {
            return "'" + shown(file.string()) + "' is a link to a file that does not exist";
        } else if (type != fs::file_type::directory) {
            return "'" + shown(file.string()) + "' is not a regular file" + (why ? ": " + why.message() : "");
        } else if (has_kind || i->is_symlink(why)) {
            return "'" + shown(file.string()) + "' is a folder: expected a file";
        } else if (std::string inner = add_files_below(file, is_kind(name), to); !inner.empty()) {
            return inner;
        }
    }
    return fault ? "'" + shown(folder.string()) + "': " + fault.message() : "";
}

}  // namespace

Result<std::vector<fs::path>> row_files_below(const std::string& folder) {
    std::vector<fs::path> out;
    if (std::string fault = add_files_below(folder, false, out); !fault.empty()) return Error{std::move(fault)};
    std::sort(out.begin(), out.end());
    if (!out.empty()) return out;
    return Error{"'" + shown(folder) + "' holds no file of a policy: a database without rows admits no partner"};
}

std::string add_files(const std::vector<fs::path>& files, const Rows& known, const std::string& kind, Rows& to) {
    std::map<std::string, fs::path> seen;
    for (const fs::path& file : files) {
        const std::string name = file.filename();
        if (!is_valid_row_name(name)) {
            return "'" + shown(file.string()) +
                   "' cannot be a row: expected a name of letters, digits, '.', '_', '-', '@' or '+'";
        }
        const auto [place, is_new] = seen.emplace(name, file);
        if (!is_new) return file.string() + " and " + place->second.string() + " have one name, and a row has one, too";
        auto content = read_whole_file(file, kLargestPolicyFile);
        if (!content) return file.string() + ": " + content.error();
        if (holds_private_key(content.value())) {
            return file.string() +
                   ": holds a private key, which everybody would have who may read the database: push the certificates "
                   "alone (openssl x509 -in FILE prints the first one)";
        }
        const std::string row = kind_of(file, content.value(), known, kind);
        to.insert_or_assign(name, DatabaseRow(row, std::move(content.value())));
    }
    return {};
}

std::string working_folder(const PushOptions& options) {
    const fs::path first = fs::absolute(options.files.front()).lexically_normal();
    if (fs::is_directory(first)) return first;
    const fs::path folder = first.parent_path();
    return is_kind(folder.filename().string()) ? folder.parent_path() : folder;
}

}  // namespace mtls::tool
