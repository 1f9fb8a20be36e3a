from ._component import (
    Component as Component,
    ComponentLike as ComponentLike,
    class_name as class_name,
    construct as construct,
    describe as describe,
    resolve as resolve,
)
from ._errors import (
    InputError as InputError,
    LengthwiseError as LengthwiseError,
    StorageError as StorageError,
    require as require,
)
from ._record import (
    SCHEMA as SCHEMA,
    UNBEGUN as UNBEGUN,
    RunFiles as RunFiles,
    RunRecord as RunRecord,
    provenance as provenance,
    read_run as read_run,
)
from ._sizes import Sizes as Sizes
from ._storage import (
    append_lines as append_lines,
    new_directory as new_directory,
    read_csv as read_csv,
    read_json as read_json,
    read_lines as read_lines,
    sole_writer as sole_writer,
    storage_errors as storage_errors,
    whole_directory as whole_directory,
    write_bytes as write_bytes,
    write_csv as write_csv,
    write_json as write_json,
)
from ._template import render_template as render_template
from ._workers import (
    cores_for as cores_for,
    end_with_parent as end_with_parent,
    stay_on as stay_on,
)
