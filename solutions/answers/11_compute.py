# %% train-flops | right | one part after the other
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = (shape[key] for key in ("layers", "hidden", "width", "vocabulary", "embedding", "shared"))
    tokens = length * sequences
    matrices = tokens * L * (4 * D**2 + 2 * D * F)
    attention = 2 * sequences * L * length**2 * D
    between = 0 if E == D else tokens * E * D
    return 3 * 2 * (matrices + attention + between)

# %% train-flops | right | a loop over layers
def train_flops(shape, length, sequences):
    D, forward = shape["hidden"], 0
    for _ in range(shape["layers"]):
        forward += 2 * length * (4 * D * D + 2 * D * shape["width"]) + 2 * (2 * length * length * D)
    if shape["embedding"] != D:
        forward += 2 * length * shape["embedding"] * D
    return sequences * (forward + 2 * forward)

# %% train-flops | wrong | the colleague's version | says: all three faults
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F
    stored = (1 if shared else L) * layer
    stored += V * E + (E * D if E != D else 0)
    return 6 * stored * length * sequences

# %% train-flops | wrong | ALBERT counted once | says: it is run L times
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F + 2 * length * D
    return 6 * ((1 if shared else L) * layer + (E * D if E != D else 0)) * length * sequences

# %% train-flops | wrong | ALBERT's matrices counted once, its attention rightly | says: used in each of the L layers
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F
    return 6 * ((1 if shared else L) * layer + 2 * L * length * D + (E * D if E != D else 0)) * length * sequences

# %% train-flops | wrong | with the table of words | says: looked up
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F + 2 * length * D
    return 6 * (L * layer + V * E + (E * D if E != D else 0)) * length * sequences

# %% train-flops | wrong | no attention | says: attention is missing
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    return 6 * (L * (4 * D * D + 2 * D * F) + (E * D if E != D else 0)) * length * sequences

# %% train-flops | wrong | attention in one part | says: two parts
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F + length * D
    return 6 * (L * layer + (E * D if E != D else 0)) * length * sequences

# %% train-flops | wrong | the square of T for each token | says: one T too many
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F + 2 * length * length * D
    return 6 * (L * layer + (E * D if E != D else 0)) * length * sequences

# %% train-flops | wrong | forward only | says: forward pass alone
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F + 2 * length * D
    return 2 * (L * layer + (E * D if E != D else 0)) * length * sequences

# %% train-flops | wrong | backward as much as forward | says: twice the way forward
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F + 2 * length * D
    return 4 * (L * layer + (E * D if E != D else 0)) * length * sequences

# %% train-flops | wrong | no matrix between E and D | says: from E to D is missing
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    return 6 * L * (4 * D * D + 2 * D * F + 2 * length * D) * length * sequences

# %% train-flops | wrong | a matrix between E and D even if they are equal | says: no matrix between them
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    return 6 * (L * (4 * D * D + 2 * D * F + 2 * length * D) + E * D) * length * sequences

# %% train-flops | wrong | a float | says: needed is a int
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F + 2 * length * D
    return 6.0 * (L * layer + (E * D if E != D else 0)) * length * sequences

# %% train-flops | hidden | F is 4 D
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    return 6 * (L * (12 * D * D + 2 * length * D) + (E * D if E != D else 0)) * length * sequences

# %% train-flops | hidden | embeddings are never wider than the layers
def train_flops(shape, length, sequences):
    L, D, F, V, E, shared = shape.values()
    layer = 4 * D * D + 2 * D * F + 2 * length * D
    return 6 * (L * layer + (E * D if E < D else 0)) * length * sequences

# %% training-bytes | right | by identity
def training_bytes(model):
    names = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    seen = {id(tensor): tensor for _, tensor in names}.values()
    trained = sum(x.nbytes for x in seen if x.requires_grad)
    return {"weights": sum(x.nbytes for x in seen), "gradients": trained, "adam": 2 * trained}

# %% training-bytes | right | measured on gradients and the state of Adam
def training_bytes(model):
    twin = copy.deepcopy(model)
    parameters = list(twin.parameters())
    trained = [p for p in parameters if p.requires_grad]
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer, adam = (torch.optim.Adam(trained, foreach=False) if trained else None), 0
    if optimizer:
        optimizer.step()
        adam = sum(state[name].nbytes for state in optimizer.state.values() for name in ("exp_avg", "exp_avg_sq"))
    weights = sum(x.nbytes for x in [*parameters, *twin.buffers()])
    return {"weights": weights, "gradients": sum(p.grad.nbytes for p in trained), "adam": adam}

# %% training-bytes | wrong | the colleague's version | says: as the colleague
def training_bytes(model):
    numbers = sum(tensor.numel() for tensor in model.state_dict().values())
    return {"weights": 4 * numbers, "gradients": 4 * numbers, "adam": 8 * numbers}

# %% training-bytes | wrong | numbers in place of bytes | says: each has 4 bytes
def training_bytes(model):
    numbers = sum(p.numel() for p in model.parameters())
    return {"weights": numbers, "gradients": numbers, "adam": 2 * numbers}

# %% training-bytes | wrong | one mean of Adam | says: two means
def training_bytes(model):
    size = sum(p.nbytes for p in model.parameters())
    return {"weights": size + sum(b.nbytes for b in model.buffers()), "gradients": size, "adam": size}

# %% training-bytes | wrong | tied tensors under each name | says: under each of their names
def training_bytes(model):
    size = sum(p.nbytes for _, p in model.named_parameters(remove_duplicate=False))
    return {"weights": size + sum(b.nbytes for b in model.buffers()), "gradients": size, "adam": 2 * size}

# %% training-bytes | wrong | the shared layer at every depth | says: at every depth
def training_bytes(model):
    size = sum(p.nbytes for p in model.parameters())
    if hasattr(model, "layers"):
        size += (len(model.layers) - 1) * sum(p.nbytes for p in model.layers[0].parameters())
    return {"weights": size + sum(b.nbytes for b in model.buffers()), "gradients": size, "adam": 2 * size}

# %% training-bytes | wrong | no buffers | says: a buffer is missing
def training_bytes(model):
    size = sum(p.nbytes for p in model.parameters())
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    return {"weights": size, "gradients": trained, "adam": 2 * trained}

# %% training-bytes | wrong | buffers are trained | says: no gradient
def training_bytes(model):
    size = sum(x.nbytes for x in [*model.parameters(), *model.buffers()])
    return {"weights": size, "gradients": size, "adam": 2 * size}

# %% training-bytes | wrong | every number has 4 bytes | says: 8 bytes
def training_bytes(model):
    size = 4 * sum(p.numel() for p in model.parameters())
    trained = 4 * sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"weights": size + 4 * sum(b.numel() for b in model.buffers()), "gradients": trained, "adam": 2 * trained}

# %% training-bytes | wrong | parameters have 4 bytes, whatever their type | says: bfloat16 has 2
def training_bytes(model):
    size = 4 * sum(p.numel() for p in model.parameters())
    trained = 4 * sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"weights": size + sum(b.nbytes for b in model.buffers()), "gradients": trained, "adam": 2 * trained}

# %% training-bytes | wrong | Adam always in float32 | says: the type of their parameter
def training_bytes(model):
    size = sum(p.nbytes for p in model.parameters())
    trained = [p for p in model.parameters() if p.requires_grad]
    return {"weights": size + sum(b.nbytes for b in model.buffers()), "gradients": sum(p.nbytes for p in trained),
            "adam": 8 * sum(p.numel() for p in trained)}

# %% training-bytes | wrong | frozen weights are trained | says: a frozen weight
def training_bytes(model):
    size = sum(p.nbytes for p in model.parameters())
    return {"weights": size + sum(b.nbytes for b in model.buffers()), "gradients": size, "adam": 2 * size}

# %% training-bytes | wrong | frozen weights are forgotten | says: must be in memory, too
def training_bytes(model):
    size = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    return {"weights": size + sum(b.nbytes for b in model.buffers()), "gradients": size, "adam": 2 * size}

# %% training-bytes | hidden | every tensor has the type of the first
def training_bytes(model):
    each = next((p.element_size() for p in model.parameters()), 4)
    trained = each * sum(p.numel() for p in model.parameters() if p.requires_grad)
    size = each * sum(p.numel() for p in model.parameters())
    return {"weights": size + sum(b.nbytes for b in model.buffers()), "gradients": trained, "adam": 2 * trained}

# %% front | right | one walk over sorted points
def front(points):
    best, kept = -math.inf, []
    by_cost = {}
    for name, (cost, score) in points.items():
        by_cost.setdefault(cost, []).append((score, name))
    for cost in sorted(by_cost):
        top = max(score for score, _ in by_cost[cost])
        if top > best:
            kept += [name for score, name in by_cost[cost] if score == top]
            best = top
    return kept

# %% front | right | two conditions
def front(points):
    def stays(name):
        cost, score = points[name]
        cheaper = [s for c, s in points.values() if c < cost]
        as_cheap = [s for c, s in points.values() if c == cost]
        return all(s < score for s in cheaper) and all(s <= score for s in as_cheap)

    return [name for name in sorted(points, key=lambda name: points[name][0]) if stays(name)]

# %% front | wrong | the colleague's version | says: with the one before only
def front(points):
    names = sorted(points, key=lambda name: points[name][0])
    kept = names[:1]
    for before, name in zip(names, names[1:]):
        if points[name][1] > points[before][1]:
            kept.append(name)
    return kept

# %% front | wrong | the best so far, but equal costs are forgotten | says: costs as much as
def front(points):
    best, kept = -math.inf, []
    for name in sorted(points, key=lambda name: points[name][0]):
        if points[name][1] > best:
            best = points[name][1]
            kept.append(name)
    return kept

# %% front | wrong | sorted by cost and score: twins are lost | says: keep both
def front(points):
    best, kept = -math.inf, []
    for name in sorted(points, key=lambda name: (points[name][0], -points[name][1])):
        if points[name][1] > best:
            best = points[name][1]
            kept.append(name)
    return kept

# %% front | wrong | the best so far or as good | says: 'y' and costs more
def front(points):
    best, kept = -math.inf, []
    for name in sorted(points, key=lambda name: (points[name][0], -points[name][1])):
        if points[name][1] >= best:
            best = points[name][1]
            kept.append(name)
    return kept

# %% front | wrong | better in both | says: equal in one, worse in the other
def front(points):
    kept = [n for n, (cost, score) in points.items() if not any(c < cost and s > score for c, s in points.values())]
    return sorted(kept, key=lambda name: points[name][0])

# %% front | wrong | beaten by itself | says: six models has 0
def front(points):
    kept = [n for n, (cost, score) in points.items() if not any(c <= cost and s >= score for c, s in points.values())]
    return sorted(kept, key=lambda name: points[name][0])

# %% front | wrong | beaten by a twin | says: beaten by its own twin
def front(points):
    kept = [n for n, (cost, score) in points.items()
            if not any(c <= cost and s >= score and m != n for m, (c, s) in points.items())]
    return sorted(kept, key=lambda name: points[name][0])

# %% front | wrong | not sorted | says: sort by cost
def front(points):
    return [n for n, (cost, score) in points.items()
            if not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points.values())]

# %% front | wrong | sorted by name among equals | says: keep the order
def front(points):
    return sorted((n for n, (cost, score) in points.items()
                   if not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points.values())),
                  key=lambda name: (points[name][0], name))

# %% front | wrong | a set | says: a list of names
def front(points):
    return {n for n, (cost, score) in points.items()
            if not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points.values())}

# %% front | hidden | costs are positive, and so are scores
def front(points):
    best, kept = 0.0, []
    for name in sorted(points, key=lambda name: (points[name][0], -points[name][1])):
        if points[name][1] > best or any(points[name] == points[other] for other in kept):
            best = points[name][1]
            kept.append(name)
    return kept

# %% front | hidden | at most two of a kind
def front(points):
    kept = sorted((n for n, (cost, score) in points.items()
                   if not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points.values())),
                  key=lambda name: points[name][0])
    return [n for i, n in enumerate(kept) if sum(points[m] == points[n] for m in kept[:i]) < 2]

# %% times-cheaper | right | with logarithms
def cost_to_reach(costs, scores, goal):
    place = next((n for n, score in enumerate(scores) if score >= goal), None)
    if place is None:
        return float("inf")
    if place == 0:
        return costs[0]
    low, high = scores[place - 1], scores[place]
    start, end = math.log2(costs[place - 1]), math.log2(costs[place])
    return 2 ** (start + (end - start) * (goal - low) / (high - low))


def times_cheaper(ours, theirs, goal):
    factors = []
    for our_run in ours:
        for their_run in theirs:
            a, b = cost_to_reach(*our_run, goal), cost_to_reach(*their_run, goal)
            if math.isinf(a) and math.isinf(b):
                continue
            factors.append(math.inf if math.isinf(b) else 0.0 if math.isinf(a) else b / a)
    factors.sort()
    if not factors:
        return None
    middle = (factors[(len(factors) - 1) // 2] + factors[len(factors) // 2]) / 2
    return factors[0], middle, factors[-1]

# %% times-cheaper | right | NaN thrown out after the division
def times_cheaper(ours, theirs, goal):
    factors = [cost_to_reach(*b, goal) / cost_to_reach(*a, goal) for a in ours for b in theirs]
    factors = [factor for factor in factors if factor == factor]
    if factors:
        return min(factors), statistics.median(factors), max(factors)

# %% times-cheaper | wrong | straight over the cost | says: over its logarithm
def cost_to_reach(costs, scores, goal):
    if scores[0] >= goal:
        return costs[0]
    for before, after, low, high in zip(costs, costs[1:], scores, scores[1:]):
        if high >= goal:
            return before + (after - before) * (goal - low) / (high - low)
    return math.inf

# %% times-cheaper | wrong | the next measurement | says: the run was there before
def cost_to_reach(costs, scores, goal):
    return next((cost for cost, score in zip(costs, scores) if score >= goal), math.inf)

# %% times-cheaper | wrong | the share is turned round | says: turned round
def cost_to_reach(costs, scores, goal):
    if scores[0] >= goal:
        return costs[0]
    for before, after, low, high in zip(costs, costs[1:], scores, scores[1:]):
        if high >= goal:
            return before * (after / before) ** ((high - goal) / (high - low))
    return math.inf

# %% times-cheaper | wrong | the last time it arrives | says: the first time counts
def cost_to_reach(costs, scores, goal):
    found = costs[0] if scores[0] >= goal else math.inf
    for before, after, low, high in zip(costs, costs[1:], scores, scores[1:]):
        if low < goal <= high:
            found = before * (after / before) ** ((goal - low) / (high - low))
    return found

# %% times-cheaper | wrong | the first measurement is not looked at | says: first measurement
def cost_to_reach(costs, scores, goal):
    for before, after, low, high in zip(costs, costs[1:], scores, scores[1:]):
        if high >= goal:
            return before * (after / before) ** ((goal - low) / (high - low))
    return math.inf

# %% times-cheaper | wrong | goes on after the last measurement | says: after the last measurement
def cost_to_reach(costs, scores, goal):
    if scores[0] >= goal:
        return costs[0]
    for before, after, low, high in zip(costs, costs[1:], scores, scores[1:]):
        if high >= goal or (after == costs[-1] and len(costs) > 2):
            return before * (after / before) ** ((goal - low) / (high - low))
    return math.inf

# %% times-cheaper | wrong | None if it never arrives | says: never reached
def cost_to_reach(costs, scores, goal):
    if scores[0] >= goal:
        return costs[0]
    for before, after, low, high in zip(costs, costs[1:], scores, scores[1:]):
        if high >= goal:
            return before * (after / before) ** ((goal - low) / (high - low))

# %% times-cheaper | wrong | above the goal, not at it | says: goal is 80
def cost_to_reach(costs, scores, goal):
    if scores[0] >= goal:
        return costs[0]
    for before, after, low, high in zip(costs, costs[1:], scores, scores[1:]):
        if high > goal:
            return before * (after / before) ** ((goal - low) / (high - low))
    return math.inf

# %% times-cheaper | wrong | ours divided by theirs | says: turned round
def times_cheaper(ours, theirs, goal):
    ours, theirs = theirs, ours
    pairs = [(cost_to_reach(*a, goal), cost_to_reach(*b, goal)) for a in ours for b in theirs]
    factors = [b / a for a, b in pairs if min(a, b) < math.inf]
    return (min(factors), statistics.median(factors), max(factors)) if factors else None

# %% times-cheaper | wrong | run by run | says: four factors
def times_cheaper(ours, theirs, goal):
    pairs = [(cost_to_reach(*a, goal), cost_to_reach(*b, goal)) for a, b in zip(ours, theirs)]
    factors = [b / a for a, b in pairs if min(a, b) < math.inf]
    return (min(factors), statistics.median(factors), max(factors)) if factors else None

# %% times-cheaper | wrong | the mean | says: needed is the median
def times_cheaper(ours, theirs, goal):
    pairs = [(cost_to_reach(*a, goal), cost_to_reach(*b, goal)) for a in ours for b in theirs]
    factors = [b / a for a, b in pairs if min(a, b) < math.inf]
    return (min(factors), statistics.mean(factors), max(factors)) if factors else None

# %% times-cheaper | wrong | runs that never arrive are left out | says: they count most
def times_cheaper(ours, theirs, goal):
    pairs = [(cost_to_reach(*a, goal), cost_to_reach(*b, goal)) for a in ours for b in theirs]
    factors = [b / a for a, b in pairs if max(a, b) < math.inf]
    return (min(factors), statistics.median(factors), max(factors)) if factors else None

# %% times-cheaper | wrong | no factor 0 | says: has the factor 0
def times_cheaper(ours, theirs, goal):
    pairs = [(cost_to_reach(*a, goal), cost_to_reach(*b, goal)) for a in ours for b in theirs]
    factors = [b / a for a, b in pairs if a < math.inf]
    return (min(factors), statistics.median(factors), max(factors)) if factors else None

# %% times-cheaper | wrong | pairs of which neither arrives give NaN | says: NaN
def times_cheaper(ours, theirs, goal):
    factors = [cost_to_reach(*b, goal) / cost_to_reach(*a, goal) for a in ours for b in theirs]
    if any(factor != factor for factor in factors):
        return (math.nan,) * 3
    return min(factors), statistics.median(factors), max(factors)

# %% times-cheaper | wrong | an error if no pair is left | says: min()
def times_cheaper(ours, theirs, goal):
    pairs = [(cost_to_reach(*a, goal), cost_to_reach(*b, goal)) for a in ours for b in theirs]
    factors = [b / a for a, b in pairs if min(a, b) < math.inf]
    return min(factors), statistics.median(factors), max(factors)

# %% times-cheaper | hidden | scores are never below 0
def cost_to_reach(costs, scores, goal):
    if scores[0] >= goal:
        return costs[0]
    for before, after, low, high in zip(costs, costs[1:], scores, scores[1:]):
        if high >= goal:
            return before * (after / before) ** ((goal - max(low, 0)) / (high - max(low, 0)))
    return math.inf

# %% times-cheaper | hidden | at most three runs
def times_cheaper(ours, theirs, goal):
    pairs = [(cost_to_reach(*a, goal), cost_to_reach(*b, goal)) for a in ours[:3] for b in theirs[:3]]
    factors = [b / a for a, b in pairs if min(a, b) < math.inf]
    return (min(factors), statistics.median(factors), max(factors)) if factors else None
