"""Pages of files that stand outside docs/, and links to them that hold on a code host and here."""

import ast
import pathlib
import re

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File


ROOT = pathlib.Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
RESULTS = ROOT / "docs/results.md"
INTRODUCTION = """# Experiments

Each claim is one short file in `experiments/`: its header says what is claimed, by which command, how
long that takes and what to expect; its body is a config over the library.
"""


def on_files(files, *, config, **_):
    """The contributor's page, and the experiments with their code."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text().replace("](docs/", "](")
    files.append(File.generated(config, "contributing.md", content=contributing))
    parts = [
        INTRODUCTION,
        *(_experiment(path) for path in sorted(EXPERIMENTS.glob("*.py"), key=_by_number)),
    ]
    files.append(File.generated(config, "experiments.md", content="\n\n".join(parts)))
    return files


def on_config(config, **_):
    """The results are a page as soon as there are any."""
    if not RESULTS.exists():
        config.nav.remove({"Results": "results.md"})
    return config


def on_page_markdown(markdown, *, page, **_):
    """Links out of docs/ lead to the page that shows the file, and named experiments are links."""
    if page.file.src_uri == "experiments.md":
        return markdown
    if page.file.src_uri == "results.md":
        return _pages_linked(markdown)  # it quotes the headers of the experiments

    def lead(found):
        path = found[1]
        if not (ROOT / path).exists():
            raise PluginError(f"{page.file.src_uri} links to ../{path}, which does not exist.")
        if path == "README.md":
            return "](index.md"
        if path == "CONTRIBUTING.md":
            return "](contributing.md"
        if pathlib.PurePath(path).match("experiments/*.py"):
            return f"](experiments.md#{pathlib.PurePath(path).stem}"
        raise PluginError(f"{page.file.src_uri} links to ../{path}, which no page shows.")

    markdown = re.sub(r"\]\(\.\./([\w./-]+)", lead, markdown)
    return re.sub(r"(?<!\[)`experiments/(\w+)\.py`(?!\])", _named, markdown)


def _named(found):
    name = found[1]
    if not (EXPERIMENTS / f"{name}.py").exists():
        raise PluginError(f"experiments/{name}.py is named and does not exist.")
    return f"[{found[0]}](experiments.md#{name})"


def _experiment(path):
    code = path.read_text()
    header = ast.get_docstring(ast.parse(code))
    assert header, f"{path.name} must begin with its claim."
    title, _, rest = header.partition("\n")
    body = code.split('"""', 2)[2].strip()
    parts = [
        f"## {title} {{ #{path.stem} }}",
        re.sub(
            r"^(Paper|Rule|Differs):",
            r"**\1.**",
            _pages_linked(rest).strip("\n"),
            flags=re.MULTILINE,
        ),
        f'??? quote "`{path.name}`"',
        _indented(body),
    ]
    return "\n\n".join(parts)


def _pages_linked(text):
    text = text.replace("docs/theory.md", "[Theory](theory.md)")
    return text.replace("docs/results.md", "[Results](results.md)") if RESULTS.exists() else text


def _by_number(path):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _indented(code):
    return "\n".join(f"    {line}" for line in ["```python", *code.splitlines(), "```"])
