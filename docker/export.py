#!/usr/bin/env python3
"""A notebook with its figures as one HTML file and as a PDF, both readable without a network.

    docker compose run --rm lab export NOTEBOOK [--out FOLDER]       # data/exports/NAME.html, NAME.pdf

What is exported are the outputs that the notebook holds: `lab notebook run NOTEBOOK --in-place` makes
them. In the HTML figures are interactive; the PDF is that page, printed.
"""
import argparse
import base64
import glob
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import nbformat
from nbconvert import HTMLExporter

FIGURE = "application/vnd.plotly.v1+json"
KATEX = pathlib.Path("/opt/solvergrad/katex")
PLOTLY = "registry/src/*/plotly-0.14.1/resource/plotly.min.js"
STYLE = """
@page { size: A4; margin: 14mm 12mm }
@media print {
  body { zoom: 0.66; -webkit-print-color-adjust: exact; print-color-adjust: exact }
  .jp-Cell, .jp-OutputArea-child, table tr { break-inside: avoid }
  .jp-CodeCell { break-inside: auto }
  h1, h2, h3 { break-after: avoid }
  pre { white-space: pre-wrap; overflow-wrap: anywhere }
  .jp-OutputArea-output, .jp-OutputArea-output > * { overflow: visible !important; max-height: none !important }
  .jp-RenderedHTMLCommon table { table-layout: auto; font-size: 11px }
  .jp-RenderedHTMLCommon td { overflow-wrap: normal; word-break: normal; white-space: normal }
  .modebar-container { display: none !important }
}
.sg-figure { display: flex; justify-content: center }
"""
# Formulas as JupyterLab reads them, and a mark that everything has been drawn.
DRAW = """
addEventListener("DOMContentLoaded", () => {
  for (const text of document.querySelectorAll(".jp-RenderedMarkdown, .jp-RenderedHTMLCommon")) {
    renderMathInElement(text, { throwOnError: false, delimiters: [
      { left: "$$", right: "$$", display: true }, { left: "$", right: "$", display: false },
      { left: "\\\\[", right: "\\\\]", display: true }, { left: "\\\\(", right: "\\\\)", display: false }] });
  }
});
"""


class Failure(Exception):
    """What went wrong, and the cure."""


def script(source):
    """A script element; its text cannot end the element."""
    return "<script>" + source.replace("</script", "<\\/script") + "</script>"


def figures_inside(book):
    """Gives every figure a form that a page shows; returns how many there are."""
    count = 0
    for cell in book.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if FIGURE not in data:
                continue
            figure = json.loads(json.dumps(data[FIGURE]))
            layout = {"width": 700, "height": 450, **figure.get("layout", {})}
            drawn = json.dumps([figure["data"], layout], separators=(",", ":")).replace("<", "\\u003c")
            output["data"] = {"text/html": f"""<div class="sg-figure" id="figure-{count}"></div>
<script>Plotly.newPlot("figure-{count}", ...{drawn}, {{displaylogo: false, responsive: false}});</script>"""}
            count += 1
    return count


def formulas():
    """KaTeX as elements of a page's head, its fonts inside."""
    def font(match):
        content = (KATEX / match[1]).read_bytes()
        return f"url(data:font/woff2;base64,{base64.b64encode(content).decode()})"

    style = (KATEX / "katex.css").read_text(encoding="utf-8")
    # Of each font's three forms the first, which every browser reads.
    style = re.sub(r"url\((fonts/[\w-]+\.woff2)\)", font, re.sub(r",url\(fonts/[^)]*\.(?:woff|ttf)\) format\('\w+'\)", "", style))
    scripts = [(KATEX / name).read_text(encoding="utf-8") for name in ("katex.js", "auto-render.js")]
    return f"<style>{style}</style>" + "".join(map(script, [*scripts, DRAW]))


def page_of(book, title):
    """The notebook as one HTML page."""
    count = figures_inside(book)
    page, _ = HTMLExporter(template_name="lab").from_notebook_node(book, {"metadata": {"name": title}})
    # What the exporter would fetch from a network: MathJax, RequireJS, mermaid.
    page = re.sub(r"<script\b[^>]*\bsrc=[^>]*>\s*</script>", "", page)
    page = re.sub(r"<script\b[^>]*>(?:(?!</script>).)*(?:https://cdn|MathJax)(?:(?!</script>).)*</script>", "", page, flags=re.DOTALL)
    plotly = ""
    if count:
        found = glob.glob(f"{os.environ.get('CARGO_HOME', '/usr/local/cargo')}/{PLOTLY}")
        if not found:
            raise Failure("plotly.js is not among the crates' sources: build the image again")
        plotly = script(pathlib.Path(found[0]).read_text(encoding="utf-8"))
    return page.replace("</head>", f"<style>{STYLE}</style>{plotly}{formulas()}</head>", 1)


def printed(html, pdf):
    """Has the browser print a page."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    browser = os.environ.get("SOLVERGRAD_CHROMIUM", "chromium-headless-shell")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--run-all-compositor-stages-before-draw", "--virtual-time-budget=30000", "--no-pdf-header-footer",
                   f"--user-data-dir={profile}", f"--print-to-pdf={pdf}", html.resolve().as_uri()]
        try:
            run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(f"{browser}: {error}; set SOLVERGRAD_CHROMIUM to the path of a Chromium or Chrome") from error
    if run.returncode != 0 or not pdf.is_file():
        raise Failure(f"{browser} printed nothing: {run.stderr.strip()[-400:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(os.environ.get("SOLVERGRAD_DATA", "data")) / "exports")
    arguments = parser.parse_args()
    try:
        book = nbformat.read(arguments.notebook, as_version=4)
        if not any(cell.get("outputs") for cell in book.cells):
            print(f"{arguments.notebook} holds no outputs: `lab notebook run {arguments.notebook} --in-place` makes them",
                  file=sys.stderr)
        arguments.out.mkdir(parents=True, exist_ok=True)
        page = page_of(book, arguments.notebook.stem)
        with tempfile.TemporaryDirectory(dir=arguments.out) as beside:
            made = [pathlib.Path(beside) / f"{arguments.notebook.stem}.{kind}" for kind in ("html", "pdf")]
            made[0].write_text(page, encoding="utf-8")
            printed(*made)
            for path in made:
                path.chmod(0o644)
                print(path.replace(arguments.out / path.name))
    except (OSError, ValueError, nbformat.reader.NotJSONError, Failure) as error:
        sys.exit(f"export: {error}")


if __name__ == "__main__":
    main()
