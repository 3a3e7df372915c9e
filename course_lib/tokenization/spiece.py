"""Reading and writing spiece.model, the file of SentencePiece, without SentencePiece.

The file is a protocol buffer: numbered fields, one after the other. Only two of its fields matter
here: the pieces with their log-probabilities, and a table of character replacements. Reading them
takes a page and shows that the file holds nothing else; so the course needs no further package.
Format: https://github.com/google/sentencepiece, sentencepiece_model.proto.
"""

import struct
from pathlib import Path

NORMAL, UNKNOWN, CONTROL = 1, 2, 3  # kinds of piece


def read_varint(data, at):
    """A whole number stored 7 bits a byte, lowest first: (value, position after it)."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def read_fields(data):
    """Yield (field number, value) of a protocol buffer message; value is an int, float or bytes."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:  # a whole number
            value, at = read_varint(data, at)
        elif kind == 2:  # a length, then so many bytes
            size, at = read_varint(data, at)
            value, at = data[at : at + size], at + size
        elif kind == 5:  # four bytes: a float
            (value,), at = struct.unpack_from("<f", data, at), at + 4
        else:
            raise ValueError(f"field {number} has the unknown kind {kind}")
        yield number, value


def read_spiece(path):
    """(list of (piece, score) in the order of the ids, table of characters or None).

    Raises ValueError if the file is not a SentencePiece model.
    """
    pieces, charsmap = [], None
    try:
        for number, value in read_fields(Path(path).read_bytes()):
            if number == 1:  # one piece: its text (1) and its log-probability (2)
                fields = dict(read_fields(value))
                pieces.append((fields[1].decode("utf-8"), fields.get(2, 0.0)))
            elif number == 3:  # how to normalize: the table is field 2
                charsmap = dict(read_fields(value)).get(2)
    except (IndexError, KeyError, TypeError, AttributeError, ValueError, struct.error) as error:
        raise ValueError(f"{path} is not a SentencePiece model ({error}): get it again") from error
    return pieces, charsmap or None


def as_stored(score):
    """A score as the file holds it, in four bytes; so saving and reading changes no split."""
    return struct.unpack("<f", struct.pack("<f", score))[0]


class CharsMap:
    """SentencePiece's table of character replacements (Unicode NFKC and a few rules more).

    The table is a trie over UTF-8 bytes ("double array"): from the node of a prefix, one byte
    leads to the node of the longer prefix. A node with a leaf says where the replacement begins.
    """

    def __init__(self, data):
        (size,) = struct.unpack_from("<I", data)
        self.nodes = struct.unpack_from(f"<{size // 4}I", data, 4)
        self.replacements = data[4 + size :]

    def longest_prefix(self, data, at):
        """(bytes matched from position `at`, their replacement); (0, None) if none is listed."""
        found, node = (0, None), self._children(0)
        for length, byte in enumerate(data[at : at + 64], start=1):
            node ^= byte
            if node >= len(self.nodes) or self.nodes[node] & 0x800000FF != byte:
                break
            has_leaf, node = self.nodes[node] >> 8 & 1, node ^ self._children(node)
            if has_leaf:
                begin = self.nodes[node] & 0x7FFFFFFF
                found = length, self.replacements[begin : self.replacements.index(b"\0", begin)]
        return found

    def _children(self, node):
        unit = self.nodes[node]
        return (unit >> 10) << ((unit & 1 << 9) >> 6)

    def replace(self, text):
        """`text` with every listed sequence replaced, the longest first, from left to right."""
        data, result, at = text.encode("utf-8"), bytearray(), 0
        while at < len(data):
            length, replacement = self.longest_prefix(data, at)
            if not length:  # keep one whole character
                length = len(data[at : at + 4].decode("utf-8", "ignore")[0].encode("utf-8"))
                replacement = data[at : at + length]
            result += replacement
            at += length
        return result.decode("utf-8")


def write_varint(value):
    """The bytes that `read_varint` reads."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low]) if not rest else bytes([low | 0x80]) + write_varint(rest)


def field(number, value):
    """One field of a protocol buffer, from an int, a float or bytes."""
    if isinstance(value, bytes):
        return write_varint(number << 3 | 2) + write_varint(len(value)) + value
    if isinstance(value, float):
        return write_varint(number << 3 | 5) + struct.pack("<f", value)
    return write_varint(number << 3) + write_varint(int(value))


def write_spiece(path, pieces, charsmap, special):
    """Write a spiece.model that SentencePiece and `transformers` read too."""
    control = {special[role] for role in ("pad", "cls", "sep", "mask")}
    ids = {piece: index for index, (piece, _) in enumerate(pieces)}
    message = b""
    for piece, score in pieces:
        kind = CONTROL if piece in control else UNKNOWN if piece == special["unk"] else NORMAL
        message += field(1, field(1, piece.encode()) + field(2, float(score)) + field(3, kind))
    roles = {40: "unk", 41: "cls", 42: "sep", 43: "pad"}
    trainer = b"".join(field(number, ids[special[role]]) for number, role in roles.items())
    trainer += field(45, special["unk"].encode()) + field(46, special["cls"].encode())
    trainer += field(47, special["sep"].encode()) + field(48, special["pad"].encode())
    message += field(2, field(3, 1) + field(4, len(pieces)) + trainer)  # 1: the unigram model
    message += field(3, field(1, b"nfkc") + field(2, charsmap or b"") + field(3, 1))
    Path(path).write_bytes(message)
