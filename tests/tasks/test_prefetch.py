"""The thread that makes the next batch changes nothing but the time."""

import threading

import pytest


@pytest.fixture
def prefetch():
    from lengthwise.tasks import prefetch

    return prefetch


@pytest.mark.parametrize("count", [0, 1, 5])
def test_everything_comes_in_order(prefetch, count):
    assert list(prefetch(lambda i: i * i, range(count))) == [i * i for i in range(count)]


def test_the_next_is_made_while_one_is_used(prefetch):
    began = [threading.Event() for _ in range(3)]

    def make(i):
        began[i].set()
        return threading.current_thread()

    made = prefetch(make, range(3))
    assert next(made) is not threading.current_thread()
    assert began[1].wait(30)  # without the second being asked for
    assert not began[2].is_set()
    made.close()
    assert not began[2].is_set()
    assert not any(t.name.startswith("lengthwise-prefetch") for t in threading.enumerate())


def test_an_error_is_raised_where_its_result_is_due(prefetch):
    made = prefetch(lambda i: 1 // (2 - i), range(4))
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)
