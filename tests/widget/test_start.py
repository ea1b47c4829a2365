"""What the first cell waits for."""

import subprocess
import sys


def test_what_only_models_and_exports_need_is_not_imported_with_the_widget():
    slow = {"cv2", "huggingface_hub", "openvino", "pandas", "ray", "sam2", "scipy", "skimage"}
    slow |= {"torch", "tqdm", "transformers"}
    code = f"from sam2_widget import SegmentWidget; import sys; print({slow} & {{*sys.modules}})"
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"set()"
