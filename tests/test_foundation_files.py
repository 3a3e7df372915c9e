"""The files of the top level agree with one another and with what is there."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course_lib import doctor


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def requirements(project):
    texts = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    return [Requirement(text) for text in texts]


@pytest.fixture(scope="module")
def conda(root):
    return yaml.safe_load((root / "environment.yml").read_text("utf-8"))


def test_constraints_hold_a_fitting_version_of_every_package(requirements, root):
    tested = {canonicalize_name(name): v for name, v in doctor.tested_versions().items()}
    for need in requirements:
        if need.marker and not need.marker.evaluate():
            continue  # a package of another kind of machine
        name = canonicalize_name(need.name)
        assert name in tested, f"{name} is not in constraints.txt: run `make constraints`"
        assert need.specifier.contains(tested[name]), f"constraints.txt has {name} {tested[name]}"


def test_constraints_are_exact_and_hold_nothing_of_a_machine(root):
    lines = (root / "constraints.txt").read_text("utf-8").splitlines()
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line), line


def test_no_package_is_asked_for_twice(requirements):
    names = [canonicalize_name(need.name) for need in requirements]
    assert len(names) == len(set(names))


def test_torch_is_pinned(requirements):
    (torch,) = [need for need in requirements if need.name == "torch"]
    assert str(torch.specifier) == "==2.13.0"


def test_conda_takes_its_packages_from_pyproject(conda, project):
    """conda brings Python and pip; pip installs this project with the tested versions."""
    assert conda["name"] == project["name"]
    *from_conda, pip = conda["dependencies"]
    names = {re.split(r"[=<> ]", text)[0]: text for text in from_conda}
    assert set(names) == {"python", "pip"}
    python = names["python"].removeprefix("python=")
    assert SpecifierSet(project["requires-python"]).contains(f"{python}.9")
    constraints, install = pip["pip"]
    assert constraints == "-c constraints.txt"
    extras = re.fullmatch(r"-e \.\[([a-z,]+)\]", install).group(1).split(",")
    assert set(extras) <= set(project["optional-dependencies"])


def test_make_help_lists_every_target(root):
    text = (root / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    for target in phony.split():
        assert re.search(rf"^{target}:.*## \S", text, re.M), f"{target} has no line for `make help`"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_and_files_named_in_the_text_are_there(root, name):
    text = (root / name).read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (root / target).exists(), f"{name} links to {target}"
    targets = re.findall(r"\bmake ([a-z]+)\b(?= |`|$)", text, re.M)
    makefile = (root / "Makefile").read_text("utf-8")
    for target in {t for t in targets if f"`make {t}" in text or f"\nmake {t}" in text}:
        assert f"\n{target}:" in makefile, f"{name} names `make {target}`"


def test_readme_lists_every_lesson(root):
    text = (root / "README.md").read_text("utf-8")
    for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        assert f"| {path.name[:2]} |" in text, f"README.md does not list {path.name}"


def test_package_data_is_found_from_the_package(root):
    import course_lib

    folder = root / "course_lib"
    assert course_lib.__file__ == str(folder / "__init__.py")
    assert list((folder / "facts").glob("*.csv"))
