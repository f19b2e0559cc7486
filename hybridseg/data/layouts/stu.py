"""STU: Zhuang et al., PLOS ONE 14(8):e0221535, 2019, doi 10.1371/journal.pone.0221535."""

from .layout import Layout

LAYOUT = Layout(
    name="STU",
    image=r"[Tt]est_[Ii]mage_(?P<key>[0-9]+)",
    mask=r"mask_(?P<key>[0-9]+)",
    facts={"device": "GE Voluson E10"},
    reference=(
        "Z. Zhuang et al., An RDAU-NET model for lesion segmentation in breast ultrasound images, PLOS ONE "
        "14(8):e0221535, 2019, doi 10.1371/journal.pone.0221535."
    ),
)
