"""`lengthwise othello games`."""

import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from .._core import InputError, require
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


if TYPE_CHECKING:
    from ..othello import Games


@dataclass(frozen=True)
class OthelloGames:
    """Play uniformly random games, or check games from a file, and write them as NumPy shards."""

    out: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """A new directory for the shards and their manifest; without it nothing is written."""
    size: int = 8
    """Side of the board: 4, 6 or 8."""
    policy: Literal["skip", "pass"] = "skip"
    """skip: a forfeited turn leaves no trace, as in the published corpus. pass: it is an entry, -2."""
    seed: int = 0
    """The same seed gives the same games, whatever the threads and shards."""
    train: int = 100_000
    """Training games; the streams share no start of the random numbers."""
    validation: int = 10_000
    """Validation games."""
    test: int = 10_000
    """Test games."""
    read: Annotated[tuple[pathlib.Path, ...], tyro.conf.arg(metavar="[FILE ...]")] = ()
    """Check and write these instead: lists of squares 0..63 in .pickle, .json or .npy."""
    legal: bool = True
    """Write the legal squares of every move too."""
    shard_games: int = 100_000
    """Games in a shard."""
    threads: int | None = None
    """Threads; by default one a core."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Play or read, write, and say how much the streams have in common."""
        require(
            self.shard_games >= 1,
            "`shard_games >= 1`",
            "put games into a shard",
            shard_games=self.shard_games,
        )
        from ..othello import check_size, write_shards  # needs NumPy

        check_size(self.size)
        if self.read:
            streams, about = {"corpus": self._files()}, {"files": [str(path) for path in self.read]}
        else:
            counts = {name: getattr(self, name) for name in ("train", "validation", "test")}
            for name, count in counts.items():
                require(count >= 0, f"`{name} >= 0`", "ask for some games", **{name: count})
            require(any(counts.values()), "Some games", "ask for a stream of them", **counts)
            counts = {name: count for name, count in counts.items() if count}
            streams = {name: self._played(name, count) for name, count in counts.items()}
            about = {"seed": self.seed, "overlap": self._overlap(counts)}
        if self.out is None:
            games = sum(len(part.moves) for parts in streams.values() for part in parts)
            print(f"{games} games, not written: name a directory by `--out`")
            return Outcome(ExitCode.COMPLETED, {"games": games, "out": None} | about)
        manifest = write_shards(self.out, streams, legal=self.legal, about=about)
        for name, stream in manifest["streams"].items():
            print(f"{name:10}  {stream['games']} games in {len(stream['shards'])} shards")
        print(f"games       {self.out}")
        return Outcome(ExitCode.COMPLETED, {"out": str(self.out)} | manifest)

    def _overlap(self, counts: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
        """Print and return how many games begin as training games, by the number of moves."""
        from ..othello import overlap

        few = {name: self._play(name, 0, min(count, 100_000)) for name, count in counts.items()}
        train = few.pop("train", None)
        if train is None:
            return {}
        rows = {name: overlap(games, train) for name, games in few.items()}
        for name in rows:
            print(f"{name}: share of {len(few[name].moves)} games that begin as a training game")
            shares = (f"{row.moves} moves {row.share:.2%}" for row in rows[name])
            print(f"  {', '.join(shares)} (of {len(train.moves)} training games)")
        return {name: [row._asdict() for row in found] for name, found in rows.items()}

    def _files(self) -> Iterator["Games"]:
        from ..othello import read_corpus

        for path in self.read:
            games = read_corpus(path, self.size, policy=self.policy)
            if not len(games.moves):
                raise InputError(f"`{path}` must hold games, but it has none: leave it out.")
            for start in range(0, len(games.moves), self.shard_games):
                part = slice(start, start + self.shard_games)
                arrays = (array[part] for array in (games.moves, games.legal, games.lengths))
                yield type(games)(games.size, games.policy, *arrays)

    def _played(self, name: str, count: int) -> Iterator["Games"]:
        for first in range(0, count, self.shard_games):
            yield self._play(name, first, min(self.shard_games, count - first))

    def _play(self, name: str, first: int, count: int) -> "Games":
        from ..othello import random_games

        threads = (os.cpu_count() or 1) if self.threads is None else self.threads
        return random_games(
            self.size,
            count,
            seed=self.seed,
            stream=name,
            first=first,
            policy=self.policy,
            threads=threads,
        )
