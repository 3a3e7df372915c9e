"""Answers to solutions/02_attention.ipynb: right ones in other words, and plausible wrong ones."""

# %% window-mask | right | with tril and triu
def window_mask(length, back, ahead):
    return torch.ones(length, length, dtype=torch.bool).tril(ahead).triu(-back)

# %% window-mask | right | with two loops
def window_mask(length, back, ahead):
    mask = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        for j in range(length):
            mask[i, j] = -back <= j - i <= ahead
    return mask

# %% window-mask | wrong | distance the wrong way round | says: swapped
def window_mask(length, back, ahead):
    place = torch.arange(length)
    distance = place[:, None] - place[None, :]
    return (distance >= -back) & (distance <= ahead)

# %% window-mask | wrong | True means blocked | says: inverted
def window_mask(length, back, ahead):
    return ~torch.ones(length, length, dtype=torch.bool).tril(ahead).triu(-back)

# %% window-mask | wrong | the ends do not count | says: on both sides
def window_mask(length, back, ahead):
    place = torch.arange(length)
    distance = place[None, :] - place[:, None]
    return (distance > -back) & (distance < ahead) | (distance == 0)

# %% window-mask | wrong | like range: the upper end does not count | says: to the right
def window_mask(length, back, ahead):
    mask = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        mask[i, max(i - back, 0) : i + ahead] = True
    return mask

# %% window-mask | wrong | a negative start counts from the end | says: entries differ
def window_mask(length, back, ahead):
    mask = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        mask[i, i - back : i + ahead + 1] = True
    return mask

# %% window-mask | wrong | or instead of and | says: both limits
def window_mask(length, back, ahead):
    place = torch.arange(length)
    distance = place[None, :] - place[:, None]
    return (distance >= -back) | (distance <= ahead)

# %% window-mask | wrong | nothing to the right, always | says: to the right
def window_mask(length, back, ahead):
    return torch.ones(length, length, dtype=torch.bool).tril().triu(-back)

# %% window-mask | wrong | only to the left is limited | says: to the right
def window_mask(length, back, ahead):
    return torch.ones(length, length, dtype=torch.bool).triu(-back)

# %% window-mask | wrong | floats | says: dtype
def window_mask(length, back, ahead):
    return torch.ones(length, length).tril(ahead).triu(-back)

# %% window-mask | wrong | numbers to be added to the scores | says: dtype
def window_mask(length, back, ahead):
    mask = torch.ones(length, length, dtype=torch.bool).tril(ahead).triu(-back)
    return torch.zeros(length, length).masked_fill(~mask, float("-inf"))

# %% window-mask | wrong | a list | says: needed is a tensor
def window_mask(length, back, ahead):
    return [[-back <= j - i <= ahead for j in range(length)] for i in range(length)]

# %% window-mask | wrong | no return | says: return
def window_mask(length, back, ahead):
    torch.ones(length, length, dtype=torch.bool).tril(ahead).triu(-back)

# %% window-mask | hidden | looks ahead by one word at most
def window_mask(length, back, ahead):
    return torch.ones(length, length, dtype=torch.bool).tril(min(ahead, 1)).triu(-back)

# %% window-mask | hidden | a table of what the check asks for
def window_mask(length, back, ahead):
    rows = {5: "11000 11100 11110 01111 00111", 4: "1000 1100 1110 1111"}.get(length, "100 010 001")
    return torch.tensor([[sign == "1" for sign in row] for row in rows.split()])

# %% safe-attention | right | infinity, and a softmax that never sees an empty row
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    some = mask.any(-1, keepdim=True)
    blocked = (~mask & some).expand_as(scores)
    weights = scores.masked_fill(blocked, -math.inf).softmax(-1) * some
    return weights @ value, weights

# %% safe-attention | right | the exponentials by hand, the highest allowed score first
def safe_attention(query, key, value, mask):
    scores = torch.einsum("...qk,...tk->...qt", query, key) / query.shape[-1] ** 0.5
    highest = torch.where(mask, scores, torch.finfo(scores.dtype).min).amax(-1, keepdim=True)
    raised = torch.where(mask, scores - highest, -math.inf).exp()
    total = raised.sum(-1, keepdim=True)
    weights = raised / torch.where(total == 0, 1.0, total)
    return weights @ value, weights

# %% safe-attention | right | the colleague's code, with where
def safe_attention(query, key, value, mask):
    scores = query @ key.mT * query.size(-1) ** -0.5
    weights = torch.where(mask, scores, -1e30).softmax(-1)
    weights = torch.where(mask, weights, torch.zeros(()))
    return torch.matmul(weights, value), weights

# %% safe-attention | wrong | the colleague's code as it is | says: divide
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    scores = scores + torch.zeros(mask.shape).masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1)
    return weights @ value, weights

# %% safe-attention | wrong | NaN replaced afterwards: the gradient is still NaN | says: too late
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    scores = scores + torch.zeros(mask.shape).masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights

# %% safe-attention | wrong | minus 10,000 is added, as in BERT | says: looks at all of them
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = (scores + (~mask) * -10_000.0).softmax(-1)
    return weights @ value, weights

# %% safe-attention | wrong | minus 10,000 is filled in | says: equal weights
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask, -10_000.0).softmax(-1)
    return weights @ value, weights

# %% safe-attention | wrong | minus 10,000, and zeros for the empty rows only | says: not low enough
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask, 0) + (~mask) * -10_000.0
    weights = (scores + (~mask) * -10_000.0).softmax(-1) * mask.any(-1, keepdim=True)
    return weights @ value, weights

# %% safe-attention | wrong | multiplied by the mask after the softmax | says: no longer add up to 1
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.softmax(-1) * mask
    return weights @ value, weights

# %% safe-attention | wrong | scores multiplied by the mask: e to the 0 is 1 | says: weights
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1]) * mask
    weights = scores.softmax(-1)
    return weights @ value, weights

# %% safe-attention | wrong | mask inverted | says: inverted
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(mask, torch.finfo(scores.dtype).min).softmax(-1)
    weights = weights.masked_fill(mask, 0.0)
    return weights @ value, weights

# %% safe-attention | wrong | softmax over the queries | says: runs over the queries
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-2).masked_fill(~mask, 0.0)
    return weights @ value, weights

# %% safe-attention | wrong | no scale | says: square root
def safe_attention(query, key, value, mask):
    scores = (query @ key.transpose(-2, -1)).masked_fill(~mask, -1e30)
    weights = scores.softmax(-1).masked_fill(~mask, 0.0)
    return weights @ value, weights

# %% safe-attention | wrong | divided by K | says: not by its square root
def safe_attention(query, key, value, mask):
    scores = (query @ key.transpose(-2, -1) / query.shape[-1]).masked_fill(~mask, -1e30)
    weights = scores.softmax(-1).masked_fill(~mask, 0.0)
    return weights @ value, weights

# %% safe-attention | wrong | the mask is forgotten | says: where is the mask used
def safe_attention(query, key, value, mask):
    weights = (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).softmax(-1)
    return weights @ value, weights

# %% safe-attention | wrong | only the output | says: one Tensor
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask, -1e30).softmax(-1).masked_fill(~mask, 0.0)
    return weights @ value

# %% safe-attention | wrong | a small number keeps the sum from 0: right, but for large scores | says: weights
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    raised = scores.exp() * mask
    weights = raised / (raised.sum(-1, keepdim=True) + 1e-3)
    return weights @ value, weights

# %% safe-attention | wrong | transposes the wrong axes of four | says: dimension
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(0, 1) / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask, -1e30).softmax(-1).masked_fill(~mask, 0.0)
    return weights @ value, weights

# %% safe-attention | wrong | changes the query in place | says: work on a copy
def safe_attention(query, key, value, mask):
    query /= math.sqrt(query.shape[-1])
    scores = (query @ key.transpose(-2, -1)).masked_fill(~mask, -1e30)
    weights = scores.softmax(-1).masked_fill(~mask, 0.0)
    return weights @ value, weights

# %% safe-attention | wrong | the weights are cut off from the gradient | says: no gradient
def safe_attention(query, key, value, mask):
    with torch.no_grad():
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~mask, -1e30).softmax(-1).masked_fill(~mask, 0.0)
        return weights @ value, weights

# %% safe-attention | hidden | -100,000 is enough for the visible scores
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = (scores + (~mask) * -1e5).softmax(-1) * mask.any(-1, keepdim=True)
    return weights @ value, weights

# %% safe-attention | hidden | the whole sentence is empty, or nothing
def safe_attention(query, key, value, mask):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~mask, -1e30).softmax(-1)
    if query.ndim == 2:
        weights = weights.masked_fill(~mask, 0.0)
    else:
        weights = weights * mask.flatten(1).any(1)[:, None, None, None]
    return weights @ value, weights

# %% reveal | right | other numbers
def reveal(bug, length):
    zeros = torch.zeros(length, 1)
    if bug == "wrong axis":
        query = torch.randn(length, 5)
        query[0] = 3.0
        return query, torch.ones(length, 5), torch.linspace(1, 50, length)[:, None], None
    if bug == "no scale":
        return torch.eye(length), 3 * torch.eye(length), torch.eye(length) * 50, None
    if bug == "inverted mask":
        place = torch.arange(length).float()[:, None]
        clock = torch.cat([(place * 6.283185 / length).cos(), (place * 6.283185 / length).sin()], 1)
        return 5000 * clock, clock, place, torch.full((length, length), True)
    return zeros, zeros, zeros + 7, torch.eye(length).bool()

# %% reveal | right | one call after the other, late mask with a ring
def reveal(bug, length):
    eye = torch.eye(length)
    match bug:
        case "wrong axis":
            return torch.arange(length).diag().float(), torch.ones(length, length), 9 * eye, None
        case "no scale":
            return 2 * eye, 2 * eye, 20 * eye, None
        case "inverted mask":
            return 1000 * eye, eye, eye, torch.ones(length, length) > 0
        case "late mask":
            ring = eye.bool() | eye.roll(1, 1).bool() if length > 2 else eye.bool()
            return torch.zeros(length, 2), torch.randn(length, 2), torch.ones(length, 3), ring

# %% reveal | wrong | random words for everything | says: these show, too
def reveal(bug, length):
    q, k, v = torch.randn(3, length, 8).unbind()
    return q, k, 10 * v, torch.ones(length, length).tril().bool()

# %% reveal | wrong | all zeros | says: a difference of only
def reveal(bug, length):
    zeros = torch.zeros(length, 2)
    return zeros, zeros, zeros, None

# %% reveal | wrong | the same for every bug | says: these show, too
def reveal(bug, length):
    eye = torch.eye(length)
    return 2 * eye, 2 * eye, 10 * eye, None

# %% reveal | wrong | the axis shows, but so does the scale | says: no scale
def reveal(bug, length):
    query = torch.arange(length * 4).float().reshape(length, 4)
    return query, query / 10, 10 * torch.eye(length), None

# %% reveal | wrong | NaN differs from everything | says: finite
def reveal(bug, length):
    bad = torch.full((length, 2), float("nan"))
    return bad, bad, bad, None

# %% reveal | wrong | a mask of floats | says: torch.bool
def reveal(bug, length):
    eye, ones = torch.eye(length), torch.ones(length, 1)
    if bug == "wrong axis":
        return torch.arange(length).float()[:, None], ones, 10 * eye, None
    return 100 * eye, eye, eye, torch.ones(length, length)

# %% reveal | wrong | a mask that blocks everything | says: each query needs a key
def reveal(bug, length):
    eye = torch.eye(length)
    return 100 * eye, eye, eye, torch.zeros(length, length, dtype=torch.bool)

# %% reveal | wrong | forgets the mask | says: 4
def reveal(bug, length):
    eye = torch.eye(length)
    return 2 * eye, 2 * eye, 10 * eye

# %% reveal | wrong | always four words | says: shape
def reveal(bug, length):
    eye, ones = torch.eye(4), torch.ones(4, 1)
    if bug == "wrong axis":
        return torch.arange(4).float()[:, None], ones, 10 * eye, None
    if bug == "no scale":
        return 2 * eye, 2 * eye, 10 * eye, None
    if bug == "inverted mask":
        return 100 * eye, eye, eye, torch.ones(4, 4, dtype=torch.bool)
    return 0 * ones, 0 * ones, ones, torch.eye(4, dtype=torch.bool)

# %% reveal | wrong | a causal mask shows the inverted and the late one together | says: too
def reveal(bug, length):
    zeros = torch.zeros(length, 1)
    return zeros, zeros, 1 + torch.arange(length).float()[:, None], torch.ones(length, length).tril().bool()

# %% reveal | hidden | right for two, three and four words
def reveal(bug, length):
    eye, ones = torch.eye(length), torch.ones(length, 1)
    if bug == "wrong axis":
        return torch.arange(length).float()[:, None], ones, 10 * eye, None
    if bug == "no scale":
        return 2 * eye, 2 * eye, 10 * eye, None
    if bug == "inverted mask":
        return 100 * eye, eye, eye, torch.ones(length, length, dtype=torch.bool)
    rows = torch.ones(length, 1)
    rows[4:] = 2
    return 0 * ones, 0 * ones, rows, torch.eye(length, dtype=torch.bool)

# %% move | right | as a rotation of complex numbers
def move(vectors, steps):
    width = vectors.shape[-1]
    speed = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    hands = torch.complex(vectors[..., 1::2].contiguous(), vectors[..., 0::2].contiguous())
    turned = hands * torch.polar(torch.ones_like(speed), steps * speed)
    return torch.stack([turned.imag, turned.real], -1).flatten(-2)

# %% move | right | one matrix for all places
def move(vectors, steps):
    width = vectors.shape[-1]
    matrix = torch.zeros(width, width)
    for i in range(0, width, 2):
        turn = steps / 10_000 ** (i / width)
        sine, cosine = math.sin(turn), math.cos(turn)
        matrix[i : i + 2, i : i + 2] = torch.tensor([[cosine, -sine], [sine, cosine]])
    return vectors @ matrix

# %% move | right | written into a copy
def move(vectors, steps):
    width, moved = vectors.shape[-1], torch.empty_like(vectors)
    for i in range(0, width, 2):
        turn = steps * 10_000 ** (-i / width)
        sine, cosine = vectors[..., i], vectors[..., i + 1]
        moved[..., i] = sine * math.cos(turn) + cosine * math.sin(turn)
        moved[..., i + 1] = cosine * math.cos(turn) - sine * math.sin(turn)
    return moved

# %% move | wrong | turned the wrong way | says: wrong way
def move(vectors, steps):
    width = vectors.shape[-1]
    turn = -steps * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    sine, cosine = vectors[..., 0::2], vectors[..., 1::2]
    turned = [sine * turn.cos() + cosine * turn.sin(), cosine * turn.cos() - sine * turn.sin()]
    return torch.stack(turned, dim=-1).flatten(-2)

# %% move | wrong | all sines, then all cosines | says: alternate
def move(vectors, steps):
    width = vectors.shape[-1]
    turn = steps * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    sine, cosine = vectors[..., 0::2], vectors[..., 1::2]
    turned = [sine * turn.cos() + cosine * turn.sin(), cosine * turn.cos() - sine * turn.sin()]
    return torch.cat(turned, dim=-1)

# %% move | wrong | the first half are sines | says: differ
def move(vectors, steps):
    width = vectors.shape[-1]
    turn = steps * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    sine, cosine = vectors.chunk(2, -1)
    return torch.cat([sine * turn.cos() + cosine * turn.sin(), cosine * turn.cos() - sine * turn.sin()], -1)

# %% move | wrong | one sign wrong | says: differ
def move(vectors, steps):
    width = vectors.shape[-1]
    turn = steps * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    sine, cosine = vectors[..., 0::2], vectors[..., 1::2]
    turned = [sine * turn.cos() + cosine * turn.sin(), cosine * turn.cos() + sine * turn.sin()]
    return torch.stack(turned, dim=-1).flatten(-2)

# %% move | wrong | the speed of i instead of 2i | says: speed
def move(vectors, steps):
    width = vectors.shape[-1]
    turn = steps * 10_000.0 ** (-torch.arange(width // 2) / width)
    sine, cosine = vectors[..., 0::2], vectors[..., 1::2]
    turned = [sine * turn.cos() + cosine * turn.sin(), cosine * turn.cos() - sine * turn.sin()]
    return torch.stack(turned, dim=-1).flatten(-2)

# %% move | wrong | one speed for all | says: speed
def move(vectors, steps):
    sine, cosine, turn = vectors[..., 0::2], vectors[..., 1::2], float(steps)
    turned = [sine * math.cos(turn) + cosine * math.sin(turn), cosine * math.cos(turn) - sine * math.sin(turn)]
    return torch.stack(turned, dim=-1).flatten(-2)

# %% move | wrong | sines and cosines change places | says: swapped
def move(vectors, steps):
    width = vectors.shape[-1]
    turn = steps * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    sine, cosine = vectors[..., 0::2], vectors[..., 1::2]
    turned = [cosine * turn.cos() - sine * turn.sin(), sine * turn.cos() + cosine * turn.sin()]
    return torch.stack(turned, dim=-1).flatten(-2)

# %% move | wrong | adds the vector of `steps` | says: differ
def move(vectors, steps):
    return vectors + sinusoid(40, vectors.shape[-1])[steps]

# %% move | wrong | moves the rows | says: rows
def move(vectors, steps):
    return vectors.roll(-steps, 0)

# %% move | wrong | returns what it got | says: nothing has moved
def move(vectors, steps):
    return vectors

# %% move | wrong | works in place | says: work on a copy
def move(vectors, steps):
    width = vectors.shape[-1]
    turn = steps * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    sine, cosine = vectors[..., 0::2].clone(), vectors[..., 1::2].clone()
    vectors[..., 0::2] = sine * turn.cos() + cosine * turn.sin()
    vectors[..., 1::2] = cosine * turn.cos() - sine * turn.sin()
    return vectors

# %% move | wrong | finds the place and looks the next one up: no use for a sum | says: a sum of two
def move(vectors, steps):
    table = sinusoid(200, vectors.shape[-1])
    place = (vectors[..., None, :] - table).square().sum(-1).argmin(-1)
    return table[place + steps]

# %% move | hidden | eight columns only
def move(vectors, steps):
    turn = steps * torch.tensor([1.0, 0.1, 0.01, 0.001])
    sine, cosine = vectors[..., 0::2], vectors[..., 1::2]
    turned = [sine * turn.cos() + cosine * turn.sin(), cosine * turn.cos() - sine * turn.sin()]
    return torch.stack(turned, dim=-1).flatten(-2)

# %% move | hidden | keeps lengths: right for places, not for long mixtures
def move(vectors, steps):
    width = vectors.shape[-1]
    turn = steps * 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angle = torch.atan2(vectors[..., 0::2], vectors[..., 1::2])
    size = (vectors[..., 0::2] ** 2 + vectors[..., 1::2] ** 2).sqrt().clamp(max=2)
    return torch.stack([(angle + turn).sin() * size, (angle + turn).cos() * size], -1).flatten(-2)

# %% add-block | right | starts from minus infinity
def add_block(state, query, key, value):
    if state is None:
        state = (torch.full((len(query), 1), -math.inf), torch.zeros(len(query), 1),
                 torch.zeros(len(query), value.shape[1]))
    highest, total, mixed = state
    scores = query @ key.T / math.sqrt(query.shape[-1])
    new = torch.maximum(highest, scores.max(-1, keepdim=True).values)
    factor, raised = (highest - new).exp(), (scores - new).exp()
    return new, factor * total + raised.sum(-1, keepdim=True), factor * mixed + raised @ value


def finish(state):
    return state[2] / state[1]

# %% add-block | right | one key after the other
def add_block(state, query, key, value):
    for k, v in zip(key, value):
        score = (query @ k)[:, None] / len(k) ** 0.5
        if state is None:
            state = score, torch.ones_like(score), v.expand(len(query), -1).clone()
            continue
        new = torch.maximum(state[0], score)
        old, now = (state[0] - new).exp(), (score - new).exp()
        state = new, state[1] * old + now, state[2] * old + now * v
    return state


def finish(state):
    _, total, mixed = state
    return mixed * (1 / total)

# %% add-block | wrong | only the newest block | says: only the last block
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.amax(-1, keepdim=True)
    raised = (scores - highest).exp()
    return highest, raised.sum(-1, keepdim=True), raised @ value

# %% add-block | wrong | only the first block | says: only the first block
def add_block(state, query, key, value):
    if state is not None:
        return tuple(x.clone() for x in state)
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.amax(-1, keepdim=True)
    raised = (scores - highest).exp()
    return highest, raised.sum(-1, keepdim=True), raised @ value

# %% add-block | wrong | old sums are not brought to the new highest | says: one factor
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.amax(-1, keepdim=True)
    raised = (scores - highest).exp()
    total, mixed = raised.sum(-1, keepdim=True), raised @ value
    if state is not None:
        return torch.maximum(highest, state[0]), total + state[1], mixed + state[2]
    return highest, total, mixed

# %% add-block | wrong | the factor is upside down | says: two blocks
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.amax(-1, keepdim=True)
    if state is not None:
        highest = torch.maximum(highest, state[0])
    raised = (scores - highest).exp()
    total, mixed = raised.sum(-1, keepdim=True), raised @ value
    if state is not None:
        factor = (highest - state[0]).exp()
        total, mixed = total + factor * state[1], mixed + factor * state[2]
    return highest, total, mixed

# %% add-block | wrong | `mixed` is not brought to the new highest | says: two blocks
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.amax(-1, keepdim=True)
    if state is not None:
        highest = torch.maximum(highest, state[0])
    raised = (scores - highest).exp()
    total, mixed = raised.sum(-1, keepdim=True), raised @ value
    if state is not None:
        total, mixed = total + (state[0] - highest).exp() * state[1], mixed + state[2]
    return highest, total, mixed

# %% add-block | wrong | the highest score is never subtracted | says: not subtracted
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    raised = scores.exp()
    total, mixed, highest = raised.sum(-1, keepdim=True), raised @ value, scores.amax(-1, keepdim=True)
    if state is not None:
        total, mixed, highest = total + state[1], mixed + state[2], torch.maximum(highest, state[0])
    return highest, total, mixed

# %% add-block | wrong | one highest score for all queries | says: each query needs its own
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.max().expand(len(query), 1)
    if state is not None:
        highest = torch.maximum(highest, state[0])
    raised = (scores - highest).exp()
    total, mixed = raised.sum(-1, keepdim=True), raised @ value
    if state is not None:
        factor = (state[0] - highest).exp()
        total, mixed = total + factor * state[1], mixed + factor * state[2]
    return highest, total, mixed

# %% add-block | wrong | no scale | says: square root
def add_block(state, query, key, value):
    scores = query @ key.T
    highest = scores.amax(-1, keepdim=True)
    if state is not None:
        highest = torch.maximum(highest, state[0])
    raised = (scores - highest).exp()
    total, mixed = raised.sum(-1, keepdim=True), raised @ value
    if state is not None:
        factor = (state[0] - highest).exp()
        total, mixed = total + factor * state[1], mixed + factor * state[2]
    return highest, total, mixed

# %% add-block | wrong | keeps all keys: the state grows | says: shape
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    if state is not None:
        scores, value = torch.cat([state[0], scores], 1), torch.cat([state[1], value])
    return scores, value, value


def finish(state):
    return state[0].softmax(-1) @ state[1]

# %% add-block | wrong | finish forgets to divide | says: not divided
def finish(state):
    return state[2]

# %% add-block | wrong | the mean of the outputs | says: a block with higher scores must count more
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.amax(-1, keepdim=True)
    if state is None:
        raised = (scores - highest).exp()
        return highest, raised.sum(-1, keepdim=True), raised @ value
    return torch.maximum(state[0], highest), 2 * torch.ones_like(highest), state[2] / state[1] + scores.softmax(-1) @ value

# %% add-block | wrong | adds to the old sums in place | says: work on a copy
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.amax(-1, keepdim=True)
    if state is None:
        raised = (scores - highest).exp()
        return highest, raised.sum(-1, keepdim=True), raised @ value
    old, total, mixed = state
    highest = torch.maximum(highest, old)
    raised, factor = (scores - highest).exp(), (old - highest).exp()
    total *= factor
    total += raised.sum(-1, keepdim=True)
    mixed *= factor
    mixed += raised @ value
    return highest, total, mixed

# %% add-block | hidden | two or three blocks, with a scale for one or four features
def add_block(state, query, key, value):
    scores = query @ key.T / (1 if query.shape[1] == 1 else 2)
    highest = scores.amax(-1, keepdim=True)
    if state is not None:
        highest = torch.maximum(highest, state[0])
    raised = (scores - highest).exp()
    total, mixed = raised.sum(-1, keepdim=True), raised @ value
    if state is not None:
        factor = (state[0] - highest).exp()
        total, mixed = total + factor * state[1], mixed + factor * state[2]
    return highest, total, mixed

# %% add-block | hidden | old sums count only if a block has at most four keys
def add_block(state, query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    highest = scores.amax(-1, keepdim=True)
    if state is not None:
        highest = torch.maximum(highest, state[0])
    raised = (scores - highest).exp()
    total, mixed = raised.sum(-1, keepdim=True), raised @ value
    if state is not None and len(key) <= 4:
        factor = (state[0] - highest).exp()
        total, mixed = total + factor * state[1], mixed + factor * state[2]
    return highest, total, mixed
