"""``python -m skl2net`` prints what is installed."""

from skl2net.versions import show_versions

show_versions()
