#include "mtls_authz/rules/method_set.hpp"

#include <algorithm>
#include <array>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

constexpr std::array<std::string_view, 6> kReadMethods = {"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"};
constexpr std::array<std::string_view, 31> kOtherMethods = {
    "POST",   "PUT",    "DELETE",      "PATCH",      "CONNECT",          "TRACE",      "PROPPATCH",    "MKCOL",
    "COPY",   "MOVE",   "LOCK",        "UNLOCK",     "VERSION-CONTROL",  "CHECKOUT",   "UNCHECKOUT",   "CHECKIN",
    "UPDATE", "LABEL",  "MKWORKSPACE", "MKACTIVITY", "BASELINE-CONTROL", "MERGE",      "ACL",          "BIND",
    "UNBIND", "REBIND", "ORDERPATCH",  "LINK",       "UNLINK",           "MKCALENDAR", "MKREDIRECTREF"};

template <class Range>
bool in(const Range& range, std::string_view word) {
    return std::find(range.begin(), range.end(), word) != range.end();
}

// Not inlined, since requests with GET do not get here.
[[gnu::noinline]] bool reads_in_any_case(std::string_view method) {
    return std::any_of(kReadMethods.begin(), kReadMethods.end(),
                       [method](std::string_view one) { return equal_nocase(one, method); });
}

std::string upper(std::string_view word) {
    std::string out(word);
    for (char& c : out) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return out;
}

// HEAD is GET without a body: permission for one is permission for the other.
std::string_view follow_get(std::string_view method) { return method == "HEAD" ? "GET" : method; }

static_assert(kReadMethods.size() + kOtherMethods.size() < 64);

// The bit of a method; 0 if httpd does not know it.
std::uint64_t bit_of(std::string_view method) {
    const auto* const read = std::find(kReadMethods.begin(), kReadMethods.end(), method);
    if (read != kReadMethods.end()) return std::uint64_t{1} << (read - kReadMethods.begin());
    const auto* const other = std::find(kOtherMethods.begin(), kOtherMethods.end(), method);
    if (other == kOtherMethods.end()) return 0;
    return std::uint64_t{1} << kReadMethods.size() << (other - kOtherMethods.begin());
}

constexpr std::uint64_t kReadBits = (std::uint64_t{1} << kReadMethods.size()) - 1;

}  // namespace

bool is_known_method(std::string_view method) { return bit_of(method) != 0; }

std::string known_in_upper_case(std::string_view method) {
    std::string out = upper(method);
    return out != method && is_known_method(out) ? out : "";
}

Result<MethodSet> MethodSet::parse(std::string_view text) {
    MethodSet out;
    if (text == "*") return out;
    out.read_ = text == "read";
    out.write_ = text == "write";
    if (out.read_ || out.write_) return out;
    for (const std::string_view name : split(text, ',')) {
        if (name.empty()) return Error{in_quotes(text, 100) + " holds an empty method; write GET,POST without blanks"};
        if (name == "read" || name == "write" || name == "*")
            return Error{in_quotes(name) + " stands alone: write '*' for all methods, or each one, like GET,POST"};
        if (equal_nocase(name, "read") || equal_nocase(name, "write"))
            return Error{in_quotes(name) + " is written in lower case: " + lower(name)};
        if (equal_nocase(name, "all")) return Error{in_quotes(name) + " is no method: write '*' for all"};
        if (!is_known_method(name)) {
            const std::string meant = known_in_upper_case(name);
            std::vector<std::string_view> names(kReadMethods.begin(), kReadMethods.end());
            names.insert(names.end(), kOtherMethods.begin(), kOtherMethods.end());
            return Error{in_quotes(name, 100) + " is no method that httpd knows" +
                         (meant.empty() ? did_you_mean(name, names) : " (did you mean '" + meant + "'?)") +
                         ": expected GET,POST,... or read, write, *"};
        }
        out.named_ |= bit_of(name);
    }
    if ((out.named_ & bit_of("HEAD")) != 0 && (out.named_ & bit_of("GET")) == 0) {
        return Error{"HEAD goes with GET; write GET"};
    }
    return out;
}

bool MethodSet::contains(std::string_view method) const {
    if (is_all()) return true;
    if (read_ || write_) return in(kReadMethods, method) ? read_ : write_ && !reads_in_any_case(method);
    return (named_ & bit_of(follow_get(method))) != 0;
}

bool MethodSet::may_contain(std::string_view method) const {
    if (is_all()) return true;
    if (read_ || write_) return read_ ? reads_in_any_case(method) : !in(kReadMethods, method);
    return (named_ & bit_of(follow_get(upper(method)))) != 0;
}

std::string MethodSet::text() const {
    if (is_all()) return "*";
    if (read_ || write_) return read_ ? "read" : "write";
    std::string out;
    const auto add = [&](std::string_view method) {
        if ((named_ & bit_of(method)) != 0) out += (out.empty() ? "" : ",") + std::string(method);
    };
    std::for_each(kReadMethods.begin(), kReadMethods.end(), add);
    std::for_each(kOtherMethods.begin(), kOtherMethods.end(), add);
    return out;
}

std::uint64_t MethodSet::bits() const {
    if (read_ || write_) return (read_ ? kReadBits : 0) | (write_ ? ~kReadBits : 0);
    return named_ | ((named_ & bit_of("GET")) != 0 ? bit_of("HEAD") : 0);
}

}  // namespace mtls
