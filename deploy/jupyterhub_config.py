"""JupyterHub for notebooks that segment images: one machine, one server process for each user.

`make hub` runs this file as it stands, and tests/hub opens it in a browser. As it stands it listens
on this machine alone, and refuses to start at any other address. For a hub of your own copy it,
replace the two parts marked REPLACE, and read docs/administrators.md: it says what each figure here
is made of. Nothing in the widget needs the hub to know of it: it talks through the notebook's own
connection, so there is no port to open and no route to add to the proxy.
"""

import ipaddress
import os
import sys
from urllib.parse import urlsplit

from jupyterhub.authenticators.shared import SharedPasswordAuthenticator

c = get_config()  # type: ignore[name-defined]

# By default a hub listens on all addresses of its machine.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"

# --- who may log in: REPLACE ----------------------------------------------------------------------


class TrialAuthenticator(SharedPasswordAuthenticator):  # type: ignore[misc]
    """A password for all, to try things out; real hubs take OAuthenticator, LDAP, PAM and others.

    All users are one system user, and the connection is not encrypted: on this machine only.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        url = self.parent.bind_url
        if not is_loopback(urlsplit(url).hostname or ""):
            sys.exit(
                f"This hub is for trials on one machine and does not start at {url!r}: leave out "
                "its address, or replace the authenticator and the spawner in "
                "jupyterhub_config.py by those of a real hub."
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`; a name, but for localhost, may be anybody's."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


c.JupyterHub.authenticator_class = TrialAuthenticator
c.TrialAuthenticator.user_password = os.environ["SAM2_HUB_PASSWORD"]
c.Authenticator.allowed_users = set(os.environ["SAM2_HUB_USERS"].split(","))

# `c.JupyterHub.subdomain_host` gives each user a domain (alice.hub.example.org), which keeps pages
# of different users apart in the browser, too. It needs a wildcard DNS entry and certificate.

# --- where servers run: REPLACE -------------------------------------------------------------------

# Processes of one and the same system user: nothing but the hub's tokens keeps users apart. Real
# hubs take systemdspawner (one machine), DockerSpawner, or KubeSpawner (zero-to-jupyterhub/).
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = os.environ["SAM2_HUB_HOMES"] + "/{username}"
# The Python that runs the hub runs the servers, too.
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
if os.geteuid() == 0:
    c.Spawner.args = ["--allow-root"]

# --- what each user gets --------------------------------------------------------------------------

c.Spawner.default_url = "/lab/tree/quickstart.ipynb"

# A kernel with torch and a model takes 1 to 3 GB of host memory, without the user's data. Local
# processes are only told these limits; systemdspawner, DockerSpawner and KubeSpawner enforce them.
c.Spawner.mem_limit = "6G"
c.Spawner.cpu_limit = 4

c.Spawner.environment = {
    # torch takes all cores of the machine else, and two users at once would halve each other.
    "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "4"),
}

# Checkpoints, downloaded once by you (`make hub MODELS=/srv/models`, or see the page), readable by
# all and writable by nobody. Without the second line kernels would ask the network for what is not
# there, and each user would download it into a home folder.
if os.environ.get("SAM2_HUB_MODELS"):
    c.Spawner.environment["HF_HOME"] = os.environ["SAM2_HUB_MODELS"]
    c.Spawner.environment["HF_HUB_OFFLINE"] = "1"

# The widget's own settings, for all users: whatever SAM2_WIDGET_… the hub was started with.
c.Spawner.environment.update(
    {name: value for name, value in os.environ.items() if name.startswith("SAM2_WIDGET_")}
)

# --- what is given back ---------------------------------------------------------------------------

# A kernel holds its model, and its share of the GPU, until it ends. One that nobody looks at and
# that runs nothing ends after an hour; what was segmented goes with it unless it was saved.
c.Spawner.args = [
    *c.Spawner.args,
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--MappingKernelManager.cull_interval=300",
    "--MappingKernelManager.cull_connected=False",
]

# Servers that nobody has used for two hours.
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=7200"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
