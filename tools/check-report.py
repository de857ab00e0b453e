#!/usr/bin/env python3
"""Opens reports in headless Chromium: screenshots, errors on the console, accessibility by axe.

    venv/bin/python tools/check-report.py OUT REPORT.html [REPORT.html ...]

For each report OUT/NAME-wide.png, -phone.png and -dark.png, the whole page each. Exit status 1 if the browser
complained, if something came from a network or if axe found a violation. Needs Debian's chromium and
chromium-driver, and selenium and axe-core-python from PyPI.
"""

import json
import pathlib
import sys

import axe_core_python
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

AXE = (pathlib.Path(axe_core_python.__file__).parent / "axe.min.js").read_text()


def browser():
    options = Options()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_script_timeout(120)  # axe on a busy machine
    return driver


def requests(driver):
    """Addresses that the page asked for, besides itself and what lies in it."""
    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            if not address.startswith(("file:", "data:")):
                found.append(address)
    return found


def check(driver, out, page):
    faults = []
    looks = {"wide": (1200, "light"), "phone": (390, "light"), "dark": (1200, "dark")}
    name = page.parent.name
    for look, (width, scheme) in looks.items():
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.resolve().as_uri())
        wider = driver.execute_script("return document.documentElement.scrollWidth")
        if wider > width:
            faults.append(f"{look}: the page is {wider} points wide")
        height = driver.execute_script("return document.documentElement.scrollHeight")
        size["height"] = min(height, 16000)
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.save_screenshot(str(out / f"{name}-{look}.png"))
        driver.execute_script(AXE)
        result = driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        for violation in result["violations"]:
            first = violation["nodes"][0]
            faults.append(f"{look}: {violation['id']}: {violation['help']}: {first['html'][:120]}")
    faults += [entry["message"] for entry in driver.get_log("browser")]
    faults += [f"asked for {address}" for address in requests(driver)]
    print(f"{page}: {page.stat().st_size} bytes, {len(faults)} faults")
    for fault in faults:
        print("  " + fault)
    return faults


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    driver = browser()
    try:
        bad = [page for page in sys.argv[2:] if check(driver, out, pathlib.Path(page))]
    finally:
        driver.quit()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
