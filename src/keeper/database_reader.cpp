#include "mtls_authz/keeper/database_reader.hpp"

#include <utility>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"

namespace mtls {

void DatabaseReader::fail(const std::string& fault) {
    database_.reset();
    view_.fail("the database cannot be read: " + fault);
}

void DatabaseReader::poll() {
    view_.begin();
    if (database_ && database_->is_replaced()) database_.reset();
    const bool is_new = !database_;
    if (is_new) {
        auto opened = Database::open(access_);
        if (!opened.ok()) return fail(opened.error());
        database_ = std::move(opened.value());
    }
    const auto state = database_->state();
    if (!state.ok()) return fail(state.error());
    // A new connection may lead to another server, with other rows at the same revision.
    if (is_new || last_ == nullptr || state.value() != *last_) {
        auto rows = database_->read(part_);
        if (!rows.ok()) return fail(rows.error());
        if (last_ == nullptr || *last_ != *rows.value()) last_ = std::move(rows.value());
    }
    const std::int64_t floor = view_.floor();
    std::string fault = last_->faults;
    if (last_->revision < floor) {
        fault = "revision " + std::to_string(last_->revision) + " of the database is lower than " +
                std::to_string(floor) +
                ", which is in force: a replica that is behind, or a backup; it is refused until the number is higher";
    }
    // Revocations with a fault add refusals, and remove none.
    if (part_ == RowPart::kPolicy && !fault.empty()) return view_.fail(std::move(fault));
    view_.put(last_, std::move(fault));
    if (part_ == RowPart::kRevocations) view_.raise_floor(last_->revision);
}

// ---- the state of this node -----------------------------------------------------------------------------------------

std::string DatabaseReader::write(const NodeState& state) {
    const auto text = [this](const std::string& value) { return value.empty() ? "NULL" : database_->quoted(value); };
    const std::string generation = text(state.generation), revision = std::to_string(state.revision),
                      since = state.since != 0 ? database_->quoted(format_time(state.since)) : "NULL",
                      error = text(state.error), node = database_->quoted(state.node);
    int changed = 0;
    std::string fault = database_->run("UPDATE mtls_node SET generation = " + generation + ", revision = " + revision +
                                           ", since = " + since + ", error = " + error + " WHERE node = " + node,
                                       &changed);
    if (!fault.empty() || changed > 0) return fault;
    return database_->run("INSERT INTO mtls_node (node, generation, revision, since, error) VALUES (" + node + ", " +
                          generation + ", " + revision + ", " + since + ", " + error + ")");
}

std::string DatabaseReader::report(const NodeState& state) {
    constexpr std::int64_t kAgain = 30, kAfterFault = 300;
    const std::int64_t now = monotonic_seconds();
    const bool is_due = now >= report_due_ || (report_fault_.empty() && reported_ != state);
    if (!database_ || !is_due) return {};
    const std::string fault = write(state);
    report_due_ = now + (fault.empty() ? kAgain : kAfterFault);
    reported_ = state;
    return std::exchange(report_fault_, fault) == fault ? "" : fault;
}

}  // namespace mtls
