
#include "client.hpp"

#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

using EasyPtr = std::unique_ptr<CURL, FreeWith<curl_easy_cleanup>>;
using HeadersPtr = std::unique_ptr<curl_slist, FreeWith<curl_slist_free_all>>;

constexpr long kMillisecond = 1000;
constexpr long kConnectSeconds = 10;
constexpr int kMostRedirects = 3;
constexpr std::size_t kMostValidatorBytes = 256;

std::string raw_address(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
        return {reinterpret_cast<const char*>(&v4), sizeof v4};
    }
    if (address.sa_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
        return {reinterpret_cast<const char*>(&v6), sizeof v6};
    }
    return {};
}

// State of one transfer, for libcurl's callbacks.
struct Transfer {
    const ReachableNetworks* networks = nullptr;  // null: a proxy connects
    const ServerCheck* check_server = nullptr;
    std::size_t limit = 0;
    std::string address_fault;
    std::string server_fault;
    bool is_too_large = false;
    HttpAnswer answer;
};

// libcurl is C: an exception in a callback fails the transfer.
template <class T, class Do>
T guarded(T on_failure, Do&& what) noexcept {
    try {
        return what();
    } catch (...) {
        return on_failure;
    }
}

// Checks the address that is really connected to: a name server that changes its answer cannot bypass the check.
curl_socket_t on_open_socket(void* user, curlsocktype, curl_sockaddr* to) {
    return guarded<curl_socket_t>(CURL_SOCKET_BAD, [&]() -> curl_socket_t {
        auto& transfer = *static_cast<Transfer*>(user);
        if (transfer.networks != nullptr) {
            const std::string raw = raw_address(to->addr);
            const std::string objection =
                raw.empty() ? "the server has no IP address" : transfer.networks->objection_to(raw);
            if (!objection.empty()) {
                transfer.address_fault = objection;
                return CURL_SOCKET_BAD;
            }
        }
        return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    });
}

std::size_t on_body(const char* data, std::size_t, std::size_t size, void* user) {
    return guarded<std::size_t>(0, [&]() -> std::size_t {
        auto& transfer = *static_cast<Transfer*>(user);
        transfer.is_too_large = size > transfer.limit - transfer.answer.content.size();
        if (transfer.is_too_large) return 0;
        transfer.answer.content.append(data, size);
        return size;
    });
}

// Sent back to the server unchanged: accept only what a header can hold.
std::string validator(std::string_view value) {
    const bool is_plain = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
    return is_plain && value.size() <= kMostValidatorBytes ? std::string(value) : std::string();
}

std::size_t on_header(const char* data, std::size_t, std::size_t size, void* user) {
    return guarded<std::size_t>(0, [&]() -> std::size_t {
        auto& answer = static_cast<Transfer*>(user)->answer;
        const std::string_view line(data, size);
        const std::size_t colon = line.find(':');
        if (line.starts_with("HTTP/")) answer.validators = {};
        if (colon == std::string_view::npos) return size;
        const std::string_view name = line.substr(0, colon), value = trim(line.substr(colon + 1));
        if (equal_nocase(name, "ETag")) answer.validators.etag = validator(value);
        if (equal_nocase(name, "Last-Modified")) answer.validators.last_modified = validator(value);
        return size;
    });
}

// Replaces OpenSSL's verification by web CAs.
int on_verify(X509_STORE_CTX* context, void* user) {
    return guarded<int>(0, [&]() -> int {
        auto& transfer = *static_cast<Transfer*>(user);
        X509* const leaf = X509_STORE_CTX_get0_cert(context);
        const STACK_OF(X509)* const sent = X509_STORE_CTX_get0_untrusted(context);
        std::vector<X509Ptr> certificates;
        for (int i = 0; i < sk_X509_num(sent); ++i) certificates.push_back(share(*sk_X509_value(sent, i)));
        transfer.server_fault =
            leaf == nullptr ? "the server has no certificate" : (*transfer.check_server)(*leaf, certificates);
        X509_STORE_CTX_set_error(context,
                                 transfer.server_fault.empty() ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
        return transfer.server_fault.empty() ? 1 : 0;
    });
}

CURLcode on_ssl_context(CURL*, void* ssl_context, void* user) {
    SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(ssl_context), on_verify, user);
    return CURLE_OK;
}

template <class T>
void set(CURL* easy, CURLoption option, T value) {
    if (curl_easy_setopt(easy, option, value) != CURLE_OK) {
        throw std::runtime_error("libcurl does not know option " + std::to_string(static_cast<int>(option)));
    }
}

void set_protocols(CURL* easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    set(easy, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

HeadersPtr headers_of(const HttpRequest& question) {
    curl_slist* list = nullptr;
    const auto add = [&list](const std::string& line) { list = curl_slist_append(list, line.c_str()); };
    if (!question.validators.etag.empty()) add("If-None-Match: " + question.validators.etag);
    if (!question.validators.last_modified.empty()) add("If-Modified-Since: " + question.validators.last_modified);
    if (!question.content_type.empty()) add("Content-Type: " + question.content_type);
    add("Expect:");
    return HeadersPtr(list);
}

std::string sentence_of(CURLcode code, const Transfer& transfer, const ClientOptions& options, std::size_t got) {
    if (!transfer.address_fault.empty()) return transfer.address_fault;
    if (!transfer.server_fault.empty()) return "the server is another one: " + transfer.server_fault;
    if (transfer.is_too_large || code == CURLE_FILESIZE_EXCEEDED) {
        return "the answer is larger than " + std::to_string(transfer.limit) + " bytes and was cut off";
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return "no whole answer within " + std::to_string(options.timeout) + " s (" + std::to_string(got) +
               " bytes came)";
    }
    if (code == CURLE_PARTIAL_FILE) return "the answer ends before its end, after " + std::to_string(got) + " bytes";
    return curl_easy_strerror(code);
}

long milliseconds_until(std::chrono::steady_clock::time_point end) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    return std::max<long>(1, static_cast<long>(left.count()));
}

}  // namespace

Client::Client(ClientOptions options) : options_(std::move(options)) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::runtime_error("libcurl cannot be used");
}

Client::~Client() { curl_global_cleanup(); }

// Result of one request: an answer, or a redirect.
struct Client::Reply {
    HttpAnswer answer;
    std::string redirect;
};

Client::Reply Client::ask_once(const HttpRequest& question, const Url& url, long milliseconds) const {
    Transfer transfer;
    transfer.networks = options_.proxy.empty() ? &options_.networks : nullptr;
    transfer.limit = question.limit;
    const EasyPtr owner(curl_easy_init());
    if (!owner) throw std::bad_alloc();
    CURL* const easy = owner.get();
    const HeadersPtr headers = headers_of(question);
    set(easy, CURLOPT_URL, url.text.c_str());
    set_protocols(easy);
    set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_TIMEOUT_MS, milliseconds);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, std::min(kConnectSeconds * kMillisecond, milliseconds));
    set(easy, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(question.limit));
    set(easy, CURLOPT_PROXY, options_.proxy.c_str());
    set(easy, CURLOPT_USERAGENT, "mtls-authz");
    set(easy, CURLOPT_OPENSOCKETFUNCTION, &on_open_socket);
    set(easy, CURLOPT_OPENSOCKETDATA, &transfer);
    set(easy, CURLOPT_WRITEFUNCTION, &on_body);
    set(easy, CURLOPT_WRITEDATA, &transfer);
    set(easy, CURLOPT_HEADERFUNCTION, &on_header);
    set(easy, CURLOPT_HEADERDATA, &transfer);
    set(easy, CURLOPT_HTTPHEADER, headers.get());
    if (!question.body.empty()) {
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(question.body.size()));
        set(easy, CURLOPT_POSTFIELDS, question.body.data());
    }
    if (question.check_server) {
        transfer.check_server = &question.check_server;
        set(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        set(easy, CURLOPT_SSL_CTX_FUNCTION, &on_ssl_context);
        set(easy, CURLOPT_SSL_CTX_DATA, &transfer);
    } else if (!options_.web_ca.empty()) {
        set(easy, CURLOPT_CAINFO, options_.web_ca.c_str());
    }
    const ErrorQueueGuard errors;
    const CURLcode code = curl_easy_perform(easy);
    Reply out{std::move(transfer.answer), {}};
    if (code != CURLE_OK) {
        out.answer.fault = sentence_of(code, transfer, options_, out.answer.content.size());
        out.answer.is_dead =
            code == CURLE_OPERATION_TIMEDOUT || code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
        return out;
    }
    constexpr long kOk = 200, kNotModified = 304;
    long status = 0;
    const char *type = nullptr, *location = nullptr;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &location);
    if (type != nullptr) out.answer.content_type = type;
    out.answer.not_modified = status == kNotModified;
    if (status == kOk || (out.answer.not_modified && !question.validators.empty())) return out;
    if (location != nullptr) out.redirect = location;
    out.answer.fault = "answered " + std::to_string(status) +
                       (out.answer.not_modified ? " (not modified) though nothing was known" : "");
    return out;
}

HttpAnswer Client::ask(const HttpRequest& question) const {
    const auto now = std::chrono::steady_clock::now();
    const auto end = std::min(options_.end, now + std::chrono::seconds(options_.timeout));
    HttpAnswer failed;
    failed.is_dead = now >= end;
    if (failed.is_dead) failed.fault = "the run has no time left";
    auto url = parse_url(question.url);
    if (!url) failed.fault = url.error();
    for (int redirects = 0; failed.fault.empty(); ++redirects) {
        // With a proxy, names are resolved there; only a literal address can be checked here.
        const std::string written = address_from_text(url.value().host);
        if (!options_.proxy.empty() && !written.empty()) failed.fault = options_.networks.objection_to(written);
        if (!failed.fault.empty()) break;
        Reply reply = ask_once(question, url.value(), milliseconds_until(end));
        if (reply.redirect.empty()) return std::move(reply.answer);
        const auto next = parse_url(reply.redirect);
        const std::string target = "redirects to '" + escape_for_log(reply.redirect, 200) + "'";
        if (!next || !is_same_server(url.value(), next.value())) {
            failed.fault = target + ", which is another server and not followed";
        } else if (redirects == kMostRedirects) {
            failed.fault = target + ", after " + std::to_string(kMostRedirects) + " redirects";
        }
        url = next;
    }
    return failed;
}

}  // namespace mtls::tool
