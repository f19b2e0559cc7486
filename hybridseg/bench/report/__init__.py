"""A run as something to read: one HTML page that needs no network, Markdown, LaTeX, CSV, JSON, of the same content."""

from __future__ import annotations

from .fragment import latex_table
from .make import FORMATS, make_report, render_report

__all__ = ["FORMATS", "latex_table", "make_report", "render_report"]
