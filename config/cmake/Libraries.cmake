# The foreign libraries, all from Debian 12; docs/DEPENDENCIES.md says why each.
find_package(PkgConfig REQUIRED)
pkg_check_modules(POSTRIDER_DEPS REQUIRED IMPORTED_TARGET
  libuv>=1.44 openssl>=3.0 jansson>=2.14 hiredis>=0.14 libmicrohttpd>=0.9.75 libcurl>=7.88
  gmime-3.0)

add_library(postrider_libraries INTERFACE)
target_link_libraries(postrider_libraries INTERFACE PkgConfig::POSTRIDER_DEPS)
