"""The steps of the pipeline, one file each: plain functions that do not know who runs them."""
