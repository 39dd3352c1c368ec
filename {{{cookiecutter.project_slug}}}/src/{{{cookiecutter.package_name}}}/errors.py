"""What can be wrong in a way that trying again does not cure."""


class BadInput(ValueError):
    """Something handed in is wrong: a parameter, a period, an address.

    Its message is one sentence that says what is wrong and what to do; it is never retried.
    """
