import html.parser
import re
import xml.etree.ElementTree

import numpy as np
import pytest

from lengthwise._core import InputError, StorageError, read_csv, read_json, write_csv, write_json
from lengthwise.report._chart import draw_chart
from lengthwise.report._export import to_bytes
from lengthwise.report._html import charts, to_html
from lengthwise.report._load import load_runs

from . import helpers


NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")
VOID = ("meta", "link", "input", "br", "hr", "img")


class Page(html.parser.HTMLParser):
    """Tags with their attributes, ids, and whether every tag is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    @property
    def ids(self):
        return [attrs["id"] for _, attrs in self.found if "id" in attrs]


def rendered(*paths):
    runs = load_runs(paths)
    return to_html(runs, charts(runs))


def test_page_refers_to_nothing_outside_its_folder(page):
    text = page.read_text()
    for namespace in NAMESPACES:
        text = text.replace(f'="{namespace}"', '=""')
    assert "://" not in text
    assert "@import" not in text
    links = [a.get(n) for _, a in Page(text).found for n in ("src", "href", "xlink:href")]
    links = [link for link in links if link and not link.startswith(("#", "data:image/png"))]
    assert links
    for link in links:
        assert (page.parent / link).is_file()
    assert all(link.startswith("#") for link in re.findall(r"url\(([^)]*)\)", text))


def test_page_is_well_formed_and_its_ids_are_unique(page):
    found = Page(page.read_text())
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids)
    svgs = [attrs for tag, attrs in found.found if tag == "svg" and "role" in attrs]
    assert len(svgs) >= 18
    assert all(a["role"] == "img" and a["aria-labelledby"] in found.ids for a in svgs)


def test_names_are_escaped(page):
    text = page.read_text()
    assert len(re.findall("<script", text)) == 1
    assert "&lt;script&gt;alert(1)&lt;&amp;$x_" in text


def test_equal_input_gives_equal_bytes(page, run):
    """The page was made by another process; here it is made again, with one chart's PNG and PDF."""
    runs = load_runs([run])
    found = charts(runs)
    assert to_html(runs, found) == page.read_text()
    folder = page.parent / "figures"
    assert len(list(folder.iterdir())) == 4 * len(found) == 24
    for chart in found:
        kinds = ["svg", "png", "pdf"] if chart.name == "training" else ["svg"]
        figure = draw_chart(chart)
        for kind in kinds:
            made = to_bytes(figure, kind, title=chart.title)
            assert made == (folder / f"{chart.name}.{kind}").read_bytes()


def test_svg_files_are_whole_xml_and_titled(page):
    for file in (page.parent / "figures").glob("*.svg"):
        root = xml.etree.ElementTree.fromstring(file.read_text())
        assert root.find("{http://www.w3.org/2000/svg}title") is not None


@pytest.mark.parametrize("name", ["itr", "temperature", "separation", "displacement"])
def test_csv_holds_the_rows_of_the_run(page, run, name):
    rows = read_csv(page.parent / "figures" / f"{name}.csv")
    wanted = read_csv(run / "evaluation.csv")
    if name in ("itr", "displacement"):
        wanted = [row for row in wanted if row["temperature"] == "given"]
    assert len(rows) == len(wanted)
    for row, truth in zip(rows, wanted, strict=True):
        shared = row.keys() & truth.keys()
        assert len(shared) >= 9
        assert repr({n: row[n] for n in shared}) == repr({n: truth[n] for n in shared})
        if name == "itr":
            ratio = 1 if row["weights"] == "raw" else 0.8
            assert row["itr_over_raw"] == pytest.approx(ratio)
        if name == "displacement":
            assert row["two_over_s_of_raw"] == pytest.approx(2 / row["length"] * 3)


def test_csv_holds_the_history_and_the_training_steps(page, run):
    rows = read_csv(page.parent / "figures" / "heatmap.csv")
    truth = read_csv(run / "history.csv")
    columns = ("step", "weights", "length", "seen", "itr")
    assert [[r[c] for c in columns] for r in rows] == [[r[c] for c in columns] for r in truth]
    steps = read_csv(page.parent / "figures" / "training.csv")
    assert [row["loss"] for row in steps] == [2 + 1 / (i + 1) for i in range(100)]


def test_several_runs_show_what_differs(tmp_path):
    paths = [
        helpers.write_run(tmp_path / "a" / "run"),
        helpers.write_run(tmp_path / "b" / "run", factor=0.5, rate=0.25),
    ]
    text = rendered(*paths)
    assert "<code>hparams.learning_rate</code>" in text
    assert "hparams.averages" not in text
    assert "averaged weights EMA_decay0.9 of b/run have the lowest" in text


def test_runs_of_other_lengths_and_weights_stand_side_by_side(tmp_path):
    """Each T has a line of its own, and the shade ends at the first; a run shows the weights it has."""
    one, two = (helpers.write_run(tmp_path / name) for name in ("one", "two"))
    record = read_json(two / "record.json")
    write_json(two / "record.json", record | {"seen": 5})
    raw = [row for row in read_csv(two / "evaluation.csv") if row["weights"] == "raw"]
    write_csv(two / "evaluation.csv", raw)
    ax = draw_chart(charts(load_runs([one, two]))[0]).axes[0]
    assert [text.get_text() for text in ax.texts] == ["T=3", "T=5"]
    across = [np.asarray(line.get_xdata()) for line in ax.lines]
    assert [x[0] for x in across if len(x) == 2 and x[0] == x[1]] == [3.5, 5.5]
    shade = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (shade.x0, shade.x1) == pytest.approx((0.5, 3.5))
    chance = 1
    assert all(map(len, across))
    assert sum(len(x) == len(helpers.LENGTHS) for x in across) == 2 + 1 + chance


def test_a_history_of_one_evaluation_is_a_column_of_the_heat_map(tmp_path):
    run = helpers.write_run(tmp_path / "run")
    write_csv(run / "history.csv", [row for row in helpers.history_rows() if row["step"] == 50])
    [chart] = [chart for chart in charts(load_runs([run])) if chart.name == "heatmap"]
    ax = draw_chart(chart).axes[0]
    assert ax.get_xlim() == (49.5, 50.5)


@pytest.mark.parametrize(
    ("made", "note"),
    [
        ({"status": "diverged", "history": False}, "diverged: said &lt;b&gt;diverged"),
        ({"status": "interrupted", "evaluation": False}, "after 100 steps"),
        ({"status": "under way", "evaluation": False, "history": False}, "is under way"),
    ],
)
def test_unfinished_runs_say_so(tmp_path, made, note):
    text = rendered(helpers.write_run(tmp_path / "<b>", **made))
    assert "<b>" not in text
    assert note in text
    assert ('id="itr"' in text) == (made.get("evaluation", True) or made.get("history", True))
    assert ('id="heatmap"' in text) == made.get("history", True)


def test_run_killed_before_its_first_step_has_a_page(tmp_path):
    run = helpers.write_run(tmp_path / "r", status="under way", evaluation=False, history=False)
    (run / "metrics.jsonl").write_text("")
    assert "Nothing has been measured at unseen lengths yet." in rendered(run)


def test_values_that_are_not_finite_are_left_out_and_counted(tmp_path):
    run = helpers.write_run(tmp_path / "r")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 101, "loss": NaN, "grad_norm": Infinity, "learning_rate": 1e-3}\n')
    table = (run / "evaluation.csv").read_text().replace(",0.7,", ",inf,")
    (run / "evaluation.csv").write_text(table)
    assert re.search(r"has [1-9]\d* values that are not finite", rendered(run))


def test_damaged_and_missing_runs_are_refused(tmp_path):
    with pytest.raises(StorageError, match="check the path"):
        load_runs([tmp_path / "nothing"])
    run = helpers.write_run(tmp_path / "r")
    whole = (run / "history.csv").read_text()
    for damaged in ("step,weights\n1,raw\n", whole[: len(whole) // 2]):
        (run / "history.csv").write_text(damaged)
        with pytest.raises(StorageError, match="restore it or start anew"):
            load_runs([run])
    with pytest.raises(InputError, match="once"):
        load_runs([tmp_path, tmp_path])
    with pytest.raises(InputError, match="name a run directory"):
        load_runs([])
