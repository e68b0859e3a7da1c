# Copied by install.sh to be the CMakeLists.txt of a project of its own.
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C CXX)
find_package(shoal 0.1 REQUIRED)
add_executable(in-c program.c)
target_link_libraries(in-c PRIVATE shoal::shoal)
add_executable(in-cxx program.cc)
target_link_libraries(in-cxx PRIVATE shoal::shoal)
set_target_properties(in-cxx PROPERTIES CXX_STANDARD 17 CXX_EXTENSIONS OFF)
