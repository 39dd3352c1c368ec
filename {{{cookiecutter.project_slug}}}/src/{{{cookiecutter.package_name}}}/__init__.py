"""A pipeline that trains, evaluates and releases a model on a schedule.

The modules here are the team's: what is predicted, from which data, with which model, and what
counts as better. The package `runtime` is the template's: all else.
"""
