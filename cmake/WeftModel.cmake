# SPDX-License-Identifier: MIT
#
# The model checker: the library's sources a second time, with WEFT_MODEL, so that
# their atomics and their system are the checker's.
#
#   weft_model_objects  the layers, instrumented as for ThreadSanitizer, whose calls
#                       go to the checker instead: it hears of every plain access
#   weft_model_engine   src/model and src/sys/model, not instrumented
#   libweft_check.a     both, for users
#   weft-model          the models of test/model
#
# weft_model_program(target source) makes a program to be checked.
set(weft_model_sources ${weft_sources})
list(FILTER weft_model_sources EXCLUDE REGEX "/src/sys/")
file(GLOB weft_engine_sources CONFIGURE_DEPENDS src/model/*.c src/sys/model/*.c)
list(FILTER weft_engine_sources EXCLUDE REGEX "_test\\.c$")

# memcpy and its like are functions of the C library, which is not instrumented.
set(weft_model_flags -fsanitize=thread -include string.h -Dmemcpy=weft__model_memcpy
	-Dmemmove=weft__model_memmove -Dmemset=weft__model_memset)
set(weft_model_prefix -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)

function(weft_model_target target)
	weft_flags(${target})
	target_compile_definitions(${target} PRIVATE WEFT_MODEL=1)
	target_compile_options(${target} PRIVATE ${weft_model_prefix} ${ARGN})
endfunction()

add_library(weft_model_objects OBJECT ${weft_model_sources})
weft_model_target(weft_model_objects ${weft_model_flags})
add_library(weft_model_engine OBJECT ${weft_engine_sources})
weft_model_target(weft_model_engine)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
	# How much is checked in the time that there is depends on it: a quarter.
	target_compile_options(weft_model_engine PRIVATE -O3)
endif()
add_library(weft_model STATIC $<TARGET_OBJECTS:weft_model_objects>
	$<TARGET_OBJECTS:weft_model_engine>)
set_target_properties(weft_model PROPERTIES OUTPUT_NAME weft_check LINKER_LANGUAGE C)
target_link_libraries(weft_model PUBLIC Threads::Threads)
target_include_directories(weft_model INTERFACE
	$<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
	$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

function(weft_model_program target)
	add_executable(${target} ${ARGN})
	weft_model_target(${target} ${weft_model_flags})
	target_link_libraries(${target} PRIVATE weft_model)
endfunction()

if(WEFT_TESTS)
	file(GLOB sources CONFIGURE_DEPENDS test/model/*.c)
	weft_model_program(weft_model_tests ${sources})
	set_target_properties(weft_model_tests PROPERTIES OUTPUT_NAME weft-model
		RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/test/model")
	target_compile_definitions(weft_model_tests PRIVATE
		WEFT_SOURCES="${PROJECT_SOURCE_DIR}"
		WEFT_MUTANTS_TXT="${PROJECT_SOURCE_DIR}/test/model/mutants.txt")
	# It is not instrumented: it runs outside of the model, and long.
	set_source_files_properties(test/model/axioms.c PROPERTIES
		COMPILE_OPTIONS "-fno-sanitize=thread")

	file(GLOB sources CONFIGURE_DEPENDS examples/model_*.c)
	foreach(source IN LISTS sources)
		get_filename_component(name ${source} NAME_WE)
		weft_model_program(example_${name} ${source})
		set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
			RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/examples")
		add_test(NAME example/${name} COMMAND example_${name})
		set_tests_properties(example/${name} PROPERTIES LABELS example TIMEOUT 120)
	endforeach()
endif()
