# SPDX-License-Identifier: MIT
#
# Everything that CTest runs.
#
#   src/<layer>/X_test.c    one program; each TEST() in it an entry <layer>/X.<name>
#   apps/weft/X_test.c      the same, linked with the program's objects
#   apps/weft/kv/X_test.c   the same, entries kv/X.<name>
#   test/kv/X_test.c        the same, against `weft kv` as a child process
#   test/api/X_test.c       the same, for what crosses modules
#   test/fault/X_test.c     the same, for what the system refuses
#   test/stress/X.c         one program, one entry, label stress
#   examples/X.c            one program, one entry, label example
#   test/<dir>/X.sh         one entry each, with WEFT, WEFT_SOURCE, WEFT_BUILD
#                           and CC in the environment, label <dir>
#   bench/                  has a CMakeLists.txt of its own
#
# The entries of a _test.c with the line "CTest: on each reactor." run by epoll, and a
# second time, with ".uring" behind the name, by io_uring (or by epoll again where that
# is refused). They have the labels epoll and uring; the others run by what WEFT_REACTOR
# in the environment says, and tools/ci.sh runs them with each.
#
# An entry that exits 77 counts as skipped.
set(weft_timeout 30)
set(weft_timeout_stress 300)
if(WEFT_SANITIZE)
	math(EXPR weft_timeout "${weft_timeout} * 5")
	math(EXPR weft_timeout_stress "${weft_timeout_stress} * 2")
endif()
set(weft_test_env
	"ASAN_OPTIONS=detect_leaks=1:abort_on_error=0"
	"TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1"
	"UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1")

add_library(weft_check STATIC test/check.c)
weft_flags(weft_check)
target_include_directories(weft_check PUBLIC test)
target_link_libraries(weft_check PUBLIC m)
set_target_properties(weft_check PROPERTIES
	ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/test")

function(weft_test_program target source dir)
	get_filename_component(name ${source} NAME_WE)
	add_executable(${target} ${source})
	weft_flags(${target})
	target_link_libraries(${target} PRIVATE ${ARGN})
	set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name}
		RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/${dir}")
endfunction()

function(weft_test_entry name label timeout)
	add_test(NAME ${name} COMMAND ${ARGN})
	set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
		SKIP_RETURN_CODE 77 ENVIRONMENT "${weft_test_env}")
endfunction()

function(weft_test_reactor name reactor)
	set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT WEFT_REACTOR=${reactor})
	set_property(TEST ${name} APPEND PROPERTY LABELS ${reactor})
endfunction()

# One program per _test.c and one entry per TEST() in it. The names are read
# from the source now, and the file is made a dependency of the configuration,
# so the list follows an edit.
function(weft_unit_tests label dir)
	file(GLOB sources CONFIGURE_DEPENDS ${dir}/*_test.c
		${dir}/${weft_os}/*_test.c)
	foreach(source IN LISTS sources)
		get_filename_component(name ${source} NAME_WE)
		string(REGEX REPLACE "_test$" "" noun ${name})
		set(target test_${label}_${noun})
		weft_test_program(${target} ${source} test/${label} weft_check ${ARGN})
		set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
		file(STRINGS ${source} lines REGEX "^TEST\\(")
		file(STRINGS ${source} reactors REGEX "^/\\* CTest: on each reactor\\. \\*/$")
		foreach(line IN LISTS lines)
			string(REGEX REPLACE "^TEST\\( *([A-Za-z0-9_]+).*" "\\1" case "${line}")
			weft_test_entry(${label}/${noun}.${case} ${label} ${weft_timeout}
				${target} ${case})
			if(reactors)
				weft_test_reactor(${label}/${noun}.${case} epoll)
				weft_test_entry(${label}/${noun}.${case}.uring ${label}
					${weft_timeout} ${target} ${case})
				weft_test_reactor(${label}/${noun}.${case}.uring uring)
			endif()
		endforeach()
	endforeach()
endfunction()

foreach(layer IN LISTS WEFT_LAYERS)
	weft_unit_tests(${layer} src/${layer} weft_static)
endforeach()
weft_unit_tests(api test/api weft_static)
weft_unit_tests(fault test/fault weft_static)
if(TARGET weft_app)
	weft_unit_tests(apps apps/weft weft_app)
	weft_unit_tests(kv apps/weft/kv weft_app)
	add_library(weft_kv_rig STATIC test/kv/rig.c)
	weft_flags(weft_kv_rig)
	target_compile_definitions(weft_kv_rig PRIVATE
		WEFT_PROGRAM="$<TARGET_FILE:weft_program>")
	target_link_libraries(weft_kv_rig PUBLIC weft_app weft_check)
	add_dependencies(weft_kv_rig weft_program)
	set_target_properties(weft_kv_rig PROPERTIES
		ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/test")
	weft_unit_tests(kv test/kv weft_kv_rig)
endif()

if(weft_os STREQUAL "linux")
	weft_test_program(without_uring test/without_uring.c test weft_check weft_static)
endif()

file(GLOB sources CONFIGURE_DEPENDS test/stress/*.c)
foreach(source IN LISTS sources)
	get_filename_component(name ${source} NAME_WE)
	weft_test_program(stress_${name} ${source} test/stress weft_check weft_static)
	weft_test_entry(stress/${name} stress ${weft_timeout_stress} stress_${name})
endforeach()

file(GLOB sources CONFIGURE_DEPENDS examples/*.c)
list(FILTER sources EXCLUDE REGEX "/model_[a-z_]*\\.c$") # see WeftModel.cmake
foreach(source IN LISTS sources)
	get_filename_component(name ${source} NAME_WE)
	weft_test_program(example_${name} ${source} examples weft_static)
	weft_test_entry(example/${name} example ${weft_timeout} example_${name})
endforeach()

set(weft_script_timeout 120)
if(WEFT_SANITIZE)
	set(weft_script_timeout 360)
endif()
foreach(dir api cli fuzz)
	file(GLOB scripts CONFIGURE_DEPENDS test/${dir}/*.sh)
	foreach(script IN LISTS scripts)
		get_filename_component(name ${script} NAME_WE)
		string(REGEX REPLACE "_test$" "" name ${name})
		weft_test_entry(${dir}/${name} ${dir} ${weft_script_timeout} sh ${script})
		set_property(TEST ${dir}/${name} APPEND PROPERTY ENVIRONMENT
			"WEFT=${CMAKE_CURRENT_BINARY_DIR}/weft"
			"WEFT_SOURCE=${CMAKE_CURRENT_SOURCE_DIR}"
			"WEFT_BUILD=${CMAKE_CURRENT_BINARY_DIR}"
			"WEFT_SANITIZE=${WEFT_SANITIZE}"
			"CC=${CMAKE_C_COMPILER}")
	endforeach()
endforeach()

# The rules of the house, shown to be able to fail.
if(NOT WEFT_SANITIZE)
	weft_test_entry(tools/tidy tools 120 sh ${CMAKE_CURRENT_SOURCE_DIR}/tools/tidy-test)
endif()
