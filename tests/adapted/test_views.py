"""Views against the same reorderings done by NumPy."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from thalweg.adapted.views import view_of

SHAPES = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4).map(tuple)


def factorisations(size, dims):
    """Return some shapes of this size."""
    found = [(size,), (1, size)]
    for first in (2, 3, 4):
        if dims > 1 and size % first == 0:
            found += [(first, *rest) for rest in factorisations(size // first, dims - 1)]
    return found


@given(SHAPES, st.data())
def test_reordering_a_view_is_reordering_the_array(shape, data):
    leaf = np.arange(math.prod(shape)).reshape(shape)
    view, array = view_of(0, shape), leaf
    for _ in range(data.draw(st.integers(1, 4))):
        if data.draw(st.booleans()):
            order = tuple(data.draw(st.permutations(range(array.ndim))))
            view, array = view.transposed(order), array.transpose(order)
        else:
            wanted = data.draw(st.sampled_from(factorisations(array.size, 3)))
            moved = view.reshaped(wanted)
            if moved is None:  # only where the entries of a dim lie in no regular order
                assert array.size > 1 and view.dims != view_of(0, array.shape).dims
                continue
            view, array = moved, array.reshape(wanted)
    assert view.shape == array.shape
    np.testing.assert_array_equal(view.indices(), array)
    assert not view.repeats
    columns = data.draw(st.sets(st.integers(0, array.ndim - 1)))
    rows = tuple(k for k in range(array.ndim) if k not in columns)
    slot = view.slot(3, rows, tuple(sorted(columns)))
    theta = np.concatenate([-np.ones(3), leaf.ravel()])
    matrix = array.transpose((*rows, *sorted(columns))).reshape(slot.rows, -1)
    np.testing.assert_array_equal(slot.matrix(theta), matrix)
    np.testing.assert_array_equal(slot.flat(matrix), leaf.ravel())


@given(SHAPES, st.data())
def test_broadcasting_a_view_is_broadcasting_the_array(shape, data):
    array = np.arange(math.prod(shape)).reshape(shape)
    wanted = (2, *(5 if n == 1 and data.draw(st.booleans()) else n for n in shape))
    view = view_of(0, shape).broadcast(wanted, tuple(range(1, len(wanted))))
    np.testing.assert_array_equal(view.indices(), np.broadcast_to(array, wanted))
    assert view.shape == wanted and view.repeats


def test_what_is_no_list_of_runs():
    assert view_of(0, (2, 3)).transposed((1, 0)).reshaped((2, 3)) is None
    assert view_of(0, (2, 3)).reshaped((2, 4)) is None
    assert view_of(0, (4, 6)).times(2.0).reshaped((6, 4)).factor == 2.0
