// Modules: shared libraries of this program that are opened when they are needed, because what they link costs time at
// the start (libtorch) or brings symbols that must not meet others (the protobuf inside sentencepiece and that of
// libtorch).
#pragma once

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/version.h"

namespace prunenet {

/// Differs when version, borders or compiler differ: then a program and a module must not talk. A module exports it as
/// `prunenet_module_tag`.
inline const char* module_tag() {
  return "prunenet " PRUNENET_VERSION " border 2, " __VERSION__;
}

/// Where a module of that file name is looked for, in order: the folder that the variable PRUNENET_MODULES names (then
/// nowhere else), beside the program, in ../lib/prunenet beside it, and where this build installs it.
std::vector<std::filesystem::path> module_candidates(const std::string& file);

class Module {
 public:
  /// Opens the module and never closes it: objects hold code of it. `needed_for` and `remedy` complete the sentence
  /// that says what is missing: "<needed_for> needs the module x.so, which is not installed (looked for ...);
  /// <remedy>". Throws kNotFound, kUnsupported for a module of another build or what is no module.
  Module(const std::string& file, const std::string& needed_for, const std::string& remedy);

  /// A function that the module exports. Throws kUnsupported where it does not.
  template <typename Function>
  Function function(const char* name) const {
    void* found = symbol(name);
    Function typed = nullptr;
    std::memcpy(&typed, &found, sizeof typed);
    return typed;
  }

 private:
  void* symbol(const char* name) const;

  std::filesystem::path path_;
  void* library_ = nullptr;
};

}  // namespace prunenet
