"""The feedback page of one student: one HTML file that needs nothing else and runs nothing.

All text passes `safe`: cleaned of what acts on its surroundings, then escaped. The page forbids
itself scripts and requests besides, so that a hole in this would still do nothing. Of a hidden
check it says that it failed, and never how.
"""

import re
from html import escape

from course_lib.grading.assignment import Assignment, Question, Task
from course_lib.grading.report import earned, number
from course_lib.grading.results import CheckResult, Result
from course_lib.grading.text import clean

# Colors of Okabe and Ito, as in course_lib.plots.style; each state has a sign and a word besides.
STYLE = """
:root { --good: #007a59; --part: #8a5a00; --bad: #b04a00; --blue: #0072B2; --ink: #1d2430;
  --soft: #5a6472; --line: #d9dee5; --paper: #fff; --back: #f4f6f8; --code: #f4f6f8; }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
main { max-width: 50rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }
header, section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px }
header { border-top: 6px solid var(--blue); padding: 1.25rem 1.5rem 1.5rem; margin-bottom: 1.5rem }
header p { margin: 0; color: var(--soft) }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .15rem 0 1rem }
h2 { font-size: 1.1rem; line-height: 1.35; margin: 0 }
.total { font-size: 2.2rem; font-weight: 650; line-height: 1; color: var(--ink) }
.total small { font-size: 1.1rem; font-weight: 400; color: var(--soft) }
.bar { height: .6rem; margin-top: .75rem; border-radius: .3rem; background: var(--line);
  overflow: hidden }
.bar i { display: block; height: 100%; background: var(--blue) }
pre.note { margin: 0 0 1.5rem; padding: .75rem 1.25rem; border: 1px solid var(--bad);
  border-left-width: 6px; border-radius: 6px; background: var(--paper); font: inherit }
section { margin-bottom: 1rem; padding: 1rem 1.5rem 1.1rem; border-left: 6px solid var(--line) }
.good { border-left-color: var(--good) } .part { border-left-color: var(--part) }
.bad { border-left-color: var(--bad) }
.head { display: flex; gap: 1rem; justify-content: space-between; align-items: baseline }
.points { white-space: nowrap; font-weight: 650 }
.about { margin: .1rem 0 .6rem; font-size: .9rem; color: var(--soft) }
ul { list-style: none; margin: 0; padding: 0 }
li { padding: .35rem 0 .35rem 1.7rem; position: relative }
li .sign { position: absolute; left: 0; font-weight: 700 }
.good .sign, li.good .sign { color: var(--good) } li.bad .sign { color: var(--bad) }
li .id { color: var(--soft); font-size: .85rem; margin-left: .4rem; display: inline-block }
li pre { margin: .4rem 0 0; padding: .6rem .8rem; background: var(--code); border-radius: 6px }
pre { white-space: pre-wrap; overflow: hidden; direction: ltr; unicode-bidi: isolate;
  font: .85rem/1.45 ui-monospace, "SFMono-Regular", Menlo, Consolas, "Noto Sans Mono", monospace }
li pre.message { background: none; padding: 0; font: inherit }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .92em }
summary { cursor: pointer; color: var(--blue); margin-top: .4rem; font-size: .9rem }
footer { color: var(--soft); font-size: .85rem; margin-top: 1.5rem }
@media (prefers-color-scheme: dark) { :root { --good: #3fc79a; --part: #e6b450; --bad: #ff9a57;
  --blue: #56B4E9; --ink: #e6e9ee; --soft: #a3adba; --line: #38404c; --paper: #1d232c;
  --back: #14181f; --code: #14181f } }
@media print { :root { --good: #007a59; --part: #8a5a00; --bad: #b04a00; --blue: #0072B2;
  --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --back: #fff; --code: #f4f6f8 }
  main { padding: 0; max-width: none } section, header, li { break-inside: avoid }
  * { print-color-adjust: exact } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def feedback_html(assignment: Assignment, result: Result) -> str:
    """The whole page."""
    title = f"{assignment.name} · {result.student}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{safe(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{heading(assignment, result)}
{notes(result)}
{body(assignment, result)}
</main>
</body>
</html>
"""


def safe(text: str) -> str:
    """Any text as text, in an element or a quoted attribute."""
    return escape(clean(text), quote=True)


def titled(text: str) -> str:
    """A heading of the notebook; `names` in back quotes become code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", safe(text))


def heading(assignment: Assignment, result: Result) -> str:
    """Who, what, and how many points."""
    top = f"<header>\n<p>{safe(assignment.name)}</p>\n<h1><bdi>{safe(result.student)}</bdi></h1>\n"
    if result.status != "graded":
        why = "could not be read" if result.status == "rejected" else "to be looked at by hand"
        return f'{top}<div class="total">no marks <small>{why}</small></div>\n</header>'
    most = assignment.points
    share = 100 * min(1.0, result.points / most) if most else 0.0
    return (
        f'{top}<div class="total">{number(result.points)} <small>of {number(most)} points</small>'
        f'</div>\n<div class="bar"><i style="width:{share:.1f}%"></i></div>\n</header>'
    )


def notes(result: Result) -> str:
    """What concerns the submission as a whole; why the grader failed is for teachers only."""
    texts = []
    if result.status == "error":
        texts.append("<strong>The grader failed on this submission.</strong> That says nothing "
                     "about your work; your teachers will look at it by hand.")  # fmt: skip
    elif result.message.strip():
        texts.append(safe(result.message))
    if result.status == "graded" and not result.sandboxed:
        texts.append("<strong>Graded without the sandbox.</strong> These marks are provisional.")
    return "\n".join(f'<pre class="note">{text}</pre>' for text in texts)


def body(assignment: Assignment, result: Result) -> str:
    """A section for each task and question; nothing for a submission that was not graded."""
    if result.status != "graded":
        return ""
    parts = [task_section(task, result) for task in assignment.tasks]
    parts += [question_section(question) for question in assignment.questions]
    ending = (
        "Hidden checks use other inputs than those that you can see: other sizes, other seeds, "
        "edge cases. Only whether they pass is shown."
    )
    return "\n".join([*parts, f"<footer>{ending}</footer>"])


def task_section(task: Task, result: Result) -> str:
    """Points, difficulty, and each check of one task."""
    checks = [check for check in result.checks if check.task == task.grade_id]
    points = earned(result, task)
    failed = sum(not check.passed for check in checks)
    state = "good" if not failed else "part" if points else "bad"
    minutes = f"about {task.minutes} minutes" if task.minutes else ""
    about = " · ".join(filter(None, [difficulty(task.difficulty), minutes, verdict(checks)]))
    items = "\n".join(map(check_item, checks))
    return (
        f'<section class="{state}">\n<div class="head"><h2>{titled(task.title or task.grade_id)}'
        f'</h2><span class="points">{number(points)} of {number(task.points)}</span></div>\n'
        f'<p class="about">{about}</p>\n<ul>\n{items}\n</ul>\n</section>'
    )


def difficulty(dots: str) -> str:
    """●●○, with words for those who cannot see it."""
    if not dots:
        return ""
    label = f"difficulty {dots.count('●')} of {len(dots)}"
    return f'<span role="img" aria-label="{label}" title="{label}">{safe(dots)}</span>'


def worth(points: float) -> str:
    """2 points, 1 point, no points."""
    return f"{number(points) if points else 'no'} point{'s' if points != 1 else ''}"


def verdict(checks: list[CheckResult]) -> str:
    passed = sum(check.passed for check in checks)
    return f"{passed} of {len(checks)} check{'s' if len(checks) != 1 else ''} passed"


def check_item(check: CheckResult) -> str:
    """One check: passed, or what failed."""
    name = f'<span class="id">{safe(check.check)} · {worth(check.points)}</span>'
    if check.passed:
        return f'<li class="good"><span class="sign">✓</span>Passed {name}</li>'
    if check.stage == "hidden":
        text = "Passes what you can see of this check, and fails its hidden part."
        return f'<li class="bad"><span class="sign">✗</span>{text} {name}</li>'
    said = "Not passed" if check.stage else "Could not be run"
    return f'<li class="bad"><span class="sign">✗</span>{said} {name}{reason(check)}</li>'


def reason(check: CheckResult) -> str:
    """The message of a visible check, and the way through the student's own code."""
    message = traceback = ""
    if check.message.strip():
        message = f'<pre class="message">{safe(check.message)}</pre>'
    if check.traceback.strip():
        traceback = (
            f"<details open><summary>Where it happened in your code</summary>"
            f"<pre>{safe(check.traceback)}</pre></details>"
        )
    return message + traceback


def question_section(question: Question) -> str:
    """An open question: nothing to say yet."""
    return (
        f'<section>\n<div class="head"><h2>{titled(question.title or question.grade_id)}</h2>'
        f'<span class="points">{worth(question.points)}</span></div>\n'
        '<p class="about">an open question, graded by hand</p>\n</section>'
    )
