"""The version, in a file of its own: whoever writes it into a file needs nothing else of the package."""

__version__ = "0.2.0"
