// What the sections of the configuration ask of another path than the request's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "httpd/config/config.hpp"

namespace mtls::httpd {

// One section's authorization; equal if it is the same section, or has the same text, and asks nothing about the path.
struct AuthorizingSection {
    const ap_conf_vector_t* section = nullptr;  // null: not known which, and equal to no other
    std::string_view text;                      // empty: not available
    bool depends_on_path = false;               // equal to no other

    bool operator==(const AuthorizingSection& other) const {
        if (depends_on_path || other.depends_on_path) return false;
        return (section != nullptr && section == other.section) || (!text.empty() && text == other.text);
    }
};

// The checks that apply to one path.
struct Guards {
    const GateSection* section = nullptr;  // their section, if known
    bool is_gated = false;                 // `rules` are enforced
    std::string rules;                     // as text, with the values of captures
    std::string fronts;                    // accepted fronts, as text
    bool authorizes = false;               // Require mtls-* or AuthType MTLS
    std::vector<AuthorizingSection> authorizing;
    bool is_unclear = false;  // a condition or an expression of a section got no answer, and decides
};

// Whether `own` contains all checks of `other`.
bool includes(const Guards& own, const Guards& other);

// Asks httpd, with a copy of the request, which sections it would merge for other paths. Skips <Directory> and <Files>:
// a backend reads paths.
class SectionWalk {
public:
    explicit SectionWalk(request_rec* r);
    Guards guards_of(const std::string& path) const;

private:
    struct DestroyPool {
        void operator()(apr_pool_t* pool) const { apr_pool_destroy(pool); }
    };

    void move_to(request_rec& r, const std::string& path) const;
    std::vector<const void*> authorization_of(const request_rec& r) const;
    bool has_authorization(const ap_conf_vector_t* section) const;
    bool has_deciding_conditions(const ap_conf_vector_t* config) const;
    std::vector<AuthorizingSection> conditional_sections(request_rec& r) const;
    std::vector<AuthorizingSection> authorizing_sections(const char* path) const;

    request_rec* request_;
    std::unique_ptr<apr_pool_t, DestroyPool> pool_;
    std::vector<module*> authorizers_;
};

}  // namespace mtls::httpd
