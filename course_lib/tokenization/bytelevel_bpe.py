"""Byte-level BPE (字节级 BPE), the tokenizer of GPT-2 and RoBERTa.

The alphabet is the 256 bytes of UTF-8, so that no text is ever unknown. A word starts as its
bytes; the learned merges then join neighbors, always the pair that was learned first. Follows
Sennrich et al. 2016 (the merges) and Radford et al. 2019, section 2.2 (the bytes).
"""

from pathlib import Path

import regex

from .base import Tokenizer, check_texts, read_json, read_special, write_json

# How GPT-2 cuts a text into words before merging: English endings, letters, digits, other signs
# (each with one blank before it), then blanks. Nothing is dropped: the parts join to the text.
WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def bytes_to_unicode():
    """A visible character for each of the 256 bytes: dict byte -> character.

    Printable bytes stand for themselves; the others (a blank, a line end, ...) move up to
    U+0100 and beyond, in order. The blank, byte 32, becomes Ġ.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    return table | {byte: chr(256 + n) for n, byte in enumerate(moved)}


BYTE_TO_CHAR = bytes_to_unicode()
CHAR_TO_BYTE = {char: byte for byte, char in BYTE_TO_CHAR.items()}


def to_byte_chars(text):
    """The UTF-8 bytes of `text`, one visible character a byte."""
    return "".join(BYTE_TO_CHAR[byte] for byte in text.encode("utf-8"))


def merge_pair(pieces, pair):
    """Join every neighboring (left, right) in `pieces` that equals `pair`, from left to right."""
    merged, index = [], 0
    while index < len(pieces):
        if tuple(pieces[index : index + 2]) == pair:
            merged.append(pair[0] + pair[1])
            index += 2
        else:
            merged.append(pieces[index])
            index += 1
    return merged


def byte_pair_encode(word, ranks):
    """Cut one word into pieces. ranks: dict (left, right) -> its place among the learned merges.

    The pair learned first is merged first, until no neighboring pair is a learned one.
    """
    pieces = list(word)
    while len(pieces) > 1:
        pairs = set(zip(pieces, pieces[1:], strict=False))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        pieces = merge_pair(pieces, best)
    return pieces


class ByteLevelBPE(Tokenizer):
    """Byte-level BPE over a vocabulary and the list of merges [(left, right), ...] in order."""

    SPECIAL = dict(pad="<pad>", unk="<unk>", cls="<s>", sep="</s>", mask="<mask>")
    PAIR_SEPARATORS = 2  # <s> A </s></s> B </s>
    SEGMENTS = False  # RoBERTa has one segment only
    MASK_EATS_SPACE = True

    def __init__(self, vocab, merges, special=None):
        super().__init__(vocab, special)
        self.merges = [tuple(pair) for pair in merges]
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        for left, right in self.merges:
            if left + right not in self.vocab:
                raise ValueError(
                    f"the merge {left!r} + {right!r} makes a piece that the vocabulary of "
                    f"{self.vocab_size:,} lacks: merges and vocabulary must come from one training"
                )

    def _pieces(self, text):
        words = (to_byte_chars(word) for word in WORDS.findall(text))
        return [piece for word in words for piece in byte_pair_encode(word, self.ranks)]

    def _join(self, pieces):
        special = set(self.special.values())
        parts = [
            f" {piece}".encode() if piece in special else bytes(CHAR_TO_BYTE[c] for c in piece)
            for piece in pieces
        ]
        return b"".join(parts).decode("utf-8", errors="replace")

    def _fast_model(self):
        from tokenizers import Tokenizer as FastTokenizer
        from tokenizers import decoders, models, pre_tokenizers

        fast = FastTokenizer(models.BPE(self.vocab, self.merges, unk_token=self.special["unk"]))
        fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        fast.decoder = decoders.ByteLevel()
        return fast

    @classmethod
    def from_folder(cls, path):
        """Read vocab.json and merges.txt, or tokenizer.json."""
        path = Path(path)
        whole = read_json(path / "tokenizer.json").get("model", {})
        if (path / "vocab.json").exists() and (path / "merges.txt").exists():
            vocab, merges = read_json(path / "vocab.json"), read_merges(path / "merges.txt")
        elif whole.get("type") == "BPE":
            vocab = whole["vocab"]
            merges = [m.split(" ") if isinstance(m, str) else m for m in whole["merges"]]
        else:
            raise FileNotFoundError(
                f"{path} holds neither vocab.json with merges.txt nor a BPE tokenizer.json"
            )
        special = read_special(read_json(path / "tokenizer_config.json"), cls.SPECIAL)
        return cls(vocab, merges, special)

    def save(self, folder):
        """Write vocab.json, merges.txt and tokenizer_config.json (the layout of roberta-base)."""
        mask = dict(content=self.special["mask"], lstrip=True)  # the blank before it is its own
        mask |= dict(__type="AddedToken", rstrip=False, normalized=False, single_word=False)
        folder = self._save_config(folder, "RobertaTokenizer", mask_token=mask)
        write_json(folder / "vocab.json", self.vocab)
        lines = ["#version: 0.2", *(" ".join(pair) for pair in self.merges)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        return folder


def read_merges(path):
    """The pairs of a merges.txt, in order. Raises ValueError with the number of a broken line."""
    merges = []
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        if len(pair := line.rstrip("\r").split(" ")) != 2:
            raise ValueError(f"{path}, line {number}: {line!r} is not two pieces and one blank")
        merges.append(tuple(pair))
    return merges


def train_byte_bpe(texts, vocab_size, min_frequency=2):
    """Learn a byte-level BPE from an iterable of strings, with the `tokenizers` library.

    vocab_size counts the 5 special tokens, the 256 bytes and the merges.
    """
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import models, pre_tokenizers, trainers

    special = [ByteLevelBPE.SPECIAL[role] for role in ("cls", "pad", "sep", "unk", "mask")]
    texts = check_texts(texts, vocab_size, 256 + len(special))
    fast = FastTokenizer(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=special,
        initial_alphabet=sorted(CHAR_TO_BYTE), show_progress=False,
    )  # fmt: skip
    fast.train_from_iterator(texts, trainer)
    return ByteLevelBPE(fast.get_vocab(), learned_model(fast)["merges"])


def learned_model(fast):
    """The model part of a `tokenizers.Tokenizer`, as the dict that it writes to disk."""
    import json

    return json.loads(fast.to_str())["model"]
