"""The page in headless Chromium: every control, and the numbers against the model called directly."""

import re
import shutil
import threading

import pytest
from directly import direct, first_game

from lengthwise.othello import square_name
from lengthwise.tasks import OthelloTask
from oracles import othello as oracle


pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, driven from here."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.fail(
            "Chromium must be installed for the tests marked `browser`, but there is none of "
            f"{names}: on Debian, `apt-get install chromium`."
        )
    with sync_playwright() as driver:
        # Its own sandbox does not start for root, as which CI runs; the page here is our own.
        yield driver.chromium.launch(executable_path=path, args=["--no-sandbox"])


class Page:
    """The page at an address, read as a user does; it fails at any error or request elsewhere."""

    def __init__(self, browser, url, **options):
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(10_000)
        self.problems, self.asked = [], set()
        self.tab.on("pageerror", lambda error: self.problems.append(str(error)))
        self.tab.on("console", lambda message: self.problems.append(message.text))
        self.tab.on("request", lambda request: self.asked.add(request.url.split("#")[0]))
        self.tab.goto(url)
        self.tab.wait_for_selector("#moves li")

    def click(self, selector):
        self.tab.locator(selector).click()
        self.wait()

    def wait(self):
        """Until every question has been answered and drawn."""
        self.tab.evaluate("() => queue")

    def play(self, *squares):
        for square in squares:
            self.click(f"[data-square={square}]")

    def text(self, selector):
        return self.tab.locator(selector).inner_text().replace("\u00a0", " ")

    def label(self, square):
        return self.tab.get_attribute(f"[data-square={square}]", "aria-label").replace(
            "\u00a0", " "
        )

    def names(self):
        return self.tab.locator("#moves .name").all_inner_texts()

    def game(self):
        return self.tab.input_value("#text")

    def rows(self, table):
        """The cells of the body of a table, by the row's first word."""
        rows = self.tab.locator(f"#{table} tbody tr").all()
        cells = [
            [x.replace("\u00a0", " ") for x in row.locator("th, td").all_inner_texts()]
            for row in rows
        ]
        return {row[0].split()[0]: row for row in cells}


@pytest.fixture
def visit(browser, url):
    """A function that opens the page."""
    pages = []

    def visit(fragment="", to=url, **options):
        pages.append(Page(browser, to + fragment, **options))
        return pages[-1]

    yield visit
    for page in pages:
        assert page.problems == []
        page.context.close()


def full_game(forfeits=False):
    """A 6x6 game that fills the board, with or without a forfeited turn, and the oracle's positions."""

    def wanted(moves):
        states = oracle.walk(6, moves, False)
        left = any(states[s][1] == states[s - 1][1] for s in range(1, len(moves)))
        return len(moves) == 32 and left == forfeits

    moves = first_game(6, "skip", wanted)
    return moves, oracle.walk(6, moves, False)


def names_of(moves):
    return [square_name(move, 6) for move in moves]


def numbers_of(names):
    return [(int(name[1]) - 1) * 6 + ord(name[0]) - ord("a") for name in names]


def percent(value):
    return f"{100 * value:.1f} %"


def number(text):
    return float(text.removesuffix(" %"))


def shares(model, moves):
    """Probabilities by square, and the attention of the last move, from the model itself."""
    squares = OthelloTask(6).squares
    (*_, p), attention = direct(model, [squares.index(move) for move in moves])
    return dict(zip(squares, p, strict=True)), attention


ROUNDED = 0.0501  # percent: half of the last digit that is shown


def test_a_game_shows_what_the_model_says(visit, models, url):
    page = visit()
    assert page.text("#status") == "Black to move: 4 legal moves, 25.0 % each."
    assert page.label("c2") == "c2, empty, legal"
    assert page.text("#silent") == "The model predicts from the first move on: play one."
    moves, states = full_game()
    names = names_of(moves)
    page.play(*names[:5])
    assert page.names() == ["start", *names[:5]]
    board, player, may = states[5]
    p, attention = shares(models["raw"], moves[:5])
    for square in range(36):
        words = page.label(square_name(square, 6)).split(", ")
        disc = {1: "black disc", -1: "white disc", 0: "empty"}[board[square // 6][square % 6]]
        assert words[:3] == [square_name(square, 6), disc, "legal" if square in may else "illegal"]
        said = dict(word.split(" ", 1) for word in words[3:])
        assert ("raw" in said) == (square in p)
        if square in p:
            assert number(said["raw"]) == pytest.approx(100 * p[square], abs=ROUNDED)
        if square in may:
            assert said["exact"] == percent(1 / len(may))
        if square in moves[:5]:
            share = attention.mean(axis=(0, 1))[moves.index(square)]
            assert number(said["attention"]) == pytest.approx(100 * share, abs=ROUNDED)
    colour = {1: "Black", -1: "White"}[player]
    assert page.text("#status").startswith(f"{colour} to move: {len(may)} legal moves")
    first = page.tab.locator(".square.first").get_attribute("data-square")
    assert first == square_name(max(p, key=p.__getitem__), 6)
    assert page.asked == {url, f"{url}position"}, "it asks nobody else"


def test_tables(visit, models):
    moves, states = full_game()
    page = visit("#" + "".join(names_of(moves[:9])))
    may = states[9][2]
    by_weights = {name: shares(model, moves[:9])[0] for name, model in models.items()}
    rows = page.rows("measures")
    for name, p in by_weights.items():
        top = max(p, key=p.__getitem__)
        _, first, mass, tv, _, wrong = rows[name]
        assert first == square_name(top, 6) + ("" if top in may else " illegal")
        assert number(mass) == pytest.approx(
            100 * sum(p[s] for s in p if s not in may), abs=ROUNDED
        )
        exact = {s: 1 / len(may) if s in may else 0 for s in p}
        assert float(tv) == pytest.approx(sum(abs(p[s] - exact[s]) for s in p) / 2, abs=6e-4)
        assert wrong.endswith(" of 9")
    assert rows["uniform"][2] == percent(1 - len(may) / 32)
    for shown in by_weights:
        page.click(f"#shown input[value='{shown}']")
        rows = page.rows("probabilities")
        rest = rows.pop(str(32 - len(rows) + 1))
        assert rest[0].endswith("others, illegal")
        names = {square_name(square, 6): square for square in by_weights[shown]}
        column = 2 + list(by_weights).index(shown)
        values = [by_weights[shown][names[name]] for name in rows]
        assert values == sorted(values, reverse=True)
        assert {square_name(square, 6) for square in may} <= set(rows)
        for name, row in rows.items():
            assert ("illegal" in row[0]) == (names[name] not in may)
            assert number(row[column]) == pytest.approx(
                100 * by_weights[shown][names[name]], abs=ROUNDED
            )
        left = 1 - sum(values)
        assert number(rest[column]) == pytest.approx(100 * left, abs=ROUNDED)
        assert shown in page.label(square_name(min(may), 6))


def test_attention_of_every_layer_and_head(visit, models):
    moves, _ = full_game()
    page = visit("#" + "".join(names_of(moves[:12])))
    attention = shares(models["raw"], moves[:12])[1]
    assert attention.shape == (2, 3, 12)
    for layer in ["", "1", "2"]:
        for head in ["", "1", "2", "3"]:
            page.tab.select_option("#layer", value=layer)
            page.tab.select_option("#head", value=head)
            chosen = attention[[int(layer) - 1]] if layer else attention
            chosen = chosen[:, [int(head) - 1]] if head else chosen
            for i, share in enumerate(chosen.mean(axis=(0, 1))):
                button = page.tab.locator("#moves button").nth(i + 1).get_attribute("aria-label")
                said = number(button.replace("\u00a0", " ").split("attention ")[1])
                assert said == pytest.approx(100 * share, abs=ROUNDED)


def test_undo_restart_random_and_choice(visit, models):
    page = visit()
    for id in ("undo", "restart", "choice"):
        assert page.tab.locator(f"#{id}").is_disabled()
    page.play("c2")
    moves = ["c2"]
    for count in range(2, 9):
        moves = page.names()[1:]
        may = oracle.walk(6, numbers_of(moves), False)[-1][2]
        page.click("#random")
        assert len(page.names()) == count + 1
        assert numbers_of(page.names()[-1:])[0] in may
    page.click("#undo")
    assert page.names() == ["start", *moves]
    assert page.game() == " ".join(moves)
    numbers = numbers_of(moves)
    p, _ = shares(models["raw"], numbers)
    may = oracle.walk(6, numbers, False)[-1][2]
    page.click("#choice")
    best, top = max(may, key=p.__getitem__), max(p, key=p.__getitem__)
    assert page.names()[-1] == square_name(best, 6)
    sentence = (
        f"The most probable square of raw, {square_name(top, 6)}, is illegal; its most probable legal "
        f"one, {square_name(best, 6)}, was played."
    )
    assert page.text("#notice") == ("" if top in may else sentence)
    page.click("#restart")
    assert page.names() == ["start"]
    assert "#" not in page.tab.url


def test_what_cannot_be_played_gets_a_sentence(visit):
    page = visit("#c2")
    page.play("a1")
    said = "Every move must be legal, but got (ply=2, move=a1), where the legal squares are"
    assert page.text("#error").startswith(said)
    assert page.names() == ["start", "c2"]
    assert page.tab.locator("#error").get_attribute("role") == "alert"
    page.tab.fill("#text", "c2 z9")
    page.click("#game button")
    assert "(ply=2, move='z9')" in page.text("#error")
    page.play("b2")
    assert page.tab.locator("#error").is_hidden()
    page.problems.clear()  # the browser notes the two refusals
    other = visit("#c2zz")
    assert "must be a list of squares" in other.text("#error")
    assert other.names() == ["start"]
    other.problems.clear()


def test_paste_jump_and_go_another_way(visit):
    moves, states = full_game()
    names = names_of(moves)
    page = visit()
    page.tab.fill("#text", " ".join(str(move) for move in moves))
    page.tab.press("#text", "Enter")
    page.tab.locator("#moves li").nth(32).wait_for()
    assert page.game() == " ".join(names)
    black, white = (sum(row.count(disc) for row in states[32][0]) for disc in (1, -1))
    assert page.text("#status").endswith(f": black {black}, white {white} discs.")
    assert page.text("#status").startswith("The game is over, ")
    assert (page.text("#black"), page.text("#white")) == (str(black), str(white))
    assert page.tab.locator("#random").is_disabled()
    assert page.rows("measures")["raw"][1:4] == ["\u2013"] * 3
    page.tab.locator("#moves button").nth(10).click()
    page.wait()
    assert page.tab.locator("#moves [aria-current=step] .name").inner_text() == names[9]
    assert page.names() == ["start", *names], "the later moves are kept"
    assert page.rows("measures")["raw"][5].endswith(" of 10")
    marks = page.tab.locator(".square.may").all()
    may = {mark.get_attribute("data-square") for mark in marks}
    assert may == set(names_of(states[10][2]))
    other = min(may - {names[10]})
    page.play(other)
    assert page.names() == ["start", *names[:10], other]
    page.tab.reload()
    page.tab.wait_for_selector("#moves li")
    page.wait()
    assert page.names() == ["start", *names[:10], other], "the address keeps the game"


def test_forfeited_turns_are_shown(visit):
    moves, states = full_game(forfeits=True)
    at = next(s for s in range(1, 32) if states[s][1] == states[s - 1][1])
    who = {1: "White", -1: "Black"}[states[at][1]]
    page = visit("#" + "".join(names_of(moves[:at])))
    assert page.text("#status").startswith(f"{who} has no legal move and forfeits the turn. ")
    assert page.text("#moves .note") == f"{who} has no legal move here and forfeits the turn."
    page.play(square_name(moves[at], 6))
    items = page.tab.locator("#moves li").all_inner_texts()
    assert items[at + 1] == f"{who} has no legal move here and forfeits the turn."


def test_passes_and_the_begin_token(visit, run):
    from lengthwise.cli._evaluate_run import load_run
    from lengthwise.explore import Explorer, open_server, server_url

    loaded = load_run(run)
    assert isinstance(loaded.task, OthelloTask)
    explorer = Explorer(loaded.task, loaded.models, seen=loaded.seen, name="run")
    moves = first_game(4, "pass", lambda moves: -2 in moves)
    at = moves.index(-2)
    with open_server(explorer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        page = visit(
            "#" + "".join(square_name(move, 4) for move in moves[:at]), to=server_url(server)
        )
        assert page.names()[0] == "begin"
        assert re.search(
            r"attention \d", page.tab.locator("#moves button").first.get_attribute("aria-label")
        )
        assert "has no legal move: the next entry is a pass." in page.text("#status")
        assert page.rows("probabilities")["pass"][:2] == ["pass", "100.0 %"]
        page.click("#pass")
        assert page.names()[-1] == "pass"
        assert page.tab.locator("#pass").is_disabled()
        page.click("#restart")
        assert page.rows("measures")["raw"][5].endswith(" of 1"), "it predicts the first move too"
        page.context.set_offline(True)
        page.play("b1")
        server.shutdown()
        thread.join()
    assert (
        page.text("#error") == "The server does not answer: start `lengthwise othello play` again."
    )
    page.problems.clear()


def test_by_keyboard_alone(visit):
    page = visit()
    keys = page.tab.keyboard
    keys.press("Tab")
    assert page.tab.evaluate("document.activeElement.dataset.square") == "a1"
    for key in ("ArrowUp", "ArrowRight", "End", "Home", "ArrowRight", "ArrowRight", "ArrowDown"):
        keys.press(key)
    assert page.tab.evaluate("document.activeElement.dataset.square") == "c2"
    keys.press("Enter")
    page.wait()
    assert page.names() == ["start", "c2"]
    assert page.tab.evaluate("document.activeElement.dataset.square") == "c2", "the place is kept"
    reached = []
    for _ in range(40):
        keys.press("Tab")
        reached.append(
            page.tab.evaluate("document.activeElement.id || document.activeElement.name")
        )
    wanted = ["undo", "restart", "random", "choice", "shown", "layer", "head", "text", "sum"]
    assert [id for id in reached if id in wanted][: len(wanted)] == wanted


def test_the_chart_shades_the_training_range(visit, explorer):
    moves, _ = full_game()
    page = visit("#" + "".join(names_of(moves[:20])))
    history = explorer.position(moves[:20])["history"]["weights"]
    lines = page.tab.locator("#plot polyline").all()
    assert len(lines) == 2
    box = lambda node: [float(node.get_attribute(name)) for name in ("x", "width", "y", "height")]
    x, width, y, height = box(page.tab.locator("#plot rect.seen"))
    for kind in ("itr", "so_far"):
        page.tab.check(f"input[name=sum][value={kind}]")
        lines = page.tab.locator("#plot polyline").all()
        scale = set()
        for line, name in zip(lines, history, strict=True):
            points = [
                [float(v) for v in pair.split(",")] for pair in line.get_attribute("points").split()
            ]
            assert len(points) == 20
            within = [x <= px <= x + width for px, _ in points]
            assert within == [s <= 12 for s in range(1, 21)]
            values = history[name][kind]
            scale |= {
                round((y + height - py) / v, 3) for (_, py), v in zip(points, values, strict=True)
            }
        assert max(scale) - min(scale) < 0.002 * max(scale), (
            "one linear scale from zero for all points"
        )
        crosses = page.tab.locator("#plot path.wrong").count()
        assert crosses == sum(sum(one["top1_illegal"]) for one in history.values())


@pytest.mark.parametrize("width", [320, 500, 800, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_widths_and_colours(visit, width, scheme):
    moves, _ = full_game()
    size = {"width": width, "height": 700}
    page = visit("#" + "".join(names_of(moves[:25])), viewport=size, color_scheme=scheme)
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("a1", "f6"):
        box = page.tab.locator(f"[data-square={name}]").bounding_box()
        assert box["width"] > 35
        assert abs(box["width"] - box["height"]) < 1
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    style = page.tab.evaluate(
        "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; })()"
    )
    light = [sum(int(x) for x in re.findall(r"\d+", colour)[:3]) for colour in style]
    assert (light[0] < light[1]) == (scheme == "light")
