"""The hub of deploy/, and no more than a test must be able to look at."""

from pathlib import Path

c = get_config()
load_subconfig(str(Path(__file__).parents[2] / "deploy" / "jupyterhub_config.py"))

c.Spawner.args = [*c.Spawner.args, "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
