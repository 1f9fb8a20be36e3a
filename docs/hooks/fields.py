"""Classes show what they are made from: fields of Equinox modules, dataclasses and named tuples.

Griffe reads the `__init__` of plain dataclasses alone. Here every class without one that has fields
gets the one that its fields give it.
"""

import griffe


class Fields(griffe.Extension):
    """Adds `__init__` to classes whose fields are their arguments."""

    def on_class(self, *, cls, **_):
        """A parameter for each annotated field, in their order."""
        fields = [
            member
            for member in cls.members.values()
            if member.is_attribute
            and member.annotation is not None
            and "property" not in member.labels
            and not member.name.startswith("_")
            and not str(member.annotation).startswith(("ClassVar", "AbstractVar"))
        ]
        if "__init__" in cls.members or not fields:
            return
        parameters = griffe.Parameters(griffe.Parameter("self"), *map(_parameter, fields))
        cls.set_member("__init__", griffe.Function("__init__", parameters=parameters))


def _parameter(field):
    default = field.value
    if isinstance(default, griffe.ExprCall) and str(default.function).endswith("field"):
        # `eqx.field(static=True, default=1)` and `dataclasses.field(default_factory=list)`
        words = {
            word.name: word.value
            for word in default.arguments
            if isinstance(word, griffe.ExprKeyword)
        }
        factory = words.get("default_factory")
        default = words.get("default", f"{factory}()" if factory else None)
    kind = griffe.ParameterKind.positional_or_keyword
    return griffe.Parameter(field.name, annotation=field.annotation, kind=kind, default=default)
