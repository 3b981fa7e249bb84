// A real GGUF file, cut like the folder that holds the same model.
#include "sliced_gguf.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using namespace test;

// Names of GGUF, and theirs in the folder.
std::string folder_name(std::string name) {
  const std::vector<std::pair<std::string, std::string>> parts{{"token_embd", "model.embed_tokens"},
                                                               {"output_norm", "model.norm"},
                                                               {"blk.", "model.layers."},
                                                               {"attn_norm", "input_layernorm"},
                                                               {"ffn_norm", "post_attention_layernorm"},
                                                               {"attn_q", "self_attn.q_proj"},
                                                               {"attn_k", "self_attn.k_proj"},
                                                               {"attn_v", "self_attn.v_proj"},
                                                               {"attn_output", "self_attn.o_proj"},
                                                               {"ffn_gate", "mlp.gate_proj"},
                                                               {"ffn_up", "mlp.up_proj"},
                                                               {"ffn_down", "mlp.down_proj"}};
  for (const auto& [from, to] : parts) {
    const auto at = name.find(from);
    if (at != std::string::npos && (at == 0 || name[at - 1] == '.')) name.replace(at, from.size(), to);
  }
  return name;
}

TEST(SliceGgufStories, TheCutOfTheFileIsTheCutOfTheFolder) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path source = data / "models" / "stories260K";
  const Checkpoint in_folder(source), in_file(source / "stories260K.gguf");
  const ModelDescription as_folder = describe_model(in_folder), as_file = describe_model(in_file);
  ASSERT_EQ(as_folder.ffn_widths(), as_file.ffn_widths());
  Mask mask;
  for (size_t l = 0; l < as_file.layers.size(); ++l) {
    mask.kept.push_back(spread(100, as_file.layers[l].ffn.neurons.width));
    for (int64_t& row : mask.kept.back()) row += static_cast<int64_t>(l % 2);
    mask.kept_kv_groups.push_back({static_cast<int64_t>(l) % 2, 3});
  }
  mask.dropped_layers = {2};
  const TemporaryFolder folder;
  SilentProgress progress;
  write_slice(in_folder, plan_slice(in_folder, as_folder, mask), folder / "out", {}, progress);
  write_slice(in_file, plan_slice(in_file, as_file, mask), folder / "out.gguf", {}, progress);
  const Checkpoint cut_folder(folder / "out"), cut_file(folder / "out.gguf");
  const ModelDescription after = describe_model(cut_file);
  const int64_t dim = after.layers.front().head_dim;
  ASSERT_EQ(dim, 8);
  size_t compared = 0;
  for (const auto& entry : cut_file.tensors()) {
    const std::string name = entry.stored.spec.name;
    const std::string theirs = folder_name(name);
    ASSERT_NE(cut_folder.find(theirs), nullptr) << theirs;
    std::vector<float> values = numbers_of(cut_file, name);
    if (name.find("attn_q") != std::string::npos || name.find("attn_k") != std::string::npos) {
      // Row 2 j + half of a head is row half * dim / 2 + j in the folder.
      const auto cols = static_cast<size_t>(entry.stored.spec.shape[1]), head = static_cast<size_t>(dim);
      const std::vector<float> paired = values;
      for (size_t row = 0; row < paired.size() / cols; ++row) {
        const size_t in_head = row % head, to = row - in_head + in_head % 2 * (head / 2) + in_head / 2;
        std::copy_n(paired.begin() + static_cast<long>(row * cols), cols,
                    values.begin() + static_cast<long>(to * cols));
      }
    }
    EXPECT_EQ(cut_folder.at(theirs).stored.spec.shape, entry.stored.spec.shape) << name;
    EXPECT_TRUE(numbers_of(cut_folder, theirs) == values) << name;
    ++compared;
  }
  EXPECT_EQ(compared, cut_folder.tensors().size());
  EXPECT_EQ(after.ffn_widths(), List(4, 100));
  EXPECT_EQ(after.layers[0].kv_heads, 2);
  EXPECT_EQ(cut_file.gguf()->metadata().text("general.architecture", ""), "llama");
}

}  // namespace
}  // namespace prunenet
