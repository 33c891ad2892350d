"""Options of all subcommands: help texts, defaults, former names."""

from __future__ import annotations

import click
import pytest

from rcnet_rt.backends import choice
from rcnet_rt.cli import COMMANDS, commands
from rcnet_rt.cli.option_types import ImageSize, OptionWithFormerNames

CONTEXT = click.Context(commands)
FORMER = [
    ("run", "--recheck", "--second-look", "2"),
    ("predict", "--recheck", "--second-look", "2"),
    ("predict", "--augmentations", "--copies", "3"),
    ("predict", "--max-det", "--most", "20"),
    ("train", "--augmented", "--copies", "more.json"),
    ("train", "--baseline", "--base", "score"),
]


def command_of(name: str) -> click.Command:
    command = commands.get_command(CONTEXT, name)
    assert command is not None
    return command


def options_of(name: str) -> dict[str, click.Option]:
    options = [p for p in command_of(name).params if isinstance(p, click.Option)]
    return {option.opts[0]: option for option in options}


OPTIONS = [(name, option) for name in COMMANDS for option in options_of(name)]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_it_has_a_help_text_and_shows_its_default(name: str, option: str) -> None:
    given = options_of(name)[option]
    assert given.help
    record = given.get_help_record(click.Context(command_of(name)))
    assert record is not None
    assert given.is_flag or ("[required" if given.required else "[default: ") in record[1]


def test_backend_and_device_are_the_same_everywhere() -> None:
    having = [name for name in COMMANDS if "--backend" in options_of(name)]
    assert {"run", "refine", "eval"} <= set(having)
    for name in having:
        backend = options_of(name)["--backend"]
        assert tuple(backend.type.choices) == choice.NAMES
        assert backend.default == "auto"
    devices = {n: options_of(n)["--device"] for n in COMMANDS if "--device" in options_of(n)}
    assert {n: o.default for n, o in devices.items() if o.default != "auto"} == {"train": "cpu"}


def test_json_is_a_file_to_write_everywhere() -> None:
    options = [options_of(name)["--json"] for name in ("run", "eval")]
    assert {option.metavar for option in options} == {"FILE"}
    assert all("to this file" in str(option.help) for option in options)


def required(name: str) -> list[str]:
    return {"run": ["clip.mp4"], "train": [], "predict": ["--out", "a.json"]}[name]


def test_every_former_name_is_known_here() -> None:
    former = {
        (name, option, old)
        for name, option in OPTIONS
        if isinstance(given := options_of(name)[option], OptionWithFormerNames)
        for old in given.former
    }
    assert former == {(name, option, old) for name, option, old, _ in FORMER}


@pytest.mark.parametrize(("name", "option", "former", "value"), FORMER)
def test_former_names_work_and_are_not_shown(
    name: str, option: str, former: str, value: str
) -> None:
    command = command_of(name)
    parameters = [
        command.make_context(name, [*required(name), spelling, value]).params
        for spelling in (option, former)
    ]
    assert parameters[0] == parameters[1]
    assert parameters[0] != command.make_context(name, required(name)).params
    help_text = command.get_help(click.Context(command))
    assert option in help_text
    assert f"{former} " not in help_text


@pytest.mark.parametrize("name", ["run", "refine", "eval", "export", "bench"])
def test_a_baseline_is_a_formula(name: str) -> None:
    weights = options_of(name)["--weights"]
    for value in ("baseline:score", "formula:score"):
        assert weights.type.convert(value, weights, None) == "formula:score"
    assert weights.type.convert("yolo-pose", weights, None) == "yolo-pose"


@pytest.mark.parametrize("name", ["run", "refine", "eval", "export", "bench"])
def test_none_is_offered_only_where_it_is_accepted(name: str) -> None:
    assert ("or none" in str(options_of(name)["--weights"].help)) == (name == "run")


def test_words_to_be_typed_are_not_in_capitals() -> None:
    help_text = command_of("run").get_help(click.Context(command_of("run")))
    for shown in ("auto|p95|guaranteed|profile|NUMBER", "auto|N", "N|HxW", "NAME|FILE"):
        assert f" {shown} " in " ".join(help_text.split())


@pytest.mark.parametrize(("text", "size"), [("640", (640, 640)), ("480x640", (480, 640))])
def test_sizes_of_images(text: str, size: tuple[int, int]) -> None:
    assert ImageSize().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["0", "-3", "x640", "640x", "640x0", "a", "", "1.5", "1x2x3", "²"])
def test_what_is_no_size_of_an_image(text: str) -> None:
    with pytest.raises(click.BadParameter, match="neither a number of pixels nor HEIGHTxWIDTH"):
        ImageSize().convert(text, None, None)


@pytest.mark.parametrize("name", ["run", "predict"])
@pytest.mark.parametrize(("given", "expected"), [("auto", None), ("1", 1), ("12", 12)])
def test_workers_are_auto_or_a_number(name: str, given: str, expected: int | None) -> None:
    workers = options_of(name)["--workers"]
    assert workers.type.convert(given, workers, None) == expected
    for wrong in ("0", "-1", "many", "1.5"):
        with pytest.raises(click.BadParameter, match="neither auto nor a number from 1 on"):
            workers.type.convert(wrong, workers, None)
