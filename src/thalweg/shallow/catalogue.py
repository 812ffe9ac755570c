"""The catalogue of minima of a shallow network: what was found, how sure it is, and how every start ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, fields

import numpy as np

from thalweg.records import Catalogue, Certificate, CriticalPoint, InputError, Outcome, Verdict, record
from thalweg.shallow.net import ShallowNet

MINIMUM, SADDLE, DEGENERATE = "minimum", "saddle", "degenerate"
"""Kinds of critical points; degenerate: at the floor of rounding, but neither proved nor refuted."""

ESCAPES = ("saturation", "merging", "tail", "growth")
"""How starts run to infinity: a neuron becomes a step, two become one and its derivative, one becomes an exponential,
or - not known to - weights are large when the steps are spent."""


@record
class LimitPoint:
    """A limit at infinity: a value of the loss that networks of the family approach and do not attain there.

    `drift` is the rise of the loss off the limit: by the squared distance of merging neurons, by `exp(-k b)` of one in
    its tail, by the softness of a step. `is_infimum`: the closure model is at a strict minimum and the drift is
    positive; then the loss tends to the limit from above, and for "merging" and "tail" it is a local infimum.
    Eigenvalues are those of the closure model in scaled units; `parameters` are its own, in the layout
    `[v0, steps, v, p, B]` of `batched.py` and the units of the data.
    """

    kind: str
    loss: float
    hits: int
    drift: float
    smallest_eigenvalue: float
    largest_eigenvalue: float
    gradient_norm: float
    is_infimum: bool
    parameters: np.ndarray
    certificate: Certificate | None = None


@record
class MinimaCatalogue(Catalogue):
    """Critical points of the loss in order of kind and loss, with the story of every start.

    `parameters (k, P)` are those of the points in the flat layout; `distance` from the redundant set, `regularity` (the
    smallest singular value of the Jacobian with unit columns, 0: not regular) and `focal_margin` `(k,)` belong to
    them. Of every start: `outcomes`, `escapes` (empty for none), `point_of_start` (-1 for none),
    `limit_of_start`, the parameters `ends (S, P)` where it stopped, `losses`, `gradient_norms` and `steps`.
    """

    activation: str = "tanh"
    features: int = 1
    outputs: int = 1
    width: int = 0
    parameters: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    distance: np.ndarray = field(default_factory=lambda: np.zeros(0))
    regularity: np.ndarray = field(default_factory=lambda: np.zeros(0))
    focal_margin: np.ndarray = field(default_factory=lambda: np.zeros(0))
    limits: tuple[LimitPoint, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    escapes: tuple[str, ...] = ()
    point_of_start: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    limit_of_start: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    ends: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    losses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gradient_norms: np.ndarray = field(default_factory=lambda: np.zeros(0))
    steps: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def starts(self) -> int:
        """How many descents were made."""
        return len(self.outcomes)

    @property
    def minima(self) -> tuple[int, ...]:
        """Numbers of the strict minima among the points, the lowest first."""
        return tuple(i for i, point in enumerate(self.points) if point.kind == MINIMUM)

    @property
    def saddles(self) -> tuple[int, ...]:
        """Numbers of the saddles among the points."""
        return tuple(i for i, point in enumerate(self.points) if point.kind == SADDLE)

    @property
    def best(self) -> int | None:
        """Number of the lowest strict minimum whose certificate holds; None if there is none."""
        return next((i for i in self.minima if self.is_certified(i)), None)

    @property
    def certified_share(self) -> float:
        """Share of the starts that ended at a certified strict minimum."""
        good = [i for i in self.minima if self.is_certified(i)]
        return float(np.isin(self.point_of_start, good).mean()) if self.starts else 0.0

    def is_certified(self, i: int | np.integer) -> bool:
        """Tell whether the certificate of a point holds."""
        certificate = self.points[i].certificate
        return certificate is not None and certificate.verdict is Verdict.HOLDS

    def net(self, i: int | np.integer) -> ShallowNet:
        """Return the network of a point.

        Parameters
        ----------
        i
            Its number.

        Returns
        -------
        ShallowNet
            In the units of the data.

        Raises
        ------
        InputError
            If there is no such point.
        """
        if not 0 <= i < len(self.points):
            raise InputError("no_such_point", number=i, count=len(self.points))
        return self._net(self.parameters[i])

    def net_of_start(self, k: int | np.integer) -> ShallowNet:
        """Return the network at which a start stopped.

        Parameters
        ----------
        k
            Number of the start.

        Returns
        -------
        ShallowNet
            In the units of the data.

        Raises
        ------
        InputError
            If there is no such start.
        """
        if not 0 <= k < self.starts:
            raise InputError("no_such_point", number=k, count=self.starts)
        return self._net(self.ends[k])

    def _net(self, theta: np.ndarray) -> ShallowNet:
        K, m, d = self.outputs, self.width, self.features
        empty = ShallowNet(self.activation, np.zeros(K) if K > 1 else 0.0, np.zeros((m, K) if K > 1 else m),
                           np.zeros(m), np.zeros((m, d)))  # fmt: skip
        return empty.with_theta(theta)

    def share(self, escape: str) -> float:
        """Return the share of starts that ran to infinity in this way."""
        return Counter(self.escapes)[escape] / self.starts if self.starts else 0.0

    def to_frame(self):
        """Return one row a point as a pandas DataFrame, with the columns of this family."""
        frame = super().to_frame()
        frame["certified"] = [self.is_certified(i) for i in range(len(self.points))]
        frame["distance"], frame["regularity"] = self.distance, self.regularity
        frame["focal_margin"] = self.focal_margin
        return frame

    def points_only(self) -> Catalogue:
        """Return the points as a plain catalogue, as a fit keeps them."""
        return Catalogue(self.points, self.expected)

    def __repr__(self) -> str:
        best = "none" if self.best is None else f"{self.points[self.best].loss:.6g}"
        ran = ", ".join(f"{name} {self.share(name):.0%}" for name in ESCAPES if self.share(name))
        return (
            f"<MinimaCatalogue {self.activation} width {self.width}: {self.starts} starts, {len(self.minima)} minima, "
            f"{len(self.saddles)} saddles, certified {self.certified_share:.0%}, best loss {best}"
            f"{'; to infinity: ' + ran if ran else ''}>"
        )


def plain(certificate: Certificate) -> Certificate:
    """Return a certificate without what only this family adds to it, as files hold it."""
    return Certificate(**{f.name: getattr(certificate, f.name) for f in fields(Certificate)})


def point_order(point: CriticalPoint) -> tuple[int, float]:
    """Return the place of a point: minima first, then what is degenerate, then saddles; each by loss."""
    return (MINIMUM, DEGENERATE, SADDLE).index(point.kind), point.loss
