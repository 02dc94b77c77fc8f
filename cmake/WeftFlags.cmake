# SPDX-License-Identifier: MIT
#
# The compiler flags of everything in the tree. Warnings stand here and are the
# same for gcc and clang; what a sanitizer needs goes to every target alike,
# because mixed programs report nonsense.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)

set(weft_warnings -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
	-Wwrite-strings -Wpointer-arith -Wundef)
if(WEFT_WERROR)
	list(APPEND weft_warnings -Werror)
endif()

if(WEFT_SANITIZE STREQUAL "address" OR WEFT_SANITIZE STREQUAL "thread")
	add_compile_options(-fsanitize=${WEFT_SANITIZE})
	add_link_options(-fsanitize=${WEFT_SANITIZE})
elseif(WEFT_SANITIZE STREQUAL "undefined")
	add_compile_options(-fsanitize=undefined -fno-sanitize-recover=all)
	add_link_options(-fsanitize=undefined)
elseif(WEFT_SANITIZE)
	message(FATAL_ERROR "WEFT_SANITIZE is \"${WEFT_SANITIZE}\"; "
		"it can be address, thread, undefined, or nothing")
endif()

# Flags and include paths of one target of this tree. _GNU_SOURCE is empty as
# in `#define _GNU_SOURCE`, so that a file may still say so itself.
function(weft_flags target)
	target_compile_options(${target} PRIVATE
		$<$<COMPILE_LANGUAGE:C>:${weft_warnings}>)
	target_compile_definitions(${target} PRIVATE _GNU_SOURCE=
		$<$<BOOL:${WEFT_DEBUG}>:WEFT_DEBUG=1>)
	target_include_directories(${target} PRIVATE
		"${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
endfunction()
