from ._claim import BUDGETS as BUDGETS, Budget as Budget, Claim as Claim, Verdict as Verdict
from ._load import Found as Found, find_claims as find_claims, load_claim as load_claim
from ._paired import by_seed as by_seed, paired_ratio as paired_ratio, ratio_text as ratio_text
from ._record import (
    Done as Done,
    Record as Record,
    committed_record as committed_record,
    part_hash as part_hash,
    read_record as read_record,
    record_path as record_path,
    write_record as write_record,
)
from ._results import results_page as results_page, write_results as write_results
from ._rule import check_order as check_order, rule_commit as rule_commit
from ._runner import run_claims as run_claims, run_parts as run_parts
from ._verify import (
    Compared as Compared,
    compare_part as compare_part,
    verify_parts as verify_parts,
)
