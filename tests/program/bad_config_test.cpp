// Configs that are spoilt, of models that cannot be pruned, or that contradict the tensors beside them.
#include "program/refusal.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

class BadConfig : public Refusal {
 protected:
  TinyModel tiny_ = tiny_model();
  fs::path config() const { return model() / "config.json"; }

  void expect_model_refused(const std::vector<std::string>& fragments) const {
    fs::remove_all(model());
    tiny_.write(model());
    expect_refused(prune(), fragments);
    expect_refused({"inspect", model()}, fragments);
  }
  void expect_config_refused(const std::string& text, const std::vector<std::string>& fragments) const {
    fs::remove_all(model());
    tiny_.write(model());
    write_bytes(config(), text);
    expect_refused(prune(), fragments);
  }
};

TEST_F(BadConfig, NoFolder) {
  expect_refused(prune(), {model(), "no such folder"});
}

TEST_F(BadConfig, ModelThatIsAFile) {
  write_bytes(model(), "not a folder");
  expect_refused(prune(), {model(), "is neither a folder nor a GGUF file"});
}

TEST_F(BadConfig, NoConfig) {
  tiny_.write(model());
  fs::remove(config());
  expect_refused(prune(), {model(), "has no config.json"});
}

TEST_F(BadConfig, NoJson) {
  expect_config_refused("", {config(), "is no JSON"});
  expect_config_refused("{\"hidden_size\": 8,", {config(), "is no JSON"});
  expect_config_refused("[1, 2, 3]", {config(), "is not a JSON object"});
  expect_config_refused("{\"deep\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}",
                        {config(), "nested deeper than 64 levels"});
}

TEST_F(BadConfig, MissingHiddenSize) {
  tiny_.config.erase("hidden_size");
  expect_model_refused({config(), "lacks 'hidden_size'"});
}

TEST_F(BadConfig, HiddenSizeThatIsNoSize) {
  const std::string expected = "expected a whole number from 1 to 2147483647";
  tiny_.config["hidden_size"] = "8";
  expect_model_refused({config(), "'hidden_size' is \"8\"", expected});
  tiny_.config["hidden_size"] = -8;
  expect_model_refused({config(), "'hidden_size' is -8", expected});
  tiny_.config["hidden_size"] = 0;
  expect_model_refused({config(), "'hidden_size' is 0", expected});
  tiny_.config["hidden_size"] = 1e30;
  expect_model_refused({config(), "'hidden_size' is 1e+30", expected});
  tiny_.config["hidden_size"] = ~uint64_t{0};
  expect_model_refused({config(), "'hidden_size' is 18446744073709551615", expected});
}

TEST_F(BadConfig, UnknownFamily) {
  tiny_.config["model_type"] = "bert";
  expect_model_refused({config(), "model family 'bert' is not supported", "supported are", "llama"});
}

TEST_F(BadConfig, NoFamilyAtAll) {
  tiny_.config.erase("model_type");
  tiny_.config.erase("architectures");
  expect_model_refused({config(), "the family is unknown"});
}

TEST_F(BadConfig, MixtureOfExperts) {
  tiny_.config["model_type"] = "mixtral";
  tiny_.config["num_local_experts"] = 8;
  expect_model_refused({config(), "'mixtral' is a mixture of experts", "num_local_experts"});
}

TEST_F(BadConfig, QuantisedWeights) {
  tiny_.config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  expect_model_refused({config(), "'llama'", "quantised", "quantization_config"});
}

TEST_F(BadConfig, MoreLayersThanTensors) {
  tiny_.config["num_hidden_layers"] = 3;
  expect_model_refused({config(), "model.layers.2.mlp.", "not there"});
  tiny_.config["num_hidden_layers"] = 2'000'000'000;
  expect_model_refused({config(), "2000000000 layers"});
}

TEST_F(BadConfig, FewerLayersThanTensors) {
  tiny_.config["num_hidden_layers"] = 1;
  expect_model_refused({config(), "states 1 layers", "'model.layers.1."});
}

TEST_F(BadConfig, UpOfAnotherWidthThanGate) {
  tiny_.tensor(tiny_ffn_tensor(1, "up")) = f32_tensor(tiny_ffn_tensor(1, "up"), {10, 8}, std::vector<float>(80));
  expect_model_refused({config(), "model.layers.1.mlp.", "has shape [12, 8], expected [10, 8]"});
}

TEST_F(BadConfig, DownOfAnotherWidth) {
  tiny_.tensor(tiny_ffn_tensor(0, "down")) = f32_tensor(tiny_ffn_tensor(0, "down"), {8, 11}, std::vector<float>(88));
  expect_model_refused({config(), tiny_ffn_tensor(0, "down"), "has shape [8, 11], expected [8, 12]"});
}

TEST_F(BadConfig, HiddenSizeThatTheTensorsDoNotHave) {
  tiny_.config["hidden_size"] = 16;
  expect_model_refused({config(), "model.layers.0.mlp.", "has shape [12, 8], expected [12, 16]"});
}

TEST_F(BadConfig, FfnTensorThatIsNoMatrix) {
  tiny_.tensor(tiny_ffn_tensor(0, "up")).spec.shape = {12, 4, 2};
  expect_model_refused({config(), tiny_ffn_tensor(0, "up"), "F32 [12, 4, 2]", "expected a matrix"});
}

TEST_F(BadConfig, MissingFfnTensor) {
  tiny_.remove(tiny_ffn_tensor(1, "gate"));
  expect_model_refused({config(), tiny_ffn_tensor(1, "gate"), "not there"});
}

TEST_F(BadConfig, FfnTensorOfIntegers) {
  for (const std::string matrix : {"gate", "up", "down"}) {
    tiny_ = tiny_model();
    tiny_.tensor(tiny_ffn_tensor(1, matrix)).spec.dtype = Dtype::kI32;
    expect_model_refused({config(), tiny_ffn_tensor(1, matrix), "is I32", "must be F64, F32, F16 or BF16"});
  }
}

}  // namespace
}  // namespace prunenet::test
