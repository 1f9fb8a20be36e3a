"""A small run of Othello, its models and a server of them."""

import threading

import pytest


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run directory on 4x4, as it is after training, with weights as drawn."""
    import jax.random as jr

    import lengthwise as lw
    from lengthwise._core import RunFiles, write_json
    from lengthwise.tasks import FixedLength, OthelloTask
    from lengthwise.training import describe_run, save_weights

    files = RunFiles(tmp_path_factory.mktemp("othello") / "run")
    task, shape = OthelloTask(4, "pass", begin_token=True), lw.TransformerConfig(2, 2, 16)
    config = lw.TrainingConfig(lengths=FixedLength(6))
    hparams = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()))
    build = lambda seed: shape.build(task.sizes, key=jr.key(seed))
    write_json(files.config, describe_run(task, build(0), config, hparams, key=jr.key(1)))
    for seed, name in enumerate(["raw", "EMA_decay0.9", "BEMA"]):
        save_weights(files.weights(name), build(seed))
    return files.path


@pytest.fixture(scope="session")
def models():
    """Two sets of weights for 6x6 games without passes, as drawn."""
    import jax.random as jr

    import lengthwise as lw
    from lengthwise.tasks import OthelloTask

    config = lw.TransformerConfig(layers=2, heads=3, width=24, init_deviation=0.5)
    sizes = OthelloTask(6).sizes
    return {
        name: config.build(sizes, key=jr.key(i)) for i, name in enumerate(["raw", "EMA_decay0.9"])
    }


@pytest.fixture(scope="session")
def explorer(models):
    from lengthwise.explore import Explorer
    from lengthwise.tasks import OthelloTask

    return Explorer(OthelloTask(6), models, seen=12, name="a <run> & more")


@pytest.fixture(scope="session")
def url(explorer):
    """Of a server of `explorer`."""
    from lengthwise.explore import open_server, server_url

    with open_server(explorer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server_url(server)
        server.shutdown()
        thread.join()
