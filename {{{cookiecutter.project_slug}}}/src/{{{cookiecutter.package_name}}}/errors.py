"""What can be wrong in a way that trying again does not cure, and how to say so safely."""

import re


class BadInput(ValueError):
    """Something handed in is wrong: a parameter, a period, an address.

    Its message is one sentence that says what is wrong and what to do; it is never retried.
    """


def in_a_line(error: BaseException) -> str:
    """Return what an error says first, behind its type, which is often the better half of it.

    Of bad input, and of a RuntimeError, the sentence is all: it is written for people.
    """
    name = type(error).__name__
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if said and isinstance(error, BadInput | RuntimeError):
        return said
    return f"{name}: {said}" if said else name


def without_passwords(text: str) -> str:
    """Return `text` with what stands before the @ of each address left out."""
    return re.sub(r"//[^/@\s]*@", "//", text)
