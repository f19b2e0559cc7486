"""BUSI: Al-Dhabyani et al., Data in Brief 28:104863, 2020, doi 10.1016/j.dib.2019.104863."""

from .layout import Layout

_CASE = r"(?P<label>benign|malignant|normal)/(?P<key>(?P=label) \([0-9]+\))"

LAYOUT = Layout(
    name="BUSI",
    image=_CASE,
    mask=rf"{_CASE}_mask(?:_[0-9]+)?",
    reference=(
        "W. Al-Dhabyani, M. Gomaa, H. Khaled, A. Fahmy, Dataset of breast ultrasound images, Data in Brief "
        "28:104863, 2020, doi 10.1016/j.dib.2019.104863."
    ),
)
