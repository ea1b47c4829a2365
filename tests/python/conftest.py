import pytest


@pytest.fixture(params=[True, False], ids=["with tifffile", "without"])
def with_tifffile(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr("sam2_widget.images.sources.find_spec", lambda name: None)
        monkeypatch.setattr("sam2_widget.images.stacks.find_spec", lambda name: None)
    return request.param
