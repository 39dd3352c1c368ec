"""A pipeline that trains, judges and releases a model on a schedule."""

import logging
import os

# The steps say at this level what they read, wrote and decided.
logging.getLogger(__name__).setLevel(logging.INFO)

# Threads of scikit-learn's fit spin while they wait for each other, with GNU's OpenMP for ever so
# long: where several processes share the cores, a fit then takes ten times as long. A little is
# enough. It is read when the library is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "500")
