from ._board import (
    EMPTY as EMPTY,
    END as END,
    MINE as MINE,
    PASS as PASS,
    POLICIES as POLICIES,
    SIZES as SIZES,
    STREAMS as STREAMS,
    THEIRS as THEIRS,
    Policy as Policy,
    centre as centre,
    check_policy as check_policy,
    check_size as check_size,
    most_entries as most_entries,
    square_name as square_name,
    tokens_of as tokens_of,
)
from ._corpus import read_corpus as read_corpus
from ._games import (
    Games as Games,
    Positions as Positions,
    discs as discs,
    legal_after as legal_after,
    next_move as next_move,
    positions as positions,
    random_games as random_games,
    replay as replay,
)
from ._overlap import OverlapRow as OverlapRow, overlap as overlap
from ._rules import (
    legal_moves as legal_moves,
    perft as perft,
    play as play,
    start as start,
)
from ._shards import read_shards as read_shards, write_shards as write_shards
