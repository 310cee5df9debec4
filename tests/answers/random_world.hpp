// Random policies and certificates from small alphabets, so that they meet: each as the plain rules read it, and as the
// module does.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "mtls_authz/trust/trust.hpp"
#include "pki.hpp"
#include "plain.hpp"

namespace answers {

// Two forms of one certificate.
struct Pair {
    plain::Certificate plain;
    std::shared_ptr<const mtls::PresentedCertificate> real;
};

class RandomWorld {
public:
    // Writes the files that policies name into `folder`.
    RandomWorld(unsigned seed, std::string folder);

    const std::vector<Pair>& certificates() const { return certificates_; }
    plain::Policy policy();
    plain::Request request();
    static std::string text_of(const plain::Policy& policy);

    int below(int n) { return static_cast<int>(engine_() % static_cast<unsigned>(n)); }
    bool one_in(int n) { return below(n) == 0; }

private:
    template <class Range>
    const auto& one_of(const Range& range) {
        return range[static_cast<std::size_t>(below(static_cast<int>(std::size(range))))];
    }
    void make_cas();
    Pair make_certificate();
    Pair make_twin(const Pair& of);
    mtls::EvpPkeyPtr make_ca_of(plain::Certificate& c, test::CertSpec& spec);
    plain::Selector selector();
    std::vector<plain::Selector> selectors();
    plain::Anchor anchor();
    plain::Anchor bundle();
    void ask_for_domains(plain::Partner& partner);
    plain::Grant grant();
    plain::Partner partner(int number);
    plain::Window window();

    std::mt19937 engine_;
    std::string folder_;
    std::vector<plain::Ca> cas_;
    std::vector<test::Identity> real_cas_;
    std::vector<Pair> certificates_;
};

}  // namespace answers
