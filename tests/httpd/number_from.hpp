// A number from the environment, to make a claim run longer.
#pragma once

#include <cstdlib>

namespace test {

inline int number_from(const char* name, int otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::atoi(text) : otherwise;
}

}  // namespace test
