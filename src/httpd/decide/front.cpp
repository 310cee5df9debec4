#include "httpd/decide/front.hpp"

#include <algorithm>
#include <ctime>

#include "httpd/config/config.hpp"
#include "httpd/decide/deciding.hpp"
#include "httpd/decide/request_state.hpp"
#include "httpd/tls/connection.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/policy/forwarding.hpp"

namespace mtls::httpd {

namespace {

std::span<const FrontField> fields_of(const request_rec* r) {
    for (; r != nullptr; r = r->prev != nullptr ? r->prev : r->main) {
        const RequestState* const state = find_state(r);
        if (state != nullptr && !state->front_fields.empty()) return state->front_fields;
    }
    return {};
}

bool is_of(const Front& front, const FrontField& field) {
    return front.key == field.key || front.chain_key == field.key;
}

// The accepted fronts whose header the request has.
std::vector<const Partner*> fronts_named(const AcceptedFronts& accepted, const Policy& policy,
                                         std::span<const FrontField> fields) {
    std::vector<const Partner*> out;
    for (const std::string& name : accepted.names) {
        const Partner* const partner = policy.find(name);
        const Front* const front = partner != nullptr ? partner->front() : nullptr;
        const auto is_its = [front](const FrontField& field) { return is_of(*front, field); };
        if (front != nullptr && std::any_of(fields.begin(), fields.end(), is_its)) out.push_back(partner);
    }
    return out;
}

// Why the connection's address is not the front's; "" if it is.
std::string distrust_by_network(const request_rec* r, const Caller& own, const Partner& partner) {
    const Span<Network>& networks = partner.front()->networks;
    const std::string_view address = without_mapping(raw_address(r->connection->client_addr));
    const bool is_inside =
        std::any_of(networks.begin(), networks.end(), [address](const Network& n) { return n.contains(address); });
    if (!is_inside) {
        return "the connection comes from " + (address.empty() ? "nowhere" : ip_text(address)) +
               ", outside of the front's network=";
    }
    std::string detail;
    const IdentifyContext around{server_config(r->server).cas, *own.snapshot->refusals, *own.snapshot->crls,
                                 std::time(nullptr)};
    const Reason reason = contract_objection(partner, around, detail);
    return reason == Reason::kGranted ? ""
                                      : "the front itself is refused: " + std::string(word_of(reason)) + ", " + detail;
}

// Why the connection's certificate does not identify the front; "" if it does.
std::string distrust_by_certificate(const Caller& own, const Partner& partner) {
    if (own.certificate == nullptr) return "the connection has no client certificate";
    if (!own.is_identified()) {
        const Identification* const who = own.who;
        const std::string claimed = who == nullptr            ? ""
                                    : who->partner != nullptr ? std::string(who->partner->name)
                                                              : names_of(who->claimed);
        const Reason reason = who == nullptr ? own.missing : who->reason;
        return "the connection's own certificate" + (claimed.empty() ? "" : " (" + claimed + ")") +
               " is refused: " + std::string(word_of(reason)) +
               (who == nullptr || who->detail.empty() ? "" : ", " + who->detail);
    }
    if (own.who->partner != &partner) {
        return "the connection's own certificate is of " + std::string(own.who->partner->name);
    }
    return "";
}

bool is_upgraded(const request_rec* r) {
    const TlsConnection* const connection = client_state(r->connection);
    return connection != nullptr && connection->is_upgraded();
}

std::string distrust(const request_rec* r, const Caller& own, const Partner& partner) {
    if (is_upgraded(r)) {
        return "a request has upgraded the connection (Upgrade: h2c, CONNECT, or an answer 101): what comes now is "
               "perhaps from the front's client, through a tunnel; let the front remove Upgrade and deny CONNECT, or "
               "set H2Upgrade off";
    }
    std::string fault = partner.front()->networks.empty() ? distrust_by_certificate(own, partner)
                                                          : distrust_by_network(r, own, partner);
    if (!fault.empty()) return fault;
    // Use the connection's address: mod_remoteip changes only the request's, to that of the proxy's client.
    const std::string objection = partner.network_objection(raw_address(r->connection->client_addr));
    return objection.empty() ? "" : "the front itself is refused: wrong-network, " + objection;
}

// The fields that the connection's front set, or why they are ambiguous.
struct Words {
    FrontFields fields;
    const FrontField* header = nullptr;
    const FrontField* chain = nullptr;
    std::string fault;
};

// The only field of this name; null if there is none, or a fault. A front sets its header under its own name, and may
// not know that other spellings have to be removed too: those are its client's.
const FrontField* only_field(std::span<const FrontField> fields, std::string_view key, std::string_view name,
                             std::string& fault) {
    const FrontField* found = nullptr;
    for (const FrontField& field : fields) {
        if (key.empty() || key != field.key) continue;
        if (!equal_nocase(field.name, name)) {
            fault = escape_for_log(field.name, 100) + " is another spelling of " + std::string(name) +
                    ", so the front's client sent it: let the front remove such headers";
        } else if (found != nullptr) {
            fault = std::string(name) + " occurs more than once";
        }
        if (!fault.empty()) return nullptr;
        found = &field;
    }
    return found;
}

Words words_of(const Partner& partner, std::span<const FrontField> fields) {
    const Front& front = *partner.front();
    Words out;
    out.header = only_field(fields, front.key, front.header, out.fault);
    const bool is_shared = front.chain_key == front.key;
    if (!is_shared && out.fault.empty()) out.chain = only_field(fields, front.chain_key, front.chain, out.fault);
    if (!out.fault.empty()) return out;
    if (out.header == nullptr) {
        out.fault = std::string(front.chain) + " came without " + std::string(front.header);
        return out;
    }
    out.fields = {front.format, is_shared ? FieldHolds::kLeafAndChain : FieldHolds::kOneCertificate, out.header->value,
                  out.chain != nullptr ? out.chain->value : ""};
    return out;
}

void refuse(const request_rec* r, Caller& caller, const std::string& detail) {
    caller.missing = Reason::kFrontNotTrusted;
    caller.missing_detail = pool_text(r->pool, detail);
}

void take_handed(request_rec* r, Caller& caller, const Partner& front, std::span<const FrontField> fields) {
    caller.via = &front;
    if (front.front()->networks.empty()) caller.front = caller.who;
    const Words words = words_of(front, fields);
    if (!words.fault.empty()) return refuse(r, caller, words.fault);
    FrontFault fault;
    TlsConnection* const connection = client_state(r->connection);
    auto handed =
        connection != nullptr ? connection->handed().find(words.fields, fault) : decode_handed(words.fields, fault);
    if (!handed) {
        return refuse(r, caller,
                      std::string(fault.is_of_chain ? words.chain->name : words.header->name) + " " + fault.why);
    }
    caller.now = std::time(nullptr);
    caller.handed = std::move(handed);
    caller.certificate = &caller.handed->known.certificate();
    caller.who = &caller.handed->known.identify(caller.snapshot, server_config(r->server).cas, caller.now);
    caller.missing = Reason::kGranted;
    if (words.chain != nullptr && words.fields.chain.empty()) caller.empty_chain = words.chain->name;
}

}  // namespace

std::string AcceptedFronts::text() const { return names.empty() ? "none" : joined(names, " "); }

void note_front_fields(request_rec* r) {
    if (r->prev != nullptr) {
        const auto inherited = fields_of(r->prev);
        if (!inherited.empty()) request_state(r).front_fields = inherited;
        return;
    }
    if (!state().has_fronts()) return;
    const SnapshotReader snapshot = state().snapshot();
    if (!snapshot) return;
    const auto keys = snapshot->policy->front_keys();
    std::vector<FrontField> found;
    for (const apr_table_entry_t& field : entries_of(r->headers_in)) {
        const auto key = std::find_if(keys.begin(), keys.end(), [&field](std::string_view candidate) {
            return has_header_key(field.key, candidate);
        });
        if (key != keys.end()) found.push_back({pool_text(r->pool, *key), field.key, field.val});
    }
    if (found.empty()) return;
    auto* const kept = static_cast<FrontField*>(apr_palloc(r->pool, found.size() * sizeof(FrontField)));
    std::uninitialized_copy(found.begin(), found.end(), kept);
    request_state(r).front_fields = {kept, found.size()};
}

void apply_front(request_rec* r, Caller& caller) {
    const AcceptedFronts* const accepted = dir_config(r).fronts;
    const auto fields = fields_of(r);
    if (accepted == nullptr || !caller.snapshot || fields.empty()) return;
    const auto named = fronts_named(*accepted, *caller.snapshot->policy, fields);
    if (named.empty()) return;
    const Partner* believed = nullptr;
    std::string why;
    for (const Partner* const partner : named) {
        const std::string objection = distrust(r, caller, *partner);
        // A front identified by certificate takes precedence over one identified by address.
        const bool is_better = believed == nullptr || partner->front()->networks.empty();
        if (objection.empty() && is_better) believed = partner;
        if (!objection.empty() && why.empty()) {
            const auto sent = std::find_if(fields.begin(), fields.end(),
                                           [partner](const FrontField& f) { return is_of(*partner->front(), f); });
            why = std::string(sent->name) + " is a header of the front " + std::string(partner->name) + ", but " +
                  objection;
        }
    }
    if (believed == nullptr) {
        if (caller.missing != Reason::kNoTls || is_upgraded(r)) refuse(r, caller, why);
        return;
    }
    for (const Partner* const partner : named) {
        const auto foreign = std::find_if(fields.begin(), fields.end(), [&](const FrontField& f) {
            return is_of(*partner->front(), f) && !is_of(*believed->front(), f);
        });
        if (foreign == fields.end()) continue;
        return refuse(r, caller,
                      std::string(foreign->name) + " is a header of the front " + std::string(partner->name) +
                          ", but the connection is of " + std::string(believed->name));
    }
    take_handed(r, caller, *believed, fields);
}

const Partner* front_alone(const request_rec* r, const Caller& caller) {
    const AcceptedFronts* const accepted = dir_config(r).fronts;
    const Partner* const partner = caller.who != nullptr ? caller.who->partner : nullptr;
    if (accepted == nullptr || partner == nullptr || partner->front() == nullptr || caller.via != nullptr)
        return nullptr;
    const auto& names = accepted->names;
    return std::find(names.begin(), names.end(), partner->name) != names.end() ? partner : nullptr;
}

}  // namespace mtls::httpd
