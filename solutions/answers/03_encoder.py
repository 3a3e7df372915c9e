"""Answers to exercise 03 that must pass, and answers that must not: the tests run each of them."""

# %% layer-cost | right | step by step
def layer_cost(tokens, hidden, width):
    def product(n, m, k):
        return n * m * k

    return {
        "projections": sum(product(tokens, hidden, hidden) for _ in "qkvo"),
        "scores": product(tokens, hidden, tokens),
        "mixing": product(tokens, tokens, hidden),
        "feed_forward": product(tokens, hidden, width) + product(tokens, width, hidden),
    }


def crossing(hidden, width):
    return (4 * hidden * hidden + 2 * hidden * width) // (2 * hidden)


# %% layer-cost | right | in another order, found by trying
def layer_cost(tokens, hidden, width):
    square = tokens**2 * hidden
    return dict(feed_forward=2 * tokens * width * hidden, scores=square, mixing=square,
                projections=4 * tokens * hidden**2)


def crossing(hidden, width):
    tokens = 1
    while 2 * tokens * tokens * hidden < 4 * tokens * hidden**2 + 2 * tokens * hidden * width:
        tokens += 1
    return tokens


# %% layer-cost | wrong | FLOPs | says: counted twice
def layer_cost(tokens, hidden, width):
    return {"projections": 8 * tokens * hidden**2, "scores": 2 * tokens**2 * hidden,
            "mixing": 2 * tokens**2 * hidden, "feed_forward": 4 * tokens * hidden * width}


def crossing(hidden, width):
    return 2 * hidden + width


# %% layer-cost | wrong | output forgotten | says: do not forget the output
def layer_cost(tokens, hidden, width):
    return {"projections": 3 * tokens * hidden**2, "scores": tokens**2 * hidden,
            "mixing": tokens**2 * hidden, "feed_forward": 2 * tokens * hidden * width}


def crossing(hidden, width):
    return 2 * hidden + width


# %% layer-cost | wrong | one feed-forward matrix | says: two matrices
def layer_cost(tokens, hidden, width):
    return {"projections": 4 * tokens * hidden**2, "scores": tokens**2 * hidden,
            "mixing": tokens**2 * hidden, "feed_forward": tokens * hidden * width}


def crossing(hidden, width):
    return 2 * hidden + width


# %% layer-cost | wrong | pairs without features | says: D is missing
def layer_cost(tokens, hidden, width):
    return {"projections": 4 * tokens * hidden**2, "scores": tokens**2, "mixing": tokens**2,
            "feed_forward": 2 * tokens * hidden * width}


def crossing(hidden, width):
    return 2 * hidden + width


# %% layer-cost | wrong | T and D mixed up | says: mixed up
def layer_cost(tokens, hidden, width):
    return {"projections": 4 * tokens * hidden**2, "scores": tokens * hidden**2,
            "mixing": tokens * hidden**2, "feed_forward": 2 * tokens * hidden * width}


def crossing(hidden, width):
    return 2 * hidden + width


# %% layer-cost | wrong | projections left out of the crossing | says: projections are left out
def layer_cost(tokens, hidden, width):
    return {"projections": 4 * tokens * hidden**2, "scores": tokens**2 * hidden,
            "mixing": tokens**2 * hidden, "feed_forward": 2 * tokens * hidden * width}


def crossing(hidden, width):
    return width


# %% layer-cost | wrong | the crossing as a float | says: whole
def layer_cost(tokens, hidden, width):
    return {"projections": 4 * tokens * hidden**2, "scores": tokens**2 * hidden,
            "mixing": tokens**2 * hidden, "feed_forward": 2 * tokens * hidden * width}


def crossing(hidden, width):
    return (4 * hidden**2 + 2 * hidden * width) / (2 * hidden)


# %% layer-cost | hidden | takes the width for four times the hidden size
def layer_cost(tokens, hidden, width):
    return {"projections": 4 * tokens * hidden**2, "scores": tokens**2 * hidden,
            "mixing": tokens**2 * hidden, "feed_forward": 2 * tokens * hidden * width}


def crossing(hidden, width):
    return 6 * hidden if width > 8 else 16


# %% memory | right | writes everything out
def strength(network, hidden):
    active = network.activation(network.expand(hidden))
    written = active[:, :, None] * network.contract.weight.T[None]
    return written.pow(2).sum(-1).sqrt()


def only(network, hidden, neurons):
    active = network.activation(network.expand(hidden))
    columns = network.contract.weight[:, neurons]
    return active[:, neurons] @ columns.T + network.contract.bias


# %% memory | right | with a mask of ones and zeros
def strength(network, hidden):
    lengths = torch.linalg.vector_norm(network.contract.weight, dim=0)
    return (network.activation(F.linear(hidden, network.expand.weight, network.expand.bias)) * lengths).abs()


def only(network, hidden, neurons):
    mask = torch.zeros(network.expand.out_features)
    for neuron in neurons:
        mask[neuron] = 1
    return network.contract(network.activation(network.expand(hidden)) * mask)


# %% memory | wrong | how active, not how much is written | says: multiply by the length
def strength(network, hidden):
    return network.activation(network.expand(hidden)).abs()


def only(network, hidden, neurons):
    active = network.activation(network.expand(hidden))
    kept = torch.zeros_like(active)
    kept[:, neurons] = active[:, neurons]
    return network.contract(kept)


# %% memory | wrong | rows of the first matrix | says: ROWS
def strength(network, hidden):
    active = network.activation(network.expand(hidden))
    return active.abs() * network.expand.weight.norm(dim=1)


def only(network, hidden, neurons):
    active = network.activation(network.expand(hidden))
    kept = torch.zeros_like(active)
    kept[:, neurons] = active[:, neurons]
    return network.contract(kept)


# %% memory | wrong | no bend | says: bend is missing
def strength(network, hidden):
    return network.expand(hidden).abs() * network.contract.weight.norm(dim=0)


def only(network, hidden, neurons):
    active = network.expand(hidden)
    kept = torch.zeros_like(active)
    kept[:, neurons] = active[:, neurons]
    return network.contract(kept)


# %% memory | wrong | negative lengths | says: absolute value
def strength(network, hidden):
    return network.activation(network.expand(hidden)) * network.contract.weight.norm(dim=0)


def only(network, hidden, neurons):
    active = network.activation(network.expand(hidden))
    kept = torch.zeros_like(active)
    kept[:, neurons] = active[:, neurons]
    return network.contract(kept)


# %% memory | wrong | length over the wrong axis | says: each NEURON
def strength(network, hidden):
    active = network.activation(network.expand(hidden))
    return (active[:, :, None] * network.contract.weight.T[None]).norm(dim=1)


def only(network, hidden, neurons):
    active = network.activation(network.expand(hidden))
    kept = torch.zeros_like(active)
    kept[:, neurons] = active[:, neurons]
    return network.contract(kept)


# %% memory | wrong | bias forgotten | says: bias of the second map is missing
def strength(network, hidden):
    return network.activation(network.expand(hidden)).abs() * network.contract.weight.norm(dim=0)


def only(network, hidden, neurons):
    active = network.activation(network.expand(hidden))
    return active[:, neurons] @ network.contract.weight[:, neurons].T


# %% memory | wrong | silences the chosen ones | says: OTHER
def strength(network, hidden):
    return network.activation(network.expand(hidden)).abs() * network.contract.weight.norm(dim=0)


def only(network, hidden, neurons):
    active = network.activation(network.expand(hidden)).clone()
    active[:, neurons] = 0
    return network.contract(active)


# %% memory | wrong | silences nobody | says: full output
def strength(network, hidden):
    return network.activation(network.expand(hidden)).abs() * network.contract.weight.norm(dim=0)


def only(network, hidden, neurons):
    return network(hidden)


# %% memory | hidden | always ReLU
def strength(network, hidden):
    return F.relu(network.expand(hidden)) * network.contract.weight.norm(dim=0)


def only(network, hidden, neurons):
    active = F.relu(network.expand(hidden))
    kept = torch.zeros_like(active)
    kept[:, neurons] = active[:, neurons]
    return network.contract(kept)


# %% memory | hidden | rows of the second matrix where it is square
def strength(network, hidden):
    active = network.activation(network.expand(hidden)).abs()
    weight = network.contract.weight
    return active * weight.norm(dim=0 if weight.shape[0] != weight.shape[1] else 1)


def only(network, hidden, neurons):
    active = network.activation(network.expand(hidden))
    kept = torch.zeros_like(active)
    kept[:, sorted(neurons)[:3]] = active[:, sorted(neurons)[:3]]
    return network.contract(kept)


# %% stay-home | right | Bernoulli draws
def drop_rates(layers, last):
    return (torch.arange(1, layers + 1, dtype=torch.float64) / layers * last).tolist()


def stay_home(added, rate, training):
    if not training or rate == 0:
        return added
    if rate >= 1:
        return added * 0
    keep = torch.full((added.shape[0],), 1 - rate).bernoulli()
    return added * (keep / (1 - rate))[:, None, None]


# %% stay-home | right | text by text
def drop_rates(layers, last):
    rates = []
    for number in range(layers):
        rates.append((number + 1) / layers * last)
    return rates


def stay_home(added, rate, training):
    result = added.clone()
    if training:
        for number in range(len(added)):
            if torch.rand(()) < rate:
                result[number] = 0
            else:
                result[number] /= 1 - rate
    return result


# %% stay-home | wrong | rates begin with 0 | says: counted from 1
def drop_rates(layers, last):
    return [last * number / layers for number in range(layers)]


def stay_home(added, rate, training):
    return added


# %% stay-home | wrong | rates fall | says: must grow
def drop_rates(layers, last):
    return [last * number / layers for number in range(layers, 0, -1)]


def stay_home(added, rate, training):
    return added


# %% stay-home | wrong | ordinary dropout | says: that is dropout
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    return F.dropout(added, rate, training)


# %% stay-home | wrong | one draw for each token | says: one draw for
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    if not training:
        return added
    if rate == 1:
        return torch.zeros_like(added)
    return added * (torch.rand(*added.shape[:2], 1) >= rate) / (1 - rate)


# %% stay-home | wrong | one draw for all texts | says: same fate
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    if not training:
        return added
    return torch.zeros_like(added) if torch.rand(()) < rate else added / (1 - rate)


# %% stay-home | wrong | kept with the chance of the rate | says: should be the rate
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    if not training:
        return added
    if rate == 1:
        return torch.zeros_like(added)
    return added * (torch.rand(len(added), 1, 1) < rate) / (1 - rate)


# %% stay-home | wrong | not divided | says: divided by 1 - rate
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    return added * (torch.rand(len(added), 1, 1) >= rate) if training else added


# %% stay-home | wrong | divided by the rate | says: not by the rate
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    return added * (torch.rand(len(added), 1, 1) >= rate) / rate if training else added


# %% stay-home | wrong | multiplied in evaluation | says: nothing is multiplied
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    if not training:
        return added * (1 - rate)
    return added * (torch.rand(len(added), 1, 1) >= rate)


# %% stay-home | hidden | NaN for rate 1
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    if not training:
        return added
    return added * (torch.rand(len(added), 1, 1) >= rate) / (1 - rate)


# %% stay-home | hidden | always the same texts
def drop_rates(layers, last):
    return [last * number / layers for number in range(1, layers + 1)]


def stay_home(added, rate, training):
    if not training:
        return added
    if rate == 1:
        return torch.zeros_like(added)
    keep = torch.rand(len(added), 1, 1, generator=torch.Generator().manual_seed(0)) >= rate
    return added * keep / (1 - rate)


# %% pre-norm | right | halves in a loop
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.feed_forward = FeedForward(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.rate = config.dropout

    def forward(self, hidden, mask=None):
        halves = [(self.attention_norm, lambda x: self.attention(x, mask)[0]),
                  (self.feed_forward_norm, self.feed_forward)]
        for norm, part in halves:
            hidden = hidden + F.dropout(part(norm(hidden)), self.rate, self.training)
        return hidden


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList([PreNormLayer(config) for _ in range(config.num_layers)])
        self.final_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = (hidden,)
        for layer in self.layers[:-1]:
            states += (layer(states[-1], mask),)
        return (*states, self.final_norm(self.layers[-1](states[-1], mask)))


# %% pre-norm | right | the buggy classes as a base
class PreNormLayer(BuggyLayer):
    def __init__(self, config):
        super().__init__(config)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        attended, _ = self.attention(self.attention_norm(hidden), mask)
        hidden = self.drop(attended) + hidden
        return self.drop(self.feed_forward(self.feed_forward_norm(hidden))) + hidden


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(config.num_layers):
            self.layers.append(PreNormLayer(config))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            hidden = layer(hidden, mask)
            states.append(hidden)
        return tuple(states[:-1]) + (self.final_norm(states[-1]),)


# %% pre-norm | wrong | post-norm, as in BERT | says: NORMALIZED
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = self.attention_norm(hidden + self.dropout(self.attention(hidden, mask)[0]))
        return self.feed_forward_norm(hidden + self.dropout(self.feed_forward(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | the stream is normalized | says: NORMALIZED
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = self.attention_norm(hidden)
        hidden = hidden + self.dropout(self.attention(hidden, mask)[0])
        hidden = self.feed_forward_norm(hidden)
        return hidden + self.dropout(self.feed_forward(hidden))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | no residual sums | says: residual sum is missing
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | dropout in evaluation, too | says: Dropout acts in evaluation
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = config.dropout

    def forward(self, hidden, mask=None):
        attended = self.attention(self.attention_norm(hidden), mask)[0]
        hidden = hidden + F.dropout(attended, self.dropout)
        return hidden + F.dropout(self.feed_forward(self.feed_forward_norm(hidden)), self.dropout)


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | dropout on the sum | says: Dropout falls on the sum
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = self.dropout(hidden + self.attention(self.attention_norm(hidden), mask)[0])
        return self.dropout(hidden + self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | no dropout at all | says: does nothing in training
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.attention(self.attention_norm(hidden), mask)[0]
        return hidden + self.feed_forward(self.feed_forward_norm(hidden))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | other names | says: other names
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.norm1(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | one layer L times | says: SAME weights
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList([PreNormLayer(config)] * config.num_layers)
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | mask not handed on | says: is the mask handed
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1]))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | wrong | final_norm forgotten | says: final_norm is not used
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        return tuple(states)


# %% pre-norm | wrong | final_norm in every layer | says: last layer only
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(self.final_norm(layer(states[-1], mask)))
        return tuple(states)


# %% pre-norm | wrong | one state too many | says: L + 1 = 4
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        return (*states, self.final_norm(states[-1]))


# %% pre-norm | wrong | a list | says: needed is a tuple
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return states


# %% pre-norm | hidden | another epsilon
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | hidden | no dropout on attention
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.attention(self.attention_norm(hidden), mask)[0]
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)


# %% pre-norm | hidden | three layers, whatever is asked for
class PreNormLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden, mask=None):
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask)[0])
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class PreNormEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(PreNormLayer(config) for _ in range(3))
        self.final_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden, mask=None):
        states = [hidden]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        states[-1] = self.final_norm(states[-1])
        return tuple(states)
