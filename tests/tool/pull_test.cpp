// The command pull: files have exactly the bytes of their rows, and no other file is changed.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <string>

#include "claims.hpp"
#include "stored_policy.hpp"
#include "tool.hpp"

using namespace test;
namespace fs = std::filesystem;

CLAIM(pull_gives_back_the_very_bytes_that_push_took) {
    Stored s;
    const std::string der = der_of(s.other);
    s.file("policy/certificate/other.der", der);
    s.file("policy/policy/latin.conf", "# caf\xe9\r\n" + Stored::partner("globex", "other.der"));
    s.file("policy/policy/utf8.conf", "# caf\xc3\xa9 'quoted' \\ \t%s $1\r\n\n");
    s.file("policy/policy/spelled.conf", "#\n# base64: is a word\n");
    CHECK_CONTAINS(s.push(0), "pushed: revision ");
    CHECK(s.sql("SELECT body FROM mtls_policy WHERE name = 'other.der'").starts_with("base64:"));
    s.pull(0, "copy");
    for (const auto& entry : fs::recursive_directory_iterator(s.folder() + "/policy")) {
        if (!entry.is_regular_file() || entry.path().filename().string().starts_with('.')) continue;
        const std::string name = fs::relative(entry.path(), s.folder() + "/policy");
        check(file_text(s.folder() + "/copy/" + name) == file_text(entry.path()), name, __FILE__, __LINE__);
    }
    CHECK_CONTAINS(s.push(0, {"copy"}), "the same: revision " + s.revision());
    CHECK_CONTAINS(s.sql("SELECT what FROM mtls_policy_push"), "new policy/acme.conf");
}

CLAIM(pull_deletes_no_file_that_cannot_be_a_row_in_its_folder) {
    Stored s;
    s.push(0);
    s.pull(0, "copy");
    const std::string base = s.folder() + "/copy/.mtls-authz-revision", lines = file_text(base);
    const std::string empty_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (const std::string place : {"../victim", "policy/../../victim", "/victim", "victim", "other/victim",
                                    "policy/.victim", "policy/sub/victim"}) {
        s.file("copy/" + place, "").file("copy/.mtls-authz-revision", lines + place + " " + empty_sha256 + "\n");
        const std::string said = s.pull(2, "copy");
        CHECK_CONTAINS(said, ".mtls-authz-revision:6: '" + place);
        check(fs::exists(s.folder() + "/copy/" + place), place, __FILE__, __LINE__);
        CHECK_CONTAINS(s.push(1, {"copy/policy/acme.conf"}), ".mtls-authz-revision:6: ");
        fs::remove(s.folder() + "/copy/" + place);
    }
    s.file("copy/.mtls-authz-revision", lines + "nonsense\n");
    CHECK_CONTAINS(s.pull(2, "copy"), ".mtls-authz-revision:6: 'nonsense'");
    // A link to another folder in place of a folder of pull.
    s.file("copy/.mtls-authz-revision", lines + "crl/victim " + empty_sha256 + "\n").file("elsewhere/victim", "");
    fs::remove_all(s.folder() + "/copy/crl");
    fs::create_symlink("../elsewhere", s.folder() + "/copy/crl");
    CHECK_CONTAINS(s.pull(2, "copy"), "copy/crl: expected a folder");
    CHECK(fs::exists(s.folder() + "/elsewhere/victim"));
    // The same line, with a folder: a file whose row is gone.
    fs::remove(s.folder() + "/copy/crl");
    s.file("copy/crl/victim", "");
    s.pull(0, "copy");
    CHECK(!fs::exists(s.folder() + "/copy/crl/victim"));
}

CLAIM(pull_removes_what_one_that_was_killed_has_left) {
    Stored s;
    s.push(0);
    s.pull(0, "copy");
    const std::string left[] = {"policy/.mtls-authz-Ab3dE9", "certificate/.mtls-authz-000000", ".mtls-authz-zzzzzz"};
    const std::string mine[] = {"policy/.mtls-authz-Ab3dE", "policy/.mtls-authz-Ab3dE9x", "policy/mtls-authz-Ab3dE9",
                                "other/.mtls-authz-Ab3dE9", "policy/.mtls-authz-folder/x"};
    for (const std::string& name : left) s.file("copy/" + name, "half");
    for (const std::string& name : mine) s.file("copy/" + name, "mine");
    // One that another pull is writing: it is locked.
    s.file("copy/policy/.mtls-authz-locked", "half");
    const int locked = open((s.folder() + "/copy/policy/.mtls-authz-locked").c_str(), O_RDONLY | O_CLOEXEC);
    CHECK_EQUAL(flock(locked, LOCK_EX), 0);
    s.pull(0, "copy");
    for (const std::string& name : left) check(!fs::exists(s.folder() + "/copy/" + name), name, __FILE__, __LINE__);
    for (const std::string& name : mine) check(fs::exists(s.folder() + "/copy/" + name), name, __FILE__, __LINE__);
    CHECK(fs::exists(s.folder() + "/copy/policy/.mtls-authz-locked"));
    close(locked);
    s.pull(0, "copy");
    CHECK(!fs::exists(s.folder() + "/copy/policy/.mtls-authz-locked"));
}

CLAIM(pull_keeps_files_whose_names_are_near_those_of_rows) {
    Stored s;
    s.push(0);
    const std::string mine[] = {"acme.conf.new", "acme.conf~", ".acme.conf.new", ".acme.conf.swp"};
    for (const std::string& name : mine) s.file("copy/policy/" + name, "mine");
    s.file("copy/.mtls-authz-revision.new", "mine");
    s.pull(0, "copy");
    CHECK_CONTAINS(file_text(s.folder() + "/copy/policy/acme.conf"), "<MTLSPartner acme>");
    for (const std::string& name : mine) CHECK_EQUAL(file_text(s.folder() + "/copy/policy/" + name), "mine");
    CHECK_EQUAL(file_text(s.folder() + "/copy/.mtls-authz-revision.new"), "mine");
    const auto files = fs::directory_iterator(s.folder() + "/copy/policy");
    CHECK_EQUAL(std::distance(begin(files), end(files)), 5);
    struct stat info {};
    CHECK(stat((s.folder() + "/copy/policy/acme.conf").c_str(), &info) == 0);
    const mode_t mask = umask(0);
    umask(mask);
    CHECK_EQUAL(info.st_mode & 0777U, 0666U & ~mask);
    // A file that cannot take its place leaves nothing behind.
    fs::remove(s.folder() + "/copy/policy/acme.conf");
    fs::remove(s.folder() + "/copy/.mtls-authz-revision");
    s.file("copy/policy/acme.conf/in-the-way", "");
    CHECK_CONTAINS(s.pull(2, "copy"), "policy/acme.conf: cannot be written: ");
    CHECK_EQUAL(std::distance(fs::directory_iterator(s.folder() + "/copy/policy"), fs::directory_iterator()), 5);
}
