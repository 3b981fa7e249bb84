// A probe that is opened when it is first asked: a run that goes on may find every answer in its store.
#pragma once

#include <functional>
#include <memory>

#include "engine/walk.h"

namespace prunenet {

class LazyProbe final : public KlProbe {
 public:
  explicit LazyProbe(std::function<std::unique_ptr<KlProbe>()> open) : open_(std::move(open)) {}
  std::vector<float> kl(std::span<const ProbeChange> changes) override {
    if (!probe_) probe_ = open_();
    return probe_->kl(changes);
  }

 private:
  std::function<std::unique_ptr<KlProbe>()> open_;
  std::unique_ptr<KlProbe> probe_;
};

}  // namespace prunenet
