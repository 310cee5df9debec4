// Keeps what the keeper knows of a policy database as the database is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "mtls_authz/load/database.hpp"

namespace mtls {

// What a node tells the database of itself.
struct NodeState {
    std::string node, generation, error;
    std::int64_t revision = 0, since = 0;
    bool operator==(const NodeState&) const = default;
};

// Keeps a view as the database is. One thread at a time.
class DatabaseReader {
public:
    DatabaseReader(const DatabaseAccess& access, RowPart part, DatabaseView& view)
        : access_(access), part_(part), view_(view) {}

    // Asks for the revision, and reads the rows where it is another one.
    void turn();
    // Tells it, where that is new or a while ago; only between turns that went well. What keeps it from doing so, once.
    std::string tell(const NodeState& state);

private:
    void fail(const std::string& fault);
    std::string write(const NodeState& state);

    const DatabaseAccess& access_;
    RowPart part_;
    DatabaseView& view_;
    std::unique_ptr<Database> database_;
    std::shared_ptr<const DatabaseRows> last_;  // that were read, whether or not they can count
    std::optional<NodeState> told_;
    std::int64_t tells_from_ = 0;  // monotonic seconds
    std::string tell_fault_;
};

}  // namespace mtls
