"""Components as data: there and back, from text, and what is refused."""

import dataclasses
import json

import jax.numpy as jnp
import pytest

import lengthwise as lw
from lengthwise._core import class_name, construct, describe, resolve
from lengthwise.models import LearnedPositions


@dataclasses.dataclass(frozen=True)
class Mine:
    sizes: tuple[int, ...] = (1, 2)
    name: str = "x"


class Outer:
    @dataclasses.dataclass(frozen=True)
    class Inner:
        value: float = 0.5


THINGS = [
    Mine(),
    Mine((), "y"),
    Outer.Inner(1.5),
    lw.EMA(0.99),
    lw.BEMA(phi=4, convention="trl"),
    lw.SetComplement(5, True),
    lw.Curriculum(5, 2, 10),
    lw.TransformerConfig(positions=LearnedPositions(0.1)),
    lw.TrainingConfig(lengths=lw.UniformLengths(3)),
    lw.Hparams(averages=(lw.EMA(0.5), lw.NoAverage())),
    lw.DropoutRates(residual=0.1),
]


@pytest.mark.parametrize("thing", THINGS, ids=lambda x: type(x).__name__)
def test_describe_and_construct_are_inverse(thing):
    text = json.dumps(describe(thing))
    assert describe(construct(json.loads(text))) == json.loads(text)
    built = lw.Component.of(thing).build()
    assert type(built) is type(thing)
    assert describe(built) == json.loads(text)


@pytest.mark.parametrize("thing", THINGS, ids=lambda x: type(x).__name__)
def test_a_component_is_its_text(thing):
    component = lw.Component.of(thing)
    assert lw.Component.of(str(component)) == component
    assert lw.Component.of(component) is component
    assert hash(lw.Component.of(str(component))) == hash(component)


def test_classes_go_by_their_public_name():
    assert class_name(lw.EMA) == "lengthwise.training:EMA"
    assert class_name(Outer.Inner) == f"{__name__}:Outer.Inner"
    assert resolve(class_name(Outer.Inner)) is Outer.Inner


def test_components_inside_mappings_come_back():
    thing = Mine(name={"a": Mine((3,)), "b": {"c": [Outer.Inner(2.5)]}})  # type: ignore[arg-type]
    again = construct(json.loads(json.dumps(describe(thing))))
    assert again == Mine(name={"a": Mine((3,)), "b": {"c": (Outer.Inner(2.5),)}})  # type: ignore[arg-type]


def test_text_gives_fields_in_any_order():
    text = 'lengthwise.training:BEMA  {"phi": 4, "eta": 0.1}'
    assert lw.Component.of(text) == lw.Component.of('lengthwise.training:BEMA {"eta":0.1,"phi":4}')
    assert lw.Component.of(text).build().phi == 4
    assert lw.Component.of("lengthwise.training:BEMA").build() == lw.BEMA()


def test_arrays_of_no_axis_are_numbers():
    assert describe(lw.EMA(jnp.float32(0.5)))["fields"] == {"decay": 0.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("EMA", r"must be named `module:Class`.*'EMA'"),
        ("a:b:c", r"must be named"),
        ("lengthwise.training:EMA {decay: 1}", r"must be named.*JSON fields"),
        ("lengthwise.training:EMA [1]", r"must be named"),
        (3, r"must be a dataclass or Module instance, but got \(3\)"),
        ((1, 2), r"must be a dataclass"),
    ],
)
def test_what_is_no_component_is_refused(text, words):
    with pytest.raises(lw.InputError, match=words):
        lw.Component.of(text)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_package.attn:Mine", r"`from no_such_package.attn import Mine` work here"),
        ("lengthwise.training:Nothing", r"`from lengthwise.training import Nothing`"),
        ("lengthwise.training:EMA.inner", r"`from lengthwise.training import EMA`"),
        ("os:system", r"must be a dataclass, Module or named tuple"),
        ("builtins:dict", r"must be a dataclass, Module or named tuple"),
        (":EMA", r"must be importable"),
    ],
)
def test_what_cannot_be_imported_names_the_import(target, words):
    with pytest.raises(lw.InputError, match=words):
        lw.Component(target).build()


def test_wrong_fields_are_named():
    with pytest.raises(lw.InputError, match=r"`lengthwise.training:EMA` cannot be.*half_life"):
        lw.Component.of('lengthwise.training:EMA {"half_life": 3}').build()
    with pytest.raises(lw.InputError, match=r"`0 <= decay < 1`"):
        lw.Component.of('lengthwise.training:EMA {"decay": 2}').build()


@pytest.mark.parametrize("value", [jnp.zeros(3), object(), {1, 2}], ids=["array", "object", "set"])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(lw.InputError, match="fields must be numbers"):
        describe(Mine(name=value))


def test_a_class_of_a_script_is_to_be_moved_to_a_module():
    with pytest.raises(lw.InputError, match="move the class to a module of its own"):
        resolve("__main__:OfAnotherScript")
