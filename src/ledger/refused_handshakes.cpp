#include "mtls_authz/ledger/refused_handshakes.hpp"

#include <algorithm>

namespace mtls {

void RefusedHandshakes::add(const RefusedHandshake& refused) noexcept {
    Ring& ring = refused.claimed.view().empty() ? of_strangers_ : of_partners_;
    SharedRecord<RefusedHandshake>* slot = &ring.front();
    std::int64_t oldest = INT64_MAX;
    for (auto& record : ring) {
        const auto kept = record.read();
        const bool is_same = kept && kept->sha256.view() == refused.sha256.view() && kept->reason == refused.reason;
        const std::int64_t time = kept ? kept->time : INT64_MIN;
        if (!is_same && time >= oldest) continue;
        slot = &record;
        oldest = time;
        if (is_same) break;
    }
    slot->write(refused);
}

std::vector<RefusedHandshake> RefusedHandshakes::newest() const {
    std::vector<RefusedHandshake> out;
    for (const Ring* ring : {&of_partners_, &of_strangers_}) {
        for (const auto& record : *ring) {
            if (const auto kept = record.read()) out.push_back(*kept);
        }
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const RefusedHandshake& a, const RefusedHandshake& b) { return a.time > b.time; });
    return out;
}

}  // namespace mtls
