
#include "gate_question.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>

#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/rules/method_set.hpp"
#include "regex.hpp"

namespace mtls::tool {

std::string literal_prefix_of(const MappedSection& section) {
    const std::string& text = section.path;
    if (section.match != MappedSection::Match::kRegex) return text.substr(0, text.find_first_of("*?["));
    if (!text.starts_with('^') || text.find('|') != std::string::npos || text.find("\\Q") != std::string::npos ||
        text.find('#') != std::string::npos)
        return {};
    std::size_t n = std::min(text.find_first_of("\\.[]()*+?{}|$^", 1), text.size());
    // A quantifier makes the preceding character optional.
    if (n < text.size() && n > 1 && std::string_view("*?{").find(text[n]) != std::string_view::npos) --n;
    return text.substr(1, n - 1);
}

namespace {

using Kind = GateVerdict::Kind;
using Match = MappedSection::Match;
enum class Cover { kNo, kYes, kMaybe };

// ---- which sections cover a path ------------------------------------------------------------------------------------

Cover wildcard_covers(const std::string& pattern, const std::string& path) {
    // APR and fnmatch() differ on brackets and escapes.
    if (pattern.find_first_of("[\\") == std::string::npos) {
        return fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_NOESCAPE) == 0 ? Cover::kYes : Cover::kNo;
    }
    const bool could = path.starts_with(pattern.substr(0, pattern.find_first_of("*?[\\")));
    return could ? Cover::kMaybe : Cover::kNo;
}

bool prefix_covers(const std::string& own, const std::string& path) {
    return path.starts_with(own) &&
           (own.empty() || own.ends_with('/') || path.size() == own.size() || path[own.size()] == '/');
}

std::string without_slash(std::string folder) {
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    return folder;
}

bool is_in(const std::string& file, const std::string& folder) {
    return folder == "/" || file == folder || file.starts_with(folder + "/");
}

// httpd looks for a file below DocumentRoot, and merges the <Directory> sections of all folders on the way.
Cover directory_covers(const MappedSection& section, const MappedHost& host, const std::string& path) {
    const std::string folder = without_slash(section.path);
    const std::string root = without_slash(host.document_root);
    if (folder == "/") return host.remaps.empty() ? Cover::kYes : Cover::kMaybe;
    if (!host.remaps.empty() || root.empty()) return Cover::kMaybe;
    if (is_in(root, folder)) return Cover::kYes;
    if (!is_in(without_slash(root + path), folder)) return Cover::kNo;
    std::error_code none;
    return std::filesystem::is_directory(folder, none) ? Cover::kYes : Cover::kMaybe;
}

Cover covers(const MappedSection& section, const GateMap& map, const MappedHost& host, const std::string& path) {
    switch (section.match) {
        case Match::kAlways:
            return Cover::kYes;
        case Match::kPrefix:
            return prefix_covers(section.path, path) ? Cover::kYes : Cover::kNo;
        case Match::kWildcard:
            return wildcard_covers(section.path, path);
        case Match::kRegex: {
            const auto found = map.knows_regexes ? SectionRegex(section.path).covers(path) : std::nullopt;
            return !found ? Cover::kMaybe : *found ? Cover::kYes : Cover::kNo;
        }
        case Match::kDirectory:
            return directory_covers(section, host, path);
        case Match::kUnknown:
            break;
    }
    if (section.around == Match::kUnknown) return Cover::kMaybe;
    MappedSection around;
    around.match = section.around;
    around.path = section.path_around;
    return covers(around, map, host, path) == Cover::kNo ? Cover::kNo : Cover::kMaybe;
}

// Whether a <Files> or <If> section may apply at `path` or below: it applies within the section around it alone.
bool may_decide_below(const MappedSection& section, const MappedHost& host, const std::string& path) {
    const bool is_in_location = section.around == Match::kPrefix;
    const bool is_known = is_in_location || (section.around == Match::kDirectory && host.remaps.empty());
    if (!is_known) return true;
    const std::string here = is_in_location ? path : without_slash(host.document_root) + path;
    const std::string around = without_slash(section.path_around);
    return is_in(here, around) || is_below(here, around);
}

// Whether the section may cover a path below `path`.
bool is_for_below(const MappedSection& section, const MappedHost& host, const std::string& path) {
    if (!section.is_location && !section.is_directory) {
        return !section.title.starts_with("<Proxy") && may_decide_below(section, host, path);
    }
    const bool is_mapped = host.remaps.empty() && !host.document_root.empty();
    if (section.is_directory && !is_mapped) return true;
    const std::string here = section.is_location ? path : without_slash(host.document_root) + path;
    const std::string prefix =
        section.is_directory ? without_slash(literal_prefix_of(section)) : literal_prefix_of(section);
    const bool is_literal = section.match == Match::kPrefix || section.match == Match::kDirectory;
    return is_below(here, prefix) || (!is_literal && here.starts_with(prefix));
}

std::string title_of(const MappedSection& section) {
    return section.title + (section.where.file.empty() ? "" : " at " + section.where.str());
}

// ---- merging --------------------------------------------------------------------------------------------------------

// The settings of several sections after httpd's merging.
struct Merged {
    std::optional<GateMode> mode;
    const GateRules* allow = nullptr;
    GateRules deny;  // the innermost section's first
    const MappedSection* section = nullptr;
    const MappedSection* authorizer = nullptr;

    void add(const MappedSection& s) {
        const bool has_rules = s.allow || !s.deny.empty();
        if (s.mode || has_rules) mode = s.mode.value_or(GateMode::kOn);
        if (s.allow) allow = &*s.allow;
        deny.insert(deny.begin(), s.deny.begin(), s.deny.end());
        if (s.mode || has_rules) section = &s;
        if (s.authorizes) authorizer = &s;
    }
    bool has_gate() const { return mode && *mode != GateMode::kOff; }
    bool is_enforced() const { return mode == GateMode::kOn; }
    std::string rules() const {
        std::string out;
        for (const GateRule& rule : allow != nullptr ? *allow : GateRules()) out += "allow " + rule.text() + '\n';
        for (const GateRule& rule : deny) out += "deny " + rule.text() + '\n';
        return out;
    }
    template <class Visit>
    void for_each_capture(Visit visit) const {
        for (const GateRules* rules : {allow, &deny}) {
            if (rules == nullptr) continue;
            for (const GateRule& rule : *rules) {
                for (const NameReference& name : rule.names) {
                    if (!name.capture.empty()) visit(name);
                }
            }
        }
    }
    bool has_captures() const {
        bool out = false;
        for_each_capture([&out](const NameReference&) { out = true; });
        return out;
    }
};

class Question {
public:
    explicit Question(const GateAsk& ask) : ask_(ask) {
        for (const MappedSection& section : ask.host.sections) {
            const Cover cover = covers(section, ask.map, ask.host, ask.path);
            if (cover == Cover::kMaybe) unsure_.push_back(&section);
            if (cover != Cover::kNo) sections_.emplace_back(&section, cover);
        }
    }

    GateVerdict answer() {
        constexpr std::size_t kMostUnsure = 10;
        if (unsure_.size() > kMostUnsure) return unknown("only httpd can tell whether these sections apply" + unsure());
        if (const auto bad = ask_path()) return *bad;
        GateVerdict out = decide(merge(0));
        for (unsigned with = 1; out.kind != Kind::kUnknown && with < 1U << unsure_.size(); ++with) {
            GateVerdict other = decide(merge(with));
            if (other.kind == Kind::kUnknown) return other;
            const bool differs = other.kind != out.kind || other.reason != out.reason;
            if (differs)
                return unknown("it depends on whether these sections apply, which only httpd can tell" + unsure());
        }
        return out;
    }

private:
    static GateVerdict unknown(std::string why) {
        GateVerdict out;
        out.why = std::move(why);
        return out;
    }
    static GateVerdict denied(Reason reason, std::string detail = {}) {
        GateVerdict out;
        out.kind = Kind::kDeny;
        out.reason = reason;
        out.detail = std::move(detail);
        return out;
    }
    std::string unsure() const {
        std::string out;
        for (const MappedSection* section : unsure_) out += (out.empty() ? ": " : ", ") + title_of(*section);
        return out;
    }

    // `with`: one bit per section that may apply.
    Merged merge(unsigned with) const {
        Merged out;
        for (const auto& [section, cover] : sections_) {
            const bool applies = cover == Cover::kYes || (with & 1) != 0;
            if (cover == Cover::kMaybe) with >>= 1;
            if (applies) out.add(*section);
        }
        return out;
    }

    // Merges <Location> sections only, as the module does for another reading of the path.
    Merged merge_locations(const std::string& path) const {
        Merged out;
        for (const MappedSection& section : ask_.host.sections) {
            if (section.match != Match::kAlways && !section.is_location) continue;
            if (covers(section, ask_.map, ask_.host, path) == Cover::kYes) out.add(section);
        }
        return out;
    }

    // For paths that a backend may read differently: returns the verdict if that decides; else sets `readings_`, which
    // must be granted too.
    std::optional<GateVerdict> ask_path() {
        if (!ask_.host.has_gates || is_plain_path(ask_.path)) return std::nullopt;
        if (find_path_fault(ask_.path) != PathFault::kNone) return denied(Reason::kBadPath);
        auto readings = readings_of(ask_.path, PathForm::kDecoded);
        if (!readings) {
            return denied(Reason::kBadPath, "it can be read in more than " + std::to_string(kMostReadings) + " ways");
        }
        std::erase(*readings, ask_.path);
        const Merged own = merge_locations(ask_.path);
        for (const std::string& reading : *readings) {
            const Merged other = merge_locations(reading);
            const bool same = own.is_enforced() == other.is_enforced() && own.rules() == other.rules();
            const bool is_sure = unsure_.empty() && !own.has_captures() && !other.has_captures() &&
                                 own.authorizer == nullptr && other.authorizer == nullptr;
            if (!is_sure)
                return unknown("a backend may read the path as '" + reading +
                               "', too, and only httpd can tell what guards that");
            if (!other.is_enforced() || same) continue;
            return denied(Reason::kBadPath,
                          "a backend may read it as '" + reading + "', which is behind " + title_of(*other.section));
        }
        readings_ = std::move(*readings);
        return std::nullopt;
    }

    // Recursive methods act on gates below the path; one with captures may be another one there.
    const MappedSection* find_nested(const Merged& here) const {
        if (!acts_on_all_below(ask_.method)) return nullptr;
        bool has_captures = false;
        here.for_each_capture([&](const NameReference&) { has_captures = true; });
        for (const MappedSection& section : ask_.host.sections) {
            const bool asks = section.authorizes || !section.mode || *section.mode == GateMode::kOn;
            if (!asks) continue;
            const bool is_own = &section == here.section;
            const bool is_same = is_own ? !has_captures : &section == here.authorizer;
            if (!is_same && is_for_below(section, ask_.host, ask_.path)) return &section;
        }
        return nullptr;
    }

    // Sets the values of captures; false if some cannot be computed here.
    bool find_captures(const Merged& merged, std::vector<std::string>& values, std::vector<Capture>& out) const {
        bool is_known = true;
        merged.for_each_capture([&](const NameReference& name) {
            std::string value;
            if (name.pattern != 0 && name.pattern <= ask_.map.patterns.size()) {
                const MappedPattern& pattern = ask_.map.patterns[name.pattern - 1];
                const SectionRegex regex(pattern.text);
                is_known = is_known && pattern.is_of_path && ask_.map.knows_regexes && regex.covers(ask_.path);
                constexpr std::string_view kPrefix = "MATCH_";
                value = regex.group(ask_.path, name.capture.substr(std::min(kPrefix.size(), name.capture.size())));
            }
            values.push_back(std::move(value));
        });
        std::size_t next = 0;
        merged.for_each_capture([&](const NameReference& name) {
            out.push_back({name.capture, values[next++], name.pattern});
        });
        return is_known;
    }

    GateVerdict decide(const Merged& merged) const {
        if (ask_.method == "TRACE" && (merged.has_gate() || merged.authorizer != nullptr)) {
            return denied(Reason::kMethodNotGranted, "TRACE is refused where a gate applies");
        }
        if (const MappedSection* const nested = find_nested(merged)) {
            return unknown("whether " + ask_.method + " reaches " + title_of(*nested) +
                           " below depends on its Depth, and on whether the path is a file");
        }
        GateVerdict out = merged.has_gate() ? decide_by_gate(merged) : GateVerdict{};
        if (!merged.has_gate()) out.kind = Kind::kOpen;
        out.section = merged.section;
        if (merged.authorizer == nullptr || out.kind == Kind::kDeny || out.kind == Kind::kUnknown) return out;
        return unknown("Require mtls-* or AuthType MTLS in " + title_of(*merged.authorizer) +
                       " is asked by httpd, together with other Require lines");
    }

    GateVerdict decide_by_gate(const Merged& merged) const {
        GateVerdict out;
        out.reason = ask_.reason;
        if (out.reason == Reason::kGranted && !ask_rules(merged, false, out)) {
            return unknown("its rules name what a section for files captures");
        }
        const bool lets_through = *merged.mode == GateMode::kLogOnly && out.reason != Reason::kBadPath;
        out.kind = out.reason == Reason::kGranted ? Kind::kAllow : lets_through ? Kind::kWouldDeny : Kind::kDeny;
        if (out.kind != Kind::kAllow || out.path == nullptr || !acts_on_all_below(ask_.method)) return out;
        GateVerdict below;
        ask_rules(merged, true, below);
        if (below.reason == Reason::kGranted) return out;
        return unknown("whether a grant for " + ask_.method +
                       " has to end in /** depends on its Depth header, and on whether the path is a file");
    }

    bool ask_rules(const Merged& merged, bool reaches_below, GateVerdict& out) const {
        std::vector<std::string> values;
        std::vector<Capture> captures;
        if (!find_captures(merged, values, captures)) return false;
        const DenyChain chain{&merged.deny, nullptr};
        const Gate gate{merged.allow, merged.deny.empty() ? nullptr : &chain};
        // The network was checked before.
        const Decision answer = mtls::decide(gate, {.who = &ask_.who,
                                                    .policy = ask_.policy,
                                                    .is_from_anywhere = true,
                                                    .line = {ask_.method, ask_.path, reaches_below},
                                                    .readings = readings_,
                                                    .captures = captures});
        out.reason = answer.reason;
        out.detail = answer.detail;
        out.path = answer.path;
        out.rule = answer.rule != nullptr ? find_rule(*answer.rule) : nullptr;
        return true;
    }

    // The same rule in the map: `deny` holds copies.
    const GateRule* find_rule(const GateRule& rule) const {
        for (const MappedSection& section : ask_.host.sections) {
            for (const GateRules* rules : {section.allow ? &*section.allow : nullptr, &section.deny}) {
                if (rules == nullptr) continue;
                for (const GateRule& candidate : *rules) {
                    if (candidate.where.str() == rule.where.str() && candidate.text() == rule.text()) return &candidate;
                }
            }
        }
        return nullptr;
    }

    const GateAsk& ask_;
    std::vector<std::pair<const MappedSection*, Cover>> sections_;
    std::vector<const MappedSection*> unsure_;
    std::vector<std::string> readings_;
};

}  // namespace

namespace {

// Paths by their beginning: the path and all below it, or all that begin with this text.
struct Place {
    std::string begin = "/";
    bool is_whole = false;
};

Place place_of(const MappedSection& section) {
    switch (section.match) {
        case Match::kPrefix:
            return {section.path, true};
        case Match::kWildcard:
        case Match::kRegex: {
            std::string prefix = literal_prefix_of(section);
            return {prefix.empty() ? "/" : std::move(prefix), false};
        }
        case Match::kUnknown:
            return section.around == Match::kPrefix ? Place{section.path_around, true} : Place{};
        default:
            return {};
    }
}

// What both a section and a pattern may have.
Place place_of(const MappedSection& section, const PathPattern& path) {
    Place out = place_of(section);
    const std::string_view begin = path.literal_prefix();
    if (begin.size() > out.begin.size()) out = {std::string(begin), begin.size() == path.text().size()};
    return out;
}

// Whether the section applies to all paths of a place.
bool covers_all(const MappedSection& section, const MappedHost& host, const Place& place) {
    if (section.match == Match::kAlways) return true;
    const bool ends = place.is_whole || place.begin.ends_with('/');
    if (section.match == Match::kDirectory) return ends && directory_covers(section, host, place.begin) == Cover::kYes;
    if (section.match != Match::kPrefix || !section.is_location || !prefix_covers(section.path, place.begin))
        return false;
    return ends || place.begin.size() > section.path.size();
}

// Whether it may apply to some of them.
bool may_cover_some(const MappedSection& section, const Place& place) {
    if (!section.is_location && section.around != Match::kPrefix) return true;
    const Place own = place_of(section);
    return own.begin.starts_with(place.begin) || place.begin.starts_with(own.begin);
}

PlaceRules rules_at(const MappedHost& host, const MappedSection& section, const Place& place) {
    Merged merged;
    std::vector<const MappedSection*> perhaps;
    bool is_replaced = false;
    for (const MappedSection& other : host.sections) {
        const bool applies = &other == &section || covers_all(other, host, place);
        if (applies) {
            merged.add(other);
            const bool replaces = other.allow || (other.mode && *other.mode != GateMode::kOn);
            is_replaced = &other != &section && (is_replaced || replaces);
            // What came before takes effect by its denials alone.
            if (replaces) std::erase_if(perhaps, [](const MappedSection* s) { return s->deny.empty(); });
        } else if (may_cover_some(other, place)) {
            perhaps.push_back(&other);
        }
    }
    PlaceRules out;
    out.mode = merged.mode;
    if (merged.allow != nullptr) out.allow = *merged.allow;
    out.deny = std::move(merged.deny);
    out.authorizes = merged.authorizer != nullptr;
    out.owner = merged.section;
    out.is_replaced = is_replaced;
    out.perhaps = std::move(perhaps);
    return out;
}

}  // namespace

PlaceRules rules_at(const MappedHost& host, const MappedSection& section) {
    return rules_at(host, section, place_of(section));
}
PlaceRules rules_at(const MappedHost& host, const MappedSection& section, const PathPattern& path) {
    PlaceRules out = rules_at(host, section, place_of(section, path));
    const std::string_view begin = path.literal_prefix();
    out.is_of_all = covers_all(section, host, {std::string(begin), begin.size() == path.text().size()});
    return out;
}

GateVerdict ask_gates(const GateAsk& ask) { return Question(ask).answer(); }

std::string path_for(const MappedHost& host, const std::string& path) {
    if (!host.merges_slashes) return path;
    std::string out;
    for (const char c : path) {
        if (c != '/' || !out.ends_with('/')) out += c;
    }
    return out;
}

}  // namespace mtls::tool
