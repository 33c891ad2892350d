import subprocess
import sys

import rcnet_rt


def test_all_is_what_there_is():
    names = {n for n in dir(rcnet_rt) if not n.startswith("_")}
    assert names == set(rcnet_rt.__all__) - {"__version__"}
    for name in rcnet_rt.__all__:
        assert getattr(rcnet_rt, name) is not None


def test_every_error_is_an_rcnet_error():
    errors = [getattr(rcnet_rt, name) for name in rcnet_rt.__all__ if name.endswith("Error")]
    assert all(issubclass(error, rcnet_rt.RcnetError) for error in errors)


def test_importing_does_no_work_and_prints_nothing():
    code = (
        "import rcnet_rt, sys; assert not {'torch', 'cv2', 'av', 'ultralytics'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
