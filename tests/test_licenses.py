"""Everything that others made is named in LICENSE, and what the package holds in pyproject.toml."""

import re
import subprocess
import tomllib

import pytest
from packaging.licenses import canonicalize_license_expression

PARTS = {  # folder: licenses of the files in it that others made
    "course_lib/attention_views/js": {"BSD-3-Clause"},
    "course_lib/checkpoints": {"CC-BY-SA-4.0"},
    "course_lib/facts": {"Apache-2.0", "MIT"},
    "slides/vendor/reveal.js": {"MIT"},
    "slides/vendor/katex": {"MIT", "OFL-1.1"},
    "tests/browser/vendor": {"MPL-2.0"},
}
# What only others make here: squeezed scripts, fonts, weights, folders of that name.
OTHERS = re.compile(r"\.min\.\w+$|\.(woff2?|ttf|otf|safetensors)$|(^|/)vendor/[^/]+/.*\.(js|css)$")


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_package_names_the_licenses_of_all_it_holds(project):
    text = project["license"]
    assert canonicalize_license_expression(text) == text
    inside = [found for folder, found in PARTS.items() if folder.startswith("course_lib/")]
    assert set(text.split(" AND ")) == {"MIT", "CC-BY-4.0"}.union(*inside)


def test_license_names_every_part(root):
    lines = (root / "LICENSE").read_text("utf-8").splitlines()
    for folder, licenses in PARTS.items():
        (line,) = [line for line in lines if line.strip().startswith(f"{folder}/ ")]
        assert all(name in line for name in licenses), line


def test_no_file_of_others_lies_elsewhere(root):
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: the project's own files cannot be told from others")
    found = [name for name in listed.stdout.splitlines() if OTHERS.search(name)]
    assert len(found) > 10
    ours = "notebooks/records/"  # small weights trained on the generated language
    assert [name for name in found if not name.startswith((*PARTS, ours))] == []


def test_license_texts_lie_beside_the_files(root, project):
    for pattern in project["license-files"]:
        assert list(root.glob(pattern)), pattern
    for folder in ("slides/vendor/reveal.js", "slides/vendor/katex"):
        assert "MIT" in (root / folder / "LICENSE").read_text("utf-8") or (
            "Permission is hereby granted" in (root / folder / "LICENSE").read_text("utf-8")
        )
    assert "Mozilla Public License" in (root / "tests/browser/vendor/axe.LICENSE").read_text(
        "utf-8"
    )
    for card in (root / "course_lib" / "checkpoints").glob("*/README.md"):
        assert "CC BY-SA 4.0" in card.read_text("utf-8"), card
