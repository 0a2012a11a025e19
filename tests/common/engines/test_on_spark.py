"""What Spark's shuffle is told of keys."""

import pickle
from functools import partial

from common.engines.on_spark import partition_of_pair
from common.kernels.grouping import partition_of


def test_keys_go_to_their_partition_and_what_has_none_to_the_first() -> None:
    partitioner = pickle.loads(pickle.dumps(partial(partition_of_pair, partitions=7)))
    for key in (0, 8, "", "a", "-1", "None"):
        assert partitioner(key) == partition_of(key, 7)
    assert partitioner(None) == 0
