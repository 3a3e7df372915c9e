"""One small model of each family, with random weights and a tokenizer that knows a few words."""

from twins import randomized

from course_lib.albert import AlbertForPreTraining
from course_lib.bert import BertForPreTraining
from course_lib.config import ModelConfig
from course_lib.electra import ElectraForPreTraining
from course_lib.roberta import RobertaForMaskedLM
from course_lib.tokenization import train_byte_bpe, train_unigram, train_wordpiece

TEXT = "the cat sat on the mat"
TEXTS = ["the cat sat on the mat", "an old dog saw the cat", "你好 the world", "it was not"] * 20


def small(**changes):
    shape = dict(hidden_size=12, num_layers=3, num_heads=2, intermediate_size=16, max_positions=48)
    return ModelConfig(**shape | changes)


def family(name):
    """(model, tokenizer) of one family, with random weights."""
    train = {"roberta": train_byte_bpe, "albert": train_unigram}.get(name, train_wordpiece)
    tokenizer = train(TEXTS, 300)
    config = small(vocab_size=tokenizer.vocab_size, pad_token_id=tokenizer.pad_id)
    model = {
        "bert": lambda: BertForPreTraining(config),
        "roberta": lambda: RobertaForMaskedLM(config.replace(type_vocab_size=1)),
        "albert": lambda: AlbertForPreTraining(config.replace(embedding_size=8, shared="all")),
        "electra": lambda: ElectraForPreTraining(config),
    }[name]()
    return randomized(model), tokenizer
