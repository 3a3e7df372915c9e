"""Answers to exercise 01 that must pass, and answers that must not: the tests run each of them."""

# %% perplexity | right | sum over words by hand
def perplexity(logits, targets, pad_id):
    picked = logits.log_softmax(-1).gather(2, targets[..., None])[..., 0]
    real = targets != pad_id
    return math.exp(-(picked * real).sum().item() / real.sum().item())


# %% perplexity | right | ignore_index, after flattening
def perplexity(logits, targets, pad_id):
    mean = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1),
                           ignore_index=pad_id)
    return float(mean.exp())


# %% perplexity | right | in bits
def perplexity(logits, targets, pad_id):
    real = targets != pad_id
    bits = F.cross_entropy(logits[real], targets[real]) / math.log(2)
    return 2 ** bits.item()


# %% perplexity | wrong | nothing repaired | says: nothing has changed
def perplexity(logits, targets, pad_id):
    return flattering(logits, targets, pad_id)


# %% perplexity | wrong | padding still counted | says: padding is still counted
def perplexity(logits, targets, pad_id):
    return math.exp(F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item())


# %% perplexity | wrong | still base 2 | says: base is e
def perplexity(logits, targets, pad_id):
    real = targets != pad_id
    return 2 ** F.cross_entropy(logits[real], targets[real]).item()


# %% perplexity | wrong | mean of the texts | says: each WORD
def perplexity(logits, targets, pad_id):
    surprise = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    surprise, real = surprise.view(targets.shape), targets != pad_id
    return math.exp(((surprise * real).sum(1) / real.sum(1)).mean().item())


# %% perplexity | wrong | mean of two perplexities | says: mean of two perplexities
def perplexity(logits, targets, pad_id):
    each = []
    for row, words in zip(logits, targets):
        each.append(F.cross_entropy(row[words != pad_id], words[words != pad_id]).exp())
    return (sum(each) / len(each)).item()


# %% perplexity | wrong | padding out of the sum, not out of the number | says: six places, but only four words
def perplexity(logits, targets, pad_id):
    surprise = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    of_each_text = (surprise.view(targets.shape) * (targets != pad_id)).mean(dim=1)
    return math.exp(of_each_text.mean().item())


# %% perplexity | wrong | exponential forgotten | says: exponential is missing
def perplexity(logits, targets, pad_id):
    real = targets != pad_id
    return F.cross_entropy(logits[real], targets[real]).item()


# %% perplexity | wrong | a tensor | says: plain number
def perplexity(logits, targets, pad_id):
    real = targets != pad_id
    return F.cross_entropy(logits[real], targets[real]).exp()


# %% perplexity | hidden | padding is always 0
def perplexity(logits, targets, pad_id):
    real = targets != 0
    return math.exp(F.cross_entropy(logits[real], targets[real]).item())


# %% perplexity | hidden | infinity for large scores
def perplexity(logits, targets, pad_id):
    real = targets != pad_id
    share = logits.exp() / logits.exp().sum(-1, keepdim=True)
    picked = share.gather(2, targets[..., None])[..., 0][real]
    return math.exp(-picked.log().mean().item())


# %% perplexity | hidden | fails on a text of padding alone
def perplexity(logits, targets, pad_id):
    real = (targets != pad_id).float()
    surprise = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    surprise = (surprise.view(targets.shape) * real).sum(1) / real.sum(1)
    return math.exp(((surprise * real.sum(1)).sum() / real.sum()).item())


# %% kneser-ney | right | with sets
def companies(pairs):
    before = {}
    for previous, word in pairs:
        before.setdefault(word, set()).add(previous)
    return {word: len(found) / len(pairs) for word, found in before.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    tokens = followers = 0
    for (v, _w), number in pairs.items():
        if v == previous:
            tokens += number
            followers += 1
    company = companies(pairs).get(word, 0.0)
    if tokens == 0:
        return company
    kept = max(pairs.get((previous, word), 0) - discount, 0.0)
    return (kept + discount * followers * company) / tokens


# %% kneser-ney | right | every word has an entry
from collections import defaultdict


def companies(pairs):
    share = defaultdict(float)
    for _previous, word in pairs:
        share[word] += 1 / len(pairs)
    return dict(share)


def kneser_ney(pairs, word, previous, discount=0.75):
    company = sum(1 for _v, w in pairs if w == word) / len(pairs)
    after = [number for (v, _w), number in pairs.items() if v == previous]
    if not after:
        return company
    seen = pairs[previous, word] - discount if (previous, word) in pairs else 0.0
    return seen / sum(after) + discount * len(after) / sum(after) * company


# %% kneser-ney | wrong | shares of tokens | says: shares of all tokens
def companies(pairs):
    ends = Counter()
    for (_previous, word), number in pairs.items():
        ends[word] += number
    return {word: number / sum(pairs.values()) for word, number in ends.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    after = {w: number for (v, w), number in pairs.items() if v == previous}
    company = companies(pairs).get(word, 0.0)
    if not after:
        return company
    tokens = sum(after.values())
    return max(after.get(word, 0) - discount, 0) / tokens + discount * len(after) / tokens * company


# %% kneser-ney | wrong | words after, not before | says: AFTER
def companies(pairs):
    starts = Counter(previous for previous, _ in pairs)
    return {word: number / len(pairs) for word, number in starts.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    return companies(pairs).get(word, 0.0)


# %% kneser-ney | wrong | numbers, not shares | says: divide by
def companies(pairs):
    return dict(Counter(word for _, word in pairs))


def kneser_ney(pairs, word, previous, discount=0.75):
    return 0.25


# %% kneser-ney | wrong | no discount on the count | says: lose the discount
def companies(pairs):
    ends = Counter(word for _, word in pairs)
    return {word: number / len(pairs) for word, number in ends.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    after = {w: number for (v, w), number in pairs.items() if v == previous}
    company = companies(pairs).get(word, 0.0)
    if not after:
        return company
    tokens = sum(after.values())
    return after.get(word, 0) / tokens + discount * len(after) / tokens * company


# %% kneser-ney | wrong | followers forgotten | says: number of followers is missing
def companies(pairs):
    ends = Counter(word for _, word in pairs)
    return {word: number / len(pairs) for word, number in ends.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    after = {w: number for (v, w), number in pairs.items() if v == previous}
    company = companies(pairs).get(word, 0.0)
    if not after:
        return company
    tokens = sum(after.values())
    return max(after.get(word, 0) - discount, 0) / tokens + discount / tokens * company


# %% kneser-ney | wrong | backs off to frequency | says: how often the word occurs
def companies(pairs):
    ends = Counter(word for _, word in pairs)
    return {word: number / len(pairs) for word, number in ends.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    after = {w: number for (v, w), number in pairs.items() if v == previous}
    frequency = sum(n for (_, w), n in pairs.items() if w == word) / sum(pairs.values())
    if not after:
        return frequency
    tokens = sum(after.values())
    return max(after.get(word, 0) - discount, 0) / tokens + discount * len(after) / tokens * frequency


# %% kneser-ney | wrong | below zero | says: max(..., 0) is missing
def companies(pairs):
    ends = Counter(word for _, word in pairs)
    return {word: number / len(pairs) for word, number in ends.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    after = {w: number for (v, w), number in pairs.items() if v == previous}
    company = companies(pairs).get(word, 0.0)
    if not after:
        return company
    tokens = sum(after.values())
    return (after.get(word, 0) - discount) / tokens + discount * len(after) / tokens * company


# %% kneser-ney | wrong | zero after an unknown word | says: never seen falls back
def companies(pairs):
    ends = Counter(word for _, word in pairs)
    return {word: number / len(pairs) for word, number in ends.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    after = {w: number for (v, w), number in pairs.items() if v == previous}
    if not after:
        return 0.0
    tokens = sum(after.values())
    company = companies(pairs).get(word, 0.0)
    return max(after.get(word, 0) - discount, 0) / tokens + discount * len(after) / tokens * company


# %% kneser-ney | hidden | the discount is always 0.75
def companies(pairs):
    ends = Counter(word for _, word in pairs)
    return {word: number / len(pairs) for word, number in ends.items()}


def kneser_ney(pairs, word, previous, discount=0.75):
    after = {w: number for (v, w), number in pairs.items() if v == previous}
    company = companies(pairs).get(word, 0.0)
    if not after:
        return company
    tokens = sum(after.values())
    return max(after.get(word, 0) - 0.75, 0) / tokens + 0.75 * len(after) / tokens * company


# %% kneser-ney | hidden | knows the example only
def companies(pairs):
    return {"francisco": 1 / 6, "glasses": 2 / 6, "city": 2 / 6, "is": 1 / 6}


def kneser_ney(pairs, word, previous, discount=0.75):
    table = {"glasses": 0.25, "francisco": 0.5 / 6, "city": 1.25 / 3 + 1 / 6, "is": 0.5 / 6}
    if previous == "tokyo":
        return companies(pairs).get(word, 0.0)
    return table.get(word, 0.0)


# %% first-leak | right | adding up what is known
def first_leak(mask):
    reach, known = mask.clone(), mask.clone()
    for layers in range(1, len(mask) + 1):
        if torch.diagonal(known).any():
            return layers
        known = known | ((known.float() @ reach.float()) > 0)
    return None


# %% first-leak | right | a walk from each place
def first_leak(mask):
    reads = [set(row.nonzero().flatten().tolist()) for row in mask]
    shortest = None
    for start in range(len(reads)):
        front, layers = reads[start], 1
        while layers <= len(reads):
            if start in front:
                shortest = layers if shortest is None else min(shortest, layers)
                break
            front, layers = set().union(*(reads[place] for place in front)), layers + 1
    return shortest


# %% first-leak | wrong | one layer too few in the loop | says: one layer too early
def first_leak(mask):
    knows = mask.clone()
    for layers in range(1, len(mask)):
        if knows.diagonal().any():
            return layers
        knows = (mask.float() @ knows.float()) > 0
    return None


# %% first-leak | wrong | looks at one layer | says: one layer
def first_leak(mask):
    return 1 if mask.diagonal().any() else None


# %% first-leak | wrong | counts from zero | says: one layer too few
def first_leak(mask):
    knows = mask.clone()
    for layers in range(len(mask)):
        if knows.diagonal().any():
            return layers
        knows = (mask.float() @ knows.float()) > 0
    return None


# %% first-leak | wrong | a residual sum | says: added to the diagonal
def first_leak(mask):
    knows = mask | torch.eye(len(mask), dtype=torch.bool)
    for layers in range(1, len(mask) + 1):
        if knows.diagonal().any():
            return layers
        knows = (mask.float() @ knows.float()) > 0
    return None


# %% first-leak | wrong | starts before the first layer | says: one layer too many
def first_leak(mask):
    knows = mask.clone()
    for layers in range(2, len(mask) + 2):
        if knows.diagonal().any():
            return layers
        knows = (mask.float() @ knows.float()) > 0
    return None


# %% first-leak | wrong | never None | says: loop's last number
def first_leak(mask):
    knows = mask.clone()
    for layers in range(1, len(mask) + 1):
        if knows.diagonal().any():
            break
        knows = (mask.float() @ knows.float()) > 0
    return layers


# %% first-leak | wrong | multiplies place by place | says: ring of three
def first_leak(mask):
    knows = mask.clone()
    for layers in range(1, len(mask) + 1):
        if knows.diagonal().any():
            return layers
        knows = (mask * knows) > 0
    return None


# %% first-leak | wrong | works in the mask itself | says: changed by your code
def first_leak(mask):
    start = mask.clone()
    for layers in range(1, len(mask) + 1):
        if mask.diagonal().any():
            return layers
        mask[:] = (start.float() @ mask.float()) > 0
    return None


# %% first-leak | hidden | counts ways in whole numbers, which overflow
def first_leak(mask):
    ways = mask.long()
    for layers in range(1, len(mask) + 1):
        if ways.diagonal().any():
            return layers
        ways = mask.long() @ ways
    return None


# %% first-leak | hidden | knows rings and triangles only
def first_leak(mask):
    if mask.diagonal().any():
        return 1
    if (mask & mask.T).any():
        return 2
    return len(mask) if (mask.sum(1) == 1).all() else None


# %% first-leak | hidden | asks place 0 only
def first_leak(mask):
    knows = mask.clone()
    for layers in range(1, len(mask) + 1):
        if knows[0, 0]:
            return layers
        knows = (mask.float() @ knows.float()) > 0
    return None


# %% score | right | one piece after the other
def score(ids, words):
    values = []
    for place in range(len(ids)):
        if words[place] < 0:
            values.append(0.0)
            continue
        copy = ids.clone()
        later = torch.arange(len(ids)) >= place
        copy[later & (words == words[place])] = tokenizer.mask_id
        values.append(ask(copy[None])[0, place, ids[place]].item())
    return torch.tensor(values)


# %% score | right | words only, special tokens in no copy
def score(ids, words):
    places = (words >= 0).nonzero().flatten()
    copies = ids.repeat(len(places), 1)
    for row, place in enumerate(places):
        for other in places[row:]:
            if words[other] == words[place]:
                copies[row, other] = tokenizer.mask_id
    found = ask(copies)[torch.arange(len(places)), places, ids[places]]
    return torch.zeros(len(ids)).index_put((places,), found)


# %% score | wrong | nothing hidden | says: nothing is hidden
def score(ids, words):
    found = ask(ids[None])[0].gather(1, ids[:, None])[:, 0]
    return found * (words >= 0)


# %% score | wrong | all hidden at once | says: all words are hidden at once
def score(ids, words):
    hidden = ids.masked_fill(words >= 0, tokenizer.mask_id)
    return ask(hidden[None])[0].gather(1, ids[:, None])[:, 0] * (words >= 0)


# %% score | wrong | each piece alone, as in lesson 01 | says: give it away
def score(ids, words):
    copies = ids.repeat(len(ids), 1).fill_diagonal_(tokenizer.mask_id)
    found = ask(copies).diagonal(dim1=0, dim2=1).T.gather(1, ids[:, None])[:, 0]
    return found * (words >= 0)


# %% score | wrong | whole word hidden | says: earlier pieces should stay visible
def score(ids, words):
    places = torch.arange(len(ids))
    hide = (words[:, None] == words[None, :]) & (words >= 0)
    found = ask(torch.where(hide, tokenizer.mask_id, ids))[places, places, ids]
    return torch.where(words >= 0, found, 0.0)


# %% score | wrong | earlier pieces hidden | says: EARLIER
def score(ids, words):
    places = torch.arange(len(ids))
    hide = (words[:, None] == words[None, :]).tril() & (words >= 0)
    found = ask(torch.where(hide, tokenizer.mask_id, ids))[places, places, ids]
    return torch.where(words >= 0, found, 0.0)


# %% score | wrong | special tokens scored, too | says: [CLS] and [SEP]
def score(ids, words):
    places = torch.arange(len(ids))
    hide = (words[:, None] == words[None, :]).triu()
    return ask(torch.where(hide, tokenizer.mask_id, ids))[places, places, ids]


# %% score | wrong | probabilities | says: logarithms
def score(ids, words):
    places = torch.arange(len(ids))
    hide = (words[:, None] == words[None, :]).triu() & (words >= 0)
    found = ask(torch.where(hide, tokenizer.mask_id, ids))[places, places, ids].exp()
    return torch.where(words >= 0, found, 0.0)


# %% score | wrong | the sum | says: one number for each piece
def score(ids, words):
    places = torch.arange(len(ids))
    hide = (words[:, None] == words[None, :]).triu() & (words >= 0)
    found = ask(torch.where(hide, tokenizer.mask_id, ids))[places, places, ids]
    return torch.where(words >= 0, found, 0.0).sum()


# %% score | wrong | changes the sentence | says: changed by your code
def score(ids, words):
    found = torch.zeros(len(ids))
    for place in range(len(ids)):
        if words[place] >= 0:
            right = ids[place].clone()
            ids[place] = tokenizer.mask_id
            found[place] = ask(ids[None])[0, place, right]
            if place + 1 == len(ids) or words[place + 1] != words[place]:
                continue
            ids[place] = right
    return found


# %% score | hidden | goes by the signs ## and not by the numbers
def score(ids, words):
    pieces_of = tokenizer.ids_to_tokens(ids)
    found = torch.zeros(len(ids))
    for place in range(len(ids)):
        if words[place] < 0:
            continue
        copy, end = ids.clone(), place + 1
        while pieces_of[end].startswith("##"):
            end += 1
        copy[place:end] = tokenizer.mask_id
        found[place] = ask(copy[None])[0, place, ids[place]]
    return found


# %% score | hidden | hides one later piece only
def score(ids, words):
    places = torch.arange(len(ids))
    near = (places[None, :] - places[:, None]) <= 4
    hide = (words[:, None] == words[None, :]).triu() & (words >= 0) & near
    found = ask(torch.where(hide, tokenizer.mask_id, ids))[places, places, ids]
    return torch.where(words >= 0, found, 0.0)
