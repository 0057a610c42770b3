"""The report of a real tiny run: whole, offline, and with the figures of metrics.json."""

import base64
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from depdis_deploy.command import InputError
from depdis_deploy.manifest import Manifest, ResizeRule
from depdis_deploy.taxonomy import CITYSCAPES_7, CITYSCAPES_16, IGNORE
from depdis_training.boundary import RATIO
from depdis_training.config import load_config
from depdis_training.evaluated import Entry, Options, Row
from depdis_training.full_evaluation import as_metrics
from depdis_training.gallery import differing, error_picture
from depdis_training.published import published
from depdis_training.report.reading import between, published_table, signed, sure
from depdis_training.report.words import summary
from depdis_training.report.write import write_report

VOID = {"meta", "img", "line", "rect", "circle"}


class _Page(HTMLParser):
    """What a page holds; raises where tags do not close as they open."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag
        elif self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(finished_run):
    found = _Page()
    found.feed((finished_run / "report.html").read_text())
    return found


@pytest.fixture(scope="module")
def metrics(finished_run):
    return json.loads((finished_run / "metrics.json").read_text())


def test_the_page_stands_alone_and_runs_nothing(page):
    assert not page.open
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    addresses = [value for name, value in page.attributes if name in ("src", "href")]
    assert {address.partition(":")[0] for address in addresses if not address.startswith("#")} == {"data"}
    named = {value for name, value in page.attributes if name == "id"}
    assert {address[1:] for address in addresses if address.startswith("#")} <= named
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_light_and_dark_have_the_same_colours_by_name(finished_run):
    style = re.search(r"<style>(.*?)</style>", (finished_run / "report.html").read_text(), re.DOTALL)[1]
    themes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light, dark = (set(re.findall(r"(--[\w-]+):", theme)) for theme in themes)
    assert light == dark
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= light


def test_every_picture_is_there(page, finished_run):
    pictures = [value for name, value in page.attributes if name == "src"]
    # eight maps of the best, the median and the worst picture
    assert len(pictures) == 24
    for picture in pictures:
        head, _, content = picture.partition(",")
        assert head in ("data:image/png;base64", "data:image/jpeg;base64")
        values = np.frombuffer(base64.b64decode(content), np.uint8)
        assert cv2.imdecode(values, cv2.IMREAD_COLOR).shape == (64, 96, 3)
    text = (finished_run / "report.md").read_text()
    linked = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert {path.rpartition("/")[2] for path in linked} == {
        "classes.svg", "confusion.svg", "reliability.svg", "best.jpg", "median.jpg", "worst.jpg",
    }  # fmt: skip
    assert all((finished_run / path).stat().st_size > 500 for path in linked)


def test_page_and_markdown_print_the_figures_of_the_metrics(page, metrics, finished_run):
    texts, markdown = "\n".join(page.texts), (finished_run / "report.md").read_text()
    assert list(metrics["rows"]) == ["last", "last, deployed", "last, statistics of the target"]
    for title, row in metrics["rows"].items():
        assert f"| {title} |" in markdown
        assert title in page.texts
        for name in ("mIoU 16 (%)", "mIoU 11 (%)", "boundary IoU (%)", "calibration error ECE (%)"):
            assert f"{row['figures'][name]:.1f}" in page.texts
            assert f" {row['figures'][name]:.1f} " in markdown
        low, high = row["intervals"]["mIoU 16 (%)"]
        assert low <= row["figures"]["mIoU 16 (%)"] <= high
        assert f"{low:.1f} to {high:.1f}" in texts
        assert f"{row['figures']['depth rms']:.2f}" in page.texts
    for line in summary(metrics):
        assert line in page.texts
        assert f"- {line}" in markdown


def test_the_metrics_say_what_they_are_of(metrics):
    assert metrics["set"]["pictures"] == metrics["set"]["all_pictures"] == 10
    assert metrics["depth"] == {
        "unit": "m", "cap_m": None, "align": "none",
        "camera": "of each picture's own camera where its focal length is known, else of the model's",
    }  # fmt: skip
    assert metrics["boundary"]["ratio"] == RATIO
    row = metrics["rows"]["last"]
    pixels = sum(one["pixels"] for one in row["reliability"])
    assert pixels == np.sum(row["confusion"]) == 10 * 64 * 96
    error = sum(one["pixels"] * abs(one["accuracy"] - one["confidence"]) for one in row["reliability"]) / pixels
    assert row["figures"]["calibration error ECE (%)"] == pytest.approx(100 * error)
    assert len(row["picture_miou"]) == 10
    deployed = metrics["rows"]["last, deployed"]
    assert deployed["difference"]["from"] == "last"
    gap = deployed["figures"]["mIoU 16 (%)"] - row["figures"]["mIoU 16 (%)"]
    assert deployed["difference"]["figures"]["mIoU 16 (%)"] == pytest.approx(gap)
    assert metrics["rows"]["last, statistics of the target"]["difference"]["from"] == "last"


class _Set:
    """Three pictures whose truth is known."""

    taxonomy = CITYSCAPES_7
    names = ("one", "two", "three")

    def __len__(self):
        return 3


def _row(title, confusion, **about):
    manifest = Manifest(taxonomy=CITYSCAPES_7, resize=ResizeRule(kind="fit", width=64, height=32))
    row = Row(
        Entry(title=title, model=None, manifest=manifest, kind="checkpoint", about=about), _Set(), Options()
    )
    row.scorer.scores.confusion += confusion
    row.mious = [50.0] * 3
    return row


def test_a_protocols_rows_stand_above_the_measured_one_with_their_differences(tmp_path, blocks):
    confusion = np.diag(np.full(7, 100)) + 5
    config = load_config("synthia-mapillary-7-small", ())
    row = _row("mine", confusion, method="dada")
    metrics = as_metrics([row], _Set(), config, config.validation, Options())
    table = published_table(metrics)
    first = [cells[0].text for cells in table.rows]
    assert first[-2:] == ["mine", "minus DADA"]
    assert first.index("DADA, the paper") < first.index("mine")
    iou = 105 / (2 * (105 + 6 * 5) - 105)
    printed = published("synthia-mapillary-7-small")["rows"]["DADA"]
    assert [cell.text for cell in table.rows[-2][1:]] == [f"{100 * iou:.1f}"] * 8
    gaps = [100 * iou - value for value in (printed["miou"]["7"], *printed["iou"])]
    assert [cell.text for cell in table.rows[-1][1:]] == [signed(gap) for gap in gaps]
    write_report(tmp_path / "report", json.loads(json.dumps(metrics)), [])
    text = (tmp_path / "report" / "report.html").read_text()
    assert "Table 2: SYNTHIA to Mapillary Vistas, seven classes, 640x320" in text
    assert "| **mine** |" in (tmp_path / "report" / "report.md").read_text()

    # the paper has no figures of another set under the same configuration
    elsewhere = config.validation.model_copy(update={"layout": "drive"})
    config = config.model_copy(update={"validation": elsewhere})
    assert published_table(as_metrics([row], _Set(), config, elsewhere, Options())) is None


def test_report_does_not_replace_files_behind_a_link(tmp_path, metrics):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "classes.svg").write_text("kept")
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report_files").symlink_to(elsewhere)
    with pytest.raises(InputError, match="expected a folder, got a link"):
        write_report(tmp_path / "report", metrics, [])
    assert (elsewhere / "classes.svg").read_text() == "kept"


def test_the_papers_means_are_those_of_its_classes():
    sevens = [f"synthia-{target}-7{size}" for target in ("cityscapes", "mapillary") for size in ("", "-small")]
    for protocol in ("synthia-cityscapes-16", *sevens):
        found = published(protocol)
        for method, row in found["rows"].items():
            if None in row["iou"] or (protocol, method) == ("synthia-cityscapes-7", "DADA"):  # a misprint
                continue
            mean = np.mean(row["iou"])
            assert row["miou"][str(len(found["classes"]))] == pytest.approx(mean, abs=0.21), (protocol, method)
    assert published("street") is None
    ours = published("synthia-cityscapes-16")
    assert ours["classes"] == list(CITYSCAPES_16.names)
    assert (ours["variants"]["M4"], ours["depth"]["M2"]["delta1"]) == (48.2, 0.26)


def test_boxes_stand_where_predictions_differ_and_apart():
    truth = np.zeros((60, 80), np.uint8)
    one, other = truth.copy(), truth.copy()
    other[5:15, 60:78] = 1
    other[40:58, 3:18] = 2
    other[30:34, 40:44] = IGNORE - 1
    truth[40:42, 3:18] = IGNORE
    boxes = differing([one, other], truth)
    assert len(boxes) == 2
    for box, (left, top, right, bottom) in zip(boxes, ((3, 42, 18, 58), (60, 5, 78, 15)), strict=True):
        assert box.left <= left
        assert box.top <= top
        assert box.right >= right
        assert box.bottom >= bottom
    assert differing([one, one], truth) == []


def test_the_error_picture_is_red_where_labels_are_wrong_only():
    image = np.full((20, 30, 3), 200, np.uint8)
    truth, labels = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    labels[:5], truth[10:] = 3, IGNORE
    picture = error_picture(image, labels, truth)
    red = (picture[..., 0].astype(int) - picture[..., 1]) > 100
    assert red[:5].all()
    assert not red[5:].any()
    assert picture[10:].max() < picture[5:10].min()


def test_figures_as_text():
    assert (signed(0.04), signed(-0.26), signed(1.0)) == ("\N{PLUS-MINUS SIGN}0.0", "\N{MINUS SIGN}0.3", "+1.0")
    assert between((-0.04, 1.25)) == "0.0 to 1.2"
    assert (sure((0.1, 2)), sure((-2, -0.1)), sure((-1, 1)), sure(None)) == (1, -1, 0, 0)
