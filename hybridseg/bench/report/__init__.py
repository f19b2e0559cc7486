"""A run as something to read: one HTML page that needs no network, Markdown, LaTeX, CSV, JSON, of the same content."""

from __future__ import annotations

from .make import FORMATS, make_report, render_report

__all__ = ["FORMATS", "make_report", "render_report"]
