// A program that starts servers, and leaves none of them behind.
#pragma once

#include <functional>

namespace test {

// Runs `story` in a child process with a TMPDIR of its own, and returns its exit status; 1 where it throws or is
// killed. Afterwards, or as soon as this process gets SIGINT, SIGTERM or SIGHUP (the status is then 128 + the signal),
// ends all processes below this one, those in other process groups too, and removes the folder.
int staged(const std::function<int()>& story);

}  // namespace test
