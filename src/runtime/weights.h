// Where the transformer gets its weights from: a checkpoint's mapping, or whatever a caller supplies (parameters in
// training, masked weights in a test).
#pragma once

#include <ATen/ATen.h>

#include <span>
#include <string>

#include "checkpoint/checkpoint.h"
#include "checkpoint/read_ahead.h"
#include "engine/streaming.h"

namespace prunenet {

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// The tensor of that name in its stored shape, as `type` (kFloat or kBFloat16), on the device of the source.
  virtual at::Tensor get(const std::string& name, at::ScalarType type) = 0;
  /// The stored rows `ids` (int64 [n], on the CPU) of a matrix, as f32: for embeddings, which are looked up and never
  /// copied whole.
  virtual at::Tensor rows(const std::string& name, const at::Tensor& ids) = 0;
  /// The caller has dropped the tensor: its memory may go.
  virtual void release(const std::string& name) = 0;
  /// Whether `get` gives the stored bytes themselves: they are read when they are used, and not before.
  virtual bool in_place(const std::string& /*name*/, at::ScalarType /*type*/) const { return false; }
  /// Whether bytes that were read once may be gone when they are used again: there are more than memory holds.
  virtual bool forgets() const { return false; }
  /// These tensors are read next, in this order, and what was expected before is not: a hint.
  virtual void expect(std::span<const std::string> /*names*/) {}
};

/// The weights of a checkpoint. Where the stored type is the asked one and the device is the CPU, a tensor lies in the
/// mapping itself; else it is converted, and quantised ones are decoded, on all threads. Weights beyond the range of
/// the asked type become infinite and show in the logits.
class CheckpointWeights final : public WeightSource {
 public:
  /// `checkpoint` must outlive it and every tensor that it gave.
  CheckpointWeights(const Checkpoint& checkpoint, at::Device device)
      : CheckpointWeights(checkpoint, device, usable_memory_bytes()) {}

  at::Tensor get(const std::string& name, at::ScalarType type) override;
  at::Tensor rows(const std::string& name, const at::Tensor& ids) override;
  void release(const std::string& name) override;
  bool in_place(const std::string& name, at::ScalarType type) const override;
  bool forgets() const override { return forgets_; }
  void expect(std::span<const std::string> names) override { read_ahead_.ask(names); }
  at::Device device() const { return device_; }

 private:
  // A quarter of the memory for what is to come leaves the rest to what is in use.
  CheckpointWeights(const Checkpoint& checkpoint, at::Device device, int64_t usable_bytes)
      : checkpoint_(checkpoint),
        device_(device),
        forgets_(usable_bytes > 0 && checkpoint.tensor_bytes() > static_cast<uint64_t>(usable_bytes)),
        read_ahead_(checkpoint, usable_bytes / 4) {}

  at::Tensor stored(const std::string& name) const;
  // Of a quantised type, on the CPU.
  at::Tensor decoded(const Checkpoint::Entry& entry, at::ScalarType type) const;

  const Checkpoint& checkpoint_;
  at::Device device_;
  bool forgets_;
  ReadAhead read_ahead_;
};

}  // namespace prunenet
