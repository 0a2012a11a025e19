"""Hold a finished run to the rules, and show the verdicts as a table."""

from collections.abc import Iterator, Sequence

from common.errors import counted
from master.algorithms.tables import aligned
from master.teaching.evidence import Verdict, gather
from master.teaching.finished import FinishedRun
from master.teaching.map_rules import (
    each_row_once,
    keys_of_nearest,
    partitions_hold_map_output,
    partitions_sorted,
    sums_of_combiner,
)
from master.teaching.reduce_rules import centroids_compiled, means_of_members
from master.teaching.run_rules import (
    calls_answered,
    files_there,
    manifests_right,
    partition_is_key_modulo,
)

RULES = (
    files_there,
    each_row_once,
    keys_of_nearest,
    sums_of_combiner,
    partition_is_key_modulo,
    partitions_sorted,
    partitions_hold_map_output,
    manifests_right,
    means_of_members,
    centroids_compiled,
    calls_answered,
)
_SHOWN_FAULTS = 5


def verify(run: FinishedRun) -> list[Verdict]:
    """Check every rule; InputError if the input is no longer what the run has read."""
    evidence = gather(run)
    rules = [rule for rule in RULES if run.started.combine or rule is not sums_of_combiner]
    return [rule(evidence) for rule in rules]


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield a line for each rule, and below it what is wrong, then the sum of it."""
    found = [counted(len(each.faults), "fault") if each.faults else "OK" for each in verdicts]
    rows = [(each.rule, each.checked, text) for each, text in zip(verdicts, found, strict=True)]
    heading, *lines = aligned([("rule", "checked", "found"), *rows], "<")
    yield heading
    for each, line in zip(verdicts, lines, strict=True):
        yield line
        yield from (f"  {fault}" for fault in each.faults[:_SHOWN_FAULTS])
        if len(each.faults) > _SHOWN_FAULTS:
            yield f"  ... and {len(each.faults) - _SHOWN_FAULTS} more"
    broken = sum(bool(each.faults) for each in verdicts)
    yield ""
    yield f"{broken} of {len(verdicts)} rules are broken" if broken else "all rules hold"
