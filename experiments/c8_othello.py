"""C8. OthelloGPT: averaging improves later moves

    lengthwise reproduce C8 --budget cpu        # about 100 core minutes, no GPU

Paper: Exponential moving averages improve the length generalization of a GPT-1 style model trained on
random Othello games cut short (abstract, and the section on OthelloGPT).

Rule: With the preset `othello`, for each average: its ITR over that of the raw weights of the same run,
each the mean over the moves beyond the training length. The claim holds if for some average the ratio is
below 1 in every seed and the t interval of the mean log ratio (95 % for both averages together) is below 1;
it does not hold if no average has a mean ratio below 1; else it is undecided. The ratio at the temperature
that fits the seen moves best stands beside it and does not decide.

Differs: 6x6 boards in place of 8x8, 4 layers of width 128, 8,000 steps of 64 games. The headline model is
pre-norm with rotary positions; GPT-1's own shape stands beside it. How the paper measures by move is not
known to us in detail: ITR, total variation, top-1 illegality and coverage are recorded.

Expected (docs/results.md), over raw: with `othello` EMA(0.998) 0.975 and BEMA 0.887, below 1 in 6 of 6
seeds; with `othello-gpt1`, whose positions have no meaning beyond training's 16 moves, 0.974 and 0.964.
"""

import lengthwise as lw
from lengthwise import cli, report, reproduce as rp


BESIDE = "othello-gpt1"
TITLES = {"othello": "othello: pre-norm, rotary positions", BESIDE: f"{BESIDE}: post-norm, learned"}
PARTS = {
    "smoke": rp.grid(preset=["othello", BESIDE], seed=[0], smoke=[True]),
    "cpu": rp.grid(preset=["othello"], seed=range(6)) + rp.grid(preset=[BESIDE], seed=range(3)),
    "gpu": rp.grid(preset=["othello8"], seed=range(3)),  # the published board and model
}
FEW = lw.EvaluationConfig(examples=64, batch_size=64)
SMALL = {"model": {"layers": 1, "width": 16}, "training": {"steps": 20, "evaluation": FEW}}
KEPT = "weights length seen inputs temperature itr itr_low itr_high chance_itr tv chance_tv".split()
KEPT += "top1_illegal chance_top1_illegal separated coverage".split()


def run(part):
    """Train, and measure every set of weights after every move."""
    result = rp.train_variant(cli.PRESETS[part["preset"]], part, **SMALL if "smoke" in part else {})
    return rp.label(result.rows(), {"preset": part["preset"], "seed": part["seed"]}, KEPT)


def judge(rows):
    """The rule, and the numbers of every preset, average and temperature."""
    averages = [name for name in rp.group(rows, "weights") if name != "raw"]
    effects, words = {}, []
    for preset, own in rp.group(rows, "preset").items():
        said = []
        for name in averages:
            found = rp.compare_each(
                own, ["temperature"], "itr", weights=(name, "raw"), comparisons=2
            )
            given = effects[preset, name] = found["given"]
            said.append(
                f"{name} {given.text}, {found['fitted'].ratio:.3g} at the fitted temperature"
            )
        words.append(f"`{preset}`, raw {given.theirs:.3f}: {'; '.join(said)}")
    deciding = {name: one for (preset, name), one in effects.items() if preset != BESIDE}
    return rp.decide(
        f"ITR beyond the training length, average over raw. {'. '.join(words)}.",
        headline=", ".join(f"{name} over raw {one.text}" for name, one in deciding.items()),
        holds=any(one.below_all and one.lowers for one in deciding.values()),
        refuted=not any(one.ratio < 1 for one in deciding.values()),
    )


def figures(rows):
    """ITR by move, mean and range over the seeds, a panel for each preset."""
    presets = rp.group(rp.select(rows, temperature="given"), "preset").items()
    titled = {TITLES.get(preset, preset): own for preset, own in presets}
    return {"itr": report.plot_seeds(titled, "itr", length="moves read")}


config = lambda part: cli.PRESETS[part["preset"]]
CLAIM = rp.claim_of(__doc__, PARTS, run, judge, figures=figures, config=config, tolerance=0.2)
