# The commands of the project.  `make` alone lists them.  CMake does the building; see CMakePresets.json.
.DEFAULT_GOAL := help
.PHONY: help setup demo build test developer sanitize bench prove data format clean
SHELL := /bin/bash

jobs ?= $(shell nproc)
configure ?=
# `cmake --preset` reads the sources' list anew, so that a new file needs no more than being there.
build = cmake --preset $(1) $(configure) --log-level=WARNING > build/$(1).configure.txt 2>&1 \
  || { cat build/$(1).configure.txt; exit 1; }; cmake --build --preset $(1) -j $(jobs)

help:  ## this list
	@echo 'qkv: an attention engine, and the transformer toolkit built on it'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## install what is missing (Debian 12; the other commands do this by themselves)
	@scripts/setup
	@mkdir -p build

demo: setup  ## the race against N x N, a picture of attention, two minutes of training
	@$(call build,release) --target qkv_cli
	@scripts/demo build/release/qkv

build: setup  ## build everything, in build/release
	@$(call build,release)

test: build  ## build, then run every test
	@scripts/run_tests build/release -j 2

developer: setup  ## build with assertions and with warnings as errors, then run every test
	@$(call build,developer)
	@scripts/run_tests build/developer -j 2

sanitize: setup  ## every test under the address and undefined-behaviour sanitizers, those of threads under tsan
	@$(call build,asan)
	@scripts/run_tests build/asan -j 2
	@$(call build,tsan)
	@scripts/run_tests build/tsan -j 1 -R '[Tt]hread|[Pp]arallel|[Ss]ame[Bb]its'

bench: build  ## measure, beside PyTorch if it is installed; record=1 keeps the figures in results/
	@record=$(record) scripts/bench build/release

prove: build  ## learn everything that docs/learning.md has goals for; row=NAME one of them (hours in all)
	@scripts/prove $(row)

data: setup  ## get the data sets that tests and the demo can use (data/recipes.toml) into a cache folder
	@scripts/data.py get

format:  ## lay out every source file as .clang-format says
	@scripts/format

clean:  ## remove the builds and what the demo wrote
	rm -rf build out
