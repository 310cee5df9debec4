#include <algorithm>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <set>

#include "commands.hpp"
#include "input.hpp"
#include "mtls_authz/text.hpp"
#include "terminal.hpp"

namespace mtls::tool {

namespace {

using Lines = std::set<std::string>;

// All that makes a difference to who is let in, as lines.
Lines lines_of(const Partner& partner, const Policy& policy) {
    Lines out;
    for (const Identity& identity : partner.identities) out.insert("MTLSIdentity " + identity.text());
    if (partner.anchors->uses_mod_ssl) out.insert("MTLSTrustAnchor mod_ssl");
    for (const Anchor& anchor : partner.anchors->anchors) {
        std::string window;
        if (anchor.window.from) window += " from=" + format_time(*anchor.window.from);
        if (anchor.window.until) window += " until=" + format_time(*anchor.window.until);
        for (const AnchorCertificate& c : anchor.certificates) {
            out.insert("MTLSTrustAnchor " + escape_for_log(c.subject_text, 200) + " sha256:" + hex(bytes_of(c.sha256)) +
                       window);
        }
    }
    for (const auto grants : {partner.grants, policy.grants()}) {
        for (const Grant& grant : grants) out.insert("MTLSGrant " + grant.text());
    }
    for (const GroupMembership& membership : partner.groups) {
        std::string line = "MTLSGroup";
        for (const std::string_view name : membership.names) line += " " + std::string(name);
        for (const std::string_view text : membership.conditions.texts()) line += " if " + std::string(text);
        out.insert(line);
    }
    return out;
}

Lines limits_of(const Partner& partner) {
    Lines out;
    if (partner.suspended) out.insert("MTLSSuspend On");
    if (partner.validity.from) out.insert("MTLSValid from=" + format_time(*partner.validity.from));
    if (partner.validity.until) out.insert("MTLSValid until=" + format_time(*partner.validity.until));
    return out;
}

// Whether anything was said.
bool tell(const std::string& who, const char* verb, const Lines& lines, const Lines& without) {
    bool said = false;
    for (const std::string& line : lines) {
        if (without.contains(line)) continue;
        std::cout << who << " " << verb << ": " << line << '\n';
        said = true;
    }
    return said;
}

bool tell_partners(const Policy& before, const Policy& after) {
    std::set<std::string> names;
    for (const auto* policy : {&before, &after}) {
        for (const Partner& partner : policy->partners()) names.emplace(partner.name);
    }
    bool different = false;
    for (const std::string& name : names) {
        const Partner* const was = before.find(name);
        const Partner* const is = after.find(name);
        const Lines old_lines = was != nullptr ? lines_of(*was, before) : Lines();
        const Lines new_lines = is != nullptr ? lines_of(*is, after) : Lines();
        if (was == nullptr) std::cout << name << " is new\n";
        if (is == nullptr) std::cout << name << " is gone\n";
        different = was == nullptr || is == nullptr || different;
        different = tell(name, "gains", new_lines, old_lines) || different;
        different = tell(name, "loses", old_lines, new_lines) || different;
        // What limits works the other way round.
        const Lines old_limits = was != nullptr ? limits_of(*was) : Lines();
        const Lines new_limits = is != nullptr ? limits_of(*is) : Lines();
        different = tell(name, "is limited by", new_limits, old_limits) || different;
        different = tell(name, "is no longer limited by", old_limits, new_limits) || different;
    }
    const auto revocations = [](const Policy& policy) {
        Lines out;
        for (const RevocationLine& revocation : policy.revocations().all())
            out.insert("MTLSRevoke " + revocation.text());
        return out;
    };
    different = tell("everybody", "is limited by", revocations(after), revocations(before)) || different;
    return tell("everybody", "is no longer limited by", revocations(before), revocations(after)) || different;
}

std::string verdict(const Policy& policy, const PresentedCertificate& certificate) {
    const Identification who = policy.identify(certificate, {{}, {}, {}, std::time(nullptr)});
    return std::string(who.reason == Reason::kGranted ? who.partner->name : word_of(who.reason));
}

bool tell_certificates(const Policy& before, const Policy& after, const std::string& folder) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    bool different = false;
    for (std::size_t i = 0; i < files.size(); ++i) {
        show_progress("asked about", i, files.size());
        const std::string& file = files[i];
        const auto certificate = read_client(file, {});
        if (!certificate) {
            std::cerr << "mtls-authz: " << certificate.error() << '\n';
            continue;
        }
        const std::string was = verdict(before, *certificate.value()), is = verdict(after, *certificate.value());
        if (was == is) continue;
        std::cout << file << ": was " << was << ", is " << is << '\n';
        different = true;
    }
    show_progress("asked about", files.size(), files.size());
    return different;
}

}  // namespace

int show_difference(const DiffOptions& options) {
    const PolicyInput before = read_policy({options.before}, options.root);
    const PolicyInput after = read_policy({options.after}, options.root);
    for (const PolicyInput* input : {&before, &after}) {
        if (input->policy) continue;
        for (const Diagnostic& finding : input->findings) std::cerr << finding.str() << '\n';
        return kNotDone;
    }
    bool different = tell_partners(*before.policy, *after.policy);
    if (!options.certificates.empty()) {
        different = tell_certificates(*before.policy, *after.policy, options.certificates) || different;
    }
    return different ? kErrorsFound : kFine;
}

}  // namespace mtls::tool
