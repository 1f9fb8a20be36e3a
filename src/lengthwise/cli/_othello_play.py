"""`lengthwise othello play`."""

import pathlib
import threading
import webbrowser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from .._core import InputError, class_name, read_run
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


if TYPE_CHECKING:
    from ..explore import Explorer


@dataclass(frozen=True)
class OthelloPlay:
    """Click through a game beside the models of a run, on a page of this machine; Ctrl-C ends it."""

    path: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="RUN")]
    """Run directory of an Othello task."""
    port: int = 0
    """Of 127.0.0.1, where the page is; by default a free one."""
    browser: bool = True
    """Open the page in the browser."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Load every set of weights, and serve the page until it is interrupted."""
        start_jax(self.common.compile_cache)
        from ..explore import open_server, server_url

        explorer = self._explorer()
        with open_server(explorer, self.port) as server:
            url = server_url(server)
            print(f"page    {url}\nCtrl-C ends it", flush=True)
            if self.browser:  # it may wait for the page, which is answered below
                threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print()
        values = {"directory": str(self.path), "weights": list(explorer.models), "url": url}
        return Outcome(ExitCode.COMPLETED, values)

    def _explorer(self) -> "Explorer":
        from ..explore import Explorer
        from ..tasks import OthelloTask
        from ..training import load_config
        from ._evaluate_run import load_run

        task, *_ = load_config(read_run(self.path).config)
        if not isinstance(task, OthelloTask):
            raise InputError(
                f"`{self.path}` must be a run of Othello, but its task is ({class_name(type(task))}): name "
                "another run, such as one that `lengthwise demo othello` makes."
            )
        run = load_run(self.path)
        return Explorer(task, run.models, seen=run.seen, name=self.path.resolve().name)
