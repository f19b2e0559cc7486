"""Print the oldest versions that setup.cfg allows, as constraints for pip."""

import configparser
import re
from pathlib import Path

setup = configparser.ConfigParser()
setup.read(Path(__file__).parents[1] / "setup.cfg", "utf-8")
lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
for name, version in re.findall(r"^([\w-]+)>=([\d.]+)", "\n".join(lists), re.MULTILINE):
    print(f"{name}=={version}")
