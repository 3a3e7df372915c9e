"""The unigram tokenizer of ALBERT: every piece has a probability, the likeliest split wins.

Kudo 2018 (the unigram model), Kudo and Richardson 2018 (SentencePiece, which writes a blank as ▁).
ALBERT's own steps (lower case, no accents, no piece like "2010,") follow the tokenizer released
with it (https://github.com/google-research/albert, tokenization.py).
"""

import re
import unicodedata
from base64 import b64decode
from pathlib import Path

from .base import Tokenizer, check_texts, read_json, read_special
from .bytelevel_bpe import learned_model
from .spiece import CharsMap, as_stored, read_spiece, write_spiece
from .wordpiece import lower_letters

UNKNOWN_PENALTY = 10.0  # SentencePiece: an unknown character costs this more than the rarest piece


def simplify(text, lower_case=True, keep_accents=False):
    """ALBERT's cleaning: single blanks, compatibility forms (NFKD), no accents, lower case."""
    text = " ".join(text.split())
    if not keep_accents:
        text = unicodedata.normalize("NFKD", text)
        text = "".join(char for char in text if not unicodedata.combining(char))
    return lower_letters(text) if lower_case else text


def mark_blanks(text):
    """Write each run of blanks as one ▁ and put one in front: "new york" is "▁new▁york"."""
    words = text.replace("▁", " ").strip(" ")
    return "▁" + re.sub(" +", "▁", words) if words else ""


def split_marked(text):
    """Cut before each ▁: "▁new▁york" becomes ["▁new", "▁york"]. No piece has ▁ inside."""
    return re.findall("▁?[^▁]+|▁", text)


def viterbi(text, scores, unk_score, longest=16):
    """The split of `text` whose scores (log-probabilities) have the largest sum.

    best[end] is the score of the best split of text[:end]; start[end] is where its last piece
    begins. A character that is no piece may stand alone for `unk_score`. longest: no piece has
    more characters (SentencePiece learns none above 16).
    """
    best, start = [0.0], [0]
    for end in range(1, len(text) + 1):
        best.append(float("-inf"))
        start.append(end - 1)
        for begin in range(max(0, end - longest), end):
            fallback = unk_score if begin == end - 1 else float("-inf")
            total = best[begin] + scores.get(text[begin:end], fallback)
            if total > best[end]:
                best[end], start[end] = total, begin
    pieces, end = [], len(text)
    while end:
        pieces.append(text[start[end] : end])
        end = start[end]
    return pieces[::-1]


def cut_words(words, scores, unk_score, longest=16):
    """The pieces of all words. ALBERT cuts a piece like "▁2010," again: a number and a comma."""
    pieces = []
    for word in words:
        for piece in viterbi(word, scores, unk_score, longest):
            if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
                pieces += [*viterbi(piece[:-1], scores, unk_score, longest), ","]
            else:
                pieces.append(piece)
    return pieces


def join_unknown(pieces, vocab):
    """Put neighboring unknown characters together: SentencePiece counts them as one unknown."""
    joined, previous_known = [], True
    for piece in pieces:
        known = piece in vocab
        if known or previous_known:
            joined.append(piece)
        else:
            joined[-1] += piece
        previous_known = known
    return joined


class Unigram(Tokenizer):
    """Unigram over a list of (piece, log-probability), in the order of the ids.

    charsmap: bytes of SentencePiece's table of replacements (NFKC and a little more), or None for
    plain NFKC. lower_case and keep_accents: ALBERT's switches. ids: dict piece -> id, where they
    are not simply 0, 1, 2, ... (a part of a vocabulary; it has no `fast` and cannot be saved).
    """

    SPECIAL = dict(pad="<pad>", unk="<unk>", cls="[CLS]", sep="[SEP]", mask="[MASK]")
    MASK_EATS_SPACE = True

    def __init__(
        self, pieces, charsmap=None, lower_case=True, keep_accents=False, special=None, ids=None
    ):
        self.pieces = [(piece, as_stored(score)) for piece, score in pieces]
        super().__init__(ids or [piece for piece, _ in self.pieces], special)
        specials = set(self.special.values())
        self.scores = {piece: score for piece, score in self.pieces if piece not in specials}
        if not self.scores:
            raise ValueError("the vocabulary has special tokens only: give it pieces of text too")
        self.unk_score = min(score for _, score in self.pieces) - UNKNOWN_PENALTY
        self.longest = max(map(len, self.scores))
        self.charsmap = charsmap
        self._replace = CharsMap(charsmap).replace if charsmap else _nfkc
        self.lower_case, self.keep_accents = lower_case, keep_accents

    def _pieces(self, text):
        text = self._replace(simplify(text, self.lower_case, self.keep_accents))
        words = split_marked(mark_blanks(text))
        pieces = cut_words(words, self.scores, self.unk_score, self.longest)
        return join_unknown(pieces, self.scores)

    def _join(self, pieces):
        apart = set(self.special.values()) - {self.special["unk"]}
        text = "".join(f"▁{piece}" if piece in apart else piece for piece in pieces)
        return text.replace("▁", " ").strip(" ")

    def _fast_model(self):
        from tokenizers import Tokenizer as FastTokenizer
        from tokenizers import decoders, models

        fast = FastTokenizer(models.Unigram(self.pieces, self.unk_id, False))
        fast.normalizer = _fast_normalizer(self.charsmap, self.lower_case, self.keep_accents)
        fast.pre_tokenizer = _fast_words()
        fast.decoder = decoders.Metaspace()
        return fast

    @classmethod
    def from_folder(cls, path):
        """Read spiece.model or tokenizer.json, and tokenizer_config.json if it is there."""
        path = Path(path)
        config = read_json(path / "tokenizer_config.json")
        whole = read_json(path / "tokenizer.json")
        if (path / "spiece.model").exists():
            pieces, charsmap = read_spiece(path / "spiece.model")
        elif whole.get("model", {}).get("type") == "Unigram":
            pieces, charsmap = whole["model"]["vocab"], _find_charsmap(whole.get("normalizer"))
        else:
            raise FileNotFoundError(f"{path} holds no spiece.model and no Unigram tokenizer.json")
        lower_case, keep_accents = config.get("do_lower_case", True), config.get("keep_accents")
        special = read_special(config, cls.SPECIAL)
        return cls(pieces, charsmap, lower_case, bool(keep_accents), special)

    def save(self, folder):
        """Write spiece.model, tokenizer.json and tokenizer_config.json, as albert-base-v2 has them.

        `transformers` reads tokenizer.json; without it, it would need sentencepiece and protobuf.
        """
        folder = self._save_config(
            folder,
            "PreTrainedTokenizerFast",
            do_lower_case=self.lower_case,
            keep_accents=self.keep_accents,
        )
        write_spiece(folder / "spiece.model", self.pieces, self.charsmap, self.special)
        self.fast().save(str(folder / "tokenizer.json"))
        return folder


def _nfkc(text):
    return unicodedata.normalize("NFKC", text)


def _find_charsmap(normalizer):
    """The precompiled table inside the normalizer of a tokenizer.json, or None."""
    for step in (normalizer or {}).get("normalizers", [normalizer or {}]):
        if step.get("type") == "Precompiled":
            return b64decode(step["precompiled_charsmap"])
    return None


def _fast_normalizer(charsmap, lower_case, keep_accents):
    """Normalizer of `tokenizers` that does what `simplify` and the table of characters do."""
    from tokenizers import Regex, normalizers

    steps = [normalizers.Replace(Regex(r"[\s\x1c-\x1f\x85]+"), " "), normalizers.Strip()]
    if not keep_accents:
        marks = "".join(chr(c) for c in range(0x300, 0x20000) if unicodedata.combining(chr(c)))
        steps += [normalizers.NFKD(), normalizers.Replace(Regex(f"[{marks}]"), "")]
    if lower_case:
        steps.append(normalizers.Lowercase())
    steps.append(normalizers.Precompiled(charsmap) if charsmap else normalizers.NFKC())
    steps += [normalizers.Replace(Regex("[ ▁]+"), " "), normalizers.Strip()]
    return normalizers.Sequence(steps)


def _fast_words(training=False):
    """Pre-tokenizer of `tokenizers` that does what `mark_blanks` and `split_marked` do.

    A comma between a digit and something else stands alone, as `cut_words` leaves it. In training
    every comma after a digit does, so that a vocabulary of ours holds no piece like "▁2010,".
    """
    from tokenizers import Regex, pre_tokenizers

    comma = Regex(r"(?<=\d)," if training else r"(?<=\d),(?!\d)")
    blanks = pre_tokenizers.Metaspace(prepend_scheme="always")
    return pre_tokenizers.Sequence([blanks, pre_tokenizers.Split(comma, behavior="isolated")])


def train_unigram(texts, vocab_size, lower_case=True, keep_accents=False):
    """Learn a unigram vocabulary from an iterable of strings, with the `tokenizers` library.

    The trainer starts from many candidates, fits their probabilities by EM and drops the pieces
    whose loss costs least, until `vocab_size` are left (special tokens included). It goes through
    the words in random order: scores of two runs differ in the third decimal, and pieces with
    nearly equal scores swap ids. Keep the vocabulary that a model was trained with.
    """
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import models, trainers

    special = list(Unigram.SPECIAL.values())
    texts = check_texts(texts, vocab_size, len(special) + 2)
    fast = FastTokenizer(models.Unigram())
    fast.normalizer = _fast_normalizer(None, lower_case, keep_accents)
    fast.pre_tokenizer = _fast_words(training=True)
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=special, unk_token=special[1], show_progress=False
    )
    fast.train_from_iterator(texts, trainer)
    return Unigram(learned_model(fast)["vocab"], None, lower_case, keep_accents)
