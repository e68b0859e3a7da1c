# SPDX-License-Identifier: Apache-2.0
# How everything in this tree is compiled and linked. Nothing here is particular to a processor.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(THREADS_PREFER_PTHREAD_FLAG OFF)
find_package(Threads REQUIRED)
find_package(PkgConfig)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
	set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow
	"$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>")
if(SHOAL_WERROR)
	add_compile_options(-Werror)
endif()
# -z now: no lazy binding, so that a call never runs the dynamic linker half-way through an
# operation (torture/step goes through every instruction, and latency is not spent at first use).
add_link_options(LINKER:-z,relro LINKER:-z,now)

if(SHOAL_SANITIZE)
	add_compile_options(-fsanitize=${SHOAL_SANITIZE} -fno-sanitize-recover=all)
	add_link_options(-fsanitize=${SHOAL_SANITIZE})
	if(SHOAL_SANITIZE MATCHES thread AND CMAKE_C_COMPILER_ID STREQUAL GNU)
		# gcc says that TSan does not model fences. It is right; the tests labelled tsan
		# are those that don't depend on one.
		add_compile_options(-Wno-tsan)
	endif()
endif()

# Find the library from the build tree and, once installed, from wherever the prefix was moved.
file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set(CMAKE_INSTALL_RPATH "$ORIGIN/${bin_to_lib}")

add_custom_target(product)
