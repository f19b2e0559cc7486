"""Parameters by scikit-learn's rules, so that its `clone` and `GridSearchCV` work; scikit-learn isn't needed for it."""

from __future__ import annotations

import copy
import inspect
from typing import Any, Self, TypeVar


class Parameters:
    """Keyword arguments of ``__init__``, stored as given under their own names."""

    @classmethod
    def param_defaults(cls) -> dict[str, Any]:
        """Return the parameters' defaults by name, `inspect.Parameter.empty` where there is none.

        ``**others`` of an ``__init__`` stands for the parameters of the next class's.
        """
        found: dict[str, Any] = {}
        others = ""
        for kind in cls.__mro__[:-1]:
            if "__init__" not in vars(kind):
                continue
            others = ""
            for parameter in list(inspect.signature(vars(kind)["__init__"]).parameters.values())[1:]:
                if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                    others = parameter.name
                else:
                    found.setdefault(parameter.name, parameter.default)
            if not others:
                break
        if others:
            raise TypeError(f"{cls.__name__}.__init__ must name its parameters, got *{others}")
        return found

    @classmethod
    def param_names(cls) -> list[str]:
        """Return the parameters' names, sorted."""
        return sorted(cls.param_defaults())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with ``deep``, those of nested objects too, as ``outer__inner``."""
        params: dict[str, Any] = {}
        for name in self.param_names():
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
        known = self.param_names()
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
        defaults = self.param_defaults()
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if repr(value) != repr(defaults[name])
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_tags__(self) -> Any:
        """Let scikit-learn's model selection accept a segmenter (imports scikit-learn when asked)."""
        from sklearn.utils import Tags as SklearnTags
        from sklearn.utils import TargetTags

        return SklearnTags(estimator_type=None, target_tags=TargetTags(required=True))


Method = TypeVar("Method", bound=Parameters)


def clone(segmenter: Method) -> Method:
    """Return an unfitted copy with equal parameters, which it shares with nobody."""
    return type(segmenter)(**{name: _clone_value(value) for name, value in segmenter.get_params(deep=False).items()})


def _clone_value(value: Any) -> Any:
    if isinstance(value, Parameters):
        return clone(value)
    if hasattr(value, "__sklearn_clone__") and not isinstance(value, type):
        return value.__sklearn_clone__()
    return copy.deepcopy(value)
