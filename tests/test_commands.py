"""`course pretrain` for each member of the family: what it leaves in its folder, and its errors."""

import json

import pytest
import torch
import transformers
from datasets import Dataset

from course_lib import commands, pretrained, recipes, tinyworld, tokenization
from course_lib.electra import Generator

MODELS = {
    "bert": ["BertForPreTraining"], "roberta": ["RobertaForMaskedLM"],
    "albert": ["AlbertForPreTraining"],
    "electra": ["ElectraForPreTraining", "ElectraForMaskedLM"],
}  # fmt: skip
FEW = dict(steps=4, eval_every=4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache, and a small tinyworld, for all runs."""
    few = tinyworld.splits(n_train=150, n_other=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(recipes.data, "load", lambda name: few)
        patch.setattr(recipes.data, "origin", lambda documents: "a small tinyworld")
        yield few


def run(model, out, objective="", data="tinyworld", **options):
    commands.pretrain(model, data, "smoke", out, objective, None, False, FEW | options)
    return json.loads((out / "metrics.json").read_text())["evaluations"][-1]


def whole(cls, folder):
    model, report = cls.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return model


@pytest.mark.parametrize("model", MODELS)
def test_a_run_ends_in_folders_that_transformers_reads(model, cache, tmp_path, capsys):
    run(model, tmp_path)
    assert "held out" in capsys.readouterr().out
    for folder, name in zip(("model", "generator"), MODELS[model], strict=False):
        theirs = whole(getattr(transformers, name), tmp_path / folder)
        ours = pretrained.load(tmp_path / folder, Generator if folder == "generator" else None)
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / folder)
        text = tinyworld.dataset(1, seed=9)["text"][0]
        ids = tokenizer(text)["input_ids"]
        assert ids == pretrained.load_tokenizer(tmp_path / folder).encode(text)["input_ids"]
        assert theirs.num_parameters() >= sum(p.numel() for p in ours.bert.parameters())
    assert (tmp_path / "generator").exists() == (model == "electra")


@pytest.mark.parametrize("model, objective, figure", [
    ("bert", "mlm", None), ("albert", "mlm+nsp", "nsp_accuracy"), ("albert", "mlm", None),
    ("albert", "", "sop_accuracy"), ("electra", "rtd-15", "replaced_auc"),
    ("electra", "replace-mlm", "restored_loss"), ("electra", "all-tokens-mlm", "restored_loss"),
])  # fmt: skip
def test_each_objective_has_its_figures(model, objective, figure, cache, tmp_path, capsys):
    last = run(model, tmp_path, objective)
    extra = {name for name in last if name.endswith(("_accuracy", "_auc", "restored_loss"))}
    assert figure in extra if figure else not extra
    assert (tmp_path / "model" / "model.safetensors").exists()
    words = {"nsp_accuracy": "next sentence", "sop_accuracy": "sentence order",
             "replaced_auc": "always", "restored_loss": "restored words"}  # fmt: skip
    assert figure is None or words[figure] in capsys.readouterr().out


@pytest.mark.parametrize("model, objective, words", [
    ("gpt", "", "--model 'gpt' is not known; choose one of bert, roberta, albert, electra"),
    ("bert", "rtd", "--model bert --objective 'rtd' is not known; choose one of mlm.nsp, mlm"),
    ("roberta", "mlm+nsp", "'mlm.nsp' is not known; choose one of mlm\\."),
    ("electra", "mlm", "choose one of rtd, rtd-15, replace-mlm, all-tokens-mlm"),
])  # fmt: skip
def test_a_wrong_choice_is_named_with_the_right_ones(model, objective, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        commands.pretrain(model, "tinyworld", "smoke", tmp_path, objective, None, False, {})


def test_the_same_command_goes_on_and_another_is_refused(cache, tmp_path):
    run("electra", tmp_path)
    run("electra", tmp_path)
    with pytest.raises(ValueError, match="belongs to another run"):
        run("electra", tmp_path, "rtd-15")


@pytest.mark.parametrize("model, kind", [
    ("bert", tokenization.WordPiece), ("electra", tokenization.WordPiece),
    ("roberta", tokenization.ByteLevelBPE), ("albert", tokenization.Unigram),
])  # fmt: skip
def test_each_model_learns_its_kind_of_vocabulary_once(model, kind, cache):
    texts = Dataset.from_dict({"text": tinyworld.dataset(60)["text"]})
    first = recipes.learn_vocabulary(texts, 400, model)
    again = recipes.learn_vocabulary(texts, 400, model)
    assert type(first) is kind and first.vocab == again.vocab


def test_a_roberta_on_its_own_vocabulary_reads_the_longest_row(cache, tmp_path):
    """Padding has id 1 there, and positions count from 2."""
    run("roberta", tmp_path, data="another corpus")
    model = pretrained.load(tmp_path / "model")
    assert model.config.pad_token_id == 1
    assert model.bert.embeddings.longest == recipes.RECIPES["smoke"].seq_len
    theirs = whole(transformers.RobertaForMaskedLM, tmp_path / "model")
    assert theirs.config.pad_token_id == 1 and theirs.config.max_position_embeddings == 34


@pytest.mark.parametrize("budget", ["smoke", "cpu", "gpu"])
@pytest.mark.parametrize("model", MODELS)
def test_every_recipe_makes_a_model_that_fits(model, budget):
    """Shapes that go together; ELECTRA's generator is not the larger one."""
    recipe = recipes.recipe_for(model, budget)
    config = recipes.model_config(recipe, tinyworld.tokenizer())
    assert recipe.objective in recipes.OBJECTIVES[model]
    assert (config.shared == "all") == (model == "albert")
    with torch.device("meta"):  # shapes alone
        made = recipes.OBJECTIVES[model][recipe.objective][2](config)
    if model == "electra":
        assert made.generator_config.hidden_size <= config.hidden_size
    tokens = recipe.train.batch_size * recipe.seq_len
    base = recipes.RECIPES[budget]
    assert tokens == base.train.batch_size * base.seq_len
