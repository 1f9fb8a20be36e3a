from ._claim import (
    BUDGETS as BUDGETS,
    Budget as Budget,
    Claim as Claim,
    Verdict as Verdict,
    decide as decide,
)
from ._header import claim_of as claim_of, read_header as read_header
from ._load import Found as Found, find_claims as find_claims, load_claim as load_claim
from ._paired import (
    Effect as Effect,
    by_seed as by_seed,
    compare as compare,
    compare_each as compare_each,
    paired_ratio as paired_ratio,
    unseen_mean as unseen_mean,
)
from ._record import (
    Done as Done,
    Record as Record,
    check_whole as check_whole,
    committed_record as committed_record,
    part_hash as part_hash,
    read_record as read_record,
    record_path as record_path,
    write_record as write_record,
)
from ._results import results_page as results_page, write_results as write_results
from ._rows import (
    COLUMNS as COLUMNS,
    columns as columns,
    grid as grid,
    group as group,
    label as label,
    select as select,
)
from ._rule import check_order as check_order, rule_commit as rule_commit
from ._runner import run_claims as run_claims, run_parts as run_parts
from ._train import train_variant as train_variant
from ._verify import (
    Compared as Compared,
    compare_part as compare_part,
    verify_parts as verify_parts,
)
