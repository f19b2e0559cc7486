"""A run as the methods and results of a paper: LaTeX, Markdown, BibTeX, figures, and what only the author can fill."""

from __future__ import annotations

from .make import write_paper

__all__ = ["write_paper"]
