"""The console command `course`.

Every command imports what it needs inside its function, so that `course --help` answers at once.
A command ends with 0 when it did what it was asked, 1 when it could not, 2 on wrong arguments.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from course_lib import __version__

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(asked: bool):
    if asked:
        print(f"course {__version__}")
        raise typer.Exit()


@app.callback()
def course(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show it.")
    ] = False,
):
    """Learn the BERT family by building it: tools beside the notebooks."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(context: typer.Context):
    """Open the course in JupyterLab; further options go to `jupyter lab` (--no-browser ...)."""
    from course_lib.lab import start

    print("Starting JupyterLab; press Ctrl+C here to stop it.", flush=True)
    start(context.args)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs, not for people.")] = False,
):
    """Check this machine: what is there, what is missing, what will run."""
    from dataclasses import asdict

    from course_lib.doctor import examine, what_runs

    found = examine()
    runs, ready = what_runs(found), all(item.state != "bad" for item in found)
    if as_json:
        print(json.dumps({"ready": ready, "findings": [*map(asdict, found)], "runs": runs}))
    else:
        print_findings(found, runs, ready)
    raise typer.Exit(0 if ready else 1)


def print_findings(found, runs, ready):
    """A list that reads without color: state, name, sentence, and what to type."""
    for item in found:
        print(f"{item.state:>5}  {item.name:<10} {item.text}")
        if item.mend:
            print(f"{'':<17}  -> {item.mend}")
    print("\nWhat runs here, by budget:")
    for name, text in runs.items():
        print(f"{'':<7}{name:<10} {text}")
    print("\nReady." if ready else "\nNot ready: see the points marked `bad`.")


@app.command()
def pretrain(
    model: Annotated[str, typer.Option(help="bert, roberta, albert or electra.")] = "bert",
    data: Annotated[str, typer.Option(help="A data set of `course_lib.data`.")] = "wikipedia_en",
    budget: Annotated[str, typer.Option(help="smoke, cpu or gpu; automatic if not given.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the model, checkpoints, metrics; runs/MODEL.")
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            help="What to learn; the paper's own if not given. bert: mlm+nsp, mlm. roberta: mlm. "
            "albert: mlm+sop, mlm+nsp, mlm. electra: rtd, rtd-15, replace-mlm, all-tokens-mlm."
        ),
    ] = "",
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of the budget's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Sequences, all processes.")] = None,
    micro_batches: Annotated[int, typer.Option(min=1, help="Parts of a step: less memory.")] = 1,
    learning_rate: Annotated[float | None, typer.Option(help="The peak.")] = None,
    seq_len: Annotated[int | None, typer.Option(min=8, help="Tokens in a row.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another run.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Drop the run found in OUT.")] = False,
):
    """Pre-train a model. A run that was cut off goes on when the same command is given again.

    Several processes: accelerate launch --num_processes 2 -m course_lib.cli pretrain ...
    """
    from course_lib import commands

    options = dict(steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed,
                   micro_batches=micro_batches)
    commands.pretrain(model, data, budget, out, objective, seq_len, fresh,
                      {k: v for k, v in options.items() if v is not None})


@app.command()
def finetune(
    task: Annotated[
        str,
        typer.Option(
            help="imdb, sst2, cola, mrpc, rte, stsb, chnsenticorp, squad, cmrc2018, wnut_17, "
            "conll2003, tinyworld/sentiment, tinyworld/qa, tinyworld/ner, pydocs/packages; own: "
            "classification of your rows in --data."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="bert (or another one of the course), minilm (of the extra `pretrained`), a "
            "folder of `course pretrain`, a name on the hub, scratch (scratch-roberta ...)."
        ),
    ] = "bert",
    out: Annotated[
        Path | None, typer.Option(help="Folder for model, figures, predictions; runs/TASK.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The task's data: a folder in the hub's layout.")
    ] = None,
    columns: Annotated[str, typer.Option(help="Of the text, or of both: premise,claim.")] = "",
    label: Annotated[str, typer.Option(help="The column with the answers.")] = "",
    rows: Annotated[int | None, typer.Option(help="Train on so many, drawn by the seed.")] = None,
    test_rows: Annotated[int | None, typer.Option(help="Judge by so many; all.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens of a row; the task's.")] = None,
    keep: Annotated[str, typer.Option(help="Of long texts: head, tail or head+tail.")] = "head",
    epochs: Annotated[int | None, typer.Option(help="3.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows, all processes; 32.")] = None,
    micro_batches: Annotated[int, typer.Option(min=1, help="Parts of a step: less memory.")] = 1,
    learning_rate: Annotated[
        float | None, typer.Option(help="The peak; 5e-5 for width 768, more for narrower models.")
    ] = None,
    layer_decay: Annotated[float | None, typer.Option(help="Rate of a layer, by the next.")] = None,
    frozen: Annotated[int, typer.Option(help="First layers that stay as they are.")] = 0,
    looks: Annotated[int | None, typer.Option(help="At the validation rows, an epoch; 1.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="End after so many looks without a better one; 0: never.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another run.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Drop the run found in OUT.")] = False,
):
    """Fine-tune a model on a task. A run that was cut off goes on when the same command is given
    again. The test rows are looked at once, at the end.

    Several processes: accelerate launch --num_processes 2 -m course_lib.cli finetune ...
    """
    from course_lib.tasks import finetune_command

    options = dict(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed,
                   layer_decay=layer_decay, looks=looks, patience=patience,
                   micro_batches=micro_batches)
    wish = finetune_command.Wish(task, model, out, data, names(columns), label, max_length, keep,
                                 rows, test_rows, frozen, fresh)
    finetune_command.run(wish, {k: v for k, v in options.items() if v is not None})


@app.command()
def predict(
    model: Annotated[str, typer.Option(help="The OUT of `course finetune`, or another model.")],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="What to read.")
    ] = None,
    file: Annotated[str, typer.Option(help=".txt (one text a line), .csv, .jsonl, or -.")] = "",
    pair: Annotated[
        str | None, typer.Option(help="The second text; for questions the passage.")
    ] = None,
    columns: Annotated[str, typer.Option(help="Of the file, if named otherwise.")] = "",
    out: Annotated[Path | None, typer.Option(help="A .csv or .jsonl instead of lines.")] = None,
):
    """What a fine-tuned model says: labels with probabilities, answers, or entities.

    Notes on what it could not read (too long, unknown signs, no text) go to standard error.
    """
    from course_lib.tasks import predict_command

    predict_command.run(model, texts or [], file, pair, names(columns), out)


def names(text: str) -> tuple[str, ...]:
    """"a,b" -> ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@app.command()
def grade(
    submissions: Annotated[
        Path,
        typer.Argument(
            help="A notebook, a folder of them (anna.ipynb), or a folder for each student, as "
            "nbgrader's submitted/ or an unpacked download of a learning platform."
        ),
    ],
    assignment: Annotated[
        Path, typer.Option(help="The teacher's notebook: solutions/02_attention.ipynb.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for scores.csv, feedback/, junit.xml.")] = Path(
        "grades"
    ),
    jobs: Annotated[
        int, typer.Option(min=1, max=256, help="Graded at a time; a core and 4 GB for each.")
    ] = 1,
    executor: Annotated[
        str, typer.Option(help="dask://HOST:PORT of a scheduler: many machines (extra `cluster`).")
    ] = "",
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="Run code that you trust with your own rights.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what OUT holds, grade all anew.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            min=1, max=36000, help="Seconds for a submission; 1/4 for a cell, 1/6 for a call."
        ),
    ] = 60,
):
    """Grade the notebooks of a class: points for each task, a feedback page each.

    Students' code runs in a sandbox (bubblewrap); checks and marks come from
    ASSIGNMENT alone. A run that was cut off goes on when the same command is
    given again, and only submissions that have changed are graded anew.

    Ends with 0, or with 1 if the grader itself failed on a submission.
    """
    from course_lib.grading.quick import skip_slow_import

    skip_slow_import()
    from course_lib.grading import command

    command.grade(submissions, assignment, out, jobs, executor, not no_sandbox, fresh, timeout)


def main():
    """Run the command; errors that people can mend are one line, not a traceback."""
    try:
        app()
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"course: {error}")


if __name__ == "__main__":
    main()
