// Polls a policy database and stores its rows in a DatabaseView.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "mtls_authz/load/database.hpp"

namespace mtls {

// The state of a server (a node), as it is written to table mtls_node.
struct NodeState {
    std::string node, generation, error;
    std::int64_t revision = 0, since = 0;
    bool operator==(const NodeState&) const = default;
};

// Not thread-safe. `access` and `view` must outlive this object.
class DatabaseReader {
public:
    DatabaseReader(const DatabaseAccess& access, RowPart part, DatabaseView& view)
        : access_(access), part_(part), view_(view) {}

    // Queries the state of the database, and reads the rows if it changed.
    void poll();
    // Writes the state of this node if it changed or the last write is a while ago; only while the last poll succeeded.
    // Returns a new fault, or "".
    std::string report(const NodeState& state);

private:
    void fail(const std::string& fault);
    std::string write(const NodeState& state);

    const DatabaseAccess& access_;
    RowPart part_;
    DatabaseView& view_;
    std::unique_ptr<Database> database_;
    std::shared_ptr<const DatabaseRows> last_;  // read last, valid or not
    std::optional<NodeState> reported_;
    std::int64_t report_due_ = 0;  // monotonic_seconds() of the next write
    std::string report_fault_;
};

}  // namespace mtls
