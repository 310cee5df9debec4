
#include <algorithm>
#include <ctime>
#include <random>

#include "claims.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/uri.hpp"
#include "mtls_authz/decide/override_header.hpp"
#include "mtls_authz/load/directive.hpp"
#include "mtls_authz/rules/capture_scope.hpp"

using namespace mtls;

namespace {

std::string joined(const std::string& line) {
    std::string out;
    for (const std::string& word : config_words(line)) out += "[" + word + "]";
    return out;
}

std::string read_errors(const std::string& text) {
    std::vector<Diagnostic> errors;
    const auto result = read_directives(text, "p.conf", errors);
    std::string out;
    for (const Diagnostic& d : errors) out += d.str() + "\n";
    CHECK_EQUAL(result.ok(), errors.empty());
    return out;
}

}  // namespace

CLAIM(words_are_cut_as_httpd_cuts_them) {
    CHECK_EQUAL(joined("a  b\tc"), "[a][b][c]");
    CHECK_EQUAL(joined("\"a b\" 'c d'"), "[a b][c d]");
    CHECK_EQUAL(joined("\"a \\\" b\" \"c\\\\\""), "[a \" b][c\\]");
    CHECK_EQUAL(joined("a\\,b a\\\\b"), "[a\\,b][a\\b]");
    CHECK_EQUAL(joined("\"a\\,b\""), "[a\\,b]");
    CHECK_EQUAL(joined("\"open"), "[open]");
    CHECK_EQUAL(joined("\"\""), "[]");
    CHECK_EQUAL(joined("a\"b c"), "[a\"b][c]");
    CHECK_EQUAL(joined("\"a\"b"), "[a][b]");
}

CLAIM(a_quoted_word_reads_back_as_itself) {
    for (const std::string word : {"plain", "a b", "", "\"", "'x", "a\\", "a\\,b", "#c", "\\\\", "a\"b c\\\"d"}) {
        const auto words = config_words(config_quote(word));
        CHECK_EQUAL(words.size(), 1U);
        CHECK_EQUAL(words.front(), word);
    }
}

CLAIM(log_text_is_printable_ascii_and_bounded) {
    CHECK_EQUAL(escape_for_log("a\"b\\c\nd\x1b\xff", 100), "a\\x22b\\x5cc\\x0ad\\x1b\\xff");
    CHECK(escape_for_log(std::string(1000, '\n'), 64).size() <= 64);
    CHECK(escape_for_log(std::string(1000, 'a'), 64).ends_with("..."));
    // By one character after the other.
    const auto plainly = [](const std::string& text, std::size_t limit) {
        std::string out;
        for (const char c : text) {
            const auto byte = static_cast<std::uint8_t>(c);
            const bool is_plain = byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\';
            const std::string shown = is_plain ? std::string(1, c) : "\\x" + hex({&byte, 1});
            if (out.size() + shown.size() + 3 > limit) return out + "...";
            out += shown;
        }
        return out;
    };
    for (const std::string text :
         {"", "a", "abcdefgh", "\n", "a\nb", "\n\n\n", "abc\"def\\ghi\x7f\xff", "abcdefghijk\n"}) {
        for (std::size_t limit = 0; limit < 40; ++limit) {
            CHECK_EQUAL(escape_for_log(text, limit), plainly(text, limit));
            std::string after = "before ";
            append_for_log(after, text, limit);
            CHECK_EQUAL(after, "before " + plainly(text, limit));
        }
    }
}

CLAIM(blanks_of_unicode_are_shown_by_their_bytes_to_a_reader) {
    CHECK_EQUAL(in_quotes("MTLSIdentity\u00a0CN:acme"), "'MTLSIdentity\\xc2\\xa0CN:acme'");
    CHECK_EQUAL(in_quotes("a\u2009b"), "'a\\xe2\\x80\\x89b'");
    CHECK_EQUAL(in_quotes("a b\u00e9\u3000"), "'a b\u00e9\u3000'");
}

CLAIM(near_misses_are_suggested_and_far_ones_are_not) {
    static constexpr std::string_view kWords[] = {"DNS", "email", "URI"};
    CHECK_EQUAL(did_you_mean("DSN", kWords), " (did you mean 'DNS'?)");
    CHECK_EQUAL(did_you_mean("emial", kWords), " (did you mean 'email'?)");
    CHECK_EQUAL(did_you_mean("frobnicate", kWords), "");
}

CLAIM(utf8_is_strict) {
    CHECK(decode_utf8("\xc3\xa9").has_value());
    for (const std::string bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3"})
        CHECK(!decode_utf8(bad));
}

CLAIM(dates_are_rfc3339_and_until_includes_the_day) {
    CHECK_EQUAL(parse_date("2027-03-31", DateEdge::kFrom).value(), 1806451200);
    CHECK_EQUAL(parse_date("2027-03-31", DateEdge::kUntil).value(), 1806451200 + 86399);
    CHECK_EQUAL(parse_date("2027-03-31T02:00:00+02:00", DateEdge::kUntil).value(), 1806451200);
    CHECK_EQUAL(parse_date("2028-02-29t00:00:00z", DateEdge::kFrom).value(), 1835395200);
    for (const char* bad :
         {"", "2027-3-1", "2027-02-29", "2027-01-01T10:00Z", "2027-01-01T10:00:00", "2027-01-01T10:00:00.5Z",
          "2027-13-01", "2027-01-01T24:00:00Z", "2027-01-01 10:00:00Z", "2027-01-01x"}) {
        test::check(!parse_date(bad, DateEdge::kFrom).ok(), bad, __FILE__, __LINE__);
    }
}

// Certificates that end in 2050 are ordinary, and so are systems whose time_t ends in 2038.
CLAIM(seconds_and_fields_are_those_of_timegm_whatever_the_size_of_time_t) {
    CHECK_EQUAL(mtls::format_time(253402300799), "9999-12-31T23:59:59Z");
    CHECK_EQUAL(mtls::format_time(2147483648), "2038-01-19T03:14:08Z");
    CHECK_EQUAL(mtls::format_time(-62167219200), "0000-01-01T00:00:00Z");
    CHECK_EQUAL(mtls::seconds_of(mtls::utc_of(253402300799)), 253402300799);
    std::mt19937_64 random(1);
    std::uniform_int_distribution<std::int64_t> any(-62167219200, 253402300799), near(INT32_MIN, INT32_MAX);
    for (int i = 0; i < 20000; ++i) {
        const bool is_wide = sizeof(std::time_t) >= sizeof(std::int64_t) && i % 2 == 0;
        const std::int64_t seconds = is_wide ? any(random) : near(random);
        std::tm fields = mtls::utc_of(seconds), theirs{};
        CHECK_EQUAL(mtls::seconds_of(fields), seconds);
        const auto time = static_cast<std::time_t>(seconds);
        CHECK(gmtime_r(&time, &theirs) != nullptr);
        CHECK_EQUAL(timegm(&fields), time);
        CHECK_EQUAL(theirs.tm_year, fields.tm_year);
        CHECK_EQUAL(theirs.tm_mon, fields.tm_mon);
        CHECK_EQUAL(theirs.tm_mday, fields.tm_mday);
        CHECK_EQUAL(theirs.tm_hour, fields.tm_hour);
    }
}

CLAIM(policy_text_has_httpds_syntax_with_places) {
    std::vector<Diagnostic> errors;
    const auto read = read_directives(
        "# c\n\n<MTLSPartner a>\n  MTLSIdentity \\\n   CN:x\n  MTLSGroup g # no comment\n</MTLSPartner>\nMTLSSuspend "
        "b\n",
        "p.conf", errors);
    CHECK(read.ok());
    const auto& top = read.value();
    CHECK_EQUAL(top.size(), 2U);
    CHECK_EQUAL(top[0].name + " " + top[0].args, "MTLSPartner a");
    CHECK_EQUAL(top[0].children.size(), 2U);
    CHECK_EQUAL(top[0].children[0].where.str(), "p.conf:4");
    CHECK_EQUAL(joined(top[0].children[0].args), "[CN:x]");
    CHECK_EQUAL(top[0].children[1].args, "g # no comment");
    CHECK_EQUAL(top[1].where.line, 8U);
}

CLAIM(incomplete_or_expanding_policy_text_is_refused) {
    CHECK_CONTAINS(read_errors("MTLSSuspend a"), "no newline");
    CHECK_CONTAINS(read_errors("<MTLSPartner a>\n"), "p.conf:1: error: <MTLSPartner> is not closed");
    CHECK_CONTAINS(read_errors("</MTLSPartner>\n"), "closes nothing");
    CHECK_CONTAINS(read_errors("<MTLSPartner a>\n<MTLSPartner b>\n</MTLSPartner>\n</MTLSPartner>\n"),
                   "inside <MTLSPartner>");
    CHECK_CONTAINS(read_errors("MTLSSuspend ${X}\n"), "not expanded");
    CHECK_CONTAINS(read_errors(std::string("MTLSSuspend a\0b\n", 16)), "NUL");
    CHECK_CONTAINS(read_errors("<MTLSPartner a\n</MTLSPartner>\n"), "no closing '>'");
    CHECK_EQUAL(read_errors("MTLSSuspend a\r\n"), "");
}

CLAIM(dot_segments_are_found_as_backends_read_them) {
    for (const char* bad :
         {"/a/..;/b", "/a/.;x/b", "/a/%2e%2e/b", "/a/%252e%252e/b", "/a/..%2fb", "/a/..%5cb", "/a\\..\\b", "/..",
          "/a/%2e%2e;p/b", "/a/..%3bx/b", "/a%2f..%2fb", "/a/..#b", "/a/..%3fb"}) {
        test::check(find_path_fault(bad) == PathFault::kDotSegment, bad, __FILE__, __LINE__);
    }
    for (const char* bad : {"/a\nb", "/a%00b", "/a%2500b", "/a\x7f"}) {
        test::check(find_path_fault(bad) == PathFault::kControlByte, bad, __FILE__, __LINE__);
    }
    for (const char* fine :
         {"/", "*", "/a/b", "/a;b=c/d", "/a...b/..c/c..", "/a%b", "/100%", "/.well-known/x", "/a;..b", "/a#..b/?.c"}) {
        test::check(find_path_fault(fine) == PathFault::kNone, fine, __FILE__, __LINE__);
    }
}

CLAIM(a_path_is_plain_unless_an_odd_byte_stands_somewhere) {
    constexpr std::size_t kLongest = 70;  // several times what is looked at at once
    for (std::size_t size = 1; size <= kLongest; ++size) {
        const std::string plain = "/" + std::string(size - 1, 'a');
        CHECK(is_plain_path(plain));
        for (std::size_t at = 0; at < size; ++at) {
            std::string path = plain;
            for (const char odd : {'\0', '\x1f', '\x7f', ';', '\\', '%', '#', '?'}) {
                path[at] = odd;
                CHECK(!is_plain_path(path));
            }
            if (at == 0) continue;
            for (const char fine : {' ', '~', '\x80', '\xff', '/', '.'}) {
                path[at] = fine;
                CHECK(is_plain_path(path) == (at != 1 || (fine != '.' && fine != '/')));
            }
            if (at == 1) continue;
            path[at - 1] = '/';
            CHECK(!is_plain_path(path));  // "/."
            path[at] = '/';
            CHECK(!is_plain_path(path));
        }
    }
    for (const char* const elsewhere : {"", "*", ".", "..", "a/b", "http://host/"}) CHECK(!is_plain_path(elsewhere));
}

CLAIM(every_reading_of_a_path_is_found) {
    const auto reads = [](const char* path, const char* reading, PathForm form = PathForm::kDecoded) {
        const auto all = readings_of(path, form);
        return all && std::find(all->begin(), all->end(), reading) != all->end();
    };
    const std::pair<const char*, const char*> pairs[] = {
        {"/a/acme;/x", "/a/acme/x"}, {"/;/a/acme/x", "/a/acme/x"},
        {"/a;%2fb/c", "/a/b/c"},     {"/a;%2fb/c", "/a/c"},
        {"/a%5cacme", "/a/acme"},    {"/a%255cb;c/d", "/a/b/d"},
        {"/a%252fb", "/a/b"},        {"/a\\b;c\\d", "/a/b/d"},
        {"/a\\b;c\\d", "/a/b"},      {"/a%253b/b", "/a/b"},
        {"/a//b", "/a/b"},           {"/a%3b%5cacme/x", "/a/acme/x"},
        {"/a%25252fb", "/a%2fb"},    {"/a/x%2f%2e%2e%2fb", "/a/b"},
    };
    for (const auto& [path, reading] : pairs) test::check(reads(path, reading), path, __FILE__, __LINE__);
    CHECK(!reads("/a%25252fb", "/a/b"));  // decoded three times
    // A decoded path that reaches a backend unescaped ends at its query or fragment.
    for (const char* path : {"/a#b/c", "/a?b#c", "/a%23b", "/a%253fb", "/a;x#/b"}) {
        test::check(reads(path, "/a"), path, __FILE__, __LINE__);
        CHECK(!reads(path, "/a/c"));
    }
    CHECK(!reads("/a%252523b", "/a"));
    CHECK_EQUAL(readings_of("/a/b.c/", PathForm::kDecoded)->size(), 1U);
    CHECK_EQUAL(readings_of("/100%", PathForm::kDecoded)->size(), 1U);
    // RFC 3986 5.2.4 keeps empty segments, httpd does not.
    CHECK(reads("/a//../b", "/a/b", PathForm::kRaw));
    CHECK(reads("/a//../b", "/b", PathForm::kRaw));
    CHECK(reads("/a/%2e%2e/b", "/b", PathForm::kRaw));
    CHECK(reads("/a/..", "/", PathForm::kRaw));
    CHECK(reads("/../../a/.", "/a/", PathForm::kRaw));
    CHECK(!reads("/%61", "/%61", PathForm::kRaw));  // every backend decodes it
    // RFC 3986 4.2: an authority stands behind two slashes.
    for (const char* path : {"//host:1/a/b", "///host/a/b", "/\\host/a/b", "//host//a/b", "/%2fhost/a/b"}) {
        test::check(reads(path, "/a/b"), path, __FILE__, __LINE__);
    }
    CHECK(reads("//host", "/"));
    CHECK(!reads("/host//a/b", "/b"));
}

CLAIM(a_path_with_too_many_readings_is_told_from_one_with_many) {
    CHECK_EQUAL(readings_of("/%253b%5c%2f\\//a%3bb", PathForm::kRaw)->size(), 54U);
    CHECK(!readings_of("/./..\\//%255c.%3b", PathForm::kRaw));
}

CLAIM(headers_that_override_are_known_in_every_spelling) {
    for (const char* name : {"X-HTTP-Method-Override", "x_http_method_override", "X.HTTP.Method", "__X-Method_Override",
                             "X-HTTP-Verb", "X_Request_Method", "X-Forwarded-Method", "X-Envoy-Original-Method"})
        CHECK(overrides(name) == Overrides::kMethod);
    for (const char* name :
         {"X-Original-URL", "xrewriteurl", "X_Forwarded_Uri", "X-Original-Method", "!x-http-path-override-",
          "X-Original-URI", "X_Original_Path", "X-Rewrite-URI", "X-Request-URI", "X-Override-URL", "X-Forwarded-Path",
          "X-Envoy-Original-Path", "X-Waws-Unencoded-Url", "X-Proxy-URL"})
        CHECK(overrides(name) == Overrides::kPath);
    for (const char* name :
         {"", "X", "-", "X-Original", "X-Original-URLs", "Host", "X-Method", "XX-Original-URL", "X-Forwarded-Prefix",
          "X-Forwarded-For", "X-Request-ID", "X-Original-Host", "X-Envoy-Original-Method-Of-The-Request"})
        CHECK(overrides(name) == Overrides::kNothing);
}

CLAIM(below_means_whole_segments) {
    CHECK(is_below("/a", "/a/b"));
    CHECK(is_below("/a/", "/a/b"));
    CHECK(is_below("/", "/a"));
    CHECK(is_below("/a", "/a/"));
    CHECK(is_below("/a//", "/a/b"));
    CHECK(!is_below("/a", "/a"));
    CHECK(!is_below("/a/", "/a/"));
    CHECK(!is_below("/a/", "/a"));
    CHECK(!is_below("/", "/"));
    CHECK(!is_below("/a", ""));
    CHECK(!is_below("/a", "/ab/c"));
    CHECK(!is_below("/a/b", "/a"));
}

CLAIM(dot_segments_of_a_raw_path_are_found_as_httpd_removes_them) {
    for (const char* raw :
         {"/a/../b", "/a/%2e%2e/b", "/a/.%2E/b", "/.", "/a/..", "/a/./b", "/%61/../b", "/a//../b", "//a/b"})
        CHECK(has_removed_segment(raw));
    for (const char* raw :
         {"/", "/a/..b", "/a/b..", "/.well-known/x", "/a/%2e%2e%2e/b", "/a%20b", "/a/v1.2/b", "/a%2eb"})
        CHECK(!has_removed_segment(raw));
}

CLAIM(captures_are_the_same_below_where_each_slash_is_named) {
    for (const char* regex :
         {"^/d/(?<WHO>[^/]+)/", "^/d/(?<WHO>[^/]+)", "^/d/(?<WHO>[^/]+)/?", "^/d/(?P<WHO>[a-z0-9_-]+)(/|$)",
          "^/d/(?<WHO>[\\w.-]+)(?:/.*)?$", "^/d/(?<WHO>[^\\/]+)/.*", "^/(app|api)/(?<WHO>acme|globex)/",
          "^/(?<TENANT>[^/]*)/x-(?<USER>[a-z]{2,8}?)-data/(?:sub|[^/|]+)/", "^/d\\.x/(?<WHO>(?:[a-z])+)$",
          "^/d/(?<WHO>[^/]+)/files/(a|b)"})
        test::check(captures_the_same_below(regex), regex, __FILE__, __LINE__);
    for (const char* regex : {"^/home/(?:.*/)?(?<WHO>[^/]+)/files/",
                              "/d/(?<WHO>[^/]+)/",
                              "^/d/(?<WHO>.+)/",
                              "^/d/(?<WHO>[^.]+)/",
                              "^/d/(?<WHO>[a-z/]+)/",
                              "^/d/(?<WHO>[!-9]+)/",
                              "^/d/(?:x/)?(?<WHO>[^/]+)/",
                              "^/d/?(?<WHO>[^/]+)/",
                              "^/d/(?<WHO>[^/]+)/|^/e/(?<WHO>x)",
                              "^/d/(?<WHO>[^/]+)(/files/|x)",
                              "^/d/(?<WHO>[^/]+)/(?<SUB>.*)",
                              "^/d/(?<WHO>[^/]+)(?=/|.*x)",
                              "^/d/(?<WHO>\\S+)/",
                              "^/d/(?<WHO>[[:print:]]+)/",
                              "^/d/(?<WHO>[^/]+)/?x/",
                              "^/d/(?<WHO>[^/]+?)(x?)/\\2/",
                              "^/d/(?<WHO>a{/}b)/",
                              "^/d/(?<WHO>[^/]+",
                              "^/d/(?<WHO>[^/",
                              "^.*/(?<WHO>[^/]+)/",
                              "^/d/(?<WHO>[\\W]+)/",
                              "^/d/(?<WHO>(?!x).+)/",
                              "^/d/(*ACCEPT)(?<WHO>[^/]+)/"})
        test::check(!captures_the_same_below(regex), regex, __FILE__, __LINE__);
}

CLAIM(uris_fold_scheme_and_host_only) {
    CHECK_EQUAL(canonical_uri("HTTPS://User@Host.Example:8443/Path?Q#F"), "https://User@host.example:8443/Path?Q#F");
    CHECK_EQUAL(canonical_uri("URN:Example:A"), "urn:Example:A");
}
