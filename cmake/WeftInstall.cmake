# SPDX-License-Identifier: MIT
#
# `cmake --install`: headers, both libraries, the program, a CMake package
# (find_package(weft) gives weft::weft and weft::weft_static) and weft.pc.
include(CMakePackageConfigHelpers)

set(weft_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/weft")

install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(TARGETS weft weft_static EXPORT weft-targets
	LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
	ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TARGET weft_model)
	install(TARGETS weft_model ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()
if(TARGET weft_program)
	install(TARGETS weft_program RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
install(EXPORT weft-targets NAMESPACE weft:: DESTINATION "${weft_package_dir}")

configure_package_config_file(cmake/weft-config.cmake.in weft-config.cmake
	INSTALL_DESTINATION "${weft_package_dir}")
write_basic_package_version_file(weft-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/weft-config.cmake"
	"${CMAKE_CURRENT_BINARY_DIR}/weft-config-version.cmake"
	DESTINATION "${weft_package_dir}")

# weft.pc finds its prefix from where it lies, so that an installed tree can be
# moved; that works as long as the directories are relative to the prefix.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
	set(weft_pc_prefix "${CMAKE_INSTALL_PREFIX}")
	set(weft_pc_libdir "${CMAKE_INSTALL_FULL_LIBDIR}")
	set(weft_pc_includedir "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
	file(RELATIVE_PATH weft_pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
	string(REGEX REPLACE "/$" "" weft_pc_up "${weft_pc_up}")
	set(weft_pc_prefix "\${pcfiledir}/${weft_pc_up}")
	set(weft_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
	set(weft_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/weft.pc.in weft.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/weft.pc"
	DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
