"""Every configuration, method and variant from data to scores, on tiny streets in the real sets' layouts."""

import json
from pathlib import Path

import pytest

from depdis_deploy.command import InputError, UsageError
from depdis_training.checkpoint import load_network
from depdis_training.config_files import bundled_names
from depdis_training.experiment import Options, configurations
from depdis_training.methods import METHODS, VARIANTS
from depdis_training.pipeline import train
from depdis_training.run_log import read_log
from depdis_training.street.writer import write_street

SIZE = (96, 64)
# A network and lengths of seconds in place of the real ones; all else is the configuration's.
SMALL = (
    "network.backbone=efficientnet_lite0", "network.start=scratch", "network.after=null",
    "input.width=96", "input.height=64",
    "training.iterations=2", "training.batch=1", "training.validation_pictures=1", "self_training.iterations=2",
    "self_training.batch=1", "mixtures.pictures=3", "mixtures.per_class=200", "labels.confidence=0.05",
)  # fmt: skip


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    """A function from a layout to the root of a tiny set in it, made on first use."""
    parent = tmp_path_factory.mktemp("streets")

    def root(layout: str) -> Path:
        folder = parent / layout
        if not folder.exists():
            domain = "source" if layout == "synthia" else "target"
            write_street(folder, pictures=6, size=SIZE, domain=domain, layout=layout, workers=1, quiet=True)
        return folder

    return root


def _carried_out(streets, folder, config, *settings, layout=None, **options):
    """The run folder of an experiment with target (and validation) in `layout`."""
    small = list(SMALL)
    plain = configurations(Options(config=config, settings=(*small, *settings), **options))
    ((_, found),) = plain.items()
    if found.augment is not None:
        small += ["augment.crop=[64, 48]"]
    if found.discriminator.scale == "grid":
        small += ["discriminator.layers=2"]
    role = layout or (found.validation or found.source).layout
    if layout is not None:
        small += [f"target.layout={layout}", f"validation.layout={layout}"]
    ((_, found),) = configurations(
        Options(
            config=config, settings=(*small, *settings), source=streets("synthia"),
            target=streets(role), **options
        )
    ).items()  # fmt: skip
    train(found, folder / "run", folder / "data")
    return folder / "run"


def _losses(run):
    return set(read_log(run / "stage1" / "log.jsonl")[0])


@pytest.mark.parametrize("config", bundled_names())
def test_every_configuration_runs_whole(streets, tmp_path, config):
    # the mixtures of these are those of the run before
    alone = ("mixtures.kind=fit",) if config in ("bundled", "bundled-third", "bundled-fourth") else ()
    run = _carried_out(streets, tmp_path, config, *alone)
    rows = json.loads((run / "metrics.json").read_text())["rows"]
    assert rows["last"]["figures"]
    rounds = json.loads((run / "config.json").read_text())["self_training"]["rounds"]
    labelled = sorted(path.name for path in run.glob("labels-*"))
    expected = [] if config.startswith("bundled") else [f"labels-{number + 1}" for number in range(rounds)]
    assert labelled == expected
    assert load_network(run / "weights.safetensors").num_classes in (7, 16)


@pytest.mark.parametrize("layout", ["mapillary-v2.0", "camvid", "own"])
def test_every_layout_serves_as_target(streets, tmp_path, layout):
    taxonomy = {"mapillary-v2.0": "cityscapes-7", "camvid": "camvid-11", "own": "cityscapes-16"}[layout]
    source = "cityscapes-7" if layout == "mapillary-v2.0" else "cityscapes-16"
    settings = (
        f"target.taxonomy={taxonomy}", f"validation.taxonomy={taxonomy}", f"source.taxonomy={source}",
        "source.street=null", "target.street=null", "validation.street=null",
    )  # fmt: skip
    run = _carried_out(streets, tmp_path, "street", *settings, layout=layout)
    assert json.loads((run / "metrics.json").read_text())["rows"]["last"]["figures"]


def test_a_source_without_depth_serves_where_no_density_is_learned(streets, tmp_path):
    camvid = streets("camvid")
    settings = (
        *SMALL, "source.layout=camvid", "source.taxonomy=camvid-11", "source.street=null", "target=null",
        "augment.crop=[64, 48]",
    )  # fmt: skip
    options = {"config": "street-camvid", "settings": settings, "source": camvid, "target": camvid}
    ((_, config),) = configurations(Options(variants=("source_only",), **options)).items()
    train(config, tmp_path / "run", tmp_path / "data")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["rows"]["last"]["figures"]
    assert not (tmp_path / "run" / "mixtures.json").exists()
    ((_, config),) = configurations(Options(variants=("source_branches",), **options)).items()
    with pytest.raises(InputError, match="no pixel with both a class and a depth"):
        train(config, tmp_path / "branches", tmp_path / "data")


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_variant_runs_whole(streets, tmp_path, variant):
    run = _carried_out(streets, tmp_path, "street", variants=(variant,))
    assert (run / "labels-1").exists() == (VARIANTS[variant].self_training != "none")
    assert ("adversarial" in _losses(run)) == (VARIANTS[variant].discriminator_input is not None)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"depdis"}))
def test_every_method_runs_whole(streets, tmp_path, method):
    run = _carried_out(streets, tmp_path, "street", method=method)
    assert not list(run.glob("labels-*"))
    assert ("entropy" if method == "minent" else "adversarial") in _losses(run)


def test_a_protocol_without_a_start_stops_in_one_line_before_anything_is_made(streets, tmp_path):
    ((_, config),) = configurations(
        Options(config="synthia-cityscapes-16", source=streets("synthia"), target=streets("cityscapes"))
    ).items()
    with pytest.raises(UsageError, match="--init, or say --from-scratch"):
        train(config, tmp_path / "run", tmp_path / "data")
    assert not (tmp_path / "run").exists()


def test_a_variant_is_refused_with_another_method():
    with pytest.raises(UsageError, match=r"unknown configuration key method\.variant: this method has"):
        configurations(Options(method="advent", variants=("M2",)))


def test_a_run_is_named_by_what_it_is():
    assert list(configurations(Options(variants=("M2", "M4"), seeds=(0, 1)))) == [
        "street-depdis-M2-s0", "street-depdis-M2-s1", "street-depdis-M4-s0", "street-depdis-M4-s1",
    ]  # fmt: skip
    assert list(configurations(Options(method="dada"))) == ["street-dada-s0"]
