"""The page of the tutorial: its notebook with the outputs that are stored in it.

After a change, `jupyter nbconvert --execute --inplace docs/tutorial.ipynb` (of the environment that
`make docs` makes) stores new ones.
"""

import pathlib

import nbformat
from mkdocs.structure.files import File
from nbconvert import MarkdownExporter


NOTEBOOK = pathlib.Path(__file__).parents[1] / "tutorial.ipynb"


def on_files(files, *, config, **_):
    """The notebook as a page, its figures as files."""
    files.remove(files.get_file_from_path("tutorial.ipynb"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    body, resources = MarkdownExporter().from_notebook_node(notebook)
    for name, image in resources["outputs"].items():
        body = body.replace(f"![png]({name})", f"![The figure that the block above draws]({name})")
        files.append(File.generated(config, name, content=image))
    files.append(File.generated(config, "tutorial.md", content=body))
    return files
