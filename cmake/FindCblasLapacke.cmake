# CBLAS and LAPACKE: defines CblasLapacke::CblasLapacke. OpenBLAS is preferred; any other BLAS that offers the
# CBLAS interface is taken where it is missing (the program names what it runs on, and warns of a reference BLAS).
find_path(CblasLapacke_INCLUDE_DIR lapacke.h)
find_path(CblasLapacke_CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES x86_64-linux-gnu aarch64-linux-gnu openblas)
find_library(CblasLapacke_BLAS_LIBRARY NAMES openblas cblas blas)
find_library(CblasLapacke_LAPACKE_LIBRARY lapacke)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CblasLapacke REQUIRED_VARS CblasLapacke_BLAS_LIBRARY CblasLapacke_LAPACKE_LIBRARY
  CblasLapacke_INCLUDE_DIR CblasLapacke_CBLAS_INCLUDE_DIR)
if(CblasLapacke_FOUND AND NOT TARGET CblasLapacke::CblasLapacke)
  add_library(CblasLapacke::CblasLapacke INTERFACE IMPORTED)
  set_target_properties(CblasLapacke::CblasLapacke PROPERTIES
    INTERFACE_LINK_LIBRARIES "${CblasLapacke_BLAS_LIBRARY};${CblasLapacke_LAPACKE_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${CblasLapacke_INCLUDE_DIR};${CblasLapacke_CBLAS_INCLUDE_DIR}")
endif()
