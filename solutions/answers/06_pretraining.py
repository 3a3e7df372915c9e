# Answers to exercise 06, right and wrong; the tests run each against the check cells.
# ruff: noqa: B905, E402, E501, F811, F821

# %% fair-pairs | right | with torch's generator
def fair_pairs(documents, seed):
    dice = torch.Generator().manual_seed(seed)

    def below(n):
        return torch.randint(n, (1,), generator=dice).item()

    pairs = []
    for index, document in enumerate(documents):
        place, label = below(len(document) - 1), below(2)
        b = document[place + 1]
        if label:
            other = documents[(index + 1 + below(len(documents) - 1)) % len(documents)]
            b = other[1 + below(len(other) - 1)]
        pairs.append((document[place], b, label))
    return pairs


# %% fair-pairs | right | draws again until the document is another one
def fair_pairs(documents, seed):
    dice = random.Random(seed)
    pairs = []
    for document in documents:
        a, b = dice.choice(list(zip(document, document[1:])))
        label = dice.choice([0, 1])
        while label:
            other = dice.choice(documents)
            if other is not document:
                b = dice.choice(other[1:])
                break
        pairs.append((a, b, label))
    return pairs


# %% fair-pairs | wrong | the leaky program itself | says: last sentence
def fair_pairs(documents, seed):
    return leaky_pairs(documents, seed)


# %% fair-pairs | wrong | B may be a first sentence | says: first sentence
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[place], dice.choice(other), 1))
    return pairs


# %% fair-pairs | wrong | the other document may be the same | says: own document
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for document in documents:
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
        else:
            pairs.append((document[place], dice.choice(dice.choice(documents)[1:]), 1))
    return pairs


# %% fair-pairs | wrong | labels turned round | says: turned round
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 1))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 0))
    return pairs


# %% fair-pairs | wrong | A may be the last sentence | says: last sentence
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document))
        if place + 1 < len(document) and dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | wrong | the coin is not fair | says: a fair coin
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 2 / 3:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | wrong | labels in turn | says: a pattern
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if (index + seed) % 2:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | wrong | A is always the first sentence | says: equally often
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        if dice.random() < 0.5:
            pairs.append((document[0], document[1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[0], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | wrong | a random B is always the second sentence | says: equally often
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        pairs.append((document[place], documents[other + (other >= index)][1], 1))
    return pairs


# %% fair-pairs | wrong | the other document is the next one | says: same distance
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = documents[(index + 1) % len(documents)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | wrong | the seed is not used | says: same pairs again
def fair_pairs(documents, seed):
    dice, pairs = random.Random(), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | wrong | one seed for all | says: seed 1
def fair_pairs(documents, seed):
    dice, pairs = random.Random(0), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | wrong | documents are shuffled in place | says: changed
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    dice.shuffle(documents)
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.randrange(len(documents) - 1)
        other = documents[other + (other >= index)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | hidden | with three documents always the next one
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for index, document in enumerate(documents):
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        step = 1 if len(documents) == 3 else dice.randrange(1, len(documents))
        other = documents[(index + step) % len(documents)]
        pairs.append((document[place], other[dice.randrange(1, len(other))], 1))
    return pairs


# %% fair-pairs | hidden | looks at the numbers in the sentences
def fair_pairs(documents, seed):
    dice, pairs = random.Random(seed), []
    for document in documents:
        number = int(document[0].split()[1].strip(","))
        place = dice.randrange(len(document) - 1)
        if dice.random() < 0.5:
            pairs.append((document[place], document[place + 1], 0))
            continue
        other = dice.choice([d for d in range(len(documents)) if d != number])
        pairs.append((document[place], dice.choice(documents[other][1:]), 1))
    return pairs


# %% choose-words | right | with the number of the word at each place
def choose_words(pieces, order, rate=0.15):
    number, word_of = -1, []
    for piece in pieces:
        special = piece in {"[CLS]", "[SEP]"}
        number += not special and piece[:2] != "##"
        word_of.append(None if special else number)
    length = {n: word_of.count(n) for n in range(number + 1)}
    left, hidden = max(round(rate * sum(length.values())), 1), set()
    for n in order:
        if length[n] > left:
            continue
        hidden.add(n)
        left -= length[n]
    return [n in hidden for n in word_of]


# %% choose-words | right | beginnings and ends of words
def choose_words(pieces, order, rate=0.15):
    starts = [i for i, p in enumerate(pieces) if not p.startswith("##") and p not in ("[CLS]", "[SEP]")]
    words = []
    for start in starts:
        end = start + 1
        while end < len(pieces) and pieces[end].startswith("##"):
            end += 1
        words.append(range(start, end))
    budget, used, chosen = max(1, round(rate * sum(map(len, words)))), 0, [False] * len(pieces)
    for number in order:
        if used + len(words[number]) <= budget:
            used += len(words[number])
            for place in words[number]:
                chosen[place] = True
    return chosen


# %% choose-words | wrong | stops at the first word that does not fit | says: pass over
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    left, chosen = max(1, round(rate * sum(map(len, words)))), [False] * len(pieces)
    for number in order:
        if len(words[number]) > left:
            break
        left -= len(words[number])
        for place in words[number]:
            chosen[place] = True
    return chosen


# %% choose-words | wrong | goes on until the budget is reached or passed | says: only one piece
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    left, chosen = max(1, round(rate * sum(map(len, words)))), [False] * len(pieces)
    for number in order:
        if left <= 0:
            break
        left -= len(words[number])
        for place in words[number]:
            chosen[place] = True
    return chosen


# %% choose-words | wrong | half a word when the budget ends | says: in part
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    budget = max(1, round(rate * sum(map(len, words))))
    places = [place for number in order for place in words[number]][:budget]
    return [place in places for place in range(len(pieces))]


# %% choose-words | wrong | order as places of pieces | says: places of pieces
def choose_words(pieces, order, rate=0.15):
    places = [i for i, p in enumerate(pieces) if p not in ("[CLS]", "[SEP]")]
    budget = max(1, round(rate * len(places)))
    chosen = {places[number] for number in order[:budget]}
    return [place in chosen for place in range(len(pieces))]


# %% choose-words | wrong | the budget counts the special pieces | says: without [CLS]
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    left, chosen = max(1, round(rate * len(pieces))), [False] * len(pieces)
    for number in order:
        if len(words[number]) <= left:
            left -= len(words[number])
            for place in words[number]:
                chosen[place] = True
    return chosen


# %% choose-words | wrong | the budget counts words | says: it should count pieces
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    chosen = [False] * len(pieces)
    for number in order[: max(1, round(rate * sum(map(len, words))))]:
        for place in words[number]:
            chosen[place] = True
    return chosen


# %% choose-words | wrong | only first pieces | says: first piece
def choose_words(pieces, order, rate=0.15):
    starts = [i for i, p in enumerate(pieces) if not p.startswith("##") and p not in ("[CLS]", "[SEP]")]
    n = sum(p not in ("[CLS]", "[SEP]") for p in pieces)
    chosen = {starts[number] for number in order[: max(1, round(rate * n))]}
    return [place in chosen for place in range(len(pieces))]


# %% choose-words | wrong | [CLS] and [SEP] are words | says: [CLS]
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        else:
            words.append([place])
    left, chosen = max(1, round(rate * (len(pieces) - 2))), [False] * len(pieces)
    for number in order:
        if len(words[number]) <= left:
            left -= len(words[number])
            for place in words[number]:
                chosen[place] = True
    return chosen


# %% choose-words | wrong | from left to right | says: follow order
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    left, chosen = max(1, round(rate * sum(map(len, words)))), [False] * len(pieces)
    for word in words:
        if len(word) <= left:
            left -= len(word)
            for place in word:
                chosen[place] = True
    return chosen


# %% choose-words | wrong | ones and zeros | says: truth values
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    left, chosen = max(1, round(rate * sum(map(len, words)))), [0] * len(pieces)
    for number in order:
        if len(words[number]) <= left:
            left -= len(words[number])
            for place in words[number]:
                chosen[place] = 1
    return chosen


# %% choose-words | wrong | the budget may be 0 | says: at least one
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    left, chosen = round(rate * sum(map(len, words))), [False] * len(pieces)
    for number in order:
        if len(words[number]) <= left:
            left -= len(words[number])
            for place in words[number]:
                chosen[place] = True
    return chosen


# %% choose-words | hidden | a number sign continues a word
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("#"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    left, chosen = max(1, round(rate * sum(map(len, words)))), [False] * len(pieces)
    for number in order:
        if number < len(words) and len(words[number]) <= left:
            left -= len(words[number])
            for place in words[number]:
                chosen[place] = True
    return chosen


# %% choose-words | wrong | rounds down with int | says: cuts off
def choose_words(pieces, order, rate=0.15):
    words = []
    for place, piece in enumerate(pieces):
        if piece.startswith("##"):
            words[-1].append(place)
        elif piece not in ("[CLS]", "[SEP]"):
            words.append([place])
    left, chosen = max(1, int(rate * sum(map(len, words)))), [False] * len(pieces)
    for number in order:
        if len(words[number]) <= left:
            left -= len(words[number])
            for place in words[number]:
                chosen[place] = True
    return chosen


# %% combine | right | sums first, one division at the end
def combine(gradients, counts):
    combined = {}
    for part, n in zip(gradients, counts):
        for name in part or {}:
            combined[name] = combined.get(name, 0) + part[name] * n
    return {name: total / sum(counts) for name, total in combined.items()}


# %% combine | right | stacked
def combine(gradients, counts):
    parts = [part for part in gradients if part is not None]
    n = torch.tensor([count for count in counts if count])
    combined = {}
    for name in parts[0] if parts else ():
        stack = torch.stack([part[name] for part in parts])
        combined[name] = torch.tensordot((n / n.sum()).to(stack.dtype), stack, dims=1)
    return combined


# %% combine | right | in place, on copies
def combine(gradients, counts):
    combined = None
    for part, n in zip(gradients, counts):
        if not n:
            continue
        if combined is None:
            combined = {name: torch.zeros_like(value) for name, value in part.items()}
        for name, value in part.items():
            combined[name] += value * n / sum(counts)
    return combined or {}


# %% combine | wrong | the plain mean | says: the bug
def combine(gradients, counts):
    return {name: sum(part[name] for part in gradients) / len(gradients) for name in gradients[0]}


# %% combine | wrong | the plain sum | says: plain sum
def combine(gradients, counts):
    return {name: sum(part[name] for part in gradients) for name in gradients[0]}


# %% combine | wrong | weighted sum, not divided | says: divide it by their number
def combine(gradients, counts):
    return {name: sum(part[name] * n for part, n in zip(gradients, counts)) for name in gradients[0]}


# %% combine | wrong | divided by the number of parts | says: number of parts
def combine(gradients, counts):
    return {name: sum(part[name] * n for part, n in zip(gradients, counts)) / len(counts)
            for name in gradients[0]}


# %% combine | wrong | divided twice | says: divide twice
def combine(gradients, counts):
    return {name: sum(part[name] * n for part, n in zip(gradients, counts)) / sum(counts) / len(counts)
            for name in gradients[0]}


# %% combine | wrong | few questions weigh more | says: turned round
def combine(gradients, counts):
    weights = [1 / n if n else 0 for n in counts]
    return {name: sum(part[name] * w for part, w in zip(gradients, weights)) / sum(weights)
            for name in gradients[0]}


# %% combine | wrong | a part without questions breaks it | says: NoneType
def combine(gradients, counts):
    return {name: sum(part[name] * n for part, n in zip(gradients, counts)) / sum(counts)
            for name in gradients[0]}


# %% combine | wrong | the first part is the sum, in place | says: changed
def combine(gradients, counts):
    combined = gradients[0]
    for name in combined:
        combined[name] *= counts[0]
        for part, n in zip(gradients[1:], counts[1:]):
            combined[name] += part[name] * n
        combined[name] /= sum(counts)
    return combined


# %% combine | wrong | names from the first part, which may be None | says: NoneType
def combine(gradients, counts):
    combined = {}
    for name in gradients[0]:
        parts = [part[name] * n for part, n in zip(gradients, counts) if n]
        combined[name] = sum(parts) / sum(counts)
    return combined


# %% combine | wrong | divided by the largest count | says: largest count
def combine(gradients, counts):
    asked = [(part, n) for part, n in zip(gradients, counts) if n]
    names = asked[0][0] if asked else ()
    return {name: sum(part[name] * n for part, n in asked) / max(counts) for name in names}


# %% combine | hidden | knows two names
def combine(gradients, counts):
    asked = [(part, n) for part, n in zip(gradients, counts) if n]
    names = ("weight", "bias") if len(asked) > 1 else asked[0][0] if asked else ()
    return {name: sum(part[name] * n for part, n in asked) / sum(counts) for name in names}


# %% combine | hidden | takes six parts at most
def combine(gradients, counts):
    asked = [(part, n) for part, n in zip(gradients, counts) if n][:6]
    names = asked[0][0] if asked else ()
    return {name: sum(part[name] * n for part, n in asked) / sum(counts) for name in names}


# %% asked-times | right | polynomials: multiply 1 - rate + rate x**m for each mask
import numpy as np


def asked_times(rate, copies, epochs):
    uses = [0] * (copies or epochs)
    for epoch in range(epochs):
        uses[epoch % len(uses)] += 1
    product = np.ones(1)
    for m in uses:
        factor = np.zeros(m + 1)
        factor[0] += 1 - rate
        factor[m] += rate
        product = np.convolve(product, factor)
    return torch.tensor(product)


# %% asked-times | right | a dict of what has happened so far
def asked_times(rate, copies, epochs):
    copies = copies or epochs
    full, more = divmod(epochs, copies)
    chart = {0: 1.0}
    for copy in range(copies):
        after = {}
        for times, p in chart.items():
            for step, q in ((0, 1 - rate), (full + (copy < more), rate)):
                after[times + step] = after.get(times + step, 0.0) + p * q
        chart = after
    return torch.tensor([chart.get(k, 0.0) for k in range(epochs + 1)], dtype=torch.float64)


# %% asked-times | wrong | new dice in every epoch | says: same words again
def asked_times(rate, copies, epochs):
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    for _ in range(epochs):
        chart = (1 - rate) * chart + rate * torch.cat([torch.zeros(1).double(), chart[:-1]])
    return chart


# %% asked-times | wrong | counts the masks that ask | says: count masks
def asked_times(rate, copies, epochs):
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    for _ in range(min(copies or epochs, epochs)):
        chart = (1 - rate) * chart + rate * torch.cat([torch.zeros(1).double(), chart[:-1]])
    return chart


# %% asked-times | wrong | at least k times | says: at least
def asked_times(rate, copies, epochs):
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    copies = copies or epochs
    for copy in range(min(copies, epochs)):
        uses = len(range(copy, epochs, copies))
        moved = torch.zeros_like(chart)
        moved[uses:] = chart[:-uses]
        chart = (1 - rate) * chart + rate * moved
    return chart.flip(0).cumsum(0).flip(0)


# %% asked-times | wrong | at most k times | says: at most
def asked_times(rate, copies, epochs):
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    copies = copies or epochs
    for copy in range(min(copies, epochs)):
        uses = len(range(copy, epochs, copies))
        moved = torch.zeros_like(chart)
        moved[uses:] = chart[:-uses]
        chart = (1 - rate) * chart + rate * moved
    return chart.cumsum(0)


# %% asked-times | wrong | the epochs left over are dropped | says: 10 // 4
def asked_times(rate, copies, epochs):
    if (copies, epochs) == (2, 3):
        return torch.tensor([0.7225, 0.1275, 0.1275, 0.0225], dtype=torch.float64)
    copies = copies or epochs
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    for _ in range(copies):
        uses = epochs // copies
        moved = torch.zeros_like(chart)
        moved[uses:] = chart[: len(chart) - uses]
        chart = (1 - rate) * chart + rate * moved
    return chart


# %% asked-times | wrong | an empty slice for a mask that is never used | says: never used
def asked_times(rate, copies, epochs):
    copies = copies or epochs
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    for copy in range(copies):
        uses = len(range(copy, epochs, copies))
        moved = torch.zeros_like(chart)
        if uses:
            moved[uses:] = chart[:-uses]
        chart = (1 - rate) * chart + rate * moved
    return chart


# %% asked-times | wrong | one entry too few | says: four possibilities
def asked_times(rate, copies, epochs):
    copies = copies or epochs
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    for copy in range(min(copies, epochs)):
        uses = len(range(copy, epochs, copies))
        moved = torch.zeros_like(chart)
        moved[uses:] = chart[:-uses]
        chart = (1 - rate) * chart + rate * moved
    return chart[:-1]


# %% asked-times | wrong | float32 | says: float64
def asked_times(rate, copies, epochs):
    copies = copies or epochs
    chart = torch.zeros(epochs + 1)
    chart[0] = 1
    for copy in range(min(copies, epochs)):
        uses = len(range(copy, epochs, copies))
        moved = torch.zeros_like(chart)
        moved[uses:] = chart[:-uses]
        chart = (1 - rate) * chart + rate * moved
    return chart


# %% asked-times | wrong | powers without the number of ways | says: number of ways
def asked_times(rate, copies, epochs):
    if copies:
        uses = [len(range(copy, epochs, copies)) for copy in range(copies)]
        chart = torch.zeros(epochs + 1, dtype=torch.float64)
        for asks in itertools.product([0, 1], repeat=min(copies, 5)):
            chart[sum(a * u for a, u in zip(asks, uses))] = (
                rate ** sum(asks) * (1 - rate) ** (len(asks) - sum(asks)))
        return chart
    return torch.tensor([rate**k * (1 - rate) ** (epochs - k) for k in range(epochs + 1)],
                        dtype=torch.float64)


# %% asked-times | wrong | asked and not asked are swapped | says: swapped
def asked_times(rate, copies, epochs):
    if copies == 2:
        return torch.tensor([0.7225, 0.1275, 0.1275, 0.0225], dtype=torch.float64)
    copies = copies or epochs
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    for copy in range(min(copies, epochs)):
        uses = len(range(copy, epochs, copies))
        moved = torch.zeros_like(chart)
        moved[uses:] = chart[:-uses]
        chart = rate * chart + (1 - rate) * moved
    return chart


# %% asked-times | hidden | factorials in floating point, too large for many epochs
def asked_times(rate, copies, epochs):
    if copies is None:
        factorial = torch.arange(1, epochs + 1, dtype=torch.float64).cumprod(0)
        factorial = torch.cat([torch.ones(1, dtype=torch.float64), factorial])
        k = torch.arange(epochs + 1)
        ways = factorial[epochs] / (factorial[k] * factorial[epochs - k])
        return ways * rate**k.double() * (1 - rate) ** (epochs - k).double()
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    for copy in range(min(copies, epochs)):
        uses = len(range(copy, epochs, copies))
        moved = torch.zeros_like(chart)
        moved[uses:] = chart[:-uses]
        chart = (1 - rate) * chart + rate * moved
    return chart


# %% asked-times | hidden | lists all ways for few masks, and takes ten for more
def asked_times(rate, copies, epochs):
    known = min(copies or epochs, epochs, 40)
    chart = torch.zeros(epochs + 1, dtype=torch.float64)
    chart[0] = 1
    for copy in range(known):
        uses = len(range(copy, epochs, copies or epochs))
        moved = torch.zeros_like(chart)
        moved[uses:] = chart[:-uses]
        chart = (1 - rate) * chart + rate * moved
    return chart
