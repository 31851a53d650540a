"""The start page: a card for each notebook with its claim, a picture, and whether its data is there."""
import base64
import functools
import html
import json
import pathlib
import re
import subprocess

STYLE = """
.sg-start { height: 100%; overflow: auto; padding: 20px 28px; box-sizing: border-box; font-size: 14px;
  line-height: 1.45; font-family: var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, #222) }
.sg-start h1 { font-size: 22px; margin: 0 0 2px } .sg-start .sg-lead { color: var(--jp-ui-font-color2, #666); margin: 0 0 18px }
.sg-start a { color: inherit; text-decoration: none } .sg-start .sg-lead a { text-decoration: underline }
.sg-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 16px }
.sg-card { display: flex; flex-direction: column; border: 1px solid var(--jp-border-color2, #ddd); border-radius: 4px;
  background: var(--jp-layout-color1, #fff); overflow: hidden }
.sg-card:hover, .sg-card:focus-visible { border-color: var(--jp-brand-color1, #1976d2) }
.sg-card .sg-picture { height: 150px; background: #fff; display: flex; align-items: center; justify-content: center }
.sg-card img { max-width: 100%; max-height: 100% } .sg-card .sg-number { font-size: 44px; color: #aaa }
.sg-card .sg-words { padding: 10px 12px; display: flex; flex-direction: column; flex: 1 }
.sg-card h2 { font-size: 15px; margin: 0 0 4px } .sg-card p { margin: 0 0 8px; color: var(--jp-ui-font-color2, #555);
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 5; overflow: hidden }
.sg-card .sg-state { margin-top: auto; font-size: 12px; color: var(--jp-ui-font-color2, #666) }
"""


def page(root, base):
    """The page as HTML. Links hold JupyterLab's address and, in data-path, the file's path."""
    folder = pathlib.Path(root) / "notebooks"
    data = data_status(said("data", "list"))
    cards = "\n".join(card(path, base, data) for path in sorted(folder.glob("*.ipynb")))
    return f"""<!DOCTYPE html><meta charset="utf-8"><title>SolverGrad</title><style>{STYLE}</style>
<div class="sg-start"><h1>SolverGrad</h1>
<p class="sg-lead">{html.escape(device())} · <a href="{base}docs/" target="_blank" rel="opener">documentation</a></p>
<div class="sg-cards">{cards}</div></div>"""


def card(path, base, data):
    """One notebook."""
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        texts = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "markdown"]
        outputs = [output for cell in book["cells"] for output in cell.get("outputs", [])]
        settings = book["metadata"].get("solvergrad", {})
    except (OSError, ValueError, KeyError, TypeError):
        texts, outputs, settings = [], [], {}
    first = texts[0] if texts else ""
    title = first.split("\n", 1)[0].lstrip("# ") or path.name
    state = ["has outputs" if outputs else "not run yet", data.get(settings.get("data"), "makes its own data")]
    return f"""<a class="sg-card" href="{base}lab/tree/notebooks/{path.name}" data-path="notebooks/{path.name}">
<span class="sg-picture">{picture(path, outputs)}</span><span class="sg-words">
<h2>{html.escape(title)}</h2><p>{html.escape(summary(first))}</p>
<span class="sg-state">{path.name}<br>{html.escape("; ".join(state))}</span></span></a>"""


def summary(text):
    """The claim, or else the first paragraph: two sentences of it, without marks and formulas."""
    paragraphs = [part for part in text.split("\n\n")[1:] if part.strip()]
    chosen = next((part for part in paragraphs if part.startswith("**Claim")), paragraphs[0] if paragraphs else "")
    plain = re.sub(r"\*\*Claim[^*]*\*\*\s*|\[([^]]*)\]\([^)]*\)", r"\1", chosen)
    plain = re.sub(r"\$(\w{1,3})\$", r"\1", re.sub(r"[*`]", "", plain))
    plain = re.sub(r",? ?\$[^$]*\$", "", plain)
    return " ".join(re.split(r"(?<=[.:])\s", " ".join(plain.split()))[:2])


def picture(path, outputs):
    """The notebook's figure: beside it, among its outputs, or exported; or else its number."""
    beside = path.with_suffix(".svg")
    exported = sorted((path.parent.parent / "data/figures").glob(f"{path.stem}_*.png"))
    inside = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    if beside.is_file():
        kind, data = "svg+xml", base64.b64encode(beside.read_bytes()).decode()
    elif inside:
        kind, data = "png", "".join(inside[0]).replace("\n", "")
    elif exported:
        kind, data = "png", base64.b64encode(exported[0].read_bytes()).decode()
    else:
        return f'<span class="sg-number">{html.escape(path.stem[:2])}</span>'
    return f'<img alt="" src="data:image/{kind};base64,{data}">'


def said(*arguments):
    """What `solvergrad` prints."""
    try:
        return subprocess.run(["solvergrad", *arguments], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def data_status(listed):
    """For each data set, in words, what `solvergrad data list` printed of its sizes."""
    ranks = ["its stand-in will be made when it runs", "its stand-in is there", "its data is there"]
    found = {}
    for line in listed.splitlines():
        if match := re.match(r"(\S+)\s+(?:\d+ MB|\d+)?\s+(.*)", line):
            name, place = match.groups()
            found[name] = max(found.get(name, 0), 1 if place.startswith("stand-in") else 2 * place.startswith("/"))
    return {name: ranks[rank] for name, rank in found.items()}


@functools.cache
def device():
    """The device that notebooks use, as `solvergrad doctor` says."""
    match = re.search(r"^\S+\s+device\s+(.*)$", said("doctor"), re.MULTILINE)
    return f"Device: {match[1]}" if match else "Device unknown: see `solvergrad doctor`"
