// Links in the documentation lead to existing files and headings. Run from the repository's root.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "claims.hpp"
#include "mtls_authz/base/text.hpp"

namespace {

namespace fs = std::filesystem;

// Lines outside of blocks of code.
std::vector<std::string> prose_of(const fs::path& file) {
    std::vector<std::string> out;
    std::ifstream in(file);
    bool is_code = false;
    for (std::string line; std::getline(in, line);) {
        if (mtls::trim(line).starts_with("```")) {
            is_code = !is_code;
        } else if (!is_code) {
            out.push_back(line);
        }
    }
    return out;
}

// The anchor that GitHub makes of a heading.
std::string anchor_of(std::string heading) {
    for (const char* entity : {"&lt;", "&gt;"}) {
        for (std::size_t at = 0; (at = heading.find(entity)) != std::string::npos;) heading.erase(at, 4);
    }
    std::string out;
    for (const char c : heading) {
        if (c == ' ' || c == '-') out += '-';
        if (mtls::is_alnum(c) || c == '_') out += mtls::to_lower(c);
    }
    return out;
}

std::set<std::string> anchors_in(const fs::path& file) {
    std::set<std::string> out;
    for (const std::string& line : prose_of(file)) {
        const std::size_t text = line.find_first_not_of('#');
        if (text != 0 && text != std::string::npos && line[text] == ' ') out.insert(anchor_of(line.substr(text + 1)));
    }
    return out;
}

// The targets of `[text](target)` in a line.
std::vector<std::string> links_in(const std::string& line) {
    std::vector<std::string> out;
    for (std::size_t at = line.find("]("); at != std::string::npos; at = line.find("](", at + 1)) {
        out.push_back(line.substr(at + 2, line.find(')', at) - at - 2));
    }
    return out;
}

std::vector<fs::path> documents() {
    std::vector<fs::path> out = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "tests/fuzz/README.md"};
    for (const auto& file : fs::directory_iterator("docs")) {
        if (file.path().extension() == ".md") out.push_back(file.path());
    }
    return out;
}

}  // namespace

CLAIM(links_in_the_documentation_lead_to_a_file_and_a_heading_that_are_there) {
    std::size_t asked = 0;
    for (const fs::path& document : documents()) {
        for (const std::string& line : prose_of(document)) {
            for (const std::string& link : links_in(line)) {
                if (link.starts_with("https://")) continue;
                const std::size_t hash = std::min(link.find('#'), link.size());
                const fs::path file = hash == 0 ? document : document.parent_path() / link.substr(0, hash);
                const std::string where = document.string() + ": " + link;
                test::check(fs::exists(file), where, __FILE__, __LINE__);
                const bool is_there = hash == link.size() || anchors_in(file).contains(link.substr(hash + 1));
                test::check(is_there, where, __FILE__, __LINE__);
                ++asked;
            }
        }
    }
    CHECK(asked > 100);
}

CLAIM(every_document_is_named_in_the_readme) {
    std::string readme;
    for (const std::string& line : prose_of("README.md")) readme += line + "\n";
    for (const fs::path& document : documents()) {
        if (document.parent_path() == "docs") CHECK_CONTAINS(readme, "(" + document.string());
    }
}

CLAIM(examples_give_the_audit_log_one_name) {
    std::vector<fs::path> files = documents();
    files.insert(files.end(), {"conf/reference.conf", "packaging/debian/mtls-authz.default"});
    std::size_t asked = 0;
    for (const fs::path& file : files) {
        std::ifstream in(file);
        for (std::string line; std::getline(in, line);) {
            test::check(line.find("mtls-audit") == std::string::npos, file.string() + ": " + line, __FILE__, __LINE__);
            asked += line.find("mtls_audit.log") != std::string::npos ? 1 : 0;
        }
    }
    CHECK(asked > 5);
}
