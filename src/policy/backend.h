// What the training loop asks of whatever computes: logits, the distance of two spectra, an update, and its state as
// bytes. Noise, draws, rewards and the loss are the loop's own, on the host, so that they are the same for every backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "policy/network.h"
#include "spectrum/ks.h"

namespace prunenet {

class PolicyBackend {
 public:
  virtual ~PolicyBackend() = default;

  virtual int64_t num_layers() const = 0;
  virtual int64_t rows(int64_t layer) const = 0;  // F of the layer
  /// logit of every row [rows(layer)], by the parameters as they are now.
  virtual Vector<double> logits(int64_t layer) = 0;
  /// Whether `prepare` does anything.
  virtual bool prepares() const { return false; }
  /// Does ahead of time what the first `distance` of the layer with so many `kept` rows would begin with: the spectrum
  /// of the whole layer, and what choices of its rows are taken off. The distances have the same bits without it.
  virtual void prepare(int64_t /*layer*/, int64_t /*kept*/) {}
  /// The distance between the spectrum of the layer and that of its `kept` rows (ascending, not empty).
  virtual SpectrumDistance distance(int64_t layer, std::span<const int64_t> kept) = 0;
  /// One AdamW step along the gradient that belongs to dloss/dlogit `dlogit` [rows(layer)].
  virtual void update(int64_t layer, std::span<const double> dlogit) = 0;

  /// Everything that `update` changes, part by part: parameters, both moments, the number of steps. A part's bytes need
  /// to live only while `part` runs; the names are the same every time (letters, digits and dots).
  virtual void save(const std::function<void(const std::string& name, std::span<const std::byte> bytes)>& part) const = 0;
  /// The reverse: asks for every part by its name. False, and nothing has changed, where one is missing or of another
  /// size.
  using PartOf = std::function<std::optional<std::span<const std::byte>>(const std::string& name)>;
  [[nodiscard]] virtual bool restore(const PartOf& part_of) = 0;

  /// The parameters as a policy file holds them.
  virtual PolicyNetwork<float> network() const = 0;
};

}  // namespace prunenet
