// Grants: what a path pattern fits, and which grant decides.
#include <random>

#include "claims.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

// One pattern by itself.
class OnePath {
public:
    explicit OnePath(const std::string& pattern)
        : pattern_(parsed(pattern)), granted_({{&any_method_, &pattern_}}, "acme") {}
    bool fits(const std::string& path) const {
        return granted_.find({"GET", path}).kind == GrantAnswer::Kind::kGranted;
    }

private:
    static PathPattern parsed(const std::string& pattern) {
        auto out = PathPattern::parse(pattern);
        check(out.ok(), out.ok() ? "" : out.error(), __FILE__, __LINE__);
        return std::move(out.value());
    }

    const Grant any_method_{};
    const PathPattern pattern_;
    const GrantedPaths granted_;
};

bool fits(const std::string& pattern, const std::string& path) { return OnePath(pattern).fits(path); }

struct Segment {
    std::string text;
    bool is_one;  // by `*`: nothing in it can be read as two segments, or as none
};

std::vector<Segment> segments_of(std::string_view path) {
    std::vector<Segment> out;
    for (const std::string_view text : split(path.substr(1), '/')) {
        const bool is_one = !text.empty() && text[0] != ';' && text.find('\\') == std::string_view::npos &&
                            lower(text).find("%2f") == std::string::npos;
        out.push_back({std::string(text), is_one});
    }
    return out;
}

// The same, segment by segment; for patterns and paths that begin with a slash.
class PlainPath {
public:
    PlainPath(std::string_view pattern, std::string_view partner) : reaches_below_(pattern.ends_with("/**")) {
        for (const std::string_view text : split(pattern.substr(1), '/')) {
            wanted_.emplace_back(text == "%{partner}" ? partner : text);
        }
        if (reaches_below_) wanted_.pop_back();
    }
    bool fits(const std::vector<Segment>& path) const {
        if (reaches_below_ ? path.size() <= wanted_.size() : path.size() != wanted_.size()) return false;
        for (std::size_t i = 0; i < wanted_.size(); ++i) {
            if (!(wanted_[i] == "*" ? path[i].is_one : path[i].text == wanted_[i])) return false;
        }
        return true;
    }

private:
    bool reaches_below_;
    std::vector<std::string> wanted_;
};

// All texts of one to `most` of these segments, each behind a slash.
std::vector<std::string> paths_of(const std::vector<std::string>& segments, std::size_t most) {
    std::vector<std::string> out, shorter = {""};
    for (std::size_t size = 1; size <= most; ++size) {
        std::vector<std::string> longer;
        for (const std::string& start : shorter) {
            for (const std::string& segment : segments) longer.push_back(start + "/" + segment);
        }
        out.insert(out.end(), longer.begin(), longer.end());
        shorter = std::move(longer);
    }
    return out;
}

}  // namespace

CLAIM(every_small_pattern_fits_the_small_paths_that_it_fits_segment_by_segment) {
    const auto paths = paths_of({"", "a", "ab", "acme", "*", "**", "%{partner}", ";a", "a;b", "a\\b", "a%2Fb"}, 3);
    std::vector<std::vector<Segment>> segments;
    for (const std::string& path : paths) segments.push_back(segments_of(path));
    int patterns = 0, fitting = 0;
    for (const std::string& text : paths_of({"", "a", "ab", "acme", "*", "**", "%{partner}"}, 4)) {
        if (!PathPattern::parse(text).ok()) continue;
        ++patterns;
        const OnePath pattern(text);
        const PlainPath plain(text, "acme");
        for (std::size_t i = 0; i < paths.size(); ++i) {
            const bool expected = plain.fits(segments[i]);
            fitting += expected ? 1 : 0;
            if (pattern.fits(paths[i]) != expected) check(false, text + " and " + paths[i], __FILE__, __LINE__);
        }
    }
    // Those that hold `**` or an empty segment elsewhere than at their end are none.
    CHECK(patterns > 1000);
    CHECK(fitting > 5000);
}

CLAIM(many_grants_together_answer_as_each_of_them_alone) {
    std::mt19937 random(17);
    const auto below = [&random](std::size_t n) { return random() % n; };
    std::vector<std::string> texts;
    for (const std::string& text : paths_of({"", "a", "b", "acme", "*", "**", "%{partner}"}, 3)) {
        if (PathPattern::parse(text).ok()) texts.push_back(text);
    }
    std::map<std::string, PlainPath, std::less<>> plain;
    for (const std::string& text : texts) plain.emplace(text, PlainPath(text, "acme"));
    const auto paths = paths_of({"", "a", "b", "acme", ";a"}, 3);
    const std::vector<std::string> methods = {"GET", "POST", "read", "write", "*"};
    int granted = 0, others = 0;
    for (int round = 0; round < 2000; ++round) {
        std::vector<PathPattern> patterns;
        std::vector<Grant> grants;
        for (std::size_t i = 0, count = 1 + below(20); i < count; ++i) {
            patterns.push_back(PathPattern::parse(texts[below(texts.size())]).value());
            grants.emplace_back().methods = MethodSet::parse(methods[below(methods.size())]).value();
        }
        std::vector<GrantedPath> all;
        for (std::size_t i = 0; i < grants.size(); ++i) all.push_back({&grants[i], &patterns[i]});
        const GrantedPaths together(std::move(all), "acme");
        for (int i = 0; i < 50; ++i) {
            const std::string& path = paths[below(paths.size())];
            const auto segments = segments_of(path);
            const RequestLine line{below(2) == 0 ? "GET" : "PUT", path, below(4) == 0};
            GrantAnswer expected;
            for (const GrantedPath& granted_path : together.all()) {
                if (line.reaches_below && !granted_path.path->reaches_below()) continue;
                if (!plain.find(granted_path.path->text())->second.fits(segments)) continue;
                const bool has_method = granted_path.grant->methods.contains(line.method);
                if (!has_method && expected.path != nullptr) continue;
                using Kind = GrantAnswer::Kind;
                expected = {has_method ? Kind::kGranted : Kind::kOtherMethod, &granted_path};
                if (has_method) break;
            }
            const GrantAnswer found = together.find(line);
            CHECK(found.kind == expected.kind && found.path == expected.path);
            granted += found.kind == GrantAnswer::Kind::kGranted ? 1 : 0;
            others += found.kind == GrantAnswer::Kind::kOtherMethod ? 1 : 0;
        }
    }
    CHECK(granted > 5000);
    CHECK(others > 2000);
}

CLAIM(a_path_pattern_fits_what_it_says_and_nothing_near_it) {
    const struct {
        const char* pattern;
        std::vector<std::string> fit, miss;
    } rows[] = {
        {"/", {"/"}, {"", "/a", "//"}},
        {"/orders", {"/orders"}, {"/orders/", "/Orders", "/orders/1", "/order", "/orders;x=1", "/orders%2f", "orders"}},
        {"/orders/", {"/orders/"}, {"/orders", "/orders/1", "/orders//"}},
        {"/orders/*",
         {"/orders/1", "/orders/a;jsessionid=1", "/orders/a.b", "/orders/%41"},
         {"/orders/", "/orders", "/orders/1/2", "/orders/1/", "/orders/;x", "/orders/a%2Fb", "/orders/a%2fb",
          "/orders/a%252fb", "/orders/a\\b", "/orders/a%5Cb", "/orders/a%255cb", "/orders//1"}},
        {"/orders/*/items", {"/orders/1/items"}, {"/orders/items", "/orders//items", "/orders/1/2/items"}},
        {"/orders/**",
         {"/orders/", "/orders/1", "/orders/1/2", "/orders/a%2Fb", "/orders//1"},
         {"/orders", "/ordersx", "/orders;/1", "//orders/1", "/"}},
        {"/**", {"/", "/a", "/a/b"}, {"", "a", "*"}},
        {"/*/x/**", {"/a/x/", "/a/x/y"}, {"/a/x", "/x/", "/a/b/x/"}},
        {"/p/%{partner}/**",
         {"/p/acme/", "/p/acme/x"},
         {"/p/acme", "/p/globex/x", "/p/ACME/x", "/p/%{partner}/x", "/p//x"}},
        {"/p/%{partner}", {"/p/acme"}, {"/p/acme2", "/p/acme/"}},
    };
    for (const auto& row : rows) {
        for (const std::string& path : row.fit)
            check(fits(row.pattern, path), std::string(row.pattern) + " " + path, __FILE__, __LINE__);
        for (const std::string& path : row.miss)
            check(!fits(row.pattern, path), std::string(row.pattern) + " ! " + path, __FILE__, __LINE__);
    }
}

CLAIM(a_path_pattern_that_could_mean_two_things_is_an_error) {
    const std::pair<const char*, const char*> rows[] = {
        {"orders", "begins with '/'"},
        {"", "begins with '/'"},
        {"*", "begins with '/'"},
        {"/a//b", "'//'"},
        {"//", "'//'"},
        {"//**", "'//'"},
        {"/a/../b", "dot segment"},
        {"/./a", "dot segment"},
        {"/a%2Fb", "'%' never fits"},
        {"/a;b", "';'"},
        {"/a?b=c", "'?'"},
        {"/a\\b", "'\\'"},
        {"/a*", "one whole segment"},
        {"/**/a", "at the end"},
        {"/a/***", "at the end"},
        {"/a**", "at the end"},
        {"/x-%{partner}", "%{partner}"},
        {"/%{PARTNER}/a", "%{partner}"},
        {"/%{env:X}", "%{partner}"},
        {"/x-%{cert:CN}", "%{cert:TYPE}"},
        {"/%{cert:CN}-x", "%{cert:TYPE}"},
        {"/%{cert:CN", "%{cert:TYPE}"},
        {"/%{CERT:CN}", "%{cert:TYPE}"},
        {"/%{cert:}", "unknown field ''"},
        {"/%{cert:CM}", "did you mean 'CN'?"},
        {"/%{cert:CN}%{cert:CN}", "unknown field"},
        {"/%{cert:extension}", "unknown field"},
        {"/a\nb", "control"},
    };
    for (const auto& [text, message] : rows) {
        const auto parsed = PathPattern::parse(text);
        check(!parsed.ok(), text, __FILE__, __LINE__);
        CHECK_CONTAINS(parsed.error(), message);
    }
}

CLAIM(a_pattern_covers_another_only_where_every_path_of_that_fits_it) {
    const std::vector<std::string> patterns = {"/",   "/a", "/a/",  "/a/*",    "/a/b",        "/a/**",
                                               "/**", "/*", "/*/b", "/a/b/**", "/%{partner}", "/a/%{partner}"};
    const std::vector<std::string> paths = {"/",     "/a",      "/a/",  "/a/b",   "/a/c",  "/a/b/",   "/a/b/c",
                                            "/acme", "/a/acme", "/b/b", "/x/y/z", "/a/;x", "/a/x%2fy"};
    for (const std::string& wide : patterns) {
        for (const std::string& narrow : patterns) {
            const bool covers = PathPattern::parse(wide).value().covers(PathPattern::parse(narrow).value());
            for (const std::string& path : paths) {
                check(!covers || !fits(narrow, path) || fits(wide, path),
                      wide + " covers " + narrow + " but for " + path, __FILE__, __LINE__);
            }
        }
        check(PathPattern::parse(wide).value().covers(PathPattern::parse(wide).value()), wide, __FILE__, __LINE__);
        check(PathPattern::parse("/**").value().covers(PathPattern::parse(wide).value()), wide, __FILE__, __LINE__);
    }
    CHECK(PathPattern::parse("/a/**").value().covers(PathPattern::parse("/a/b").value()));
    CHECK(!PathPattern::parse("/a/**").value().covers(PathPattern::parse("/a").value()));
    CHECK(PathPattern::parse("/a/*").value().covers(PathPattern::parse("/a/%{partner}").value()));
    CHECK(PathPattern::parse("/a/*").value().covers(PathPattern::parse("/a/%{cert:CN}").value()));
    CHECK(!PathPattern::parse("/a/%{cert:CN}").value().covers(PathPattern::parse("/a/%{cert:O}").value()));
    CHECK(!PathPattern::parse("/a/%{cert:CN}").value().covers(PathPattern::parse("/a/*").value()));
}

CLAIM(a_field_of_the_certificate_is_one_segment_or_no_grant_at_all) {
    const auto ca = make_ca("Device CA");
    Draft d;
    const auto policy =
        d.file("ca.pem", ca.cert_pem())
            .policy(partner("devices",
                            "MTLSIdentity any\nMTLSTrustAnchor ca.pem\n"
                            "MTLSGrant PUT /devices/%{cert:CN}/**\nMTLSGrant GET /of/%{cert:O}/%{cert:CN}\n") +
                    "MTLSGrant GET /serials/%{cert:cert-serial}/**\n");
    const auto may = [&](const CertSpec& spec, const std::string& method, const std::string& path) {
        const Identification who = ask(*policy, issue(spec, &ca));
        check_equal(verdict(who), "granted devices", path, __FILE__, __LINE__);
        return who.grants.find({method, path}).kind == GrantAnswer::Kind::kGranted;
    };
    for (const char* name : {"17", "a b", "*", "**", "A.b", "...", ".a", "~", "M\xc3\xbcller", "#5", "%", "a:b"}) {
        const std::string own = std::string("/devices/") + name;
        const bool is_plain = std::string_view(name) != "%";
        CHECK_EQUAL(may(client_spec(name), "PUT", own + "/x"), is_plain);
        CHECK_EQUAL(may(client_spec(name), "PUT", own + "/"), is_plain);
        CHECK_EQUAL(may(client_spec(name), "GET", "/of/Acme/" + std::string(name)), is_plain);
        for (const std::string& other :
             {own, std::string("/devices/other/x"), own + "x/x", std::string("/devices//x"),
              std::string("/devices/x/y"), "/devices/x/" + own, std::string("/devices/%{cert:CN}/x")}) {
            CHECK(!may(client_spec(name), "PUT", other));
        }
        CHECK(!may(client_spec(name), "GET", own + "/x"));
        CHECK(!may(client_spec(name), "GET", "/of/acme/" + std::string(name)));
        CHECK(!may(client_spec(name), "GET", "/of/" + std::string(name) + "/Acme"));
    }
    CHECK(!may(client_spec("api"), "PUT", "/devices/API/x"));
    // What a reader could take for more than one segment, another one or none.
    for (const char* name :
         {".", "..", "a/b", "a%2Fb", "a%2fb", "a\\b", "a;b", ";", "a?b", "/", "%2e%2e", "%{partner}"}) {
        for (const std::string& path : {std::string("/devices/") + name + "/x", std::string("/devices/x"),
                                        std::string("/devices/a/x"), std::string("/devices/a/b/x")}) {
            CHECK(!may(client_spec(name), "PUT", path));
        }
        CHECK(!may(client_spec(name), "GET", std::string("/of/Acme/") + name));
    }
    CertSpec twice = client_spec("17");
    twice.subject.push_back({"CN", "18"});
    CertSpec same = client_spec("17");
    same.subject.push_back({"CN", "17"});
    CertSpec none = client_spec("17");
    none.subject.pop_back();
    for (const CertSpec& spec : {twice, same, none}) {
        for (const char* path : {"/devices/17/x", "/devices/18/x", "/devices//x", "/devices/x"})
            CHECK(!may(spec, "PUT", path));
        CHECK(!may(spec, "GET", "/of/Acme/17"));
    }
    const auto leaf = issue(client_spec("17"), &ca);
    const Identification who = ask(*policy, leaf);
    const std::string serial = read_facts(*leaf.cert).serial;
    const std::string own = "/serials/" + serial + "/x";
    CHECK(who.grants.find({"GET", own}).kind == GrantAnswer::Kind::kGranted);
    CHECK(who.grants.find({"GET", "/serials/00/x"}).kind == GrantAnswer::Kind::kNo);
    Arena arena;
    const auto missing = PathPattern::parse("/d/%{cert:CN}").value().with_fields(arena);
    CHECK_CONTAINS(missing.find_fields(read_facts(*issue(twice, &ca).cert), {}).error(), "CN does not occur once");
    CHECK_CONTAINS(missing.find_fields(read_facts(*issue(client_spec("a/b"), &ca).cert), {}).error(),
                   "CN is 'a/b', which may be read as something else than a segment");
    CHECK(!fits("/d/%{cert:CN}", "/d/") && !fits("/d/%{cert:CN}", "/d/%{cert:CN}"));
}

CLAIM(any_grant_suffices_and_the_longest_is_named) {
    const auto ca = make_ca("Grant CA");
    CertSpec spec = client_spec("api");
    const auto plain = issue(spec, &ca);
    spec.subject.push_back({"OU", "payments"});
    const auto payments = issue(spec, &ca);
    Draft d;
    d.file("ca.pem", ca.cert_pem());
    const auto policy = d.policy(partner("acme",
                                         "MTLSIdentity O:Acme\nMTLSTrustAnchor ca.pem\n"
                                         "MTLSGrant read /api/**\n"
                                         "MTLSGrant POST /api/orders /api/orders/*\n"
                                         "MTLSGrant DELETE /api/orders/* if OU:payments\n") +
                                 "MTLSGrant * /shared/%{partner}/**\n");
    const auto answer = [&](const test::Identity& who, const std::string& method, const std::string& path,
                            bool below = false) {
        const Identification id = ask(*policy, who);
        const GateRules rules = {GateRule::parse_allow("by-grant").value()};
        const Decision found = decide({&rules}, {.who = &id, .line = {method, path, below}});
        const std::string where = found.path != nullptr ? " " + found.path->grant->where.str() : "";
        return std::string(word_of(found.reason)) + where;
    };
    CHECK_EQUAL(answer(plain, "GET", "/api/orders/1"), "granted p.conf:4");
    CHECK_EQUAL(answer(plain, "HEAD", "/api/orders/1"), "granted p.conf:4");
    CHECK_EQUAL(answer(plain, "POST", "/api/orders/1"), "granted p.conf:5");
    CHECK_EQUAL(answer(plain, "POST", "/api/other"), "method-not-granted p.conf:4");
    CHECK_EQUAL(answer(plain, "DELETE", "/api/orders/1"), "method-not-granted p.conf:5");
    CHECK_EQUAL(answer(payments, "DELETE", "/api/orders/1"), "granted p.conf:6");
    CHECK_EQUAL(answer(payments, "DELETE", "/api/orders"), "method-not-granted p.conf:5");
    CHECK_EQUAL(answer(plain, "GET", "/elsewhere"), "not-allowed");
    CHECK_EQUAL(answer(plain, "GET", ""), "not-allowed");
    CHECK_EQUAL(answer(plain, "BREW", "/shared/acme/x"), "granted p.conf:9");
    CHECK_EQUAL(answer(plain, "GET", "/shared/globex/x"), "not-allowed");
    // What acts on everything below needs a grant that reaches there.
    CHECK_EQUAL(answer(payments, "DELETE", "/api/orders/1", true), "method-not-granted p.conf:4");
    CHECK_EQUAL(answer(plain, "DELETE", "/shared/acme/x", true), "granted p.conf:9");
}

CLAIM(by_grant_stands_beside_other_rules_and_below_denials) {
    const auto ca = make_ca("Grant CA");
    const auto who = issue(client_spec("api"), &ca);
    Draft d;
    d.file("ca.pem", ca.cert_pem());
    const auto policy =
        d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor ca.pem\nMTLSGroup g\nMTLSGrant GET,POST /a"));
    const Identification id = ask(*policy, who);
    const auto answer = [&](const std::vector<std::string>& allow, const std::string& deny, const std::string& method,
                            const std::string& path) {
        GateRules rules, denials;
        for (const std::string& line : allow) rules.push_back(GateRule::parse_allow(line).value());
        if (!deny.empty()) denials.push_back(GateRule::parse_deny(deny).value());
        const DenyChain chain{&denials, nullptr};
        return std::string(word_of(decide({&rules, deny.empty() ? nullptr : &chain},
                                          {.who = &id, .policy = policy.get(), .line = {method, path}})
                                       .reason));
    };
    CHECK_EQUAL(answer({"by-grant"}, "", "GET", "/a"), "granted");
    CHECK_EQUAL(answer({"by-grant methods=read"}, "", "GET", "/a"), "granted");
    CHECK_EQUAL(answer({"by-grant methods=read"}, "", "POST", "/a"), "method-not-granted");
    CHECK_EQUAL(answer({"by-grant", "group g"}, "", "GET", "/b"), "granted");
    CHECK_EQUAL(answer({"by-grant", "group other"}, "", "GET", "/b"), "not-allowed");
    CHECK_EQUAL(answer({"by-grant"}, "partner acme methods=POST", "GET", "/a"), "granted");
    CHECK_EQUAL(answer({"by-grant"}, "partner acme methods=POST", "POST", "/a"), "not-allowed");
    CHECK(!GateRule::parse_deny("by-grant").ok());
    CHECK(!GateRule::parse_allow("by-grant acme").ok());
}

CLAIM(a_grant_line_says_what_is_wrong_with_it) {
    const std::pair<const char*, const char*> rows[] = {
        {"MTLSGrant read", "expected METHODS PATH..."},
        {"MTLSGrant", "expected METHODS PATH..."},
        {"MTLSGrant get /a", "did you mean 'GET'?"},
        {"MTLSGrant GET, POST /a", "an empty method"},
        {"MTLSGrant /a GET", "is no method"},
        {"MTLSGrant read /a if", "expected SELECTOR... after 'if'"},
        {"MTLSGrant read if CN:x", "expected METHODS PATH..."},
        {"MTLSGrant read /a if DSN:x", "did you mean 'DNS'?"},
        {"MTLSGrant read /a if !CN:x", "without '!'"},
    };
    for (const auto& [line, message] : rows) {
        DiskFiles disk;
        PolicyBuilder builder("/nonexistent", disk);
        std::vector<Diagnostic> errors;
        const auto directives = read_directives(std::string(line) + "\n", "p", errors);
        for (const Directive& directive : directives.value()) builder.add(directive);
        check(builder.has_errors(), line, __FILE__, __LINE__);
        CHECK_CONTAINS(builder.diagnostics().front().message, message);
    }
}

CLAIM(a_section_covers_what_is_granted_by_whole_segments) {
    const auto meets = [](const char* granted, const char* prefix, bool is_whole) {
        return PathPattern::parse(granted).value().may_be_in(prefix, is_whole);
    };
    CHECK(meets("/orders/**", "/orders", true));
    CHECK(meets("/orders/1", "/orders", true));
    CHECK(meets("/orders", "/orders", true));
    CHECK(!meets("/orders-archive/**", "/orders", true));
    CHECK(!meets("/x", "/x/", true));
    CHECK(meets("/x/**", "/x/", true));
    CHECK(meets("/x/y", "/", true));
    // A section below what a pattern begins with, but not below one path.
    CHECK(meets("/a/%{partner}/**", "/a/b", true));
    CHECK(meets("/a/*", "/a/b", true));
    CHECK(!meets("/a", "/a/b", true));
    CHECK(!meets("/a", "/a/b", false));
    // <Location "/orders*"> and regular expressions.
    CHECK(meets("/orders-archive/**", "/orders", false));
    CHECK(!meets("/invoices/**", "/orders", false));
}
