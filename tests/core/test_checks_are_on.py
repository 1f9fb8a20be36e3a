"""The tests run with shape types checked and with strict promotion; importing costs no JAX."""

import subprocess
import sys

import jax.numpy as jnp
import jaxtyping
import pytest

import lengthwise as lw


def test_shape_types_are_checked():
    with pytest.raises(jaxtyping.TypeCheckError):
        lw.SetComplement(4).label(jnp.zeros((2, 2), jnp.int32))


def test_promotion_is_strict():
    with pytest.raises(Exception, match="promotion"):
        _ = jnp.ones(2, jnp.int32) + jnp.ones(2)
    with pytest.raises(ValueError, match="rank_promotion"):
        _ = jnp.ones(2) + jnp.ones((3, 2))


@pytest.mark.parametrize(
    "names",
    ["TransformerConfig, minimal_config", "TrainingConfig, Hparams", "Component, InputError"],
)
def test_configs_import_no_jax(names):
    code = f"import sys; from lengthwise import {names}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
