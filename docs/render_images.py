"""Write the pictures of README, which are the first figures of two examples: ``python docs/render_images.py``."""

import runpy
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).parent

if __name__ == "__main__":
    warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
    for name in ("decision_boundary", "quickstart"):
        plt.close("all")
        runpy.run_path(str(DOCS.parent / "examples" / f"{name}.py"))
        plt.figure(1).savefig(DOCS / "images" / f"{name}.png", dpi=90, pil_kwargs={"optimize": True})
