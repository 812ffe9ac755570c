"""The run-time type checker of the tests: beartype, with whole numbers allowed where floats are asked for."""

from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))
