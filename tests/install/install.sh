#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make install` installs is complete: programs in C and C++ find it through pkg-config and
# through CMake, and the command runs, from a prefix that was chosen after the build and moved
# after the install. Runs in a scratch folder, which is removed by its caller.
set -eu
here=$SHOAL_SRC/tests/install
cxx=$(command -v c++) || { echo "no C++ compiler here"; exit 77; }
unset PKG_CONFIG_PATH LD_LIBRARY_PATH CMAKE_PREFIX_PATH DESTDIR || true

# As a packager does: DESTDIR and PREFIX. What is then unpacked elsewhere still works.
DESTDIR=$PWD/stage cmake --install "$SHOAL_BUILD" --prefix /opt/shoal >log 2>&1 || { cat log; exit 1; }
[ ! -e /opt/shoal ] || { echo "DESTDIR was not respected"; exit 1; }
mv stage/opt/shoal moved
prefix=$PWD/moved

for file in include/shoal/shoal.h $(cd "$SHOAL_SRC" && ls include/shoal/*.h); do
	[ -f "$prefix/$file" ] || { echo "missing: $file"; exit 1; }
done
for link in $(find "$prefix" -name 'libshoal.so'); do
	libdir=${link%/*}
done
version=$(sed -n 's/.*VERSION_STRING "\(.*\)"/\1/p' "$SHOAL_SRC/include/shoal/version.h")
[ -f "$libdir/libshoal.so.$version" ] && [ -e "$libdir/libshoal.so.0" ]
! grep -rlF "$SHOAL_SRC" "$prefix/include" "$libdir/pkgconfig" "$libdir/cmake" ||
	{ echo "these know where they were built"; exit 1; }

if [ -x "$SHOAL_BIN" ]; then
	"$prefix/bin/shoal" --version | grep -qF "$version"
	# What is beside the command finds the library, too.
	[ ! -x "$prefix/libexec/shoal/shoal-bench" ] || "$prefix/bin/shoal" bench --help >/dev/null
	if command -v scdoc >/dev/null && [ -f "$SHOAL_SRC/man/shoal.1.scd" ]; then
		[ -f "$prefix/share/man/man1/shoal.1" ] || { echo "no manual page"; exit 1; }
	fi
fi

cp "$here/program.c" program.c
cp "$here/program.c" program.cc

export PKG_CONFIG_PATH="$libdir/pkgconfig"
[ "$(pkg-config --modversion shoal)" = "$version" ]
flags=$(pkg-config --cflags --libs shoal)
$CC -std=c11 -Wall -Wextra -Werror program.c $flags -o by-pkg-config-c
$cxx -std=c++17 -Wall -Wextra -Werror program.cc $flags -o by-pkg-config-cxx
LD_LIBRARY_PATH=$libdir ./by-pkg-config-c
LD_LIBRARY_PATH=$libdir ./by-pkg-config-cxx

mkdir project
cp program.c program.cc project
cp "$here/consumer.cmake" project/CMakeLists.txt
{
	cmake -S project -B build -G Ninja -DCMAKE_PREFIX_PATH="$prefix" &&
		cmake --build build
} >log 2>&1 || { cat log; exit 1; }
./build/in-c
./build/in-cxx
