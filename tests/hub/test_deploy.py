"""The files in deploy/ and the page about them: their form, and what they say of this package."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import yaml

from sam2_widget.models.checkpoints import HUB_IDS
from sam2_widget.resources import ENVIRONMENT, Resources

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "administrators.md").read_text(encoding="utf-8")
VALUES = yaml.safe_load((DEPLOY / "zero-to-jupyterhub" / "values.yaml").read_text(encoding="utf-8"))


def closed(properties, **more):
    """An object that has these keys and no others: the chart refuses keys that it does not know."""
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


TEXT, YES, NUMBER = {"type": "string"}, {"type": "boolean"}, {"type": "number", "minimum": 0}
TEXTS = {"type": "object", "additionalProperties": TEXT}
SIZE = {"type": "string", "pattern": r"^\d+(\.\d+)?[KMGT]$"}
AMOUNT = closed({"guarantee": {"anyOf": [SIZE, NUMBER]}, "limit": {"anyOf": [SIZE, NUMBER]}})
ENABLED = closed({"enabled": YES})
OVERRIDE = closed(
    {
        "cpu_limit": NUMBER,
        "mem_guarantee": SIZE,
        "mem_limit": SIZE,
        "extra_resource_limits": TEXTS,
        "environment": TEXTS,
        "tolerations": {"type": "array", "items": TEXTS},
    }
)
PROFILE = closed(
    {
        "display_name": TEXT,
        "description": TEXT,
        "slug": TEXT,
        "default": YES,
        "kubespawner_override": OVERRIDE,
    },
    required=["display_name", "slug"],
)
# Of the chart's schema.yaml, and of KubeSpawner's traits, what is used here.
CHART = closed(
    {
        "hub": closed({"config": {"type": "object"}, "networkPolicy": ENABLED}),
        "singleuser": closed(
            {
                "image": closed({"name": TEXT, "tag": TEXT, "pullPolicy": TEXT}),
                "startTimeout": {"type": "integer"},
                "defaultUrl": TEXT,
                "memory": AMOUNT,
                "cpu": AMOUNT,
                "extraEnv": TEXTS,
                "cmd": {"type": "array", "items": TEXT},
                "storage": closed(
                    {
                        "capacity": TEXT,
                        "extraVolumes": {"type": "array", "items": {"type": "object"}},
                        "extraVolumeMounts": {"type": "array", "items": {"type": "object"}},
                    }
                ),
                "profileList": {"type": "array", "items": PROFILE},
            }
        ),
        "prePuller": closed({"hook": ENABLED, "continuous": ENABLED}),
        "cull": closed({"enabled": YES, "timeout": NUMBER, "every": NUMBER}),
    }
)


def test_the_values_have_the_form_that_the_chart_asks_for():
    jsonschema.validate(VALUES, CHART)
    profiles = VALUES["singleuser"]["profileList"]
    assert [p["slug"] for p in profiles if p.get("default")] == ["cpu"]
    assert len({p["slug"] for p in profiles}) == len(profiles)
    overrides = [p.get("kubespawner_override", {}) for p in profiles]
    gpus = [name for o in overrides for name in o.get("extra_resource_limits", {})]
    assert gpus == ["nvidia.com/gpu.shared", "nvidia.com/gpu"]


def test_models_are_mounted_read_only_where_they_are_looked_for():
    user = VALUES["singleuser"]
    storage = user["storage"]
    volume = next(v for v in storage["extraVolumes"] if v["name"] == "models")
    mount = next(v for v in storage["extraVolumeMounts"] if v["name"] == "models")
    assert volume["persistentVolumeClaim"]["readOnly"] is True
    assert mount["readOnly"] is True
    assert mount["mountPath"] == user["extraEnv"]["HF_HOME"]
    assert user["extraEnv"]["HF_HUB_OFFLINE"] == "1"


def test_the_dockerfile_passes_its_linter():
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [linter, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "USER 1000" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [field.name for field in fields(Resources)])
def test_every_setting_is_explained(name):
    assert f"`{ENVIRONMENT}{name.upper()}`" in PAGE


def test_settings_that_are_used_exist():
    used = {name for name in VALUES["singleuser"]["extraEnv"] if name.startswith(ENVIRONMENT)}
    for profile in VALUES["singleuser"]["profileList"]:
        used |= set(profile.get("kubespawner_override", {}).get("environment", {}))
    assert used
    assert used <= {ENVIRONMENT + field.name.upper() for field in fields(Resources)}


def test_every_model_has_its_size():
    for name, hub_id in HUB_IDS.items():
        assert re.search(rf"`{name}` \| `{hub_id}` \| \d+ MB", PAGE), name
