"""BUS-BRA: Gomez-Flores et al., Medical Physics 51(4):3110-3123, 2024, doi 10.1002/mp.16812."""

from .layout import FoldFile, Layout, Table

LAYOUT = Layout(
    name="BUS-BRA",
    image=r"Images/bus_(?P<key>(?P<patient>[0-9]+)-[a-z])",
    mask=r"Masks/mask_(?P<key>[0-9]+-[a-z])",
    table=Table(
        file="bus_data.csv",
        key="ID",
        patient="Case",
        label="Pathology",
        facts={"device": "Device", "birads": "BIRADS", "histology": "Histology", "side": "Side"},
    ),
    folds={n: FoldFile(f"{n}-fold-cv.csv", key="ID", fold="kFold") for n in (5, 10)},
    reference=(
        "W. Gómez-Flores, M. J. Gregorio-Calas, W. Coelho de Albuquerque Pereira, BUS-BRA: A breast "
        "ultrasound dataset for assessing computer-aided diagnosis systems, Medical Physics 51(4):3110-3123, "
        "2024, doi 10.1002/mp.16812."
    ),
)
