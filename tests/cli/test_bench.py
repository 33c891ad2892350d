from rcnet_rt.backends.choice import auto
from rcnet_rt.cli import _run


def test_bench_measures_every_backend_and_names_the_absent(capsys):
    assert _run(["bench", "--calls", "1"]) == 0
    out = capsys.readouterr().out
    for words in (
        "onnx",
        "torch",
        "backend tensorrt needs",
        f"auto is {auto()[0]}",
        "cores; Python",
    ):
        assert words in " ".join(out.split()), words
