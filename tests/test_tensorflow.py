"""ELECTRA and ALBERT in TensorFlow give the losses and gradients of our PyTorch models."""

import subprocess
import sys

import pytest
import torch
from twins import batch, randomized

from course_lib import albert, electra
from course_lib.config import ModelConfig
from course_lib.heads import IGNORED

SHAPE = dict(vocab_size=83, hidden_size=48, num_layers=3, num_heads=4, intermediate_size=80,
             max_positions=32)  # fmt: skip
ALBERT = ModelConfig(**SHAPE, embedding_size=20, shared="all", activation="gelu_tanh")
ELECTRA = ModelConfig(**SHAPE, embedding_size=20)
CLOSE = 1e-5
INSTALL = "pip install -c constraints.txt -e .[tensorflow]"
MODELS = {
    "electra": lambda: electra.ElectraForPreTraining(ELECTRA),
    "electra, one width": lambda: electra.ElectraForPreTraining(ModelConfig(**SHAPE), weight=20.0),
    "albert": lambda: albert.AlbertForPreTraining(ALBERT),
    "albert, nothing shared": lambda: albert.AlbertForPreTraining(
        ALBERT.replace(shared="nothing", activation="gelu")),
}  # fmt: skip


@pytest.fixture(scope="module")
def keras_twins():
    """The module, or a skip; not imported before a test asks, as TensorFlow takes its seconds."""
    pytest.importorskip("tensorflow", reason=f"TensorFlow is not installed: {INSTALL}")
    from absl import logging

    from course_lib import keras_twins

    # When logging is set up anew, absl closes the stream it found at its import: pytest's own.
    logging.get_absl_handler().python_handler.stream = sys.__stderr__
    return keras_twins


def small(name):
    """A model whose weights are all random, small enough that losses are near one."""
    model = randomized(MODELS[name]())
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            if "norm.weight" not in weight_name:
                weight.mul_(0.5)
    return model


def inputs_for(model):
    """A padded batch with masks in, and one slot that is empty."""
    inputs, labels = batch(model.config)
    positions = (labels.flatten() != IGNORED).nonzero().flatten()
    inputs["input_ids"] = inputs["input_ids"].flatten().index_fill(0, positions, 3).view_as(labels)
    empty = torch.zeros(1, dtype=torch.long)
    inputs["masked_positions"] = torch.cat([positions, empty])
    inputs["masked_labels"] = torch.cat([labels.flatten()[positions], empty + IGNORED])
    if isinstance(model, albert.AlbertForPreTraining):
        inputs["next_sentence_label"] = torch.tensor([0, 1, 1])
    return inputs


@pytest.mark.parametrize("name", MODELS)
def test_losses_and_gradients_are_pytorchs(name, keras_twins):
    torch.manual_seed(0)
    model = small(name)
    rows = {row["what"]: row for row in keras_twins.compare(model, inputs_for(model))}
    second = "replaced loss" if "electra" in name else "nsp loss"
    assert list(rows) == ["loss", "mlm loss", second, "largest gradient"]
    for what in ("mlm loss", second):
        assert rows[what]["pytorch"] > 0.1
        assert rows[what]["difference"] < CLOSE, rows[what]
    for what in ("loss", "largest gradient"):  # up to 50 times as large, and so is their rounding
        assert rows[what]["difference"] < CLOSE * max(1.0, rows[what]["pytorch"]), rows[what]


def test_padding_is_never_read(keras_twins):
    model = small("electra")
    inputs = inputs_for(model)
    drawn = torch.full_like(inputs["masked_labels"], 7)
    losses, _ = keras_twins.in_tensorflow(model, inputs, drawn)
    noise = torch.randint_like(inputs["input_ids"], 2, 83)
    real = inputs["attention_mask"].bool()
    inputs["input_ids"] = torch.where(real, inputs["input_ids"], noise)
    others, _ = keras_twins.in_tensorflow(model, inputs, drawn)
    assert float(losses["loss"]) == pytest.approx(float(others["loss"]), abs=CLOSE)


def test_an_original_that_was_drawn_again_counts_as_original(keras_twins):
    model = small("electra")
    inputs = inputs_for(model)
    labels = inputs["masked_labels"]
    parts = [keras_twins.tf.constant(inputs[n].numpy()) for n in
             ("input_ids", "masked_positions", "masked_labels")]  # fmt: skip
    _, replaced = keras_twins.corrupt(*parts, keras_twins.tf.constant(labels.numpy()))
    assert not replaced.numpy().any()
    _, replaced = keras_twins.corrupt(*parts, keras_twins.tf.constant((labels + 1).numpy()))
    assert replaced.numpy().sum() == (labels != IGNORED).sum()


def test_a_shared_layer_is_one_layer_and_tables_are_shared(keras_twins):
    def count(model):
        return sum(v.shape.num_elements() for v in keras_twins.twin(model).trainable_variables)

    for name in MODELS:
        model = small(name)
        assert count(model) == sum(p.numel() for p in model.parameters()), name


@pytest.mark.parametrize("make", [
    lambda: electra.ElectraForPreTraining(ELECTRA, masked_only=True),
    lambda: albert.AlbertForPreTraining(ALBERT.replace(shared="attention")),
    lambda: electra.Discriminator(ELECTRA),
])  # fmt: skip
def test_models_without_a_twin_are_refused(make, keras_twins):
    with pytest.raises(ValueError, match="no Keras twin"):
        keras_twins.twin(make())


def test_the_course_does_without_and_the_error_says_how_to_install_it():
    code = ("import sys; sys.modules['tensorflow'] = None\n"
            "import course_lib.cli, course_lib.recipes\n"
            "assert 'keras' not in sys.modules\n"
            "try:\n    import course_lib.keras_twins\n"
            "except ImportError as error:\n    print(error)")  # fmt: skip
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert INSTALL in found.stdout, found
