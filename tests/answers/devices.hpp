// A fleet under one CA, each device with the folder of its own name: MTLSGrant PUT /devices/%{cert:CN}/**.
#pragma once

#include <string>

namespace answers {

// So many devices, one in eight with a name that is to reach another's folder, each with requests for its own folder,
// for another's and for what its name may be read as: 0 where the module and the plain rules agree about all of them,
// and no device is let in anywhere but below its own name. Else 1, and the first that differs is printed.
int compare_devices(long devices, unsigned seed, const std::string& folder);

}  // namespace answers
