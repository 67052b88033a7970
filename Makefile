# make run    the node on http://127.0.0.1:8080, everything set up on the way
# make test   every check: style, types, import rule, tests (browser included)
# make bench  figures beside what one would use instead
# make bench-store  the store beside TinyDB's own storage
# make bench-sat    satellite: bytes, pixels, map and cluster, beside what one would use instead
# make bench-tablet   500 records through a line, a node and a browser that fail
# make bench-sync   bytes of records and photos, the hub's records a second, pulls of 100,000
# make bench-yield  1,000 forecasts on one thread
# make demo-sync    a hub and two nodes behind an emulated 2G link, bytes and seconds (root)
# make test-histories  10,000 steps of two nodes and a hub on a line where anything happens
# make test-powercut  1,200 power cuts and 200 full disks (root)
# make bench-water  the water of 1,000 fields beside pyfao56
# make bench-risks DATA=<folder>  dates of pests on real seasons, beside a calendar
# make release [OUT=DIR] [KEY=FILE]  the USB folder from which a box is installed
# make test-appliance  a box from nothing: install, cuts, uninstall (root)
# make test-arm64  the same folder on arm64 by qemu, answers beside amd64's (root)
# make test-faults  twelve faults on a serving node (root)
# make soak         fifty phones for three days, in minutes
# make test-memory  a node under limits of memory (root, cgroup v1)
# make test-day     500 power cuts of a node's day (root)
# make test-updates 100 releases of Ghalla on a small box while the power fails
# make guide        the keeper's one page as PDF
# make fuzz [CASES=…]   hostile bytes for every parser
# make sbom         docs/security/sbom.cdx.json, what a node is made of
# make audit        known faults of what it is made of (needs the package index)
# make bench-models [DATA=<folder>]  the shipped graphs in other runtimes
# make train-leaf DATA=<folder>   the leaf model from the public photo set
# make train-trap DATA=<folder>   the trap counter from the same set
# make train-yield DATA=<folder>  the wheat model from the yield set

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_DIR ?= .home
PORT ?= 8080
HOST ?= 127.0.0.1
RUN ?= runs/leaf
TRAP_RUN ?= runs/trap
PROCESSES ?= 2

SOURCES := setup.cfg pyproject.toml $(wildcard constraints/*.txt)
WEB_SOURCES := package.json package-lock.json edge_app/webassets.py \
	$(wildcard edge_app/translations/*/LC_MESSAGES/messages.po) \
	$(wildcard sync/hub/translations/*/LC_MESSAGES/messages.po) \
	$(wildcard edge_app/content/*.toml edge_app/content/cards/*.toml)

.PHONY: run test lint bench bench-models bench-store bench-sat bench-sync bench-tablet bench-yield demo-sync \
	test-histories test-powercut web train-leaf train-trap train-yield fuzz sbom audit \
	bench-water bench-risks release usb-test test-appliance test-arm64 test-faults soak \
	test-memory test-day test-updates guide clean

run: $(VENV)/.web
	$(BIN)/ghalla serve --home $(HOME_DIR) --host $(HOST) --port $(PORT)

test: $(VENV)/.test $(VENV)/.webtest lint
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test $(VENV)/.webbench
	$(BIN)/python -m tests.bench.bench_diagnose
	$(BIN)/python -m tests.bench.bench_store
	$(BIN)/python -m tests.bench.bench_lighthouse

bench-store: $(VENV)/.test
	$(BIN)/python -m tests.bench.bench_store
	$(BIN)/python -m tests.bench.bench_registry

bench-sat: $(VENV)/.bench
	$(BIN)/python -m tests.bench.bench_sat

bench-tablet: $(VENV)/.webtest
	$(BIN)/python -m tests.journeys.chaos --records 500

bench-sync: $(VENV)/.test
	$(BIN)/python -m tests.bench.bench_wire
	$(BIN)/python -m tests.bench.bench_hub
	$(BIN)/python -m tests.bench.bench_pull
	$(BIN)/python -m tests.bench.bench_pull --postgresql

bench-yield: $(VENV)/.test
	$(BIN)/python -m tests.bench.bench_yield
	$(BIN)/python -m tests.bench.bench_forecast

test-histories: $(VENV)/.test
	$(BIN)/python -m tests.journeys.sync_histories --steps 10000

# Needs root and /dev/net/tun.
demo-sync: $(VENV)/.test
	$(BIN)/python -m tests.journeys.weak_link

# Needs root, /dev/fuse, loop devices, e2fsprogs and fuse3.
test-powercut: $(VENV)/.test
	$(BIN)/python -m tests.powercut --cuts 1200 --disk-full 200

bench-water: $(VENV)/.test
	$(BIN)/python -m tests.bench.bench_water

bench-risks: $(VENV)/.test
	$(BIN)/python -m tests.bench.bench_risks $(DATA)

OUT ?= .build/usb
TEST_KEY := .build/test.key

release: $(VENV)/.web
	$(BIN)/python deploy/release.py --out $(OUT) $(if $(KEY),--key $(KEY))

usb-test: $(VENV)/.test $(VENV)/.web
	test -f $(TEST_KEY) || $(BIN)/ghalla keys new --out $(TEST_KEY)
	$(BIN)/python deploy/release.py --out .build/usb-test --key $(TEST_KEY)

# Needs root, mmdebstrap and systemd-container.
test-appliance: usb-test
	$(BIN)/python -m tests.journeys.appliance --release .build/usb-test --key $(TEST_KEY).pub
	$(BIN)/python -m tests.journeys.appliance --suite trixie --release .build/usb-test --key $(TEST_KEY).pub

# Needs root, mmdebstrap, iproute2 and qemu-user-static (binfmt).
test-arm64: usb-test
	$(BIN)/python -m tests.journeys.arm64 --release .build/usb-test

test-faults: $(VENV)/.test $(VENV)/.web
	$(BIN)/python -m tests.journeys.faults --out docs/faults.md

soak: $(VENV)/.test $(VENV)/.web
	$(BIN)/python -m tests.journeys.soak

test-memory: $(VENV)/.test $(VENV)/.web
	$(BIN)/python -m tests.journeys.memory_ladder

test-day: $(VENV)/.test $(VENV)/.web
	$(BIN)/python -m tests.powercut --workload day --cuts 500 --seed 9

test-updates: $(VENV)/.test
	$(BIN)/python -m tests.journeys.updates --updates 100

guide: $(VENV)/.webtest
	$(BIN)/python deploy/guide.py

CASES ?= 1000000

$(VENV)/.security: $(VENV)/.test
	$(BIN)/pip install --quiet --constraint $$($(BIN)/python deploy/constraints.py) --editable '.[web,test,security]'
	touch $@

# What a node runs with and nothing else.
$(VENV)/.runtime: $(SOURCES)
	$(PYTHON) -m venv .build/runtime
	.build/runtime/bin/pip install --quiet --constraint $$($(BIN)/python deploy/constraints.py) .
	mkdir -p $(VENV) && touch $@

fuzz: $(VENV)/.security
	$(BIN)/python -m tests.fuzz --cases $(CASES)

sbom: $(VENV)/.security $(VENV)/.runtime
	$(BIN)/python deploy/sbom.py .build/runtime docs/security/sbom.cdx.json

# --strict: what could not be looked up is not taken for sound.
audit: $(VENV)/.security $(VENV)/.runtime
	$(BIN)/pip-audit --strict --path .build/runtime/lib/python3*/site-packages
	npm audit --omit dev --omit optional

# LiteRT is compared where onnx2tf is on the PATH: it brings TensorFlow, and pins of its own.
bench-models: $(VENV)/.bench
	$(BIN)/python -m tests.bench.bench_models $(if $(DATA),--data $(DATA))

web: $(VENV)/.web

train-leaf: $(VENV)/.train
	$(BIN)/python -m models.training.train_leaf --data $(DATA) --run $(RUN)
	$(BIN)/python -m models.training.export_leaf --data $(DATA) --run $(RUN)
	$(BIN)/python -m models.golden models/leaf_health
	$(BIN)/python -m models.training.leave_out --data $(DATA) --run $(RUN)-left-out --model models/leaf_health
	$(BIN)/python -m models.training.report_leaf --data $(DATA)

train-trap: $(VENV)/.train
	$(BIN)/python -m models.training.train_trap --data $(DATA) --run $(TRAP_RUN)
	$(BIN)/python -m models.training.export_trap --data $(DATA) --run $(TRAP_RUN)
	$(BIN)/python -m models.training.report_trap --data $(DATA)

train-yield: $(VENV)/.train
	$(BIN)/python -m models.training.train_yield --data $(DATA) --plots docs/plots

$(VENV)/.python:
	deploy/make_venv.sh $(PYTHON) $(VENV)
	touch $@

$(VENV)/.app: $(VENV)/.python $(SOURCES)
	$(BIN)/pip install --quiet --constraint $$($(BIN)/python deploy/constraints.py) --editable '.[web]'
	touch $@

$(VENV)/.test: $(VENV)/.app
	$(BIN)/pip install --quiet --constraint $$($(BIN)/python deploy/constraints.py) --editable '.[web,test]'
	touch $@

# pnnx asks for PyTorch, which only its Python helpers need, not the converter.
$(VENV)/.bench: $(VENV)/.test
	$(BIN)/pip install --quiet --constraint $$($(BIN)/python deploy/constraints.py) --editable '.[web,test,bench]'
	$(BIN)/pip install --quiet --no-deps 'pnnx>=20260101'
	touch $@

$(VENV)/.train: $(VENV)/.app
	$(BIN)/pip install --quiet --editable '.[train]'
	touch $@

$(VENV)/.web: $(VENV)/.app $(WEB_SOURCES)
	deploy/make_web.sh $(BIN) --omit=dev --omit=optional
	touch $@

$(VENV)/.webtest: $(VENV)/.app $(WEB_SOURCES)
	deploy/make_web.sh $(BIN) --omit=optional
	touch $@ $(VENV)/.web

$(VENV)/.webbench: $(VENV)/.app $(WEB_SOURCES)
	deploy/make_web.sh $(BIN)
	touch $@ $(VENV)/.web $(VENV)/.webtest

clean:
	rm -rf $(VENV) .build node_modules edge_app/static/vendor edge_app/translations/*/LC_MESSAGES/*.mo sync/hub/translations/*/LC_MESSAGES/*.mo
