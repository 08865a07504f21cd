"""The picture of the benchmark: a panel for each of its main figures, a bar for each contestant and transport. SVG."""

from html import escape

from contestants import COLUMNS, CONTESTANTS, WHOLE, Column
from results import TRANSPORTS, Results

PANELS = (
    ("logged on", "p50_us"),
    ("logged on", "requests_s"),
    ("ed25519", "p50_us"),
    ("ed25519", "requests_s"),
    ("hmac", "p50_us"),
    ("hmac", "requests_s"),
    ("user", "fills_s"),
    ("user", "balances_s"),
    ("quotes", "quotes_s"),
    ("depth", "depth_s"),
    ("any", "import_ms"),
    ("any", "rss_mib"),
)
COLORS = {"plain": "#2f6f9f", "tls": "#9cc3de"}
OWN = {"plain": "#b5541c", "tls": "#e8b08c"}
INK, FAINT = "#222222", "#777777"
WIDTH, MARGIN = 980, 24
PANEL_WIDTH = (WIDTH - 3 * MARGIN) // 2
NAME_WIDTH, FIGURE_WIDTH = 140, 84
ROW, BAR, HEAD = 27, 9, 34
"""Heights: of a contestant's row, of one bar in it, and of a panel's title."""


def svg(results: Results) -> str:
    """The whole picture. Bars are medians, the thin lines on them reach from the least to the most."""
    columns = [next(one for one in COLUMNS if (one.job, one.figure) == panel) for panel in PANELS]
    columns = [column for column in columns if _rows(results, column)]
    pieces: list[str] = []
    y = 62
    for pair in (columns[at : at + 2] for at in range(0, len(columns), 2)):
        heights = [
            _panel(results, column, MARGIN + at * (PANEL_WIDTH + MARGIN), y, pieces) for at, column in enumerate(pair)
        ]
        y += max(heights) + 18
    height = y + 6
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="26" font-size="16" font-weight="bold">Dogwatch and other clients, '
        f"{results.extent()}</text>",
        *_legend(),
    ]
    return "\n".join([*head, *pieces, "</svg>"]) + "\n"


def _rows(results: Results, column: Column) -> list[str]:
    """Who has this figure."""
    return [one.name for one in CONTESTANTS if any(results.of(transport, one.name, column) for transport in TRANSPORTS)]


def _legend() -> list[str]:
    pieces = []
    for at, (transport, name) in enumerate(TRANSPORTS.items()):
        x = MARGIN + at * 150
        pieces.append(f'<rect x="{x}" y="38" width="12" height="{BAR}" fill="{OWN[transport]}"/>')
        pieces.append(f'<rect x="{x + 13}" y="38" width="12" height="{BAR}" fill="{COLORS[transport]}"/>')
        pieces.append(f'<text x="{x + 31}" y="46">{name}</text>')
    return pieces


def _panel(results: Results, column: Column, x: int, y: int, pieces: list[str]) -> int:
    """One figure of all who have it. Returns its height."""
    better = "less is better" if column.is_cost else "more is better"
    pieces.append(
        f'<text x="{x}" y="{y + 16}" font-size="13" font-weight="bold">{escape(column.title)}'
        f'<tspan fill="{FAINT}" font-weight="normal" font-size="11"> – {better}</tspan></text>'
    )
    rows = _rows(results, column)
    most = max(
        (value for name in rows for transport in TRANSPORTS for value in results.of(transport, name, column).values()),
        default=1.0,
    )
    scale = (PANEL_WIDTH - NAME_WIDTH - FIGURE_WIDTH) / most
    for number, name in enumerate(rows):
        top = y + HEAD + number * ROW
        weight = ' font-weight="bold"' if name == WHOLE else ""
        pieces.append(f'<text x="{x}" y="{top + 14}"{weight}>{escape(name)}</text>')
        for at, transport in enumerate(TRANSPORTS):
            _bar(results, transport, name, column, x + NAME_WIDTH, top + 1 + at * (BAR + 1), scale, pieces)
    return HEAD + len(rows) * ROW


def _bar(
    results: Results, transport: str, name: str, column: Column, x: int, y: int, scale: float, pieces: list[str]
) -> None:
    median = results.median(transport, name, column)
    if median is None:
        return
    values = results.of(transport, name, column).values()
    color = (OWN if name.startswith("Dogwatch") else COLORS)[transport]
    least, most = x + min(values) * scale, x + max(values) * scale
    middle = y + BAR / 2
    figure = f"{median:,.0f}" if median >= 100 else f"{median:.1f}"
    pieces.append(f'<rect x="{x}" y="{y}" width="{median * scale:.1f}" height="{BAR}" fill="{color}"/>')
    pieces.append(f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="{INK}" stroke-width="1"/>')
    pieces.append(f'<text x="{most + 5:.1f}" y="{y + BAR - 0.5}" font-size="9.5" fill="{FAINT}">{figure}</text>')
