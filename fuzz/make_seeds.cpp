// Writes the seeds and dictionaries of the fuzz targets: fuzz_make_seeds FOLDER. Valid files and each kind of hostile
// one; nothing random, so that every build starts from the same.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "seeds.h"

namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using namespace prunenet::fuzz;

std::string file_of(const std::string& json, size_t data_bytes = 0) {
  return with_length(json.size(), json + std::string(data_bytes, 'd'));
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" + offsets + "]}";
}

Seeds safetensors_seeds() {
  const std::string a = entry("a", "F32", "2", "0,8"), b = entry("b", "BF16", "2,3", "8,20");
  return {
      {"valid_two", file_of("{" + a + "," + b + "}", 20)},
      {"valid_unordered", file_of("{" + b + "," + a + R"(,"__metadata__":{"format":"pt"}}   )", 20)},
      {"valid_nothing", file_of("{}      ")},
      {"valid_metadata_alone", file_of(R"({"__metadata__":{"a":"b","c":""}})")},
      {"valid_scalar_and_empty",
       file_of("{" + entry("s", "I64", "", "0,8") + "," + entry("e", "F16", "0,4", "8,8") + "}", 8)},
      {"valid_escaped", file_of("{" + entry(R"(\"\u00e4\\\n)", "U8", "1", "0,1") + "}", 1)},
      {"valid_all_types",
       file_of("{" + entry("0", "F64", "1", "0,8") + "," + entry("1", "U64", "1", "8,16") + "," +
                   entry("2", "I32", "1", "16,20") + "," + entry("3", "U32", "1", "20,24") + "," +
                   entry("4", "I16", "1", "24,26") + "," + entry("5", "U16", "1", "26,28") + "," +
                   entry("6", "I8", "1", "28,29") + "," + entry("7", "BOOL", "1", "29,30") + "," +
                   entry("8", "F8_E4M3", "1", "30,31") + "," + entry("9", "F8_E5M2", "1", "31,32") + "}",
               32)},
      {"valid_wide_empty", file_of("{" + entry("a", "U8", "0,9223372036854775807", "0,0") + "}")},
      {"hostile_short", "1234567"},
      {"hostile_length", with_length(~uint64_t{0}, "{}")},
      {"hostile_length_beyond", with_length(3, "{}")},
      {"hostile_truncated", file_of("{" + a + "}", 7)},
      {"hostile_trailing", file_of("{" + a + "}", 9)},
      {"hostile_overlap", file_of("{" + a + "," + entry("b", "U8", "4", "4,8") + "}", 8)},
      {"hostile_gap", file_of("{" + a + "," + entry("b", "U8", "1", "9,10") + "}", 10)},
      {"hostile_backwards", file_of("{" + entry("a", "U8", "1", "1,0") + "}", 1)},
      {"hostile_wrapping", file_of("{" + entry("a", "F32", "4294967296,4294967296", "0,0") + "}")},
      {"hostile_number", file_of("{" + entry("a", "U8", "1e999", "0,18446744073709551615") + "}", 1)},
      {"hostile_dtype", file_of("{" + entry("a", "F4", "1", "0,1") + "}", 1)},
      {"hostile_twice", file_of("{" + a + "," + a + "}", 8)},
      {"hostile_nesting", file_of(R"({"a":{"shape":)" + std::string(500, '['))},
      {"hostile_zero_byte", file_of("{}\0garbage"s)},
      {"hostile_utf8", file_of("{\"\xff\xc0\":{}}")},
  };
}

Seeds json_seeds() {
  const std::string index = R"({"metadata":{"total_size":8},"weight_map":{"a":"1.safetensors","b":"../x"}})";
  Seeds texts{
      {"index", index},
      {"index_twice", R"({"weight_map":{"a":"f"},"weight_map":{"a":"f","\u0061":"g"}})"},
      {"index_two_maps", R"({"weight_map":{"b":"g"},"weight_map":{"a":"f"}})"},
      {"index_list", R"({"weight_map":["a"]})"},
      {"index_nested", R"({"weight_map":{"a":{"b":[[[]]]}}})"},
      {"config", "{\n  \"a\": [1, 2.5e-3],\n  \"width\" : 11008,\n  \"t\": {\"width\": 1}\n}\n"},
      {"config_twice", R"({"width":1,"":2,"wid\u0074h":"},\"{","":null})"},
      {"config_escapes", R"({"\"\\\u00e4":{"a":"\\\""},"a":"\ud83d\ude00"})"},
      {"config_empty", " { } "},
      {"config_mark", "\xef\xbb\xbf{\"width\":1}"},
      {"config_zero_byte", "{}\0{"s},
      {"config_nesting", R"({"a":)" + std::string(70, '[') + std::string(70, ']') + "}"},
      {"no_object", "[{}]"},
      {"no_json", "{'a':NaN}"},
  };
  Seeds seeds;
  for (const auto& [name, text] : texts) {
    for (char choice : {'\0', '\5', '\n', '\17'}) seeds.emplace_back(name + std::to_string(int{choice}), choice + text);
  }
  return seeds;
}

Seeds tokenizer_seeds() {
  const std::string text = "\0Hello  w\xc3\xb6rld 12345 <s>\xff \xe6\x88\x91\n\n  x"s;
  const std::string vocabulary =
      R"("vocab":{"<s>":0,"H":1,"e":2,"l":3,"o":4,"ll":5,"he":6,"\u0120":7,"\u2581":8,"1":9,"12":10,"\u00ff":11,"<0xFF>":12,"<unk>":13})";
  const std::string added =
      R"("added_tokens":[{"id":0,"content":"<s>","special":true,"normalized":false},{"id":14,"content":"  ","lstrip":true}])";
  const auto whole = [&](const std::string& model, const std::string& steps) {
    return "{" + added + "," + steps + R"(,"model":{"type":"BPE",)" + vocabulary + "," + model + "}}" + text;
  };
  const std::string merges = R"("merges":["l l",["1","2"]])";
  const std::string byte_level = R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":true})";
  return {
      {"byte_level",
       whole(merges, R"("normalizer":{"type":"NFC"},"pre_tokenizer":)" + byte_level + R"(,"decoder":)" + byte_level)},
      {"split",
       whole(
           merges + R"(,"ignore_merges":true)",
           R"x("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+(?!\\S)"},)x"
           R"("behavior":"MergedWithNext","invert":true},{"type":"Digits","individual_digits":false},)" +
               byte_level + R"(,{"type":"Punctuation","behavior":"Contiguous"}]})")},
      {"pieces",
       whole(
           R"("merges":[],"byte_fallback":true,"unk_token":"<unk>","fuse_unk":true)",
           R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":)"
           R"({"String":" "},"content":"\u2581"},{"type":"Lowercase"},{"type":"Strip"}]},"decoder":{"type":"Sequence","decoders":)"
           R"([{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},)"
           R"({"type":"Strip","content":" ","start":1,"stop":0}]},"post_processor":{"type":"TemplateProcessing","single":)"
           R"([{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[0]}}})")},
      {"metaspace",
       whole(merges, R"("pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"},)"
                     R"("decoder":{"type":"Metaspace","replacement":"\u2581"},"post_processor":)" +
                         byte_level)},
      {"words", whole(merges, R"("pre_tokenizer":{"type":"Whitespace"})")},
      {"truncated", whole(merges, R"("pre_tokenizer":null)").substr(0, 200)},
  };
}

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

void write_all(const fs::path& folder, const Seeds& seeds) {
  fs::create_directories(folder);
  for (const auto& [name, bytes] : seeds) write(folder / name, bytes);
}

std::string dictionary(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += '"';
    for (char c : word) {
      constexpr std::string_view kHex = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte > 0x7e) {
        text += "\\x"s + kHex[byte >> 4] + kHex[byte & 15];
      } else {
        text += c == '"' || c == '\\' ? "\\"s + c : std::string(1, c);
      }
    }
    text += "\"\n";
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const fs::path folder = argv[1];
  write_all(folder / "safetensors", safetensors_seeds());
  write_all(folder / "json", json_seeds());
  write(folder / "safetensors.dict",
        dictionary({R"("dtype":)", R"("shape":[)", R"("data_offsets":[)", R"("__metadata__":{)", "F32", "BF16", "F16",
                    "F64", "U8", "I64", "BOOL", "F8_E4M3", "[0,0]", "[]", "9223372036854775807", "18446744073709551615",
                    "\\u0061", entry("x", "U8", "", "0,1"), entry("y", "U8", "0", "0,0")}));
  write_all(folder / "gguf", gguf_seeds());
  write(folder / "gguf.dict", dictionary(gguf_words()));
  write_all(folder / "gguf_model", gguf_model_seeds());
  write(folder / "gguf_model.dict", dictionary(gguf_model_words()));
  write_all(folder / "tokenizer", tokenizer_seeds());
  write(folder / "tokenizer.dict", dictionary({R"("type":")",
                                               "ByteLevel",
                                               "Sequence",
                                               "Split",
                                               "Digits",
                                               "Punctuation",
                                               "Whitespace",
                                               "WhitespaceSplit",
                                               "Metaspace",
                                               "NFKC",
                                               "NFD",
                                               "Replace",
                                               "Regex",
                                               "String",
                                               "Isolated",
                                               "Removed",
                                               "Contiguous",
                                               "MergedWithNext",
                                               "MergedWithPrevious",
                                               "ByteFallback",
                                               "Fuse",
                                               "Strip",
                                               "true",
                                               "false",
                                               "null",
                                               R"("single_word":true)",
                                               R"("rstrip":true)",
                                               R"("normalized":true)",
                                               "\\p{L}",
                                               "\\s+",
                                               "(?!",
                                               "2147483647"}));
  write(folder / "json.dict",
        dictionary({R"("weight_map":{)", R"("metadata":{)", R"("width":)", R"("a":"b")", "\\u0061", "\\\"", "\\\\",
                    "\\ud83d\\ude00", "null", "true", "1e9", "[[", "]]", "{}", "\"\":"}));
  return 0;
}
