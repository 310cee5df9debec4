// What reads foreign bytes, each as one function that has to return.
#pragma once

#include <string_view>

namespace fuzz {

void facts(std::string_view input);     // a certificate in DER
void policy(std::string_view input);    // the text of a policy file
void selector(std::string_view input);  // one selector, against one certificate
void crl(std::string_view input);       // a file of CRLs, PEM or DER
void path(std::string_view input);      // a grant's pattern, a newline, the path of a request
void bundle(std::string_view input);    // a SPIFFE bundle
void front(std::string_view input);     // a header by which a front hands certificates on
void session(std::string_view input);   // what a TLS session carries
void telling(std::string_view input);   // what certificates and requests put into lines, pages and headers

}  // namespace fuzz
