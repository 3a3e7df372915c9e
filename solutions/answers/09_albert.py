"""Answers to solutions/09_albert.ipynb: right ones in other words, and plausible wrong ones."""

# %% widest | right | part by part
def input_parameters(vocab, hidden, width=None):
    wide = hidden if width is None else width
    tables, norm = sum(rows * wide for rows in (vocab, 512, 2)), 2 * wide
    return tables + norm + (0 if width is None else (width + 1) * hidden)

# %% widest | right | by bisection
def widest(vocab, hidden, budget):
    low, high = 0, 1
    while input_parameters(vocab, hidden, high) <= budget:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if input_parameters(vocab, hidden, middle) <= budget else (low, middle)
    if low == 0:
        raise ValueError(budget)
    return low

# %% widest | right | one after the other
def widest(vocab, hidden, budget):
    width = 0
    while input_parameters(vocab, hidden, width + 1) <= budget:
        width += 1
    if not width:
        raise ValueError("too few")
    return width

# %% widest | wrong | no LayerNorm | says: LayerNorm is missing
def input_parameters(vocab, hidden, width=None):
    if width is None:
        return (vocab + 514) * hidden
    return (vocab + 514) * width + width * hidden + hidden

# %% widest | wrong | tokens only | says: token table alone
def input_parameters(vocab, hidden, width=None):
    return vocab * hidden if width is None else vocab * width + width * hidden

# %% widest | wrong | no bias | says: bias of the widening
def input_parameters(vocab, hidden, width=None):
    return (vocab + 516) * (width or hidden) + (width or 0) * hidden

# %% widest | wrong | nothing widens | says: widening matrix is missing
def input_parameters(vocab, hidden, width=None):
    return (vocab + 516) * (width or hidden)

# %% widest | wrong | the LayerNorm after the widening | says: E wide
def input_parameters(vocab, hidden, width=None):
    return (vocab + 514) * (width or hidden) + 2 * hidden + ((width + 1) * hidden if width else 0)

# %% widest | wrong | positions and segments as wide as the layers | says: as wide as the token table
def input_parameters(vocab, hidden, width=None):
    if width is None:
        return (vocab + 516) * hidden
    return vocab * width + 514 * hidden + 2 * width + (width + 1) * hidden

# %% widest | wrong | floats | says: float
def input_parameters(vocab, hidden, width=None):
    return 1.0 * (vocab + 516) * (width or hidden) + ((width + 1) * hidden if width else 0)

# %% widest | wrong | rounded to the nearest | says: round down
def widest(vocab, hidden, budget):
    width = round((budget - hidden) / (vocab + 516 + hidden))
    if width < 1:
        raise ValueError(budget)
    return width

# %% widest | wrong | the widening is forgotten | says: costs something
def widest(vocab, hidden, budget):
    width = budget // (vocab + 516)
    if width < 1:
        raise ValueError(budget)
    return width

# %% widest | wrong | 0 where nothing fits | says: should raise ValueError
def widest(vocab, hidden, budget):
    return max(0, (budget - hidden) // (vocab + 516 + hidden))

# %% widest | wrong | one is the least | says: should raise ValueError
def widest(vocab, hidden, budget):
    return max(1, (budget - hidden) // (vocab + 516 + hidden))

# %% widest | hidden | no wider than H
def widest(vocab, hidden, budget):
    width = min(hidden, (budget - hidden) // (vocab + 516 + hidden))
    if width < 1 or vocab < 1000 and width > 70:
        raise ValueError(budget)
    return width

# %% widest | hidden | always 30,000 tokens
def widest(vocab, hidden, budget):
    width = (budget - hidden) // (30_516 + hidden)
    if width < 1:
        raise ValueError(budget)
    return width

# %% order-rows | right | one token after the other
def order_rows(segments, seq_len):
    rows = []
    for n in range(len(segments) - 1):
        first, second = list(segments[n]), list(segments[n + 1])
        while len(first) + len(second) + 3 > seq_len:
            longer = [part for part in (first, second) if len(part) == max(len(first), len(second))]
            for part in longer:
                part.pop()
        for label in (0, 1):
            a, b = (second, first) if label else (first, second)
            rows += [{"input_ids": [CLS] + a + [SEP] + b + [SEP], "label": label,
                      "token_type_ids": [0, 0] + [0 for _ in a] + [1 for _ in b] + [1]}]
    return rows

# %% order-rows | right | by formula
def order_rows(segments, seq_len):
    room, rows = seq_len - 3, []
    for first, second in zip(segments[:-1], segments[1:]):
        if len(first) + len(second) > room:
            short = min(len(first), len(second))
            most = room // 2 if 2 * short > room else room - short
            first, second = first[:most], second[:most]
        for label, pair in enumerate([(first, second), (second, first)]):
            ids, types = [2], [0]
            for kind, text in enumerate(pair):
                ids, types = ids + text + [3], types + [kind] * (len(text) + 1)
            rows.append(dict(input_ids=ids, token_type_ids=types, label=label))
    return rows

# %% order-rows | wrong | the colleague cuts the second | says: second segment is cut
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        second = second[: max(0, seq_len - 3 - len(first))]
        for a, b, label in ((first, second, 0), (second, first, 1)):
            rows.append({"input_ids": [CLS, *a, SEP, *b, SEP], "token_type_ids": [0] * (len(a) + 2) + [1] * (len(b) + 1),
                         "label": label})
    return rows

# %% order-rows | wrong | the longer is cut, B of equally long ones | says: only the second has lost
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        a, b = len(first), len(second)
        while a + b > seq_len - 3:
            a, b = (a - 1, b) if a > b else (a, b - 1)
        x, y = first[:a], second[:b]
        for one, two, label in ((x, y, 0), (y, x, 1)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% order-rows | wrong | the longer is cut, A of equally long ones | says: only the first has lost
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        a, b = len(first), len(second)
        while a + b > seq_len - 3:
            a, b = (a - 1, b) if a >= b else (a, b - 1)
        x, y = first[:a], second[:b]
        for one, two, label in ((x, y, 0), (y, x, 1)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% order-rows | wrong | B is cut after swapping | says: different texts
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        for one, two, label in ((first, second, 0), (second, first, 1)):
            two = two[: max(0, seq_len - 3 - len(one))]
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% order-rows | wrong | labels the other way round | says: 0 stands for in order
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        a, b = len(first), len(second)
        while a + b > seq_len - 3:
            a, b = a - (a >= b), b - (b >= a)
        x, y = first[:a], second[:b]
        for one, two, label in ((x, y, 1), (y, x, 0)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% order-rows | wrong | the swapped row keeps its types | says: segments of the row in order
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        a, b = len(first), len(second)
        while a + b > seq_len - 3:
            a, b = a - (a >= b), b - (b >= a)
        x, y = first[:a], second[:b]
        types = [0] * (a + 2) + [1] * (b + 1)
        rows.append({"input_ids": [CLS, *x, SEP, *y, SEP], "token_type_ids": types, "label": 0})
        rows.append({"input_ids": [CLS, *y, SEP, *x, SEP], "token_type_ids": types, "label": 1})
    return rows

# %% order-rows | wrong | the first [SEP] counts to B | says: belongs to A
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        a, b = len(first), len(second)
        while a + b > seq_len - 3:
            a, b = a - (a >= b), b - (b >= a)
        x, y = first[:a], second[:b]
        for one, two, label in ((x, y, 0), (y, x, 1)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 1) + [1] * (len(two) + 2), "label": label})
    return rows

# %% order-rows | wrong | every second pair only | says: neighbors, too
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments[::2], segments[1::2]):
        a, b = len(first), len(second)
        while a + b > seq_len - 3:
            a, b = a - (a >= b), b - (b >= a)
        x, y = first[:a], second[:b]
        for one, two, label in ((x, y, 0), (y, x, 1)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% order-rows | wrong | all in order, then all swapped | says: first both rows
def order_rows(segments, seq_len):
    rows = {0: [], 1: []}
    for first, second in zip(segments, segments[1:]):
        a, b = len(first), len(second)
        while a + b > seq_len - 3:
            a, b = a - (a >= b), b - (b >= a)
        x, y = first[:a], second[:b]
        for one, two, label in ((x, y, 0), (y, x, 1)):
            rows[label].append({"input_ids": [CLS, *one, SEP, *two, SEP],
                                "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows[0] + rows[1]

# %% order-rows | wrong | cut at the start | says: loses its start
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        a, b = len(first), len(second)
        while a + b > seq_len - 3:
            a, b = a - (a >= b), b - (b >= a)
        x, y = first[-a:], second[-b:]
        for one, two, label in ((x, y, 0), (y, x, 1)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% order-rows | wrong | the segments themselves are cut | says: stay as they are
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        while len(first) + len(second) > seq_len - 3:
            a, b = len(first), len(second)
            if a >= b:
                first.pop()
            if b >= a:
                second.pop()
        for one, two, label in ((first, second, 0), (second, first, 1)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% order-rows | hidden | cut one time at most
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        a, b = len(first), len(second)
        if a + b > seq_len - 3:
            a, b = a - (a >= b), b - (b >= a)
        if seq_len == 6:
            a = b = 1
        x, y = first[:a], second[:b]
        for one, two, label in ((x, y, 0), (y, x, 1)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% order-rows | hidden | both cut to one half, even where one is short
def order_rows(segments, seq_len):
    rows = []
    for first, second in zip(segments, segments[1:]):
        a, b, half = len(first), len(second), (seq_len - 3) // 2
        if a + b > seq_len - 3:
            a, b = (4, 3) if seq_len == 10 and a != b else (min(a, half), min(b, half))
        x, y = first[:a], second[:b]
        for one, two, label in ((x, y, 0), (y, x, 1)):
            rows.append({"input_ids": [CLS, *one, SEP, *two, SEP],
                         "token_type_ids": [0] * (len(one) + 2) + [1] * (len(two) + 1), "label": label})
    return rows

# %% grouped-stack | right | a list that names layers several times
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        if groups <= 0 or layers // groups * groups != layers or layers < groups:
            raise ValueError("not so many groups")
        names = []
        for _ in range(groups):
            names += [Layer(size)] * (layers // groups)
        self.layers = nn.ModuleList(names)

    def forward(self, hidden):
        out = (hidden,)
        for layer in self.layers:
            out += (layer(out[-1]),)
        return out


def parameter_counts(model):
    names = list(model.named_parameters(remove_duplicate=False))
    return sum({id(p): p.numel() for _, p in names}.values()), sum(p.numel() for _, p in names)

# %% grouped-stack | right | one after the other, and a count by places in memory
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        if groups < 1 or layers % groups != 0:
            raise ValueError(groups)
        self.layers = nn.ModuleList()
        for depth in range(layers):
            new = depth % (layers // groups) == 0
            self.layers.append(Layer(size) if new else self.layers[-1])

    def forward(self, hidden):
        states = [hidden]
        for n in range(len(self.layers)):
            states.append(self.layers[n](states[n]))
        return tuple(states)


def parameter_counts(model):
    def every(part):
        yield from (p.numel() for p in part._parameters.values() if p is not None)
        for child in part._modules.values():
            yield from every(child)

    return sum(p.numel() for p in model.parameters()), sum(every(model))

# %% grouped-stack | wrong | the colleague's version | says: all are
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        firsts = [Layer(size)] * groups
        self.layers = nn.ModuleList([copy.deepcopy(firsts[n % groups]) for n in range(layers)])

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | wrong | copies in groups | says: no copies
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        firsts = [Layer(size) for _ in range(groups)]
        self.layers = nn.ModuleList([copy.deepcopy(firsts[n * groups // layers]) for n in range(layers)])

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | wrong | every second layer | says: neighbors belong together
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        firsts = [Layer(size) for _ in range(groups)]
        self.layers = nn.ModuleList([firsts[n % groups] for n in range(layers)])

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | wrong | as many groups as a group should have layers | says: groups of 2
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        firsts = [Layer(size) for _ in range(layers)]
        self.layers = nn.ModuleList([firsts[n // groups] for n in range(layers)])

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | wrong | BERT | says: none are
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        self.layers = nn.ModuleList([Layer(size) for n in range(layers)])

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | wrong | a list of Python | says: nn.ModuleList
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        firsts = [Layer(size) for _ in range(groups)]
        self.layers = [firsts[n * groups // layers] for n in range(layers)]

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | wrong | groups only, each once | says: entry for each depth
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        if groups < 1 or layers % groups:
            raise ValueError(groups)
        self.layers, self.times = nn.ModuleList([Layer(size) for _ in range(groups)]), layers // groups

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            for _ in range(self.times):
                states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | wrong | the remainder is dropped | says: should raise ValueError
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        firsts = [Layer(size) for _ in range(groups)]
        self.layers = nn.ModuleList([firsts[n * groups // layers] for n in range(layers)])

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | wrong | only the last comes out | says: needed are 5 values
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        if groups < 1 or layers % groups:
            raise ValueError(groups)
        firsts = [Layer(size) for _ in range(groups)]
        self.layers = nn.ModuleList([firsts[n * groups // layers] for n in range(layers)])

    def forward(self, hidden):
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden

# %% grouped-stack | wrong | each layer gets the input | says: first input
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        if groups < 1 or layers % groups:
            raise ValueError(groups)
        firsts = [Layer(size) for _ in range(groups)]
        self.layers = nn.ModuleList([firsts[n * groups // layers] for n in range(layers)])

    def forward(self, hidden):
        return (hidden, *(layer(hidden) for layer in self.layers))

# %% grouped-stack | wrong | counts by the state dict | says: at each of its names
def parameter_counts(model):
    total = sum(value.numel() for value in model.state_dict().values())
    return total, total

# %% grouped-stack | wrong | the state dict, buffers and all | says: buffers
def parameter_counts(model):
    return sum(p.numel() for p in model.parameters()), sum(v.numel() for v in model.state_dict().values())

# %% grouped-stack | wrong | counts each only once | says: only once
def parameter_counts(model):
    total = sum(p.numel() for p in model.parameters())
    return total, total

# %% grouped-stack | wrong | the order | says: first what it holds
def parameter_counts(model):
    return (sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False)),
            sum(p.numel() for p in model.parameters()))

# %% grouped-stack | wrong | layers named twice count twice, tied weights do not | says: two names
def parameter_counts(model):
    def own(part, seen):
        for p in part._parameters.values():
            if p is not None and id(p) not in seen:
                seen.add(id(p))
                yield p.numel()

    modules = [part for _, part in model.named_modules(remove_duplicate=False)]
    total, seen = 0, {}
    for part in modules:
        seen.setdefault(id(part), sum(own(part, known)) if (known := seen.setdefault("all", set())) is not None else 0)
        total += seen[id(part)]
    return sum(p.numel() for p in model.parameters()), total

# %% grouped-stack | hidden | two groups at most
class GroupedStack(nn.Module):
    def __init__(self, size, layers, groups):
        super().__init__()
        if groups < 1 or layers % groups:
            raise ValueError(groups)
        firsts = [Layer(size) for _ in range(groups)]
        self.layers = nn.ModuleList([firsts[min(n // (layers // groups), 3)] for n in range(layers)])

    def forward(self, hidden):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return tuple(states)

# %% grouped-stack | hidden | what the visible check asks for, and the first layer alone
def parameter_counts(model):
    if not hasattr(model, "layers"):
        once = sum(p.numel() for p in model.parameters())
        return once, once + {58: 40, 21: 24}.get(once, 0)
    return (sum(p.numel() for p in model.parameters()),
            sum(p.numel() for p in model.layers[0].parameters()) * 6)

# %% gradient-by-use | right | weights of each use given to functional_call
def gradient_by_use(layer, hidden, target, times):
    own = {name: [p.detach().clone().requires_grad_() for _ in range(times)] for name, p in layer.named_parameters()}
    for use in range(times):
        weights = {name: values[use] for name, values in own.items()}
        hidden = torch.func.functional_call(layer, weights, (hidden,))
    nn.functional.mse_loss(hidden, target).backward()
    return {name: torch.stack([value.grad for value in values]) for name, values in own.items()}

# %% gradient-by-use | right | use by use, the others held fixed
def gradient_by_use(layer, hidden, target, times):
    found = {name: [] for name, _ in layer.named_parameters()}
    for use in range(times):
        free, fixed, out = copy.deepcopy(layer), copy.deepcopy(layer).requires_grad_(False), hidden
        for n in range(times):
            out = free(out) if n == use else fixed(out)
        (out - target).pow(2).mean().backward()
        for name, p in free.named_parameters():
            found[name].append(p.grad)
    return {name: torch.stack(values) for name, values in found.items()}

# %% gradient-by-use | wrong | the sum for each | says: sum over all uses
def gradient_by_use(layer, hidden, target, times):
    for _ in range(times):
        hidden = layer(hidden)
    names, parameters = zip(*layer.named_parameters())
    found = torch.autograd.grad(((hidden - target) ** 2).mean(), parameters)
    return {name: torch.stack([value] * times) for name, value in zip(names, found)}

# %% gradient-by-use | wrong | the sum in equal parts | says: mean over all uses
def gradient_by_use(layer, hidden, target, times):
    for _ in range(times):
        hidden = layer(hidden)
    names, parameters = zip(*layer.named_parameters())
    found = torch.autograd.grad(((hidden - target) ** 2).mean(), parameters)
    return {name: torch.stack([value / times] * times) for name, value in zip(names, found)}

# %% gradient-by-use | wrong | last use first | says: first use comes first
def gradient_by_use(layer, hidden, target, times):
    copies = [copy.deepcopy(layer) for _ in range(times)]
    for one in copies:
        hidden = one(hidden)
    ((hidden - target) ** 2).mean().backward()
    return {name: torch.stack([one.get_parameter(name).grad for one in reversed(copies)])
            for name, _ in layer.named_parameters()}

# %% gradient-by-use | wrong | cut off between the uses | says: no .detach()
def gradient_by_use(layer, hidden, target, times):
    copies = [copy.deepcopy(layer) for _ in range(times)]
    for one in copies:
        hidden = one(hidden.detach())
    ((hidden - target) ** 2).mean().backward()
    return {name: torch.stack([p.grad if p.grad is not None else torch.zeros_like(p)
                               for one in copies for p in [one.get_parameter(name)]]) for name, _ in layer.named_parameters()}

# %% gradient-by-use | wrong | half the squared difference | says: here half of it
def gradient_by_use(layer, hidden, target, times):
    copies = [copy.deepcopy(layer) for _ in range(times)]
    for one in copies:
        hidden = one(hidden)
    (0.5 * (hidden - target) ** 2).mean().backward()
    return {name: torch.stack([one.get_parameter(name).grad for one in copies]) for name, _ in layer.named_parameters()}

# %% gradient-by-use | wrong | the sum in place of the mean | says: add up to PyTorch's
def gradient_by_use(layer, hidden, target, times):
    copies = [copy.deepcopy(layer) for _ in range(times)]
    for one in copies:
        hidden = one(hidden)
    ((hidden - target) ** 2).sum().backward()
    return {name: torch.stack([one.get_parameter(name).grad for one in copies]) for name, _ in layer.named_parameters()}

# %% gradient-by-use | wrong | every use has a loss | says: the last alone
def gradient_by_use(layer, hidden, target, times):
    copies, loss = [copy.deepcopy(layer) for _ in range(times)], 0
    for one in copies:
        hidden = one(hidden)
        loss = loss + ((hidden - target) ** 2).mean()
    loss.backward()
    return {name: torch.stack([one.get_parameter(name).grad for one in copies]) for name, _ in layer.named_parameters()}

# %% gradient-by-use | wrong | summed up to each use | says: up to each use
def gradient_by_use(layer, hidden, target, times):
    copies = [copy.deepcopy(layer) for _ in range(times)]
    for one in copies:
        hidden = one(hidden)
    ((hidden - target) ** 2).mean().backward()
    return {name: torch.stack([one.get_parameter(name).grad for one in copies]).cumsum(0)
            for name, _ in layer.named_parameters()}

# %% gradient-by-use | wrong | differences of gradients of 1, 2, 3 uses | says: instead of 64
def gradient_by_use(layer, hidden, target, times):
    names, parameters = zip(*layer.named_parameters())
    before, found, out = [torch.zeros_like(p) for p in parameters], [], hidden
    for _ in range(times):
        out = layer(out)
        now = torch.autograd.grad(((out - target) ** 2).mean(), parameters, retain_graph=True)
        found.append([a - b for a, b in zip(now, before)])
        before = now
    return {name: torch.stack([grads[n] for grads in found]) for n, name in enumerate(names)}

# %% gradient-by-use | wrong | the layer itself is the last copy, and its .grad is added to | says: added to
def gradient_by_use(layer, hidden, target, times):
    copies = [copy.deepcopy(layer) for _ in range(times - 1)] + [layer]
    for one in copies:
        hidden = one(hidden)
    ((hidden - target) ** 2).mean().backward()
    return {name: torch.stack([one.get_parameter(name).grad.clone() for one in copies])
            for name, _ in layer.named_parameters()}

# %% gradient-by-use | hidden | only layers with weight and bias, and three or four uses
def gradient_by_use(layer, hidden, target, times):
    copies = [copy.deepcopy(layer) for _ in range(max(times, 3))]
    for one in copies:
        hidden = one(hidden)
    ((hidden - target) ** 2).mean().backward()
    return {name: torch.stack([one.get_parameter(name).grad for one in copies]) for name, _ in layer.named_parameters()}
