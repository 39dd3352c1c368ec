"""A pipeline that trains, judges and releases a model on a schedule."""

import logging
import os

# The steps say at this level what they read, wrote and decided.
logging.getLogger(__name__).setLevel(logging.INFO)

# Threads of scikit-learn's that wait for each other spin by default; where several processes share
# the cores, a fit then takes ten times as long. It is read when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
