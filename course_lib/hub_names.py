"""What this course calls the parts of a model, and what published checkpoints call them.

One entry for each family. `{i}` is the number of a layer. In this course the encoder is called
`bert` in all families, as all are relatives of BERT's.
"""

from dataclasses import dataclass, field

ENCODER = {
    "bert.embeddings.token": "{body}.embeddings.word_embeddings",
    "bert.embeddings.position": "{body}.embeddings.position_embeddings",
    "bert.embeddings.segment": "{body}.embeddings.token_type_embeddings",
    "bert.embeddings.norm": "{body}.embeddings.LayerNorm",
    "bert.encoder.layers.{i}.attention.query": "{body}.encoder.layer.{i}.attention.self.query",
    "bert.encoder.layers.{i}.attention.key": "{body}.encoder.layer.{i}.attention.self.key",
    "bert.encoder.layers.{i}.attention.value": "{body}.encoder.layer.{i}.attention.self.value",
    "bert.encoder.layers.{i}.attention.output": "{body}.encoder.layer.{i}.attention.output.dense",
    "bert.encoder.layers.{i}.attention_norm":
        "{body}.encoder.layer.{i}.attention.output.LayerNorm",
    "bert.encoder.layers.{i}.feed_forward.expand": "{body}.encoder.layer.{i}.intermediate.dense",
    "bert.encoder.layers.{i}.feed_forward.contract": "{body}.encoder.layer.{i}.output.dense",
    "bert.encoder.layers.{i}.feed_forward_norm": "{body}.encoder.layer.{i}.output.LayerNorm",
    "bert.pooler.dense": "{body}.pooler.dense",
    "tagger.dense": "classifier",
    "span.dense": "qa_outputs",
}  # fmt: skip
ONE_LAYER = "albert.encoder.albert_layer_groups.0.albert_layers.0"  # used at every depth


@dataclass(frozen=True)
class Family:
    """How one family's checkpoints are written."""

    body: str  # the encoder's name there, and `model_type` in config.json
    heads: dict[str, str]  # our modules outside the encoder's table, or named differently in it
    output_matrix: str  # the decoder's weight, where a file repeats it; tied to the token vectors
    spellings: tuple = ()  # (pattern, replacement): older names of the same tensors
    classes: dict[str, str] = field(default_factory=dict)  # our class -> the hub's, if not equal
    config: dict = field(default_factory=dict)  # fields of config.json that are always so

    def module(self, ours: str) -> str:
        """The hub's name of a module of ours, with {i} left in. Raises KeyError."""
        return (ENCODER | self.heads)[ours].replace("{body}", self.body)

    @property
    def token_matrix(self) -> str:
        return f"{self.body}.embeddings.word_embeddings.weight"


FAMILIES = {
    "bert": Family(
        "bert",
        {"mlm.dense": "cls.predictions.transform.dense",
         "mlm.norm": "cls.predictions.transform.LayerNorm",
         "mlm.decoder": "cls.predictions",  # its bias; its weight is the token embedding
         "nsp.dense": "cls.seq_relationship", "classifier.dense": "classifier"},
        "cls.predictions.decoder.weight",
        ((r"^cls\.predictions\.decoder\.bias$", "cls.predictions.bias"),),
        config={"position_embedding_type": "absolute"},
    ),
    "roberta": Family(
        "roberta",
        {"mlm.dense": "lm_head.dense", "mlm.norm": "lm_head.layer_norm", "mlm.decoder": "lm_head",
         "classifier.hidden": "classifier.dense", "classifier.dense": "classifier.out_proj"},
        "lm_head.decoder.weight",
        ((r"^lm_head\.decoder\.bias$", "lm_head.bias"),),
        config={"position_embedding_type": "absolute"},
    ),
    "albert": Family(
        "albert",
        {"bert.embeddings.widen": "albert.encoder.embedding_hidden_mapping_in",
         "bert.pooler.dense": "albert.pooler",
         "mlm.dense": "predictions.dense", "mlm.norm": "predictions.LayerNorm",
         "mlm.decoder": "predictions", "nsp.dense": "sop_classifier.classifier",
         "classifier.dense": "classifier"}
        | {f"bert.encoder.layers.{{i}}.{ours}": f"{ONE_LAYER}.{theirs}" for ours, theirs in {
            "attention.query": "attention.query", "attention.key": "attention.key",
            "attention.value": "attention.value", "attention.output": "attention.dense",
            "attention_norm": "attention.LayerNorm", "feed_forward.expand": "ffn",
            "feed_forward.contract": "ffn_output",
            "feed_forward_norm": "full_layer_layer_norm"}.items()},
        "predictions.decoder.weight",
        ((r"^predictions\.decoder\.bias$", "predictions.bias"),),
        config={"num_hidden_groups": 1, "inner_group_num": 1,
                "position_embedding_type": "absolute"},
    ),
    "electra": Family(
        "electra",
        {"bert.embeddings.widen": "electra.embeddings_project",
         "mlm.dense": "generator_predictions.dense",
         "mlm.norm": "generator_predictions.LayerNorm", "mlm.decoder": "generator_lm_head",
         "replaced.hidden": "discriminator_predictions.dense",
         "replaced.dense": "discriminator_predictions.dense_prediction",
         "classifier.hidden": "classifier.dense", "classifier.dense": "classifier.out_proj"},
        "generator_lm_head.weight",
        classes={"Discriminator": "ElectraForPreTraining", "Generator": "ElectraForMaskedLM"},
        config={"position_embedding_type": "absolute"},
    ),
}  # fmt: skip
# Spellings that all families have seen, rewritten first: LayerNorm in files from TensorFlow.
OLD_SPELLINGS = ((r"\.gamma$", ".weight"), (r"\.beta$", ".bias"))


def family_of(cls: type) -> str:
    """The family of a model class of this course. Raises ValueError for any other class."""
    for ancestor in cls.__mro__:
        name = ancestor.__module__.removeprefix("course_lib.")
        if name in FAMILIES:
            return name
    raise ValueError(f"{cls.__name__} is no model of this course: {', '.join(FAMILIES)}.")
