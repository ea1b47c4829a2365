"""The files in deploy/ and their page in the docs: their form and consistency with the package."""

import re
import subprocess
import sys
from dataclasses import fields
from importlib.metadata import entry_points, requires
from pathlib import Path

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sam2_widget.config import ENVIRONMENT, Resources
from sam2_widget.models.published import HUB_IDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "administrators.md").read_text(encoding="utf-8")
VALUES = yaml.safe_load((DEPLOY / "zero-to-jupyterhub" / "values.yaml").read_text(encoding="utf-8"))


def closed(properties, **more):
    """A schema of an object with only these keys: the chart refuses unknown keys."""
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


TEXT, YES, NUMBER = {"type": "string"}, {"type": "boolean"}, {"type": "number", "minimum": 0}
WHOLE = {"type": "integer", "minimum": 1}
EGRESS = dict.fromkeys(
    (
        *("cloudMetadataServer", "nonPrivateIPs", "privateIPs"),
        *("dnsPortsCloudMetadataServer", "dnsPortsKubeSystemNamespace", "dnsPortsPrivateIPs"),
    ),
    YES,
)
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
# The parts of the chart's schema.yaml, and of KubeSpawner's traits, that are used here.
CHART = closed(
    {
        "hub": closed(
            {
                "config": {"type": "object"},
                "networkPolicy": ENABLED,
                "activeServerLimit": WHOLE,
                "concurrentSpawnLimit": WHOLE,
            }
        ),
        "proxy": closed(
            {
                "https": closed(
                    {
                        "enabled": YES,
                        "hosts": {"type": "array", "items": TEXT},
                        "type": {"enum": ["", "letsencrypt", "manual", "offload", "secret"]},
                        "letsencrypt": closed({"contactEmail": TEXT}),
                    }
                )
            }
        ),
        "singleuser": closed(
            {
                "image": closed({"name": TEXT, "tag": TEXT, "pullPolicy": TEXT}),
                "startTimeout": WHOLE,
                "uid": WHOLE,
                "allowPrivilegeEscalation": YES,
                "networkPolicy": closed({"enabled": YES, "egressAllowRules": closed(EGRESS)}),
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
        "cull": closed({"enabled": YES, "timeout": NUMBER, "every": NUMBER, "maxAge": NUMBER}),
    }
)


def test_the_values_fit_the_schema_of_the_chart():
    jsonschema.validate(VALUES, CHART)
    profiles = VALUES["singleuser"]["profileList"]
    assert [p["slug"] for p in profiles if p.get("default")] == ["cpu"]
    assert len({p["slug"] for p in profiles}) == len(profiles)
    overrides = [p.get("kubespawner_override", {}) for p in profiles]
    gpus = [name for o in overrides for name in o.get("extra_resource_limits", {})]
    assert gpus == ["nvidia.com/gpu.shared", "nvidia.com/gpu"]


def test_the_values_allow_nobody_to_log_in_by_default():
    hub, user = VALUES["hub"], VALUES["singleuser"]
    assert hub["config"]["JupyterHub"]["authenticator_class"] == "null"
    # The name of JupyterHub's own authenticator with which nobody can log in.
    assert entry_point("null") == "jupyterhub.auth:NullAuthenticator"
    assert VALUES["proxy"]["https"]["enabled"] is True
    allowed = {name for name, on in user["networkPolicy"]["egressAllowRules"].items() if on}
    assert user["networkPolicy"]["enabled"] is True
    assert all(name.startswith("dns") for name in allowed)
    assert user["networkPolicy"]["egressAllowRules"].keys() == EGRESS.keys()
    assert user["allowPrivilegeEscalation"] is False
    assert user["uid"] == 1000
    assert hub["activeServerLimit"] == 100
    assert VALUES["cull"]["maxAge"] == 24 * 3600


def entry_point(name):
    (found,) = entry_points(group="jupyterhub.authenticators", name=name)
    return found.value


DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE))


def test_the_base_images_of_the_dockerfile_are_pinned_by_digest():
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?", INSTRUCTIONS, re.MULTILINE)
    images = [image for image, _ in stages if image not in {name for _, name in stages}]
    assert len(images) == 2
    for image in images:
        assert re.fullmatch(r"docker\.io/[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)


def test_the_dockerfile_installs_by_hash_and_ends_without_root():
    installs = re.findall(r"pip install [^&\n]*", INSTRUCTIONS)
    assert installs
    for install in installs:
        # The package's own wheel is built separately and has no further dependencies.
        assert "--no-deps" in install
        assert "/wheels/*.whl" in install or "--require-hashes" in install
    stages = re.split(r"(?m)^FROM ", INSTRUCTIONS)[1:]
    for stage in stages:
        as_root = re.split(r"(?m)^USER 1000", stage)[0]
        assert not re.search(r"pip install|npm|python3? -", as_root), as_root
    assert re.findall(r"(?m)^USER (\S+)", stages[-1]) == ["1000"]


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("requirements/*.txt")), ids=lambda p: p.name)
def test_every_package_has_its_hash(path):
    text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text(encoding="utf-8"))
    packages = re.sub(r"[ \\]+\n\s*", " ", text).splitlines()
    assert packages
    for line in packages:
        assert re.fullmatch(r"[\w.-]+==\S+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+\s*", line), (
            line
        )


def test_the_image_installs_all_dependencies_of_the_package():
    files = sorted(DEPLOY.glob("requirements/*.txt"))
    locked = "".join(path.read_text(encoding="utf-8") for path in files)
    found = re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", locked)
    versions = {canonicalize_name(name): version for name, version in found}
    asked = [Requirement(each) for each in requires("sam2-widget")]
    extras = [{"extra": name} for name in ("export", "video")]
    asked = [o for o in asked if o.marker is None or any(map(o.marker.evaluate, extras))]
    assert len(asked) > 20
    assert "av" in {one.name for one in asked}, "users of a hub open videos, too"
    for one in asked:
        assert one.specifier.contains(versions[canonicalize_name(one.name)]), one


def test_models_are_mounted_read_only_at_the_cache_path():
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


def test_all_settings_in_use_exist():
    used = {name for name in VALUES["singleuser"]["extraEnv"] if name.startswith(ENVIRONMENT)}
    for profile in VALUES["singleuser"]["profileList"]:
        used |= set(profile.get("kubespawner_override", {}).get("environment", {}))
    assert used
    assert used <= {ENVIRONMENT + field.name.upper() for field in fields(Resources)}


def test_the_size_of_every_model_is_documented():
    for name, hub_id in HUB_IDS.items():
        assert re.search(rf"`{name}` \| `{hub_id}` \| \d+ MB", PAGE), name
