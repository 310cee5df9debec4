#include "claims.hpp"

int main(int argc, char** argv) { return test::run_claims("unit", {argv + 1, argv + argc}); }
