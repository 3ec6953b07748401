"""The line search of Moré and Thuente, with the constants of L-BFGS-B.

It looks for a step that decreases the value enough and at which the slope has become flat enough:
``value <= start.value + 1e-3 * step * start.slope`` and ``|slope| <= 0.9 * |start.slope|``. Each trial shrinks or moves
an interval that contains such a step; the next trial is the minimum of a cubic or quadratic through the last ones.

Trials that overflow are not in the paper. They count as infinitely high here, and the next trial is half as far from
the best one; scipy goes back to the start instead, and takes that for convergence.

References
----------
J. J. Moré and D. J. Thuente, "Line search algorithms with guaranteed sufficient decrease", ACM Transactions on
Mathematical Software 20 (1994), 286-307.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MAX_TRIALS = 20
LARGEST_STEP = 1e10

_DECREASE = 1e-3
_FLATNESS = 0.9
_NARROWEST = 0.1  # of an interval, relative to its upper end


class Trial(NamedTuple):
    """A step, and the value and slope of the objective there."""

    step: float
    value: float
    slope: float

    def tilted(self, slope):
        """The same on the objective minus a line through the origin."""
        return Trial(self.step, self.value - slope * self.step, self.slope - slope)


@dataclass
class LineSearch:
    """A line search in progress.

    Parameters
    ----------
    start : Trial
        Step 0, with a negative slope. Its numbers are NumPy's, which divide by zero without an error.
    step : float
        The step to try next.

    Attributes
    ----------
    best, other : Trial
        Ends of the interval: the trial with the smallest value, and another one.
    is_bracketed : bool
        Whether a step that satisfies the conditions lies between `best` and `other`.
    in_first_stage : bool
        Whether no trial has decreased the value enough at a slope that is not negative. Until then, the search may
        minimise the objective minus the line of sufficient decrease.
    lower, upper : float
        Bounds of the next step; the ends of the interval once it is bracketed.
    width, width_before : float
        Length of the interval after the last trial, and after the one before.
    is_satisfied : bool
        Whether both conditions hold at the last trial.
    """

    start: Trial
    step: float

    def __post_init__(self):
        self.best = self.other = self.start
        self.is_bracketed, self.in_first_stage, self.is_satisfied = False, True, False
        self.lower, self.upper = 0.0, 5.0 * self.step
        self.width, self.width_before = LARGEST_STEP, 2 * LARGEST_STEP

    def ends(self, value, slope):
        """Take the value and slope at `step`. Whether the search ends there; if not, `step` is the next to try.

        It ends where both conditions hold, where the interval has become too narrow, or at the bounds of the step.
        """
        if not (np.isfinite(value) and np.isfinite(slope)):
            value = np.float64(np.inf)
        now, required = Trial(self.step, value, slope), _DECREASE * self.start.slope
        line = self.start.value + now.step * required
        decreases = value <= line
        if decreases and slope >= 0:
            self.in_first_stage = False
        self.is_satisfied = bool(decreases and abs(slope) <= -_FLATNESS * self.start.slope)
        if self.is_satisfied:
            return True
        if self.is_bracketed and self._is_at_its_end(now.step):
            return True
        if now.step == LARGEST_STEP and decreases and slope <= required:
            return True
        if now.step == 0 and not (decreases and slope < required):
            return True
        self._next(now, required if self.in_first_stage and line < value <= self.best.value else 0.0)
        return False

    def _next(self, now, tilt):
        """The next interval and step, found on the objective minus a line of slope `tilt`."""
        now, best, other = (trial.tilted(tilt) for trial in (now, self.best, self.other))
        step, brackets = _next_step(now, best, other, self.is_bracketed, self.lower, self.upper)
        self.is_bracketed |= brackets
        if now.value > best.value:
            other = now
        else:
            if now.slope * np.sign(best.slope) < 0:
                other = best
            best = now
        self.best, self.other = best.tilted(-tilt), other.tilted(-tilt)
        if self.is_bracketed:
            length = abs(other.step - best.step)
            if length >= 0.66 * self.width_before or not np.isfinite(step):
                step = best.step + 0.5 * (other.step - best.step)
            self.width_before, self.width = self.width, length
            self.lower, self.upper = min(best.step, other.step), max(best.step, other.step)
        else:
            self.lower, self.upper = step + 1.1 * (step - best.step), step + 4.0 * (step - best.step)
        step = np.fmin(np.fmax(step, 0.0), LARGEST_STEP)  # 0 for NaN
        if self.is_bracketed and self._is_at_its_end(step):
            step = best.step
        self.step = step

    def _is_at_its_end(self, step):
        """Whether a step is no longer inside of the interval, or the interval is too narrow."""
        return step <= self.lower or step >= self.upper or self.upper - self.lower <= _NARROWEST * self.upper


def _next_step(now, best, other, is_bracketed, lower, upper):
    """The next step, and whether the last trial brackets a minimum."""
    if now.value > best.value:
        cubic, _, _ = _cubic_minimum(best, now)
        secant = (best.value - now.value) / (now.step - best.step)
        quadratic = best.step + best.slope / (secant + best.slope) / 2 * (now.step - best.step)
        if abs(cubic - best.step) < abs(quadratic - best.step):
            return cubic, True
        return cubic + (quadratic - cubic) / 2, True
    beyond = upper if now.step > best.step else lower
    by_slopes = now.step + now.slope / (now.slope - best.slope) * (best.step - now.step)
    if now.slope * np.sign(best.slope) < 0:
        cubic, _, _ = _cubic_minimum(now, best)
        return _farther(cubic, by_slopes, now.step), True
    if abs(now.slope) < abs(best.slope):
        cubic, share, root = _cubic_minimum(now, best)
        if not (share < 0 and root != 0):  # the cubic has its minimum on the other side, or none
            cubic = beyond
        if not is_bracketed:
            return np.fmax(lower, np.fmin(upper, _farther(cubic, by_slopes, now.step))), False
        closer = cubic if abs(cubic - now.step) < abs(by_slopes - now.step) else by_slopes
        limit = now.step + 0.66 * (other.step - now.step)
        return np.fmin(limit, closer) if now.step > best.step else np.fmax(limit, closer), False
    if is_bracketed:
        return _cubic_minimum(now, other)[0], False
    return beyond, False


def _farther(a, b, step):
    return a if abs(a - step) > abs(b - step) else b


def _cubic_minimum(a, b):
    """The minimum of the cubic with the values and slopes of two trials; its share of the way; the root in it."""
    middle = 3 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope
    largest = max(abs(middle), abs(a.slope), abs(b.slope))
    square = (middle / largest) ** 2 - a.slope / largest * (b.slope / largest)
    root = np.copysign(largest * np.sqrt(max(0.0, square)), b.step - a.step)
    share = ((root - a.slope) + middle) / (((root - a.slope) + root) + b.slope)
    return a.step + share * (b.step - a.step), share, root
