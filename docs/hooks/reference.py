"""A page for each room of the library: the public names of its `__init__.pyi`."""

import ast
import pathlib

from mkdocs.structure.files import File


SOURCE = pathlib.Path(__file__).parents[2] / "src/lengthwise"
# What a user begins with comes first; a room that is not named here follows, by its name.
ORDER = ("tasks", "models", "training", "evaluation", "theory", "report", "sweep", "othello")
INDEX = """# API reference

Each room of the library shows itself by one module, and everything else in it is private. The names
that most programs need are also names of `lengthwise` itself, which is imported as `lw`:

{names}

## Rooms

| room | what it holds |
|---|---|
{rooms}

## Names of the package alone

{own}
"""


def rooms():
    """The folders with a public stub, in the order of the pages."""
    found = [path.parent.name for path in SOURCE.glob("[!_]*/__init__.pyi")]
    return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else 99, name))


def public(stub):
    """The names that a stub exports, with the rooms that they come from."""
    imports = [
        node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)
    ]
    return [(node.module, alias.name) for node in imports for alias in node.names]


def on_config(config, **_):
    """The pages take part in the navigation."""
    pages = ["api/index.md", *({f"lengthwise.{room}": f"api/{room}.md"} for room in rooms())]
    config.nav.append({"API reference": pages})
    return config


def on_files(files, *, config, **_):
    """One page for each room, and their index."""
    for room in rooms():
        names = [name for _, name in public(SOURCE / room / "__init__.pyi")]
        blocks = [f"::: lengthwise.{room}.{name}" for name in names]
        text = "\n\n".join([f"# lengthwise.{room}", _docstring(room), *blocks])
        files.append(File.generated(config, f"api/{room}.md", content=text))
    lines = [f"| [{room}]({room}.md) | {_docstring(room).splitlines()[0]} |" for room in rooms()]
    names = ", ".join(_linked(*found) for found in public(SOURCE / "__init__.pyi"))
    own = [f"::: lengthwise.{name}\n    options: {{heading_level: 3}}" for name in _own()]
    text = INDEX.format(names=names, rooms="\n".join(lines), own="\n\n".join(own))
    files.append(File.generated(config, "api/index.md", content=text))
    return files


def _docstring(room):
    found = ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text()))
    assert found, f"{room}/__init__.py must say what the room holds."
    return found


def _linked(room, name):
    if room.startswith("_"):
        return f"[`{name}`](#lengthwise.{name})"
    return f"[`{name}`]({room}.md#lengthwise.{room}.{name})"


def _own():
    # `_core` has no page: its public names are those of the package.
    return [name for room, name in public(SOURCE / "__init__.pyi") if room.startswith("_")]
