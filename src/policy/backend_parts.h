// Names and order of what backends save, so that each can go on from the other's state.
#pragma once

#include <string>

#include "policy/backend.h"

namespace prunenet {

/// Visits every array of the network and of both moments with its name. `Network` has members p, b and q, whatever
/// holds their numbers.
template <typename Network, typename Visit>
void visit_parts(Network& network, Network& first, Network& second, const Visit& visit) {
  const auto visit_one = [&](const std::string& name, Network& of) {
    visit(name + ".p", of.p);
    visit(name + ".b", of.b);
    visit(name + ".q", of.q);
  };
  visit_one("network", network);
  visit_one("first", first);
  visit_one("second", second);
}

/// The number of steps taken, int64.
inline constexpr const char* kStepsPart = "steps";

/// Whether a part is there in its right size.
inline bool has_part(const PolicyBackend::PartOf& part_of, const std::string& name, size_t bytes) {
  const auto found = part_of(name);
  return found && found->size() == bytes;
}

}  // namespace prunenet
