// Regular expressions of httpd's sections, compiled with httpd's default options.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace mtls::tool {

class SectionRegex {
public:
    explicit SectionRegex(const std::string& text);

    // nullopt if the expression does not compile here, or takes too long.
    std::optional<bool> covers(const std::string& subject) const;
    // For a matching subject: the last participating group of this name (ASCII case ignored); else "".
    std::string group(const std::string& subject, const std::string& name) const;

private:
    std::shared_ptr<void> code_;  // null: it did not compile
};

}  // namespace mtls::tool
