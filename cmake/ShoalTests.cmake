# SPDX-License-Identifier: Apache-2.0
#
# Tests. Register every test through one of these, never through add_test:
#
#   shoal_unit_test(lane lane_test.c)               -> unit.lane      (src/ does this by itself)
#   shoal_process_test(process.kill kill.c)         -> process.kill   an executable with cmocka
#   shoal_script_test(cli.pub pub.sh args...)       -> cli.pub        any executable script
#
# A process test links shoal_internal (so "object/object.h" and <shoal/...> are in reach) and
# cmocka. More words, after the sources or the arguments of a script:
#
#   LABELS tsan       runs under ThreadSanitizer too. Only such tests do.
#   LABELS no-asan    does not run under AddressSanitizer (it single-steps, or counts memory)
#   LABELS lint       runs in the release build only
#   TIMEOUT 300       seconds; the default is 120
#   RUN_SERIAL        nothing else runs beside it
#   PROCESSORS 2      counts as so many of ctest's jobs
#   ARGS a b          process test: arguments of the executable
#   LIBRARIES x y     process test: what else it links
#   SHARED            process test: link the shared library instead of shoal_internal
#
# A test runs through scripts/in-scratch: in a folder of its own that is removed afterwards, with
# SHOAL_DIR set to a folder of its own on /dev/shm. It fails when it leaves an object in SHOAL_DIR
# or a process behind. In its environment: SHOAL_BIN (the command), SHOAL_SRC (this tree),
# SHOAL_BUILD (the build tree), CC. Exit code 77 means skipped; say why on stdout.

set(SHOAL_HAVE_TESTS OFF)
if(NOT SHOAL_TESTS STREQUAL "OFF" AND PROJECT_IS_TOP_LEVEL)
	if(PkgConfig_FOUND)
		pkg_check_modules(cmocka QUIET IMPORTED_TARGET cmocka)
	endif()
	if(cmocka_FOUND)
		set(SHOAL_HAVE_TESTS ON)
		enable_testing()
	elseif(SHOAL_TESTS STREQUAL "AUTO")
		message(STATUS "No cmocka: the tests are not built")
	else()
		message(FATAL_ERROR "The tests need cmocka: scripts/install-packages test")
	endif()
endif()

# Reads the words that end a call; sets `wanted` to whether this build runs such a test.
macro(shoal_test_words)
	cmake_parse_arguments(t "RUN_SERIAL;SHARED" "TIMEOUT;PROCESSORS" "LABELS;ARGS;LIBRARIES"
		${ARGN})
	set(wanted ${SHOAL_HAVE_TESTS})
	if(SHOAL_SANITIZE MATCHES thread AND NOT "tsan" IN_LIST t_LABELS)
		set(wanted OFF)
	elseif(SHOAL_SANITIZE MATCHES address AND "no-asan" IN_LIST t_LABELS)
		set(wanted OFF)
	elseif("lint" IN_LIST t_LABELS AND NOT SHOAL_LINT)
		set(wanted OFF)
	endif()
endmacro()

# Registers `command...` as the test `name`, with the words read by shoal_test_words.
function(shoal_register name)
	set(full ${SHOAL_TEST_PREFIX}${name})
	add_test(NAME ${full} COMMAND ${PROJECT_SOURCE_DIR}/scripts/in-scratch ${ARGN})
	if(NOT t_TIMEOUT)
		set(t_TIMEOUT 120)
	endif()
	set_tests_properties(${full} PROPERTIES
		TIMEOUT ${t_TIMEOUT}
		LABELS "${t_LABELS}"
		SKIP_RETURN_CODE 77
		ENVIRONMENT "SHOAL_BIN=${PROJECT_BINARY_DIR}/bin/shoal;SHOAL_SRC=${PROJECT_SOURCE_DIR};SHOAL_BUILD=${PROJECT_BINARY_DIR};SHOAL_SANITIZE=${SHOAL_SANITIZE};CC=${CMAKE_C_COMPILER};UBSAN_OPTIONS=print_stacktrace=1;TSAN_OPTIONS=halt_on_error=1 second_deadlock_stack=1")
	if(t_RUN_SERIAL)
		set_property(TEST ${full} PROPERTY RUN_SERIAL ON)
	endif()
	if(t_PROCESSORS)
		set_property(TEST ${full} PROPERTY PROCESSORS ${t_PROCESSORS})
	endif()
endfunction()

function(shoal_process_test name)
	shoal_test_words(${ARGN})
	if(NOT wanted)
		return()
	endif()
	string(REPLACE . _ target ${name})
	add_executable(${target} ${t_UNPARSED_ARGUMENTS})
	if(t_SHARED)
		target_link_libraries(${target} PRIVATE shoal::shoal)
	else()
		target_link_libraries(${target} PRIVATE shoal_internal)
	endif()
	target_link_libraries(${target} PRIVATE PkgConfig::cmocka Threads::Threads ${t_LIBRARIES})
	shoal_register(${name} $<TARGET_FILE:${target}> ${t_ARGS})
endfunction()

function(shoal_unit_test name)
	shoal_process_test(unit.${name} ${ARGN})
endfunction()

function(shoal_script_test name script)
	shoal_test_words(${ARGN})
	if(NOT wanted)
		return()
	endif()
	get_filename_component(script ${script} ABSOLUTE)
	shoal_register(${name} ${script} ${t_UNPARSED_ARGUMENTS})
endfunction()
