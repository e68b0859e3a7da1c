# SPDX-License-Identifier: Apache-2.0
# Manual pages: man/NAME.SECTION.scd, written for scdoc.
find_program(SCDOC scdoc)
file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.scd)
if(NOT SCDOC)
	message(STATUS "No scdoc: the manual pages are not built")
	set(pages "")
endif()
foreach(source ${pages})
	get_filename_component(page ${source} NAME)
	string(REGEX REPLACE "\\.scd$" "" page ${page})
	string(REGEX MATCH "[0-9]$" section ${page})
	set(output ${PROJECT_BINARY_DIR}/man/${page})
	add_custom_command(OUTPUT ${output}
		COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/man
		COMMAND ${SCDOC} < ${source} > ${output}
		DEPENDS ${source} VERBATIM)
	list(APPEND outputs ${output})
	install(FILES ${output} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
add_custom_target(man ALL DEPENDS ${outputs})
add_dependencies(product man)
