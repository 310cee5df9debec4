// What reads foreign bytes, each as one function that has to return.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace fuzz {

inline void require(bool holds) {
    if (!holds) std::abort();
}

void facts(std::string_view input);     // a certificate in DER
void policy(std::string_view input);    // the text of a policy file
void selector(std::string_view input);  // one selector, against one certificate
void crl(std::string_view input);       // a file of CRLs, PEM or DER
void path(std::string_view input);      // a grant's pattern, a newline, the path of a request
void bundle(std::string_view input);    // a SPIFFE bundle
void front(std::string_view input);     // a header by which a front hands certificates on
void session(std::string_view input);   // what a TLS session carries
void telling(std::string_view input);   // what certificates and requests put into lines, pages and headers

void capture(std::string_view input);  // a section's regular expression, a newline, the path of a request
void gate(std::string_view input);     // what MTLSAllow and MTLSDeny say

// A leaf, what a client sends with it, and CRLs: of each a byte with the number of its key (bits 0 and 1) and its
// signer's (bits 2 and 3), and kIdentifyCrl for a list; two bytes of length; DER. Keys and signatures are put in, so
// that a changed one is as valid as before. The policy trusts two CAs, of these names and the keys 0 and 1.
void identify(std::string_view input);
constexpr unsigned kIdentifyCrl = 0x10;
constexpr std::size_t kMostIdentifyItems = 8;
constexpr char kIdentifyRoot[] = "Fuzz Root", kIdentifySub[] = "Fuzz Sub";

}  // namespace fuzz
