# `make demo` and `make test` need nothing but Python 3 with pip; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test coverage mutations stress crash fuzz memory sharded training zoo aligned docs package lint types clean

demo: .venv/.installed
	$(BIN)/fastscape demo --out demo

test: .venv/.installed-dev lint types
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

coverage: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --cov --cov-report term-missing:skip-covered

mutations: .venv/.installed-dev
	$(BIN)/python tests/mutations.py

# Gives 100,000 broken and hostile files and command lines to every reader, with a limit of time and memory on each.
fuzz: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzzing.py --count 100000 --seed 0

# Twenty threads, two hundred Ctrl-C, and an exception at every place where one can come; a quarter of an hour.
stress: .venv/.installed-dev
	FASTSCAPE_STRESS=1 OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_threads.py -s

# Kills runs with a store at every change that they make to its folder, and takes them up again; and a recorder at 50
# random moments of each kind; some minutes.
crash: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/crashes.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/recorded.py

# A surface of a model of 1.2 GB in a process that may take 1.6 GB, and the ordinary one beside it, which takes 4 GB;
# a quarter of an hour.
memory: .venv/.installed-dev
	FASTSCAPE_LARGE_MODEL=1 OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_limited_memory.py

# Language models of transformers, whole, shared out among processes, and in place; some minutes.
sharded: .venv/.installed-training
	FASTSCAPE_SHARDED=1 OMP_NUM_THREADS=1 $(BIN)/pytest tests/runs/test_sharded_networks.py

# The callbacks with the real packages; `make test` skips these tests where the packages are missing.
training: .venv/.installed-training
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/training

zoo: .venv/.installed-zoo
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.zoo

# Aligns 40 networks of timm and 15 of transformers, and checks by plain code that they stay the same; some minutes.
aligned: .venv/.installed-zoo
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.zoo.aligned

docs: .venv/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Builds what a release uploads, and runs from the wheel alone, in an environment and folders of its own: the demo, and
# every Python block and command of README.md and docs; `make package PAGES=--long` adds the commands of many minutes.
package: .venv/.installed-dev
	rm -rf dist build/package
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m virtualenv build/package
	build/package/bin/pip install dist/*.whl
	cd build/package && bin/fastscape demo --model mnist-cnn --grid 13 --out demo
	build/package/bin/python tests/bare.py
	build/package/bin/pip install "$$(echo dist/*.whl)[store,xarray,hdf5,paraview,curvature,topology]"
	OMP_NUM_THREADS=1 build/package/bin/python tests/package.py $(PAGES)

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/mypy

# The stamps make a second run skip the installation until the dependencies or the version change.
.venv/.installed: pyproject.toml fastscape/__init__.py | .venv/bin/python
	$(BIN)/python -m pip install --editable .
	touch $@

.venv/.installed-dev: pyproject.toml fastscape/__init__.py | .venv/bin/python
	$(BIN)/python -m pip install --editable '.[dev]'
	touch $@ .venv/.installed

.venv/.installed-training: pyproject.toml fastscape/__init__.py | .venv/bin/python
	$(BIN)/python -m pip install --editable '.[dev,training]'
	touch $@ .venv/.installed .venv/.installed-dev

.venv/.installed-zoo: pyproject.toml fastscape/__init__.py | .venv/bin/python
	$(BIN)/python -m pip install --editable '.[zoo]'
	touch $@ .venv/.installed

# Some Linux distributions ship Python without ensurepip; virtualenv brings its own pip.
.venv/bin/python:
	rm -rf .venv
	$(PYTHON) -m venv .venv || { rm -rf .venv; \
	  $(PYTHON) -m pip install --target .virtualenv virtualenv && \
	  PYTHONPATH=.virtualenv $(PYTHON) -m virtualenv .venv; }

clean:
	rm -rf .venv .virtualenv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage*
