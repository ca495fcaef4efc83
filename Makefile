# Each target makes what it needs, from Python 3.11 to 3.14 and make alone.

PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	&& echo $$python && break; done)
RUN := build/env/bin/python
PROJECT ?= build/bike-demand
# The library where it lies, in the environment of a baked project; bytecode is kept, but elsewhere: none is baked.
LIBRARY := build/library/bike-demand/.venv/bin
IN_LIBRARY := PATH="$(CURDIR)/$(LIBRARY):$$PATH" PYTHONPATH="$(CURDIR)/{{cookiecutter.project}}" \
	PYTHONPYCACHEPREFIX="$(CURDIR)/build/pycache" PYTHONDONTWRITEBYTECODE= BENTOML_DO_NOT_TRACK=true OMP_NUM_THREADS=1
SOURCES := hooks tests tools benchmarks nbs

.PHONY: demo test test-all nightly lint unit integration chapters export bench figures reference docs pictures project sync clean

demo: build/env/ready ## generate a project and run its tour
	$(RUN) tools/template.py demo build/demo

test: lint unit integration chapters ## everything that guards a change; ARGS="-k hooks" for a part of the tests of projects
	$(RUN) -m pytest tests/project --numprocesses=3 --dist=loadfile --no-loadscope-reorder $(ARGS)

test-all: UNIT_ARGS = -m "long or not long"
test-all: lint unit integration chapters ## the long ways round too: each choice and Python, images, pipelines, tours of other data
	$(RUN) -m pytest tests/project --numprocesses=3 --dist=loadfile --no-loadscope-reorder -m "long or not long" $(ARGS)

nightly: unit integration chapters ## on the newest releases: the library, and a fresh project's own checks; UV_PRERELEASE=allow
	$(RUN) -m pytest tests/project/test_pipeline_steps.py -m long -k "test_push_passes and github" $(ARGS)

lint: build/env/ready
	$(RUN) -m ruff check $(SOURCES)
	$(RUN) -m ruff format --check $(SOURCES)

unit: build/library/ready ## the library, imported
	$(IN_LIBRARY) pytest -p no:cacheprovider --numprocesses=2 --dist=worksteal tests/unit $(UNIT_ARGS)

integration: build/library/ready ## the library with processes, kernels, sockets, databases and disks
	$(IN_LIBRARY) pytest -p no:cacheprovider --numprocesses=3 --dist=worksteal tests/integration $(UNIT_ARGS)

chapters: build/library/ready ## the library's chapters, run
	$(IN_LIBRARY) nbdev-test --n-workers 2

export: build/library/ready ## clean the library's chapters, and write its modules from them
	$(IN_LIBRARY) nbdev-clean
	$(IN_LIBRARY) nbdev-export

bench: build/env/ready ## compare with peers, and measure the log: writes benchmarks/*.md
	$(RUN) benchmarks/serving.py
	$(RUN) benchmarks/jobs.py
	$(RUN) benchmarks/log.py
	$(RUN) benchmarks/loop.py

figures: ## sizes of cells, prose and modules of all notebooks
	$(PYTHON) tools/figures.py

reference: build/env/ready ## write docs/reference.md from the code
	$(RUN) tools/template.py reference build/reference

docs: build/library/ready ## the site of the guide, the reference and the library's chapters, in build/docs
	$(IN_LIBRARY) python tools/guide.py build/docs
	$(IN_LIBRARY) python tools/links.py build/docs

pictures: demo ## take docs/pictures of the reports of a tour, of jobs with its log, and of a sweep, with Chromium
	cd build/demo/bike-demand && export PATH="$$PWD/.venv/bin:$$PATH" BENTOML_HOME=$(CURDIR)/build/demo/bentoml && \
	daybook sweep train -p max_depth=4,8,16 -p learning_rate=0.05,0.1 && \
	tour=$$(ls -d "$$PWD"/runs/tour/* | tail -1) && \
	export CHAMPION_FILE="$$tour/champion.json" MODEL_STORE="$$tour/models" IOLOG_DIR="$$tour/iolog" && \
	python -c "from bike_demand.data import load; load('sample').tail(500).to_parquet('next.parquet')" && \
	daybook run score -p source=next.parquet -p output=predictions.csv --runs "$$tour/runs" && \
	daybook run compact --runs "$$tour/runs" && \
	python ../../../tools/pictures.py

project: build/env/ready ## projects to edit, in build/bike-demand and build/late-parcels
	$(RUN) tools/template.py bake build

sync: build/env/ready ## copy back what was edited in build/bike-demand, or PROJECT=build/late-parcels
	$(RUN) tools/template.py sync $(PROJECT)

build/env/ready: tests/requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12, 3.13 or 3.14 with venv is needed, and none is on the PATH."; exit 1; }
	$(PYTHON) -m venv --clear build/env
	$(RUN) -m pip install --quiet --quiet --disable-pip-version-check "$$(grep '^uv>' tests/requirements.txt)"
	UV_SYSTEM_CERTS=1 UV_PRERELEASE=if-necessary-or-explicit \
		$(RUN) -m uv pip install --quiet --python $(RUN) -r tests/requirements.txt
	@touch $@

build/library/ready: build/env/ready {{cookiecutter.project}}/pyproject.toml
	$(RUN) tools/template.py library build/library
	@touch $@

clean: ## remove all that these targets have made
	rm -rf build
