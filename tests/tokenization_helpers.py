"""Texts, alphabets and small vocabularies that the tokenizer tests share."""

import builtins
import inspect
import unicodedata
from functools import cache

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from course_lib.tokenization import train_byte_bpe, train_unigram, train_wordpiece

EDGE_CASES = [
    "", " ", "a", "!!!", "Hello world! This is a test.", "I wasn't sure if it's theirs.",
    "Café, naïve, Déjà-vu, résumé, Zürich, São Paulo.", "  leading and \t odd\nspaces  ",
    "北京大学 and Tokyo are far apart. 我爱自然语言处理", "Emoji 😀 and ☃ ™ ©", "x² ½ ﬁne ２０２４",
    "\u200bzero width\xa0and nbsp", "Это русский текст", "ΟΔΟΣ ΣΑΣ Σ", "한국어 テスト",
    "e\u0301a\u0300", "in 2010, or 2,750 and 1,234,567 of 3,000", "``quoted'' and \"quoted\"",
    "x" * 101, "\r\n\u2028", "the [MASK] sat", "the <mask> sat  <mask>", "[CLS] a [SEP] b </s>",
    "##ing ▁x Ġy [UNK]", "▁", "a▁▁b ▁",
]  # fmt: skip


@cache
def training_texts():
    """About 30 KB of English at hand everywhere: the built-in functions' descriptions."""
    docs = [inspect.getdoc(value) or "" for value in vars(builtins).values()]
    return [*docs, *EDGE_CASES, "我喜欢苹果。我爱自然语言处理。" * 3]


@cache
def small(kind):
    """A tokenizer of each kind, trained on `training_texts`."""
    trainers = {
        "wordpiece": lambda texts: train_wordpiece(texts, 800),
        "cased": lambda texts: train_wordpiece(texts, 800, lower_case=False),
        "bpe": lambda texts: train_byte_bpe(texts, 800),
        "unigram": lambda texts: train_unigram(texts, 700),
    }
    return trainers[kind](training_texts())


KINDS = ["wordpiece", "cased", "bpe", "unigram"]


def is_stable(char):
    """Has this character meant the same in every version of Unicode since 3.2?

    Python, `regex` and `tokenizers` each carry the tables of another version. They must agree on
    the characters that all versions know; for newer ones no rule can be tested.
    """
    then, now = unicodedata.ucd_3_2_0.category(char), unicodedata.category(char)
    return then == now and now not in ("Cn", "Cs", "Co")


STABLE = "".join(chr(c) for c in range(0x30000) if is_stable(chr(c)))
EMOJI = "".join(map(chr, [*range(0x1F300, 0x1F600), 0x200D, 0xFE0F]))
COMMON = " \t\n.,;-'\"()[]#0123456789abcdefgheinorstuABCé我喜欢苹果ΣİẞŉﬁＡ\u0301"
texts = st.text(
    st.one_of(st.sampled_from(COMMON), st.sampled_from(STABLE), st.sampled_from(EMOJI)), max_size=40
)

# No deadline: the first example trains or builds a tokenizer, and the machine may be busy.
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
