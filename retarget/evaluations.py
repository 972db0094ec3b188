"""One frame's objective as a compiled generator: its arrays are handed over once.

Handing the some fifty arrays of an objective to a compiled function takes longer than its work.
A generator keeps them: `next` reads the joints from, and writes the derivatives to, arrays that it
shares with its caller.
"""

from numba import njit

from retarget.residuals import frame_derivatives


@njit(cache=True)
def evaluations(tree, work, spare, terms, which, x, before, gradient, hessian):
    """Yield the value at inputs `x` (m,), with the frame before at `before` (m,), for ever.

    `which` (3,) has the frame, whether it is near to the one before, and whether the lower triangle
    of `hessian` (m, m) is wanted beside `gradient` (m,).
    """
    while True:
        smoothness = terms.smoothness if which[1] == 1 else 0.0
        yield frame_derivatives(
            tree,
            work,
            spare,
            terms,
            which[0],
            x,
            before,
            smoothness,
            gradient,
            hessian,
            which[2] == 1,
        )
