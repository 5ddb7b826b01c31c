"""Reports in a real browser: nothing is asked of any network, no error on the console, sorting, filters, ranges and curves work, text stays
text, and the page says the same without its script. Leaves pictures of it to look at.

usage: report.py RUNNER FOLDER     (Python with playwright; `chromium` in the PATH; FOLDER: for results and pictures)
"""

import pathlib
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

runner, folder = sys.argv[1], pathlib.Path(sys.argv[2])
SPEC = """
seeds = 2
[dataset]
name = "moons"
train = 500
validation = 200
test = 200
[model]
width = 8
[training]
steps = 60
evaluate_every = 5
[sweep.parameters]
"model.depth" = [1, 2, 4]
"model.activation" = ["relu", "tanh"]
"""
folder.mkdir(parents=True, exist_ok=True)
spec = folder / "sweep.toml"
spec.write_text(SPEC)
subprocess.run([runner, spec, "--results", folder / "results", "--quiet"], check=True)
results = folder / "results/sweep"
# A name that no spec may have, as a results folder of somebody else might.
for manifest in results.glob("*/*/manifest.json"):
    manifest.write_text(manifest.read_text().replace('"experiment": "sweep"', '"experiment": "<script>alert(1)</script>"'))
address = folder / "report.html"
subprocess.run([runner, "report", results, "-o", address], check=True)
NAME = "<script>alert(1)</script>"


def opened(browser, **options):
    page = browser.new_context(viewport={"width": 1280, "height": 900}, **options).new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address.resolve().as_uri())
    return page


def column(page, head):
    heads = [text.strip() for text in page.locator("#trials thead th").all_inner_texts()]
    at = heads.index(head) + 1
    cells = page.locator(f"#trials tbody tr:not([hidden]) td:nth-child({at})")
    return [cell.strip() for cell in cells.all_inner_texts()]


complaints, requests = [], []
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    page = opened(browser)
    assert page.locator("h1").inner_text() == NAME, page.locator("h1").inner_text()
    assert page.locator("#plot canvas").count() == 1 and not page.locator("#still").is_visible()

    head = page.locator("#trials th", has_text="model.depth")
    for order, sign in [("ascending", 1), ("descending", -1)]:
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == order
        depths = [int(depth) for depth in column(page, "model.depth")]
        assert depths == sorted(depths, key=lambda depth: sign * depth) and len(set(depths)) == 3, depths

    page.fill("#filter", "depth=4 tanh")
    assert column(page, "model.depth") == ["4"] and column(page, "model.activation") == ["tanh"]
    assert page.locator("#count").inner_text() == "1 of 6 trials"
    page.fill("#filter", "")

    # The upper third of the axis of the depth holds the deepest flows; its lines and curves alone are left.
    axis = page.locator("#coordinates .axis", has_text="model.depth").locator(".reach")
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 1)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] / 3, steps=4)
    page.mouse.up()
    assert column(page, "model.depth") == ["4", "4"], column(page, "model.depth")
    assert page.locator("#coordinates .lines path:not([hidden])").count() == 2
    page.mouse.click(middle, box["y"] + box["height"] / 2)
    assert len(column(page, "model.depth")) == 6

    # The same with the keyboard.
    page.locator("details", has_text="Choose by numbers").locator("summary").press("Enter")
    page.locator('input[aria-label="model.depth, from"]').press("End")
    assert column(page, "model.depth") == ["4", "4"]
    page.locator('input[aria-label="model.depth, from"]').press("Home")

    shown = page.locator("#legend li").count()
    page.locator("#trials tbody input").first.press("Space")
    assert page.locator("#legend li").count() == shown - 1
    page.locator("#trials tbody input").first.press("Space")
    for tool in ["log-x", "log-y", "others"]:
        page.locator(f"#{tool}").press("Space")
    page.fill("#from", "20")
    page.locator("#from").press("Tab")
    page.locator("#whole").press("Enter")
    for tool in ["log-x", "log-y", "others"]:
        page.locator(f"#{tool}").press("Space")

    with page.expect_download() as download:
        page.locator("text=Download CSV").click()
    table = pathlib.Path(download.value.path()).read_text().splitlines()
    assert len(table) == 7 and "model.depth" in table[0] and "test_nll" in table[0], table
    page.screenshot(path=folder / "light.png", full_page=True)
    page.pdf(path=folder / "a4.pdf", format="A4")

    opened(browser, color_scheme="dark").screenshot(path=folder / "dark.png", full_page=True)
    page = opened(browser, java_script_enabled=False)
    assert page.locator("#trials tbody tr").count() == 6 and page.locator("#still svg").is_visible()
    assert not page.locator("#filter").is_visible() and not page.locator("#curve-tools").is_visible()
    page.screenshot(path=folder / "plain.png", full_page=True)
    browser.close()

asked = {url for url in requests if not url.startswith(("data:", "file:"))}
assert not asked, asked
assert not complaints, complaints
print("the report works, offline, with and without its script")
