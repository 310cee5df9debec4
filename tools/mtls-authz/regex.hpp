// Regular expressions of httpd's sections, as httpd compiles them by default.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace mtls::tool {

class SectionRegex {
public:
    explicit SectionRegex(const std::string& text);

    // Nothing where it cannot be told: the expression does not compile here, or takes too long.
    std::optional<bool> covers(const std::string& subject) const;
    // Of a subject that it covers: the last group with this name (letters' case apart) that takes part; else "".
    std::string group(const std::string& subject, const std::string& name) const;

private:
    std::shared_ptr<void> code_;  // null: it does not compile
};

}  // namespace mtls::tool
