"""BrEaST, or Breast-Lesions-USG: Pawlowska et al., Scientific Data 11:148, 2024, doi 10.7937/9WKK-Q141."""

from .layout import Layout, Table

LAYOUT = Layout(
    name="BrEaST",
    image=r"(?P<key>case[0-9]{3})",
    mask=r"(?P<key>case[0-9]{3})_tumor[0-9]*",
    other=r"case[0-9]{3}_other[0-9]*",  # ribs, walls of cysts and the like
    table=Table(
        file="*.xlsx",
        key="Image_filename",
        label="Classification",
        facts={
            "spacing_cm": "Pixel_size",
            "birads": "BIRADS",
            "histology": "Diagnosis",
            "verification": "Verification",
        },
        needed=False,
    ),
    on_black=True,
    reference=(
        "A. Pawłowska et al., Curated benchmark dataset for ultrasound based breast lesion analysis, "
        "Scientific Data 11:148, 2024, doi 10.7937/9WKK-Q141."
    ),
)
