// httpd's headers, adapted for C++, and the boundary between C and C++: no exception may cross it.
#pragma once

#define AP_HAVE_C99  // type-checks directive handlers, and evaluates log arguments only if the line is logged
extern "C" {
#include <httpd.h>

#include <ap_expr.h>
#include <ap_provider.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>
#include <util_cfgtree.h>
#include <util_filter.h>
}

#include <cstddef>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

// APR's definition for C++ dereferences a null pointer, in each APR_BRIGADE_SENTINEL().
#undef APR_OFFSETOF
#define APR_OFFSETOF(type, field) offsetof(type, field)

extern "C" module AP_MODULE_DECLARE_DATA mtls_authz_module;
APLOG_USE_MODULE(mtls_authz);

namespace mtls::httpd {

// Creates an object in `pool`; the pool's cleanup runs the destructor.
template <class T, class... Args>
T* pool_new(apr_pool_t* pool, Args&&... args) {
    constexpr std::size_t kPoolAlignment = 8;
    if constexpr (alignof(T) > kPoolAlignment) {
        T* const object = new T(std::forward<Args>(args)...);
        apr_pool_cleanup_register(
            pool, object,
            [](void* p) noexcept -> apr_status_t {
                delete static_cast<T*>(p);
                return APR_SUCCESS;
            },
            apr_pool_cleanup_null);
        return object;
    }
    T* const object = new (apr_palloc(pool, sizeof(T))) T(std::forward<Args>(args)...);
    if constexpr (!std::is_trivially_destructible_v<T>) {
        apr_pool_cleanup_register(
            pool, object,
            [](void* p) noexcept -> apr_status_t {
                static_cast<T*>(p)->~T();
                return APR_SUCCESS;
            },
            apr_pool_cleanup_null);
    }
    return object;
}

// Its ServerName; "-" without one.
inline const char* host_name(const server_rec* s) { return s->server_hostname != nullptr ? s->server_hostname : "-"; }

inline const char* pool_text(apr_pool_t* pool, std::string_view text) {
    return apr_pstrmemdup(pool, text.data(), text.size());
}

inline std::span<const apr_table_entry_t> entries_of(const apr_table_t* table) {
    const apr_array_header_t* const all = apr_table_elts(table);
    return {reinterpret_cast<const apr_table_entry_t*>(all->elts), static_cast<std::size_t>(all->nelts)};
}

// Runs a hook's body; on an exception logs it and returns `failed`, which denies where the hook can deny.
template <class Body, class Value>
Value guarded(const server_rec* server, Value failed, Body body) noexcept {
    try {
        return body();
    } catch (const std::exception& e) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "mtls_authz: internal-error: %s", e.what());
    } catch (...) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "mtls_authz: internal-error");
    }
    return failed;
}

// Runs `body`, which returns nothing; logs an exception.
template <class Body>
void attempt(const server_rec* server, Body body) noexcept {
    guarded(server, 0, [&body] {
        body();
        return 0;
    });
}

template <class Body>
int guarded(request_rec* r, Body body) noexcept {
    return guarded(r->server, HTTP_INTERNAL_SERVER_ERROR, body);
}

}  // namespace mtls::httpd
