import pytest
from jupyter_client.connect import LocalPortCache

from deploy.try_hub import free_port


@pytest.fixture(autouse=True)
def ports_of_their_own(monkeypatch):
    """Kernels get ports that no test that runs beside these is given."""
    monkeypatch.setattr(LocalPortCache, "find_available_port", lambda self, ip: free_port())
