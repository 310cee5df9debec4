#include "mtls_authz/ledger/file_troubles.hpp"

#include "mtls_authz/base/calendar.hpp"

namespace mtls {

std::vector<std::string> FileTroubles::sentences() const {
    std::vector<std::string> out;
    if (policy) {
        const std::string first = policy->findings.empty() ? "" : ": " + policy->findings.front();
        const std::size_t others = policy->findings.empty() ? 0 : policy->findings.size() - 1;
        out.push_back("the server refuses its policy files" + first +
                      (others == 0 ? "" : " (and " + std::to_string(others) + " more)"));
    }
    for (const auto& [source, since] : gone)
        out.push_back(source + std::string(kGoneSince) + format_time(since) +
                      "; what it refused stays refused until it is back (a revocation file with a comment in it), or "
                      "the server is stopped and started");
    for (const std::string& line : bad_lines) out.push_back("without effect at the server: " + line);
    return out;
}

SharedFileTroubles::Texts SharedFileTroubles::texts_of(const std::vector<std::string>& texts) {
    Texts out;
    for (const std::string& text : texts) {
        if (out.count >= kShown) break;
        out.texts[out.count++] = text;
    }
    return out;
}

void SharedFileTroubles::put(const FileTroubles& troubles) {
    Refused refused;
    if (troubles.policy) refused = {true, texts_of(troubles.policy->findings), troubles.policy->consequence};
    Gone gone;
    for (const auto& [source, since] : troubles.gone) {
        if (gone.sources.count >= kShown) break;
        gone.since[gone.sources.count] = since;
        gone.sources.texts[gone.sources.count++] = source;
    }
    policy_.write(refused);
    gone_sources_.write(gone);
    bad_lines_.write(texts_of(troubles.bad_lines));
    gone_ = troubles.gone.size();
    bad_ = troubles.bad_lines.size();
}

void SharedFileTroubles::clear() noexcept {
    policy_.write({});
    gone_sources_.write({});
    bad_lines_.write({});
    gone_ = 0;
    bad_ = 0;
}

FileTroubles SharedFileTroubles::get() const {
    FileTroubles out;
    if (const auto refused = policy_.read(); refused && refused->is_refused) {
        FileTroubles::Refused policy{{}, {}, refused->consequence.str()};
        for (std::size_t i = 0; i < refused->findings.count; ++i)
            policy.findings.push_back(refused->findings.texts[i].str());
        out.policy = std::move(policy);
    }
    if (const auto gone = gone_sources_.read()) {
        for (std::size_t i = 0; i < gone->sources.count; ++i)
            out.gone.emplace(gone->sources.texts[i].str(), gone->since[i]);
    }
    if (const auto bad = bad_lines_.read()) {
        for (std::size_t i = 0; i < bad->count; ++i) out.bad_lines.push_back(bad->texts[i].str());
    }
    return out;
}

}  // namespace mtls
