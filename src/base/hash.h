// SHA-256 of bytes, as hexadecimal text: names the source of an artefact.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace prunenet {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::span<const std::byte> bytes);
  /// 64 hexadecimal digits. Ends the computation.
  std::string hex_digest();

 private:
  struct State;
  State* state_;
};

}  // namespace prunenet
