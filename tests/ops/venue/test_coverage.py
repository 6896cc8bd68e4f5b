"""The venue says what the real exchanges say: the same fields, of the same types."""

import json
import re
from pathlib import Path

import pytest

from tests.ops.venue.published import PUBLISHED
from tests.ops.venue.samples import UNPROVEN, all_samples

SAMPLES = all_samples()
TABLE = Path(__file__).parents[3] / "docs" / "venue-coverage.md"
KINDS = {str: "s", bool: "b", int: "i", float: "f", type(None): "null"}


def facts(value):
    """The shape of a JSON value: field names and the types of values."""
    if isinstance(value, dict):
        return {name: facts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [facts(item) for item in value[:1]]
    return KINDS[type(value)]


def differences(proof, ours, sample, path=""):
    """What is missing, what is too much, and what is of another type."""
    if isinstance(proof, dict) and isinstance(ours, dict):
        found = [
            f"{path}.{name} is missing" for name in proof if name not in ours and name not in sample.without
        ]
        found += [
            f"{path}.{name} is too much" for name in ours if name not in proof and name not in sample.beyond
        ]
        for name in proof.keys() & ours.keys():
            found += differences(proof[name], ours[name], sample, f"{path}.{name}")
        return found
    if isinstance(proof, list) and isinstance(ours, list):
        return differences(proof[0], ours[0], sample, f"{path}[]") if proof and ours else []
    if "null" in (proof, ours) or proof == ours:
        return []
    return [f"{path} is {ours}, not {proof}"]


@pytest.mark.recorded
@pytest.mark.parametrize(
    "sample",
    [sample for sample in SAMPLES if sample.proof.startswith("recorded/")],
    ids=lambda sample: sample.name,
)
def test_what_was_recorded_has_the_same_fields_and_types(recorded_data, sample):
    recorded = json.loads((recorded_data / sample.proof).read_text())
    assert differences(facts(recorded), facts(sample.json), sample) == []


@pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.proof in PUBLISHED], ids=lambda sample: sample.name
)
def test_what_was_published_has_the_same_fields_and_types(sample):
    assert differences(PUBLISHED[sample.proof], facts(sample.json), sample) == []


def test_every_sample_names_its_proof():
    """A recorded file, published facts, or plainly none."""
    for sample in SAMPLES:
        assert sample.proof == UNPROVEN or sample.proof.startswith("recorded/") or sample.proof in PUBLISHED


def test_the_table_in_the_documentation_is_this_one():
    """Row by row: what the venue says, and what proves it."""
    rows = re.findall(r"^\| (Binance [^|]+|Bybit: [^|]+) \| ([^|]+) \|$", TABLE.read_text(), re.MULTILINE)
    listed = [(name.strip(), proof.strip().strip("`")) for name, proof in rows]
    assert listed == [(sample.name, sample.proof) for sample in SAMPLES]
