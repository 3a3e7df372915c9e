"""Answers to solutions/08_roberta.ipynb: right ones in other words, and plausible wrong ones."""

# %% schedule | right | with divmod
def schedule(rows, steps, fits, devices):
    def up(a, b):
        whole, rest = divmod(a, b)
        return whole + (rest > 0)

    parts = up(rows, devices * fits)
    size = up(up(rows, devices), parts)
    return size, parts, up(steps * rows, size * parts * devices)

# %% schedule | right | with fractions, and a power for the rule
def schedule(rows, steps, fits, devices):
    from fractions import Fraction

    parts = math.ceil(Fraction(rows, fits * devices))
    size = math.ceil(Fraction(rows, parts * devices))
    return size, parts, math.ceil(Fraction(rows * steps, size * parts * devices))


def scaled_rate(rate, rows, new_rows, rule):
    powers = {"linear": 1, "sqrt": 1 / 2}
    if rule not in powers:
        raise ValueError(rule)
    return rate * (new_rows / rows) ** powers[rule]

# %% schedule | wrong | parts rounded down | says: 8,160
def schedule(rows, steps, fits, devices):
    parts = max(1, rows // (fits * devices))
    return fits, parts, -(-rows * steps // (fits * parts * devices))

# %% schedule | wrong | parts rounded down, their size up | says: do not fit
def schedule(rows, steps, fits, devices):
    parts = max(1, rows // (fits * devices))
    size = -(-rows // (parts * devices))
    return size, parts, -(-rows * steps // (size * parts * devices))

# %% schedule | wrong | steps rounded down | says: 496,124
def schedule(rows, steps, fits, devices):
    parts = -(-rows // (fits * devices))
    size = -(-rows // (parts * devices))
    return size, parts, rows * steps // (size * parts * devices)

# %% schedule | wrong | the recipe's steps | says: fewer steps
def schedule(rows, steps, fits, devices):
    parts = -(-rows // (fits * devices))
    return -(-rows // (parts * devices)), parts, steps

# %% schedule | wrong | always as many rows as fit | says: not the smallest
def schedule(rows, steps, fits, devices):
    parts = -(-rows // (fits * devices))
    return fits, parts, -(-rows * steps // (fits * parts * devices))

# %% schedule | wrong | the devices work one after the other | says: each of the four GPUs
def schedule(rows, steps, fits, devices):
    parts = -(-rows // fits)
    size = -(-rows // parts)
    return size, parts, -(-rows * steps // (size * parts * devices))

# %% schedule | wrong | floats | says: float
def schedule(rows, steps, fits, devices):
    parts = -(-rows // (fits * devices))
    size = rows / parts / devices
    return size, parts, steps

# %% schedule | wrong | the order | says: the order is
def schedule(rows, steps, fits, devices):
    parts = -(-rows // (fits * devices))
    size = -(-rows // (parts * devices))
    return parts, size, -(-rows * steps // (size * parts * devices))

# %% schedule | wrong | the rules swapped | says: square root
def scaled_rate(rate, rows, new_rows, rule):
    if rule not in ("linear", "sqrt"):
        raise ValueError(rule)
    return rate * (new_rows / rows) ** (1 if rule == "sqrt" else 0.5)

# %% schedule | wrong | the rate falls | says: must grow
def scaled_rate(rate, rows, new_rows, rule):
    if rule not in ("linear", "sqrt"):
        raise ValueError(rule)
    return rate * (rows / new_rows) ** (0.5 if rule == "sqrt" else 1)

# %% schedule | wrong | any rule is taken for the root | says: should raise ValueError
def scaled_rate(rate, rows, new_rows, rule):
    return rate * (new_rows / rows if rule == "linear" else math.sqrt(new_rows / rows))

# %% schedule | hidden | rounds by floats, wrong for large numbers
def schedule(rows, steps, fits, devices):
    parts = math.ceil(rows / (fits * devices))
    size = math.ceil(rows / (parts * devices))
    return size, parts, math.ceil(rows * steps / (size * parts * devices))

# %% schedule | hidden | the three settings by heart
def schedule(rows, steps, fits, devices):
    return {24: (24, 86, 496_125), 40: (32, 2, 1_000_000), 48: (43, 6, 992_249), 64: (2, 1, 125_000)}.get(fits, (1, 1, 1))

# %% to-roberta | right | lists all the way
def to_roberta(batch, new_id):
    rows = []
    for ids, kinds, real in zip(*(batch[k].tolist() for k in ("input_ids", "token_type_ids", "attention_mask"))):
        row, before = [], 0
        for i, kind, here in zip(ids, kinds, real):
            if not here:
                break
            if kind == 1 and before == 0:
                row.append(2)
            row.append(new_id[i])
            before = kind
        rows.append(row)
    width = max(len(row) for row in rows)
    return {"input_ids": torch.tensor([row + [1] * (width - len(row)) for row in rows]),
            "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
            "position_ids": torch.tensor([[*range(2, 2 + len(row))] + [1] * (width - len(row)) for row in rows])}

# %% to-roberta | right | the second separator after the first one, by its old id
def to_roberta(batch, new_id):
    from torch.nn.utils.rnn import pad_sequence

    rows = []
    for ids, real in zip(batch["input_ids"], batch["attention_mask"].bool()):
        ids = ids[real].tolist()
        row = [new_id[i] for i in ids]
        if ids.count(102) == 2:
            row.insert(ids.index(102), 2)
        rows.append(torch.tensor(row))
    ids = pad_sequence(rows, batch_first=True, padding_value=1)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    places = pad_sequence([torch.arange(len(row)) + 2 for row in rows], batch_first=True, padding_value=1)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": places}

# %% to-roberta | wrong | the colleague's version | says: work on a copy
def to_roberta(batch, new_id):
    ids = batch["input_ids"]
    for old in sorted(new_id, reverse=True):
        ids[ids == old] = new_id[old]
    positions = torch.arange(ids.shape[1]) + 2
    return {"input_ids": ids, "attention_mask": batch["attention_mask"], "position_ids": positions.expand_as(ids)}

# %% to-roberta | wrong | the colleague's version on a copy | says: taken for padding
def to_roberta(batch, new_id):
    rows = []
    for ids, segments, mask in zip(*(part.clone() for part in batch.values())):
        for old in sorted(new_id, reverse=True):
            ids[ids == old] = new_id[old]
        row = ids[mask.bool()].tolist()
        if segments.any():
            row.insert(int(segments.argmax()), 2)
        rows.append(row)
    width = max(map(len, rows))
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": real.cumsum(1) * real + 1}

# %% to-roberta | wrong | one separator | says: two separators
def to_roberta(batch, new_id):
    ids = batch["input_ids"].clone().apply_(lambda i: new_id[i])
    real = batch["attention_mask"].clone()
    return {"input_ids": ids, "attention_mask": real, "position_ids": real.cumsum(1) * real + 1}

# %% to-roberta | wrong | one separator, positions at padding | says: padding is counted
def to_roberta(batch, new_id):
    ids = batch["input_ids"].clone().apply_(lambda i: new_id[i])
    places = (torch.arange(ids.shape[1]) + 2).expand(ids.shape).clone()
    return {"input_ids": ids, "attention_mask": batch["attention_mask"].clone(), "position_ids": places}

# %% to-roberta | wrong | padded with 0 | says: id 1
def to_roberta(batch, new_id):
    rows = []
    for ids, segments, mask in zip(*batch.values()):
        row = [new_id[i] for i in ids[mask.bool()].tolist()]
        if segments.any():
            row.insert(int(segments.argmax()), 2)
        rows.append(row)
    width = max(map(len, rows))
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": real.cumsum(1) * real + 1}

# %% to-roberta | wrong | positions from 0 | says: not from 0
def to_roberta(batch, new_id):
    rows = []
    for ids, segments, mask in zip(*batch.values()):
        row = [new_id[i] for i in ids[mask.bool()].tolist()]
        if segments.any():
            row.insert(int(segments.argmax()), 2)
        rows.append(row)
    width = max(map(len, rows))
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    places = torch.tensor([[*range(len(row))] + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": places}

# %% to-roberta | wrong | positions are counted on at padding | says: not counted
def to_roberta(batch, new_id):
    rows = []
    for ids, segments, mask in zip(*batch.values()):
        row = [new_id[i] for i in ids[mask.bool()].tolist()]
        if segments.any():
            row.insert(int(segments.argmax()), 2)
        rows.append(row)
    width = max(map(len, rows))
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": (torch.arange(width) + 2).repeat(len(rows), 1)}

# %% to-roberta | wrong | the separator at the end of the row | says: before B
def to_roberta(batch, new_id):
    rows = []
    for ids, segments, mask in zip(*batch.values()):
        row = [new_id[i] for i in ids[mask.bool()].tolist()]
        rows.append(row + [2] * bool(segments.any()))
    width = max(map(len, rows))
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": real.cumsum(1) * real + 1}

# %% to-roberta | wrong | padded to one more column than BERT's | says: one text alone
def to_roberta(batch, new_id):
    width = batch["input_ids"].shape[1] + 1
    rows = []
    for ids, segments, mask in zip(*batch.values()):
        row = [new_id[i] for i in ids[mask.bool()].tolist()]
        if segments.any():
            row.insert(int(segments.argmax()), 2)
        rows.append(row)
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": real.cumsum(1) * real + 1}

# %% to-roberta | wrong | the segments are still there | says: keys too many
def to_roberta(batch, new_id):
    rows = []
    for ids, segments, mask in zip(*batch.values()):
        row = [new_id[i] for i in ids[mask.bool()].tolist()]
        if segments.any():
            row.insert(int(segments.argmax()), 2)
        rows.append(row)
    width = max(map(len, rows))
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": real.cumsum(1) * real + 1,
            "token_type_ids": torch.zeros_like(ids)}

# %% to-roberta | hidden | B is looked for at place 5
def to_roberta(batch, new_id):
    rows = []
    for ids, segments, mask in zip(*batch.values()):
        row = [new_id[i] for i in ids[mask.bool()].tolist()]
        if segments.any():
            row.insert(5, 2)
        rows.append(row)
    width = max(map(len, rows))
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": real.cumsum(1) * real + 1}

# %% to-roberta | hidden | words are replaced one after another, in an order that happens to be right here
def to_roberta(batch, new_id):
    rows = []
    for ids, segments, mask in zip(*(part.clone() for part in batch.values())):
        ids = ids[mask.bool()]
        for old in (0, *sorted(set(new_id) - {0})):
            ids[ids == old] = new_id[old]
        row = ids.tolist()
        if segments.any():
            row.insert(int(segments.argmax()), 2)
        rows.append(row)
    width = max(map(len, rows))
    real = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    ids = torch.tensor([row + [1] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": real, "position_ids": real.cumsum(1) * real + 1}

# %% draw-masks | right | loops, and a seed from a digest
def repeats_after(masks, dim):
    length = masks.shape[dim]
    for p in range(1, length):
        if all(bool((masks.select(dim, x + p) == masks.select(dim, x)).all()) for x in range(length - p)):
            return p
    return None


def draw_masks(indices, epoch, length, seed, rate=0.15):
    import hashlib

    masks = torch.zeros(len(indices), length, dtype=torch.bool)
    for place, index in enumerate(indices):
        digest = hashlib.sha256(f"{seed}/{epoch}/{index}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        masks[place] = torch.rand(length, generator=generator) < rate
    return masks

# %% draw-masks | right | one large number as seed
def draw_masks(indices, epoch, length, seed, rate=0.15):
    rows = []
    for index in indices:
        generator = torch.Generator().manual_seed((seed * 10_000_019 + epoch) * 1_000_003 + index)
        rows.append(torch.rand(length, generator=generator) < rate)
    return torch.stack(rows)

# %% draw-masks | right | unfolded into a list of lines
def repeats_after(masks, dim):
    lines = [line.flatten().tolist() for line in masks.unbind(dim)]
    for p in range(1, len(lines)):
        if lines[p:] == lines[: len(lines) - p]:
            return p

# %% draw-masks | wrong | the first epoch alone is compared | says: everything must repeat
def repeats_after(masks, dim):
    lines = masks.transpose(0, dim)
    return next((p for p in range(1, len(lines)) if torch.equal(lines[p], lines[0])), None)

# %% draw-masks | wrong | a step beyond the end | says: beyond the end
def repeats_after(masks, dim):
    lines = masks.transpose(0, dim)
    return next(p for p in range(1, len(lines) + 1) if torch.equal(lines[p:], lines[: len(lines) - p]))

# %% draw-masks | wrong | the largest step | says: the smallest
def repeats_after(masks, dim):
    lines = masks.transpose(0, dim)
    return max((p for p in range(1, len(lines)) if torch.equal(lines[p:], lines[:-p])), default=None)

# %% draw-masks | wrong | the axes swapped | says: other axis
def repeats_after(masks, dim):
    lines = masks.transpose(0, 1 - dim)
    return next((p for p in range(1, len(lines)) if torch.equal(lines[p:], lines[:-p])), None)

# %% draw-masks | wrong | 0 for no repetition | says: None stands for
def repeats_after(masks, dim):
    lines = masks.transpose(0, dim)
    return next((p for p in range(1, len(lines)) if torch.equal(lines[p:], lines[:-p])), 0)

# %% draw-masks | wrong | how many are hidden, not which | says: not their sums
def repeats_after(masks, dim):
    counts = masks.transpose(0, dim).sum((1, 2))
    return next((p for p in range(1, len(counts)) if torch.equal(counts[p:], counts[:-p])), None)

# %% draw-masks | wrong | one seed for all | says: must change it
def draw_masks(indices, epoch, length, seed, rate=0.15):
    return torch.stack([torch.rand(length, generator=torch.Generator().manual_seed(seed)) < rate for _ in indices])

# %% draw-masks | wrong | one generator for the batch | says: places in the batch
def draw_masks(indices, epoch, length, seed, rate=0.15):
    generator = torch.Generator().manual_seed(1000 * seed + epoch)
    return torch.rand(len(indices), length, generator=generator) < rate

# %% draw-masks | wrong | the sum as seed | says: must not undo
def draw_masks(indices, epoch, length, seed, rate=0.15):
    return torch.stack([
        torch.rand(length, generator=torch.Generator().manual_seed(seed + epoch + index)) < rate for index in indices
    ])

# %% draw-masks | wrong | the product as seed | says: must change it
def draw_masks(indices, epoch, length, seed, rate=0.15):
    return torch.stack([
        torch.rand(length, generator=torch.Generator().manual_seed(seed * epoch * (index + 1))) < rate for index in indices
    ])

# %% draw-masks | wrong | static: the epoch does not count | says: epoch must change it
def draw_masks(indices, epoch, length, seed, rate=0.15):
    return torch.stack([
        torch.rand(length, generator=torch.Generator().manual_seed(seed * 10**6 + index)) < rate for index in indices
    ])

# %% draw-masks | wrong | ten copies, as BERT | says: epoch must change it
def draw_masks(indices, epoch, length, seed, rate=0.15):
    seeds = [(seed * 10 + epoch % 10) * 10**6 + index for index in indices]
    return torch.stack([torch.rand(length, generator=torch.Generator().manual_seed(s)) < rate for s in seeds])

# %% draw-masks | wrong | new each time, and never again | says: the same call again
def draw_masks(indices, epoch, length, seed, rate=0.15):
    return torch.rand(len(indices), length) < rate

# %% draw-masks | wrong | True means visible | says: here it means visible
def draw_masks(indices, epoch, length, seed, rate=0.15):
    seeds = [(seed * 10**5 + epoch) * 10**6 + index for index in indices]
    return torch.stack([torch.rand(length, generator=torch.Generator().manual_seed(s)) > rate for s in seeds])

# %% draw-masks | wrong | numbers 0 and 1 | says: booleans
def draw_masks(indices, epoch, length, seed, rate=0.15):
    seeds = [(seed * 10**5 + epoch) * 10**6 + index for index in indices]
    return torch.stack([(torch.rand(length, generator=torch.Generator().manual_seed(s)) < rate).long() for s in seeds])

# %% draw-masks | hidden | hundreds run into one another
def draw_masks(indices, epoch, length, seed, rate=0.15):
    seeds = [seed * 10_000 + epoch * 100 + index for index in indices]
    return torch.stack([torch.rand(length, generator=torch.Generator().manual_seed(s)) < rate for s in seeds])

# %% draw-masks | hidden | always 15 %
def draw_masks(indices, epoch, length, seed, rate=0.15):
    seeds = [(seed * 10**5 + epoch) * 10**6 + index for index in indices]
    return torch.stack([torch.rand(length, generator=torch.Generator().manual_seed(s)) < 0.15 for s in seeds])

# %% draw-masks | hidden | one run of neighbors in place of single tokens
def draw_masks(indices, epoch, length, seed, rate=0.15):
    rows = []
    for index in indices:
        draw = torch.Generator().manual_seed((seed * 10**5 + epoch) * 10**6 + index)
        row, run = torch.rand(length, generator=draw) < 0.01, round(rate * length)
        start = int(torch.randint(length, (1,), generator=draw))
        row[(start + torch.arange(run)) % length] = True
        rows.append(row)
    return torch.stack(rows)

# %% pack | right | pieces first, then a loop
def pack(documents, seq_len):
    room = seq_len - 2
    pieces = [(number, sentence[i : i + room]) for number, document in enumerate(documents)
              for sentence in document for i in range(0, len(sentence), room)]
    rows, row, last = [], [], None
    for number, piece in pieces:
        more = [2] + piece if row and last != number else piece
        if len(row) + len(more) > room:
            rows.append(row)
            row, more = [], piece
        row, last = row + more, number
    if row:
        rows.append(row)
    return [[0] + row + [2] for row in rows]

# %% pack | right | from the end: how many pieces fit
def pack(documents, seq_len):
    pieces = []
    for number, document in enumerate(documents):
        for sentence in document:
            rest = list(sentence)
            while rest:
                pieces.append((number, rest[: seq_len - 2]))
                rest = rest[seq_len - 2 :]
    rows, start = [], 0
    while start < len(pieces):
        row, end = [0] + pieces[start][1], start + 1
        while end < len(pieces):
            border = [2] if pieces[end][0] != pieces[end - 1][0] else []
            if len(row) + len(border) + len(pieces[end][1]) >= seq_len:
                break
            row = row + border + pieces[end][1]
            end += 1
        rows.append(row + [2])
        start = end
    return rows

# %% pack | wrong | the separator takes no room | says: takes room
def pack(documents, seq_len):
    room, rows, row, used, last = seq_len - 2, [], [], 0, None
    for number, document in enumerate(documents):
        for sentence in document:
            for i in range(0, len(sentence), room):
                piece = sentence[i : i + room]
                if used + len(piece) > room:
                    rows.append([0, *row, 2])
                    row, used = [], 0
                row = row + ([2] if row and number != last else []) + piece
                used, last = used + len(piece), number
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | wrong | no separator | says: no separator
def pack(documents, seq_len):
    room, rows, row = seq_len - 2, [], []
    for document in documents:
        for sentence in document:
            for i in range(0, len(sentence), room):
                piece = sentence[i : i + room]
                if len(row) + len(piece) > room:
                    rows.append([0, *row, 2])
                    row = []
                row = row + piece
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | wrong | the lesson's rows, cut anywhere | says: sentences are cut
def pack(documents, seq_len):
    stream, room = [], seq_len - 2
    for document in documents:
        stream += [*sum(document, []), 2]
    return [[0, *stream[i : i + room], 2] for i in range(0, len(stream), room)]

# %% pack | wrong | the lesson's rows, full ones only | says: last row is missing
def pack(documents, seq_len):
    stream, room = [], seq_len - 2
    for document in documents:
        stream += [*sum(document, []), 2]
    return [[0, *stream[i : i + room], 2] for i in range(0, len(stream) - room + 1, room)]

# %% pack | wrong | the last row is forgotten | says: last row is missing
def pack(documents, seq_len):
    room, rows, row, last = seq_len - 2, [], [], None
    for number, document in enumerate(documents):
        for sentence in document:
            for i in range(0, len(sentence), room):
                piece = sentence[i : i + room]
                border = [2] if row and number != last else []
                if len(row) + len(border) + len(piece) > room:
                    rows.append([0, *row, 2])
                    row, border = [], []
                row, last = row + border + piece, number
    return rows

# %% pack | wrong | single documents | says: which goes on
def pack(documents, seq_len):
    room, rows = seq_len - 2, []
    for document in documents:
        row = []
        for sentence in document:
            for i in range(0, len(sentence), room):
                piece = sentence[i : i + room]
                if len(row) + len(piece) > room:
                    rows.append([0, *row, 2])
                    row = []
                row = row + piece
        if row:
            rows.append([0, *row, 2])
    return rows

# %% pack | wrong | a separator at the start of a row | says: must not begin
def pack(documents, seq_len):
    room, rows, row, last = seq_len - 2, [], [], None
    for number, document in enumerate(documents):
        for sentence in document:
            for i in range(0, len(sentence), room):
                piece = sentence[i : i + room]
                more = [2] + piece if last not in (None, number) else piece
                if len(row) + len(more) > room:
                    rows.append([0, *row, 2])
                    row = []
                row, last = row + more, number
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | wrong | <s> and </s> take no room | says: two of the places
def pack(documents, seq_len):
    room, rows, row, last = seq_len, [], [], None
    for number, document in enumerate(documents):
        for sentence in document:
            for i in range(0, len(sentence), room):
                piece = sentence[i : i + room]
                border = [2] if row and number != last else []
                if len(row) + len(border) + len(piece) > room:
                    rows.append([0, *row, 2])
                    row, border = [], []
                row, last = row + border + piece, number
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | wrong | long sentences lose their end | says: its end is lost
def pack(documents, seq_len):
    room, rows, row, last = seq_len - 2, [], [], None
    for number, document in enumerate(documents):
        for sentence in document:
            piece = sentence[:room]
            border = [2] if row and piece and number != last else []
            if len(row) + len(border) + len(piece) > room:
                rows.append([0, *row, 2])
                row, border = [], []
            row, last = row + border + piece, number if piece else last
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | wrong | long sentences stay long | says: too long
def pack(documents, seq_len):
    room, rows, row, last = seq_len - 2, [], [], None
    for number, document in enumerate(documents):
        for piece in filter(None, document):
            border = [2] if row and number != last else []
            if row and len(row) + len(border) + len(piece) > room:
                rows.append([0, *row, 2])
                row, border = [], []
            row, last = row + border + piece, number
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | wrong | empty documents count | says: without text
def pack(documents, seq_len):
    room, rows, row = seq_len - 2, [], []
    for number, document in enumerate(documents):
        for sentence in document or [[]]:
            first = sentence is document[0] if document else True
            for i in range(0, max(len(sentence), 1), room):
                piece = sentence[i : i + room]
                border = [2] if row and first and i == 0 else []
                if len(row) + len(border) + len(piece) > room:
                    rows.append([0, *row, 2])
                    row, border = [], []
                row = row + border + piece
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | wrong | one place too few | says: just fill the row
def pack(documents, seq_len):
    room, rows, row, last = seq_len - 2, [], [], None
    for number, document in enumerate(documents):
        for sentence in document:
            for i in range(0, len(sentence), room):
                piece = sentence[i : i + room]
                border = [2] if row and number != last else []
                if row and len(row) + len(border) + len(piece) >= room:
                    rows.append([0, *row, 2])
                    row, border = [], []
                row, last = row + border + piece, number
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | hidden | two rows at most from a long sentence
def pack(documents, seq_len):
    room, rows, row, last = seq_len - 2, [], [], None
    for number, document in enumerate(documents):
        for sentence in document:
            for piece in filter(None, (sentence[:room], sentence[room : 2 * room], sentence[2 * room :])):
                border = [2] if row and number != last else []
                if len(row) + len(border) + len(piece) > room:
                    rows.append([0, *row, 2])
                    row, border = [], []
                row, last = row + border + piece, number
    return [*rows, [0, *row, 2]] if row else rows

# %% pack | hidden | documents are told apart by their hundreds
def pack(documents, seq_len):
    room, rows, row = seq_len - 2, [], []
    for document in documents:
        for sentence in document:
            for i in range(0, len(sentence), room):
                piece = sentence[i : i + room]
                border = [2] if row and row[-1] // 10 != piece[0] // 10 else []
                if len(row) + len(border) + len(piece) > room:
                    rows.append([0, *row, 2])
                    row, border = [], []
                row = row + border + piece
    return [*rows, [0, *row, 2]] if row else rows
