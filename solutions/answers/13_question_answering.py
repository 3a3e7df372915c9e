"""Answers to solutions/13_question_answering.ipynb: right ones in other words, and plausible wrong ones."""

# %% span-chances | right | with loops and logsumexp
def span_chances(start, end, longest):
    size = len(start)
    scores = torch.full((size, size), -math.inf)
    for i in range(size):
        for j in range(i, min(size, i + longest)):
            scores[i, j] = start[i] + end[j]
    return (scores - scores.flatten().logsumexp(0)).exp()

# %% span-chances | right | the largest sum subtracted, then divided
def span_chances(start, end, longest):
    places = torch.arange(len(start))
    far = places - places[:, None]
    sums = start.unsqueeze(1) + end.unsqueeze(0)
    allowed = (far >= 0) & (far < longest)
    weights = torch.where(allowed, (sums - sums[allowed].max()).exp(), torch.zeros_like(sums))
    return torch.where(allowed, weights, 0.0) / weights[allowed].sum()

# %% span-chances | wrong | start and end exchanged | says: exchanged
def span_chances(start, end, longest):
    sums = start[:, None] + end
    allowed = torch.ones_like(sums).triu().tril(longest - 1).bool()
    return sums.masked_fill(~allowed, -math.inf).flatten().softmax(0).view_as(sums).T

# %% span-chances | wrong | the end may lie before the start | says: before their start
def span_chances(start, end, longest):
    sums = start[:, None] + end
    allowed = torch.ones_like(sums).tril(longest - 1).bool()
    return sums.masked_fill(~allowed, -math.inf).flatten().softmax(0).view_as(sums)

# %% span-chances | wrong | one token too long | says: too long
def span_chances(start, end, longest):
    sums = start[:, None] + end
    allowed = torch.ones_like(sums).triu().tril(longest).bool()
    return sums.masked_fill(~allowed, -math.inf).flatten().softmax(0).view_as(sums)

# %% span-chances | wrong | one token too short | says: allowed, too
def span_chances(start, end, longest):
    sums = start[:, None] + end
    allowed = torch.ones_like(sums).triu().tril(max(0, longest - 2)).bool()
    return sums.masked_fill(~allowed, -math.inf).flatten().softmax(0).view_as(sums)

# %% span-chances | wrong | no limit to the length | says: longer stretches
def span_chances(start, end, longest):
    sums = start[:, None] + end
    allowed = torch.ones_like(sums).triu().bool()
    return sums.masked_fill(~allowed, -math.inf).flatten().softmax(0).view_as(sums)

# %% span-chances | wrong | two softmaxes, then cut | says: takes no part
def span_chances(start, end, longest):
    both = start.softmax(0)[:, None] * end.softmax(0)
    return both.triu().tril(longest - 1)

# %% span-chances | wrong | a softmax for each start | says: each row
def span_chances(start, end, longest):
    sums = start[:, None] + end
    allowed = torch.ones_like(sums).triu().tril(longest - 1).bool()
    return sums.masked_fill(~allowed, -math.inf).softmax(1)

# %% span-chances | wrong | exp of the scores as they are | says: not finite
def span_chances(start, end, longest):
    weights = (start[:, None] + end).exp().triu().tril(longest - 1)
    return weights / weights.sum()

# %% span-chances | hidden | at most two tokens, whatever is asked
def span_chances(start, end, longest):
    sums = start[:, None] + end
    allowed = torch.ones_like(sums).triu().tril(1).bool()
    return sums.masked_fill(~allowed, -math.inf).flatten().softmax(0).view_as(sums)

# %% one-pass | right | with accumulate
def best_stretch(start, end):
    from itertools import accumulate

    starts = list(accumulate(range(len(start)), lambda a, b: b if start[b] > start[a] else a))
    j = max(range(len(end)), key=lambda j: start[starts[j]] + end[j])
    return starts[j], j

# %% one-pass | right | remembers the best sum
def best_stretch(start, end):
    highest, where, top, answer = -math.inf, None, -math.inf, None
    for j, (s, e) in enumerate(zip(start, end)):
        if s > highest:
            highest, where = s, j
        if highest + e > top:
            top, answer = highest + e, (where, j)
    return answer

# %% one-pass | wrong | the colleague's program | says: best start alone
def best_stretch(start, end):
    i = max(range(len(start)), key=start.__getitem__)
    return i, max(range(i, len(end)), key=end.__getitem__)

# %% one-pass | wrong | best start and best end, whatever their order | says: before the start
def best_stretch(start, end):
    return max(range(len(start)), key=start.__getitem__), max(range(len(end)), key=end.__getitem__)

# %% one-pass | wrong | the start is updated after the end | says: own end
def best_stretch(start, end):
    best_start, best = 0, (0, 0)
    for j in range(len(start)):
        if start[best_start] + end[j] > start[best[0]] + end[best[1]]:
            best = best_start, j
        if start[j] > start[best_start]:
            best_start = j
    return best

# %% one-pass | wrong | later ones win | says: smallest
def best_stretch(start, end):
    best_start, best = 0, (0, 0)
    for j in range(len(start)):
        if start[j] >= start[best_start]:
            best_start = j
        if start[best_start] + end[j] >= start[best[0]] + end[best[1]]:
            best = best_start, j
    return best

# %% one-pass | wrong | of equal starts the last | says: of equal starts
def best_stretch(start, end):
    best_start, best = 0, (0, 0)
    for j in range(len(start)):
        if start[j] >= start[best_start]:
            best_start = j
        if start[best_start] + end[j] > start[best[0]] + end[best[1]]:
            best = best_start, j
    return best

# %% one-pass | wrong | only single tokens | says: more than one token
def best_stretch(start, end):
    i = max(range(len(start)), key=lambda i: start[i] + end[i])
    return i, i

# %% one-pass | wrong | the best sum starts at 0 | says: negative
def best_stretch(start, end):
    best_start, top, best = 0, 0, (0, len(start) - 1)
    for j in range(len(start)):
        if start[j] > start[best_start]:
            best_start = j
        if start[best_start] + end[j] > top:
            top, best = start[best_start] + end[j], (best_start, j)
    return best

# %% one-pass | hidden | the best start of the last three tokens only
def best_stretch(start, end):
    best = 0, 0
    for j in range(len(start)):
        i = max(range(max(0, j - 2), j + 1), key=start.__getitem__)
        if start[i] + end[j] > start[best[0]] + end[best[1]]:
            best = i, j
    return best

# %% most-context | right | one loop over windows
def most_context(bounds, length):
    scores, chosen = [-math.inf] * length, [0] * length
    for window, (first, last) in enumerate(bounds):
        for token in range(first, min(last, length)):
            score = min(token - first, last - token - 1) + (last - first) / 100
            if score > scores[token]:
                scores[token], chosen[token] = score, window
    return chosen

# %% most-context | right | as a table, column by column
def most_context(bounds, length):
    token = torch.arange(length)
    rows = []
    for first, last in bounds:
        score = torch.minimum(token - first, last - 1 - token).double() + 0.01 * (last - first)
        rows.append(score.masked_fill((token < first) | (token >= last), -math.inf))
    return torch.stack(rows).argmax(0).tolist()

# %% most-context | wrong | the first window that holds it | says: first window that holds
def most_context(bounds, length):
    return [next(w for w, (a, b) in enumerate(bounds) if a <= t < b) for t in range(length)]

# %% most-context | wrong | the last window that holds it | says: last window that holds
def most_context(bounds, length):
    return [[w for w, (a, b) in enumerate(bounds) if a <= t < b][-1] for t in range(length)]

# %% most-context | wrong | the least context | says: least context
def most_context(bounds, length):
    return [min((w for w, (a, b) in enumerate(bounds) if a <= t < b),
                key=lambda w: min(t - bounds[w][0], bounds[w][1] - 1 - t)) for t in range(length)]

# %% most-context | wrong | after is counted to `last` | says: last of the first
def most_context(bounds, length):
    return [max((w for w, (a, b) in enumerate(bounds) if a <= t < b),
                key=lambda w: min(t - bounds[w][0], bounds[w][1] - t) + 0.01 * (bounds[w][1] - bounds[w][0]))
            for t in range(length)]

# %% most-context | wrong | the length does not count | says: longer one
def most_context(bounds, length):
    return [max((w for w, (a, b) in enumerate(bounds) if a <= t < b),
                key=lambda w: min(t - bounds[w][0], bounds[w][1] - 1 - t)) for t in range(length)]

# %% most-context | wrong | of equal windows the last | says: equal windows
def most_context(bounds, length):
    return [max((w for w, (a, b) in enumerate(bounds) if a <= t < b),
                key=lambda w: (min(t - bounds[w][0], bounds[w][1] - 1 - t) + 0.01 * (bounds[w][1] - bounds[w][0]), w))
            for t in range(length)]

# %% most-context | hidden | the length decides between equals only, however much longer a window is
def most_context(bounds, length):
    return [max((w for w, (a, b) in enumerate(bounds) if a <= t < b),
                key=lambda w: (min(t - bounds[w][0], bounds[w][1] - 1 - t), bounds[w][1] - bounds[w][0]))
            for t in range(length)]

# %% vote | right | with tensors
def vote(found, likeness, weight):
    flat = [(text, score + weight * math.log(like)) for group, like in zip(found, likeness) for text, score in group]
    if not flat:
        return "", 0.0
    chances = torch.tensor([score for _, score in flat], dtype=torch.float64).softmax(0).tolist()
    sums, best = {}, {}
    for (text, score), chance in zip(flat, chances):
        key = normalized(text)
        sums[key] = sums.get(key, 0) + chance
        best[key] = max(best.get(key, (-math.inf, "")), (score, text), key=lambda pair: pair[0])
    key = max(sums, key=sums.get)
    return best[key][1], sums[key]

# %% vote | right | grouped first, logsumexp of each group
def vote(found, likeness, weight):
    groups = {}
    for group, like in zip(found, likeness):
        for text, score in group:
            groups.setdefault(normalized(text), []).append((score + weight * math.log(like), text))
    if not groups:
        return ("", 0.0)
    top = max(score for group in groups.values() for score, _ in group)
    mass = {key: sum(math.exp(score - top) for score, _ in group) for key, group in groups.items()}
    key = max(mass, key=mass.get)
    return max(groups[key], key=lambda pair: pair[0])[1], mass[key] / sum(mass.values())

# %% vote | wrong | equal answers do not add up | says: add up
def vote(found, likeness, weight):
    flat = [(text, score + weight * math.log(like)) for group, like in zip(found, likeness) for text, score in group]
    if not flat:
        return "", 0.0
    top = max(score for _, score in flat)
    return max(flat, key=lambda pair: pair[1])[0], 1 / sum(math.exp(score - top) for _, score in flat)

# %% vote | wrong | compared without normalizing | says: normalized
def vote(found, likeness, weight):
    flat = [(text, score + weight * math.log(like)) for group, like in zip(found, likeness) for text, score in group]
    if not flat:
        return "", 0.0
    top, sums = max(score for _, score in flat), {}
    for text, score in flat:
        sums[text] = sums.get(text, 0) + math.exp(score - top)
    text = max(sums, key=sums.get)
    return text, sums[text] / sum(sums.values())

# %% vote | wrong | a softmax within each passage | says: within each passage
def vote(found, likeness, weight):
    best = ("", 0.0)
    for group, like in zip(found, likeness):
        for text, score in group:
            top = max(s for _, s in group)
            chance = math.exp(score - top) / sum(math.exp(s - top) for _, s in group)
            best = max(best, (text, chance), key=lambda pair: pair[1])
    return best

# %% vote | wrong | the normalized text | says: not the normalized one
def vote(found, likeness, weight):
    flat = [(text, score + weight * math.log(like)) for group, like in zip(found, likeness) for text, score in group]
    if not flat:
        return "", 0.0
    top, sums = max(score for _, score in flat), {}
    for text, score in flat:
        sums[normalized(text)] = sums.get(normalized(text), 0) + math.exp(score - top)
    text = max(sums, key=sums.get)
    return text, sums[text] / sum(sums.values())

# %% vote | wrong | the last spelling | says: spelling
def vote(found, likeness, weight):
    flat = [(text, score + weight * math.log(like)) for group, like in zip(found, likeness) for text, score in group]
    if not flat:
        return "", 0.0
    top, sums, spelling = max(score for _, score in flat), {}, {}
    for text, score in flat:
        sums[normalized(text)] = sums.get(normalized(text), 0) + math.exp(score - top)
        spelling[normalized(text)] = text
    key = max(sums, key=sums.get)
    return spelling[key], sums[key] / sum(sums.values())

# %% vote | wrong | the likeness is forgotten | says: not used
def vote(found, likeness, weight):
    flat = [(text, score) for group in found for text, score in group]
    if not flat:
        return "", 0.0
    top, sums, best = max(score for _, score in flat), {}, {}
    for text, score in flat:
        key = normalized(text)
        sums[key] = sums.get(key, 0) + math.exp(score - top)
        best[key] = max(best.get(key, (-math.inf, "")), (score, text), key=lambda pair: pair[0])
    key = max(sums, key=sums.get)
    return best[key][1], sums[key] / sum(sums.values())

# %% vote | wrong | the likeness without its logarithm | says: logarithm
def vote(found, likeness, weight):
    flat = [(text, score + weight * like) for group, like in zip(found, likeness) for text, score in group]
    if not flat:
        return "", 0.0
    top, sums, best = max(score for _, score in flat), {}, {}
    for text, score in flat:
        key = normalized(text)
        sums[key] = sums.get(key, 0) + math.exp(score - top)
        best[key] = max(best.get(key, (-math.inf, "")), (score, text), key=lambda pair: pair[0])
    key = max(sums, key=sums.get)
    return best[key][1], sums[key] / sum(sums.values())

# %% vote | hidden | the weight is taken for 1
def vote(found, likeness, weight):
    weight = 1.0 if weight else 0.0
    flat = [(text, score + weight * math.log(like)) for group, like in zip(found, likeness) for text, score in group]
    if not flat:
        return "", 0.0
    chances = torch.tensor([score for _, score in flat], dtype=torch.float64).softmax(0).tolist()
    sums, best = {}, {}
    for (text, score), chance in zip(flat, chances):
        key = normalized(text)
        sums[key] = sums.get(key, 0) + chance
        best[key] = max(best.get(key, (-math.inf, "")), (score, text), key=lambda pair: pair[0])
    key = max(sums, key=sums.get)
    return best[key][1], sums[key]
