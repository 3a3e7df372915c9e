# Answers to exercise 04, right and wrong; the tests run each against the check cells.
# ruff: noqa: B905, E402, E501, F811, F821

# %% learn-joins | right | words as tuples in a Counter
def learn_joins(counts, n):
    words, joins = Counter({tuple(word): times for word, times in counts.items()}), []
    while len(joins) < n:
        pairs = Counter()
        for word, times in words.items():
            for left, right in zip(word, word[1:]):
                pairs[left, right] += times
        pairs = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
        if not pairs or pairs[0][1] < 2:
            return joins
        joins.append(pairs[0][0])
        merged = Counter()
        for word, times in words.items():
            merged[tuple(merge_pair(word, joins[-1]))] += times
        words = merged
    return joins


# %% learn-joins | right | its own joining, by recursion
def learn_joins(counts, n):
    def join(pieces, pair):
        if len(pieces) < 2:
            return pieces
        if (pieces[0], pieces[1]) == pair:
            return [pair[0] + pair[1]] + join(pieces[2:], pair)
        return pieces[:1] + join(pieces[1:], pair)

    state = [(list(word), times) for word, times in counts.items()]
    joins = []
    for _ in range(n):
        pairs = {}
        for pieces, times in state:
            for index in range(len(pieces) - 1):
                pair = (pieces[index], pieces[index + 1])
                pairs[pair] = pairs.get(pair, 0) + times
        most = max(pairs.values(), default=0)
        if most <= 1:
            break
        best = min(pair for pair in pairs if pairs[pair] == most)
        joins.append(best)
        state = [(join(pieces, best), times) for pieces, times in state]
    return joins


# %% learn-joins | wrong | ties go to the pair met first | says: met first
def learn_joins(counts, n):
    state, joins = {word: list(word) for word in counts}, []
    for _ in range(n):
        pairs = Counter()
        for word, pieces in state.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += counts[word]
        if not pairs or max(pairs.values()) < 2:
            break
        joins.append(pairs.most_common(1)[0][0])
        state = {word: merge_pair(pieces, joins[-1]) for word, pieces in state.items()}
    return joins


# %% learn-joins | wrong | ties go to the largest pair | says: largest
def learn_joins(counts, n):
    state, joins = {word: list(word) for word in counts}, []
    for _ in range(n):
        pairs = Counter()
        for word, pieces in state.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += counts[word]
        best = max(pairs, key=lambda pair: (pairs[pair], pair), default=None)
        if pairs[best] < 2:
            break
        joins.append(best)
        state = {word: merge_pair(pieces, best) for word, pieces in state.items()}
    return joins


# %% learn-joins | wrong | the counts are not used | says: counts once
def learn_joins(counts, n):
    state, joins = {word: list(word) for word in counts}, []
    for _ in range(n):
        pairs = Counter(pair for pieces in state.values() for pair in zip(pieces, pieces[1:]))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if pairs[best] < 2:
            break
        joins.append(best)
        state = {word: merge_pair(pieces, best) for word, pieces in state.items()}
    return joins


# %% learn-joins | wrong | joined texts, not pairs | says: two parts
def learn_joins(counts, n):
    state, joins = {word: list(word) for word in counts}, []
    for _ in range(n):
        pairs = Counter()
        for word, pieces in state.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += counts[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if pairs[best] < 2:
            break
        joins.append(best[0] + best[1])
        state = {word: merge_pair(pieces, best) for word, pieces in state.items()}
    return joins


# %% learn-joins | wrong | pairs are counted once | says: counted anew
def learn_joins(counts, n):
    pairs = Counter()
    for word, times in counts.items():
        for pair in zip(word, word[1:]):
            pairs[pair] += times
    ranked = sorted(pairs, key=lambda pair: (-pairs[pair], pair))
    return [pair for pair in ranked if pairs[pair] > 1][:n]


# %% learn-joins | wrong | goes on with pairs that occur once | says: only once
def learn_joins(counts, n):
    state, joins = {word: list(word) for word in counts}, []
    for _ in range(n):
        pairs = Counter()
        for word, pieces in state.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += counts[word]
        if not pairs:
            break
        joins.append(min(pairs, key=lambda pair: (-pairs[pair], pair)))
        state = {word: merge_pair(pieces, joins[-1]) for word, pieces in state.items()}
    return joins


# %% learn-joins | wrong | all words as one text, so joins cross words | says: needed
def learn_joins(counts, n):
    pieces, joins = [c for word, times in counts.items() for c in word * times], []
    for _ in range(n):
        pairs = Counter(zip(pieces, pieces[1:]))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if pairs[best] < 2:
            break
        joins.append(best)
        pieces = merge_pair(pieces, best)
    return joins


# %% learn-joins | wrong | a pair counts once in a word | says: every place
def learn_joins(counts, n):
    state, joins = {word: list(word) for word in counts}, []
    for _ in range(n):
        pairs = Counter()
        for word, pieces in state.items():
            for pair in set(zip(pieces, pieces[1:])):
                pairs[pair] += counts[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if pairs[best] < 2:
            break
        joins.append(best)
        state = {word: merge_pair(pieces, best) for word, pieces in state.items()}
    return joins


# %% learn-joins | wrong | the caller's dict is emptied | says: changed
def learn_joins(counts, n):
    state, joins = [], []
    while counts:
        word, times = counts.popitem()
        state.append((list(word), times))
    for _ in range(n):
        pairs = Counter()
        for pieces, times in state:
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if pairs[best] < 2:
            break
        joins.append(best)
        state = [(merge_pair(pieces, best), times) for pieces, times in state]
    return joins


# %% learn-joins | hidden | breaks when no pair is left
def learn_joins(counts, n):
    state, joins = {word: list(word) for word in counts}, []
    for _ in range(n):
        pairs = Counter()
        for word, pieces in state.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += counts[word]
        best = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[0]
        if pairs[best] < 2:
            break
        joins.append(best)
        state = {word: merge_pair(pieces, best) for word, pieces in state.items()}
    return joins


# %% learn-joins | hidden | joins only what is made of small Latin letters
def learn_joins(counts, n):
    state, joins = {word: list(word) for word in counts}, []
    for _ in range(n):
        pairs = Counter()
        for word, pieces in state.items():
            for pair in zip(pieces, pieces[1:]):
                if (pair[0] + pair[1]).isascii():
                    pairs[pair] += counts[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if pairs[best] < 2:
            break
        joins.append(best)
        state = {word: merge_pair(pieces, best) for word, pieces in state.items()}
    return joins


# %% token-spans | right | skips blanks with a regular expression
import re


def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        if piece[:2] == "##":
            start, end = end, end + len(piece) - 2
        else:
            start = re.compile(r"\s*").match(text, end).end()
            end = word_end(text, start) if piece == "[UNK]" else start + len(piece)
        spans.append((start, end))
    return spans


# %% token-spans | right | counts the letters that are no blanks
def token_spans(text, pieces):
    places = [place for place, char in enumerate(text) if not char.isspace()]
    spans, used = [], 0
    for piece in pieces:
        if piece == "[UNK]":
            length = word_end(text, places[used]) - places[used]
        else:
            length = len(piece.removeprefix("##"))
        spans.append((places[used], places[used + length - 1] + 1))
        used += length
    return spans


# %% token-spans | wrong | searches from the beginning | says: first place
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        bare = piece.removeprefix("##")
        if piece == "[UNK]":
            start = end
            while text[start].isspace():
                start += 1
            end = word_end(text, start)
        elif text.lower().find(bare) >= 0:
            start = text.lower().find(bare)
            end = start + len(bare)
        else:
            start, end = end + 1, end + 1 + len(bare)
        spans.append((start, end))
    return spans


# %% token-spans | wrong | searches on from the last end, accents and all | says: -1 is no place
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        bare = piece.removeprefix("##")
        if piece == "[UNK]":
            start = end
            while text[start].isspace():
                start += 1
            end = word_end(text, start)
        else:
            start = text.lower().find(bare, end)
            end = start + len(bare)
        spans.append((start, end))
    return spans


# %% token-spans | wrong | the end is the last letter | says: after the last letter
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        start = end
        while not piece.startswith("##") and text[start].isspace():
            start += 1
        end = start + len(piece.removeprefix("##"))
        if piece == "[UNK]":
            end = word_end(text, start)
        spans.append((start, end - 1))
    return spans


# %% token-spans | wrong | start and length | says: is a length
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        start = end
        while not piece.startswith("##") and text[start].isspace():
            start += 1
        end = start + len(piece.removeprefix("##"))
        if piece == "[UNK]":
            end = word_end(text, start)
        spans.append((start, end - start))
    return spans


# %% token-spans | wrong | the mark counts as two letters | says: two signs
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        start = end
        while not piece.startswith("##") and text[start].isspace():
            start += 1
        end = start + len(piece)
        if piece == "[UNK]":
            end = word_end(text, start)
        spans.append((start, end))
    return spans


# %% token-spans | wrong | strips every number sign | says: number sign
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        start = end
        while not piece.startswith("##") and text[start].isspace():
            start += 1
        end = start + len(piece.strip("#"))
        if piece == "[UNK]":
            end = word_end(text, start)
        spans.append((start, end))
    return spans


# %% token-spans | wrong | [UNK] is five letters long | says: five letters
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        start = end
        while not piece.startswith("##") and text[start].isspace():
            start += 1
        end = start + len(piece.removeprefix("##"))
        spans.append((start, end))
    return spans


# %% token-spans | wrong | exactly one blank between words | says: its letters are
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        start = end
        if not piece.startswith("##") and text[start] == " ":
            start += 1
        end = start + len(piece.removeprefix("##"))
        if piece == "[UNK]":
            end = word_end(text, start)
        spans.append((start, end))
    return spans


# %% token-spans | hidden | knows three kinds of blanks only
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        start = end
        while not piece.startswith("##") and text[start] in " \n\t":
            start += 1
        end = start + len(piece.removeprefix("##"))
        if piece == "[UNK]":
            end = word_end(text, start)
        spans.append((start, end))
    return spans


# %% token-spans | hidden | [UNK] goes on to the next blank or sign, also in Chinese
def token_spans(text, pieces):
    spans, end = [], 0
    for piece in pieces:
        start = end
        while not piece.startswith("##") and text[start].isspace():
            start += 1
        end = start + len(piece.removeprefix("##"))
        if piece == "[UNK]":
            end = start + 1
            while end < len(text) and not text[end].isspace() and not is_punctuation(text[end]):
                end += 1
        spans.append((start, end))
    return spans


# %% fewest-pieces | right | numbers first, then backwards through the starts
def fewest_pieces(word, vocab, mark="##"):
    number, begin = [0] + [math.inf] * len(word), [0] * (len(word) + 1)
    for end in range(1, len(word) + 1):
        for start in range(end):
            known = (mark if start else "") + word[start:end] in vocab
            if known and number[start] + 1 < number[end]:
                number[end], begin[end] = number[start] + 1, start
    if number[-1] == math.inf:
        return ["[UNK]"]
    pieces, end = [], len(word)
    while end:
        start = begin[end]
        pieces.insert(0, (mark if start else "") + word[start:end])
        end = start
    return pieces


# %% fewest-pieces | right | level by level: all places that one piece more can reach
def fewest_pieces(word, vocab, mark="##"):
    reached, front = {0}, {0: []}
    while front:
        ahead = {}
        for start, pieces in front.items():
            for end in range(start + 1, len(word) + 1):
                piece = (mark if start else "") + word[start:end]
                if end not in reached and piece in vocab:
                    ahead[end] = pieces + [piece]
        reached |= set(ahead)
        if len(word) in ahead:
            return ahead[len(word)]
        front = ahead
    return ["[UNK]"]


# %% fewest-pieces | right | the last piece first, remembering what is known
import functools


def fewest_pieces(word, vocab, mark="##"):
    @functools.cache
    def best(end):
        if end == 0:
            return []
        found = [best(start) + [(mark if start else "") + word[start:end]] for start in range(end)
                 if (mark if start else "") + word[start:end] in vocab and best(start) is not None]
        return min(found, key=len, default=None)

    for end in range(len(word)):
        best(end)
    return best(len(word)) or ["[UNK]"]


# %% fewest-pieces | wrong | the longest piece first | says: 2 are enough
def fewest_pieces(word, vocab, mark="##"):
    pieces, start = [], 0
    while start < len(word):
        prefix = mark if start else ""
        ends = [end for end in range(start + 1, len(word) + 1) if prefix + word[start:end] in vocab]
        if not ends:
            return ["[UNK]"]
        pieces.append(prefix + word[start : ends[-1]])
        start = ends[-1]
    return pieces


# %% fewest-pieces | wrong | longest first, but goes back when it is stuck | says: compare whole cuts
def fewest_pieces(word, vocab, mark="##"):
    def go(start):
        if start == len(word):
            return []
        prefix = mark if start else ""
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in vocab and (rest := go(end)) is not None:
                return [prefix + word[start:end]] + rest
        return None

    return go(0) or ["[UNK]"]


# %% fewest-pieces | wrong | longest piece from the end | says: compare whole cuts
def fewest_pieces(word, vocab, mark="##"):
    def go(end):
        if end == 0:
            return []
        for start in range(end):
            piece = (mark if start else "") + word[start:end]
            if piece in vocab and (rest := go(start)) is not None:
                return rest + [piece]
        return None

    return go(len(word)) or ["[UNK]"]


# %% fewest-pieces | wrong | the marks are dropped | says: without its mark
def fewest_pieces(word, vocab, mark="##"):
    best = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            if best[start] is not None and (mark if start else "") + word[start:end] in vocab:
                if best[end] is None or len(best[start]) + 1 < len(best[end]):
                    best[end] = best[start] + [word[start:end]]
    return best[-1] or ["[UNK]"]


# %% fewest-pieces | wrong | any piece may stand anywhere | says: there is no cut
def fewest_pieces(word, vocab, mark="##"):
    bare = {piece.removeprefix(mark) for piece in vocab}
    best = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            if best[start] is not None and word[start:end] in bare:
                if best[end] is None or len(best[start]) + 1 < len(best[end]):
                    best[end] = best[start] + [(mark if start else "") + word[start:end]]
    return best[-1] or ["[UNK]"]


# %% fewest-pieces | wrong | the first piece may have the mark | says: there is no cut
def fewest_pieces(word, vocab, mark="##"):
    best = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            for prefix in {mark, "" if start == 0 else mark}:
                if best[start] is not None and prefix + word[start:end] in vocab:
                    if best[end] is None or len(best[start]) + 1 < len(best[end]):
                        best[end] = best[start] + [prefix + word[start:end]]
    return best[-1] or ["[UNK]"]


# %% fewest-pieces | wrong | a string of pieces | says: list of pieces
def fewest_pieces(word, vocab, mark="##"):
    best = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            piece = (mark if start else "") + word[start:end]
            if best[start] is not None and piece in vocab:
                if best[end] is None or len(best[start]) + 1 < len(best[end]):
                    best[end] = best[start] + [piece]
    return " ".join(best[-1] or ["[UNK]"])


# %% fewest-pieces | wrong | the first cut found stays | says: compare whole cuts
def fewest_pieces(word, vocab, mark="##"):
    best = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end - 1, -1, -1):
            piece = (mark if start else "") + word[start:end]
            if best[end] is None and best[start] is not None and piece in vocab:
                best[end] = best[start] + [piece]
    return best[-1] or ["[UNK]"]


# %% fewest-pieces | hidden | no piece longer than 16 letters
def fewest_pieces(word, vocab, mark="##"):
    best = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 16), end):
            piece = (mark if start else "") + word[start:end]
            if best[start] is not None and piece in vocab:
                if best[end] is None or len(best[start]) + 1 < len(best[end]):
                    best[end] = best[start] + [piece]
    return best[-1] or ["[UNK]"]


# %% fewest-pieces | hidden | only ## and nothing are marks
def fewest_pieces(word, vocab, mark="##"):
    mark = "##" if mark else ""
    best = [[]] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(end):
            piece = (mark if start else "") + word[start:end]
            if best[start] is not None and piece in vocab:
                if best[end] is None or len(best[start]) + 1 < len(best[end]):
                    best[end] = best[start] + [piece]
    return best[-1] or ["[UNK]"]


# %% log-chance | right | from the end of the text
def log_chance(text, scores):
    total = [-math.inf] * len(text) + [0.0]
    for start in reversed(range(len(text))):
        terms = [score + total[start + len(piece)] for piece, score in scores.items()
                 if text.startswith(piece, start) and total[start + len(piece)] > -math.inf]
        if terms:
            most = max(terms)
            total[start] = most + math.log(sum(math.exp(term - most) for term in terms))
    return total[0]


# %% log-chance | right | torch.logsumexp
import torch


def log_chance(text, scores):
    total = [torch.zeros((), dtype=torch.float64)]
    for end in range(1, len(text) + 1):
        terms = [total[start] + scores.get(text[start:end], -math.inf) for start in range(end)]
        total.append(torch.logsumexp(torch.stack(terms), 0))
    return total[-1].item()


# %% log-chance | right | rescales the probabilities as it goes
def log_chance(text, scores):
    total, shift = [1.0], [0.0]
    for end in range(1, len(text) + 1):
        reachable = [s for s in range(end) if total[s] > 0 and text[s:end] in scores]
        if not reachable:
            total.append(0.0)
            shift.append(0.0)
            continue
        base = max(shift[s] + math.log(total[s]) + scores[text[s:end]] for s in reachable)
        total.append(sum(total[s] * math.exp(shift[s] + scores[text[s:end]] - base) for s in reachable))
        shift.append(base)
    return shift[-1] + math.log(total[-1]) if total[-1] else -math.inf


# %% log-chance | wrong | the best cut only | says: Viterbi
def log_chance(text, scores):
    total = [0.0]
    for end in range(1, len(text) + 1):
        total.append(max(total[start] + scores.get(text[start:end], -math.inf) for start in range(end)))
    return total[-1]


# %% log-chance | wrong | the probability, not its logarithm | says: needed is its logarithm
def log_chance(text, scores):
    total = [1.0]
    for end in range(1, len(text) + 1):
        total.append(sum(total[start] * math.exp(scores.get(text[start:end], -math.inf))
                         for start in range(end)))
    return total[-1]


# %% log-chance | wrong | adds probabilities, and takes the logarithm at the end | says: subtract the largest
def log_chance(text, scores):
    total = [1.0]
    for end in range(1, len(text) + 1):
        total.append(sum(total[start] * math.exp(scores.get(text[start:end], -math.inf))
                         for start in range(end)))
    return math.log(total[-1]) if total[-1] else -math.inf


# %% log-chance | wrong | a logarithm to base 2 | says: base 2
def log_chance(text, scores):
    total = [1.0]
    for end in range(1, len(text) + 1):
        total.append(sum(total[start] * math.exp(scores.get(text[start:end], -math.inf))
                         for start in range(end)))
    return math.log2(total[-1])


# %% log-chance | wrong | keeps the last of several last pieces | says: do not keep the last one
def log_chance(text, scores):
    total = [0.0] + [-math.inf] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(end):
            if text[start:end] in scores:
                total[end] = total[start] + scores[text[start:end]]
    return total[-1]


# %% log-chance | wrong | the whole word is no candidate | says: leaves the word whole
def log_chance(text, scores):
    total = [1.0]
    for end in range(1, len(text) + 1):
        first = 1 if end == len(text) and end > 1 else 0
        total.append(sum(total[start] * math.exp(scores.get(text[start:end], -math.inf))
                         for start in range(first, end)))
    return math.log(total[-1])


# %% log-chance | wrong | nothing for a text without a cut | says: probability is 0
def log_chance(text, scores):
    total = [0.0]
    for end in range(1, len(text) + 1):
        terms = [total[start] + scores[text[start:end]] for start in range(end)
                 if text[start:end] in scores]
        most = max(terms, default=0.0)
        total.append(most + math.log(sum(math.exp(t - most) for t in terms) or 1.0))
    return total[-1]


# %% log-chance | wrong | minus the logarithm, like a loss | says: sign
def log_chance(text, scores):
    total = [0.0]
    for end in range(1, len(text) + 1):
        terms = [total[start] + scores[text[start:end]] for start in range(end)
                 if text[start:end] in scores]
        most = max(terms, default=-math.inf)
        if most > -math.inf:
            most += math.log(sum(math.exp(term - most) for term in terms))
        total.append(most)
    return -total[-1]


# %% log-chance | hidden | no piece longer than 16 letters
def log_chance(text, scores):
    total = [0.0]
    for end in range(1, len(text) + 1):
        terms = [total[start] + scores[text[start:end]] for start in range(max(0, end - 16), end)
                 if text[start:end] in scores]
        most = max(terms, default=-math.inf)
        if most > -math.inf:
            most += math.log(sum(math.exp(term - most) for term in terms))
        total.append(most)
    return total[-1]


# %% log-chance | hidden | adds only the two likeliest
def log_chance(text, scores):
    total = [0.0]
    for end in range(1, len(text) + 1):
        terms = sorted(total[start] + scores[text[start:end]] for start in range(end)
                       if text[start:end] in scores)[-2:]
        most = max(terms, default=-math.inf)
        if most > -math.inf:
            most += math.log(sum(math.exp(term - most) for term in terms))
        total.append(most)
    return total[-1]
