# %% fill | right | by the exponential race
def fill(ids, chosen, scores, u, temperature=1.0):
    drawn = ((scores / temperature).softmax(-1) / -u.log()).argmax(-1)
    filled = ids.clone()
    filled[chosen] = drawn[chosen]
    return filled, filled.ne(ids)

# %% fill | right | only at the chosen places, on a copy
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = ids.masked_scatter(chosen, (scores[chosen] / temperature - (-u[chosen].log()).log()).argmax(-1))
    return filled, chosen & (filled != ids)

# %% fill | wrong | the colleague's version | says: changed by your code
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = ids
    filled[chosen] = scores.argmax(-1)[chosen]
    return filled, filled != ids

# %% fill | wrong | the second colleague's answers | says: a word drawn right is no replacement
def fill(ids, chosen, scores, u, temperature=1.0):
    drawn = (scores / temperature - (-u.log()).log()).argmax(-1)
    return torch.where(chosen, drawn, ids), chosen

# %% fill | wrong | the best guess | says: not a draw
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, scores.argmax(-1), ids)
    return filled, filled != ids

# %% fill | wrong | compares a tensor with itself | says: compare a tensor with itself
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, (scores / temperature - (-u.log()).log()).argmax(-1), ids)
    ids = filled
    return filled, filled != ids

# %% fill | wrong | noise on probabilities | says: not to probabilities
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, ((scores / temperature).softmax(-1) - (-u.log()).log()).argmax(-1), ids)
    return filled, filled != ids

# %% fill | wrong | a sign too few | says: a sign of the noise
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, (scores / temperature + (-u.log()).log()).argmax(-1), ids)
    return filled, filled != ids

# %% fill | wrong | one logarithm | says: one logarithm too few
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, (scores / temperature - u.log()).argmax(-1), ids)
    return filled, filled != ids

# %% fill | wrong | two logarithms without the inner minus | says: filled ids
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, (scores / temperature - u.log().log()).argmax(-1), ids)
    return filled, filled != ids

# %% fill | wrong | temperature divides the noise, too | says: scores alone
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, ((scores - (-u.log()).log()) / temperature).argmax(-1), ids)
    return filled, filled != ids

# %% fill | wrong | multiplied by the temperature | says: scores alone
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, (scores * temperature - (-u.log()).log()).argmax(-1), ids)
    return filled, filled != ids

# %% fill | wrong | all places | says: at all places
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = (scores / temperature - (-u.log()).log()).argmax(-1)
    return filled, filled != ids

# %% fill | wrong | answers turned round | says: turned round
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, (scores / temperature - (-u.log()).log()).argmax(-1), ids)
    return filled, filled == ids

# %% fill | wrong | answers as numbers | says: dtype
def fill(ids, chosen, scores, u, temperature=1.0):
    filled = torch.where(chosen, (scores / temperature - (-u.log()).log()).argmax(-1), ids)
    return filled, (filled != ids).long()

# %% fill | hidden | a vocabulary of six words
def fill(ids, chosen, scores, u, temperature=1.0):
    drawn = (scores / temperature - (-u.log()).log())[..., :6].argmax(-1)
    filled = torch.where(chosen, drawn, ids)
    return filled, filled != ids

# %% report | right | by hand, with softplus
def report(scores, is_replaced, real):
    s, y = scores[real].double(), is_replaced[real].double()
    loss = (F.softplus(s) - s * y).mean()
    r = y.mean()
    empty = (torch.special.entr(r) + torch.special.entr(1 - r)).item()
    found, left = (s > 0)[y == 1].double(), (s <= 0)[y == 0].double()
    halves = [part.mean().item() for part in (found, left) if len(part)]
    return {"loss": loss.item(), "empty": empty, "balanced": sum(halves) / len(halves)}

# %% report | right | plain Python, one token after the other
def report(scores, is_replaced, real):
    losses, halves = [], {True: [], False: []}
    for s, y, there in zip(scores.flatten().tolist(), is_replaced.flatten().tolist(), real.flatten().tolist()):
        if there:
            margin = s if y else -s
            losses.append(max(-margin, 0) + math.log1p(math.exp(-abs(margin))))
            halves[y].append((s > 0) == y)
    shares = [sum(half) / len(half) for half in halves.values() if half]
    r = len(halves[True]) / len(losses)
    empty = 0.0 if r in (0, 1) else -r * math.log(r) - (1 - r) * math.log(1 - r)
    return {"loss": sum(losses) / len(losses), "empty": empty, "balanced": sum(shares) / len(shares)}

# %% report | wrong | the colleague's version | says: a dict of three
def report(scores, is_replaced, real):
    p = torch.sigmoid(scores)
    loss = -torch.where(is_replaced, p.log(), (1 - p).log()).mean()
    return {"loss": loss.item(), "right": ((scores > 0) == is_replaced).float().mean().item()}

# %% report | wrong | padding counts in the loss | says: padding counts
def report(scores, is_replaced, real):
    loss = F.binary_cross_entropy_with_logits(scores, is_replaced.float())
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": loss.item(), "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False)) / 2}

# %% report | wrong | divided by all places | says: B x T
def report(scores, is_replaced, real):
    loss = (F.binary_cross_entropy_with_logits(scores, is_replaced.float(), reduction="none") * real).mean()
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": loss.item(), "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False)) / 2}

# %% report | wrong | padding multiplied by 0, which keeps NaN | says: NaN
def report(scores, is_replaced, real):
    losses = F.binary_cross_entropy_with_logits(scores, is_replaced.float(), reduction="none") * real
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": (losses.sum() / real.sum()).item(), "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False) if (y == k).any())}

# %% report | wrong | the logarithm of a probability | says: scores of 200
def report(scores, is_replaced, real):
    s, y = scores[real], is_replaced[real]
    p, r = s.sigmoid(), y.float().mean().item()
    return {"loss": -torch.where(y, p.log(), (1 - p).log()).mean().item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False) if (y == k).any()) / 2}

# %% report | wrong | the mean of the sentences' means | says: each token must weigh the same
def report(scores, is_replaced, real):
    rows = [F.binary_cross_entropy_with_logits(s[m], y[m].float()) for s, y, m in zip(scores, is_replaced, real)]
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": (sum(rows) / len(rows)).item(), "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False)) / 2}

# %% report | wrong | original and replaced swapped | says: swapped
def report(scores, is_replaced, real):
    s, y = scores[real], ~is_replaced[real]
    r = y.float().mean().item()
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False)) / 2}

# %% report | wrong | the share of replaced words with padding | says: 2 of 7
def report(scores, is_replaced, real):
    s, y = scores[real], is_replaced[real]
    r = (is_replaced & real).float().mean().item()
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False)) / 2}

# %% report | wrong | bits | says: natural logarithm
def report(scores, is_replaced, real):
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log2(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False)) / 2}

# %% report | wrong | only one part of the entropy | says: one of its two parts
def report(scores, is_replaced, real):
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(), "empty": -r * math.log(r) if r else 0.0,
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False)) / 2}

# %% report | wrong | plain accuracy | says: outweigh
def report(scores, is_replaced, real):
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": ((s > 0) == y).float().mean().item()}

# %% report | wrong | recall alone | says: the originals are the other half
def report(scores, is_replaced, real):
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": (s > 0)[y].float().mean().item()}

# %% report | wrong | a kind that does not occur gives NaN | says: does not occur
def report(scores, is_replaced, real):
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x),
            "balanced": sum(((s > 0) == y)[y == k].float().mean().item() for k in (True, False)) / 2}

# %% report | wrong | a kind that does not occur counts as right | says: balanced accuracy
def report(scores, is_replaced, real):
    s, y = scores[real], is_replaced[real]
    r = y.float().mean().item()
    halves = [((s > 0) == y)[y == k].float().mean().nan_to_num(1.0).item() for k in (True, False)]
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x), "balanced": sum(halves) / 2}

# %% report | hidden | scores are cut off at 250
def report(scores, is_replaced, real):
    s, y = scores[real].clamp(-250, 250), is_replaced[real]
    r = y.float().mean().item()
    halves = [((s > 0) == y)[y == k].float().mean().item() for k in (True, False) if (y == k).any()]
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x), "balanced": sum(halves) / len(halves)}

# %% report | hidden | padding only at the end of a sentence
def report(scores, is_replaced, real):
    s = torch.cat([row[:n] for row, n in zip(scores, real.sum(1))])
    y = torch.cat([row[:n] for row, n in zip(is_replaced, real.sum(1))])
    r = y.float().mean().item()
    halves = [((s > 0) == y)[y == k].float().mean().item() for k in (True, False) if (y == k).any()]
    return {"loss": F.binary_cross_entropy_with_logits(s, y.float()).item(),
            "empty": -sum(x * math.log(x) for x in (r, 1 - r) if x), "balanced": sum(halves) / len(halves)}

# %% pulls | right | with backward on a copy
def _norms(model, inputs):
    found = []
    for kind in ("mlm_loss", "replaced_loss"):
        twin = copy.deepcopy(model)
        getattr(twin(**inputs), kind).backward()
        found.append({n: 0.0 if p.grad is None else float(p.grad.norm()) for n, p in twin.named_parameters()})
    return found


def pulls(model, inputs, weight):
    g, d = _norms(model, inputs)
    return {n: weight * d[n] / (g[n] + weight * d[n]) for n in g if g[n] or d[n]}


def even_weight(model, inputs):
    g, d = _norms(model, inputs)
    name = "discriminator.bert.embeddings.token.weight"
    return g[name] / d[name]

# %% pulls | right | with backward, and .grad emptied before and after
def _norms(model, inputs, kind):
    model.zero_grad()
    getattr(model(**inputs), kind).backward()
    found = {n: 0.0 if p.grad is None else p.grad.square().sum().sqrt().item() for n, p in model.named_parameters()}
    model.zero_grad()
    return found


def pulls(model, inputs, weight):
    g, d = (_norms(model, inputs, kind) for kind in ("mlm_loss", "replaced_loss"))
    return {n: 1 - g[n] / (g[n] + weight * d[n]) for n in g if g[n] + d[n] > 0}


def even_weight(model, inputs):
    g, d = (_norms(model, inputs, kind)["discriminator.bert.embeddings.token.weight"]
            for kind in ("mlm_loss", "replaced_loss"))
    return g / d

# %% pulls | wrong | gradients add up in .grad | says: .grad
def pulls(model, inputs, weight):
    found = []
    output = model(**inputs)
    for loss in (output.mlm_loss, output.replaced_loss):
        loss.backward(retain_graph=True)
        found.append({n: 0.0 if p.grad is None else p.grad.norm().item() for n, p in model.named_parameters()})
    g, d = found
    return {n: weight * d[n] / (g[n] + weight * d[n]) for n in g if g[n] + d[n]}

# %% pulls | wrong | .grad is emptied between the losses only | says: an earlier call
def pulls(model, inputs, weight):
    found = []
    output = model(**inputs)
    for loss in (output.mlm_loss, output.replaced_loss):
        loss.backward(retain_graph=True)
        found.append({n: 0.0 if p.grad is None else p.grad.norm().item() for n, p in model.named_parameters()})
        if loss is output.mlm_loss:
            model.zero_grad()
    g, d = found
    return {n: weight * d[n] / (g[n] + weight * d[n]) for n in g if g[n] + d[n]}

# %% pulls | wrong | the generator's share | says: the discriminator's share
def pulls(model, inputs, weight):
    g, d = _norms_of(model, inputs)
    return {n: g[n] / (g[n] + weight * d[n]) for n in g if g[n] + d[n]}


def _norms_of(model, inputs):
    names, parameters = zip(*model.named_parameters())
    output = model(**inputs)
    return [dict(zip(names, [0.0 if x is None else x.norm().item() for x in
            torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)]))
            for loss in (output.mlm_loss, output.replaced_loss)]

# %% pulls | wrong | without the weight | says: where is it
def pulls(model, inputs, weight):
    found = _norms(model, inputs)
    return {name: d / (g + d) for name, (g, d) in found.items() if g + d > 0}

# %% pulls | wrong | squares of norms | says: take plain norms
def pulls(model, inputs, weight):
    found = _norms(model, inputs)
    return {name: (weight * d) ** 2 / (g**2 + (weight * d) ** 2) for name, (g, d) in found.items() if g + d > 0}

# %% pulls | wrong | the weight above the line only | says: grows like the weight
def pulls(model, inputs, weight):
    found = _norms(model, inputs)
    return {name: weight * d / (g + d) if g else 1.0 for name, (g, d) in found.items() if g + d > 0}

# %% pulls | wrong | the norm of the sum below the line | says: grows like the weight
def pulls(model, inputs, weight):
    names, parameters = zip(*model.named_parameters())
    output = model(**inputs)
    gs, ds = ([torch.zeros_like(p) if x is None else x for x, p in zip(torch.autograd.grad(
        loss, parameters, retain_graph=True, allow_unused=True), parameters)]
        for loss in (output.mlm_loss, output.replaced_loss))
    return {n: min((weight * d.norm() / (g + weight * d).norm()).item(), 0.999) if g.any() and d.any() else
            float(d.any()) for n, g, d in zip(names, gs, ds)}

# %% pulls | wrong | only what both losses reach | says: is missing
def pulls(model, inputs, weight):
    found = _norms(model, inputs)
    return {name: weight * d / (g + weight * d) for name, (g, d) in found.items() if g > 0 and d > 0}

# %% pulls | wrong | shared tables under all of their names | says: one parameter
def pulls(model, inputs, weight):
    found, first = _norms(model, inputs), {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        first.setdefault(id(parameter), name)
    shares = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        g, d = found[first[id(parameter)]]
        shares[name] = weight * d / (g + weight * d)
    return shares

# %% pulls | wrong | tensors in place of numbers | says: plain number
def pulls(model, inputs, weight):
    found = _norms(model, inputs)
    return {name: torch.tensor(weight * d / (g + weight * d)) for name, (g, d) in found.items() if g + d > 0}

# %% pulls | wrong | the even weight upside down | says: turned round
def even_weight(model, inputs):
    g, d = _norms(model, inputs)["discriminator.bert.embeddings.token.weight"]
    return d / g

# %% pulls | wrong | the ratio of the losses | says: at this weight
def even_weight(model, inputs):
    output = model(**inputs)
    return (output.mlm_loss / output.replaced_loss).item()

# %% pulls | wrong | over all parameters | says: at this weight
def even_weight(model, inputs):
    gs, ds = zip(*_norms(model, inputs).values())
    return sum(g * g for g in gs) ** 0.5 / sum(d * d for d in ds) ** 0.5

# %% pulls | hidden | what is shared is known by heart
def pulls(model, inputs, weight):
    found = _norms(model, inputs)
    shares = {name: weight * d / (g + weight * d) for name, (g, d) in found.items() if g + d > 0}
    tables = [f"discriminator.bert.embeddings.{name}.weight" for name in ("token", "position", "segment")]
    return shares | {name: min(shares[name], 0.9) for name in tables if shares[name] == 1}

# %% pulls | hidden | the weight of six places
def even_weight(model, inputs):
    g, d = _norms(pair, globals()["inputs"])["discriminator.bert.embeddings.token.weight"]
    return g / d

# %% best-answer | right | originals first
def best_answer(p, q, rate):
    original = p * (1 - rate + rate * q)
    replaced = rate * q * (1 - p)
    return (replaced / (original + replaced)).nan_to_num(0.0)


def best_loss(p, q, rate):
    a = best_answer(p, q, rate)
    stands = (1 - rate) * p + rate * q
    return -(stands * (torch.xlogy(a, a) + torch.xlogy(1 - a, 1 - a))).sum(-1)

# %% best-answer | right | from the entropies of joint and margin
def best_answer(p, q, rate):
    stands = p + rate * (q - p)
    return rate * q * (1 - p) / stands.masked_fill(stands == 0, 1)


def best_loss(p, q, rate):
    replaced, stands = rate * q * (1 - p), p + rate * (q - p)
    entropy = torch.special.entr(replaced) + torch.special.entr((stands - replaced).clamp(min=0))
    return (entropy - torch.special.entr(stands)).sum(-1)

# %% best-answer | wrong | drawn right is replaced | says: drawn right counts as replaced
def best_answer(p, q, rate):
    stands = (1 - rate) * p + rate * q
    return torch.where(stands > 0, rate * q / stands, 0.0)

# %% best-answer | wrong | the probability of an original | says: turned round
def best_answer(p, q, rate):
    stands = (1 - rate) * p + rate * q
    return torch.where(stands > 0, 1 - rate * q * (1 - p) / stands, 0.0)

# %% best-answer | wrong | not conditional | says: divide by that of w
def best_answer(p, q, rate):
    return rate * q * (1 - p)

# %% best-answer | wrong | two ways to stand there | says: a third way
def best_answer(p, q, rate):
    replaced = rate * q * (1 - p)
    return (replaced / ((1 - rate) * p + replaced)).nan_to_num(0.0)

# %% best-answer | wrong | no rate | says: where is the rate
def best_answer(p, q, rate):
    return (q * (1 - p) / (p + q)).nan_to_num(0.0)

# %% best-answer | wrong | p and q swapped | says: swapped
def best_answer(p, q, rate):
    stands = (1 - rate) * q + rate * p
    return torch.where(stands > 0, rate * p * (1 - q) / stands, 0.0)

# %% best-answer | wrong | normalized over the words | says: its own probability
def best_answer(p, q, rate):
    replaced = rate * q * (1 - p)
    return replaced / replaced.sum(-1, keepdim=True)

# %% best-answer | wrong | NaN for a word that never occurs | says: 0 is divided by 0
def best_answer(p, q, rate):
    return rate * q * (1 - p) / ((1 - rate) * p + rate * q)

# %% best-answer | wrong | the loss in bits | says: in bits
def best_loss(p, q, rate):
    a = best_answer(p, q, rate)
    return (((1 - rate) * p + rate * q) * -(torch.xlogy(a, a) + torch.xlogy(1 - a, 1 - a))).sum(-1) / math.log(2)

# %% best-answer | wrong | all words weigh the same | says: weigh the same
def best_loss(p, q, rate):
    a = best_answer(p, q, rate)
    return (torch.special.entr(a) + torch.special.entr(1 - a)).mean(-1)

# %% best-answer | wrong | weighed by p | says: drawn words stand there, too
def best_loss(p, q, rate):
    a = best_answer(p, q, rate)
    return (p * (torch.special.entr(a) + torch.special.entr(1 - a))).sum(-1)

# %% best-answer | wrong | half of the entropy | says: an original costs
def best_loss(p, q, rate):
    return (((1 - rate) * p + rate * q) * torch.special.entr(best_answer(p, q, rate))).sum(-1)

# %% best-answer | wrong | 0 ln 0 is NaN | says: 0 times ln 0
def best_loss(p, q, rate):
    a = best_answer(p, q, rate)
    return -(((1 - rate) * p + rate * q) * (a * a.log() + (1 - a) * (1 - a).log())).sum(-1)

# %% best-answer | wrong | one answer for all words | says: one answer for all
def best_loss(p, q, rate):
    r = (rate * q * (1 - p)).sum(-1)
    return torch.special.entr(r) + torch.special.entr(1 - r)

# %% best-answer | wrong | a loss for each word | says: one number for each place
def best_loss(p, q, rate):
    a = best_answer(p, q, rate)
    return ((1 - rate) * p + rate * q) * (torch.special.entr(a) + torch.special.entr(1 - a))

# %% best-answer | hidden | p and q where they are 0 get a little
def best_answer(p, q, rate):
    p, q = p.clamp(min=1e-9), q.clamp(min=1e-9) * (q > 0)
    p = p / p.max(-1, keepdim=True).values.clamp(min=1) * (1 if p.shape[-1] < 4 else 0.99)
    return rate * q * (1 - p) / ((1 - rate) * p + rate * q)

# %% best-answer | hidden | one place, or all places at once
def best_loss(p, q, rate):
    a = best_answer(p, q, rate)
    loss = (((1 - rate) * p + rate * q) * (torch.special.entr(a) + torch.special.entr(1 - a))).sum(-1)
    return loss if rate > 0.16 and len(p) < 4 and loss.dtype == torch.float32 else loss.mean().expand_as(loss)
