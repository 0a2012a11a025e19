"""An address names one file; reading it is tested in tests/engines."""

import pytest

from common.errors import UsageError
from master.engines.spark.uri import check_address


def test_an_address_of_several_files() -> None:
    check_address("hdfs://host/a b-c.csv")
    with pytest.raises(UsageError) as refused:
        check_address("hdfs://host/{a,b}/*.csv")
    text = "--input hdfs://host/{a,b}/*.csv: to Spark, * , { } would name several files"
    assert str(refused.value) == text
