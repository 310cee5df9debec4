#include "mtls_authz/method_set.hpp"

#include <algorithm>
#include <array>

#include "mtls_authz/text.hpp"

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

// HEAD is GET without a body: whoever may do one may do the other.
std::string_view follow_get(std::string_view method) { return method == "HEAD" ? "GET" : method; }

}  // namespace

bool is_known_method(std::string_view method) { return in(kReadMethods, method) || in(kOtherMethods, method); }

Result<MethodSet> MethodSet::parse(std::string_view text) {
    MethodSet out;
    out.text_ = std::string(text);
    if (text == "*") return out;
    out.read_ = text == "read";
    out.write_ = text == "write";
    if (out.read_ || out.write_) return out;
    for (const std::string_view name : split(text, ',')) {
        std::string upper(name);
        std::transform(upper.begin(), upper.end(), upper.begin(),
                       [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
        if (name.empty())
            return Error{"'" + escape_for_log(text, 100) + "' holds an empty method; write GET,POST without blanks"};
        if (!is_known_method(name)) {
            const bool case_only = is_known_method(upper);
            std::vector<std::string_view> known(kReadMethods.begin(), kReadMethods.end());
            known.insert(known.end(), kOtherMethods.begin(), kOtherMethods.end());
            return Error{"'" + escape_for_log(name, 100) + "'" + " is no method that httpd knows" +
                         (case_only ? " (did you mean '" + upper + "'?)" : did_you_mean(name, known)) +
                         ": expected GET,POST,... or read, write, *"};
        }
        out.names_.emplace_back(name);
    }
    if (in(out.names_, "HEAD") && !in(out.names_, "GET")) {
        return Error{"HEAD goes with GET; write GET"};
    }
    return out;
}

bool MethodSet::contains(std::string_view method) const {
    if (is_all()) return true;
    if (read_ || write_) return in(kReadMethods, method) == read_;
    return in(names_, follow_get(method));
}

bool MethodSet::covers(const MethodSet& other) const {
    if (is_all()) return true;
    if (other.is_all()) return false;
    if (other.read_ || other.write_) return (read_ && other.read_) || (write_ && other.write_);
    return std::all_of(other.names_.begin(), other.names_.end(), [this](const std::string& m) { return contains(m); });
}

}  // namespace mtls
