"""The page of the tutorial: its notebook with the outputs that are stored in it.

python docs/hooks/notebook.py        # run the notebook and store its outputs, after a change
"""

import pathlib

import nbformat
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor


NOTEBOOK = pathlib.Path(__file__).parents[1] / "tutorial.ipynb"
CAPTION = "The figure that the block above draws"


def on_files(files, *, config, **_):
    """The notebook as a page, its figures as files."""
    from mkdocs.structure.files import File

    files.remove(files.get_file_from_path("tutorial.ipynb"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    body, resources = MarkdownExporter().from_notebook_node(notebook)
    for name, image in resources["outputs"].items():
        path = f"figures/tutorial_{name}"
        body = body.replace(f"![png]({name})", f"![{CAPTION}]({path})")
        files.append(File.generated(config, path, content=image))
    files.append(File.generated(config, "tutorial.md", content=body))
    return files


def store():
    """Run the notebook, and keep of each output what is shown."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    about = dict(notebook.metadata)
    runner = ExecutePreprocessor(timeout=600, kernel_name="python3")
    runner.preprocess(notebook, {"metadata": {"path": str(NOTEBOOK.parent)}})
    notebook.metadata = about  # without the versions of this machine
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it was run
        for output in cell.get("outputs", []):
            if len(output.get("data", {})) > 1:
                output.data.pop("text/plain")
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    store()
