"""The documentation: its links lead somewhere, its studies load, its command lines parse, its Python runs."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from pydantic import TypeAdapter
from rich.console import Console

from seedsweep.core.records.resources import Allocation
from seedsweep.core.records.study import Study
from seedsweep.sweeps import cli
from seedsweep.sweeps.cli.reference import options
from seedsweep.sweeps.commands.check import show
from seedsweep.sweeps.study.loading import STUDIES, load
from tests.devcluster.__main__ import app as devcluster

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Debian's package dataset-fashion-mnist.
DATA = Path("/usr/share/datasets/fashion-mnist")
#: A code block: the file that it continues, its language, its text.
BLOCK = re.compile(r"^(?:<!-- after (\S+) -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
#: What stands in a text as a command.
COMMAND = re.compile(r"(seedsweep|make|pip install|python(3)? (-m|sweeps/)) ?\S")
#: Options of sbatch, and of `make calibrate`.
OTHERS = {"--exclusive", "--mail-type", "--rows"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """(the file that it continues, text) of each code block of these languages."""
    return [(after, text) for after, language, text in BLOCK.findall(page.read_text()) if language in languages]


def spans(page: Path) -> list[str]:
    """What stands as code in the text."""
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", BLOCK.sub("", page.read_text()))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


def test_every_page_is_reached_from_the_readme():
    linked = {(ROOT / target).resolve() for target in re.findall(r"\]\(([^)\s#]+)", (ROOT / "README.md").read_text())}
    assert {page for page in PAGES if page.parent == ROOT / "docs"} <= linked


def test_the_site_has_every_page():
    def pages(entry) -> Iterator[str]:
        for each in entry.values() if isinstance(entry, dict) else entry:
            yield from [each] if isinstance(each, str) else pages(each)

    assert sorted(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])) == sorted(map(name_of, PAGES))


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 6000


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture
def with_examples(tmp_path):
    """A user's folder with the Python files of the examples and of the pages."""
    for path in (ROOT / "examples").rglob("*.py"):
        shutil.copy(path, tmp_path)
    for page in PAGES:
        for _, text in blocks(page, "python"):
            if named := re.match(r"# (\w+\.py)\n", text):
                (tmp_path / named[1]).write_text(text)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_studies_load(page, with_examples):
    for number, (_, text) in enumerate(blocks(page, "yaml")):
        if "criterion:" in text:
            path = with_examples / f"study_{number}.yaml"
            path.write_text(text)
            assert load(str(path)).configurations, text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_parts_of_studies_have_fields_that_exist(page):
    fields = {
        name: field.annotation for model in (Allocation, Study) for name, field in model.model_fields.items()
    }  # of both: a cluster's settings are an allocation
    parts = [text for _, text in blocks(page, "yaml")]
    said = spans(page) if page.name != "troubleshooting.md" else []  # which shows mistakes
    parts += [span for span in said if re.match(rf"({'|'.join(fields)}): ", span) and "..." not in span]
    for part in parts:
        with contextlib.suppress(yaml.YAMLError):  # `score: last or best`, and the like
            for name, value in yaml.safe_load(part).items():
                if name not in ("base", "scales"):
                    assert name in fields, part
                    if name not in ("configurations", "claims", "search"):  # sections with forms of their own
                        TypeAdapter(fields[name]).validate_python(value)


def commands(page: Path) -> list[list[str]]:
    """Words of each command line, in blocks and in the text."""
    lines = [line for _, text in blocks(page, "", "sh") for line in text.splitlines()]
    lines += [line[2:] for _, text in blocks(page, "console") for line in text.splitlines() if line.startswith("$ ")]
    lines = [re.sub(r"^.* \| (?=seedsweep )", "", line) for line in lines]
    return [shlex.split(line, comments=True) for line in lines + spans(page) if COMMAND.match(line)]


def parse(app: typer.Typer, words: list[str]) -> None:
    """As the command line would, without running it. Errors: typer's, for what it does not take."""
    group = typer.main.get_command(app)
    at = next((number for number, word in enumerate(words) if not word.startswith("-")), None)
    if at is None:  # --help and the like, which parsing would do
        assert set(words) <= {option for each in options(group) for option in each.opts}, words
        return
    with contextlib.suppress(typer.Exit):  # of --help
        name, *rest = words[at:]
        assert name in group.commands or name == "COMMAND", f"there is no command {name}"
        # A name alone is mentioned, not used; [RUN] is how it is used; T, S and the like stand for numbers.
        if rest and name in group.commands and not any(re.match(r"\[|.*\.\.\.$", word) for word in rest):
            rest = ["1" if re.fullmatch("[A-Z]", word) else word for word in rest]
            check_words(group.commands[name].make_context(name, rest).params)


def check_words(given: dict) -> None:
    """A study that is built in, fields that exist."""
    study = given.get("study")
    if study and study.islower() and not study.endswith((".yaml", ".json")):
        assert (STUDIES / f"{study}.yaml").is_file(), study
    for setting in given.get("overrides") or []:
        assert re.split(r"[.=]", setting)[0] in Study.model_fields, setting


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_parse(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for words in commands(page):
        match words:
            case ["seedsweep", *rest]:
                parse(cli.app, rest)
            case ["python" | "python3", "sweeps/launch.py", *rest]:
                parse(cli.app, ["launch", *rest])
            case ["python" | "python3", "-m", "tests.devcluster", *rest]:
                parse(devcluster, rest)
            case ["python" | "python3", "-m", module, *_]:
                assert importlib.util.find_spec(module), module
            case ["make", *rest]:
                assert {word for word in rest if "=" not in word} <= targets, rest
            case ["pip", "install", *rest]:
                extras = re.findall(r"\.\[(.*)\]", " ".join(rest))
                assert {each for found in extras for each in found.split(",")} <= {*PROJECT["optional-dependencies"]}


def test_a_command_that_does_not_parse_is_found():
    with pytest.raises(Exception, match="No such option: --sett"):
        parse(cli.app, ["launch", "alpha_seed_study", "--sett", "seeds.compare=3"])
    with pytest.raises(AssertionError):
        parse(cli.app, ["launch", "alpha_seed_study", "--set", "seed.compare=3"])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_exist(page):
    groups = typer.main.get_command(cli.app), typer.main.get_command(devcluster)
    parameters = [each for group in groups for command in (group, *group.commands.values()) for each in command.params]
    known = {option for each in parameters for option in (*each.opts, *each.secondary_opts)} | {"--help"} | OTHERS
    for span in spans(page):
        if option := re.match(r"--[a-z][a-z-]*", span):
            assert option[0] in known, span


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_runs(page, tmp_path):
    for after, text in blocks(page, "python"):
        path = tmp_path / "block.py"
        path.write_text(f"{(ROOT / after).read_text() if after else ''}\n\n{text}")
        if after or re.search(r"^(import|from) ", text, re.M):
            runpy.run_path(str(path))
        else:
            compile(text, str(path), "exec")  # a line or two of something longer


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_model_of_the_readme_runs(tmp_path):
    ((example, model),) = blocks(ROOT / "README.md", "python")
    (tmp_path / "fashion.py").write_text(f"{(ROOT / example).read_text()}\n\n{model}")
    assert "after 2 steps: accuracy" in checked(ROOT / "README.md", tmp_path)


def test_the_function_of_the_documentation_runs(with_examples):
    assert "large: at step 100" in checked(ROOT / "docs" / "your_model.md", with_examples)


def checked(page: Path, folder: Path) -> str:
    """What `seedsweep check` says of the page's only study."""
    ((_, study),) = blocks(page, "yaml")
    path = folder / "study.yaml"
    path.write_text(study)
    console = Console(file=io.StringIO(), width=200)
    assert show(load(str(path)), folder, console), console.file.getvalue()
    return console.file.getvalue()


def test_the_data_set_of_the_documentation_has_two_splits(with_examples):
    found = runpy.run_path(str(with_examples / "spirals.py"))["Spirals"]
    data_set = found(found.Settings(count=7))
    assert {len(each) for split in ("train", "validation") for each in data_set.samples(split).values()} == {7}
    assert data_set.samples("test") is None
