"""Files, DataFrames and arrays become a Table, and a Table becomes a Problem (X, y) with its checks."""

from thalweg.data.problem import Problem, make_problem
from thalweg.data.reading import read

__all__ = ["Problem", "make_problem", "read"]
