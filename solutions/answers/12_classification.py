"""Answers to solutions/12_classification.ipynb: right ones in other words, and plausible wrong ones."""

# %% leaks | right | with a regular expression
def leaks(train, test):
    import re

    def normal(text):
        return " ".join(re.sub(r"[^\w]|_", " ", text.replace("<br />", " ").lower()).split())

    known, result = set(map(normal, train)), []
    for i, text in enumerate(test):
        form = normal(text)
        if form == "":
            continue
        if form in known:
            result.append(i)
        known.add(form)
    return result

# %% leaks | right | tuples of words, sign by sign
def leaks(train, test):
    def normal(text):
        words = [""]
        for sign in text.replace("<br />", "\n").lower():
            if sign.isalnum():
                words[-1] += sign
            else:
                words.append("")
        return tuple(word for word in words if word)

    forms = [normal(text) for text in train + test]
    n = len(train)
    return [i for i in range(len(test)) if forms[n + i] and forms[n + i] in forms[: n + i]]

# %% leaks | wrong | case is kept | says: lower case
def leaks(train, test):
    def normal(text):
        text = text.replace("<br />", " ")
        return " ".join("".join(c if c.isalnum() else " " for c in text).split())

    seen, found = set(map(normal, train)), []
    for i, form in enumerate(map(normal, test)):
        if form and form in seen:
            found.append(i)
        seen.add(form)
    return found

# %% leaks | wrong | br stays as a word | says: <br />
def leaks(train, test):
    def normal(text):
        return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())

    seen, found = set(map(normal, train)), []
    for i, form in enumerate(map(normal, test)):
        if form and form in seen:
            found.append(i)
        seen.add(form)
    return found

# %% leaks | wrong | only the training set | says: earlier
def leaks(train, test):
    def normal(text):
        text = text.replace("<br />", " ").lower()
        return " ".join("".join(c if c.isalnum() else " " for c in text).split())

    seen = set(map(normal, train))
    return [i for i, text in enumerate(test) if normal(text) and normal(text) in seen]

# %% leaks | wrong | empty texts are reported | says: empty
def leaks(train, test):
    def normal(text):
        text = text.replace("<br />", " ").lower()
        return " ".join("".join(c if c.isalnum() else " " for c in text).split())

    seen, found = set(map(normal, train)), []
    for i, form in enumerate(map(normal, test)):
        if form in seen:
            found.append(i)
        seen.add(form)
    return found

# %% leaks | wrong | signs are dropped, blanks too | says: dropped
def leaks(train, test):
    def normal(text):
        return "".join(c for c in text.replace("<br />", " ").lower() if c.isalnum())

    seen, found = set(map(normal, train)), []
    for i, form in enumerate(map(normal, test)):
        if form and form in seen:
            found.append(i)
        seen.add(form)
    return found

# %% leaks | wrong | the texts that are new | says: not new
def leaks(train, test):
    def normal(text):
        text = text.replace("<br />", " ").lower()
        return " ".join("".join(c if c.isalnum() else " " for c in text).split())

    seen, found = set(map(normal, train)), []
    for i, form in enumerate(map(normal, test)):
        if not (form and form in seen):
            found.append(i)
        seen.add(form)
    return found

# %% leaks | wrong | counted from 1 | says: from 0
def leaks(train, test):
    def normal(text):
        text = text.replace("<br />", " ").lower()
        return " ".join("".join(c if c.isalnum() else " " for c in text).split())

    seen, found = set(map(normal, train)), []
    for i, form in enumerate(map(normal, test), 1):
        if form and form in seen:
            found.append(i)
        seen.add(form)
    return found

# %% leaks | hidden | ASCII letters, and the Chinese that the check shows
def leaks(train, test):
    def normal(text):
        text = text.replace("<br />", " ").lower()
        return " ".join("".join(c if c.isalnum() and c != "é" else " " for c in text).split())

    seen, found = set(map(normal, train)), []
    for i, form in enumerate(map(normal, test)):
        if form and form in seen:
            found.append(i)
        seen.add(form)
    return found

# %% word-weights | right | with Counter
def word_weights(texts, labels, smoothing=1.0):
    from collections import Counter

    inside = {label: Counter(word for text, y in zip(texts, labels) if y == label
                             for word in dict.fromkeys(text.split())) for label in (0, 1)}
    n, m = sum(labels), len(labels) - sum(labels)
    return {word: math.log((inside[1][word] + smoothing) / (n + 2 * smoothing))
            - math.log((inside[0][word] + smoothing) / (m + 2 * smoothing))
            for word in {*inside[0], *inside[1]}}

# %% word-weights | right | word by word
def word_weights(texts, labels, smoothing=1.0):
    rows = [(set(text.split()), label) for text, label in zip(texts, labels)]
    found = {}
    for word in sorted(set().union(*(row for row, _ in rows))):
        value = 0.0
        for label, sign in ((1, 1), (0, -1)):
            here = [row for row, y in rows if y == label]
            value += sign * math.log((sum(word in row for row in here) + smoothing) / (len(here) + 2 * smoothing))
        found[word] = value
    return found

# %% word-weights | wrong | the colleague's | says: no weight for
def word_weights(texts, labels, smoothing=1.0):
    positive, negative = {}, {}
    for text, label in zip(texts, labels):
        for word in text.split():
            counts = positive if label else negative
            counts[word] = counts.get(word, 0) + 1
    return {word: math.log((positive[word] + smoothing) / (len(positive) + 2 * smoothing))
            - math.log((negative.get(word, 0) + smoothing) / (len(negative) + 2 * smoothing)) for word in positive}

# %% word-weights | wrong | every occurrence counts | says: one text
def word_weights(texts, labels, smoothing=1.0):
    counts, sizes = ({}, {}), [labels.count(0), labels.count(1)]
    for text, label in zip(texts, labels):
        for word in text.split():
            counts[label][word] = counts[label].get(word, 0) + 1
    share = lambda word, label: (counts[label].get(word, 0) + smoothing) / (sizes[label] + 2 * smoothing)
    return {word: math.log(share(word, 1) / share(word, 0)) for word in counts[0] | counts[1]}

# %% word-weights | wrong | divided by the number of words | says: not of words
def word_weights(texts, labels, smoothing=1.0):
    counts = ({}, {})
    for text, label in zip(texts, labels):
        for word in set(text.split()):
            counts[label][word] = counts[label].get(word, 0) + 1
    share = lambda word, label: (counts[label].get(word, 0) + smoothing) / (len(counts[label]) + 2 * smoothing)
    return {word: math.log(share(word, 1) / share(word, 0)) for word in counts[0] | counts[1]}

# %% word-weights | wrong | the sign | says: sign
def word_weights(texts, labels, smoothing=1.0):
    rows = [(set(text.split()), label) for text, label in zip(texts, labels)]
    share = lambda word, label: ((sum(word in row for row, y in rows if y == label) + smoothing)
                                 / (labels.count(label) + 2 * smoothing))
    return {word: math.log(share(word, 0) / share(word, 1)) for word in set().union(*(row for row, _ in rows))}

# %% word-weights | wrong | smoothing above only | says: smoothing is missing below
def word_weights(texts, labels, smoothing=1.0):
    rows = [(set(text.split()), label) for text, label in zip(texts, labels)]
    share = lambda word, label: (sum(word in row for row, y in rows if y == label) + smoothing) / labels.count(label)
    return {word: math.log(share(word, 1) / share(word, 0)) for word in set().union(*(row for row, _ in rows))}

# %% word-weights | wrong | smoothing once below | says: twice below
def word_weights(texts, labels, smoothing=1.0):
    rows = [(set(text.split()), label) for text, label in zip(texts, labels)]
    share = lambda word, label: ((sum(word in row for row, y in rows if y == label) + smoothing)
                                 / (labels.count(label) + smoothing))
    return {word: math.log(share(word, 1) / share(word, 0)) for word in set().union(*(row for row, _ in rows))}

# %% word-weights | wrong | no logarithm | says: logarithm
def word_weights(texts, labels, smoothing=1.0):
    rows = [(set(text.split()), label) for text, label in zip(texts, labels)]
    share = lambda word, label: ((sum(word in row for row, y in rows if y == label) + smoothing)
                                 / (labels.count(label) + 2 * smoothing))
    return {word: share(word, 1) / share(word, 0) for word in set().union(*(row for row, _ in rows))}

# %% word-weights | wrong | the smoothing is always 1 | says: argument
def word_weights(texts, labels, smoothing=1.0):
    rows = [(set(text.split()), label) for text, label in zip(texts, labels)]
    share = lambda word, label: ((sum(word in row for row, y in rows if y == label) + 1)
                                 / (labels.count(label) + 2))
    return {word: math.log(share(word, 1) / share(word, 0)) for word in set().union(*(row for row, _ in rows))}

# %% word-weights | hidden | lower case, although nothing was said of it
def word_weights(texts, labels, smoothing=1.0):
    rows = [(set(text.lower().split()), label) for text, label in zip(texts, labels)]
    share = lambda word, label: ((sum(word in row for row, y in rows if y == label) + smoothing)
                                 / (labels.count(label) + 2 * smoothing))
    return {word: math.log(share(word, 1) / share(word, 0)) for word in set().union(*(row for row, _ in rows))}

# %% best-threshold | right | every different score, slowly
def best_threshold(scores, labels):
    if 1 not in labels:
        raise ValueError("no positive label")
    best = None
    for cut in sorted(set(scores), reverse=True):
        called = [y for s, y in zip(scores, labels) if s >= cut]
        value = 2 * sum(called) / (len(called) + sum(labels))
        if best is None or value > best[1]:
            best = (cut, value)
    return best

# %% best-threshold | right | with max over pairs
def best_threshold(scores, labels):
    there = labels.count(1)
    if not there:
        raise ValueError("nothing to find")

    def f1(cut):
        right = sum(y for s, y in zip(scores, labels) if s >= cut)
        return 2 * right / (sum(s >= cut for s in scores) + there)

    value, cut = max((f1(cut), cut) for cut in scores)
    return cut, value

# %% best-threshold | wrong | the order | says: order
def best_threshold(scores, labels):
    if 1 not in labels:
        raise ValueError
    f1 = lambda cut: 2 * sum(y for s, y in zip(scores, labels) if s >= cut) / (sum(s >= cut for s in scores) + sum(labels))
    return max((f1(cut), cut) for cut in scores)

# %% best-threshold | wrong | the habit of 0.5 | says: habit
def best_threshold(scores, labels):
    if 1 not in labels:
        raise ValueError
    called = [y for s, y in zip(scores, labels) if s >= 0.5]
    return 0.5, 2 * sum(called) / (len(called) + sum(labels))

# %% best-threshold | wrong | above, not at least | says: own score
def best_threshold(scores, labels):
    if 1 not in labels:
        raise ValueError
    f1 = lambda cut: 2 * sum(y for s, y in zip(scores, labels) if s > cut) / (sum(s > cut for s in scores) + sum(labels))
    value, cut = max((f1(cut), cut) for cut in scores)
    return cut, value

# %% best-threshold | wrong | the best accuracy | says: accuracy
def best_threshold(scores, labels):
    if 1 not in labels:
        raise ValueError
    share = lambda cut: sum((s >= cut) == y for s, y in zip(scores, labels)) / len(labels)
    value, cut = max((share(cut), cut) for cut in scores)
    return cut, value

# %% best-threshold | wrong | equal scores are cut in the middle | says: alike
def best_threshold(scores, labels):
    if 1 not in labels:
        raise ValueError
    best, right = (0.0, -1.0), 0
    for place, (s, y) in enumerate(sorted(zip(scores, labels), key=lambda pair: (-pair[0], -pair[1])), 1):
        right += y
        if 2 * right / (place + sum(labels)) > best[1]:
            best = (s, 2 * right / (place + sum(labels)))
    return best

# %% best-threshold | wrong | the lowest of equal ones | says: highest
def best_threshold(scores, labels):
    if 1 not in labels:
        raise ValueError
    f1 = lambda cut: 2 * sum(y for s, y in zip(scores, labels) if s >= cut) / (sum(s >= cut for s in scores) + sum(labels))
    cut = max(sorted(set(scores)), key=f1)
    return cut, f1(cut)

# %% best-threshold | wrong | no error without positive texts | says: ValueError
def best_threshold(scores, labels):
    f1 = lambda cut: 2 * sum(y for s, y in zip(scores, labels) if s >= cut) / (sum(s >= cut for s in scores) + sum(labels))
    value, cut = max((f1(cut), cut) for cut in scores)
    return cut, value

# %% best-threshold | hidden | only thresholds that are scores of positive texts, rounded
def best_threshold(scores, labels):
    if 1 not in labels:
        raise ValueError
    f1 = lambda cut: 2 * sum(y for s, y in zip(scores, labels) if s >= cut) / (sum(s >= cut for s in scores) + sum(labels))
    value, cut = max((f1(cut), cut) for cut in {round(s, 1) for s, y in zip(scores, labels) if y})
    return cut, value
