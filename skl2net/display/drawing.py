"""What the displays share: colours, matplotlib when it is needed, and the fitted estimator to plot."""

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skl2net.estimators.base import BaseL2Net

# of Okabe and Ito's palette, which colour-blind readers can tell apart
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#999999",
)


def import_pyplot(display):
    """Import `matplotlib.pyplot`.

    Parameters
    ----------
    display : object
        Named in the message if matplotlib is not installed.

    Returns
    -------
    module
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.plot needs matplotlib. Install it with pip install 'skl2net[plot]'."
        ) from error
    return pyplot


def divide(ax, n_rows):
    """Divide the place of axes in a figure with subplots.

    Parameters
    ----------
    ax : matplotlib Axes
        Switched off.
    n_rows : int

    Returns
    -------
    GridSpec
        With one place for each row.

    Raises
    ------
    ValueError
        If the axes have no such place.
    """
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax has to be axes of plt.subplots or figure.add_subplot, whose place can be divided; got axes at a fixed "
            f"position, {ax!r}."
        )
    ax.set_axis_off()
    return place.subgridspec(n_rows, 1)


def find_fitted(estimator, display, classes, attributes):
    """Find the fitted estimator that a display plots.

    Parameters
    ----------
    estimator : estimator object
        An instance of one of the `classes`, or a fitted pipeline that ends in one, or a fitted search that has found
        one.
    display : type
        Class of the display, for messages.
    classes : tuple of type
    attributes : list of str
        What it needs to have.

    Returns
    -------
    estimator object

    Raises
    ------
    TypeError
        If there is none.
    NotFittedError
        If it is not fitted.
    """
    found = estimator
    while not isinstance(found, classes):
        if isinstance(found, Pipeline):
            found = found[-1]
        elif hasattr(found, "refit") and not isinstance(found, BaseL2Net):  # a search
            check_is_fitted(
                found, ["best_estimator_"], msg=f"{display.__name__} needs a %(name)s fitted with refit=True."
            )
            found = found.best_estimator_
        else:
            names = " or ".join(kind.__name__ for kind in classes)
            raise TypeError(
                f"{display.__name__} plots a fitted {names}, or a pipeline or search with one; got "
                f"{type(found).__name__}."
            )
    refit = ", with refit=True" if "coefs_" in attributes and hasattr(found, "refit") else ""
    message = f"{display.__name__} needs a fitted %(name)s, and this one has no {attributes[0]}. Call fit first{refit}."
    check_is_fitted(found, attributes, msg=message)
    return found
