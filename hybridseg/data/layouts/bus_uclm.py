"""BUS-UCLM: Vallez et al., Scientific Data 12:242, 2025, doi 10.17632/7fvgj4jsp7."""

from .layout import Layout, Table

LAYOUT = Layout(
    name="BUS-UCLM",
    image=r"images/(?P<key>(?P<patient>[A-Z]{4})_[0-9]{3})",
    mask=r"masks/(?P<key>[A-Z]{4}_[0-9]{3})",
    table=Table(
        file="INFO.csv",
        key="Image",
        label="Label",
        facts={"doppler": "Doppler", "marks": "Marks", "combined": "Combined"},
        delimiter=";",
    ),
    facts={"device": "Siemens ACUSON S2000"},
    other_sizes=True,  # 13 masks of patient HESN in the full release
    reference=(
        "N. Vallez et al., BUS-UCLM: Breast ultrasound lesion segmentation dataset, Scientific Data 12:242, "
        "2025, doi 10.17632/7fvgj4jsp7."
    ),
)
