// Sentences.
#include "slice/retyped.h"

#include <fmt/format.h>

namespace prunenet {
namespace {

std::string size_text(double size_bytes) {
  if (size_bytes >= 1e9) return fmt::format("{:.2f} GB", size_bytes / 1e9);
  if (size_bytes >= 1e6) return fmt::format("{:.1f} MB", size_bytes / 1e6);
  return fmt::format("{:.1f} kB", size_bytes / 1e3);
}

double bytes_of(Dtype dtype, int64_t elements) {
  return static_cast<double>(elements) * static_cast<double>(dtype_block_bytes(dtype)) /
         static_cast<double>(dtype_block_elements(dtype));
}

}  // namespace

void Retyped::add(const std::string& role, Dtype stored, const TensorSpec& written, const TensorCut& cut,
                  std::string_view units) {
  ++tensors_of_role_[role];
  bytes_ += written.size_bytes();
  const bool replaced = !cut.replaced.empty();
  if (written.dtype == stored && !cut.recoded) return;
  Total& total = kinds_[{role, stored, written.dtype, replaced, units}];
  ++total.tensors;
  total.elements += written.num_elements();
}

std::vector<std::string> Retyped::notes(uint64_t source_bytes) const {
  std::vector<std::string> notes;
  for (const auto& [kind, total] : kinds_) {
    const bool one = total.tensors == 1;
    std::string note = fmt::format("{} of {} '{}' tensors ", total.tensors, tensors_of_role_.at(kind.role), kind.role);
    if (kind.replaced) {
      note += fmt::format("{} new values, which are stored as {} instead of {}", one ? "has" : "have",
                          dtype_name(kind.to), dtype_name(kind.from));
    } else {
      const std::string types = kind.from == kind.to
                                    ? fmt::format("anew as {}", dtype_name(kind.to))
                                    : fmt::format("from {} to {}", dtype_name(kind.from), dtype_name(kind.to));
      note += fmt::format("{} requantised {}, because the kept {} do not fill blocks of {}", one ? "is" : "are", types,
                          kind.units, dtype_block_elements(kind.from));
    }
    if (!dtype_is_quantised(kind.to)) {
      note += fmt::format("{} the new width is no multiple of {}, which {} needs", kind.replaced ? ", because" : " and",
                          dtype_block_elements(Dtype::kQ8_0), dtype_name(Dtype::kQ8_0));
    }
    note += fmt::format("; {} {}", one ? "it takes" : "they take", size_text(bytes_of(kind.to, total.elements)));
    if (kind.to != kind.from)
      note += fmt::format(" (as {} {})", dtype_name(kind.from), size_text(bytes_of(kind.from, total.elements)));
    notes.push_back(std::move(note));
  }
  if (bytes_ > source_bytes && !kinds_.empty()) {
    notes.push_back(fmt::format(
        "the tensors take {} together, more than the {} of the source: what is changed is not "
        "stored in fewer than 8 bits. Pruning the unquantised model and quantising the result gives a smaller file",
        size_text(static_cast<double>(bytes_)), size_text(static_cast<double>(source_bytes))));
  }
  return notes;
}

}  // namespace prunenet
