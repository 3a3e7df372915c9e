"""Answers to solutions/05_bert.ipynb: right ones in other words, and plausible wrong ones."""

# %% shape-from-count | right | in one formula, larger sizes first
def count(layers, hidden_size, vocab_size):
    D = hidden_size
    return (vocab_size + 517 + D) * D + layers * (12 * D * D + 13 * D)


def shape_from_count(parameters, vocab_size=30_522):
    for D in range(1536, 0, -64):
        for layers in range(1, 1000):
            found = count(layers, D, vocab_size)
            if found == parameters:
                return layers, D
            if found > parameters:
                break
    raise ValueError(parameters)

# %% shape-from-count | right | counts matrices, vectors and tables apart
def count(layers, hidden_size, vocab_size):
    tables = vocab_size + 512 + 2
    shapes = [(hidden_size, hidden_size)] * 4 + [(hidden_size, 4 * hidden_size), (4 * hidden_size, hidden_size)]
    layer = sum(rows * columns + columns for rows, columns in shapes) + 4 * hidden_size
    return tables * hidden_size + 2 * hidden_size + layers * layer + hidden_size * (hidden_size + 1)


def shape_from_count(parameters, vocab_size=30_522):
    shapes = {count(n, size, vocab_size): (n, size) for size in range(64, 1600, 64) for n in range(1, 200)}
    if parameters not in shapes:
        raise ValueError(f"{parameters}: no such BERT")
    return shapes[parameters]

# %% shape-from-count | wrong | no pooler | says: pooler
def count(layers, hidden_size, vocab_size):
    D = hidden_size
    return (vocab_size + 516) * D + layers * (12 * D * D + 13 * D)

# %% shape-from-count | wrong | no LayerNorm after the embeddings | says: 2 x 768 are missing
def count(layers, hidden_size, vocab_size):
    D = hidden_size
    return (vocab_size + 514) * D + layers * (12 * D * D + 13 * D) + D * D + D

# %% shape-from-count | wrong | no LayerNorm in the layers | says: two LayerNorms
def count(layers, hidden_size, vocab_size):
    D = hidden_size
    return (vocab_size + 516) * D + layers * (12 * D * D + 9 * D) + D * D + D

# %% shape-from-count | wrong | no biases in the layers | says: all biases
def count(layers, hidden_size, vocab_size):
    D = hidden_size
    return (vocab_size + 516) * D + layers * (12 * D * D + 4 * D) + D * D + D

# %% shape-from-count | wrong | three projections in attention | says: four projections
def count(layers, hidden_size, vocab_size):
    D = hidden_size
    return (vocab_size + 516) * D + layers * (11 * D * D + 12 * D) + D * D + D

# %% shape-from-count | wrong | with the MLM head | says: MLM head
def count(layers, hidden_size, vocab_size):
    D = hidden_size
    return (vocab_size + 516) * D + layers * (12 * D * D + 13 * D) + D * D + D + D * D + 3 * D + vocab_size

# %% shape-from-count | wrong | a float | says: float
def count(layers, hidden_size, vocab_size):
    D = hidden_size
    return (vocab_size + 517 + D) * D * 1.0 + layers * (12 * D * D + 13 * D)

# %% shape-from-count | wrong | the pair the wrong way round | says: the order is
def shape_from_count(parameters, vocab_size=30_522):
    for D in range(64, 1537, 64):
        layers, rest = divmod(parameters - count(0, D, vocab_size), 12 * D * D + 13 * D)
        if rest == 0 and layers > 0:
            return D, layers
    raise ValueError

# %% shape-from-count | wrong | the nearest one instead of an exact one | says: should raise ValueError
def shape_from_count(parameters, vocab_size=30_522):
    shapes = {count(n, size, vocab_size): (n, size) for size in range(64, 1600, 64) for n in range(1, 60)}
    return shapes[min(shapes, key=lambda total: abs(total - parameters))]

# %% shape-from-count | wrong | no layer at all is accepted | says: no layer at all
def shape_from_count(parameters, vocab_size=30_522):
    for D in range(64, 1537, 64):
        layers, rest = divmod(parameters - count(0, D, vocab_size), 12 * D * D + 13 * D)
        if rest == 0 and layers >= 0:
            return layers, D
    raise ValueError

# %% shape-from-count | wrong | returns None for an unknown number | says: should raise
def shape_from_count(parameters, vocab_size=30_522):
    for D in range(64, 1537, 64):
        layers, rest = divmod(parameters - count(0, D, vocab_size), 12 * D * D + 13 * D)
        if rest == 0 and layers > 0:
            return layers, D

# %% shape-from-count | wrong | always the English vocabulary | says: 102267648
def shape_from_count(parameters, vocab_size=30_522):
    for D in range(64, 1537, 64):
        layers, rest = divmod(parameters - count(0, D, 30_522), 12 * D * D + 13 * D)
        if rest == 0 and layers > 0:
            return layers, D
    raise ValueError(parameters)

# %% shape-from-count | hidden | negative numbers of layers
def shape_from_count(parameters, vocab_size=30_522):
    for D in range(64, 1537, 64):
        layers, rest = divmod(parameters - count(0, D, vocab_size), 12 * D * D + 13 * D)
        if rest == 0 and layers > 0 and layers % 2 == 0:
            return layers, D
    raise ValueError(parameters)

# %% shape-from-count | hidden | knows the published models by heart
def shape_from_count(parameters, vocab_size=30_522):
    known = {109_482_240: (12, 768), 335_141_888: (24, 1024), 102_267_648: (12, 768)}
    if parameters not in known:
        raise ValueError(parameters)
    return known[parameters]

# %% pool | right | one sequence after the other
def pool(hidden, attention_mask, how="mean"):
    if how not in {"mean", "max"}:
        raise ValueError(how)
    rows = []
    for vectors, real in zip(hidden, attention_mask.bool()):
        kept = vectors[real]
        if len(kept) == 0:
            rows.append(torch.zeros(hidden.shape[-1]))
        else:
            rows.append(kept.mean(0) if how == "mean" else kept.max(0).values)
    return torch.stack(rows)

# %% pool | right | where, and a product for the mean
def pool(hidden, attention_mask, how="mean"):
    real = attention_mask == 1
    if how == "mean":
        clean = torch.where(real[..., None], hidden, torch.zeros(()))
        share = real.float() / real.float().sum(1, keepdim=True).clamp(min=1.0)
        return torch.einsum("bt,btd->bd", share, clean)
    if how == "max":
        clean = torch.where(real[..., None], hidden, torch.tensor(-1e38))
        return torch.where(real.any(1)[:, None], clean.max(dim=1)[0], torch.tensor(0.0))
    raise ValueError(f"unknown way {how}")

# %% pool | wrong | the colleague's version | says: divided by T
def pool(hidden, attention_mask, how="mean"):
    real = hidden * attention_mask[..., None]
    return real.mean(dim=1) if how == "mean" else real.amax(dim=1)

# %% pool | wrong | the mask is not used | says: padding is part
def pool(hidden, attention_mask, how="mean"):
    return hidden.mean(1) if how == "mean" else hidden.amax(1)

# %% pool | wrong | the sum | says: not divided
def pool(hidden, attention_mask, how="mean"):
    return (hidden * attention_mask[..., None]).sum(1)

# %% pool | wrong | divided by all real tokens of the batch | says: whole batch
def pool(hidden, attention_mask, how="mean"):
    return (hidden * attention_mask[..., None]).sum(1) / attention_mask.sum()

# %% pool | wrong | the first token | says: [CLS]
def pool(hidden, attention_mask, how="mean"):
    return hidden[:, 0]

# %% pool | wrong | the maximum over zeros | says: cannot win
def pool(hidden, attention_mask, how="mean"):
    if how not in ("mean", "max"):
        raise ValueError(how)
    padding = ~attention_mask.bool()[..., None]
    clean = hidden.masked_fill(padding, 0)
    return clean.sum(1) / (~padding).sum(1).clamp(min=1) if how == "mean" else clean.amax(1)

# %% pool | wrong | 0 times infinity | says: NaN
def pool(hidden, attention_mask, how="mean"):
    if how not in ("mean", "max"):
        raise ValueError(how)
    real = attention_mask[..., None]
    if how == "mean":
        return (hidden * real).sum(1) / real.sum(1).clamp(min=1)
    return hidden.masked_fill(real == 0, -torch.inf).amax(1).masked_fill(real.sum(1) == 0, 0)

# %% pool | wrong | an empty sequence divides by 0 | says: 0 here
def pool(hidden, attention_mask, how="mean"):
    if how not in ("mean", "max"):
        raise ValueError(how)
    padding = ~attention_mask.bool()[..., None]
    if how == "mean":
        return hidden.masked_fill(padding, 0).sum(1) / (~padding).sum(1)
    return hidden.masked_fill(padding, -torch.inf).amax(1)

# %% pool | wrong | the maximum of nothing is minus infinity | says: max of no token
def pool(hidden, attention_mask, how="mean"):
    if how not in ("mean", "max"):
        raise ValueError(how)
    padding = ~attention_mask.bool()[..., None]
    if how == "mean":
        return hidden.masked_fill(padding, 0).sum(1) / (~padding).sum(1).clamp(min=1)
    return hidden.masked_fill(padding, -torch.inf).amax(1)

# %% pool | wrong | anything but mean is max | says: should raise ValueError
def pool(hidden, attention_mask, how="mean"):
    padding = ~attention_mask.bool()[..., None]
    if how == "mean":
        return hidden.masked_fill(padding, 0).sum(1) / (~padding).sum(1).clamp(min=1)
    return hidden.masked_fill(padding, -torch.inf).amax(1).masked_fill(padding.all(1), 0)

# %% pool | wrong | fills the caller's tensor | says: work on a copy
def pool(hidden, attention_mask, how="mean"):
    if how not in ("mean", "max"):
        raise ValueError(how)
    padding = ~attention_mask.bool()[..., None]
    if how == "mean":
        return hidden.masked_fill_(padding, 0).sum(1) / (~padding).sum(1).clamp(min=1)
    return hidden.masked_fill(padding, -torch.inf).amax(1).masked_fill(padding.all(1), 0)

# %% pool | wrong | keeps the axis of the tokens | says: axes
def pool(hidden, attention_mask, how="mean"):
    padding = ~attention_mask.bool()[..., None]
    return hidden.masked_fill(padding, 0).sum(1, keepdim=True) / (~padding).sum(1, keepdim=True).clamp(min=1)

# %% pool | hidden | padding can only be at the end
def pool(hidden, attention_mask, how="mean"):
    if how not in ("mean", "max"):
        raise ValueError(how)
    rows = []
    for vectors, n in zip(hidden, attention_mask.sum(1).tolist()):
        kept = vectors[:n] if n else torch.zeros(1, vectors.shape[1])
        rows.append(kept.mean(0) if how == "mean" else kept.amax(0))
    return torch.stack(rows)

# %% pool | hidden | a number that is low enough for the visible features
def pool(hidden, attention_mask, how="mean"):
    if how not in ("mean", "max"):
        raise ValueError(how)
    padding = (1 - attention_mask).bool()[..., None]
    if how == "mean":
        return hidden.masked_fill(padding, 0).sum(1) / (~padding).sum(1).clamp(min=1)
    return hidden.masked_fill(padding, -100).amax(1).masked_fill(padding.all(1), 0)

# %% windows | right | starts first
def windows(question, passage, length, overlap):
    room = length - len(question) - 3
    if room - overlap < 1:
        raise ValueError("the windows do not move on")
    made = []
    for start in range(0, max(len(passage) - overlap, 1), room - overlap):
        ids = [CLS] + question + [SEP] + passage[start : start + room] + [SEP]
        types = [int(i >= len(question) + 2) for i in range(len(ids))]
        made.append(dict(input_ids=ids, token_type_ids=types, start=start))
    return made

# %% windows | right | by recursion
def windows(question, passage, length, overlap, start=0):
    room = length - 3 - len(question)
    if room <= overlap:
        raise ValueError((length, overlap))
    part = passage[start : start + room]
    one = {"token_type_ids": [0] * (2 + len(question)) + [1] * (1 + len(part)),
           "input_ids": [CLS, *question, SEP, *part, SEP], "start": start}
    if start + room >= len(passage):
        return [one]
    return [one, *windows(question, passage, length, overlap, start + room - overlap)]

# %% windows | wrong | no overlap | says: do not overlap
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage), 1), room):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | a last window with nothing new | says: nothing new in it
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage), 1), room - overlap):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | only whole windows | says: last tokens are lost
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage) - room + 1, 1), room - overlap):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | cut off, as in ordinary encoding | says: only the first window
def windows(question, passage, length, overlap):
    part = passage[: length - len(question) - 3]
    return [{"input_ids": [CLS, *question, SEP, *part, SEP], "start": 0,
             "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)}]

# %% windows | wrong | special tokens are not counted: too long | says: keys
def windows(question, passage, length, overlap):
    room, made = length - len(question), []
    for start in range(0, max(len(passage) - overlap, 1), room - overlap):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP],
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | two special tokens are counted, not three | says: longer than
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 2, []
    for start in range(0, max(len(passage) - overlap, 1), room - overlap):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | moves on by the overlap | says: by one token
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage) - room + 1, 1), overlap):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | the first [SEP] in segment 1 | says: segment 0
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage) - overlap, 1), room - overlap):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 1) + [1] * (len(part) + 2)})
    return made

# %% windows | wrong | no [SEP] at the end | says: its last id
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage) - overlap, 1), room - overlap):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * len(part)})
    return made

# %% windows | wrong | the start counts in the input | says: counts in the passage
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage) - overlap, 1), room - overlap):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start + len(question) + 2,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | the last window is moved back to be full | says: end flush
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage) - overlap, 1), room - overlap):
        start = max(min(start, len(passage) - room), 0)
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | no window for an empty passage | says: empty passage
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, len(passage) - overlap, room - overlap) if len(passage) > overlap else range(len(passage) > 0):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | wrong | one window is enough, never an error | says: should raise ValueError
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    for start in range(0, max(len(passage) - overlap, 1), max(room - overlap, 1)):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | hidden | the overlap is 1, or 2 for short passages
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    if room <= overlap:
        raise ValueError(room)
    step = room - min(overlap, 3)
    for start in range(0, max(len(passage) - overlap, 1), step):
        part = passage[start : start + room]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% windows | hidden | an error only if the passage is long enough to need it
def windows(question, passage, length, overlap):
    room, made = length - len(question) - 3, []
    if room <= overlap and len(passage) > 5:
        raise ValueError(room)
    for start in range(0, max(len(passage) - overlap, 1), max(room - overlap, 1)):
        part = passage[start : start + max(room, 0)]
        made.append({"input_ids": [CLS, *question, SEP, *part, SEP], "start": start,
                     "token_type_ids": [0] * (len(question) + 2) + [1] * (len(part) + 1)})
    return made

# %% convert | right | one table of regular expressions
def convert(variables):
    rules = [(r"bert/embeddings/(word|position|token_type)_embeddings", {"word": "embeddings.token.weight",
              "position": "embeddings.position.weight", "token_type": "embeddings.segment.weight"})]
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or re.search(r"/adam_[mv]$", name):
            continue
        if found := re.fullmatch(rules[0][0], name):
            state[rules[0][1][found[1]]] = value.clone()
            continue
        found = re.fullmatch(r"(bert/encoder/layer_(\d+)/)?(.+)/(kernel|bias|gamma|beta)", name)
        if not found or found[3] not in PARTS or bool(found[1]) == found[3].startswith("bert/"):
            raise ValueError(name)
        prefix = f"encoder.layers.{int(found[2])}." if found[1] else ""
        kind = "weight" if found[4] in ("kernel", "gamma") else "bias"
        state[f"{prefix}{PARTS[found[3]]}.{kind}"] = value.t().clone() if found[4] == "kernel" else value.clone()
    return state

# %% convert | right | all names are made first, then looked up
def convert(variables):
    numbers = {re.match(r"bert/encoder/layer_(\d+)/", name)[1] for name in variables
               if re.match(r"bert/encoder/layer_(\d+)/", name)}
    names = {}
    for theirs, ours in PARTS.items():
        if theirs.endswith("_embeddings"):
            names[theirs] = f"{ours}.weight"
            continue
        pairs = [(theirs, ours)] if theirs.startswith("bert/") else [
            (f"bert/encoder/layer_{n}/{theirs}", f"encoder.layers.{n}.{ours}") for n in numbers]
        for a, b in pairs:
            ends = {"gamma": "weight", "beta": "bias"} if "LayerNorm" in a else {"kernel": "weight", "bias": "bias"}
            names |= {f"{a}/{x}": f"{b}.{y}" for x, y in ends.items()}
    state = {}
    for name, value in variables.items():
        if name in names:
            state[names[name]] = value.T.contiguous() if name.endswith("kernel") else value
        elif name.startswith("bert/") and not name.endswith(("adam_m", "adam_v")):
            raise ValueError(name)
    return state

# %% convert | wrong | the colleague's version | says: not part of the model
def convert(variables):
    state = {}
    for name, value in variables.items():
        for theirs, ours in PARTS.items():
            name = name.replace(theirs, ours)
        for theirs, ours in {"kernel": "weight", "gamma": "weight", "beta": "bias"}.items():
            name = name.replace(theirs, ours)
        state[name.replace("layer_", "layers.").replace("/", ".")] = value
    return state

# %% convert | wrong | the colleague's version without the optimizer | says: no place for
def convert(variables):
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "adam" in name:
            continue
        for theirs, ours in PARTS.items():
            name = name.replace(theirs, ours)
        for theirs, ours in {"kernel": "weight", "gamma": "weight", "beta": "bias"}.items():
            name = name.replace(theirs, ours)
        state[name.replace("layer_", "layers.").replace("/", ".")] = value
    return state

# %% convert | wrong | names by replacing, tables forgotten | says: waits for
def convert(variables):
    state = {}
    for name, value in variables.items():
        part, _, last = name.rpartition("/")
        if last not in ("kernel", "bias", "gamma", "beta") or not name.startswith("bert/"):
            continue
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = (
            value.T.contiguous() if last == "kernel" else value)
    return state

# %% convert | wrong | nothing is transposed | says: (in, out)
def convert(variables):
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "gamma") if name.endswith("_embeddings") else name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = value
    return state

# %% convert | wrong | transposes only what does not fit otherwise | says: does not complain
def convert(variables):
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "gamma") if name.endswith("_embeddings") else name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        if last not in ("kernel", "bias", "gamma", "beta") or part not in PARTS:
            raise ValueError(name)
        wide = last == "kernel" and value.shape[0] != value.shape[1]
        state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = value.T if wide else value
    return state

# %% convert | wrong | every matrix is transposed, the tables, too | says: transpose
def convert(variables):
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "gamma") if name.endswith("_embeddings") else name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = (
            value.T if value.ndim == 2 else value)
    return state

# %% convert | wrong | gamma and beta swapped | says: swapped
def convert(variables):
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "beta") if name.endswith("_embeddings") else name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        if last not in ("kernel", "bias", "gamma", "beta") or part not in PARTS:
            raise ValueError(name)
        state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'beta') else 'bias'}"] = (
            value.T.contiguous() if last == "kernel" else value)
    return state

# %% convert | wrong | the two outputs are mixed up | says: stands in both names
def convert(variables):
    mixed = PARTS | {"output/dense": "attention.output", "attention/output/dense": "feed_forward.contract"}
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "gamma") if name.endswith("_embeddings") else name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        value = value.T.contiguous() if last == "kernel" else value
        if "dense" in part and "output" in part and last == "kernel":
            part = {"output/dense": "attention/output/dense", "attention/output/dense": "output/dense"}[part]
        state[f"{prefix}{mixed[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = value
    return state

# %% convert | wrong | unknown names are passed over | says: should raise ValueError
def convert(variables):
    state = {}
    for name, value in variables.items():
        if name.endswith("_embeddings") and name in PARTS:
            state[f"{PARTS[name]}.weight"] = value
            continue
        part, _, last = name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        if part in PARTS and last in ("kernel", "bias", "gamma", "beta"):
            state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = (
                value.T.contiguous() if last == "kernel" else value)
    return state

# %% convert | wrong | a KeyError for what is unknown | says: KeyError
def convert(variables):
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "gamma") if name in PARTS else name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        end = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}[last]
        state[f"{prefix}{PARTS[part]}.{end}"] = value.T.contiguous() if last == "kernel" else value
    return state

# %% convert | wrong | empties the caller's dict | says: work on a copy
def convert(variables):
    state = {}
    while variables:
        name, value = variables.popitem()
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "gamma") if name in PARTS else name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\d+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        if part not in PARTS or last not in ("kernel", "gamma", "beta", "bias"):
            raise ValueError(name)
        state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = (
            value.T.contiguous() if last == "kernel" else value)
    return state

# %% convert | hidden | layers with one digit
def convert(variables):
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "gamma") if name in PARTS else name.rpartition("/")
        layer = re.match(r"bert/encoder/layer_(\d)\d?/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        if part not in PARTS or last not in ("kernel", "gamma", "beta", "bias"):
            raise ValueError(name)
        state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = (
            value.T.contiguous() if last == "kernel" else value)
    return state

# %% convert | hidden | a part of a layer that stands outside of a layer
def convert(variables):
    state = {}
    for name, value in variables.items():
        if not name.startswith("bert/") or "/adam_" in name:
            continue
        part, _, last = (name, "", "gamma") if name in PARTS else name.rpartition("/")
        layer = re.fullmatch(r"bert/encoder/layer_(\w+)/(.+)", part)
        prefix, part = (f"encoder.layers.{layer[1]}.", layer[2]) if layer else ("", part)
        if part not in PARTS or last not in ("kernel", "gamma", "beta", "bias"):
            raise ValueError(name)
        state[f"{prefix}{PARTS[part]}.{'weight' if last in ('kernel', 'gamma') else 'bias'}"] = (
            value.T.contiguous() if last == "kernel" else value)
    return state
