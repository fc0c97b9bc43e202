"""The pages people read; some are generated from the code, see `generate`."""
