// The plain forward pass: see plain_forward.h.
#include "plain_forward.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <stdexcept>

namespace prunenet::test {
namespace {

using Vector = std::vector<double>;

double activate(const std::string& name, double x) {
  if (name == "relu") return std::max(x, 0.0);
  if (name == "silu") return x / (1 + std::exp(-x));
  if (name == "gelu") return x * 0.5 * (1 + std::erf(x / std::numbers::sqrt2));
  if (name == "gelu_new" || name == "gelu_pytorch_tanh")
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  throw std::invalid_argument("activation " + name);
}

void add(Vector& to, const Vector& what) {
  for (size_t i = 0; i < to.size(); ++i) to.at(i) += what.at(i);
}

Vector part(const Vector& whole, size_t first, size_t count) {
  Vector out;
  for (size_t i = first; i < first + count; ++i) out.push_back(whole.at(i));
  return out;
}

struct Qkv {
  Vector q, k, v;  // heads side by side
};

class PlainModel {
 public:
  PlainModel(const nlohmann::json& config, const PlainTensors& tensors, size_t length)
      : config_(config), tensors_(tensors), length_(length), type_(config.at("model_type")) {}

  // The logits that follow `id`, which stands after all those fed before.
  Vector feed(TokenId id) {
    Vector logits;
    if (type_ == "opt")
      logits = feed_opt(id);
    else if (type_ == "gpt2")
      logits = feed_gpt2(id);
    else if (type_ == "gpt_neox")
      logits = feed_neox(id);
    else if (type_ == "falcon")
      logits = feed_falcon(id);
    else if (type_ == "phi")
      logits = feed_phi(id);
    else
      logits = feed_llama(id);  // and its likes
    ++position_;
    return logits;
  }

 private:
  template <typename T>
  T get(const char* key, T fallback) const {
    return config_.contains(key) && !config_[key].is_null() ? config_[key].get<T>() : fallback;
  }
  size_t count(const char* key) const { return config_.at(key).get<size_t>(); }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  std::string layer_name(const char* prefix, size_t layer) const { return prefix + std::to_string(layer) + "."; }

  Vector row(const std::string& name, size_t index) const {
    const PlainTensor& table = tensors_.at(name);
    Vector out;
    for (size_t i = 0; i < static_cast<size_t>(table.shape.at(1)); ++i)
      out.push_back(table.values.at(index * static_cast<size_t>(table.shape.at(1)) + i));
    return out;
  }

  // y = W x + b, W stored [out, in]; `transposed` (GPT-2's Conv1D): stored [in, out].
  Vector linear(const std::string& name, const Vector& x, bool transposed = false) const {
    const PlainTensor& w = tensors_.at(name + ".weight");
    const size_t rows = static_cast<size_t>(w.shape.at(0)), columns = static_cast<size_t>(w.shape.at(1));
    if (x.size() != (transposed ? rows : columns)) throw std::invalid_argument("width of " + name);
    Vector y(transposed ? columns : rows, 0.0);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns; ++c) {
        const double weight = w.values.at(r * columns + c);
        if (transposed)
          y[c] += weight * x[r];
        else
          y[r] += weight * x[c];
      }
    }
    if (has(name + ".bias")) {
      for (size_t i = 0; i < y.size(); ++i) y[i] += tensors_.at(name + ".bias").values.at(i);
    }
    return y;
  }

  Vector layer_norm(const std::string& name, const Vector& x, double epsilon) const {
    double mean = 0, variance = 0;
    for (double value : x) mean += value / static_cast<double>(x.size());
    for (double value : x) variance += (value - mean) * (value - mean) / static_cast<double>(x.size());
    Vector y;
    const bool affine = get("layer_norm_elementwise_affine", true);
    for (size_t i = 0; i < x.size(); ++i) {
      y.push_back((x[i] - mean) / std::sqrt(variance + epsilon));
      if (affine) y[i] = y[i] * tensors_.at(name + ".weight").values.at(i) + tensors_.at(name + ".bias").values.at(i);
    }
    return y;
  }

  Vector rms_norm(const std::string& name, const Vector& x, double epsilon) const {
    double square = 0;
    for (double value : x) square += value * value / static_cast<double>(x.size());
    const double offset = type_ == "gemma" ? 1 : 0;  // Gemma stores the weight less one
    Vector y;
    for (size_t i = 0; i < x.size(); ++i)
      y.push_back(x[i] / std::sqrt(square + epsilon) * (offset + tensors_.at(name + ".weight").values.at(i)));
    return y;
  }

  // A norm of each head by itself (Phi).
  Vector norm_heads(const std::string& name, const Vector& x, size_t head_dim, double epsilon) const {
    Vector out;
    for (size_t h = 0; h * head_dim < x.size(); ++h) {
      const Vector y = layer_norm(name, part(x, h * head_dim, head_dim), epsilon);
      out.insert(out.end(), y.begin(), y.end());
    }
    return out;
  }

  // Angle of each pair per position, and what cosine and sine are multiplied by.
  std::pair<Vector, double> frequencies(size_t rotary_dim, double base) const {
    Vector out;
    for (size_t i = 0; i < rotary_dim; i += 2)
      out.push_back(std::pow(base, -static_cast<double>(i) / static_cast<double>(rotary_dim)));
    const auto scaling = get("rope_scaling", nlohmann::json());
    if (!scaling.is_object()) return {out, 1};
    const std::string kind = scaling.contains("rope_type") ? scaling["rope_type"] : scaling.at("type");
    if (kind == "llama3") {
      const double factor = scaling.at("factor"), low = scaling.at("low_freq_factor"),
                   high = scaling.at("high_freq_factor"), old = scaling.at("original_max_position_embeddings");
      for (double& f : out) {
        const double wavelength = 2 * std::numbers::pi / f;
        const double smooth = (old / wavelength - low) / (high - low);
        if (wavelength > old / low)
          f /= factor;
        else if (wavelength >= old / high)
          f = (1 - smooth) * f / factor + smooth * f;
      }
      return {out, 1};
    }
    if (kind != "longrope") throw std::invalid_argument("rope " + kind);
    const double original = config_.at("original_max_position_embeddings"),
                 longest = config_.at("max_position_embeddings");
    const auto factors = scaling.at(static_cast<double>(length_) > original ? "long_factor" : "short_factor");
    for (size_t i = 0; i < out.size(); ++i) out[i] /= factors.at(i).get<double>();
    const double ratio = longest / original;
    return {out, ratio <= 1 ? 1 : std::sqrt(1 + std::log(ratio) / std::log(original))};
  }

  // Turns the first rotary_dim numbers of each head: number i with number i + rotary_dim / 2.
  void rotate(Vector& x, size_t head_dim, size_t rotary_dim, double base) const {
    const auto [angles, scale] = frequencies(rotary_dim, base);
    const size_t half = rotary_dim / 2;
    for (size_t h = 0; h * head_dim < x.size(); ++h) {
      for (size_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(position_) * angles[i];
        double &a = x.at(h * head_dim + i), &b = x.at(h * head_dim + i + half);
        const double turned = scale * (a * std::cos(angle) - b * std::sin(angle));
        b = scale * (b * std::cos(angle) + a * std::sin(angle));
        a = turned;
      }
    }
  }

  // Keeps k and v; mixes the values that this position sees: all before it, or the last `window` with itself.
  Vector attend(size_t layer, const Qkv& now, size_t head_dim, double scale, size_t window = 0) {
    auto& past = past_[layer];
    past.push_back(now);
    const size_t heads = now.q.size() / head_dim, per_group = heads / (now.k.size() / head_dim);
    const size_t first = window > 0 && past.size() > window ? past.size() - window : 0;
    Vector out(now.q.size(), 0.0);
    for (size_t h = 0; h < heads; ++h) {
      const size_t mine = h * head_dim, theirs = h / per_group * head_dim;
      double total = 0;
      Vector mixed(head_dim, 0.0);
      for (size_t j = first; j < past.size(); ++j) {
        double score = 0;
        for (size_t i = 0; i < head_dim; ++i) score += now.q.at(mine + i) * past[j].k.at(theirs + i);
        const double weight = std::exp(score * scale);
        total += weight;
        for (size_t i = 0; i < head_dim; ++i) mixed[i] += weight * past[j].v.at(theirs + i);
      }
      for (size_t i = 0; i < head_dim; ++i) out[mine + i] = mixed[i] / total;
    }
    return out;
  }

  // Queries, keys and values from stacked blocks of heads: in each block `queries` heads of q, one of k, one of v.
  static Qkv unstack(const Vector& stacked, size_t head_dim, size_t queries) {
    Qkv out;
    for (size_t block = 0; block * (queries + 2) * head_dim < stacked.size(); ++block) {
      for (size_t i = 0; i < (queries + 2) * head_dim; ++i) {
        const double value = stacked.at(block * (queries + 2) * head_dim + i);
        (i < queries * head_dim ? out.q : i < (queries + 1) * head_dim ? out.k : out.v).push_back(value);
      }
    }
    return out;
  }

  static double root(size_t head_dim) { return 1 / std::sqrt(static_cast<double>(head_dim)); }

  Vector mlp(const std::string& up, const std::string& down, const Vector& x, const std::string& activation,
             bool transposed = false) const {
    Vector inner = linear(up, x, transposed);
    for (double& value : inner) value = activate(activation, value);
    return linear(down, inner, transposed);
  }

  Vector head(const std::string& own, const std::string& embedding, bool tied, const Vector& x) const {
    return linear(get("tie_word_embeddings", tied) ? embedding : own, x);
  }

  Vector feed_opt(TokenId id) {
    const std::string decoder = "model.decoder.", act = get<std::string>("activation_function", "relu");
    const bool before = get("do_layer_norm_before", true);
    const size_t head_dim = count("hidden_size") / count("num_attention_heads");
    Vector x = row(decoder + "embed_tokens.weight", static_cast<size_t>(id));
    if (get("word_embed_proj_dim", count("hidden_size")) != count("hidden_size")) x = linear(decoder + "project_in", x);
    add(x, row(decoder + "embed_positions.weight", position_ + 2));
    for (size_t layer = 0; layer < count("num_hidden_layers"); ++layer) {
      const std::string name = layer_name("model.decoder.layers.", layer), attention = name + "self_attn.";
      Vector h = before ? layer_norm(name + "self_attn_layer_norm", x, 1e-5) : x;
      const Qkv qkv{linear(attention + "q_proj", h), linear(attention + "k_proj", h), linear(attention + "v_proj", h)};
      add(x, linear(attention + "out_proj", attend(layer, qkv, head_dim, root(head_dim))));
      if (!before) x = layer_norm(name + "self_attn_layer_norm", x, 1e-5);
      h = before ? layer_norm(name + "final_layer_norm", x, 1e-5) : x;
      add(x, mlp(name + "fc1", name + "fc2", h, act));
      if (!before) x = layer_norm(name + "final_layer_norm", x, 1e-5);
    }
    if (before && !get("_remove_final_layer_norm", false)) x = layer_norm(decoder + "final_layer_norm", x, 1e-5);
    if (get("word_embed_proj_dim", count("hidden_size")) != count("hidden_size"))
      x = linear(decoder + "project_out", x);
    return head("lm_head", decoder + "embed_tokens", true, x);
  }

  Vector feed_gpt2(TokenId id) {
    const double epsilon = get("layer_norm_epsilon", 1e-5);
    const size_t hidden = count("n_embd"), head_dim = hidden / count("n_head");
    Vector x = row("transformer.wte.weight", static_cast<size_t>(id));
    add(x, row("transformer.wpe.weight", position_));
    for (size_t layer = 0; layer < count("n_layer"); ++layer) {
      const std::string name = layer_name("transformer.h.", layer);
      const Vector all = linear(name + "attn.c_attn", layer_norm(name + "ln_1", x, epsilon), true);
      const Qkv qkv{part(all, 0, hidden), part(all, hidden, hidden), part(all, 2 * hidden, hidden)};
      double scale = get("scale_attn_weights", true) ? root(head_dim) : 1;
      if (get("scale_attn_by_inverse_layer_idx", false)) scale /= static_cast<double>(layer + 1);
      add(x, linear(name + "attn.c_proj", attend(layer, qkv, head_dim, scale), true));
      add(x, mlp(name + "mlp.c_fc", name + "mlp.c_proj", layer_norm(name + "ln_2", x, epsilon),
                 get<std::string>("activation_function", "gelu_new"), true));
    }
    return head("lm_head", "transformer.wte", true, layer_norm("transformer.ln_f", x, epsilon));
  }

  Vector feed_neox(TokenId id) {
    const double epsilon = get("layer_norm_eps", 1e-5), base = get("rotary_emb_base", 10000.0);
    const size_t head_dim = count("hidden_size") / count("num_attention_heads");
    const size_t rotary = static_cast<size_t>(static_cast<double>(head_dim) * get("rotary_pct", 0.25));
    Vector x = row("gpt_neox.embed_in.weight", static_cast<size_t>(id));
    for (size_t layer = 0; layer < count("num_hidden_layers"); ++layer) {
      const std::string name = layer_name("gpt_neox.layers.", layer);
      Qkv qkv = unstack(linear(name + "attention.query_key_value", layer_norm(name + "input_layernorm", x, epsilon)),
                        head_dim, 1);
      rotate(qkv.q, head_dim, rotary, base);
      rotate(qkv.k, head_dim, rotary, base);
      const Vector attention = linear(name + "attention.dense", attend(layer, qkv, head_dim, root(head_dim)));
      Vector middle = x;
      if (!get("use_parallel_residual", true)) add(middle, attention);
      add(x, attention);
      add(x,
          mlp(name + "mlp.dense_h_to_4h", name + "mlp.dense_4h_to_h",
              layer_norm(name + "post_attention_layernorm", middle, epsilon), get<std::string>("hidden_act", "gelu")));
    }
    return head("embed_out", "gpt_neox.embed_in", false, layer_norm("gpt_neox.final_layer_norm", x, epsilon));
  }

  Vector feed_falcon(TokenId id) {
    const double epsilon = get("layer_norm_epsilon", 1e-5), base = get("rope_theta", 10000.0);
    const bool renewed = get("new_decoder_architecture", false), parallel = get("parallel_attn", true);
    const size_t heads = count("num_attention_heads"), head_dim = count("hidden_size") / heads;
    const size_t queries = renewed ? heads / get("num_kv_heads", heads) : get("multi_query", true) ? heads : 1;
    const bool two_norms = renewed && get("num_ln_in_parallel_attn", 2) == 2;
    Vector x = row("transformer.word_embeddings.weight", static_cast<size_t>(id));
    for (size_t layer = 0; layer < count("num_hidden_layers"); ++layer) {
      const std::string name = layer_name("transformer.h.", layer);
      const Vector h = layer_norm(name + (two_norms ? "ln_attn" : "input_layernorm"), x, epsilon);
      Qkv qkv = unstack(linear(name + "self_attention.query_key_value", h), head_dim, queries);
      rotate(qkv.q, head_dim, head_dim, base);
      rotate(qkv.k, head_dim, head_dim, base);
      const Vector attention = linear(name + "self_attention.dense", attend(layer, qkv, head_dim, root(head_dim)));
      Vector middle = two_norms ? layer_norm(name + "ln_mlp", x, epsilon) : h;
      add(x, attention);
      if (!renewed && !parallel) middle = layer_norm(name + "post_attention_layernorm", x, epsilon);
      add(x,
          mlp(name + "mlp.dense_h_to_4h", name + "mlp.dense_4h_to_h", middle, get<std::string>("activation", "gelu")));
    }
    return head("lm_head", "transformer.word_embeddings", true, layer_norm("transformer.ln_f", x, epsilon));
  }

  Vector feed_phi(TokenId id) {
    const double epsilon = get("layer_norm_eps", 1e-5), base = get("rope_theta", 10000.0);
    const size_t head_dim = count("hidden_size") / count("num_attention_heads");
    const size_t rotary = static_cast<size_t>(static_cast<double>(head_dim) * get("partial_rotary_factor", 0.5));
    Vector x = row("model.embed_tokens.weight", static_cast<size_t>(id));
    for (size_t layer = 0; layer < count("num_hidden_layers"); ++layer) {
      const std::string name = layer_name("model.layers.", layer), attention = name + "self_attn.";
      const Vector h = layer_norm(name + "input_layernorm", x, epsilon);
      Qkv qkv{linear(attention + "q_proj", h), linear(attention + "k_proj", h), linear(attention + "v_proj", h)};
      if (get("qk_layernorm", false)) {
        qkv.q = norm_heads(attention + "q_layernorm", qkv.q, head_dim, epsilon);
        qkv.k = norm_heads(attention + "k_layernorm", qkv.k, head_dim, epsilon);
      }
      rotate(qkv.q, head_dim, rotary, base);
      rotate(qkv.k, head_dim, rotary, base);
      add(x, linear(attention + "dense", attend(layer, qkv, head_dim, root(head_dim))));
      add(x, mlp(name + "mlp.fc1", name + "mlp.fc2", h, get<std::string>("hidden_act", "gelu_new")));
    }
    return head("lm_head", "model.embed_tokens", false, layer_norm("model.final_layernorm", x, epsilon));
  }

  // How many of the last positions layer `layer` sees; 0: all.
  size_t window(size_t layer) const {
    if (type_ == "qwen2" && (!get("use_sliding_window", false) || layer < get<size_t>("max_window_layers", 28)))
      return 0;
    return type_ == "qwen2" || type_ == "mistral" || type_ == "phi3" ? get<size_t>("sliding_window", 0) : 0;
  }

  Vector feed_llama(TokenId id) {
    const double epsilon = get("rms_norm_eps", 1e-6), base = get("rope_theta", 10000.0);
    const size_t hidden = count("hidden_size"), head_dim = get("head_dim", hidden / count("num_attention_heads"));
    const size_t rotary = static_cast<size_t>(static_cast<double>(head_dim) * get("partial_rotary_factor", 1.0));
    const std::string act = type_ == "gemma" ? "gelu_pytorch_tanh" : get<std::string>("hidden_act", "silu");
    Vector x = row("model.embed_tokens.weight", static_cast<size_t>(id));
    if (type_ == "gemma") {
      for (double& value : x) value *= std::sqrt(static_cast<double>(hidden));
    }
    for (size_t layer = 0; layer < count("num_hidden_layers"); ++layer) {
      const std::string name = layer_name("model.layers.", layer), attention = name + "self_attn.";
      Vector h = rms_norm(name + "input_layernorm", x, epsilon);
      Qkv qkv;
      if (type_ == "phi3") {
        const Vector all = linear(attention + "qkv_proj", h);
        const size_t queries = count("num_attention_heads") * head_dim, keys = count("num_key_value_heads") * head_dim;
        qkv = {part(all, 0, queries), part(all, queries, keys), part(all, queries + keys, keys)};
      } else {
        qkv = {linear(attention + "q_proj", h), linear(attention + "k_proj", h), linear(attention + "v_proj", h)};
      }
      rotate(qkv.q, head_dim, rotary, base);
      rotate(qkv.k, head_dim, rotary, base);
      add(x, linear(attention + "o_proj", attend(layer, qkv, head_dim, root(head_dim), window(layer))));
      h = rms_norm(name + "post_attention_layernorm", x, epsilon);
      Vector gate, up;
      if (type_ == "phi3") {
        const Vector both = linear(name + "mlp.gate_up_proj", h);
        gate = part(both, 0, both.size() / 2);
        up = part(both, both.size() / 2, both.size() / 2);
      } else {
        gate = linear(name + "mlp.gate_proj", h);
        up = linear(name + "mlp.up_proj", h);
      }
      for (size_t i = 0; i < up.size(); ++i) up[i] *= activate(act, gate.at(i));
      add(x, linear(name + "mlp.down_proj", up));
    }
    return head("lm_head", "model.embed_tokens", type_ == "gemma", rms_norm("model.norm", x, epsilon));
  }

  const nlohmann::json& config_;
  const PlainTensors& tensors_;
  size_t length_;  // of the whole sequence: longrope asks for it
  std::string type_;
  size_t position_ = 0;
  std::map<size_t, std::vector<Qkv>> past_;
};

}  // namespace

std::vector<std::vector<double>> plain_logits(const nlohmann::json& config, const PlainTensors& tensors,
                                              const std::vector<TokenId>& ids) {
  PlainModel model(config, tensors, ids.size());
  std::vector<std::vector<double>> logits;
  for (TokenId id : ids) logits.push_back(model.feed(id));
  return logits;
}

}  // namespace prunenet::test
