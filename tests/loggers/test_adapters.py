import pathlib
import sys
import types

import pytest


CONFIG = {"task": {"class": "a:B", "fields": {}}}
RECORD = {"status": "completed", "message": "20 steps", "steps": 20}


def drive(logger, record=RECORD):
    logger.start(CONFIG, steps=20, first_step=0)
    logger.log(10, {"loss": 2.5, "itr_unseen/raw": 0.5})
    logger.log(20, {"loss": 1.5})
    logger.finish(record)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("TensorBoard", "tensorboardX", "tensorboard"),
        ("WandB", "wandb", "wandb"),
        ("Trackio", "trackio", "trackio"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(name, package, extra, monkeypatch):
    import lengthwise.loggers
    from lengthwise import InputError

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"pip install 'lengthwise\[{extra}\]'"):
        getattr(lengthwise.loggers, name)()


def test_adapters_are_small():
    import lengthwise.loggers

    folder = pathlib.Path(str(lengthwise.loggers.__file__)).parent
    for name in ("_tensorboard.py", "_wandb.py", "_trackio.py"):
        assert len((folder / name).read_text().splitlines()) <= 40


class FakeRun:
    def __init__(self, calls):
        self.calls = calls
        self.summary = types.SimpleNamespace(update=lambda values: calls.append(("end", values)))

    def log(self, values, step):
        self.calls.append(("log", values, step))

    def finish(self, **how):
        self.calls.append(("finish", how))


@pytest.fixture
def calls(monkeypatch):
    """What a fake `wandb` and `trackio` are asked to do."""
    calls = []

    def init(*, project, name, config):
        calls.append(("init", project, name, config))
        return FakeRun(calls)

    for package in ("wandb", "trackio"):
        fake = types.ModuleType(package)
        monkeypatch.setattr(fake, "init", init, raising=False)
        monkeypatch.setitem(sys.modules, package, fake)
    return calls


POINTS = [("log", {"loss": 2.5, "itr_unseen/raw": 0.5}, 10), ("log", {"loss": 1.5}, 20)]
BEGIN = {**CONFIG, "steps": 20, "first_step": 0}


def test_wandb(calls):
    from lengthwise.loggers import WandB

    drive(WandB(name="a"))
    begin = ("init", "lengthwise", "a", BEGIN)
    assert calls == [begin, *POINTS, ("end", RECORD), ("finish", {"exit_code": 0})]
    drive(WandB("other"), {**RECORD, "status": "diverged"})
    assert calls[-1] == ("finish", {"exit_code": 1})


def test_trackio(calls):
    from lengthwise.loggers import Trackio

    drive(Trackio("mine"))
    end = ("log", {"completed": 1.0}, 20)
    assert calls == [("init", "mine", None, BEGIN), *POINTS, end, ("finish", {})]


def test_tensorboard_writes_what_can_be_read_back(tmp_path):
    from lengthwise.loggers import TensorBoard

    Event = pytest.importorskip("tensorboardX.proto.event_pb2").Event
    drive(TensorBoard(str(tmp_path)))
    [file] = tmp_path.glob("events.*")
    data, scalars, tags = file.read_bytes(), [], set()
    while data:  # a record: length (8 bytes), its checksum (4), the event, its checksum (4)
        size = int.from_bytes(data[:8], "little")
        event, data = Event.FromString(data[12 : 12 + size]), data[16 + size :]
        for value in event.summary.value:
            tags.add(value.tag)
            if value.HasField("simple_value"):
                scalars.append((value.tag, event.step, value.simple_value))
    assert scalars == [("loss", 10, 2.5), ("itr_unseen/raw", 10, 0.5), ("loss", 20, 1.5)]
    assert {"config/text_summary", "record/text_summary"} <= tags
