// Uses the installed library as a stranger would: describes a model and cuts it by norms.
#include <cstdio>

#include "base/error.h"
#include "selection/budget.h"
#include "selection/scorer.h"
#include "slice/slice.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const prunenet::Checkpoint checkpoint(argv[1]);
    const prunenet::ModelDescription model = prunenet::describe_model(checkpoint);
    prunenet::SilentProgress progress;
    const auto scorer = prunenet::product_scorer(checkpoint, model);
    const prunenet::Mask mask = prunenet::select(*scorer, prunenet::kept_widths(model, 0.5, 0), progress);
    prunenet::write_slice(checkpoint, prunenet::plan_slice(checkpoint, model, mask), argv[2], {}, progress);
    const auto widths = prunenet::describe_model(prunenet::Checkpoint(argv[2])).ffn_widths();
    std::printf("%s cut to width %lld\n", model.family.c_str(), static_cast<long long>(widths.front()));
    return 0;
  } catch (const prunenet::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
