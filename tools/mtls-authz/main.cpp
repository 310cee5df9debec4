// mtls-authz: writes, checks and explains policies, with the core that the module decides with.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>

#include "commands.hpp"

using namespace mtls::tool;

namespace {

void add_facts(CLI::App& app, int& status) {
    static std::vector<std::string> files;
    CLI::App* const command =
        app.add_subcommand("facts", "What there is to match in certificates: one JSON object a line");
    command->add_option("CERT", files, "PEM, DER or PKCS#7; - for standard input")->required();
    command->footer("Example: mtls-authz facts acme.pem");
    command->callback([&status] { status = show_facts(files); });
}

void add_check(CLI::App& app, int& status) {
    static CheckOptions options;
    CLI::App* const command = app.add_subcommand("check", "All errors and warnings of policy files");
    command->add_option("FILE", options.files, "Policy files, or patterns in quotes")->required();
    command->add_option("--root", options.root, "Folder of relative paths in them: the server's ServerRoot");
    command->add_flag("--strict", options.strict, "Warnings are errors");
    command->add_flag("--json", options.json, "For machines");
    command->footer(
        "Exit: 0 fine, 1 errors, 2 usage.\nExample: mtls-authz check --root /etc/apache2 "
        "/etc/apache2/mtls/partners/*.conf");
    command->callback([&status] { status = check_policy(options); });
}

void add_explain(CLI::App& app, int& status) {
    static ExplainOptions options;
    static std::string line;
    CLI::App* const command =
        app.add_subcommand("explain", "The decision about a certificate, and each step that led to it");
    CLI::Option* const log =
        command->add_option("--log-line", line, "A denial line of httpd's error log, instead of all else");
    command->add_option("--policy", options.policy, "Policy files, or patterns in quotes")->excludes(log);
    command->add_option("--cert", options.certificate, "The client's certificate, perhaps with its intermediates")
        ->excludes(log);
    command->add_option("--intermediates", options.intermediates, "Intermediates that the client sends")->excludes(log);
    command->add_option("--server-ca", options.server_cas, "What mod_ssl is given, where a partner trusts mod_ssl")
        ->excludes(log);
    command->add_option("--root", options.root, "Folder of relative paths in the policy: the server's ServerRoot");
    command->add_option("--method", options.method, "Method of a request behind MTLSAllow by-grant; default GET");
    command->add_option("--path", options.path, "Its path, decoded");
    command->add_option("--at", options.at, "Another time than now, RFC 3339");
    command->add_flag("--json", options.json, "For machines");
    command->footer(
        "Exit: 0 allow, 3 deny, 2 it could not be decided.\n"
        "Example: mtls-authz explain --policy 'partners/*.conf' --cert acme.pem --method GET --path /api/orders/17");
    command->callback([&status, log] {
        if (log->count() > 0) {
            status = explain_log_line(line);
        } else if (options.policy.empty() || options.certificate.empty()) {
            throw CLI::RequiredError("--policy and --cert, or --log-line");
        } else {
            status = explain(options);
        }
    });
}

void add_suggest(CLI::App& app, int& status) {
    static SuggestOptions options;
    CLI::App* const command = app.add_subcommand("suggest", "A ready-to-paste <MTLSPartner> block for a certificate");
    command->add_option("CERT", options.certificates, "PEM, DER or PKCS#7; - for standard input")->required();
    command->add_option("--name", options.name, "The partner's name; otherwise made from the certificate");
    command->add_option("--anchor", options.anchor, "File of the CA that issues its certificates");
    command->add_option("--root", options.root, "Folder of a relative --anchor: the server's ServerRoot");
    command->footer("Example: mtls-authz suggest acme.pem --anchor mtls/acme-ca.pem --root /etc/apache2 > acme.conf");
    command->callback([&status] {
        if (options.certificates.size() > 1 && !options.name.empty()) {
            throw CLI::ValidationError("--name", "is for one certificate");
        }
        status = suggest(options);
    });
}

void add_matrix(CLI::App& app, int& status) {
    static MatrixOptions options;
    CLI::App* const command = app.add_subcommand("matrix", "Partner by path by method");
    command->add_option("--policy", options.policy, "Policy files, or patterns in quotes")->required();
    command->add_option("--root", options.root, "Folder of relative paths in them: the server's ServerRoot");
    CLI::Option* const csv = command->add_flag("--csv", options.csv, "For spreadsheets (RFC 4180)");
    command->add_flag("--html", options.html, "A page that an auditor can keep: partners, anchors, grants, revocations")
        ->excludes(csv);
    command->footer("Example: mtls-authz matrix --policy 'partners/*.conf' --html > partners.html");
    command->callback([&status] { status = show_matrix(options); });
}

void add_diff(CLI::App& app, int& status) {
    static DiffOptions options;
    CLI::App* const command = app.add_subcommand("diff", "Who gains and who loses between two policies");
    command->add_option("OLD", options.before, "A policy file, or a pattern in quotes")->required();
    command->add_option("NEW", options.after, "The other one")->required();
    command->add_option("--root", options.root, "Folder of relative paths in them: the server's ServerRoot");
    command->add_option("--certs", options.certificates, "A folder of certificates: which of them change their answer");
    command->footer(
        "Exit: 0 the same, 1 different, 2 it could not be told.\n"
        "Example: mtls-authz diff 'old/*.conf' 'new/*.conf' --certs known/");
    command->callback([&status] { status = show_difference(options); });
}

int run(int argc, char** argv) {
    int status = kFine;
    CLI::App app("Writes, checks and explains the policy of mod_mtls_authz, as the server would decide.", "mtls-authz");
    app.require_subcommand(1);
    add_suggest(app, status);
    add_facts(app, status);
    add_check(app, status);
    add_explain(app, status);
    add_matrix(app, status);
    add_diff(app, status);
    try {
        app.parse(argc, argv);
        std::cout.flush();
        return std::cout.good() ? status : kNotDone;
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? kFine : kNotDone;
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "mtls-authz: %s\n", e.what());
    } catch (...) {
        std::fputs("mtls-authz: failed\n", stderr);
    }
    return kNotDone;
}
