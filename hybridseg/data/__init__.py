"""Cases and datasets, readers, phantoms, near-duplicates and splits. Names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_LAZY = {
    "Case": "cases",
    "CaseReader": "streaming",
    "Crossing": "crossing",
    "DataError": "cases",
    "DataWarning": "cases",
    "Dataset": "cases",
    "FileCase": "files",
    "Matches": "predictions",
    "Training": "crossing",
    "choose_data": "crossing",
    "load_sources": "crossing",
    "one_source": "crossing",
    "parse_sources": "crossing",
    "join_datasets": "cases",
    "load_dataset": "readers",
    "load_truth": "predictions",
    "match_folds": "predictions",
    "match_predictions": "predictions",
    "read_prediction": "predictions",
    "Inventory": "inventory",
    "take_inventory": "inventory",
    "Fold": "splits",
    "LeakReport": "splits",
    "Split": "splits",
    "busi_split": "splits",
    "check_split": "splits",
    "grouped_folds": "splits",
    "published_folds": "splits",
    "read_split": "splits",
    "write_split": "splits",
}
__all__ = [
    "Case",
    "CaseReader",
    "Crossing",
    "DataError",
    "DataWarning",
    "Dataset",
    "FileCase",
    "Fold",
    "Inventory",
    "LeakReport",
    "Matches",
    "Split",
    "Training",
    "busi_split",
    "check_split",
    "choose_data",
    "grouped_folds",
    "join_datasets",
    "load_dataset",
    "load_sources",
    "load_truth",
    "match_folds",
    "match_predictions",
    "one_source",
    "parse_sources",
    "published_folds",
    "read_prediction",
    "read_split",
    "take_inventory",
    "write_split",
]

if TYPE_CHECKING:
    from .cases import Case, DataError, Dataset, DataWarning, join_datasets
    from .crossing import Crossing, Training, choose_data, load_sources, one_source, parse_sources
    from .files import FileCase
    from .inventory import Inventory, take_inventory
    from .predictions import Matches, load_truth, match_folds, match_predictions, read_prediction
    from .readers import load_dataset
    from .splits import (
        Fold,
        LeakReport,
        Split,
        busi_split,
        check_split,
        grouped_folds,
        published_folds,
        read_split,
        write_split,
    )
    from .streaming import CaseReader


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
