#!/usr/bin/env python3
"""JupyterLab in a real browser: the start page and the library's pages, Run All with a live bar and
curve, an interrupt, and on. Nothing is asked of another server.

    test_lab.py ADDRESS TOKEN NOTEBOOK FOLDER

Needs playwright (PyPI) and Chromium. NOTEBOOK is a path as the server sees it; screenshots go to
FOLDER. Exit status 0 when everything was seen.
"""
import pathlib
import shutil
import sys
import time

from playwright.sync_api import sync_playwright

IDLE = "text=Rust (SolverGrad) | Idle"
SLOW = """
let live = display_live();
for step in 0..100_000u32 {
    if interrupt::requested() { break; }
    live.update(&Html::new(format!("<b class='ticks'>{step}</b>"), step.to_string()));
    std::thread::sleep(std::time::Duration::from_millis(50));
}
let reached = 7;
"""


def main(address, token, notebook, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    browser_path = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(120_000)
        elsewhere = []
        page.on("request", lambda request: request.url.startswith((address, "data:", "blob:", address.replace("http", "ws")))
                or elsewhere.append(request.url))

        def shot(name):
            page.screenshot(path=folder / f"{name}.png")
            print(f"{name}.png", flush=True)

        def scroll_to(locator):
            # Outputs that move are replaced: none of them stays long enough to wait for.
            locator.evaluate("element => element.scrollIntoView({block: 'center'})")

        def choose(menu, entry):
            page.click(f"text={menu} >> nth=0")
            page.click(f"li[role=menuitem]:has-text('{entry}') >> visible=true >> nth=0")

        page.goto(f"{address}/lab?token={token}&reset")
        page.wait_for_selector(".sg-card")
        shot("0-start")
        choose("File", "New Launcher")
        page.click(".jp-LauncherCard:has-text('Docs')")
        page.frame_locator("iframe").locator(".katex").first.wait_for(state="attached")
        shot("0-docs")
        page.click(".lm-TabBar-tab:has-text('Start')")
        page.click(f".sg-card[data-path='{notebook}']")
        page.wait_for_selector(IDLE)

        page.goto(f"{address}/lab/tree/{notebook}?token={token}&reset")
        page.wait_for_selector(IDLE)
        shot("1-opened")

        choose("Run", "Run All Cells")
        # The bar moves: two pictures of it differ.
        bar = page.locator(".jp-OutputArea progress").first
        bar.wait_for(state="attached", timeout=300_000)
        scroll_to(bar)
        values = set()
        end = time.monotonic() + 120
        while len(values) < 3 and time.monotonic() < end:
            values.add(bar.get_attribute("value"))
            time.sleep(0.2)
        shot("2-bar-moves")
        assert len(values) >= 3, f"the bar does not move: {values}"
        page.wait_for_selector(".jp-OutputArea svg polyline", state="attached", timeout=300_000)
        scroll_to(page.locator(".jp-OutputArea svg polyline").first)
        shot("3-curve-grows")
        page.wait_for_selector(IDLE, timeout=600_000)
        errors = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
        assert errors.count() == 0, errors.first.inner_text()
        shot("4-all-run")

        # A new cell at the end that runs until it is interrupted, and variables that are kept.
        page.click(".jp-Notebook .jp-Cell >> nth=-1")
        page.keyboard.press("Escape")
        page.keyboard.press("b")
        page.keyboard.press("Enter")
        page.keyboard.insert_text(SLOW)
        page.keyboard.press("Shift+Enter")
        ticks = page.locator(".jp-OutputArea .ticks").last
        ticks.wait_for(state="attached")
        before = int(ticks.inner_text())
        time.sleep(1.5)
        assert int(ticks.inner_text()) > before, "the output is not replaced while the cell runs"
        shot("5-live-output")
        choose("Kernel", "Interrupt Kernel")
        page.wait_for_selector("text=all variables are kept")
        page.wait_for_selector(IDLE)
        shot("6-interrupted")
        page.keyboard.press("Enter")
        page.keyboard.insert_text('println!("reached {} with {} rows", reached, rows.len());')
        page.keyboard.press("Shift+Enter")
        page.wait_for_selector("text=/reached 7 with \\d+ rows/")
        shot("7-goes-on")
        assert not elsewhere, f"asked of another server: {elsewhere}"
        browser.close()
    print("the lab works in a browser")


if __name__ == "__main__":
    main(*sys.argv[1:])
