#include "claims.hpp"
#include "own_mounts.hpp"

int main(int argc, char** argv) {
    test::own_mounts();
    return test::run_claims("unit", {argv + 1, argv + argc});
}
