# Each target makes what it needs, from Python 3.11 to 3.13 and make alone.

PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
RUN := build/env/bin/python
PROJECT ?= build/bike-demand

.PHONY: demo test bench project home reference pictures clean

demo: build/env/ready ## generate a project and run its tour
	$(RUN) tests/template.py demo build/demo

test: build/env/ready ## everything; ARGS="-k hooks" for a part
	$(RUN) -m ruff check hooks tests benchmarks docs
	$(RUN) -m ruff format --check hooks tests benchmarks docs
	$(RUN) -m pytest $(ARGS)

bench: build/env/ready ## compare with peers, and measure the log: writes benchmarks/*.md
	$(RUN) benchmarks/serving.py
	$(RUN) benchmarks/jobs.py
	$(RUN) benchmarks/log.py
	$(RUN) benchmarks/loop.py

project: build/env/ready ## projects to edit, in build/bike-demand and build/late-parcels
	$(RUN) tests/template.py bake build

home: build/env/ready ## bring back what was edited in build/bike-demand, or PROJECT=build/late-parcels
	$(RUN) tests/template.py home $(PROJECT)

reference: build/env/ready ## write docs/reference.md from the code
	$(RUN) tests/template.py reference build/reference

pictures: demo ## take docs/pictures of the reports of a tour and a sweep, with Chromium
	cd build/demo/bike-demand && export BENTOML_HOME=$(CURDIR)/build/demo/bentoml && \
	.venv/bin/job sweep train -p max_depth=4,8,16 -p learning_rate=0.05,0.1 && \
	.venv/bin/python ../../../docs/pictures.py

build/env/ready: tests/requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed, and none is on the PATH."; exit 1; }
	$(PYTHON) -m venv --clear build/env
	$(RUN) -m pip install --quiet --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

clean: ## remove all that these targets have made
	rm -rf build
