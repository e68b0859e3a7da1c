# SPDX-License-Identifier: Apache-2.0
# Pictures of a run and the comparison of two, from their JSON alone.
if(PkgConfig_FOUND)
	pkg_check_modules(jansson QUIET IMPORTED_TARGET GLOBAL jansson)
	pkg_check_modules(smartcols QUIET IMPORTED_TARGET GLOBAL smartcols)
endif()
if(NOT jansson_FOUND OR NOT smartcols_FOUND)
	message(STATUS "No jansson or smartcols: no pictures of runs (scripts/install-packages build)")
	return()
endif()

set(lab ${CMAKE_CURRENT_LIST_DIR})
add_library(bench_picture STATIC
	${lab}/picture.c ${lab}/picture_bars.c ${lab}/picture_facts.c ${lab}/picture_html.c
	${lab}/picture_latency.c ${lab}/picture_panel.c ${lab}/picture_series.c
	${lab}/picture_style.c ${lab}/picture_svg.c
	${lab}/compare.c ${lab}/compare_table.c ${lab}/run_document.c ${lab}/run_text.c)
target_include_directories(bench_picture PUBLIC ${lab})
target_link_libraries(bench_picture PUBLIC PkgConfig::jansson PRIVATE PkgConfig::smartcols m)
