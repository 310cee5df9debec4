// mtls-authz: writes, checks and explains policies, with the same core as the module.
#include <openssl/crypto.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <climits>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>

#include "commands.hpp"
#include "database/database.hpp"
#include "fetch/fetch.hpp"
#include "import/import.hpp"
#include "manual.hpp"
#include "mtls_authz/base/text.hpp"
#include "terminal.hpp"
#include "usage.hpp"

using namespace mtls;
using namespace mtls::tool;

namespace {

constexpr const char* kVersion = MTLS_AUTHZ_VERSION;  // from the file VERSION, set by the Makefile
const char* const kPolicyFiles = "Policy files of the current folder, patterns of them in quotes, or -";
const char* const kRoot = "Folder of relative paths *in* policies: the server's ServerRoot; default: the current one";

// Adds --live, which reads a running server instead of files; `--socket` implies it.
CLI::Option* add_live(CLI::App& command, bool& live, std::string& socket) {
    CLI::Option* const flag =
        command.add_flag("--live", live, "What a running server has in force, asked from its keeper");
    command.add_option_function<std::string>(
        "--socket",
        [&live, &socket](const std::string& file) {
            live = true;
            socket = file;
        },
        "The server's mtls_authz.sock, where there are several or it is in no usual place; with --live");
    return flag;
}

void add_facts(CLI::App& app, int& status) {
    static FactsOptions options;
    CLI::App* const command = app.add_subcommand("facts", "What there is to match in certificates");
    command->add_option("CERT", options.files, "PEM, DER or PKCS#7; - for standard input")->required();
    command->add_flag("--json", options.json, "One JSON object a line, as in a pipe, on a terminal too");
    command->footer(
        "Exit: 0 done, also where a certificate is malformed, 2 a file that cannot be read.\n"
        "Example: mtls-authz facts acme.pem");
    command->callback([&status] { status = show_facts(options); });
}

void add_check(CLI::App& app, int& status) {
    static CheckOptions options;
    CLI::App* const command = app.add_subcommand("check", "All errors and warnings of policy files");
    command->add_option("FILE", options.files, kPolicyFiles)->required();
    command->add_option("--root", options.root, kRoot);
    command->add_flag("--strict", options.strict, "Warnings are errors");
    command
        ->add_option("--warn-days", options.warn_days,
                     "Warn of anchors that expire within so many days; default 30, with --strict 0")
        ->check(whole_number(0, 100'000));
    command->add_flag("--json", options.json, "For machines");
    add_live(*command, options.live, options.socket);
    command->footer(
        "With --live, files that differ from what the server has in force are an error.\n"
        "Exit: 0 fine, 1 errors, 2 usage or a file that cannot be read.\n"
        "Example: mtls-authz check --root /etc/apache2 '/etc/apache2/mtls/partners/*.conf'");
    command->callback([&status] { status = check_policy(options); });
}

void add_explain(CLI::App& app, int& status) {
    static ExplainOptions options;
    static WhyOptions why;
    CLI::App* const command =
        app.add_subcommand("explain", "The decision about a certificate, and each step that led to it");
    CLI::Option* const log = command->add_option("--log-line", why.lines, "As mtls-authz why; instead of all else");
    command->add_option("--policy", options.policy, kPolicyFiles);
    command->add_option("--cert", options.certificate, "The client's certificate, perhaps with its intermediates");
    command->add_option("--intermediates", options.intermediates, "Intermediates that the client sends");
    command->add_option("--server-ca", options.server_cas, "What mod_ssl is given, where a partner trusts mod_ssl");
    command->add_option("--revocations", options.revocations, "Files or patterns as in MTLSRevocationFile");
    command->add_option("--crl", options.crls, "CRLs beside the MTLSCRLFiles of the policy");
    command->add_option("--security-level", options.security_level, "OpenSSL's, of the virtual host; default 1")
        ->check(whole_number(0, 5));
    command->add_option("--root", options.root, kRoot);
    command->add_option("--method", options.method, "Method of a request behind MTLSAllow by-grant; default GET");
    command->add_option("--path", options.path, "Its path, decoded");
    command->add_option("--from", options.from, "The client's address, for MTLSNetwork");
    command->add_option("--at", options.at, "Another time than now: 2027-03-31, 2027-03-31T18:00:00Z");
    command->add_flag("--json", options.json, "For machines");
    add_live(*command, options.live, options.socket);
    command->add_option("--host", options.host, "Virtual host of a running server, as NAME or NAME:PORT; with --live");
    command->footer(
        "What the server asks and this answer does not rest on is said.\n"
        "Exit: 0 allow, 3 deny, 2 it could not be decided, or only httpd can tell.\n"
        "Example: mtls-authz explain --policy 'partners/*.conf' --cert acme.pem --method GET --path /api/orders/17\n"
        "         mtls-authz explain --live --host shop.example --cert acme.pem --path /api/orders/17");
    command->callback([&status, log, command] {
        if (log->count() > 0) {
            refuse_options(
                *command,
                {"--policy", "--cert", "--intermediates", "--server-ca", "--revocations", "--crl", "--security-level",
                 "--root", "--method", "--path", "--from", "--at", "--live", "--socket", "--host"},
                "beside --log-line: mtls-authz why LINE takes --policy and --root");
            why.json = options.json;
            status = explain_lines(why);
            return;
        }
        if (options.live) {
            refuse_options(*command,
                           {"--policy", "--root", "--revocations", "--crl", "--security-level", "--server-ca"},
                           "with --live: what the running server has in force is asked, and nothing else");
        } else {
            refuse_options(*command, {"--host"}, "without --live: virtual hosts are a running server's");
        }
        if (options.certificate.empty() || options.policy.empty() != options.live)
            throw UsageError{"needs --cert, and --policy or --live; or --log-line"};
        if (options.path.empty()) refuse_options(*command, {"--method"}, "without --path: it is that of a request");
        status = explain(options);
    });
}

void add_why(CLI::App& app, int& status) {
    static WhyOptions options;
    CLI::App* const command = app.add_subcommand("why", "What a line of the log says, and the edit that would mend it");
    command->add_option("LINE", options.lines,
                        "Denials, refused handshakes, lines of the audit log, in quotes; or request ids with --log. "
                        "None: all lines of --log, or standard input, as with -; lines of others are passed over");
    command
        ->add_option("--log", options.logs,
                     "Log in which request ids are looked up, or all lines read; may be repeated")
        ->allow_extra_args(false);
    command->add_option("--policy", options.policy, kPolicyFiles);
    command->add_option("--root", options.root, kRoot);
    add_live(*command, options.live, options.socket);
    command->add_flag("--json", options.json, "One JSON object a line, also for lines that say the same");
    command->footer(
        "Exit: 0 granted, or not satisfied by one line among others, 3 denied, 2 no such line.\n"
        "Example: grep acme /var/log/apache2/error.log | mtls-authz why");
    command->callback([&status, command] {
        if (options.live)
            refuse_options(*command, {"--policy", "--root"}, "with --live: the policy is the running server's");
        // --policy takes several files, and so a line after them.
        const auto is_line = [](const std::string& word) {
            return word.find("reason=") != std::string::npos || word.starts_with('{');
        };
        const auto lines = std::stable_partition(options.policy.begin(), options.policy.end(), std::not_fn(is_line));
        options.lines.insert(options.lines.end(), lines, options.policy.end());
        options.policy.erase(lines, options.policy.end());
        status = explain_lines(options);
    });
}

void add_suggest(CLI::App& app, int& status) {
    static SuggestOptions options;
    CLI::App* const command = app.add_subcommand("suggest", "A ready-to-paste <MTLSPartner> block for certificates");
    command
        ->add_option("CERT", options.certificates,
                     "PEM, DER or PKCS#7; - for standard input. Those with a name in common, as before and after a "
                     "renewal, become one partner; a CA's becomes its trust anchor")
        ->required();
    command->add_option("--name", options.name, "The partner of all of them; otherwise made from the certificate");
    command->add_option("--anchor", options.anchors, "File of a CA that issues its certificates; may be repeated")
        ->allow_extra_args(false);
    command->add_option("--root", options.root, "Folder of relative paths in the block: the server's ServerRoot");
    command->add_flag("--json", options.json, "One JSON object a line");
    command->footer(
        "Exit: 0 done, 1 the anchor would refuse it, 2 it could not be read.\n"
        "Example: mtls-authz suggest acme.pem --anchor mtls/acme-ca.pem --root /etc/apache2 > acme.conf");
    command->callback([&status] { status = suggest(options); });
}

void add_init(CLI::App& app, int& status) {
    static InitOptions options;
    CLI::App* const command = app.add_subcommand("init", "Folders, a gate that only logs, and the first partner");
    command->add_option("--root", options.root, "The server's ServerRoot; default: /etc/apache2 or /etc/httpd");
    command->add_option("--path", options.path, "What the gate is in front of; default: /partners");
    command->add_option("--cert", options.certificate, "A certificate of the first partner");
    command->add_option("--anchor", options.anchor, "The certificate of the CA that issued it; it is copied");
    command->add_option("--name", options.name, "That partner's name; otherwise made from the certificate");
    command->add_flag("--json", options.json, "One JSON object a line for each file and folder");
    command->footer(
        "What is there already stays as it is.\n"
        "Exit: 0 done, 2 something could not be made.\n"
        "Example: mtls-authz init --path /orders --cert acme.pem --anchor acme-ca.pem --name acme");
    command->callback([&status, command] {
        if (options.certificate.empty()) refuse_options(*command, {"--name"}, "without --cert: it is of that partner");
        status = make_first_files(options);
    });
}

void add_matrix(CLI::App& app, int& status) {
    static MatrixOptions options;
    CLI::App* const command = app.add_subcommand("matrix", "Partner by path by method");
    command->add_option("--policy", options.policy, kPolicyFiles);
    command->add_option("--root", options.root, kRoot);
    add_live(*command, options.live, options.socket);
    CLI::Option* const csv = command->add_flag("--csv", options.csv, "For spreadsheets (RFC 4180)");
    CLI::Option* const html = command
                                  ->add_flag("--html", options.html,
                                             "A page that an auditor can keep: partners, anchors, grants, revocations")
                                  ->excludes(csv);
    command->add_flag("--json", options.json, "For machines")->excludes(csv)->excludes(html);
    command->footer(
        "Exit: 0 done, 1 errors in the policy, 2 it could not be told.\n"
        "Example: mtls-authz matrix --policy 'partners/*.conf' --html > partners.html\n"
        "         mtls-authz matrix --live --csv");
    command->callback([&status, command] {
        if (options.live)
            refuse_options(*command, {"--policy", "--root"}, "with --live: the policy is the running server's");
        if (options.policy.empty() != options.live) throw UsageError{"needs --policy, or --live"};
        status = options.live ? show_live_matrix(options) : show_matrix(options);
    });
}

void add_diff(CLI::App& app, int& status) {
    static DiffOptions options;
    CLI::App* const command = app.add_subcommand("diff", "Who gains and who loses between two policies");
    static std::vector<std::string> files;
    command
        ->add_option("FILE", files,
                     "OLD and NEW: policy files of the current folder, or patterns in quotes; with --live NEW alone")
        ->required();
    add_live(*command, options.live, options.socket);
    command->add_option("--root", options.root, kRoot);
    command->add_option("--certs", options.certificates, "A folder of certificates: which of them change their answer");
    command->add_flag("--json", options.json, "For machines");
    command->footer(
        "Exit: 0 the same, 1 different, 2 it could not be told.\n"
        "Example: mtls-authz diff 'old/*.conf' 'new/*.conf' --certs known/\n"
        "         mtls-authz diff --live --root /etc/apache2 'branch/*.conf'");
    command->callback([&status] {
        if (files.size() != (options.live ? 1 : 2)) {
            throw UsageError{options.live ? "with --live needs NEW alone, in quotes"
                                          : "needs OLD and NEW, two names or patterns in quotes"};
        }
        options.before = options.live ? "" : files.front();
        options.after = files.back();
        status = show_difference(options);
    });
}

void add_fetch(CLI::App& app, int& status) {
    static FetchOptions options;
    CLI::App* const command = app.add_subcommand(
        "fetch", "CRLs, OCSP answers and SPIFFE bundles from servers of the policy's CAs; for a timer");
    const auto repeated = [command](const char* name, std::vector<std::string>& into, const char* what) {
        return command->add_option(name, into, what)->allow_extra_args(false);
    };
    command->add_option("--policy", options.policy, kPolicyFiles)->required();
    command->add_option("--root", options.root, kRoot);
    command->add_option("--into", options.into, "Folder to write into: crl/, revoked/ocsp.conf, bundles/")->required();
    repeated("--crl", options.crls, "[CA-FILE=]URL: where a CA of the policy has its CRL; may be repeated");
    repeated("--ocsp", options.responders, "[CA-FILE=]URL: where a CA answers by OCSP; may be repeated");
    repeated("--bundle", options.bundles,
             "TRUST-DOMAIN=URL[,SPIFFE-ID]: where a SPIFFE bundle is, and who answers there; may be repeated");
    repeated("--cert", options.certificates, "Certificates to ask responders about: file, or folder; may be repeated");
    repeated("--seen", options.audit_logs, "Audit log, whose granted certificates are asked about; may be repeated");
    repeated("--server-ca", options.server_cas, "CAs that mod_ssl is given, beside those of the policy");
    repeated("--allow-network", options.networks, "CIDR block that may be asked though it is not public");
    command->add_option("--proxy", options.proxy, "URL of a proxy; default: none, whatever the environment says");
    command->add_option("--web-ca", options.web_ca, "CAs of https servers, PEM; default: those of the system");
    command->add_option("--timeout", options.timeout, "Seconds for one answer as a whole; default 60")
        ->check(whole_number(1, 3600));
    command->add_option("--max-time", options.most_time, "Seconds for all answers; default 1500")
        ->check(whole_number(1, 86400));
    command->add_option("--max-size", options.most_mib, "MiB of one CRL; default 64")->check(whole_number(1, 256));
    command->add_flag("--dry-run", options.dry_run, "Asks and judges, and writes nothing");
    command->add_flag("--json", options.json, "For machines");
    command->footer(
        "No address from a client's certificate is ever asked.\n"
        "Exit: 0 all is as new as it can be had, 1 something could not be fetched, 2 usage or unreadable.\n"
        "Example: mtls-authz fetch --root /etc/apache2 --policy '/etc/apache2/mtls/partners/*.conf' "
        "--into /var/lib/mtls-authz");
    command->callback([&status] { status = fetch(options); });
}

void add_database(CLI::App& command, DatabaseOptions& options) {
    command
        .add_option("--database", options.database,
                    "DRIVER FILE, as MTLSPolicyDatabase has them: pgsql, sqlite3 or mysql, and the parameters of a "
                    "connection")
        ->required();
    command.add_flag("--json", options.json, "For machines");
}

void add_push(CLI::App& app, int& status) {
    static PushOptions options;
    CLI::App* const command = app.add_subcommand("push", "Policy files into the database, checked, in one transaction");
    command
        ->add_option("FILE", options.files,
                     "Files, whose rows are written anew; or one folder, which is then all that the database holds")
        ->required();
    add_database(*command, options);
    command->add_option("--kind", options.kind, "Of files whose folder or row does not say it")
        ->check(one_of({"policy", "revocation", "certificate", "crl"}));
    command->add_option("--base", options.base, "The revision that the files are changes of; default: what pull wrote");
    command->add_option("--beside", options.beside, "Policy files that the servers have beside the database")
        ->allow_extra_args(false);
    command->add_option("--root", options.root, kRoot);
    command->add_flag("--dry-run", options.dry_run, "Checks, prints what would change, and writes nothing");
    command->footer(
        "Exit: 0 pushed, or the same already; 1 errors, somebody pushed meanwhile, or with --dry-run a difference; "
        "2 it could not be done.\n"
        "Example: mtls-authz push --database pgsql writer.conf policy/ --dry-run");
    command->callback([&status] { status = push(options); });
}

void add_pull(CLI::App& app, int& status) {
    static PullOptions options;
    CLI::App* const command = app.add_subcommand("pull", "The files of the database into a folder: KIND/NAME");
    command->add_option("FOLDER", options.folder, "It also gets a file that says which revision this is")->required();
    add_database(*command, options);
    command->footer(
        "Exit: 0 done, 1 a file was changed here and in the database, 2 it could not be done.\n"
        "Example: mtls-authz pull --database pgsql writer.conf policy/");
    command->callback([&status] { status = pull(options); });
}

void add_fleet(CLI::App& app, int& status) {
    static FleetOptions options;
    CLI::App* const command = app.add_subcommand("fleet", "Which server has which generation of the database's policy");
    add_database(*command, options);
    command->add_option("--max-age", options.most_age, "Seconds for which a server may say nothing; default 120")
        ->check(whole_number(1, LONG_MAX));
    command->footer(
        "Exit: 0 all have what the database has, 1 some do not, or have an error, 2 it could not be told.\n"
        "Example: mtls-authz fleet --database pgsql writer.conf");
    command->callback([&status] { status = show_fleet(options); });
}

void add_import(CLI::App& app, int& status) {
    static ImportOptions options;
    CLI::App* const command = app.add_subcommand("import", "Policy files from what lets partners in today");
    command
        ->add_option(
            "FORMAT", options.format,
            "nginx-map: map $ssl_client_...; passwd: of FakeBasicAuth; csv: a table with headings; sslrequire: "
            "SSLRequire and Require expr lines")
        ->required()
        ->check(one_of(kImportFormats));
    command->add_option("FILE", options.file, "What to read; - for standard input")->required();
    command->add_option("--anchor", options.anchor, "MTLSTrustAnchor of partners for which FILE names none");
    command->add_option("--cert", options.certificates, "Certificates that FILE names by their SHA-1; may be repeated")
        ->allow_extra_args(false);
    command->add_option("--root", options.root, kRoot);
    command->add_flag("--json", options.json, "For machines");
    command->footer(
        "Headings of a table: name, anchor, group, grant, contact, until, and selectors (subject, CN, DNS, URI, ...).\n"
        "Exit: 0 all of it, 1 something could not be converted (standard error says what), 2 nothing.\n"
        "Example: mtls-authz import nginx-map partners.map --anchor mtls/partners-ca.pem > partners.conf");
    command->callback([&status, command] {
        if (options.format == "passwd" || options.format == "sslrequire")
            refuse_options(*command, {"--cert"}, "for " + options.format + ": it names no certificates by SHA-1");
        status = import_policy(options);
    });
}

// For packages: prints the page of a command, or, without a command, the names of all.
void add_manual(CLI::App& app, int& status) {
    static std::string name;
    CLI::App* const command = app.add_subcommand("manual", "A command's manual page, in man(7)");
    command->group("");  // hidden in --help
    command->add_option("COMMAND", name, "A command; none: the names of all");
    command->callback([&app, &status] {
        status = kFine;
        const auto all = app.get_subcommands([](CLI::App* c) { return !c->get_group().empty(); });
        const auto found =
            std::find_if(all.begin(), all.end(), [](const CLI::App* one) { return one->get_name() == name; });
        if (!name.empty() && found == all.end()) throw UsageError{"has no page of '" + shown(name) + "'"};
        if (!name.empty()) std::cout << manual_page(**found, kVersion);
        for (const CLI::App* one : name.empty() ? all : std::vector<CLI::App*>()) std::cout << one->get_name() << '\n';
    });
}

int run(const std::vector<std::string>& arguments) {
    int status = kFine;
    CLI::App app("Writes, checks and explains the policy of mod_mtls_authz, as the server would decide.", "mtls-authz");
    app.require_subcommand(1);
    app.footer("mtls-authz help COMMAND has the options of a command, and an example.");
    app.set_version_flag(
        "--version", [] { return std::string("mtls-authz ") + kVersion + ", " + OpenSSL_version(OPENSSL_VERSION); });
    add_init(app, status);
    add_suggest(app, status);
    add_facts(app, status);
    add_check(app, status);
    add_explain(app, status);
    add_why(app, status);
    add_matrix(app, status);
    add_diff(app, status);
    add_fetch(app, status);
    add_push(app, status);
    add_pull(app, status);
    add_fleet(app, status);
    add_import(app, status);
    add_manual(app, status);
    std::vector<std::string> words = arguments;
    if (!words.empty() && words.front() == "help") {
        words.erase(words.begin());
        words.emplace_back("--help");
    }
    const auto is_empty = [](const std::string& word) {
        return word.empty() || (word.starts_with("--") && word.ends_with('='));
    };
    const auto empty = std::find_if(words.begin(), words.end(), is_empty);
    if (empty != words.end()) {
        const std::string option = empty->empty() && empty != words.begin() ? *(empty - 1) : *empty;
        return complain(shown(words.front()) + " has an empty " +
                        (option.starts_with("--") ? shown(option.substr(0, option.find('='))) : "argument"));
    }
    const std::string mistyped = find_mistyped(app, words);
    if (words.empty()) std::cerr << app.help();
    if (!mistyped.empty()) return complain(mistyped);
    try {
        std::vector<std::string> reversed(words.rbegin(), words.rend());  // CLI11 expects reverse order
        app.parse(reversed);
        std::cout.flush();
        return std::cout.good() ? status : kNotDone;
    } catch (const UsageError& e) {
        return complain(usage_sentence(app, e));
    } catch (const CLI::Success& e) {  // --help, --version
        return app.exit(e) == 0 && std::cout.flush().good() ? kFine : kNotDone;
    } catch (const CLI::ParseError& e) {
        return complain(usage_sentence(app, e, words));
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::exception& e) {
        std::fprintf(stderr, "mtls-authz: %s\n", e.what());
    } catch (...) {
        std::fputs("mtls-authz: failed\n", stderr);
    }
    return kNotDone;
}
