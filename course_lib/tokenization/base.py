"""What the three tokenizers (分词器) share: special tokens, pairs, truncation, padding.

A tokenizer does two jobs. It cuts a text into pieces (`tokenize`), and it turns pieces into the
numbers a model reads (`encode`): ids, segments and attention mask, with the special tokens
(特殊词元) in place. Each algorithm writes only the first job; this file holds the second.

Axes: B sequences, T tokens. Source of the input layout: BERT, section 3 and figure 2.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch


def check_text(text, name="text"):
    """Return `text` if it is a string that UTF-8 can hold; otherwise say what to do instead."""
    if not isinstance(text, str):
        hint = "call .decode('utf-8') first" if isinstance(text, bytes) else "give one string"
        raise TypeError(f"{name} must be a str, not {type(text).__name__} ({text!r:.60}): {hint}")
    for position, char in enumerate(text):
        if 0xD800 <= ord(char) <= 0xDFFF:
            raise ValueError(
                f"{name} holds half a surrogate pair, U+{ord(char):04X}, at position {position}: "
                "no UTF-8 exists for it; clean it with "
                "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
            )
    return text


def check_vocab(vocab, special):
    """Return `vocab` as a dict piece -> id, by id; refuse empty, repeated or incomplete ones."""
    if isinstance(vocab, Mapping):
        vocab = dict(sorted(vocab.items(), key=lambda item: item[1]))
    else:
        pieces = list(vocab)
        vocab = {piece: index for index, piece in enumerate(pieces)}
        if len(vocab) < len(pieces):
            twice = next(p for i, p in enumerate(pieces) if vocab[p] != i)
            raise ValueError(
                f"the vocabulary lists {twice!r} more than once (lines {pieces.index(twice) + 1} "
                f"and {vocab[twice] + 1}): every piece needs one id; remove the repetition"
            )
    if not vocab:
        raise ValueError("the vocabulary is empty: give a list of pieces, or train one")
    missing = [token for token in special if token not in vocab]
    if missing:
        raise ValueError(
            f"the vocabulary of {len(vocab):,} pieces lacks {', '.join(missing)}: "
            "add them, or name this vocabulary's own special tokens"
        )
    return vocab


def truncate_pair(first, second, room):
    """Shorten two id lists together to `room` ids; the longer one always gives up its last id."""
    first, second = list(first), list(second)
    while len(first) + len(second) > room:
        (first if len(first) > len(second) else second).pop()
    return first, second


class Tokenizer:
    """The common face. A subclass gives `_pieces(text)`, `_join(pieces)`, `fast` and files.

    vocab: dict piece -> id, or a list of pieces in the order of their ids.
    Raises ValueError for a vocabulary that is empty, repeats a piece or lacks a special token.
    """

    SPECIAL = dict(pad="[PAD]", unk="[UNK]", cls="[CLS]", sep="[SEP]", mask="[MASK]")
    PAIR_SEPARATORS = 1  # how many separators stand between two texts
    SEGMENTS = True  # are the tokens of the second text marked with 1?
    MASK_EATS_SPACE = False  # does the mask token take the blank before it (RoBERTa, ALBERT)?

    def __init__(self, vocab, special=None):
        self.special = {**self.SPECIAL, **(special or {})}
        self.vocab = check_vocab(vocab, self.special.values())
        self._id_to_piece = {index: piece for piece, index in self.vocab.items()}
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            self.vocab[self.special[role]] for role in ("pad", "unk", "cls", "sep", "mask")
        )
        self.special_ids = frozenset(self.vocab[token] for token in self.special.values())
        # Special tokens written inside a text stay whole: "the [MASK] sat" holds one mask.
        names = sorted(set(self.special.values()), key=len, reverse=True)
        self._split_special = re.compile(f"({'|'.join(map(re.escape, names))})")

    def __len__(self):
        return len(self.vocab)

    def __repr__(self):
        return f"{type(self).__name__}({self.vocab_size:,} pieces)"

    @property
    def vocab_size(self):
        return len(self.vocab)

    def tokenize(self, text):
        """Cut `text` (a string) into a list of pieces; no special tokens are added."""
        parts = self._split_special.split(check_text(text))  # text, special, text, special, ...
        pieces = self._pieces(self._before(parts, 0))
        for index in range(1, len(parts), 2):
            pieces += [parts[index], *self._pieces(self._before(parts, index + 1))]
        return pieces

    def _before(self, parts, index):
        """The text in parts[index]; without its last blanks if the mask after it takes them."""
        follows_mask = parts[index + 1 : index + 2] == [self.special["mask"]]
        return parts[index].rstrip() if follows_mask and self.MASK_EATS_SPACE else parts[index]

    def pieces_to_ids(self, pieces):
        """Ids of pieces; a piece outside the vocabulary (未登录词) gets the unknown id."""
        return [self.vocab.get(piece, self.unk_id) for piece in pieces]

    def ids_to_tokens(self, ids):
        """Pieces of ids (a list or a tensor). Raises ValueError for an id that does not exist."""
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        for index in ids:
            if index not in self._id_to_piece:
                raise ValueError(
                    f"id {index!r} is not in this vocabulary (ids 0 to {self.vocab_size - 1:,}): "
                    "was it made by another tokenizer?"
                )
        return [self._id_to_piece[index] for index in ids]

    def encode(self, text, pair=None, max_length=None):
        """Ids with special tokens, for one text or a pair: dict of three lists of length T.

        input_ids; token_type_ids (0 first text, 1 second); attention_mask (1 = a real token).
        max_length counts special tokens; the longer text gives up its end first.
        """
        first = self.pieces_to_ids(self.tokenize(text))
        second = []
        if pair is not None:
            second = self.pieces_to_ids(self.tokenize(check_text(pair, "pair")))
        if max_length is not None:
            room = self._room(max_length, pair is not None)
            first, second = truncate_pair(first, second, room)
        return self.add_special(first, second if pair is not None else None)

    def _room(self, max_length, is_pair):
        overhead = 2 + (self.PAIR_SEPARATORS if is_pair else 0)
        if isinstance(max_length, bool) or not isinstance(max_length, int):
            raise TypeError(f"max_length must be a whole number, not {max_length!r}")
        if max_length < overhead:
            raise ValueError(
                f"max_length={max_length} leaves no room for the {overhead} special tokens: "
                f"give at least {overhead + 1}"
            )
        return max_length - overhead

    def add_special(self, first, second=None):
        """[CLS] first [SEP], or [CLS] first [SEP] second [SEP], as the three lists of `encode`."""
        ids = [self.cls_id, *first, self.sep_id]
        segments = [0] * len(ids)
        if second is not None:
            tail = [self.sep_id] * (self.PAIR_SEPARATORS - 1) + [*second, self.sep_id]
            ids += tail
            segments += [int(self.SEGMENTS)] * len(tail)
        return dict(input_ids=ids, token_type_ids=segments, attention_mask=[1] * len(ids))

    def pad(self, encodings, length=None):
        """A batch of (B, T) long tensors from B encodings; T is the longest, or `length`."""
        encodings = list(encodings)
        if not encodings:
            raise ValueError("pad got an empty list: give at least one encoding")
        longest = max(len(e["input_ids"]) for e in encodings)
        length = longest if length is None else length
        if longest > length:
            raise ValueError(
                f"an encoding has {longest} tokens, more than length={length}: "
                "encode with max_length first"
            )
        fill = dict(input_ids=self.pad_id, token_type_ids=0, attention_mask=0)
        return {
            name: torch.tensor([[*e[name], *[value] * (length - len(e[name]))] for e in encodings])
            for name, value in fill.items()
        }

    def decode(self, ids, skip_special=True):
        """Text of ids (a list or a tensor). What encoding cleaned away does not come back."""
        special = set(self.special.values()) - {self.special["unk"], self.special["mask"]}
        pieces = self.ids_to_tokens(ids)
        return self._join([p for p in pieces if not (skip_special and p in special)])

    def fast(self):
        """A `tokenizers.Tokenizer` with the same ids, for encoding whole corpora quickly."""
        from tokenizers import AddedToken
        from tokenizers.processors import TemplateProcessing

        fast = self._fast_model()
        for role, token in self.special.items():
            eats_space = role == "mask" and self.MASK_EATS_SPACE
            fast.add_special_tokens(
                [AddedToken(token, special=True, normalized=False, lstrip=eats_space)]
            )
        cls, sep = self.special["cls"], self.special["sep"]
        second = int(self.SEGMENTS)
        between = f"{sep}:{second} " * (self.PAIR_SEPARATORS - 1)
        fast.post_processor = TemplateProcessing(
            single=f"{cls}:0 $A:0 {sep}:0",
            pair=f"{cls}:0 $A:0 {sep}:0 {between}$B:{second} {sep}:{second}",
            special_tokens=[(cls, self.cls_id), (sep, self.sep_id)],
        )
        return fast

    def _save_config(self, folder, class_name, **options):
        """Write tokenizer_config.json, so that `transformers.AutoTokenizer` can read the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tokens = {f"{role}_token": token for role, token in self.special.items()}
        config = dict(tokenizer_class=class_name, model_max_length=512, **tokens) | options
        write_json(folder / "tokenizer_config.json", config)
        return folder


def read_json(path):
    """Contents of a JSON file, or {} where there is none. Raises ValueError for a broken one."""
    path = Path(path)
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"{path} is not valid JSON ({error}): download or save it again"
        raise ValueError(message) from error


def write_json(path, value):
    """Write `value` as readable JSON in UTF-8."""
    Path(path).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_special(config: dict, defaults: dict) -> dict:
    """The special tokens that a tokenizer_config.json names; `defaults` where it is silent."""
    named = {role: config.get(f"{role}_token") for role in defaults}
    named = {role: t.get("content") if isinstance(t, dict) else t for role, t in named.items()}
    return {role: named[role] or default for role, default in defaults.items()}


def check_texts(texts: Iterable[str], vocab_size: int, smallest: int) -> Sequence[str]:
    """What every trainer checks first. Returns the texts as a list."""
    if isinstance(texts, str):
        raise TypeError("texts must be a list of strings, not one string: put it in a list")
    texts = [check_text(text) for text in texts]
    if not any(text.strip() for text in texts):
        raise ValueError("there is no text to learn a vocabulary from: every text is empty")
    if vocab_size < smallest:
        raise ValueError(f"vocab_size={vocab_size} is too small: give at least {smallest}")
    return texts
