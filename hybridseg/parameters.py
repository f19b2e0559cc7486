"""Parameters by scikit-learn's rules, so that its `clone` and `GridSearchCV` work; scikit-learn isn't needed for it."""

from __future__ import annotations

import copy
import inspect
from typing import Any, Self, TypeVar


class Parameters:
    """Keyword arguments of ``__init__``, stored as given under their own names."""

    @classmethod
    def _param_names(cls) -> list[str]:
        init = cls.__init__
        if init is object.__init__:
            return []
        parameters = list(inspect.signature(init).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(f"{cls.__name__}.__init__ must name its parameters, got *{parameter.name}")
        return sorted(parameter.name for parameter in parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with ``deep``, those of nested objects too, as ``outer__inner``."""
        params: dict[str, Any] = {}
        for name in self._param_names():
            value = getattr(self, name)
            params[name] = value
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                params.update({f"{name}__{key}": inner for key, inner in value.get_params().items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name (``outer__inner`` reaches into a nested object) and return self.

        Raises
        ------
        ValueError
            If a name isn't a parameter; the message lists the known ones and the nearest.
        """
        known = self._param_names()
        for name in params:
            outer = name.partition("__")[0]
            if outer not in known:
                import difflib

                close = difflib.get_close_matches(outer, known, n=1)
                hint = f"; did you mean `{close[0]}`?" if close else ""
                mine = ", ".join(known) or "none"
                raise ValueError(f"`{outer}` is not a parameter of {type(self).__name__}; known: {mine}{hint}")
        nested: dict[str, dict[str, Any]] = {}
        for name, value in params.items():
            outer, _, inner = name.partition("__")
            if inner:
                nested.setdefault(outer, {})[inner] = value
            else:
                setattr(self, outer, value)
        for outer, inner_params in nested.items():
            owner = getattr(self, outer)
            if not hasattr(owner, "set_params"):
                raise ValueError(f"`{outer}` has no parameters of its own, it is {owner!r}")
            owner.set_params(**inner_params)
        return self

    def __repr__(self) -> str:
        signature = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if repr(value) != repr(signature[name].default)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __sklearn_tags__(self) -> Any:
        """Let scikit-learn's model selection accept a segmenter (imports scikit-learn when asked)."""
        from sklearn.utils import Tags as SklearnTags
        from sklearn.utils import TargetTags

        return SklearnTags(estimator_type=None, target_tags=TargetTags(required=True))


Method = TypeVar("Method", bound=Parameters)


def clone(segmenter: Method) -> Method:
    """Return an unfitted copy with equal parameters, which it shares with nobody."""
    return type(segmenter)(
        **{name: _clone_value(value) for name, value in segmenter.get_params(deep=False).items()}
    )


def _clone_value(value: Any) -> Any:
    if isinstance(value, Parameters):
        return clone(value)
    if hasattr(value, "__sklearn_clone__") and not isinstance(value, type):
        return value.__sklearn_clone__()
    return copy.deepcopy(value)
