"""The version of this package, which its metadata is read from."""

__version__ = "0.1.0"
