"""The machinery of a Daybook project: it knows no project; the template's updates replace it."""

__version__ = "0.3.0.dev0"
