// Files: who could have written them, and what is read again.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "claims.hpp"
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/keeper/live_policy.hpp"
#include "mtls_authz/load/policy_source.hpp"
#include "mtls_authz/system/system.hpp"
#include "policy_draft.hpp"
#ifdef MTLS_AUTHZ_LINUX
#include <sys/xattr.h>
#endif

using namespace test;
namespace fs = std::filesystem;

namespace {

struct Folder {
    std::string path;
    Folder() {
        std::string name = "/tmp/mtls-files-XXXXXX";
        path = mkdtemp(name.data());
        chmod(path.c_str(), 0755);
    }
    ~Folder() { fs::remove_all(path); }
    std::string operator/(const std::string& name) const { return path + "/" + name; }
    void put(const std::string& name, const std::string& content) const {
        std::ofstream(*this / ".new", std::ios::binary) << content;
        fs::rename(*this / ".new", *this / name);
    }
};

const std::string kPolicy = partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem");

}  // namespace

CLAIM(whoever_could_write_a_file_or_a_folder_on_the_way_is_named_with_the_cure) {
    Folder f;
    f.put("a.conf", "x\n");
    const uid_t self = geteuid();
    constexpr gid_t kRunGroup = 4242;
    const FileTrust trust{self, 4242, kRunGroup, {4343}};
    CHECK_EQUAL(find_trust_fault(f / "a.conf", trust), "");
    CHECK(read_whole_file(f / "a.conf", 100, &trust).ok());
    const auto fault_with = [&](mode_t mode, const std::string& name) {
        struct stat before {};
        stat((f / name).c_str(), &before);
        chmod((f / name).c_str(), mode);
        const std::string fault = find_trust_fault(f / "a.conf", trust);
        chmod((f / name).c_str(), before.st_mode & 07777);
        return fault;
    };
    CHECK_CONTAINS(fault_with(0666, "a.conf"), "can be written by everybody: chmod o-w '" + (f / "a.conf") + "'");
    CHECK_CONTAINS(fault_with(0777, ""), "can be written by everybody: chmod o-w");
    CHECK_EQUAL(fault_with(0664, "a.conf"), "");  // a group with which the server does not run
    // Read: the same, and only what can be judged.
    chmod((f / "a.conf").c_str(), 0666);
    const auto unsafe = read_whole_file(f / "a.conf", 100, &trust);
    CHECK(!unsafe.ok());
    CHECK_CONTAINS(unsafe.error(), "is not safe: ");
    CHECK(read_whole_file(f / "a.conf", 100).ok());
    chmod((f / "a.conf").c_str(), 0644);
    CHECK(!read_whole_file(f.path, 100, &trust).ok());
    // A quote in the name is quoted in the command.
    f.put("it's.conf", "x\n");
    chmod((f / "it's.conf").c_str(), 0666);
    CHECK_CONTAINS(find_trust_fault(f / "it's.conf", trust), "chmod o-w '" + f.path + "/it'\\''s.conf'");
    // Links are followed, and circles are not.
    fs::create_symlink("it's.conf", f / "link.conf");
    CHECK_CONTAINS(find_trust_fault(f / "link.conf", trust), "it'\\''s.conf");
    fs::create_symlink("two", f / "one");
    fs::create_symlink("one", f / "two");
    CHECK(!read_whole_file(f / "one", 100, &trust).ok());
    // /tmp is root's and sticky, so it passes on the way to all of these.
    if (self != 0) return;
    CHECK_EQUAL(chown((f / "a.conf").c_str(), 4242, 0), 0);
    CHECK_CONTAINS(find_trust_fault(f / "a.conf", trust), "belongs to 4242, as whom the server runs: chown root '");
    CHECK_EQUAL(chown((f / "a.conf").c_str(), 0, 4343), 0);
    CHECK_CONTAINS(fault_with(0664, "a.conf"), "by a group with which the server runs: chmod g-w '");
    CHECK_EQUAL(chown((f / "a.conf").c_str(), 0, 0), 0);
    CHECK(is_readable_by_run_user(f / "a.conf", trust));
    chmod((f / "a.conf").c_str(), 0640);
    CHECK(!is_readable_by_run_user(f / "a.conf", trust));
    CHECK_EQUAL(chown((f / "a.conf").c_str(), 0, 4343), 0);
    CHECK(is_readable_by_run_user(f / "a.conf", trust));
    chmod(f.path.c_str(), 0700);
    CHECK(!is_readable_by_run_user(f / "a.conf", trust));
}

#ifdef MTLS_AUTHZ_LINUX

namespace {

constexpr unsigned kUserEntry = 0x02, kGroupEntry = 0x08;

struct NamedEntry {
    unsigned tag;
    unsigned permissions;
    unsigned id;
};

// Gives a file an ACL as setfacl does. False where the file system has none.
bool set_acl(const std::string& path, unsigned owning_group, unsigned mask, const std::vector<NamedEntry>& named) {
    constexpr unsigned kNobody = 0xffffffff;
    std::string bytes;
    const auto put = [&bytes](unsigned value, int size) {
        for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
    };
    const auto add = [&put](unsigned tag, unsigned permissions, unsigned id) {
        put(tag, 2);
        put(permissions, 2);
        put(id, 4);
    };
    put(2, 4);
    add(0x01, 7, kNobody);  // the owner
    for (const NamedEntry& e : named) {
        if (e.tag == kUserEntry) add(e.tag, e.permissions, e.id);
    }
    add(0x04, owning_group, kNobody);
    for (const NamedEntry& e : named) {
        if (e.tag == kGroupEntry) add(e.tag, e.permissions, e.id);
    }
    add(0x10, mask, kNobody);
    add(0x20, 4, kNobody);  // others
    if (setxattr(path.c_str(), "system.posix_acl_access", bytes.data(), bytes.size(), 0) == 0) return true;
    CHECK_EQUAL(errno, ENOTSUP);
    std::printf("left out: no ACLs on this file system\n");
    return false;
}

}  // namespace

CLAIM(an_acl_that_lets_others_write_is_named_with_the_cure) {
    Folder f;
    f.put("a.conf", "x\n");
    const std::string file = f / "a.conf";
    const uid_t self = geteuid();
    constexpr unsigned kStarter = 4111, kRunUser = 4242, kRunGroup = 4242, kMore = 4343, kOther = 4444;
    FileTrust trust{self, kRunUser, kRunGroup, {kMore}};
    if (!set_acl(file, 4, 6, {{kUserEntry, 6, kOther}})) return;
    const std::string quoted = "'" + file + "'";
    CHECK_EQUAL(find_trust_fault(file, trust),
                quoted +
                    " can be written, by its ACL, by 4444, who is neither root nor who started it: setfacl -x u:4444 " +
                    quoted);
    CHECK(!read_whole_file(file, 100, &trust).ok());
    const auto fault = [&](unsigned owning_group, unsigned mask, const std::vector<NamedEntry>& named) {
        CHECK(set_acl(file, owning_group, mask, named));
        return find_trust_fault(file, trust);
    };
    CHECK_CONTAINS(fault(4, 6, {{kUserEntry, 6, kRunUser}}), "by 4242, as whom the server runs: setfacl -x u:4242 ");
    CHECK_CONTAINS(fault(4, 6, {{kGroupEntry, 6, kMore}}),
                   "by the group 4343, with which the server runs: setfacl -x g:");
    // Nearest ones that pass: who may only read, whom the mask stops, who may own the file, a group of others.
    CHECK_EQUAL(fault(4, 6, {{kUserEntry, 4, kOther}, {kGroupEntry, 4, kMore}}), "");
    CHECK_EQUAL(fault(4, 4, {{kUserEntry, 6, kOther}, {kUserEntry, 6, kRunUser}, {kGroupEntry, 6, kMore}}), "");
    CHECK_EQUAL(fault(4, 6, {{kUserEntry, 6, 0}, {kUserEntry, 6, self}}), "");
    CHECK_EQUAL(fault(6, 6, {{kGroupEntry, 6, kOther}}), "");
    trust.fetcher = kStarter;
    CHECK_EQUAL(fault(4, 6, {{kUserEntry, 6, kStarter}}), "");
    trust.fetcher.reset();
    CHECK_CONTAINS(fault(4, 6, {{kUserEntry, 6, kStarter}}), "by 4111, ");
    CHECK(set_acl(file, 4, 4, {}));
    // A folder on the way.
    CHECK(set_acl(f.path, 5, 7, {{kUserEntry, 7, kOther}}));
    CHECK_CONTAINS(find_trust_fault(file, trust), "setfacl -x u:4444 '" + f.path + "'");
    CHECK(set_acl(f.path, 5, 5, {}));
    chmod(f.path.c_str(), 0755);
    if (self != 0) return;
    // The mode shows the mask, and the owning group may be stopped by its own entry.
    CHECK_EQUAL(chown(file.c_str(), 0, kMore), 0);
    CHECK_EQUAL(fault(4, 6, {{kUserEntry, 6, 0}}), "");
    CHECK_CONTAINS(fault(6, 6, {{kUserEntry, 6, 0}}), "by a group with which the server runs: chmod g-w ");
}

CLAIM(a_file_that_an_acl_lets_the_run_time_user_read_is_readable) {
    Folder f;
    f.put("a.conf", "x\n");
    const std::string file = f / "a.conf";
    constexpr unsigned kRunUser = 4242, kRunGroup = 4343, kOther = 4444;
    const FileTrust trust{geteuid(), kRunUser, kRunGroup, {}};
    chmod(file.c_str(), 0640);
    CHECK(!is_readable_by_run_user(file, trust));
    const auto with = [&](unsigned mask, const std::vector<NamedEntry>& named) {
        if (!set_acl(file, 4, mask, named)) return false;
        struct stat info {};
        stat(file.c_str(), &info);
        chmod(file.c_str(), info.st_mode & 07770);
        return true;
    };
    if (!with(4, {{kUserEntry, 4, kRunUser}})) return;
    CHECK(is_readable_by_run_user(file, trust));
    CHECK_EQUAL(hint_of_unreadable(file, &trust), "");
    CHECK(with(4, {{kGroupEntry, 4, kRunGroup}}) && is_readable_by_run_user(file, trust));
    CHECK(with(4, {{kUserEntry, 4, kOther}, {kGroupEntry, 4, kOther}}) && !is_readable_by_run_user(file, trust));
    CHECK_EQUAL(hint_of_unreadable(file, &trust), "; chmod o+r '" + file + "'");
    // Its own entry counts alone.
    CHECK(with(4, {{kUserEntry, 0, kRunUser}, {kGroupEntry, 4, kRunGroup}}) && !is_readable_by_run_user(file, trust));
    CHECK_EQUAL(hint_of_unreadable(file, &trust), "; setfacl -m u:4242:r '" + file + "'");
}

#endif

// One fault for one cause: the look behind it finds the same, and has nothing new to tell.
CLAIM(a_file_that_is_removed_while_it_is_read_is_said_to_be_gone) {
    Folder f;
    const FileTrust trust{geteuid(), 4242, 4242, {}};
    for (int i = 0; i < 2000; ++i) {
        f.put("a.conf", "x\n");
        std::thread remover([&f] { fs::remove(f / "a.conf"); });
        const auto read = read_whole_file(f / "a.conf", 100, &trust);
        remover.join();
        if (!read.ok()) CHECK_EQUAL(read.error(), std::strerror(ENOENT));
    }
}

CLAIM(of_files_that_are_read_in_one_look_each_is_checked_and_their_folder_at_each_look) {
    Folder f;
    for (const char* name : {"a.conf", "b.conf"}) f.put(name, "x\n");
    fs::create_directory(f / "sub");
    f.put("sub/c.conf", "x\n");
    const auto let_all_write = [&](const std::string& name, bool may) {
        const auto others = fs::perms::others_write | fs::perms::group_write;
        fs::permissions(f / name, others, may ? fs::perm_options::add : fs::perm_options::remove);
    };
    DiskFiles disk;
    disk.set_trust({geteuid(), 4242, 4242});
    const auto said = [&](const std::string& name) {
        const auto read = disk.read(f / name, 100);
        const auto digest = disk.digest_of(f / name, 100);
        CHECK_EQUAL(digest.ok(), read.ok());
        CHECK_EQUAL(digest.ok() ? digest.value() == sha256("x\n") : digest.error() == read.error(), true);
        return read.ok() ? read.value() : read.error();
    };
    disk.begin_look();
    CHECK_EQUAL(said("a.conf"), "x\n");
    let_all_write("b.conf", true);
    CHECK_CONTAINS(said("b.conf"), "is not safe: '" + (f / "b.conf") + "' can be written by everybody");
    fs::create_symlink("b.conf", f / "link.conf");
    CHECK_CONTAINS(said("link.conf"), "is not safe: '" + (f / "b.conf") + "'");
    let_all_write("b.conf", false);
    CHECK_EQUAL(said("link.conf"), "x\n");
    let_all_write("sub", true);
    CHECK_CONTAINS(said("sub/c.conf"), "is not safe: '" + (f / "sub") + "'");
    CHECK_EQUAL(said("a.conf"), "x\n");
    CHECK_CONTAINS(said("sub/../sub/c.conf"), "is not safe: '" + (f / "sub") + "'");
    CHECK_CONTAINS(said("sub/../a.conf"), "is not safe: '" + (f / "sub") + "'");
    CHECK_EQUAL(said("a.conf"), "x\n");
    let_all_write("", true);
    disk.begin_look();
    CHECK_CONTAINS(said("a.conf"), "is not safe: '" + f.path);
}

CLAIM(a_clock_set_back_or_forth_hides_no_change) {
    Folder f;
    const auto ca = make_ca("CA");
    f.put("ca.pem", ca.cert_pem());
    f.put("p.conf", kPolicy);
    DiskFiles disk;
    PolicySource source(f.path, disk);
    source.watch({f / "p.conf", "p.conf", {"httpd.conf", 1}});
    std::vector<Diagnostic> said;
    auto policy = source.build(said);
    CHECK(policy != nullptr);
    // Long ago, far ahead, and of the same length: what counts is the content.
    for (const int hours : {-100000, 100000, -1, 0}) {
        for (const char* name : {"apx", "apy"}) {
            f.put("p.conf", partner("acme", std::string("MTLSIdentity CN:") + name + "\nMTLSTrustAnchor ca.pem"));
            fs::last_write_time(f / "p.conf", fs::file_time_type::clock::now() + std::chrono::hours(hours));
            source.look(said);
            policy = source.look(said);
            CHECK(policy != nullptr);
            CHECK_CONTAINS(policy->render(), std::string("CN:") + name);
            CHECK(source.look(said) == nullptr);
        }
    }
    CHECK_EQUAL(said.size(), 0U);
}

CLAIM(a_disk_that_is_full_leaves_the_old_policy) {
    Folder f;
    f.put("ca.pem", make_ca("CA").cert_pem());
    f.put("p.conf", kPolicy);
    DiskFiles disk;
    PolicySource source(f.path, disk);
    source.watch({f / "p.conf", "p.conf", {"httpd.conf", 1}});
    std::vector<Diagnostic> said;
    CHECK(source.build(said) != nullptr);
    // However much of it was written.
    const std::string next = partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSGroup g");
    for (std::size_t n = 0; n < next.size(); ++n) {
        std::ofstream(f / "p.conf", std::ios::trunc) << next.substr(0, n);
        CHECK(source.look(said) == nullptr);
        test::check(source.look(said) == nullptr, next.substr(0, n), __FILE__, __LINE__);
    }
    CHECK(source.is_failing());
    std::ofstream(f / "p.conf", std::ios::trunc) << next;
    source.look(said);
    CHECK(source.look(said) != nullptr);
}

CLAIM(limits_are_errors_and_name_the_limit) {
    Folder f;
    f.put("ca.pem", make_ca("CA").cert_pem());
    const auto said_of = [&](const std::string& text) {
        f.put("p.conf", text);
        DiskFiles disk;
        PolicyBuilder builder(f.path, disk);
        builder.add_files({f / "p.conf", "p.conf", {"httpd.conf", 1}});
        builder.build();
        return builder.diagnostics().empty() ? "" : builder.diagnostics().front().message;
    };
    CHECK_EQUAL(said_of(kPolicy), "");
    std::string selectors;
    for (int i = 0; i < 33; ++i) selectors += " OU:" + std::to_string(i);
    CHECK_CONTAINS(said_of(partner("a", "MTLSIdentity" + selectors + "\nMTLSTrustAnchor ca.pem")),
                   "more than 32 selectors");
    CHECK_CONTAINS(said_of("# \nMTLSRevoke CN:" + std::string(1 << 20, 'x') + "\n"), "a line of more than 1 MiB");
    std::string grants = "MTLSGrant read";
    for (int i = 0; i < 1001; ++i) grants += " /" + std::to_string(i);
    CHECK_CONTAINS(said_of(grants + "\n"), "more than 1000 paths");
    std::ofstream(f / "ca.pem", std::ios::app) << std::string(17UL << 20, '\n');
    CHECK_CONTAINS(said_of(kPolicy), "is larger than 16 MiB");
}

CLAIM(a_folder_that_cannot_be_read_for_want_of_descriptors_says_so) {
    std::string folder = "/tmp/mtls-folder-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const int next = dup(0);
    close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    const mtls::Matches found = mtls::expand_readable(folder + "/*.conf", nullptr);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_CONTAINS(found.fault, "cannot be read (Too many open files)");
    CHECK_EQUAL(mtls::expand_readable(folder + "/*.conf", nullptr).fault, "");
    std::filesystem::remove_all(folder);
}

CLAIM(what_the_run_time_user_cannot_read_comes_with_the_command_that_mends_it) {
    Folder f;
    const uid_t self = geteuid();
    const FileTrust trust{self, self + 1, 4343};
    fs::create_directories(f / "deep/it's");
    f.put("deep/it's/a.conf", "x\n");
    const std::string file = f / "deep/it's/a.conf";
    chmod(f.path.c_str(), 0755);
    const std::string deep = "'" + f.path + "/deep'", folder = "'" + f.path + "/deep/it'\\''s'";
    const auto with = [&](mode_t upper, mode_t lower, mode_t last) {
        chmod((f / "deep").c_str(), upper);
        chmod((f / "deep/it's").c_str(), lower);
        chmod(file.c_str(), last);
    };
    with(0755, 0755, 0644);
    CHECK_EQUAL(hint_of_unreadable(file, &trust), "");
    CHECK_EQUAL(hint_of_unreadable(f / "deep/it's/", &trust), "");
    CHECK_EQUAL(hint_of_unreadable(file, nullptr), "");
    with(0755, 0711, 0600);
    CHECK_EQUAL(hint_of_unreadable(file, &trust), "; chmod o+r '" + f.path + "/deep/it'\\''s/a.conf'");
    CHECK_EQUAL(hint_of_unreadable(f / "deep/it's/", &trust), "; chmod o+r " + folder);
    // Each folder on the way, from above.
    with(0700, 0700, 0644);
    CHECK_EQUAL(hint_of_unreadable(file, &trust), "; chmod o+x " + deep + " && chmod o+x " + folder);
    CHECK_EQUAL(hint_of_unreadable(f / "deep/it's", &trust), "; chmod o+x " + deep + " && chmod o+rx " + folder);
    // A link needs no mode of its own, and a file that is not there no command.
    fs::create_symlink("deep", f / "link");
    CHECK_EQUAL(hint_of_unreadable(f / "link/it's", &trust), "; chmod o+x " + deep + " && chmod o+rx " + folder);
    CHECK_EQUAL(hint_of_unreadable(f / "deep/none", &trust), "");
    if (self != 0) return;
    // Of the three classes, only the user's own counts.
    CHECK_EQUAL(chown(file.c_str(), 0, 4343), 0);
    with(0755, 0755, 0604);
    CHECK_EQUAL(hint_of_unreadable(file, &trust), "; chmod g+r '" + f.path + "/deep/it'\\''s/a.conf'");
    with(0755, 0755, 0640);
    CHECK_EQUAL(hint_of_unreadable(file, &trust), "");
}
