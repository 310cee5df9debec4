// Files that somebody else could have written decide nothing; those that only root can read stay as they were.
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles.hpp"
#include "claims.hpp"
#include "kept_site.hpp"

using namespace test;

CLAIM(files_that_others_could_have_written_are_refused_with_the_command_that_mends_it) {
    if (geteuid() != 0) return;  // as another user there is nobody to protect them from
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.configure();
    const std::string file = site.httpd.path("partners/acme.conf"), folder = site.httpd.path("partners");
    const auto refused = [&](const std::string& command) {
        const auto out = site.httpd.run({"-t"});
        test::check(out.status != 0, "accepted, instead of asking for " + command, __FILE__, __LINE__);
        CHECK_CONTAINS(out.text, command);
        // The command mends it.
        CHECK_EQUAL(std::system(command.c_str()), 0);
        const auto mended = site.httpd.run({"-t"});
        test::check(mended.status == 0, mended.text, __FILE__, __LINE__);
    };
    constexpr uid_t kNobody = 65534;
    chmod(file.c_str(), 0666);
    refused("chmod o-w '" + file + "'");
    CHECK_EQUAL(chown(file.c_str(), kNobody, 0), 0);
    refused("chown root '" + file + "'");
    CHECK_EQUAL(chown(file.c_str(), 12345, 0), 0);
    refused("chown root '" + file + "'");
    CHECK_EQUAL(chown(file.c_str(), 0, kNobody), 0);
    chmod(file.c_str(), 0664);
    refused("chmod g-w '" + file + "'");
    chmod(folder.c_str(), 0777);
    refused("chmod o-w '" + folder + "'");
    CHECK_EQUAL(chown(folder.c_str(), kNobody, 0), 0);
    refused("chown root '" + folder + "'");
    chmod(site.httpd.path("acme.pem").c_str(), 0666);
    refused("chmod o-w '" + site.httpd.path("acme.pem") + "'");
    // Through a link: what it leads to, and the folder there.
    fs::create_directory(site.httpd.path("open"));
    fs::rename(file, site.httpd.path("open/acme.conf"));
    fs::create_symlink("../open/acme.conf", file);
    CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
    chmod(site.httpd.path("open").c_str(), 0777);
    refused("chmod o-w '" + site.httpd.path("open") + "'");
    CHECK_EQUAL(lchown(file.c_str(), kNobody, 0), 0);
    refused("chown -h root '" + file + "'");
    // Group-writable by a group with which the server does not run is for the administrator to say.
    CHECK_EQUAL(chown(site.httpd.path("open/acme.conf").c_str(), 0, 4), 0);
    chmod(site.httpd.path("open/acme.conf").c_str(), 0664);
    CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
    chmod(site.httpd.path("open/acme.conf").c_str(), 0644);
    // While it runs: the old policy stays.
    site.httpd.start();
    TlsClient acme(site.httpd.port(), as(w.acme)), globex(site.httpd.port(), as(w.globex));
    site.put("globex.conf", kGlobex);
    becomes([&] { return globex.get("/gate/g").status; }, 200, "safe");
    const std::string other = site.httpd.path("partners/globex.conf");
    chmod(other.c_str(), 0666);
    site.httpd.write("partners/globex.conf", partner("globex", "MTLSIdentity any\nMTLSTrustAnchor globex.pem"));
    CHECK(
        site.httpd.wait_for_log("is not safe: '" + other + "' can be written by everybody: chmod o-w '" + other + "'"));
    CHECK_EQUAL(globex.get("/gate/g").status, 200);
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
    CHECK_EQUAL(site.get(w.acme_from_globex), 403);
}

CLAIM(without_a_user_of_its_own_the_owner_rule_is_one_warning) {
    LiveSite site;
    site.httpd.copy_module();
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.configure();
    // As root, somebody else is asked to start it; otherwise this is somebody else already.
    const std::string file = site.httpd.path("partners/acme.conf");
    std::vector<std::string> words = site.httpd.command({"-t"});
    if (geteuid() == 0) {
        constexpr uid_t kNobody = 65534;
        words.insert(words.begin(), {"runuser", "-u", "nobody", "--"});
        CHECK_EQUAL(chown(file.c_str(), kNobody, 0), 0);
        CHECK_EQUAL(chown(site.httpd.path("logs").c_str(), kNobody, 0), 0);
        fs::remove(site.httpd.path("logs/error.log"));
    }
    auto out = run_command(words, "");
    test::check(out.status == 0, out.text, __FILE__, __LINE__);
    const std::size_t at = out.text.find("httpd is not started as root with a User of its own");
    CHECK(at != std::string::npos);
    CHECK(out.text.find("User of its own", at + 40) == std::string::npos);
    // What everybody can write is refused all the same.
    chmod(file.c_str(), 0666);
    out = run_command(words, "");
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, "chmod o-w '" + file + "'");
}

CLAIM(below_chroot_dir_the_files_that_the_start_read_are_looked_at) {
    if (geteuid() != 0) return;
    LiveSite site;
    // The children's files, at the same path below; and a policy there that nobody reads.
    const std::string jail = site.httpd.path("jail");
    site.httpd.write("jail" + site.httpd.path("htdocs/ok.html"), "ok\n");
    site.httpd.write("jail" + site.httpd.path("partners/acme.conf"), kAcme);
    site.httpd.write("jail" + site.httpd.path("revoked/list.conf"), "# nobody\n");
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.httpd.write("revoked/list.conf", "# nobody\n");
    site.start("ChrootDir \"" + jail + "\"\nMTLSRevocationFile revoked/list.conf\n");
    stays([&] { return site.get(world().acme) + site.get(world().globex); }, 400, "what the start read");
    site.httpd.write("revoked/list.conf", "MTLSSuspend acme\n");
    becomes([&] { return site.get(world().acme); }, 403, "a refusal");
    site.drop("globex.conf");
    becomes([&] { return site.get(world().globex); }, 403, "a partner that goes");
    site.httpd.write("revoked/list.conf", "# nobody\n");
    becomes([&] { return site.get(world().acme); }, 200, "the end of the refusal");
    CHECK_EQUAL(site.errors("cannot be read") + site.errors("is gone"), 0U);
}

CLAIM(a_file_that_only_root_can_read_counts_until_a_restart_and_is_warned_of) {
    if (geteuid() != 0) return;
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("secret.conf", partner("twin", "MTLSIdentity CN:twin\nMTLSTrustAnchor acme.pem"));
    chmod(site.httpd.path("partners/secret.conf").c_str(), 0600);
    chmod(site.httpd.path("acme.pem").c_str(), 0600);
    site.start();
    CHECK(site.httpd.wait_for_log(site.httpd.path("partners/secret.conf") +
                                  ": warning: will not reload: readable by root only; what it holds now stays until "
                                  "a restart; chmod o+r '" +
                                  site.httpd.path("partners/secret.conf") + "'"));
    CHECK_CONTAINS(site.httpd.error_log(), site.httpd.path("acme.pem") + ": warning: will not reload");
    TlsClient twin(site.httpd.port(), as(w.ambiguous)), globex(site.httpd.port(), as(w.globex));
    CHECK_EQUAL(twin.get("/gate/t").status, 200);
    // Others beside it still load, and it keeps its content.
    site.put("globex.conf", kGlobex);
    becomes([&] { return globex.get("/gate/g").status; }, 200, "another file");
    CHECK_EQUAL(twin.get("/gate/t").status, 200);
    CHECK_EQUAL(site.get(w.acme), 200);
    // One that the children could read, and can no longer, is broken.
    chmod(site.httpd.path("partners/globex.conf").c_str(), 0600);
    CHECK(site.httpd.wait_for_log("globex.conf': Permission denied; chmod o+r '" +
                                  site.httpd.path("partners/globex.conf") + "'"));
    // So is their folder: the command names it.
    chmod(site.httpd.path("partners").c_str(), 0700);
    CHECK(site.httpd.wait_for_log("cannot be read; chmod o+rx '" + site.httpd.path("partners") + "'"));
    chmod(site.httpd.path("partners").c_str(), 0755);
    CHECK_EQUAL(globex.get("/gate/g").status, 200);
}

CLAIM(a_file_that_was_edited_while_it_could_be_read_does_not_go_back_to_its_content_of_the_start) {
    if (geteuid() != 0) return;
    const World& w = world();
    Kept site;
    const auto mode = [&](const std::string& name, mode_t value) { chmod(site.httpd.path(name).c_str(), value); };
    site.httpd.write("closed/twin.conf", partner("twin", "MTLSIdentity CN:twin\nMTLSTrustAnchor acme.pem"));
    site.httpd.write("closed/x.conf", "# nobody\n");
    for (const char* name : {"partners/acme.conf", "partners/globex.conf", "globex.pem"}) mode(name, 0600);
    mode("closed", 0700);
    site.run("event", "MTLSPolicyFile closed/*.conf\n");
    const auto twin = [&] { return site.get(w.ambiguous); };
    CHECK_EQUAL(site.acme() + site.globex() + twin(), 600);
    site.put("acme.conf", kAcme + "MTLSRevoke DNS:api.acme.example\n");
    mode("closed", 0755);
    fs::remove(site.httpd.path("closed/twin.conf"));
    becomes([&] { return site.acme() + twin(); }, 806, "edited");
    // Those that were not edited keep their content.
    CHECK_EQUAL(site.globex(), 200);
    const std::string file = site.httpd.path("partners/acme.conf");
    const auto said = [&] { return site.errors("cannot read '" + file + "': Permission denied; chmod o+r '"); };
    mode("partners/acme.conf", 0600);
    becomes([&] { return said() > 0; }, true, "an error");
    stays([&] { return site.acme(); }, 403, "the file is closed again");
    mode("closed", 0700);
    CHECK(site.httpd.wait_for_log("closed/*.conf cannot be read; chmod o+rx '" + site.httpd.path("closed") + "'"));
    stays([&] { return twin(); }, 403, "the folder is closed again");
    // Nor with the next keeper, which begins with what the parent read.
    const pid_t before = site.keeper();
    kill(before, SIGKILL);
    becomes([&] { return site.keeper() != before && said() > 1; }, true, "another keeper");
    stays([&] { return site.acme() + twin(); }, 806, "another keeper");
    CHECK_EQUAL(site.globex(), 200);
    mode("closed", 0755);
    site.put("acme.conf", kAcme);
    becomes([&] { return site.acme(); }, 200, "an edit that can be read");
    CHECK_EQUAL(twin(), 403);
}

CLAIM(a_list_that_could_not_be_read_counts_once_it_can_and_one_folder_holds_up_no_list_of_another) {
    if (geteuid() != 0) return;
    const World& w = world();
    Kept site;
    const auto mode = [&](const std::string& name, mode_t value) { chmod(site.httpd.path(name).c_str(), value); };
    for (const std::string folder : {"crls/a/", "crls/b/"})
        site.httpd.write(folder + "sub.crl", make_crl(w.acme_sub, {}));
    for (const std::string folder : {"stop/a/", "stop/b/"}) site.httpd.write(folder + "x.conf", "# nobody\n");
    site.run("event", "MTLSCRLFile crls/*/*.crl\nMTLSRevocationFile stop/*/*.conf\n");
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    mode("crls/a", 0700);
    mode("stop/a", 0700);
    site.httpd.write("crls/b/globex.crl", make_crl(w.globex_ca, {.revoked = {{&w.globex, 1}}}));
    becomes([&] { return site.globex(); }, 403, "a list in another folder");
    CHECK_EQUAL(site.acme(), 200);
    site.httpd.write("stop/b/x.conf", "MTLSSuspend acme\n");
    becomes([&] { return site.acme(); }, 403, "a line in another folder");
    for (const std::string folder : {"crls", "stop"}) {
        const std::string path = site.httpd.path(folder);
        CHECK(site.httpd.wait_for_log("a folder of " + path + "/*/*.c" + (folder == "crls" ? "rl" : "onf") +
                                      " cannot be read: '" + path + "/a'; chmod o+rx '" + path + "/a'"));
        mode(folder + "/a", 0755);
    }
    site.httpd.write("stop/b/x.conf", "# nobody\n");
    becomes([&] { return site.acme(); }, 200, "taken back");
    // Unsafe while it was written: the command that the log asks for is enough.
    mode("crls/b", 0777);
    site.httpd.write("crls/b/acme.crl", make_crl(w.acme_ca, {.revoked = {{&w.acme, 1}}}));
    CHECK(site.httpd.wait_for_log("chmod o-w '" + site.httpd.path("crls/b") + "'"));
    pause_for(std::chrono::milliseconds(3000));  // its stamp counts by now
    mode("crls/b", 0755);
    const auto is_revoked = [&] { return static_cast<int>(site.times("denied GET \"/gate/x\": reason=revoked")); };
    const int before = is_revoked();
    becomes(
        [&] {
            site.acme();
            return is_revoked() > before;
        },
        true, "it counts");
}

CLAIM(what_the_fetch_user_owns_counts_as_refusals_alone) {
    if (geteuid() != 0) return;
    const World& w = world();
    const passwd* const fetcher = getpwnam("bin");
    if (fetcher == nullptr) return;
    const auto give = [&](const LiveSite& site, const char* name) {
        CHECK_EQUAL(lchown(site.httpd.path(name).c_str(), fetcher->pw_uid, fetcher->pw_gid), 0);
    };
    const auto make = [&](const LiveSite& site, const std::string& lines) {
        site.put("acme.conf", kAcme);
        site.put("globex.conf", kGlobex);
        site.httpd.write("fetched/acme.crl", make_crl(w.acme_ca, {.revoked = {{&w.acme, 1}}}));
        site.httpd.write("fetched/ocsp.conf", "MTLSRevoke DNS:api.globex.example\n");
        for (const char* name : {"fetched", "fetched/acme.crl", "fetched/ocsp.conf"}) give(site, name);
        return "MTLSCRLFile fetched/*.crl\nMTLSRevocationFile fetched/*.conf\n" + lines;
    };
    {
        LiveSite site;
        site.start(make(site, "MTLSFetchUser bin\n"));
        CHECK_EQUAL(site.get(w.acme, "/gate/crl"), 403);
        CHECK(site.httpd.wait_for_log("denied GET \"/gate/crl\": reason=revoked"));
        TlsClient globex(site.httpd.port(), as(w.globex));
        CHECK_EQUAL(globex.get("/gate/g").status, 403);
        CHECK_EQUAL(site.times("is not safe"), 0U);
        // It takes its own lines back, too.
        site.httpd.write("fetched/ocsp.conf", "# none\n");
        becomes([&] { return globex.get("/gate/g").status; }, 200, "taken back");
        // Who fetches says who the CAs of a bundle are, and names no partner and no other CA.
        site.httpd.write("fetched/bundle.json", bundle_of(make_ca("SPIFFE CA")));
        give(site, "fetched/bundle.json");
        site.put("mesh.conf", partner("mesh",
                                      "MTLSIdentity any\nMTLSTrustAnchor bundle:fetched/bundle.json "
                                      "trust-domain=mesh.example"));
        CHECK(site.httpd.wait_for_log(": added mesh"));
        CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
        for (const char* name : {"partners/acme.conf", "acme.pem"}) {
            give(site, name);
            const auto out = site.httpd.run({"-t"});
            CHECK(out.status != 0);
            CHECK_CONTAINS(out.text, "belongs to bin, who is neither root nor who started it");
            CHECK_EQUAL(lchown(site.httpd.path(name).c_str(), 0, 0), 0);
        }
    }
    LiveSite site;
    site.start(make(site, ""));
    CHECK_EQUAL(site.get(w.acme, "/gate/crl"), 403);
    CHECK(site.httpd.wait_for_log("denied GET \"/gate/crl\": reason=revocation-stale"));
    CHECK(site.times("is not safe") > 0U);
    site.configure("MTLSFetchUser nobody\n");
    CHECK_CONTAINS(site.httpd.run({"-t"}).text, "MTLSFetchUser nobody: httpd runs as this user, so what it owns stays");
    site.configure("MTLSFetchUser bin\n");
    CHECK(site.httpd.run({"-t"}).text.find("httpd runs as this user") == std::string::npos);
    site.configure("MTLSFetchUser no-such-user\n");
    const auto out = site.httpd.run({"-t"});
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, "MTLSFetchUser: there is no user 'no-such-user'");
}
