"""What Spark's shuffle is told of keys."""

import pickle

from common.engines.on_spark import Partitioner
from common.kernels.partitioner import partition_of


def test_keys_go_to_their_partition_and_what_has_none_to_the_first() -> None:
    partitioner = pickle.loads(pickle.dumps(Partitioner(7)))
    for key in (0, 8, "", "a", "-1", "None"):
        assert partitioner(key) == partition_of(key, 7)
    assert partitioner(None) == 0
