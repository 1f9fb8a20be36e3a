"""Probes of streams whose content is known by construction, at seen and unseen moves."""

import json

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.models import residual_streams
from lengthwise.probes import ProbeConfig, probe
from lengthwise.tasks import OthelloTask
from oracles import othello as oracle


TASK, SEEN = OthelloTask(4), 8
CONFIG = ProbeConfig(fit_games=150, test_games=60, batch_size=50)
KEY = jr.key(0)


def boards_of(tokens, task=TASK):
    """0 empty, 1 of the player to move, 2 of the other, by the oracle; a row is (len, squares)."""
    boards = np.zeros((*tokens.shape, task.size**2), int)
    for g, row in enumerate(tokens.tolist()):
        entries = [task.squares[token] for token in row]
        for end in range(len(entries), 0, -1):  # padding after the end is no legal move
            try:
                states = oracle.walk(task.size, entries[:end], task.policy == "pass")
            except AssertionError:
                continue
            for t, (board, player, _) in enumerate(states[1:]):
                flat = [disc for line in board for disc in line]
                boards[g, t] = [0 if not d else 1 if d == player else 2 for d in flat]
            break
    return boards


def onehot(boards):
    return np.eye(3, dtype=np.float32)[boards].reshape(*boards.shape[:-1], -1)


def mixed(boards):
    """The board in a basis of its own, among other things of larger size."""
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(boards.shape[-1] * 3, 64)).astype(np.float32)
    return onehot(boards) @ basis + 100


@pytest.mark.parametrize("policy", ["skip", "pass"])
@pytest.mark.parametrize("begin", [False, True])
@pytest.mark.parametrize("size", [4, 6])
def test_boards_of_the_task_equal_oracle(size, policy, begin):
    """Every entry of every game: the mover is the oracle's, also after a forfeited turn."""
    task = OthelloTask(size, policy, begin)
    positions = task.sizes.max_len
    ask = {"stream": "test", "seed": 3}
    found = task.boards(1, 12, positions, **ask)
    batch = task.batch(1, 12, positions, **ask)
    ahead = []
    for g in range(12):
        count = int(batch.mask[g].sum())
        whole = [*batch.tokens[g, begin:count].tolist(), int(batch.sampled[g, count - 1])]
        states = oracle.walk(size, [task.squares[t] for t in whole], policy == "pass")
        for t, (board, player, _) in enumerate(states[task.first_length : -1]):
            flat = [disc for line in board for disc in line]
            wanted = [0 if not disc else 1 if disc == player else 2 for disc in flat]
            assert found[g, t].tolist() == wanted
            ahead.append(player == (oracle.BLACK if (t + task.first_length) % 2 == 0 else -1))
        assert not found[g, count:].any()
    # In some games a turn was forfeited and the parity of the move is not the player's; a pass that is
    # an entry keeps it.
    assert all(ahead) == (policy == "pass")


def test_a_board_in_the_stream_is_read_at_every_move():
    found = probe(TASK, lambda t: mixed(boards_of(t))[None], CONFIG, seen=SEEN, key=KEY)
    assert set(found.column("accuracy", layer=0).values()) == {1.0}
    assert {row["seen"] for row in found.rows if row["length"] <= SEEN} == {True}
    assert {row["seen"] for row in found.rows if row["length"] > SEEN} == {False}


def test_probes_are_fitted_at_the_seen_moves_alone():
    """Beyond them the stream has the players exchanged: every disc is read wrong, every empty right."""

    asked = []

    def streams(tokens):
        boards = boards_of(tokens)
        boards[:, SEEN:] = np.array([0, 2, 1])[boards[:, SEEN:]]
        asked.append(tokens)
        return onehot(boards)[None]

    found = probe(TASK, streams, CONFIG, seen=SEEN, key=KEY)
    test = np.concatenate(asked[-2:])[:60]
    boards, games = boards_of(test), found.column("games", layer=0)
    assert games[1] == 60
    for length, accuracy in found.column("accuracy", layer=0).items():
        empty = boards[:, length - 1] == 0
        alive = (boards[:, length - 1] > 0).any(axis=-1)
        if length <= SEEN:
            assert accuracy == 1
        elif games[length] == 60:
            assert accuracy == pytest.approx(empty[alive].mean(), abs=1e-12)


def test_no_game_is_both_fitted_and_judged():
    """On 6x6, where two of 300 random games are equal with a chance below 1e-6."""
    task, asked = OthelloTask(6), []

    def streams(tokens):
        asked.extend(row.tobytes() for row in tokens)
        return np.zeros((1, *tokens.shape, 2), np.float32)

    config = ProbeConfig(fit_games=150, test_games=150, batch_size=150)
    probe(task, streams, config, seen=16, key=KEY)
    assert len(asked) == len(set(asked)) == 300


def test_a_stream_without_a_board_gives_the_most_frequent_class():
    """The constant stream reads the majority of the fitted moves; noise does so up to chance. The
    baseline of a move is the majority at that move, counted one by one."""
    asked = []

    def streams(tokens):
        asked.append(tokens)
        noise = np.random.default_rng(len(asked)).normal(size=(*tokens.shape, 4))
        return np.stack([np.ones_like(noise), noise]).astype(np.float32)

    found = probe(TASK, streams, CONFIG, seen=SEEN, key=KEY)
    fit = boards_of(np.concatenate(asked[:3]))
    test = boards_of(np.concatenate(asked[3:])[:60])
    alive = fit[:, :SEEN].reshape(-1, 16)
    alive = alive[(alive > 0).any(axis=1)]
    overall = [int(np.argmax(np.bincount(alive[:, q], minlength=3))) for q in range(16)]
    by_noise, allowed = [], []
    for length in range(1, SEEN + 1):
        now = fit[:, length - 1]
        now = now[(now > 0).any(axis=1)]
        each = [int(np.argmax(np.bincount(now[:, q], minlength=3))) for q in range(16)]
        truth = test[:, length - 1]
        truth = truth[(truth > 0).any(axis=1)]
        constant, noise = (found.column("accuracy", layer=n)[length] for n in (0, 1))
        assert constant == pytest.approx((truth == overall).mean(), abs=1e-12)
        assert found.column("majority", layer=0)[length] == pytest.approx((truth == each).mean())
        by_noise.append(noise - constant)
        width = np.subtract(
            *(found.column(f"accuracy_{end}", layer=1)[length] for end in ("high", "low"))
        )
        allowed.append(width)
    # What knows nothing of the board cannot be better than the best constant, in the mean; the games
    # scatter by twice the 95 % interval, 4 standard errors, at most. It is worse by what 4 features of
    # noise turn, squares whose classes are about equally frequent.
    assert -0.05 < np.mean(by_noise) < np.mean(allowed)
    assert np.mean(allowed) < 0.1


def test_models_are_probed_beside_fresh_weights_layer_by_layer():
    model = lw.TransformerConfig(layers=2, width=8, heads=2).build(TASK.sizes, key=jr.key(5))
    found = probe(TASK, {"raw": model, "EMA": model}, CONFIG, seen=SEEN, key=KEY)
    assert list(found.fits) == [(n, layer) for n in ("raw", "EMA", "random") for layer in range(3)]
    assert len(found.rows) == 9 * 11
    same = [found.column("accuracy", layer=2, weights=name) for name in ("raw", "EMA", "random")]
    assert same[0] == same[1] != same[2]
    # The same as that of the streams, handed over by a function
    by_hand = lambda tokens: np.stack(residual_streams(model, jnp.asarray(tokens)))
    again = probe(TASK, by_hand, CONFIG, seen=SEEN, key=KEY)
    for layer in range(3):
        one, two = (f.column("accuracy", layer=layer) for f in (found, again))
        # Compiled otherwise: roundings may turn a square in a thousand
        assert np.abs(np.subtract(list(one.values()), list(two.values()))).max() < 0.01
    for row in found.rows:
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": lw.SetComplement(8)}, r"read an Othello board.*SetComplement"),
        ({"seen": 12}, r"`1 <= seen <= 11`.*seen=12"),
        ({"models": {"random": lambda t: t}}, r"No model is called 'random'"),
        (
            {"models": lambda t: np.zeros((*t.shape, 3), np.float32)},
            r"shape \(layers, 50, 11, width\)",
        ),
    ],
)
def test_what_cannot_be_probed_is_refused(change, words):
    given = {"task": TASK, "models": lambda t: t, "seen": SEEN} | change
    with pytest.raises(lw.InputError, match=words):
        probe(given["task"], given["models"], CONFIG, seen=given["seen"], key=KEY)


def test_the_command_writes_table_and_page(place, capsys):
    import lengthwise._core as core
    from lengthwise.cli import main
    from lengthwise.training import describe_run, save_weights

    config = lw.TransformerConfig(layers=1, width=8, heads=2)
    training = lw.TrainingConfig(steps=2, chunk_steps=1, lengths=lw.FixedLength(6))
    hparams = lw.Hparams(averages=(lw.EMA(0.9),))
    files = core.RunFiles(place / "run")
    models = {
        name: config.build(TASK.sizes, key=jr.key(i))
        for i, name in enumerate(("raw", "EMA_decay0.9"))
    }
    core.write_json(files.config, describe_run(TASK, models["raw"], training, hparams, key=KEY))
    core.write_json(files.record, {"status": "completed", "seen": 6, "length_label": "moves read"})
    for name, model in models.items():
        save_weights(files.weights(name), model)
    words = ["othello", "probe", "run", "--fit-games", "50", "--test-games", "20", "--json"]
    assert main(words) == 0
    printed = capsys.readouterr()
    values = json.loads(printed.out)
    rows = core.read_csv(files.probes)
    assert len(rows) == len(values["rows"]) == 3 * 2 * 11
    assert [row["accuracy"] for row in rows] == [row["accuracy"] for row in values["rows"]]
    assert "majority at the move" in printed.err
    assert max(map(len, printed.err.splitlines()[:12])) <= 80
    page = (place / "run/report/index.html").read_text()
    assert 'id="probes"' in page
    assert "moves read" in page
    assert (place / "run/report/figures/probes.pdf").exists()
