# Flags of our own code: warnings, hardening, sanitizers.
add_library(postrider_flags INTERFACE)

target_compile_options(postrider_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla -Walloca -Wformat=2
  -Wnull-dereference -Wdouble-promotion -Wcast-qual -Wcast-function-type
  -Wwrite-strings -Wpointer-arith -Wredundant-decls -Wdate-time -Wswitch-enum)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(postrider_flags INTERFACE
    -Wcast-align=strict -Wimplicit-fallthrough=5 -Wduplicated-cond -Wduplicated-branches
    -Wlogical-op)
else()
  target_compile_options(postrider_flags INTERFACE -Wimplicit-fallthrough
    -Wno-gnu-statement-expression)
endif()
if(POSTRIDER_WERROR)
  target_compile_options(postrider_flags INTERFACE -Werror)
endif()

target_compile_options(postrider_flags INTERFACE
  -include ${CMAKE_SOURCE_DIR}/include/postrider/base/banned.h
  -fstack-protector-strong -fstack-clash-protection -fno-omit-frame-pointer)
target_compile_definitions(postrider_flags INTERFACE _GNU_SOURCE)
target_link_options(postrider_flags INTERFACE -pie -Wl,-z,relro,-z,now)

if(POSTRIDER_SANITIZE)
  target_compile_options(postrider_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  target_link_options(postrider_flags INTERFACE -fsanitize=address,undefined)
  # The optimizer's view under sanitizers yields false alarms of this one warning.
  target_compile_options(postrider_flags INTERFACE -Wno-null-dereference)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(postrider_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
