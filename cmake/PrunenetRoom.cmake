# One target a room: a static library made of every .cpp file of src/<room>/.
# prunenet_room(NAME ROOMS <rooms it may use> LIBRARIES <outside libraries>)

add_library(prunenet_flags INTERFACE)
# -ffp-contract=off: a compiler that fuses multiply and add as it likes would make the result depend on it.
target_compile_options(prunenet_flags INTERFACE -Wall -Wextra -Wshadow -Wpedantic -ffp-contract=off
  $<$<BOOL:${PRUNENET_WERROR}>:-Werror>
  # g++ 12 sees overlapping copies inside std::string where there are none (GCC bug 105651).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)

function(prunenet_room name)
  cmake_parse_arguments(ARG "" "" "ROOMS;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.h)
  set(target prunenet_${name})
  add_library(${target} STATIC ${sources})
  add_library(prunenet::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src> $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/generated>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/prunenet>)
  list(TRANSFORM ARG_ROOMS PREPEND prunenet_ OUTPUT_VARIABLE rooms)
  target_link_libraries(${target} PUBLIC ${rooms} ${ARG_LIBRARIES} PRIVATE $<BUILD_INTERFACE:prunenet_flags>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  install(TARGETS ${target} EXPORT prunenet ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/prunenet/${name})
endfunction()

# A module: a shared library "prunenet-NAME.so" that the program opens when it needs it (base/module.h).
# prunenet_module(NAME ROOM <the room whose border it implements> LIBRARIES <outside libraries> SOURCES <files>)
function(prunenet_module name)
  cmake_parse_arguments(ARG "" "ROOM" "LIBRARIES;SOURCES" ${ARGN})
  set(target prunenet_${name}_module)
  add_library(${target} MODULE ${ARG_SOURCES})
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME prunenet-${name})
  target_link_libraries(${target} PRIVATE prunenet_${ARG_ROOM} ${ARG_LIBRARIES} prunenet_flags)
  install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/prunenet)
endfunction()
