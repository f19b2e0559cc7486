"""The checks that `hybridseg.checks` runs: one function per promise of the contract.

Each takes a `Subject`, and raises AssertionError with one line that says what was promised and what happened.
"""

from __future__ import annotations

from collections.abc import Callable

from . import files, fitting, parameters, predicting
from .subject import SkipCheck, Subject

__all__ = ["CHECKS", "SLOW_CHECKS", "SkipCheck", "Subject"]

CHECKS: tuple[Callable[[Subject], None], ...] = (
    parameters.check_init_stores_parameters,
    parameters.check_get_and_set_params,
    parameters.check_tags,
    fitting.check_requires_fit_as_declared,
    fitting.check_fit_returns_self,
    fitting.check_fit_keeps_inputs,
    fitting.check_fit_keeps_parameters,
    fitting.check_fit_takes_groups_and_validation,
    fitting.check_fit_without_lesions,
    fitting.check_fit_single_image,
    fitting.check_fit_refuses_bad_sets,
    fitting.check_fit_repeats,
    fitting.check_fit_reports_progress_in_range,
    fitting.check_is_quiet,
    fitting.check_leaves_global_randomness_alone,
    fitting.check_keeps_the_working_folder,
    parameters.check_clone,
    parameters.check_sklearn_clone,
    predicting.check_deepcopy,
    predicting.check_probability,
    predicting.check_mask,
    predicting.check_predict_keeps_image,
    predicting.check_predict_repeats,
    predicting.check_predict_refuses_bad_images,
    predicting.check_memory_layout,
    predicting.check_threads,
    files.check_save_and_load,
    files.check_save_keeps_parameters,
    files.check_saved_bytes,
    files.check_load_refuses_other_files,
    files.check_export_reason,
)
SLOW_CHECKS: tuple[Callable[[Subject], None], ...] = (files.check_onnx_export,)
