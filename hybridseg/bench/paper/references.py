"""The references of a paper. The run recorded those of methods and data. Those of statistics and metrics are here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ...version import __version__

KNOWN = {
    "hybridseg": f"The hybridseg authors, hybridseg: lesions in breast-ultrasound images, version {__version__}, 2026.",
    "maierhein2024": "L. Maier-Hein, A. Reinke et al., Metrics reloaded: recommendations for image analysis "
    "validation, Nature Methods 21:195-212, 2024, doi 10.1038/s41592-023-02151-z.",
    "nikolov2021": "S. Nikolov et al., Clinically applicable segmentation of head and neck anatomy for radiotherapy, "
    "Journal of Medical Internet Research 23(7):e26151, 2021, doi 10.2196/26151.",
    "cheng2021": "B. Cheng et al., Boundary IoU: improving object-centric image segmentation evaluation, CVPR "
    "2021, doi 10.1109/CVPR46437.2021.01508.",
    "efron1979": "B. Efron, Bootstrap methods: another look at the jackknife, The Annals of Statistics 7(1):1-26, "
    "1979, doi 10.1214/aos/1176344552.",
    "hesterberg2015": "T. Hesterberg, What teachers should know about the bootstrap, The American Statistician "
    "69(4):371-386, 2015, doi 10.1080/00031305.2015.1089789.",
    "phipson2010": "B. Phipson, G. Smyth, Permutation p-values should never be zero, Statistical Applications in "
    "Genetics and Molecular Biology 9(1):39, 2010, doi 10.2202/1544-6115.1585.",
    "holm1979": "S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics "
    "6(2):65-70, 1979.",
    "wilson1927": "E. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the "
    "American Statistical Association 22(158):209-212, 1927, doi 10.1080/01621459.1927.10502953.",
    "christodoulou2025": "E. Christodoulou et al., False promises in medical imaging AI? Assessing validity of "
    "outperformance claims, 2025, arXiv:2505.04720.",
    "bland1986": "J. Bland, D. Altman, Statistical methods for assessing agreement between two methods of clinical "
    "measurement, The Lancet 327(8476):307-310, 1986, doi 10.1016/S0140-6736(86)90837-8.",
    "tejani2024": "A. Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 update, "
    "Radiology: Artificial Intelligence 6(4):e240300, 2024, doi 10.1148/ryai.240300.",
    "collins2024": "G. Collins et al., TRIPOD+AI statement: updated guidance for reporting clinical prediction models "
    "that use regression or machine learning methods, BMJ 385:e078378, 2024, doi 10.1136/bmj-2023-078378.",
}


class Library:
    """References by key; what a run cites as text gets a key of its first author's name and its year."""

    def __init__(self) -> None:
        self.entries = dict(KNOWN)

    def keys(self, references: Iterable[str]) -> str:
        """Return ``[@key,key]`` for texts of a run, or nothing where there is none."""
        found = [self._key(text) for text in references]
        return f" [@{','.join(found)}]" if found else ""

    def _key(self, text: str) -> str:
        known = next((key for key, entry in self.entries.items() if entry == text), None)
        if known is not None:
            return known
        words = re.findall(r"[^\W\d_](?:[\w'’-]*[^\W_])", text)
        surname = unicodedata.normalize("NFKD", words[0] if words else "reference")
        years = re.findall(r"\b(?:19|20)\d\d\b", text.partition("doi ")[0])
        stem = re.sub(r"[^a-z]", "", surname.lower()) + (years[-1] if years else "")
        numbered = (f"{stem}-{number}" for number in range(2, len(self.entries) + 3))
        key = next(key for key in (stem, *numbered) if key not in self.entries)
        self.entries[key] = text
        return key

    def bibtex(self, keys: Iterable[str]) -> str:
        """Return entries of BibTeX: the whole text as it is printed, with year and DOI as fields beside it."""
        return "\n".join(_entry(key, self.entries[key]) for key in keys)


def _entry(key: str, text: str) -> str:
    doi, arxiv = re.search(r"\bdoi (\S+?)[.,;]?(?=\s|$)", text), re.search(r"\barXiv:([\d.]+\d)", text)
    years = re.findall(r"\b(?:19|20)\d\d\b", text.partition("doi ")[0])
    fields = [("note", re.sub(r"([{}#$%&_~^\\])", r"\\\1", text))]
    fields += [("year", years[-1])] if years else []
    fields += [("doi", doi[1])] if doi else []
    fields += [("eprint", arxiv[1]), ("archiveprefix", "arXiv")] if arxiv else []
    return f"@misc{{{key},\n" + "".join(f"  {name} = {{{value}}},\n" for name, value in fields) + "}\n"
