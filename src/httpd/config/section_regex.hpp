// What the regular expression of a <LocationMatch> can fit, read without running it.
#pragma once

#include <string>

namespace mtls::httpd {

// Why a <LocationMatch> fits no path, which always begins with '/'; "" if it may.
std::string anchored_elsewhere(const std::string& regex);

}  // namespace mtls::httpd
