"""Makes ``import sam2`` fail in this process, as where the package cannot be built."""

import sys
from importlib.abc import MetaPathFinder


class Blocker(MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname.split(".")[0] == "sam2":
            raise ModuleNotFoundError("No module named 'sam2'", name=fullname)


sys.meta_path.insert(0, Blocker())
