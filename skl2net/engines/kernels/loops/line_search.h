/* The line search of Moré and Thuente, with the constants of L-BFGS-B.
 *
 * It looks for a step that decreases the value enough and at which the slope has become flat enough:
 * value <= start.value + 1e-3 * step * start.slope and |slope| <= 0.9 * |start.slope|. Each trial shrinks or moves an
 * interval that contains such a step; the next trial is the minimum of a cubic or quadratic through the last ones. Until a
 * trial has decreased the value enough at a slope that is not negative, the search may minimise the objective minus the
 * line of sufficient decrease (`tilted`).
 *
 * Trials that overflow are not in the paper. They count as infinitely high, and the next trial is half as far from the
 * best one.
 *
 * J. J. Moré and D. J. Thuente, "Line search algorithms with guaranteed sufficient decrease", ACM Transactions on
 * Mathematical Software 20 (1994), 286-307. */
#ifndef SKL2NET_LINE_SEARCH_H
#define SKL2NET_LINE_SEARCH_H

#include <math.h>

namespace {

constexpr double LARGEST_STEP = 1e10;
constexpr int MAX_TRIALS = 20;

struct trial_t {
    double step, value, slope;
};

struct line_search_t {
    trial_t start, best, other;  /* the last two: ends of the interval, of which `best` has the smallest value so far */
    double step, lower, upper;   /* the next step, and its bounds: the ends of the interval once it is bracketed */
    double width, width_before;  /* of the interval after the last trial, and after the one before */
    int is_bracketed, in_first_stage, is_satisfied;
};

void begin_line_search(line_search_t *s, double value, double slope, double step)
{
    s->start = trial_t{0, value, slope};
    s->best = s->other = s->start;
    s->step = step;
    s->lower = 0;
    s->upper = 5 * step;
    s->width = LARGEST_STEP;
    s->width_before = 2 * LARGEST_STEP;
    s->is_bracketed = 0;
    s->in_first_stage = 1;
    s->is_satisfied = 0;
}

inline trial_t tilted(trial_t t, double slope) { return trial_t{t.step, t.value - slope * t.step, t.slope - slope}; }

inline double farther(double a, double b, double step) { return fabs(a - step) > fabs(b - step) ? a : b; }

struct cubic_t {
    double step, share, root;
};

cubic_t cubic_minimum(trial_t a, trial_t b)
{
    const double middle = 3 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope;
    const double largest = fmax(fabs(middle), fmax(fabs(a.slope), fabs(b.slope)));
    const double square = (middle / largest) * (middle / largest) - a.slope / largest * (b.slope / largest);
    const double root = copysign(largest * sqrt(fmax(0, square)), b.step - a.step);
    const double share = ((root - a.slope) + middle) / (((root - a.slope) + root) + b.slope);
    return cubic_t{a.step + share * (b.step - a.step), share, root};
}

inline int has_other_sign(trial_t now, trial_t best)
{
    return (now.slope < 0 && best.slope > 0) || (now.slope > 0 && best.slope < 0);
}

double next_step(const line_search_t *s, trial_t now, trial_t best, trial_t other, int *brackets)
{
    *brackets = 1;
    if (now.value > best.value) {
        const double cubic = cubic_minimum(best, now).step;
        const double secant = (best.value - now.value) / (now.step - best.step);
        const double quadratic = best.step + best.slope / (secant + best.slope) / 2 * (now.step - best.step);
        return fabs(cubic - best.step) < fabs(quadratic - best.step) ? cubic : cubic + (quadratic - cubic) / 2;
    }
    const double beyond = now.step > best.step ? s->upper : s->lower;
    const double by_slopes = now.step + now.slope / (now.slope - best.slope) * (best.step - now.step);
    if (has_other_sign(now, best))
        return farther(cubic_minimum(now, best).step, by_slopes, now.step);
    *brackets = 0;
    if (fabs(now.slope) < fabs(best.slope)) {
        const cubic_t minimum = cubic_minimum(now, best);
        const double cubic = minimum.share < 0 && minimum.root != 0 ? minimum.step : beyond;
        if (!s->is_bracketed)
            return fmax(s->lower, fmin(s->upper, farther(cubic, by_slopes, now.step)));
        const double closer = fabs(cubic - now.step) < fabs(by_slopes - now.step) ? cubic : by_slopes;
        const double limit = now.step + 0.66 * (other.step - now.step);
        return now.step > best.step ? fmin(limit, closer) : fmax(limit, closer);
    }
    return s->is_bracketed ? cubic_minimum(now, other).step : beyond;
}

inline int is_at_its_end(const line_search_t *s, double step)
{
    return step <= s->lower || step >= s->upper || s->upper - s->lower <= 0.1 * s->upper;
}

/* Take the value and slope at s->step; whether the search ends there. If not, s->step is the next to try. */
int line_search_ends(line_search_t *s, double value, double slope)
{
    if (!(fabs(value) < INFINITY && fabs(slope) < INFINITY))
        value = INFINITY;
    const double required = 1e-3 * s->start.slope, line = s->start.value + s->step * required;
    const int decreases = value <= line;
    if (decreases && slope >= 0)
        s->in_first_stage = 0;
    s->is_satisfied = decreases && fabs(slope) <= -0.9 * s->start.slope;
    if (s->is_satisfied)
        return 1;
    if (s->is_bracketed && is_at_its_end(s, s->step))
        return 1;
    if (s->step == LARGEST_STEP && decreases && slope <= required)
        return 1;
    if (s->step == 0 && !(decreases && slope < required))
        return 1;
    const double tilt = s->in_first_stage && value > line && value <= s->best.value ? required : 0;
    trial_t now = tilted(trial_t{s->step, value, slope}, tilt);
    trial_t best = tilted(s->best, tilt), other = tilted(s->other, tilt);
    int brackets;
    double step = next_step(s, now, best, other, &brackets);
    s->is_bracketed |= brackets;
    if (now.value > best.value) {
        other = now;
    } else {
        if (has_other_sign(now, best))
            other = best;
        best = now;
    }
    s->best = tilted(best, -tilt);
    s->other = tilted(other, -tilt);
    if (s->is_bracketed) {
        const double length = fabs(other.step - best.step);
        if (length >= 0.66 * s->width_before || !(fabs(step) < INFINITY))
            step = best.step + 0.5 * (other.step - best.step);
        s->width_before = s->width;
        s->width = length;
        s->lower = fmin(best.step, other.step);
        s->upper = fmax(best.step, other.step);
    } else {
        s->lower = step + 1.1 * (step - best.step);
        s->upper = step + 4.0 * (step - best.step);
    }
    step = fmin(fmax(step, 0), LARGEST_STEP);
    if (s->is_bracketed && is_at_its_end(s, step))
        step = best.step;
    s->step = step;
    return 0;
}

}

#endif
