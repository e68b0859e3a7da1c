# SPDX-License-Identifier: Apache-2.0
# The front door. Everything is done by CMake (see CMakePresets.json) and scripts/.
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= 2
export JOBS

.PHONY: help build demo test torture model bench peers install format lint clean

help:
	@echo 'make demo      build, then see it at work on real files (a minute)'
	@echo 'make test      build everything, run all tests'
	@echo 'make torture   the long form of the crash lab: three quarters of an hour'
	@echo 'make model     search the models of the protocols (some minutes; takes spin)'
	@echo 'make build     only build: build/release/bin/shoal'
	@echo 'make install   to PREFIX=$(PREFIX), below DESTDIR=$(DESTDIR)'
	@echo 'make bench     measure'
	@echo 'make peers     measure beside what others offer; writes docs/benchmarks.md (10 minutes)'
	@echo 'make format    run clang-format over the sources'
	@echo 'make lint      clang-format, clang-tidy and our own rules, without changing anything'
	@echo 'make clean     remove build/'
	@echo
	@echo 'demo, build, test, torture, model and peers install missing packages with apt-get and say so.'

build:
	@scripts/install-packages build
	@cmake --preset release --log-level=NOTICE
	@cmake --build build/release --target product -j $(JOBS)

demo: build
	@scripts/demo

test:
	@scripts/install-packages test
	@scripts/run-tests

torture:
	@scripts/torture

model:
	@scripts/install-packages model
	@torture/models/run

bench: build
	@cmake --build build/release --target shoal-bench-topic -j $(JOBS)
	@build/release/bench/shoal-bench-topic
	@cmake --build build/release --target shoal-bench-block -j $(JOBS)
	@build/release/bench/shoal-bench-block

peers:
	@scripts/peers

# After an install as root into a folder that the dynamic linker searches, its cache must know.
install: build
	DESTDIR='$(DESTDIR)' cmake --install build/release --prefix '$(PREFIX)'
	@test -n '$(DESTDIR)' || test "$$(id -u)" != 0 || ldconfig

format:
	@scripts/sources | xargs clang-format -i

lint:
	@scripts/install-packages test
	@cmake --preset release --log-level=NOTICE -DSHOAL_TESTS=ON
	@cmake --build build/release -j $(JOBS)
	@ctest --test-dir build/release --output-on-failure -L lint

clean:
	rm -rf build
