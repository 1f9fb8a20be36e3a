import io

from rich.console import Console


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def drive(line, clock, steps=40):
    line.start({}, steps=steps, first_step=0)
    for step in range(10, steps + 1, 10):
        clock.now += 5.0
        line.log(step, {"loss": 2.0 - step / 100})
    line.finish({"status": "completed", "message": "", "steps": steps})


def test_plain_lines_now_and_then():
    from lengthwise.loggers import ProgressLine

    clock, text = Clock(), io.StringIO()
    drive(ProgressLine(Console(file=text, width=80), interval=10.0, clock=clock), clock)
    assert text.getvalue().splitlines() == [
        "training from step 0 to 40",
        "step 20/40 · loss 1.8000 · 2 steps/s · 0:00:10 left",
        "step 40/40 · loss 1.6000 · 2 steps/s · evaluating",
        "step 40/40 · completed in 0:00:20",
    ]


def test_live_line_on_a_terminal_gives_it_back():
    from lengthwise.loggers import ProgressLine

    clock, text = Clock(), io.StringIO()
    console = Console(file=text, width=80, force_terminal=True)
    drive(ProgressLine(console, clock=clock), clock)
    shown = text.getvalue()
    assert "completed in 0:00:20" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor, hidden and shown


def test_close_without_finish_gives_the_terminal_back():
    from lengthwise.loggers import ProgressLine

    text = io.StringIO()
    line = ProgressLine(Console(file=text, width=80, force_terminal=True))
    line.start({}, steps=10, first_step=0)
    line.close()
    line.close()
    assert text.getvalue().count("\x1b[?25h") == 1
