"""The page at / in a real browser: what it says, what it does, and that everybody can use it."""

import json
import re
import urllib.request

from harness.processes import free_port, wait_until

AT = 1729630800000  # 2024-10-22T21:00:00Z
MINUTE = 60_000
TAB, ESCAPE = "\ue004", "\ue00c"

HURT = "window.hurt = (window.hurt || 0) + 1"
HOSTILE = [
    f'<img src=x onerror="{HURT}">',
    f"</script><script>{HURT}</script>",
    f'{{"user_id":"<svg onload={HURT}>","timestamp":"javascript:{HURT}"}}',
]


def event(at, user="u", partition=0):
    value = f'{{"user_id":"{user}","timestamp":{AT + at}}}'
    return user.encode(), value.encode(), None, partition


def rows():
    """Events of two windows, the first of them closed; a late one, and what is no event."""
    yield from (event(i * 1000, partition=p) for p in range(2) for i in range(20))
    yield event(6 * MINUTE + 30_000)
    yield event(MINUTE, user="<img src=x onerror=hurt=1>")  # late: its window has closed
    yield (b"u", HOSTILE[0].encode(), None, 0)


def started(kafka, make_job, store, **settings):
    """A job that reads these records; its process, which answers."""
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, rows())
    j = make_job(store, topic, {"window.out_of_orderness": "1m", **settings})
    process = j.start()
    process.wait_for_http()
    return j, process


def plain(text):
    """The text without the thin spaces between digits."""
    return text.replace("\u202f", "")


def metrics(process):
    """{'name{labels}': value} of /metrics."""
    lines = process.http_get("/metrics")[1].splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def total(values, name, **labels):
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        value
        for series, value in values.items()
        if re.match(rf"{name}(\{{|$)", series) and all(label in series for label in wanted)
    )


def wait_for_text(browser, css, pattern, timeout=20.0):
    """Wait until the element's text has the pattern."""

    def found():
        return re.search(pattern, plain(browser.text(css) or ""))

    return wait_until(found, lambda: f"{pattern!r} in {css}: {browser.text(css)!r}", timeout)


def cells(browser, table):
    """The rows of a table, each {heading: text}, without what is small beside it."""
    script = """
        const table = document.getElementById(arguments[0]);
        const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
        const text = (cell) => (cell.querySelector('.value') || cell).textContent;
        const rows = [...table.tBodies[0].rows].filter((row) => !row.querySelector('.none'));
        return JSON.stringify([heads, rows.map((row) => [...row.cells].map(text))]);
    """
    heads, rows = json.loads(plain(browser.script(script, table)))
    return [dict(zip(heads, row)) for row in rows]


def show(browser, part):
    """Scroll to a part of the page: details are asked for only when they are seen."""
    browser.script("document.getElementById(arguments[0]).scrollIntoView()", part)


def nothing_wrong(browser):
    """No errors, no warnings, no violations of the policy."""
    assert browser.console() == []


def open_page(browser, process):
    """Open it and wait until it shows that both partitions are read."""
    browser.open(process.url + "/")
    wait_for_text(browser, "#health-level", "^Healthy$")
    wait_for_text(browser, "#health-summary", "All is well: 2 partitions.")

    def states():
        return [row["State"] for row in cells(browser, "partition-table")]

    wait_until(lambda: states() == ["running", "running"], lambda: f"partitions: {states()}")


# ---- What it says -------------------------------------------------------------------------------


def seen(browser):
    """What the page shows of that which /metrics has, too."""
    p0 = cells(browser, "partition-table")[0]
    reasons = {row["Reason"]: int(row["Records"]) for row in cells(browser, "reason-table")}
    files = re.match(r"\d+", plain(browser.text("#stage-files .big")))
    windows = re.search(r"(\d+) open window", plain(browser.text("#stage-buffers")))
    return {
        "position": int(p0["Position"]),
        "events": int(p0["Events"]),
        "late": int(p0["Late"]),
        "rejected": int(p0["Rejected"]),
        "checkpoint": int(p0["Checkpoint"]) if p0["Checkpoint"].isdigit() else None,
        "invalid_json": reasons.get("invalid_json", 0),
        "files": int(files[0]),
        "windows": int(windows[1]),
        "watermark": p0["Watermark"],
    }


def told(process):
    """The same by /metrics."""
    v = metrics(process)
    watermark = total(v, "tidemark_watermark_seconds", partition=0)
    minute, second = divmod(round(watermark * 1000) // 1000 - AT // 1000, 60)
    return {
        "position": total(v, "tidemark_position", partition=0),
        "events": total(v, "tidemark_records_total", partition=0, **{"class": "event"}),
        "late": total(v, "tidemark_records_total", partition=0, **{"class": "late"}),
        "rejected": total(v, "tidemark_records_total", partition=0, **{"class": "rejected"}),
        "checkpoint": total(v, "tidemark_checkpoint_number", partition=0),
        "invalid_json": total(v, "tidemark_rejected_total", reason="invalid_json"),
        "files": total(v, "tidemark_files_published_total"),
        "windows": total(v, "tidemark_open_windows"),
        "watermark": f"2024-10-22 21:{minute:02}:{second:02}",
    }


def next_sample_is_due(process):
    """A quarter of a second after the last one, and the worker has looked at the clock since."""
    last = process.http_get("/tidemark/samples")[1]["rejected"][0]["at_ms"]

    def due():
        return process.http_get("/tidemark/status")[1]["job"]["now_ms"] > last + 1000

    wait_until(due, "the time of another sample")


def hostile_records_are_shown_as_they_are(browser, kafka, job, process):
    show(browser, "bad")
    wait_for_text(browser, "#late-table", "onerror=hurt=1")
    # One at a time: the job takes no more than a few samples a second.
    for n, text in enumerate(HOSTILE, 1):
        if n > 1:
            next_sample_is_due(process)
            kafka.produce(job.topic, [(b"u", text.encode(), None, 0)])
        wait_until(
            lambda n=n: len(cells(browser, "rejected-table")) == n,
            lambda: f"a sample of each: {cells(browser, 'rejected-table')}",
        )
        assert cells(browser, "rejected-table")[0]["Value"] == text
    assert browser.find_all("main img, main script, #bad svg") == []
    assert browser.script("return window.hurt") is None


def why_a_window_is_open(browser, kafka, job):
    """The sentence names the very event that closes the window: a millisecond less does not."""
    show(browser, "windows")
    browser.find("#window-partition option[value='0']").click()
    closes = "closes when an event of at least 2024-10-22 21:11:00.000 arrives in partition 0"
    wait_for_text(browser, "#window-sentence", closes)
    kafka.produce(job.topic, [event(11 * MINUTE - 1)])
    wait_for_text(browser, "#window-sentence", f"{closes}; .* 21:10:59.999, 1 ms before that")
    kafka.produce(job.topic, [event(11 * MINUTE)])
    wait_for_text(
        browser, "#window-sentence", "2024-10-22 21:10:00 to 21:15:00, closes when .* 21:16:00.000"
    )
    bars = browser.find_all("#timeline .window.open")
    assert [bar.name for bar in bars]


def sorted_by_lateness(browser):
    """A click on a heading sorts by it, the most first; another click turns it around."""
    head = browser.find("#partition-table th:nth-child(9) button")
    assert head.name.startswith("Late")

    def order():
        return [(row["Partition"], row["Late"]) for row in cells(browser, "partition-table")]

    assert order() == [("0", "1"), ("1", "0")]
    head.click()
    assert order() == [("0", "1"), ("1", "0")]
    head.click()
    assert order() == [("1", "0"), ("0", "1")]
    sort = "return document.querySelector('[aria-sort=ascending]').textContent"
    assert browser.script(sort).startswith("Late")
    browser.find("#partition-table th:first-child button").click()


def test_it_tells_what_metrics_tell_and_hostile_records_do_nothing(
    kafka, make_job, browser, directory_store
):
    j, process = started(kafka, make_job, directory_store)
    open_page(browser, process)
    wait_until(
        lambda: seen(browser) == told(process) and seen(browser)["files"] >= 1,
        lambda: f"the page: {seen(browser)}\n/metrics: {told(process)}",
    )
    values = seen(browser)
    assert (values["events"], values["late"], values["rejected"]) == (21, 1, 1)
    assert values["invalid_json"] == 1

    hostile_records_are_shown_as_they_are(browser, kafka, j, process)
    why_a_window_is_open(browser, kafka, j)
    sorted_by_lateness(browser)

    # A record with another key than its event: no longer healthy, and the graph shows where.
    kafka.produce(j.topic, [(b"other", f'{{"user_id":"u","timestamp":{AT}}}'.encode(), None, 1)])
    wait_for_text(browser, "#health-level", "^Warning$")
    assert "another key" in browser.text("#health-summary")
    marked = "return [...document.querySelectorAll('.at')].map((stage) => stage.id)"
    assert browser.script(marked) == ["stage-worker"]
    nothing_wrong(browser)


# ---- What it does -------------------------------------------------------------------------------


def press(browser, order):
    """Click on the order's button and wait for the question; returns what it says."""
    browser.find(f"#do-{order}").click()
    assert browser.find("#ask").shown and browser.find("#ask").role == "dialog"
    assert browser.find("#ask").name == browser.text("#ask-title")
    return browser.text("#ask-title")


def focused(browser):
    return browser.script("return document.activeElement.id")


def checkpoint_number(browser):
    text = cells(browser, "partition-table")[0]["Checkpoint"]
    return int(text) if text.isdigit() else 0


def give_the_token(browser, token):
    wait_until(lambda: browser.find("#token").shown, "the question for the token")
    assert browser.find("#token").name == "Token"
    browser.find("#token-value").keys(token)
    browser.find("#token-yes").click()


def test_orders_ask_first(kafka, make_job, browser, directory_store):
    settings = {
        "http.listen": f"127.0.0.1:{free_port()}",
        "http.token": "open-sesame",
        "checkpoint.interval": "1h",  # none comes by itself: the savepoint's is seen
    }
    j, process = started(kafka, make_job, directory_store, **settings)
    open_page(browser, process)
    before = checkpoint_number(browser)

    # No is no, by the button and by Escape, and the focus is where it was.
    for order in ("savepoint", "stop", "cancel"):
        assert order in press(browser, order).lower()
        browser.press(ESCAPE)
        assert not browser.find("#ask").shown and focused(browser) == f"do-{order}"
        press(browser, order)
        browser.find("#ask-no").click()
        assert not browser.find("#ask").shown and focused(browser) == f"do-{order}"
    assert process.http_get("/tidemark/status")[1]["job"]["state"] == "RUNNING"
    assert browser.text("#outcome") == ""

    # Samples show what records hold: only with the token.
    show(browser, "bad")
    wait_for_text(browser, "#samples-why", "token")
    assert not browser.find("#samples").shown
    assert "onerror" not in browser.text("#bad")

    press(browser, "savepoint")
    browser.find("#ask-yes").click()
    give_the_token(browser, "wrong")
    wait_for_text(browser, "#token-text", "not the right one")
    give_the_token(browser, settings["http.token"])
    wait_for_text(browser, "#outcome", "savepoint is durable at .*_checkpoints/")
    wait_until(lambda: checkpoint_number(browser) > before, "another checkpoint in the table")
    wait_for_text(browser, "#late-table", "onerror")
    refused = browser.console()
    assert all("401" in line for line in refused) and len(refused) == 3, refused

    press(browser, "stop")
    assert browser.find("#ask-drain").shown
    browser.find("#ask-yes").click()
    wait_for_text(browser, "#outcome", "stopped; its last checkpoint is durable at")
    assert process.wait(15) == 0
    wait_for_text(browser, "#health-level", "^No answer$")
    wait_for_text(browser, "#health-summary", "told to end")

    # It goes on by itself where the job comes back, and keeps the token.
    process = j.start()
    process.wait_for_http()
    wait_for_text(browser, "#health-level", "^Healthy$")
    press(browser, "cancel")
    assert not browser.find("#ask-drain").shown
    browser.find("#ask-yes").click()
    assert process.wait(15) == 0
    wait_for_text(browser, "#health-level", "^No answer$")


def test_it_says_when_the_server_is_gone(kafka, make_job, browser, directory_store):
    listen = {"http.listen": f"127.0.0.1:{free_port()}"}
    j, process = started(kafka, make_job, directory_store, **listen)
    open_page(browser, process)
    process.kill9()
    wait_for_text(browser, "#health-summary", r"does not answer\. Last seen at \d\d:", timeout=3)
    assert "gone" in browser.script("return document.getElementById('live').dataset.live")
    browser.find("#do-savepoint").click()
    wait_for_text(browser, "#outcome", "cannot be told")
    j.start().wait_for_http()
    wait_for_text(browser, "#health-level", "^Healthy$")
    wait_for_text(browser, "#live-text", "^live")


# ---- Everybody can use it -----------------------------------------------------------------------

# Texts of the graph that reach out of their stage.
OUT_OF_THE_BOX = """
return [...document.querySelectorAll('[id^=stage-]')].flatMap((stage) => {
    const box = stage.querySelector('rect').getBoundingClientRect();
    return [...stage.querySelectorAll('text')].filter((text) =>
        text.getBoundingClientRect().right > box.right).map((text) => text.textContent);
});
"""

# [text, contrast] of what is told with less than 4.5 to 1.
TOO_PALE = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const parse = (color) => color.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
function ground(node) {
    const stage = node.closest('[id^=stage-]');
    if (stage) return parse(getComputedStyle(stage.querySelector('rect')).fill);
    for (; node; node = node.parentElement) {
        const color = parse(getComputedStyle(node).backgroundColor);
        if (color.length === 3 || color[3] === 1) return color;
    }
    throw new Error('no ground');
}
const SKIPPED = '.hidden, title, noscript, option';
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const pale = [];
for (let text; (text = walker.nextNode());) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || node.closest(SKIPPED))
        continue;
    const style = getComputedStyle(node);
    const color = parse(node instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(color), light(ground(node))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5 && !node.classList.contains('bang')) pale.push([text.data, contrast]);
}
return pale;
"""

FOCUSED = """
const node = document.activeElement;
if (node === document.body) return null;
window.reached = (window.reached || new Set()).add(node);
const style = getComputedStyle(node);
return [node.outerHTML.slice(0, 120), style.outlineStyle, parseFloat(style.outlineWidth)];
"""

NOT_REACHED = """
const controls = 'a[href], button, input, select, summary, [tabindex="0"]';
return [...document.querySelectorAll(controls)]
    .filter((node) => node.checkVisibility() && !window.reached.has(node))
    .map((node) => node.outerHTML.slice(0, 120));
"""

# What a screen reader tells by its name.
NAMED = {
    "button",
    "checkbox",
    "combobox",
    "dialog",
    "DisclosureTriangle",
    "image",
    "link",
    "navigation",
    "progressbar",
    "region",
    "searchbox",
    "table",
}


def open_all(browser, process):
    """The page with all of its parts filled."""
    open_page(browser, process)
    browser.script("document.querySelector('#windows details').open = true")
    for part, table in [
        ("windows", "open-table"),
        ("checkpoints", "checkpoint-table"),
        ("files", "file-table"),
        ("bad", "late-table"),
        ("settings", "settings-table"),
    ]:
        show(browser, part)
        wait_until(lambda table=table: len(cells(browser, table)) > 0, table)
    wait_until(lambda: browser.find_all("#timeline .window"), "the timeline")
    wait_until(lambda: browser.find_all("#checkpoint-chart .took"), "the checkpoints' chart")


def fits(browser, width):
    browser.size(width, 900)
    drawn = "return document.querySelector('#graph-box svg').clientWidth"
    box = "return Math.floor(document.getElementById('graph-box').clientWidth)"
    wait_until(lambda: browser.script(drawn) == browser.script(box), f"the graph at {width}")
    assert browser.script("return document.documentElement.scrollWidth") == width
    assert browser.script(OUT_OF_THE_BOX) == [], width


def every_control_is_reached_and_seen(browser):
    browser.script("window.scrollTo(0, 0); document.activeElement.blur()")
    for _ in range(300):
        browser.press(TAB)
        focus = browser.script(FOCUSED)
        if focus is None:
            break
        assert focus[1] != "none" and focus[2] >= 1, f"its focus is not seen: {focus}"
    else:
        raise AssertionError(f"tabbing does not come around: {focus}")
    assert browser.script(NOT_REACHED) == []


def every_control_has_a_name(browser):
    nodes = browser.accessible()
    seen = {role for role, *_ in nodes}
    assert not (NAMED - {"dialog", "progressbar"}) - seen, "some kind of them is not there at all"
    assert {"banner", "main", "contentinfo", "heading", "columnheader", "rowheader"} <= seen
    # What scrolls is no control, but the keyboard stops there, so it needs a name as well; but for
    # samples' texts, which name themselves by what they hold.
    told = [node for node in nodes if node[0] in NAMED or (node[2] and node[0] == "generic")]
    assert [node for node in told if not node[1].strip()] == []
    assert len([node for node in nodes if node[0] == "main"]) == 1
    names = [name for role, name, _ in nodes if role in ("region", "table", "navigation")]
    assert "Open windows" in names and "Parts of this page" in names


def test_everybody_can_use_it(kafka, make_job, browser, directory_store):
    _, process = started(kafka, make_job, directory_store)
    open_all(browser, process)
    for width in (360, 768, 1280, 1920, 3840):
        fits(browser, width)
    browser.size(1280, 900)
    every_control_has_a_name(browser)
    every_control_is_reached_and_seen(browser)
    for theme in ("light", "dark"):
        browser.theme(theme)
        assert browser.script(TOO_PALE) == [], theme
    nothing_wrong(browser)


def test_nothing_comes_from_elsewhere(kafka, make_job, browser, directory_store):
    """The policy forbids it; and the files ask for nothing that the policy would have to allow."""
    _, process = started(kafka, make_job, directory_store)
    for path, kind in [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
    ]:
        with urllib.request.urlopen(process.url + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
            text = answer.read().decode()
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "script-src 'self'" in policy and "style-src 'self'" in policy
        assert set(re.findall(r"https?://[^'\" ]+", text)) <= {"http://www.w3.org/2000/svg"}
        assert not re.search(r"innerHTML|insertAdjacentHTML|eval\(|\sstyle=|\son\w+=", text)
