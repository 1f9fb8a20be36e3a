"""The published shapes: what they have, how large they are, how they begin."""

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise import Component
from lengthwise.cli import PRESETS
from lengthwise.models import LearnedPositions, gpt1_config, mingpt_config
from lengthwise.training import build_task


def shapes(config, sizes):
    """The arrays of a model, not made."""
    return eqx.filter_eval_shape(config.build, sizes, key=jr.key(0))


def size(model):
    return sum(x.size for x in jax.tree.leaves(model) if isinstance(x, jax.ShapeDtypeStruct))


def test_gpt1_has_the_published_number_of_weights():
    """116,534,784, as `openai-gpt` of Hugging Face with its 40,478 tokens and 512 positions."""
    model = shapes(gpt1_config(), lw.Sizes(40_478, 40_478, 512))
    assert size(model) == 116_534_784
    assert model.unembedding is None
    assert model.norm_final is None


def test_mingpt_has_the_weights_of_othello_gpt():
    """Counted by the modules of othello_world: 61 tokens, 59 positions, 8 layers of width 512."""
    model = shapes(mingpt_config(), lw.Sizes(61, 61, 59))
    attention, mlp, norms = 4 * (512 * 512 + 512), 2 * 4 * 512 * 512 + 5 * 512, 2 * 2 * 512
    assert size(model) == (2 * 61 + 59) * 512 + 8 * (attention + mlp + norms) + 2 * 512
    assert model.unembedding.shape == (512, 61)
    assert model.norm_final is not None


def test_all_weights_begin_with_deviation_0_02():
    config = gpt1_config(1, 4, 128)
    model = eqx.filter_jit(config.build)(lw.Sizes(128, 128, 128), key=jr.key(0))
    for path, x in jax.tree_util.tree_leaves_with_path(eqx.filter(model, eqx.is_array)):
        if x.ndim == 2:
            # 16384 normal numbers or more: their deviation is known to 4 / sqrt(2 * 16384).
            assert float(np.std(x)) == pytest.approx(0.02, rel=0.023), path
        else:
            assert np.all(np.asarray(x) == (1.0 if "gain" in str(path) else 0.0)), path
    assert mingpt_config().init_deviation == 0.02
    assert mingpt_config().positions == Component.of(LearnedPositions(0.0))


@pytest.mark.parametrize("name", ["gpt1", "mingpt"])
def test_presets_have_a_place_for_the_longest_input(name):
    experiment = PRESETS[name]
    sizes = build_task(experiment).sizes
    model = shapes(experiment.model, sizes)
    assert model.position_params.shape == (sizes.max_len, experiment.model.width)
    assert len(model.blocks) == 2
    assert experiment.hparams.dropout == (0.1, 0.1, 0.1)
