"""Training networks: sampling, augmentation, loss, operating point, conversion. Knows no network by name."""

import os

from ..files import user_cache

# Keras writes a file into the home folder when it is imported, and so does matplotlib, which Keras imports. Where they
# have no place of their own there yet, they get one in hybridseg's cache.
for _variable, _usual in (("KERAS_HOME", "~/.keras"), ("MPLCONFIGDIR", "~/.config/matplotlib")):
    if os.path.isdir(os.path.expanduser("~")) and not os.path.isdir(os.path.expanduser(_usual)):
        os.environ.setdefault(_variable, str(user_cache() / _variable.lower()))
