"""Stubs of `proto/rialto/v1`, made by `make python-generate`. Not to be changed by hand."""
