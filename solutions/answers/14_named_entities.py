"""Answers to solutions/14_named_entities.ipynb: right ones in other words, and plausible wrong ones."""

# %% tags-of | right | word by word, the first mark that it touches
def tags_of(offsets, spans):
    tags, before = [], None
    for first, last in offsets:
        touching = [span for span in sorted(spans) if span[0] < last and first < span[1]]
        now = touching[0] if touching else None
        tags.append("O" if now is None else ("I-" if now == before else "B-") + now[2])
        before = now
    return tags

# %% tags-of | right | with sets of characters
def tags_of(offsets, spans):
    owner = {}
    for n, (start, end, _) in sorted(enumerate(spans), key=lambda pair: pair[1]):
        for place in range(start, end):
            owner[place] = n
    found, tags = [], []
    for first, last in offsets:
        here = [owner[place] for place in range(first, last) if place in owner]
        name = here[0] if here else None
        tags.append("O" if name is None else f"{'I' if name in found else 'B'}-{spans[name][2]}")
        found.append(name)
    return tags

# %% tags-of | wrong | B everywhere | says: a later word of a name gets I
def tags_of(offsets, spans):
    return [next((f"B-{kind}" for start, end, kind in sorted(spans) if start < last and first < end), "O")
            for first, last in offsets]

# %% tags-of | wrong | I everywhere | says: the first word of a name gets B
def tags_of(offsets, spans):
    return [next((f"I-{kind}" for start, end, kind in sorted(spans) if start < last and first < end), "O")
            for first, last in offsets]

# %% tags-of | wrong | the end counts | says: the full stop is outside
def tags_of(offsets, spans):
    tags = ["O"] * len(offsets)
    for start, end, kind in sorted(spans):
        mine = [n for n, (first, last) in enumerate(offsets) if first <= end and start < last and tags[n] == "O"]
        for place, n in enumerate(mine):
            tags[n] = f"{'I' if place else 'B'}-{kind}"
    return tags

# %% tags-of | wrong | only whole words | says: need not lie inside
def tags_of(offsets, spans):
    tags = ["O"] * len(offsets)
    for start, end, kind in sorted(spans):
        mine = [n for n, (first, last) in enumerate(offsets) if start <= first and last <= end]
        for place, n in enumerate(mine):
            tags[n] = f"{'I' if place else 'B'}-{kind}"
    return tags

# %% tags-of | wrong | only words that begin in the mark | says: begins in its middle
def tags_of(offsets, spans):
    tags = ["O"] * len(offsets)
    for start, end, kind in sorted(spans):
        mine = [n for n, (first, last) in enumerate(offsets) if start <= first < end]
        for place, n in enumerate(mine):
            tags[n] = f"{'I' if place else 'B'}-{kind}"
    return tags

# %% tags-of | wrong | B only where the tag before is another kind's | says: begins with B, also beside
def tags_of(offsets, spans):
    tags = []
    for first, last in offsets:
        kind = next((kind for start, end, kind in sorted(spans) if start < last and first < end), None)
        inside = tags and kind and tags[-1][2:] == kind
        tags.append("O" if kind is None else f"{'I' if inside else 'B'}-{kind}")
    return tags

# %% tags-of | wrong | the later mark overwrites | says: starts first
def tags_of(offsets, spans):
    tags = ["O"] * len(offsets)
    for start, end, kind in sorted(spans):
        mine = [n for n, (first, last) in enumerate(offsets) if first < end and start < last]
        for place, n in enumerate(mine):
            tags[n] = f"{'I' if place else 'B'}-{kind}"
    return tags

# %% tags-of | wrong | I where its first word was lost | says: begins (B) at its next one
def tags_of(offsets, spans):
    tags = ["O"] * len(offsets)
    for start, end, kind in sorted(spans):
        mine = [n for n, (first, last) in enumerate(offsets) if first < end and start < last]
        for place, n in enumerate(mine):
            if tags[n] == "O":
                tags[n] = f"{'I' if place else 'B'}-{kind}"
    return tags

# %% tags-of | hidden | only the first three marks
def tags_of(offsets, spans):
    tags = ["O"] * len(offsets)
    for start, end, kind in sorted(spans)[:3]:
        mine = [n for n, (first, last) in enumerate(offsets) if first < end and start < last and tags[n] == "O"]
        for place, n in enumerate(mine):
            tags[n] = f"{'I' if place else 'B'}-{kind}"
    return tags

# %% mix-layers | right | with einsum and layer_norm
def mix_layers(states, weights, gamma, normalize=False):
    if normalize:
        states = torch.nn.functional.layer_norm(states, states.shape[-1:], eps=1e-12)
    return gamma * torch.einsum("s,btsd->btd", weights.softmax(-1), states)

# %% mix-layers | right | a loop over the layers
def mix_layers(states, weights, gamma, normalize=False):
    shares, total = torch.softmax(weights, 0), 0
    for share, layer in zip(shares, states.unbind(2)):
        if normalize:
            layer = layer - layer.mean(-1, keepdim=True)
            layer = layer / (layer.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt()
        total = total + share * layer
    return total * gamma

# %% mix-layers | wrong | no softmax | says: need a softmax
def mix_layers(states, weights, gamma, normalize=False):
    return gamma * (weights[:, None] * states).sum(-2)

# %% mix-layers | wrong | no gamma | says: gamma is missing
def mix_layers(states, weights, gamma, normalize=False):
    return (weights.softmax(0)[:, None] * states).sum(-2)

# %% mix-layers | wrong | shares to features | says: to layers, not to features
def mix_layers(states, weights, gamma, normalize=False):
    return gamma * (weights.softmax(0) * states).sum(-2)

# %% mix-layers | wrong | a mean | says: a sum, not a mean
def mix_layers(states, weights, gamma, normalize=False):
    return gamma * (weights.softmax(0)[:, None] * states).mean(-2)

# %% mix-layers | wrong | sums the features | says: not over the features
def mix_layers(states, weights, gamma, normalize=False):
    return gamma * (weights.softmax(0)[:, None] * states).sum(-1)

# %% mix-layers | wrong | never normalizes | says: changes nothing
def mix_layers(states, weights, gamma, normalize=False):
    return gamma * (weights.softmax(0)[:, None] * states).sum(-2)

# %% mix-layers | wrong | D - 1 | says: D as divisor
def mix_layers(states, weights, gamma, normalize=False):
    if normalize:
        states = (states - states.mean(-1, keepdim=True)) / states.std(-1, keepdim=True)
    return gamma * (weights.softmax(0)[:, None] * states).sum(-2)

# %% mix-layers | hidden | softmax by hand, without care for large weights
def mix_layers(states, weights, gamma, normalize=False):
    if normalize:
        states = torch.nn.functional.layer_norm(states, states.shape[-1:], eps=1e-12)
    shares = weights.exp() / weights.exp().sum()
    return gamma * (shares[:, None] * states).sum(-2)

# %% crf | right | a loop, and all ways at once
def sequence_score(scores, steps, tags):
    total = scores[0, tags[0]]
    for t in range(1, len(tags)):
        total = total + steps[tags[t - 1], tags[t]] + scores[t, tags[t]]
    return total


def log_partition(scores, steps):
    total = scores[0]
    for t in range(1, len(scores)):
        ways = total.unsqueeze(1) + steps + scores[t].unsqueeze(0)
        top = ways.max(0).values
        total = top + (ways - top).exp().sum(0).log()
    return total.logsumexp(0)

# %% crf | right | from the last word to the first
def log_partition(scores, steps):
    rest = torch.zeros(scores.shape[1])
    for now in scores[1:].flip(0):
        rest = torch.logsumexp(steps + now + rest, 1)
    return torch.logsumexp(scores[0] + rest, 0)


def sequence_score(scores, steps, tags):
    words = torch.stack([row[tag] for row, tag in zip(scores, tags)]).sum()
    return words + sum((steps[a, b] for a, b in zip(tags, tags[1:])), torch.tensor(0.0))

# %% crf | wrong | no steps in the score | says: the steps are missing
def sequence_score(scores, steps, tags):
    return scores[torch.arange(len(tags)), torch.tensor(tags)].sum()

# %% crf | wrong | columns for rows | says: row = tag before
def sequence_score(scores, steps, tags):
    tags = torch.tensor(tags)
    return scores[torch.arange(len(tags)), tags].sum() + steps[tags[1:], tags[:-1]].sum()

# %% crf | wrong | Viterbi | says: the best sequence
def log_partition(scores, steps):
    so_far = scores[0]
    for now in scores[1:]:
        so_far = (so_far[:, None] + steps).max(0).values + now
    return so_far.max()

# %% crf | wrong | sums over the tag now | says: sum over the tag before
def log_partition(scores, steps):
    so_far = scores[0]
    for now in scores[1:]:
        so_far = torch.logsumexp(so_far[None] + steps, 1) + now
    return torch.logsumexp(so_far, 0)

# %% crf | wrong | Z itself | says: its logarithm
def log_partition(scores, steps):
    so_far = scores[0].exp()
    for now in scores[1:]:
        so_far = (so_far @ steps.exp()) * now.exp()
    return so_far.sum()

# %% crf | wrong | overflows | says: 1,000
def log_partition(scores, steps):
    so_far = scores[0].exp()
    for now in scores[1:]:
        so_far = (so_far @ steps.exp()) * now.exp()
    return so_far.sum().log()

# %% crf | wrong | no steps in Z | says: the steps are missing
def log_partition(scores, steps):
    return torch.logsumexp(scores, 1).sum()

# %% crf | hidden | holds to scores of 80 or so a word
def log_partition(scores, steps):
    middle = 1000 if scores.mean() > 500 else 0
    so_far = (scores[0] - middle).exp()
    for now in scores[1:]:
        so_far = (so_far @ steps.exp()) * (now - middle).exp()
    return so_far.sum().log() + middle * len(scores)
