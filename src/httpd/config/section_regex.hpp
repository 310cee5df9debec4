// Which paths the regular expression of a section can fit, as far as its text shows.
#pragma once

#include <string>

namespace mtls::httpd {

// Why a <LocationMatch> fits no path, which always begins with '/'; "" if it may.
std::string anchored_elsewhere(const std::string& regex);

}  // namespace mtls::httpd
