// Errors in a policy's text: one for each cause, with what would be right.
#include "mtls_authz/base/file.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/load/revocation_files.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

// All errors about a policy file with this text.
std::vector<std::string> errors_of(const std::string& text, const std::string& folder = "/nowhere") {
    DiskFiles disk;
    PolicyBuilder builder(folder, disk);
    std::vector<Diagnostic> errors;
    const auto directives = read_directives(text, "p.conf", errors);
    if (directives) {
        for (const Directive& d : directives.value()) builder.add(d, Origin::kPolicyFile);
        builder.build();
        errors = builder.diagnostics();
    }
    std::vector<std::string> out;
    for (const Diagnostic& d : errors) {
        if (d.is_error()) out.push_back(d.str());
    }
    return out;
}

// `line` is in a partner that has an identity, and an anchor in a file that is not there.
std::string only_error(const std::string& line) {
    for (const std::string& error : errors_of(partner("p", "MTLSIdentity CN:p\n" + line))) {
        if (error.starts_with("p.conf:3: ")) return error;
    }
    return "no error about " + line;
}

void check_only(const std::vector<std::string>& errors, const std::string& part, const std::string& of) {
    check(errors.size() == 1 && errors.front().find(part) != std::string::npos,
          of + ": " + std::to_string(errors.size()) + " error(s): " + (errors.empty() ? "" : errors.front()), __FILE__,
          __LINE__);
}

}  // namespace

CLAIM(a_comment_behind_a_directive_is_one_error_that_says_so) {
    const std::string own_line = "a comment has a line of its own";
    for (const std::string line :
         {"MTLSIdentity CN:p", "MTLSTrustAnchor ca.pem", "MTLSIntermediate ca.pem", "MTLSGroup g",
          "MTLSValid from=2026-01-01", "MTLSPurpose serverAuth", "MTLSNetwork 10.0.0.0/8",
          "MTLSFront header=X format=der", "MTLSAttribute a b", "MTLSContact me", "MTLSSuspend On", "MTLSCRL required",
          "MTLSCRLStale deny", "MTLSShortLived 3", "MTLSGrant read /a"}) {
        const std::string error = only_error(line + " # our friends");
        CHECK_CONTAINS(error, "'# our friends': " + own_line);
    }
    for (const std::string line :
         {"MTLSSuspend acme", "MTLSRevoke CN:x", "MTLSCRLFile ca.crl", "MTLSCRL required", "MTLSCRLStale deny",
          "MTLSShortLived 3", "MTLSExpect a.pem is acme", "MTLSGrant * /a"}) {
        check_only(errors_of(line + " # our friends\n"), own_line, line);
    }
    check_only(errors_of("<MTLSPartner p> # x\nMTLSIdentity CN:p\n</MTLSPartner>\n"), own_line, "behind the section");
    check_only(errors_of("<MTLSPartner p # x>\nMTLSIdentity CN:p\n</MTLSPartner>\n"), own_line, "in the section");
    check_only(errors_of("MTLSSuspend acme\n<MTLSPartner p>\nMTLSIdentity CN:p\n</MTLSPartner> # x\n"), own_line,
               "end");
    // Quoted, or within a word, it is no comment.
    CHECK_EQUAL(only_error("MTLSContact \"#3\" a#b"), "no error about MTLSContact \"#3\" a#b");
}

CLAIM(an_identity_that_cannot_be_read_is_one_error) {
    const std::pair<const char*, const char*> rows[] = {
        {"DSN:x.example.org", "did you mean 'DNS'?"},
        {"CN=api", "did you mean 'CN:api'?"},
        {"email=a@b.example", "did you mean 'email:a@b.example'?"},
        {"uri=https://x.example/a", "did you mean 'uri:https://x.example/a'?"},
        {"subject=CN=api", "did you mean 'subject:CN=api'?"},
        {"CN=api,O=Acme", "did you mean 'subject:CN=api,O=Acme'?"},
        {"SAN:x.example.org", "DNS:, email:, URI:, IP:"},
        {"issuer.spki-sha256::", "has a colon too many"},
        {"UPN:user", "a UPN is user@domain"},
        {"CN:two words", "quote the whole: \"CN:two words\""},
        {"CN:\"two words\"", "quote the whole: \"CN:two words\""},
        {"CN:now three words", "quote the whole: \"CN:now three words\""},
        {"CN:now three words OU:x", "quote the whole: \"CN:now three words\""},
        {"DNS: x.example.org", "without a blank behind the colon"},
        {"DNS: x.example.org", "if what follows belongs to it, quote the whole: DNS:x.example.org"},
        {"subject:CN=api, O=Acme", "if what follows belongs to it, quote the whole: \"subject:CN=api, O=Acme\""},
        {"subject:\"CN=api,O=Acme Corp\" OU:x", "quote the whole: \"subject:CN=api,O=Acme Corp\""},
        {"subject:CN=api,O=\"Foo, Bar Inc.\"", "quote the whole: \"subject:CN=api,O=\\\"Foo, Bar Inc.\\\"\""},
        {"subject:CN=a,O=Foo\\, Inc.", "quote the whole: \"subject:CN=a,O=Foo\\\\, Inc.\""},
        {"CN:'two words'", "quote the whole: \"CN:two words\""},
        {"DNS:a.example.org or DNS:b.example.org",
         "'or' (a certificate has to fit all selectors of a line; another line"},
        {"any DNS:x.example.org", "MTLSIdentity: 'any' stands alone: it takes every certificate"},
        {"DNS:x.example.org Any", "'any' stands alone"},
        {"\u201cCN:x\u201d", "(that is a typographic quote: write \" or ')"},
        {"subject:\"CN=api\"", "'subject:\"CN=api\"': "},
    };
    for (const auto& [selector, hint] : rows) {
        const auto errors = errors_of("MTLSSuspend q\n" + partner("p", std::string("MTLSIdentity ") + selector));
        std::vector<std::string> about;
        for (const std::string& error : errors) {
            if (error.find("trust anchor") == std::string::npos) about.push_back(error);
        }
        check_only(about, hint, selector);
    }
    // A misspelled MTLSIdentity is one error, beside that of the anchor.
    CHECK_EQUAL(errors_of(partner("p", "MTLSIdentiy CN:x")).size(), 2U);
    CHECK_CONTAINS(errors_of(partner("p", "MTLSGroup g")).front(), "has no MTLSIdentity");
}

CLAIM(quotes_that_are_compared_are_warned_of) {
    for (const char* word : {"CN:\"api\"", "CN:'api'"}) {
        const auto warnings = mtls::Selector::parse(word).value().warnings;
        check_only(warnings, "are compared too; quotes go around the whole word: CN:api", word);
        check_only(errors_of("MTLSRevoke " + std::string(word) + "\n"), "are compared too", word);
    }
    CHECK(mtls::Selector::parse("CN:5\" disk").value().warnings.empty());
}

CLAIM(methods_that_stand_alone_are_told_so) {
    for (const char* methods : {"read,write", "GET,read", "write,GET", "GET,*"})
        CHECK_CONTAINS(only_error(std::string("MTLSGrant ") + methods + " /x"), "' stands alone: write '*' for all");
    CHECK_CONTAINS(only_error("MTLSGrant reads /x"), "did you mean");
    CHECK_CONTAINS(only_error("MTLSGrant READ /x"), "'READ' is written in lower case: read");
    CHECK_CONTAINS(only_error("MTLSGrant ALL /x"), "'ALL' is no method: write '*' for all");
    for (const char* network : {"10.0.0.0 255.0.0.0", "10.0.0.0/255.0.0.0"})
        CHECK_CONTAINS(only_error(std::string("MTLSNetwork ") + network),
                       "a netmask is written as the length of the prefix");
}

CLAIM(a_directive_of_another_place_is_told_where_it_belongs) {
    for (const char* line : {"MTLSAllow partner acme", "MTLSDeny partner acme", "MTLSAuthz On", "MTLSForward",
                             "Require mtls-partner acme", "AuthType MTLS"}) {
        CHECK_CONTAINS(
            only_error(line),
            "belongs in httpd.conf, not in <MTLSPartner p>: it is of a gate, in a section like <Location /orders>");
        check_only(errors_of(std::string(line) + "\n"), "not in a policy file: it is of a gate", line);
    }
    for (const char* section : {"Location /x", "Directory /x", "VirtualHost *:443", "LimitExcept GET", "RequireAny"}) {
        const std::string name(section, std::strcspn(section, " "));
        const std::string lines = "<" + std::string(section) + ">\nMTLSAllow partner p\n</" + name + ">\n";
        check_only(errors_of(lines), name + " belongs in httpd.conf, not in a policy file: gates are there", section);
    }
    CHECK_CONTAINS(only_error("MTLSPolicyFile x"), "MTLSPolicyFile belongs in httpd.conf, not in <MTLSPartner p>");
    check_only(errors_of("MTLSIdentiy CN:x\n"), "did you mean 'MTLSIdentity'?", "misspelled");
    check_only(errors_of("MTLSPartner acme\n"), "a partner is a section: <MTLSPartner acme>", "no section");
    CHECK_CONTAINS(errors_of("MTLSExpect a.pem is acme globex\n").front(), "MTLSExpect: 'is': expected");
}

CLAIM(a_file_that_is_not_there_is_told_with_its_folder_or_the_nearest_name) {
    Draft d;
    d.file("acme-ca.pem", "x");
    const auto error_of = [&](const std::string& file) {
        for (const std::string& error :
             errors_of(partner("p", "MTLSIdentity CN:p\nMTLSTrustAnchor " + file), d.folder())) {
            if (error.find("cannot read") != std::string::npos) return error;
        }
        return std::string();
    };
    CHECK_CONTAINS(error_of("mtls/acme-ca.pem"),
                   "there is no folder '" + d.folder() + "/mtls': mkdir -p '" + d.folder() + "/mtls'");
    const std::string link = d.folder() + "/cur";
    CHECK_EQUAL(symlink("release-7", link.c_str()), 0);
    CHECK_CONTAINS(error_of("cur/mtls/acme-ca.pem"), "there is no folder '" + link + "/mtls': '" + link +
                                                         "' is a link that leads nowhere: ln -sfn FOLDER '" + link +
                                                         "'");
    CHECK_CONTAINS(error_of("acme_ca.pem"), "(did you mean 'acme-ca.pem'?)");
    CHECK(error_of("zzz.pem").ends_with("No such file or directory"));
    CHECK_EQUAL(hint_of_missing(d.folder() + "/acme-ca.pem"), "");
}

CLAIM(a_file_of_another_kind_is_told_what_it_is) {
    const test::Identity ca = make_ca("CA");
    const std::string crl = make_crl(ca, {});
    const auto fault_of = [](const std::string& content) { return decode_crls(content).fault; };
    CHECK_CONTAINS(fault_of(ca.cert_pem()), "is a certificate and no CRL: MTLSTrustAnchor");
    CHECK_CONTAINS(fault_of(mtls::encode(i2d_X509, *ca.cert)), "is a certificate and no CRL");
    CHECK_CONTAINS(fault_of(ca.key_pem()), "holds a private key and no CRL");
    CHECK_CONTAINS(fault_of("<html>404</html>"), "holds no CRL, but a web page");
    CHECK_EQUAL(fault_of("garbage"), "holds no CRL, neither PEM nor DER");
    CHECK_EQUAL(decode_crls(crl).fault, "");
    for (const std::string& content : {std::string("\xff\xfe<\0M\0", 6), std::string("\xfe\xff\0<\0M", 6)}) {
        check_only(errors_of(content), "p.conf:1: error: the file is UTF-16: save it as UTF-8", "UTF-16");
        std::vector<Diagnostic> errors;
        CHECK(read_single_directives(content + "\nMTLSRevoke CN:x\n", "r.conf", errors).empty());
        CHECK_EQUAL(errors.size(), 1U);
    }
    // A certificate or a CRL in place of a policy file or a revocation file: one error.
    for (const std::string& content : {ca.cert_pem(), crl}) {
        check_only(errors_of(content), "the file is PEM (-----BEGIN ", content);
        std::vector<Diagnostic> errors;
        read_single_directives(content, "r.conf", errors);
        CHECK_EQUAL(errors.size(), 1U);
        // Revocation lines after the PEM block count.
        errors.clear();
        CHECK_EQUAL(read_single_directives(content + "MTLSRevoke CN:x\n", "r.conf", errors).size(), 1U);
        CHECK_EQUAL(errors.size(), 1U);
        // So do those after a block that has lost its end.
        errors.clear();
        const std::string cut = content.substr(0, content.find("-----END"));
        CHECK_EQUAL(read_single_directives(cut + "MTLSRevoke CN:x\nMTLSSuspend a\n", "r.conf", errors).size(), 2U);
        CHECK_EQUAL(errors.size(), 1U);
    }
}

CLAIM(a_comment_that_takes_in_the_next_line_is_an_error) {
    const auto read = [](const std::string& text, std::size_t lines, std::size_t faults) {
        std::vector<Diagnostic> errors;
        test::check_equal(read_single_directives(text, "r.conf", errors).size(), lines, text, __FILE__, __LINE__);
        test::check_equal(errors.size(), faults, text, __FILE__, __LINE__);
        return errors.empty() ? "" : errors.front().str();
    };
    const std::string fault = read("MTLSSuspend a\n# of C:\\old\\\nMTLSRevoke CN:x\nMTLSRevoke CN:y\n", 2, 1);
    CHECK_EQUAL(fault,
                "r.conf:2: error: the comment ends in '\\', so the next line is a part of it: 'MTLSRevoke CN:x'; "
                "take the backslash away");
    read("\\\n# a \\\n\\\n  MTLSRevoke CN:x\n", 0, 1);
    // A directive of several lines that is commented out hides nothing.
    read("#MTLSRevoke CN:x \\\n#    \"left in May\"\nMTLSRevoke CN:y\n# \\\n\nMTLSRevoke CN:z\n", 2, 0);
    check_only(errors_of("# of C:\\old\\\n<MTLSPartner acme>\n"), "the comment ends in '\\'", "a policy file");
}

CLAIM(a_line_within_another_is_an_error) {
    const auto read = [](const std::string& text, std::size_t lines, const char* fault) {
        std::vector<Diagnostic> errors;
        test::check_equal(read_single_directives(text, "r.conf", errors).size(), lines, text, __FILE__, __LINE__);
        std::vector<std::string> texts;
        for (const Diagnostic& error : errors) texts.push_back(error.str());
        check_only(texts, fault, text);
    };
    read("MTLSRevoke \"CN:x\\\n MTLSRevoke CN:y\nMTLSSuspend a\n", 1,
         "the line ends in '\\', so the next line is a part");
    read("# list of today\rMTLSRevoke CN:y\nMTLSSuspend a\n", 1, "a carriage return within the line");
    read("MTLSRevoke CN:x\rMTLSRevoke CN:y\r\nMTLSSuspend a\r\n", 1, "a carriage return within the line");
    std::vector<Diagnostic> errors;
    CHECK_EQUAL(read_single_directives("MTLSRevoke CN:x \\\r\n  CN:y\r\n# a\r\n", "r.conf", errors).size(), 1U);
    CHECK_EQUAL(errors.size(), 0U);
}

CLAIM(names_in_messages_are_readable_unless_they_deceive) {
    CHECK_CONTAINS(only_error("MTLSGroup M\xc3\xbcller"), "'M\xc3\xbcller' cannot be a group's name");
    CHECK_EQUAL(mtls::in_quotes("\xed\x95\x9c \xe2\x80\xae\x1b[31m\xff\xc3"),
                "'\xed\x95\x9c \\xe2\\x80\\xae\\x1b[31m\\xff\\xc3'");
    CHECK_EQUAL(mtls::in_quotes("a\"b\\c'"), "'a\"b\\x5cc''");
    CHECK_EQUAL(mtls::escape_for_reader("a\"b", 9), "a\\x22b");
    CHECK_EQUAL(mtls::escape_for_reader("\xc3\xa9\xc3\xa9\xc3\xa9", 7), "\xc3\xa9\xc3\xa9...");
}

CLAIM(dates_that_never_hold_show_both_values_once) {
    const std::string error = only_error("MTLSValid from=2027-01-01 until=2026-01-01");
    CHECK_CONTAINS(error, "from=2027-01-01T00:00:00Z is later than until=2026-01-01T23:59:59Z");
    CHECK_EQUAL(error.rfind("p.conf:3"), 0U);
}
