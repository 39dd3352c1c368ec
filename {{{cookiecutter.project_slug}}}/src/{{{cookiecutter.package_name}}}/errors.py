"""What can be wrong in a way that trying again does not cure, and how to say so safely."""

import re


class BadInput(ValueError):
    """Something handed in is wrong: a parameter, a period, an address.

    Its message is one sentence that says what is wrong and what to do; it is never retried.
    """


def without_passwords(text: str) -> str:
    """Return `text` with what stands before the @ of each address left out."""
    return re.sub(r"//[^/@\s]*@", "//", text)
