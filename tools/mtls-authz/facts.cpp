#include <iostream>

#include "commands.hpp"
#include "facts_json.hpp"
#include "input.hpp"

namespace mtls::tool {

int show_facts(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
        const auto content = read_input(file);
        const auto certificates = content ? read_any_certificates(content.value())
                                          : Result<std::vector<X509Ptr>>(Error{"cannot be read: " + content.error()});
        if (!certificates) {
            std::cout << one_line(unreadable_json(file, certificates.error())) << '\n';
            continue;
        }
        for (const X509Ptr& certificate : certificates.value()) {
            std::cout << one_line(facts_json(file, read_facts(*certificate))) << '\n';
        }
    }
    return kFine;
}

}  // namespace mtls::tool
