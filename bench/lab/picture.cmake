# SPDX-License-Identifier: Apache-2.0
# Pictures of a run, from its JSON alone: a static library for the program that measures.
if(PkgConfig_FOUND)
	pkg_check_modules(jansson QUIET IMPORTED_TARGET GLOBAL jansson)
endif()
if(NOT jansson_FOUND)
	message(STATUS "No jansson: no pictures of runs (scripts/install-packages build)")
	return()
endif()

set(lab ${CMAKE_CURRENT_LIST_DIR})
add_library(bench_picture STATIC
	${lab}/picture.c ${lab}/picture_bars.c ${lab}/picture_facts.c ${lab}/picture_html.c
	${lab}/picture_latency.c ${lab}/picture_panel.c ${lab}/picture_series.c
	${lab}/picture_style.c ${lab}/picture_svg.c
	${lab}/run_document.c ${lab}/run_text.c)
target_include_directories(bench_picture PUBLIC ${lab})
target_link_libraries(bench_picture PUBLIC PkgConfig::jansson PRIVATE m)
