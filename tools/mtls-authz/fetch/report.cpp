#include "report.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

std::string quoted(const std::string& name) {
    constexpr std::size_t kMostNameBytes = 200;
    return "\"" + escape_for_log(name, kMostNameBytes) + "\"";
}

void Report::add(FetchResult result) {
    const std::lock_guard lock(mutex_);
    results_.push_back(std::move(result));
}

std::vector<FetchResult> Report::sorted() const {
    const std::lock_guard lock(mutex_);
    std::vector<FetchResult> out = results_;
    const auto key = [](const FetchResult& r) {
        return std::tuple(std::string_view(r.kind), r.file, r.address, r.what);
    };
    std::stable_sort(out.begin(), out.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
    return out;
}

}  // namespace mtls::tool
