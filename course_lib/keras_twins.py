"""ELECTRA's and ALBERT's losses in TensorFlow: the same numbers from the same weights.

To be read beside `electra.py`, `albert.py` and what they stand on. Every part carries the name of
its PyTorch twin, so `copy_weights` finds its place by the name in `state_dict`. Left out is what
changes no number of a trained model: dropout, initial values, checks, faster paths.

    from course_lib import keras_twins
    rows = keras_twins.compare(model, batch)   # an ElectraForPreTraining or AlbertForPreTraining

Needs the extra `tensorflow`. Sources: Clark et al. 2020 (arXiv:2003.10555), section 2; Lan et al.
2020 (arXiv:1909.11942), section 3.1.

Axes: B sequences, T tokens, D hidden size, E embedding size, H heads, K head size, L layers,
V vocabulary, N masked positions.
"""

import os

import torch

from course_lib.albert import AlbertForPreTraining
from course_lib.config import ModelConfig
from course_lib.electra import ElectraForPreTraining, same_width
from course_lib.heads import IGNORED

os.environ["KERAS_BACKEND"] = "tensorflow"  # Keras runs on PyTorch and JAX as well
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no lines about the processor
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # rounding as plain as PyTorch's
try:
    import keras
    import tensorflow as tf
except ImportError as error:
    raise ImportError(
        f"the TensorFlow twins need TensorFlow, which could not be imported ({error}). "
        "Install it with: pip install -c constraints.txt -e .[tensorflow]"
    ) from error
from keras.layers import Dense, Embedding, Layer, LayerNormalization

ACTIVATIONS = {
    "gelu": lambda x: tf.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: tf.nn.gelu(x, approximate=True),
    "relu": tf.nn.relu,
}


class Part(Layer):
    """A layer whose parts have their weights already; by itself Keras waits for the first input."""

    def __init__(self):
        super().__init__()
        self.built = True


# --- leaves: what PyTorch calls nn.Linear, nn.Embedding and nn.LayerNorm --------------------------


def linear(inputs: int, outputs: int) -> Dense:
    """x W + b, with W (inputs, outputs); PyTorch keeps it turned over, (outputs, inputs)."""
    return built(Dense(outputs), inputs)


def table(rows: int, width: int) -> Embedding:
    """One vector a row: (...,) -> (..., width)."""
    return built(Embedding(rows, width), None)


def norm(width: int, config: ModelConfig) -> LayerNormalization:
    return built(LayerNormalization(epsilon=config.layer_norm_eps), width)


def built(layer: Layer, inputs: int | None) -> Layer:
    """Make the weights now."""
    layer.build((None, inputs))
    return layer


# --- the encoder ----------------------------------------------------------------------------------


class Embeddings(Part):
    """Token + position + segment vectors, then LayerNorm; `widen` where E is not D.

    shared: other Embeddings whose three tables these take (ELECTRA's generator).
    """

    def __init__(self, config: ModelConfig, factorized: bool, shared: "Embeddings | None" = None):
        super().__init__()
        width = config.embedding_size or config.hidden_size
        self.token = shared.token if shared else table(config.vocab_size, width)
        self.position = shared.position if shared else table(config.max_positions, width)
        self.segment = shared.segment if shared else table(config.type_vocab_size, width)
        self.norm = norm(width, config)
        self.widen = linear(width, config.hidden_size) if factorized else None
        self.pad_id = config.pad_token_id

    def call(self, input_ids, token_type_ids):
        """Both (B, T) -> (B, T, D)."""
        words, is_padding = self.token(input_ids), (input_ids == self.pad_id)[..., None]
        words = tf.where(is_padding, tf.stop_gradient(words), words)  # PyTorch's padding_idx
        total = words + self.segment(token_type_ids)
        total = self.norm(total + self.position(tf.range(tf.shape(input_ids)[1])))  # (B, T, E)
        return self.widen(total) if self.widen else total


class MultiHeadAttention(Part):
    """H attentions side by side, each on its own K of the D features."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.num_heads, width = config.num_heads, config.hidden_size
        self.query, self.key = linear(width, width), linear(width, width)
        self.value, self.mix = linear(width, width), linear(width, width)  # mix: PyTorch's `output`

    def split_heads(self, x):
        """(B, T, D) -> (B, H, T, K)."""
        batch, length, width = x.shape
        x = tf.reshape(x, (batch, length, self.num_heads, width // self.num_heads))
        return tf.transpose(x, (0, 2, 1, 3))

    def call(self, hidden, may_attend):
        """hidden (B, T, D), may_attend (B, 1, 1, T) boolean -> (B, T, D)."""
        query = self.split_heads(self.query(hidden))  # (B, H, T, K)
        key = self.split_heads(self.key(hidden))
        value = self.split_heads(self.value(hidden))
        scores = tf.matmul(query, key, transpose_b=True) / query.shape[-1] ** 0.5  # (B, H, T, T)
        scores = tf.where(may_attend, scores, scores.dtype.min)
        mixed = tf.matmul(tf.nn.softmax(scores), value)  # (B, H, T, K)
        return self.mix(tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), hidden.shape))


class FeedForward(Part):
    """Two linear maps with a bend between them: D -> F -> D."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.expand = linear(config.hidden_size, config.intermediate_size)
        self.activation = ACTIVATIONS[config.activation]
        self.contract = linear(config.intermediate_size, config.hidden_size)

    def call(self, hidden):
        """(B, T, D) -> (B, T, D)."""
        return self.contract(self.activation(self.expand(hidden)))


class EncoderLayer(Part):
    """Attention, then feed-forward; around each a residual sum and then LayerNorm (post-norm)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.attention, self.feed_forward = MultiHeadAttention(config), FeedForward(config)
        self.attention_norm = norm(config.hidden_size, config)
        self.feed_forward_norm = norm(config.hidden_size, config)

    def call(self, hidden, may_attend):
        """(B, T, D) -> (B, T, D)."""
        hidden = self.attention_norm(hidden + self.attention(hidden, may_attend))
        return self.feed_forward_norm(hidden + self.feed_forward(hidden))


class Encoder(Part):
    """L layers with weights of their own, or one layer L times (ALBERT)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        if config.shared == "all":
            self.layers = [EncoderLayer(config)] * config.num_layers
        else:
            self.layers = [EncoderLayer(config) for _ in range(config.num_layers)]

    def call(self, hidden, may_attend):
        """(B, T, D) -> (B, T, D)."""
        for layer in self.layers:
            hidden = layer(hidden, may_attend)
        return hidden


class Body(Part):
    """Embeddings and encoder: PyTorch's `bert` without a pooler."""

    def __init__(self, config: ModelConfig, factorized: bool, shared: Embeddings | None = None):
        super().__init__()
        self.embeddings = Embeddings(config, factorized, shared)
        self.encoder = Encoder(config)

    def call(self, input_ids, token_type_ids, attention_mask):
        """All (B, T); attention_mask 1 = a real token, which all tokens may attend -> (B, T, D)."""
        hidden = self.embeddings(input_ids, token_type_ids)
        return self.encoder(hidden, tf.cast(attention_mask, tf.bool)[:, None, None, :])


# --- heads and losses -----------------------------------------------------------------------------


class TiedDecoder(Part):
    """A word's score is the product of the vector with the word's own embedding, plus a bias."""

    def __init__(self, token: Embedding):
        super().__init__()
        self.token = token
        self.bias = self.add_weight(shape=(token.input_dim,))

    @property
    def weight(self):
        return self.token.embeddings  # (V, E)

    def call(self, x):
        """(N, E) -> (N, V)."""
        return tf.matmul(x, self.weight, transpose_b=True) + self.bias


class MLMHead(Part):
    """Scores over the vocabulary."""

    def __init__(self, config: ModelConfig, token: Embedding):
        super().__init__()
        self.dense = linear(config.hidden_size, token.output_dim)
        self.activation = ACTIVATIONS[config.activation]
        self.norm = norm(token.output_dim, config)
        self.decoder = TiedDecoder(token)

    def call(self, hidden, positions):
        """(B, T, D) and positions (N,) in the B*T tokens laid end to end -> (N, V)."""
        hidden = tf.gather(tf.reshape(hidden, (-1, hidden.shape[-1])), positions)  # (N, D)
        return self.decoder(self.norm(self.activation(self.dense(hidden))))


class ReplacedTokenHead(Part):
    """One score for each token: above 0 = replaced."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.hidden = linear(config.hidden_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.activation]
        self.dense = linear(config.hidden_size, 1)

    def call(self, hidden):
        """(B, T, D) -> (B, T)."""
        return tf.squeeze(self.dense(self.activation(self.hidden(hidden))), -1)


class OneDense(Part):
    """A single matrix under the name `dense`: the pooler's, and the head's for a pair of texts."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.dense = linear(inputs, outputs)

    def call(self, x):
        return self.dense(x)


def mean_loss(logits, labels):
    """Cross-entropy in nats, averaged over the labels that are not -100: (N, C), (N,) -> ()."""
    counted = labels != IGNORED
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.where(counted, labels, 0), logits)
    number = tf.reduce_sum(tf.cast(counted, losses.dtype))
    return tf.reduce_sum(tf.where(counted, losses, 0.0)) / tf.maximum(number, 1.0)


def binary_loss(scores, is_replaced, attention_mask):
    """Mean over real tokens of the cross-entropy of replaced or original: all (B, T) -> ()."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_replaced, scores.dtype), scores)
    real = tf.cast(attention_mask, losses.dtype)
    return tf.reduce_sum(losses * real) / tf.reduce_sum(real)


# --- ELECTRA --------------------------------------------------------------------------------------


class Generator(Part):
    """A small BERT with a masked-word head, on the discriminator's tables."""

    def __init__(self, config: ModelConfig, tables: Embeddings):
        super().__init__()
        self.bert = Body(config, not same_width(config), tables)
        self.mlm = MLMHead(config, tables.token)

    def call(self, input_ids, token_type_ids, attention_mask, masked_positions):
        """Scores (N, V)."""
        return self.mlm(self.bert(input_ids, token_type_ids, attention_mask), masked_positions)


class Discriminator(Part):
    """The encoder that one keeps, with the head that says which tokens were replaced."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.bert = Body(config, not same_width(config))
        self.replaced = ReplacedTokenHead(config)

    def call(self, input_ids, token_type_ids, attention_mask):
        """Scores (B, T)."""
        return self.replaced(self.bert(input_ids, token_type_ids, attention_mask))


class Electra(Part):
    """`ElectraForPreTraining`: generator and discriminator, trained together."""

    def __init__(self, config: ModelConfig, generator_config: ModelConfig, weight: float):
        super().__init__()
        self.weight = weight
        self.discriminator = Discriminator(config)
        self.generator = Generator(generator_config, self.discriminator.bert.embeddings)

    def call(self, input_ids, token_type_ids, attention_mask, masked_positions, masked_labels,
             drawn):  # fmt: skip
        """Losses by name. input_ids (B, T) with masks in; masked_labels (N,), the original ids;
        drawn (N,), the words that stand there now, so that two frameworks can judge the same ones.
        """
        scores = self.generator(input_ids, token_type_ids, attention_mask, masked_positions)
        ids, is_replaced = corrupt(input_ids, masked_positions, masked_labels, drawn)
        found = self.discriminator(ids, token_type_ids, attention_mask)
        mlm_loss = mean_loss(scores, masked_labels)
        replaced_loss = binary_loss(found, is_replaced, attention_mask)
        return {"loss": mlm_loss + self.weight * replaced_loss, "mlm_loss": mlm_loss,
                "replaced_loss": replaced_loss}  # fmt: skip


def corrupt(input_ids, positions, labels, drawn):
    """Fill the masked places: the ids that the discriminator reads, and where they are not the
    original, both (B, T). A label of -100 is an empty slot, and changes nothing."""
    real, flat, places = labels != IGNORED, tf.reshape(input_ids, (-1,)), positions[:, None]
    back = tf.where(real, labels - tf.gather(flat, positions), 0)
    original = tf.tensor_scatter_nd_add(flat, places, back)
    ids = tf.tensor_scatter_nd_add(original, places, tf.where(real, drawn - labels, 0))
    return tf.reshape(ids, input_ids.shape), tf.reshape(ids != original, input_ids.shape)


# --- ALBERT ---------------------------------------------------------------------------------------


class AlbertBody(Body):
    """With narrow embeddings, shared layers, and a pooler for the question about two texts."""

    def __init__(self, config: ModelConfig):
        super().__init__(config, factorized=True)
        self.pooler = OneDense(config.hidden_size, config.hidden_size)

    def call(self, input_ids, token_type_ids, attention_mask):
        """(B, T) -> (B, T, D), and pooled (B, D)."""
        hidden = super().call(input_ids, token_type_ids, attention_mask)
        return hidden, tf.tanh(self.pooler(hidden[:, 0]))


class Albert(Part):
    """`AlbertForPreTraining`: masked words, and whether two texts stand in their order."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.bert = AlbertBody(config)
        self.mlm = MLMHead(config, self.bert.embeddings.token)
        self.nsp = OneDense(config.hidden_size, 2)

    def call(self, input_ids, token_type_ids, attention_mask, masked_positions, masked_labels,
             next_sentence_label):  # fmt: skip
        """Losses by name. next_sentence_label (B,): 0 = in order, 1 = swapped."""
        hidden, pooled = self.bert(input_ids, token_type_ids, attention_mask)
        mlm_loss = mean_loss(self.mlm(hidden, masked_positions), masked_labels)
        sop_loss = mean_loss(self.nsp(pooled), next_sentence_label)
        return {"loss": mlm_loss + sop_loss, "mlm_loss": mlm_loss, "nsp_loss": sop_loss}


# --- from PyTorch, and side by side ---------------------------------------------------------------

RENAMED = {"output": "mix"}  # a Keras layer has an `output` of another meaning
WEIGHTS = {Dense: {"weight": "kernel"}, Embedding: {"weight": "embeddings"},
           LayerNormalization: {"weight": "gamma", "bias": "beta"}}  # fmt: skip


def twin(model: torch.nn.Module) -> Electra | Albert:
    """The Keras twin of an ElectraForPreTraining or AlbertForPreTraining, with its weights.

    Raises ValueError for another model, layers shared in part, or a discriminator that learns from
    masked places alone.
    """
    if isinstance(model, ElectraForPreTraining) and not model.masked_only:
        made = Electra(model.config, model.generator_config, model.weight)
    elif isinstance(model, AlbertForPreTraining) and model.config.shared in ("all", "nothing"):
        made = Albert(model.config)
    else:
        raise ValueError(
            f"there is no Keras twin of this {type(model).__name__}: give an ElectraForPreTraining "
            'with masked_only=False, or an AlbertForPreTraining with shared "all" or "nothing".'
        )
    copy_weights(model.state_dict(), made)
    return made


def copy_weights(state: dict[str, torch.Tensor], made: Layer) -> None:
    """Put every tensor of a PyTorch `state_dict` into the Keras variable of the same name."""
    for name, tensor in state.items():
        variable, turned = find(made, name)
        array = tensor.detach().cpu().float().numpy()
        variable.assign(array.T if turned else array)


def find(made: Layer, name: str) -> tuple[keras.Variable, bool]:
    """The Keras variable for a name such as "bert.encoder.layers.0.attention.query.weight", and
    whether PyTorch keeps it turned over."""
    *path, last = name.split(".")
    for part in path:
        made = made[int(part)] if part.isdigit() else getattr(made, RENAMED.get(part, part))
    variable = getattr(made, WEIGHTS.get(type(made), {}).get(last, last))
    return variable, isinstance(made, Dense) and last == "weight"


def compare(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> list[dict]:
    """Both frameworks on the same weights and the same batch, without dropout: one row for each
    loss, and one for the gradient that differs most.

    batch: arguments of the model's `forward`: input_ids (B, T), masked_positions and masked_labels
    (N,); for ALBERT next_sentence_label (B,); token_type_ids and attention_mask if there are.
    Rows hold `what`, `pytorch`, `tensorflow` and `difference`; the last one holds the largest
    gradient's size and the largest difference at any weight.
    """
    was_training, drawn = model.training, None
    output = model.eval()(**batch)
    model.train(was_training)
    if isinstance(model, ElectraForPreTraining):
        drawn = output.corrupted_ids.flatten()[batch["masked_positions"]]
    losses, gradients = in_tensorflow(model, batch, drawn)
    rows = [row(name, float(getattr(output, name).detach()), float(value))
            for name, value in losses.items()]  # fmt: skip
    names, weights = zip(*model.named_parameters(), strict=True)
    wanted = dict(zip(names, torch.autograd.grad(output.loss, weights), strict=True))
    apart = max(float((wanted[name].cpu() - gradients[name]).abs().max()) for name in names)
    sizes = [max(float(g.abs().max()) for g in found.values()) for found in (wanted, gradients)]
    return [*rows, row("largest gradient", *sizes) | {"difference": apart}]


def row(what: str, pytorch: float, tensorflow: float) -> dict:
    return {"what": what.replace("_", " "), "pytorch": pytorch, "tensorflow": tensorflow,
            "difference": abs(pytorch - tensorflow)}  # fmt: skip


def in_tensorflow(model, batch: dict, drawn: torch.Tensor | None) -> tuple[dict, dict]:
    """Losses of the model's twin by name, and the gradient of their sum by PyTorch's name."""
    made, ids = twin(model), batch["input_ids"]
    inputs = {"token_type_ids": torch.zeros_like(ids), "attention_mask": torch.ones_like(ids)}
    inputs |= batch | ({} if drawn is None else {"drawn": drawn})
    names = [name for name, _ in model.named_parameters()]
    places = [find(made, name) for name in names]
    with tf.GradientTape() as tape:
        losses = made(**{name: tf.constant(value.cpu().numpy()) for name, value in inputs.items()})
    found = tape.gradient(losses["loss"], [variable.value for variable, _ in places])
    found = [tf.convert_to_tensor(g).numpy() for g in found]  # tables give their rows one by one
    return losses, {name: torch.from_numpy(g.T.copy() if turned else g)
                    for name, g, (_, turned) in zip(names, found, places, strict=True)}  # fmt: skip
