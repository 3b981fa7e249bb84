// The linked BLAS, told by the symbols that only it has and by the file it was loaded from.
#include "linalg/blas_info.h"

#include <cblas.h>
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

namespace prunenet {
namespace {

std::string loaded_from(const void* symbol) {
  Dl_info info{};
  if (dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return "";
  std::error_code error;
  const auto real = std::filesystem::canonical(info.dli_fname, error);
  return error ? info.dli_fname : real.string();
}

}  // namespace

BlasInfo blas_info() {
  const std::string file = loaded_from(reinterpret_cast<const void*>(&cblas_sgemm));
  const auto named = [&](const std::string& name, bool optimised) { return BlasInfo{name + " (" + file + ")", optimised}; };
  if (void* config = dlsym(RTLD_DEFAULT, "openblas_get_config")) {
    return named(reinterpret_cast<char* (*)()>(config)(), true);
  }
  if (dlsym(RTLD_DEFAULT, "MKL_Get_Max_Threads") != nullptr) return named("Intel MKL", true);
  if (void* version = dlsym(RTLD_DEFAULT, "bli_info_get_version_str")) {
    return named(std::string("BLIS ") + reinterpret_cast<const char* (*)()>(version)(), true);
  }
  if (dlsym(RTLD_DEFAULT, "ATL_buildinfo") != nullptr) return named("ATLAS", true);
  return named("reference BLAS", false);
}

std::string arithmetic_name() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)  // as in clones.h
  const char* clones = __builtin_cpu_supports("avx512f") ? "avx512f" : __builtin_cpu_supports("avx2") ? "avx2" : "default";
#else
  const char* clones = "default";
#endif
  return blas_info().name + ", kernels for " + clones;
}

}  // namespace prunenet
