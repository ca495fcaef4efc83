"""A job with a secret, and what the cells of a run printed."""

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from daybook.runs import Run, open_runs


def written(parameters: str, code: str) -> str:
    """Write a notebook that imports SecretStr before its parameters; returns the job's name."""
    cells = [new_code_cell("from pydantic import SecretStr"), new_code_cell(parameters), new_code_cell(code)]
    cells[1].metadata["tags"] = ["parameters"]
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "python3", "language": "python"}
    nbformat.write(notebook, "nbs/02_secrets.ipynb")
    return "secrets"


def outputs(made: Run) -> str:
    """What the cells of a run printed."""
    notebook = nbformat.read(open_runs().url(f"{made.path}/notebook.ipynb"), as_version=4)
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
