"""docs/openapi.json is what a public validator takes for OpenAPI 3.1, and its examples are what its schemas allow."""
import json
import os
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(HERE, "..", "..", "..", "docs", "openapi.json")


def test_document_is_valid(tmp_path):
    if not (shutil.which("npm") and shutil.which("node")):
        assert os.environ.get("CI") != "true", "node or npm is missing; in CI nothing is skipped"
        pytest.skip("NOT TESTED: node or npm is missing")
    for name in ("package.json", "package-lock.json", "validate.mjs"):
        shutil.copy(os.path.join(HERE, name), tmp_path)
    # The directory is the project: nothing is installed for others.
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(["node", "validate.mjs", os.path.abspath(DOCUMENT)], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stdout[:5000] + done.stderr[:2000]
    assert done.stdout.strip() == "valid OpenAPI 3.1"


def test_operation_ids_are_unique():
    with open(DOCUMENT, encoding="utf-8") as f:
        paths = json.load(f)["paths"]
    ids = [operation["operationId"] for item in paths.values() for operation in item.values()]
    assert len(ids) == len(set(ids))
