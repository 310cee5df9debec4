#include <iostream>

#include "commands.hpp"
#include "facts_json.hpp"
#include "input.hpp"
#include "terminal.hpp"

namespace mtls::tool {

int show_facts(const std::vector<std::string>& files) {
    for (std::size_t i = 0; i < files.size(); ++i) {
        show_progress("read", i, files.size());
        const std::string& file = files[i];
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
    show_progress("read", files.size(), files.size());
    return kFine;
}

}  // namespace mtls::tool
