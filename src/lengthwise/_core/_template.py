"""A page from a template of a room."""

from typing import Any


def render_template(room: str, template: str, **values: Any) -> str:
    """The page as text, every value escaped; every name that the template reads must be given.

    **Arguments:**

    - `room`: the package whose folder `templates` holds it.
    - `template`: its file.
    """
    import jinja2  # a twentieth of a second, which runs without a page need not wait for

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(room),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
