"""Renders recipe.yaml as conda-forge's builder does, and prints the packages that it would make."""

from __future__ import annotations

from pathlib import Path

from rattler_build import Stage0Recipe, VariantConfig

OLDEST_PYTHON = "3.10"  # what conda-forge pins python_min to

UNKNOWN_HASH = "0" * 64

text = Path(__file__).with_name("recipe.yaml").read_text(encoding="utf-8")
recipe = Stage0Recipe.from_yaml(text)
for variant in recipe.render(VariantConfig({"python_min": [OLDEST_PYTHON]})):
    print(variant)
if UNKNOWN_HASH in text:
    print("sha256 in recipe.yaml is still to be filled in, after the upload: see docs/releasing.md")
