"""UDIAT, or Dataset B: Yap et al., IEEE JBHI 22(4):1218-1226, 2018, doi 10.1109/JBHI.2017.2731873."""

from .layout import Layout

LAYOUT = Layout(
    name="UDIAT",
    image=r"original/(?P<key>[0-9]{6})",
    mask=r"GT/(?P<key>[0-9]{6})",
    facts={"device": "Siemens ACUSON Sequoia C512"},
    reference=(
        "M. H. Yap et al., Automated breast ultrasound lesions detection using convolutional neural networks, "
        "IEEE Journal of Biomedical and Health Informatics 22(4):1218-1226, 2018, doi "
        "10.1109/JBHI.2017.2731873."
    ),
)
