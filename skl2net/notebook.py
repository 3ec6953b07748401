"""HTML of reports and conversions in notebooks: tables that look like scikit-learn's diagrams of estimators."""

from html import escape

# Transparent and in the colour of the text around it, for light and dark pages. The band is that of a fitted estimator
# in scikit-learn's diagrams. The selectors are as specific as it takes against those of JupyterLab.
_STYLE = """
.skl2net-html { display: inline-block; max-width: 60em; font-family: monospace; line-height: 1.4;
  border: 1px dotted #696969; border-radius: 0.25em; }
.skl2net-html .skl2net-title { padding: 0.5em; background: #d4ebff; color: #000; border-radius: 0.25em 0.25em 0 0; }
.skl2net-html table { margin: 0.5em !important; border: 0; border-collapse: collapse; font-size: 0.9em; color: inherit;
  background: transparent; }
.skl2net-html table tbody tr, .skl2net-html table tbody tr:nth-child(n) { background: transparent; }
.skl2net-html table tbody tr:nth-child(even) { background: rgba(128, 128, 128, 0.12); }
.skl2net-html table tr td, .skl2net-html table tr th { padding: 0.2em 0.6em; max-width: none; white-space: normal;
  text-align: left !important; vertical-align: top; color: inherit; background: transparent;
  border: 1px solid rgba(128, 128, 128, 0.25); }
.skl2net-html table tr th { white-space: nowrap; font-weight: bold; }
.skl2net-html table.skl2net-numbers tr td, .skl2net-html table.skl2net-numbers tr th { text-align: right !important; }
.skl2net-html pre { margin: 0; padding: 0; color: inherit; background: transparent; }
"""


def show(title, *tables):
    """HTML of tables in a box with a title."""
    heading = f'<div class="skl2net-title">{escape(title)}</div>'
    return f'<div class="skl2net-html"><style>{_STYLE}</style>{heading}{"".join(tables)}</div>'


def table(rows, *, header=None, are_numbers=False):
    """HTML of a table whose cells are HTML. Without a header, the first cell of each row is its caption."""
    head = "" if header is None else f"<thead><tr>{_cells(header, 'th')}</tr></thead>"
    lines = [
        f"<tr>{_cells(row, 'td')}</tr>" if header else f"<tr>{_cells(row[:1], 'th')}{_cells(row[1:], 'td')}</tr>"
        for row in rows
    ]
    kind = ' class="skl2net-numbers"' if are_numbers else ""
    return f"<table{kind}>{head}<tbody>{''.join(lines)}</tbody></table>"


def _cells(texts, tag):
    return "".join(f"<{tag}>{text}</{tag}>" for text in texts)
