"""The hub of deploy/, with the few changes that tests need."""

from pathlib import Path

c = get_config()  # type: ignore[name-defined]
load_subconfig(str(Path(__file__).parents[2] / "deploy" / "jupyterhub_config.py"))  # type: ignore[name-defined]

c.Spawner.args = [*c.Spawner.args, "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
