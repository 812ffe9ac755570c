"""The nouns: frozen records that every family fills and every report reads (NumPy only)."""

from thalweg.records.catalogue import Catalogue, CriticalPoint
from thalweg.records.certificate import Certificate, digest_of
from thalweg.records.check import Check, Method, Severity, Verdict
from thalweg.records.codec import SCHEMA, from_document, record, same, to_document
from thalweg.records.decisions import ColumnDecision, Decisions, Suggestion
from thalweg.records.errors import InputError, ThalwegError
from thalweg.records.fit import Fit
from thalweg.records.outcome import Outcome
from thalweg.records.picture import Picture
from thalweg.records.plan import Choice, Plan, Span, Stage
from thalweg.records.provenance import Provenance
from thalweg.records.section import Section, Study
from thalweg.records.statement import Cell, DataTable, Quantity, Statement
from thalweg.records.survey import ColumnProfile, DataProfile, Decision, Survey
from thalweg.records.trajectory import Mark, Trajectory

__all__ = [
    "SCHEMA", "Catalogue", "Cell", "Certificate", "Check", "Choice", "ColumnDecision", "ColumnProfile",
    "CriticalPoint", "DataProfile", "DataTable", "Decision", "Decisions", "Fit", "InputError", "Mark", "Method",
    "Outcome", "Picture", "Plan", "Provenance", "Quantity", "Section", "Severity", "Span", "Stage", "Statement",
    "Study", "Suggestion", "Survey", "ThalwegError", "Trajectory", "Verdict", "digest_of", "from_document", "record",
    "same", "to_document",
]  # fmt: skip
