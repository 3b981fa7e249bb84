// Work as counts, and machines as rates: what a phase of a run has to do, how fast each kind of it goes here, and so
// how long it will take. Everything that the room predicts is a sum of these.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace prunenet {

/// Each kind has a unit, and a rate in units a second.
enum class WorkKind : size_t {
  kProductF32,  // flops of matrix products of linear algebra, in f32 and in f64
  kProductF64,
  kForward,     // flops of the model's products for many tokens at once, in the engine's type
  kBackward,    // flops of a pass with gradients: forward, again, and back
  kDecode,      // flops of the model's products for one more token of every sequence of a batch
  kStep,        // bytes of weights, read once for every step of a batch, whatever its size
  kCache,       // bytes of keys and values that such a token looks at
  kDraw,        // logits from which tokens are drawn
  kDivergence,  // logits of two models that are compared
  kLoad,        // bytes of weights, in the engine's type, made ready to compute with
  kSymvF32,     // bytes of a symmetric matrix, read once for each column that is made tridiagonal
  kSymvF64,
  kColumns,     // columns that are made tridiagonal: what each takes beside its bytes and products
  kRotations,   // squares of the order: the eigenvalues of a tridiagonal matrix
  kSquaresF32,  // squares of the width of maps whose inputs are chosen or refitted: what of it is no product
  kSquaresF64,
  kFunction,  // logarithms, exponentials, sines: of single numbers, by the host
  kMemory,    // bytes read or written in memory
  kRead,      // bytes from disk
  kWrite,     // bytes to the disk of the output
  kBuffer,    // bytes written that memory takes up, and the disk when the run is over
  kHash,      // bytes hashed
  kFixed,     // seconds, whatever the machine is doing
};
inline constexpr size_t kWorkKinds = static_cast<size_t>(WorkKind::kFixed) + 1;

/// The name of a kind in JSON: "product_f32".
const char* work_kind_name(WorkKind kind);
/// The kind counts floating-point operations of matrix products.
bool is_product(WorkKind kind);

class Work {
 public:
  double& operator[](WorkKind kind) { return amounts_[static_cast<size_t>(kind)]; }
  double operator[](WorkKind kind) const { return amounts_[static_cast<size_t>(kind)]; }
  Work& operator+=(const Work& other);
  friend Work operator*(double times, Work work) {
    for (double& amount : work.amounts_) amount *= times;
    return work;
  }
  /// Floating-point operations of all matrix products.
  double flops() const;

 private:
  std::array<double, kWorkKinds> amounts_{};
};

/// Units a second of each kind; 0 where it was not measured. kFixed is 1.
class Speeds {
 public:
  Speeds() { rates_.back() = 1; }
  double& operator[](WorkKind kind) { return rates_[static_cast<size_t>(kind)]; }
  double operator[](WorkKind kind) const { return rates_[static_cast<size_t>(kind)]; }

 private:
  std::array<double, kWorkKinds> rates_{};
};

/// One kind after the other. Work of a kind whose rate is 0 is the caller's bug.
double seconds_of(const Work& work, const Speeds& speeds);

/// A part of a run.
struct Phase {
  std::string name;
  Work work;
  double peak_bytes = 0;   // anonymous memory while it lasts: not what is mapped from files
  bool on_device = false;  // on one that is not the CPU: neither rates nor memory of this machine say what it takes
};

/// The time of a phase; nothing where it is on a device, or a rate is missing that it needs.
std::optional<double> measured_seconds_of(const Phase& phase, const Speeds& speeds);

/// A whole run.
struct RunCost {
  std::vector<Phase> phases;
  double disk_bytes = 0;          // on the disk of the output at once: the output itself, what waits beside it, scratch
  double passing_disk_bytes = 0;  // there at once before there is an output

  double peak_bytes() const;  // of the phase that takes most, of those on the CPU
  bool uses_device() const;   // some phase does
  Work work() const;
  /// Of all phases; nothing where one is not known.
  std::optional<double> measured_seconds(const Speeds& speeds) const;
};

}  // namespace prunenet
