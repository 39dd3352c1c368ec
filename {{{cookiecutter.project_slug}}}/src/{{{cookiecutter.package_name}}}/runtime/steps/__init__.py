"""The steps of the pipeline, one module each: plain functions that do not know who runs them."""
