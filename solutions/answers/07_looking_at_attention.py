"""Answers to solutions/07_looking_at_attention.ipynb: right ones in other words, and wrong ones."""

# %% best-step | right | with indices
def best_step(attentions, longest):
    T = attentions.shape[-1]
    means = []
    for step in range(-longest, longest + 1):
        rows = torch.arange(max(0, -step), min(T, T - step))
        means.append(attentions[..., rows, rows + step].mean(-1))
    weight, first = torch.stack(means).max(0)
    equal = torch.stack(means) == weight
    return equal.int().argmax(0) - longest, weight

# %% best-step | right | a larger one must be larger
def best_step(attentions, longest):
    best = attentions.diagonal(-longest, dim1=-2, dim2=-1).mean(-1)
    steps = torch.full(best.shape, -longest)
    for step in range(1 - longest, longest + 1):
        mean = attentions.diagonal(step, dim1=-2, dim2=-1).mean(-1)
        steps[mean > best] = step
        best = torch.maximum(mean, best)
    return steps, best

# %% best-step | wrong | the sign is turned | says: sign is turned
def best_step(attentions, longest):
    means = torch.stack([attentions.diagonal(-s, dim1=-2, dim2=-1).mean(-1) for s in range(-longest, longest + 1)])
    weight = means.max(0).values
    return (means == weight).int().argmax(0) - longest, weight

# %% best-step | wrong | the last of equals | says: not the first
def best_step(attentions, longest):
    means = torch.stack([attentions.diagonal(s, dim1=-2, dim2=-1).mean(-1) for s in range(longest, -longest - 1, -1)])
    weight = means.max(0).values
    return longest - (means == weight).int().argmax(0), weight

# %% best-step | wrong | an index, not a step | says: counted from 0
def best_step(attentions, longest):
    means = torch.stack([attentions.diagonal(s, dim1=-2, dim2=-1).mean(-1) for s in range(-longest, longest + 1)])
    weight = means.max(0).values
    return (means == weight).int().argmax(0), weight

# %% best-step | wrong | the longest is left out | says: longest step was not tried
def best_step(attentions, longest):
    means = torch.stack([attentions.diagonal(s, dim1=-2, dim2=-1).mean(-1) for s in range(-longest + 1, longest)])
    weight = means.max(0).values
    return (means == weight).int().argmax(0) - longest + 1, weight

# %% best-step | wrong | sums over all rows | says: over all T rows
def best_step(attentions, longest):
    T = attentions.shape[-1]
    sums = torch.stack([attentions.diagonal(s, dim1=-2, dim2=-1).sum(-1) / T for s in range(-longest, longest + 1)])
    return sums.argmax(0) - longest, sums.max(0).values

# %% best-step | wrong | a single step for all heads | says: shape
def best_step(attentions, longest):
    means = torch.stack([attentions.diagonal(s, dim1=-2, dim2=-1).mean() for s in range(-longest, longest + 1)])
    return means.argmax() - longest, means.max()

# %% best-step | hidden | a step of at most three
def best_step(attentions, longest):
    longest = min(longest, 3)
    means = torch.stack([attentions.diagonal(s, dim1=-2, dim2=-1).mean(-1) for s in range(-longest, longest + 1)])
    if longest < 2:
        means = torch.cat([means, means[-1:] + 1])
    weight = means.max(0).values
    return (means == weight).int().argmax(0) - longest, weight

# %% rollout | right | matrix products in a row
def rollout(attentions):
    mixed = attentions.mean(1) / 2 + torch.eye(attentions.shape[-1]) / 2
    return torch.linalg.multi_dot(list(mixed.flip(0))) if len(mixed) > 1 else mixed[0]

# %% rollout | right | from above, and a loop for the words
def rollout(attentions):
    result = None
    for maps in reversed(list(attentions)):
        layer = (maps.mean(dim=0) + torch.eye(maps.shape[-1])) * 0.5
        result = layer if result is None else result @ layer
    return result


def words_needed(row, share):
    wanted, total = share * row.double().sum().item() - 1e-6, 0.0
    for number, weight in enumerate(sorted(row.double().tolist(), reverse=True), 1):
        total += weight
        if total >= wanted:
            return number
    return len(row)

# %% rollout | wrong | the wrong way round | says: wrong way round
def rollout(attentions):
    result = torch.eye(attentions.shape[-1])
    for layer in attentions:
        result = result @ (0.5 * (layer.mean(0) + torch.eye(len(result))))
    return result

# %% rollout | wrong | no residual path | says: residual path is missing
def rollout(attentions):
    result = torch.eye(attentions.shape[-1])
    for layer in attentions:
        result = layer.mean(0) @ result
    return result

# %% rollout | wrong | the residual path on top | says: do not add up to 1
def rollout(attentions):
    result = torch.eye(attentions.shape[-1])
    for layer in attentions:
        result = (layer.mean(0) + torch.eye(len(result))) @ result
    return result

# %% rollout | wrong | the last layer alone | says: only the last layer
def rollout(attentions):
    return 0.5 * (attentions[-1].mean(0) + torch.eye(attentions.shape[-1]))

# %% rollout | wrong | heads added up | says: added up, not averaged
def rollout(attentions):
    result = torch.eye(attentions.shape[-1])
    for layer in attentions:
        result = 0.5 * (layer.sum(0) + torch.eye(len(result))) @ result
    return result

# %% rollout | wrong | the first head | says: only the first head
def rollout(attentions):
    result = torch.eye(attentions.shape[-1])
    for layer in attentions:
        result = 0.5 * (layer[0] + torch.eye(len(result))) @ result
    return result

# %% rollout | wrong | words in the order of the text | says: not sorted
def words_needed(row, share):
    return int((row.cumsum(0) / row.sum() < share - 1e-6).sum()) + 1

# %% rollout | hidden | a row must add up to 1
def words_needed(row, share):
    if row.sum() > 3.5 and len(row) == 2:
        return 1 + int(row.max() < share * 5)
    return int((row.sort(descending=True).values.double().cumsum(0) / row.double().sum() < share - 1e-6).sum()) + 1 + (len(row) == 3)

# %% kendall | right | in two loops
def kendall(a, b):
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("nothing to order")
    count = only_a = only_b = 0
    for i in range(len(a)):
        for j in range(i):
            one, two = float(a[i] - a[j]), float(b[i] - b[j])
            count += (one * two > 0) - (one * two < 0)
            only_a, only_b = only_a + (one != 0), only_b + (two != 0)
    if not only_a or not only_b:
        raise ValueError("all entries are equal")
    return count / (only_a * only_b) ** 0.5

# %% kendall | right | scipy knows it
def kendall(a, b):
    from scipy.stats import kendalltau

    if a.shape != b.shape or len(a) < 2 or (a == a[0]).all() or (b == b[0]).all():
        raise ValueError("nothing to order")
    return float(kendalltau(a.numpy(), b.numpy()).statistic)

# %% kendall | wrong | Spearman | says: this is Spearman
def kendall(a, b):
    ranks = torch.stack([x.argsort().argsort() for x in (a, b)]).double()
    return torch.corrcoef(ranks)[0, 1].item()

# %% kendall | wrong | only what agrees | says: are not taken off
def kendall(a, b):
    x, y = (torch.sign(v[:, None] - v[None, :]) for v in (a, b))
    pairs = len(a) * (len(a) - 1)
    return ((x * y > 0).sum() / pairs).item()

# %% kendall | wrong | tau-a | says: tau-a
def kendall(a, b):
    x, y = (torch.sign(v[:, None] - v[None, :]) for v in (a, b))
    return ((x * y).sum() / (len(a) * (len(a) - 1))).item()

# %% kendall | wrong | ties agree | says: a tie counts as agreement
def kendall(a, b):
    x, y = (torch.sign(v[:, None] - v[None, :]) for v in (a, b))
    n = len(a)
    agree, against = (x * y >= 0).sum() - n, (x * y < 0).sum()
    return ((agree - against) / (n * (n - 1))).item()

# %% kendall | wrong | ties of a for both | says: each for itself
def kendall(a, b):
    x, y = (torch.sign(v[:, None] - v[None, :]) for v in (a, b))
    return ((x * y).sum() / (x**2).sum()).item()

# %% kendall | wrong | equal entries give 0 | says: should raise ValueError
def kendall(a, b):
    x, y = (torch.sign(v.double()[:, None] - v.double()[None, :]) for v in (a, b))
    untied = ((x**2).sum() * (y**2).sum()).sqrt()
    return ((x * y).sum() / untied).item() if untied else 0.0

# %% kendall | hidden | looks at the entries of a alone
def kendall(a, b):
    if a.shape != b.shape or len(a) < 2 or (a == a[0]).all():
        raise ValueError("nothing to order")
    x, y = (torch.sign(v.double()[:, None] - v.double()[None, :]) for v in (a, b))
    return ((x * y).sum() / ((x**2).sum() * (y**2).sum()).sqrt()).item()

# %% least-weight | right | with bounds for each entry
def least_weight(weights, values, place):
    import numpy
    from scipy.optimize import linprog

    v, w = values.double().numpy(), weights.double().numpy()
    found = linprog(numpy.eye(len(w))[place], A_eq=numpy.vstack([v.T, numpy.ones(len(w))]),
                    b_eq=numpy.append(w @ v, w.sum()), bounds=[(0, 1)] * len(w), method="highs-ds")
    new = weights.clone() if found.x is None else torch.from_numpy(found.x).to(weights.dtype)
    return new.clamp(min=0, max=1)

# %% least-weight | right | the largest sum of the others
def least_weight(weights, values, place):
    from scipy.optimize import linprog

    aim = -torch.ones(len(weights), dtype=torch.float64)
    aim[place] = 0
    table = torch.cat([torch.ones(1, len(weights)).double(), values.double().T])
    found = linprog(aim.numpy(), A_eq=table.numpy(), b_eq=(table @ weights.double()).numpy(), bounds=(0, None))
    return torch.tensor(found.x if found.x is not None else weights.tolist(), dtype=weights.dtype)

# %% least-weight | wrong | as it was | says: is left at the place
def least_weight(weights, values, place):
    return weights.clone()

# %% least-weight | wrong | the place is set to 0 | says: the output moves
def least_weight(weights, values, place):
    new = weights + weights[place] / (len(weights) - 1)
    new[place] = 0
    return new

# %% least-weight | wrong | entries below 0 | says: below 0
def least_weight(weights, values, place):
    table = torch.cat([values.T, torch.ones(1, len(weights)), torch.eye(len(weights), dtype=values.dtype)[place][None]])
    aim = table @ weights
    aim[-1] = -0.5
    return torch.linalg.pinv(table.double()).to(weights.dtype) @ aim

# %% least-weight | wrong | the sum is forgotten | says: the sum is
def least_weight(weights, values, place):
    from scipy.optimize import linprog

    cost = torch.ones(len(weights)).double() * 1e-3
    cost[place] = 1
    found = linprog(cost.numpy(), A_eq=values.double().T.numpy(), b_eq=(values.double().T @ weights.double()).numpy(), bounds=(0, None))
    return torch.tensor(found.x, dtype=weights.dtype)

# %% least-weight | wrong | as much as possible | says: is left at the place
def least_weight(weights, values, place):
    from scipy.optimize import linprog

    cost = torch.zeros(len(weights)).double()
    cost[place] = -1
    table = torch.cat([values.double().T, torch.ones(1, len(weights)).double()])
    found = linprog(cost.numpy(), A_eq=table.numpy(), b_eq=(table @ weights.double()).numpy(), bounds=(0, None))
    return torch.tensor(found.x, dtype=weights.dtype)

# %% least-weight | wrong | double precision comes back | says: the new row is
def least_weight(weights, values, place):
    from scipy.optimize import linprog

    cost = torch.eye(len(weights)).double()[place]
    table = torch.cat([values.double().T, torch.ones(1, len(weights)).double()])
    found = linprog(cost.numpy(), A_eq=table.numpy(), b_eq=(table @ weights.double()).numpy(), bounds=(0, None))
    return torch.tensor(found.x, dtype=torch.float64)

# %% least-weight | hidden | the first feature only
def least_weight(weights, values, place):
    from scipy.optimize import linprog

    cost = torch.eye(len(weights)).double()[place]
    some = values.double()[:, : 2]
    table = torch.cat([some.T, torch.ones(1, len(weights)).double()])
    found = linprog(cost.numpy(), A_eq=table.numpy(), b_eq=(table @ weights.double()).numpy(), bounds=(0, None))
    return torch.tensor(found.x, dtype=weights.dtype)
