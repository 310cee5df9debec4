// A program that runs beside a test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace test {

// Starts a program, without output; the destructor kills it.
class Program {
public:
    explicit Program(const std::vector<std::string>& words);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

private:
    pid_t pid_;
};

}  // namespace test
