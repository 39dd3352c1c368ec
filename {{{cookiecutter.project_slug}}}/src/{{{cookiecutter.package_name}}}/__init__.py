"""A pipeline that trains, judges and releases a model on a schedule."""

import logging

# The steps say at this level what they read, wrote and decided.
logging.getLogger(__name__).setLevel(logging.INFO)
