"""What a record says of where it was made."""

import importlib.metadata

from lengthwise._core import provenance


def test_a_package_without_metadata_costs_no_run(monkeypatch):
    known = importlib.metadata.version

    def version(name):
        if name == "lengthwise":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    versions = provenance()["versions"]
    assert versions["lengthwise"] is None
    assert versions["jax"] == known("jax")
