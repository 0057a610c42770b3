import itertools
from pathlib import Path

import pytest

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.preprocess import plan
from depdis_training.chain import run_before
from depdis_training.config import build_config, load_config
from depdis_training.config_files import bundled_names
from depdis_training.experiment import Options, configurations


@pytest.mark.parametrize("name", bundled_names())
def test_every_configuration_of_the_package_loads_and_survives_json(name):
    config = load_config(name)
    assert config.name == name
    assert build_config(config.plain()) == config


def test_a_file_and_settings_change_only_what_they_say(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("training: {iterations: 7}\nsource: {street: {pictures: 3}}\n")
    config = load_config(str(path), ["optimizer.head_rate=1e-4", "augment.crop=[64, 96]"], {"seed": 5})
    plain = load_config(str(path)).plain()
    assert (config.name, config.seed, config.training.iterations) == ("mine", 5, 7)
    assert config.source.street.pictures == 3
    assert config.optimizer.head_rate == 1e-4
    assert config.augment.crop == (64, 96)
    changed = config.plain()
    changed["optimizer"]["head_rate"] = plain["optimizer"]["head_rate"]
    changed["augment"]["crop"] = plain["augment"]["crop"]
    changed["seed"] = plain["seed"]
    assert changed == plain


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [
        ("training.iteration=3", "training.iterations"),
        ("iterations=3", "training.iterations"),
        ("source.street.picture=3", "source.street.pictures"),
        ("method.dept=1", "this method has adversarial, balance_source"),
        ("losses.dept=1", "this method has adversarial, balance_source"),
        ("head_rates=1", "optimizer.head_rate"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(setting, nearest):
    with pytest.raises(UsageError, match="unknown configuration key") as error:
        load_config("street", [setting])
    assert nearest in str(error.value)


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("training.iterations=many", "training.iterations"),
        ("training.batch=0", "training.batch"),
        ("training.average_start=5", "training.average to 1"),
        ("augment.scale=[2, 1]", "augment.scale"),
        ("augment.crop=[8, 64]", "augment.crop"),
        ("input.canonical_focal_px=null", "augment.scale"),
        ("network.backbone=vgg16", "network.backbone"),
        ("method.unknown_depth=zero_distance", "method.unknown_depth"),
        ("method={density_target: expected, source_density: release}", "method.source_density"),
        ("method.variant=M5", "no variant 'M5'"),
        ("method=clan", "no method 'clan'"),
        ("method=3", "method"),
        ("source=3", "source"),
        ("training", "key=value"),
        ("training.batch=[", "not YAML"),
        ("training.batch=" + "[" * 10_000, "nested deeper than 32 levels"),
        ("training.batch=" + "9" * 100_000, "Exceeds the limit"),
        ("training.batch=2001-99-99", "month must be in"),
        ("training.batch=!!python/object/apply:os.getcwd []", "found the tag"),
        ("optimizer.clip_norm=.inf", "expected finite numbers"),
        ("optimizer.head_rate=1.0e+999", "expected finite numbers"),
        ("source=" + "x" * 100_000, "source: Input should be a valid dictionary"),
        ("training=" + "x" * 100_000, "training: Input should be"),
        ("x" * 100_000 + "=1", "unknown configuration key xxx"),
        ("x" * 100_000, "key=value"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(setting, part):
    with pytest.raises(UsageError) as error:
        load_config("street", [setting])
    assert part in str(error.value)
    assert len(str(error.value)) < 600


# Each list holds nine times the one before.
LAUGHS = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefghi")
)
MERGED = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 20)}]}}\n" for n in range(1, 20)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "a configuration is a mapping of keys to values, got \\['a'\\]"),
        ("seed: 1\nseed: 2", "the key 'seed' occurs twice"),
        (LAUGHS, "more than 100000 values"),
        (MERGED, "a mapping of more than 1000 keys"),
        ("a: &a [*a]", "nested deeper than 32 levels"),
        ("[1, " * 100_000, "larger than 262144 bytes"),
        ("{" * 1000, "nested deeper than 32 levels"),
        ("seed: \udcff", "not UTF-8"),
        ("? [a]\n: b", "unhashable key"),
        ("when: [a]", r"when maps key=value to keys and values, got \['a'\]"),
        ("when: {seed=1: 2}", "when maps key=value"),
        ("extends: mine.yaml", "extend each other in a circle: mine.yaml -> mine.yaml"),
        ("extends: {a: b}", "no configuration named"),
        ("1: 2", "unknown configuration key 1"),
        ("seed: 2.5", "configuration key seed: .*got 2.5"),
    ],
)
def test_rejects_malformed_configuration_file(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(text, errors="surrogateescape")
    with pytest.raises(UsageError, match=message) as error:
        load_config("mine.yaml")
    assert len(str(error.value)) < 600


def test_configuration_may_use_aliases(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("source: {street: &street {seed: 4}}\ntarget: {street: {<<: *street, pictures: 3}}\n")
    config = load_config(str(path))
    assert (config.source.street.seed, config.target.street.seed, config.target.street.pictures) == (4, 4, 3)


def test_rejects_runs_that_go_on_from_each_other_in_a_circle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text("network: {after: two.yaml}")
    (tmp_path / "two.yaml").write_text("network: {after: one.yaml}")
    with pytest.raises(UsageError, match=r"in a circle: two\.yaml -> one\.yaml -> two\.yaml"):
        run_before(load_config("one.yaml"), tmp_path / "run")


def test_an_unknown_configuration_names_those_there_are():
    bundled = "bundled, bundled-first, bundled-fourth, bundled-second, bundled-third"
    with pytest.raises(UsageError, match=f"{bundled}, street, street-camvid"):
        load_config("streets")


def test_a_street_set_can_be_switched_off():
    config = load_config("street", ["source.street=null"])
    assert config.source.street is None


def test_the_tree_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_config("street").seed = 3


def test_a_schedule_that_ends_before_the_training_is_refused():
    with pytest.raises(UsageError, match=r"training\.schedule is at least .* 700; it is 600"):
        load_config("street", ("training.iterations=700", "training.schedule=600"))


def test_the_other_methods_weigh_no_classes_in_the_protocols():
    for method in ("advent", "minent", "dada"):
        config = load_config("synthia-cityscapes-16", changes={"method": method})
        assert config.method.class_weights == "none"
    assert len(load_config("synthia-cityscapes-16").method.class_weights) == 16


def test_a_source_fills_the_input_where_the_target_is_padded():
    found = load_config("synthia-mapillary-7-small").input
    assert (found.rule().kind, found.source_rule().kind) == ("fit", "stretch")
    assert plan((1280, 760), found.source_rule()).content == (640, 320)
    assert load_config("street").input.source_rule() == load_config("street").input.rule()


@pytest.mark.parametrize("address", ["rtsp://u:Zq9x@h/x", "rtsp://u:p#Zq9x@h", "rtsp:u:Zq9x@h", "u:Zq9x@h/x"])
def test_a_camera_as_data_is_refused_without_its_password(address):
    attempts = [lambda: configurations(Options(target=Path(address)))]
    if address.startswith("rtsp"):
        attempts += [
            lambda: configurations(Options(source=Path(address))),
            lambda: load_config("street", [f'target.root="{address}"']),
        ]
    for attempt in attempts:
        with pytest.raises((InputError, UsageError)) as error:
            attempt()
        assert "Zq9x" not in str(error.value)
