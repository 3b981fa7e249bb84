// Opening modules with dlopen.
#include "base/module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <system_error>

#include "base/error.h"
#include "base/install_path.h"

namespace prunenet {

namespace fs = std::filesystem;

std::vector<fs::path> module_candidates(const std::string& file) {
  if (const char* folder = std::getenv("PRUNENET_MODULES"); folder != nullptr && *folder != '\0')
    return {fs::path(folder) / file};
  std::vector<fs::path> candidates;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    candidates.push_back(program.parent_path() / file);
    candidates.push_back(program.parent_path().parent_path() / "lib" / "prunenet" / file);
  }
  candidates.push_back(fs::path(PRUNENET_MODULE_FOLDER) / file);
  return candidates;
}

Module::Module(const std::string& file, const std::string& needed_for, const std::string& remedy) {
  std::string looked;
  for (const fs::path& path : module_candidates(file)) {
    std::error_code error;
    looked += (looked.empty() ? "" : ", ") + path.string();
    if (!fs::exists(path, error)) continue;
    path_ = path;
    library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr)
      fail(ErrorCode::kNotFound, path.string(), "the module cannot be opened ({}); {}", dlerror(), remedy);
    const char* found = function<const char* (*)()>("prunenet_module_tag")();
    if (std::strcmp(found, module_tag()) != 0) {
      fail(ErrorCode::kUnsupported, path.string(),
           "the module is of another build ('{}', this program is '{}'): build both together", found, module_tag());
    }
    return;
  }
  fail(ErrorCode::kNotFound, file, "{} needs this module, which is not installed (looked for {}); {}", needed_for,
       looked, remedy);
}

void* Module::symbol(const char* name) const {
  void* found = dlsym(library_, name);
  if (found == nullptr) fail(ErrorCode::kUnsupported, path_.string(), "is no module of prunenet: it lacks '{}'", name);
  return found;
}

}  // namespace prunenet
