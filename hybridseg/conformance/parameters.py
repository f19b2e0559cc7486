"""Checks of parameters, clones and tags."""

from __future__ import annotations

import importlib.util
import inspect

from ..parameters import clone
from ..segmenter import Tags
from .subject import SkipCheck, Subject, raises, require, require_same_params


def check_init_stores_parameters(subject: Subject) -> None:
    """``__init__`` stores what it is given, untouched, and does nothing else: no check, no conversion."""
    kind = type(subject.prototype)
    names = kind.param_names()
    for name, default in kind.param_defaults().items():
        require(default is not inspect.Parameter.empty, f"parameter `{name}` must have a default")
    given = {name: object() for name in names}
    made = kind(**given)
    for name, value in given.items():
        require(getattr(made, name, None) is value, f"__init__ must store `{name}` as given, under its name")
    extra = sorted(set(vars(made)) - set(names))
    require(not extra, f"__init__ must store its parameters only, it also sets {', '.join(extra)}")


def check_get_and_set_params(subject: Subject) -> None:
    """``set_params(**get_params())`` changes nothing; any parameter can be set, an unknown one is refused."""
    model = subject.new()
    params = model.get_params(deep=False)
    complete = sorted(params) == type(model).param_names()
    require(complete, f"get_params must name all parameters, got {sorted(params)}")
    require(model.set_params(**params) is model, "set_params must return self")
    for name in params:
        value = object()
        model.set_params(**{name: value})
        require(model.get_params(deep=False)[name] is value, f"set_params must set `{name}`")
    with raises(ValueError, "no_such_parameter", "set_params with an unknown name"):
        model.set_params(no_such_parameter=1)


def check_clone(subject: Subject) -> None:
    """A clone has equal parameters and nothing learned."""
    copied = clone(subject.fitted)
    same_class = type(copied) is type(subject.prototype)
    require(same_class, f"clone must keep the class, got {type(copied).__name__}")
    require_same_params(copied, subject.prototype, "a clone")
    learned = sorted(copied._state())
    require(not learned, f"a clone must be unfitted, it has {', '.join(learned)}")


def check_sklearn_clone(subject: Subject) -> None:
    """``sklearn.base.clone`` accepts the method."""
    if importlib.util.find_spec("sklearn") is None:
        raise SkipCheck("scikit-learn is not installed")
    from sklearn.base import clone as sklearn_clone

    copied = sklearn_clone(subject.prototype)
    require(type(copied) is type(subject.prototype), "sklearn.base.clone must keep the class")
    require_same_params(copied, subject.prototype, "sklearn.base.clone")


def check_tags(subject: Subject) -> None:
    """Tags are declared, and whoever can't export says why."""
    tags = subject.prototype.tags
    require(isinstance(tags, Tags), f"`tags` must be hybridseg.Tags, got {type(tags).__name__}")
    explained = tags.exportable or bool(tags.export_reason)
    require(explained, "`tags.export_reason` must say why the method can't be exported")
