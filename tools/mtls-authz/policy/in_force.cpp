
#include "in_force.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <set>

#include "../terminal.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/keeper/live_socket.hpp"
#include "mtls_authz/ledger/file_troubles.hpp"
#include "mtls_authz/load/crl_files.hpp"

namespace mtls::tool {

namespace {

namespace fs = std::filesystem;

template <class T>
Result<std::shared_ptr<const T>> open_image(LiveAnswer& answer, Watched kind, std::shared_ptr<const Image>& image) {
    const auto i = static_cast<std::size_t>(kind);
    if (answer.serials[i] == 0) return std::shared_ptr<const T>();
    auto opened = Image::open(answer.images[i].release(), kind);
    if (!opened) return Error{"what is in force cannot be read: " + opened.error()};
    image = opened.value();
    auto value = Image::root<T>(image);
    if (value == nullptr) return Error{"what is in force cannot be read: it is damaged"};
    return value;
}

// CAs of the policy and of mod_ssl.
CasByName known_cas(const Policy* policy, const std::vector<X509Ptr>& servers) {
    return [policy, &servers](const std::string& name) {
        auto out = policy != nullptr ? policy->cas().cas_named(name) : std::vector<X509Ptr>();
        for (const X509Ptr& ca : servers) {
            if (read_name(*X509_get_subject_name(ca.get())).canonical == name) out.push_back(share(*ca));
        }
        return out;
    };
}

Result<InForce> read_answer(LiveAnswer answer, const std::string& socket) {
    InForce out;
    out.socket = socket;
    out.since = answer.in_force_since;
    for (const std::string_view line : split(answer.not_in_force, '\n')) {
        if (!line.empty()) out.not_in_force.emplace_back(shown(line));
    }
    const auto text = read_sealed_text(answer.gates.get());
    auto gates = text ? read_gate_map(text.value()) : Result<GateMap>(Error{text.error()});
    if (!gates) return Error{"the gates of the server cannot be read: " + gates.error()};
    out.gates = std::move(gates.value());
    std::shared_ptr<const Image> image;
    auto policy = open_image<Policy>(answer, Watched::kPolicy, image);
    if (!policy) return Error{policy.error()};
    out.policy = policy.value();
    auto refusals = open_image<Refusals>(answer, Watched::kRefusals, image);
    if (!refusals) return Error{refusals.error()};
    out.refusals = refusals.value() != nullptr ? refusals.value() : std::make_shared<const Refusals>();
    auto lists = open_image<CrlRecords>(answer, Watched::kCrls, image);
    if (!lists) return Error{lists.error()};
    std::vector<X509Ptr> servers;
    for (const MappedHost& host : out.gates.hosts) {
        auto cas = server_cas_of(host);
        if (!cas) return Error{cas.error()};
        for (X509Ptr& ca : cas.value().certificates) servers.push_back(std::move(ca));
    }
    CrlFiles crls;
    const CasByName cas_by_name = known_cas(out.policy.get(), servers);
    if (lists.value() != nullptr) crls.take(lists.value(), image, cas_by_name);
    crls.crls()->verify_signers(cas_by_name);
    out.crls = crls.crls();
    return out;
}

bool is_called(const MappedHost& host, const std::string& name) {
    if (equal_nocase(host.name, name)) return true;
    return std::any_of(host.aliases.begin(), host.aliases.end(), [&](const std::string& alias) {
        return fnmatch(lower(alias).c_str(), lower(name).c_str(), FNM_NOESCAPE) == 0;
    });
}

bool has_port(const MappedHost& host, const std::string& port) {
    return std::any_of(host.addresses.begin(), host.addresses.end(),
                       [&](const std::string& address) { return address.ends_with(":" + port); });
}

std::string titles_of(const std::vector<const MappedHost*>& hosts) {
    return joined(hosts, ", ", [](const MappedHost* host) { return title_of(*host); });
}

}  // namespace

std::string InForce::text() const {
    const std::string what = policy != nullptr
                                 ? "generation " + std::string(policy->generation()) + " since " + format_time(since)
                                 : std::string("no policy");
    return what + ", asked at " + socket;
}

void InForce::print_not_in_force(std::ostream& out) const {
    for (const std::string& sentence : not_in_force)
        out << (sentence.find(kGoneSince) != std::string::npos ? "still refused: " : "not in force: ") << sentence
            << '\n';
}

Result<std::string> find_socket() {
    constexpr const char* kUsual[] = {"/run/apache2", "/var/run/apache2", "/run/httpd", "/var/run/httpd",
                                      "/usr/local/apache2/logs"};
    std::set<std::string> found;
    for (const char* folder : kUsual) {
        std::error_code none;
        const fs::path file = fs::canonical(fs::path(folder) / "mtls_authz.sock", none);
        if (!none) found.insert(file);
    }
    if (found.size() == 1) return *found.begin();
    if (found.empty()) {
        return Error{
            "no server with the module seems to run, as there is no mtls_authz.sock in /run/apache2, /run/httpd or "
            "/usr/local/apache2/logs; if one does, say --socket FILE, which httpd -t -D DUMP_MTLS_POLICY prints"};
    }
    return Error{"there is more than one server: say --socket with one of " + joined(found, ", ")};
}

Result<InForce> read_in_force(const std::string& socket) {
    const auto path = socket.empty() ? find_socket() : Result<std::string>(socket);
    if (!path) return Error{path.error()};
    auto answer = ask_live_server(path.value());
    if (!answer) return Error{answer.error()};
    return read_answer(std::move(answer.value()), path.value());
}

Result<ServerCas> server_cas_of(const MappedHost& host) {
    ServerCas out;
    out.security_level = host.security_level;
    if (host.certificates.empty()) return out;
    auto certificates = decode_certificates(host.certificates);
    if (!certificates) return Error{"what mod_ssl was given for " + title_of(host) + ": " + certificates.error()};
    out.certificates = std::move(certificates.value());
    return out;
}

std::string title_of(const MappedHost& host) {
    const std::string& address = host.addresses.empty() ? std::string() : host.addresses.front();
    return host.name + (address.empty() ? "" : address.substr(address.rfind(':')));
}

Result<const MappedHost*> choose_host(const GateMap& gates, const std::string& name) {
    const std::size_t colon = name.rfind(':');
    const std::string port = colon != std::string::npos ? name.substr(colon + 1) : "";
    const std::string called = name.substr(0, colon);
    std::vector<const MappedHost*> fit, with_tls;
    for (const MappedHost& host : gates.hosts) {
        if (!name.empty() && (!is_called(host, called) || (!port.empty() && !has_port(host, port)))) continue;
        fit.push_back(&host);
        if (host.has_tls) with_tls.push_back(&host);
    }
    if (!with_tls.empty()) fit = with_tls;
    if (name.empty() && with_tls.empty()) return Error{"no virtual host serves TLS; say --host NAME for another one"};
    if (fit.empty()) {
        std::vector<const MappedHost*> all;
        for (const MappedHost& host : gates.hosts) all.push_back(&host);
        return Error{"--host: no virtual host is called '" + name + "'; there are " + titles_of(all)};
    }
    // Of several hosts with the same addresses, httpd uses the first.
    const bool is_one = std::all_of(fit.begin(), fit.end(),
                                    [&](const MappedHost* host) { return host->addresses == fit.front()->addresses; });
    if (fit.size() == 1 || (is_one && !name.empty())) return fit.front();
    return Error{"several virtual hosts could be meant: say --host with one of " + titles_of(fit)};
}

}  // namespace mtls::tool
