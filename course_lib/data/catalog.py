"""Which data sets `data.load` knows: where the hub keeps them, and what stands in for them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from datasets import DatasetDict

from course_lib import tinyworld
from course_lib.data import pydocs, stand_ins

PARQUET = "refs/convert/parquet"  # where the hub keeps sets that once were loading scripts


@dataclass(frozen=True)
class Source:
    """Where one data set is to be had."""

    hub: str = ""                # its id on the hub
    config: str = ""             # the part of it that is meant if none is named
    configs: tuple[str, ...] = ()  # others that may be named
    files: dict = field(default_factory=dict)  # split -> file, where only these are read
    revision: str = "main"
    stand_in: Callable[[], DatasetDict] | None = None
    likeness: str = ""           # what the stand-in is
    closest: str = "tinyworld"   # what to try where there is none


GLUE = ("cola", "mrpc", "rte", "wnli", "stsb", "qqp", "mnli", "qnli")
PRAISE = "tinyworld's praise or blame"
DOCSTRINGS = "pydocs, the docstrings of a module as one text"
SOURCES = {
    "imdb": Source("stanfordnlp/imdb", stand_in=stand_ins.imdb, likeness=PRAISE),
    "glue/sst2": Source("nyu-mll/glue", "sst2", stand_in=stand_ins.sst2, likeness=PRAISE),
    **{f"glue/{name}": Source("nyu-mll/glue", name, closest="glue/sst2") for name in GLUE},
    "squad": Source("rajpurkar/squad", stand_in=stand_ins.squad,
                    likeness="questions about tinyworld"),
    "wikitext": Source("Salesforce/wikitext", "wikitext-2-v1",
                       ("wikitext-2-raw-v1", "wikitext-103-v1", "wikitext-103-raw-v1"),
                       stand_in=stand_ins.wikitext, likeness=DOCSTRINGS),
    "wikipedia_en": Source(
        "wikimedia/wikipedia", files={"train": "20231101.en/train-00000-of-00041.parquet"},
        stand_in=stand_ins.wikipedia_en, likeness=DOCSTRINGS),
    "wikipedia_zh": Source(
        "wikimedia/wikipedia", files={"train": "20231101.zh/train-00000-of-00006.parquet"},
        closest="wikipedia_en"),
    "books_en": Source(closest="wikipedia_en"),
    "conll2003": Source(
        "eriktks/conll2003", revision=PARQUET,
        files={s: f"conll2003/{s}/0000.parquet" for s in ("train", "validation", "test")},
        stand_in=stand_ins.conll2003, likeness="tinyworld's people, firms and towns"),
    "wnut_17": Source(
        "leondz/wnut_17", revision=PARQUET,
        files={s: f"wnut_17/{s}/0000.parquet" for s in ("train", "validation", "test")},
        stand_in=stand_ins.wnut_17, likeness="tinyworld's people, firms and towns"),
    "chnsenticorp": Source("lansinuote/ChnSentiCorp", closest="imdb"),
    "cmrc2018": Source("hfl/cmrc2018", closest="squad"),
}
BUILT_IN: dict[str, tuple[Callable[[], DatasetDict], str]] = {
    "tinyworld": (tinyworld.splits, "generated, with the truth about every token"),
    "tinyworld/sentiment": (stand_ins.imdb, "generated praise and blame"),
    "tinyworld/qa": (stand_ins.squad, "generated documents and questions"),
    "tinyworld/ner": (stand_ins.conll2003, "generated documents with entities"),
    "pydocs": (pydocs.dataset, "docstrings of Python and of the packages on this machine"),
    "pydocs/modules": (pydocs.modules, DOCSTRINGS),
    "pydocs/packages": (pydocs.classification, "docstrings; which package is one from?"),
}
