# Files that the program carries inside: each becomes `const unsigned char NAME[]` (with a NUL behind) and `NAME_len` in
# generated/embedded.c, declared in generated/embedded.h. A change of a file rebuilds it.
set(POSTRIDER_EMBEDDED "" CACHE INTERNAL "")

function(postrider_embed target)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/store/lua/*.lua
       ${CMAKE_SOURCE_DIR}/src/changelog/lua/*.lua ${CMAKE_SOURCE_DIR}/src/ui/assets/* ${CMAKE_SOURCE_DIR}/src/api/assets/*)
  set(header ${CMAKE_BINARY_DIR}/generated/embedded.h)
  set(source ${CMAKE_BINARY_DIR}/generated/embedded.c)
  add_custom_command(OUTPUT ${header} ${source}
    COMMAND ${CMAKE_COMMAND} -DHEADER=${header} -DSOURCE=${source} "-DFILES=${files}"
            -P ${CMAKE_SOURCE_DIR}/config/cmake/embed.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/config/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${header} ${source})
endfunction()
