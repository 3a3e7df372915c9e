# The two commands of the course: `make lab` and `make test`. `make help` lists the rest.
# On Windows, or without make: README.md, "Without make".

.DEFAULT_GOAL := help
.PHONY: help lab test notebooks slides slides-pdf site exercises grade sync bench evidence lint constraints clean

VENV ?= .venv
EXTRAS ?= dev
JOBS ?= 2
LAB_ARGS ?=
BUDGET ?= cpu
NB ?= $(wildcard notebooks/*.ipynb)
SOLUTIONS ?= $(wildcard solutions/*.ipynb)
NB_TIMEOUT ?= 300
IN ?= submitted
OUT ?= grades
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(EXTRAS)

help:  ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | \
		awk -F'|' '{ printf "%-13s %s\n", $$1, $$2 }'

lab: $(READY)  ## open the course in JupyterLab (LAB_ARGS="--no-browser --port 8890")
	@$(BIN)/course lab $(LAB_ARGS)

# No test asks a server: a missing hub is an error at once, not a time-out.
test: export HF_HUB_OFFLINE ?= 1
test: export COURSE_BUDGET = smoke
# A process for each core; more threads than cores wait for one another.
test: export OMP_NUM_THREADS ?= 1
test: export JUPYTER_PREFER_ENV_PATH = 1
test: $(READY)  ## run every check: ruff, the tests, and all cells of lessons and solutions
	@$(BIN)/ruff check .
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope -rs --durations=10 \
		--nbval-lax --nbval-current-env --nbval-cell-timeout=$(NB_TIMEOUT) \
		tests $(NB) $(SOLUTIONS)

notebooks: $(READY)  ## run all lessons and save their outputs (NB=notebooks/05_bert.ipynb)
	@$(BIN)/python tools/run_notebooks.py --budget $(BUDGET) $(NB)

slides: $(READY)  ## build the decks from the saved lessons (DECKS="lecture-000 05")
	@$(BIN)/python tools/build_slides.py $(DECKS)

slides-pdf: $(READY)  ## the same, and print each deck to PDF (needs Chromium)
	@$(BIN)/python tools/build_slides.py --pdf $(DECKS)

site: $(VENV)/.ready-dev,site  ## build the course as pages that need no network, to build/site
	@$(BIN)/python tools/build_site.py

exercises: $(READY)  ## make the exercises from the solutions
	@$(BIN)/python -m course_lib.grading.release $(SOLUTIONS)

# make grade IN=submitted ASSIGNMENT=solutions/02_attention.ipynb GRADE_ARGS="--timeout 120"
grade: $(READY)  ## grade a class (IN=submitted ASSIGNMENT=solutions/02_attention.ipynb OUT=grades)
	@$(BIN)/course grade "$(IN)" --assignment "$(ASSIGNMENT)" --out "$(OUT)" --jobs $(JOBS) $(GRADE_ARGS)

sync: $(READY)  ## copy the library's definitions into the lessons that show them
	@$(BIN)/python tools/sync_lessons.py

bench: $(READY)  ## measure pretraining speed against transformers
	@$(BIN)/python -m benchmarks.pretraining_speed

evidence: $(READY)  ## list the recorded comparisons, after running what is missing (BUDGET=gpu)
	@$(BIN)/python -m benchmarks.evidence --budget $(BUDGET) $(EVIDENCE_ARGS)

lint: $(READY)  ## check style, and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

constraints:  ## maintainers: note the newest versions that fit, from a clean install
	@sh tools/refresh_constraints.sh

clean:  ## remove the environment and everything that tools have left behind
	rm -rf $(VENV) *.egg-info build .pytest_cache .ruff_cache .hypothesis .lab
	find . -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

# The environment: made once, renewed when the list of packages changes. % names the extras.
$(VENV)/.ready-%: pyproject.toml constraints.txt
	@VENV=$(VENV) PYTHON=$(PYTHON) sh tools/make_venv.sh
	@echo "Installing the packages of the course: some minutes the first time ..."
	@$(BIN)/python -m pip install --disable-pip-version-check \
		-c constraints.txt -e '.[$*]'
	@touch $@
