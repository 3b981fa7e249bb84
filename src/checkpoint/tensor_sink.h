// Where the bytes of tensors go, one tensor after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace prunenet {

class TensorSink {
 public:
  virtual ~TensorSink() = default;
  /// Bytes of all that will be written, headers included.
  virtual uint64_t total_bytes() const = 0;
  /// Appends to the tensor that is next in the planned order; a tensor may come in pieces. More bytes than planned is a
  /// defect.
  virtual void append(std::span<const std::byte> bytes) = 0;
  /// Closes what is open. Fewer bytes than planned is a defect.
  virtual void finish() = 0;
};

}  // namespace prunenet
