"""The pure parts of ``make peers``: order of rounds, ratios, verdicts, kernel shares, the table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from peers.fidelity_run import compared
from peers.make import changed_passes
from peers.profile import kernel_shares, prefill_runs
from peers.rounds import rotated
from peers.subjects import SUBJECTS, chosen
from peers.summary import Goal, goal_row, median, no_worse, paired_ratio, share_of_bandwidth, verdict
from peers.table import figure
from sections import replaced

GOAL = Goal(title="decode against a peer", metric="decode_tps", peer="peer", times=1.3)


def of(values):
    return {"rounds": {"decode_tps": values}}


def test_every_subject_stands_in_each_place_equally_often():
    names = ["a", "b", "c"]
    orders = [rotated(names, number) for number in range(3)]
    assert [set(place) for place in zip(*orders, strict=True)] == [set(names)] * 3


def test_ratios_are_paired_by_round():
    # Both fell in the second round: a ratio of medians would not see that they fell together.
    assert paired_ratio([20.0, 10.0, 30.0], [10.0, 5.0, 15.0])["value"] == 2.0


def test_goal_met_missed_or_not_to_be_told():
    assert goal_row(GOAL, of([14.0, 14.1, 14.2]), of([10.0, 10.0, 10.0]))["verdict"] == "met"
    assert goal_row(GOAL, of([12.0, 12.1, 12.2]), of([10.0, 10.0, 10.0]))["verdict"] == "missed"
    assert goal_row(GOAL, of([12.0, 13.2, 14.0]), of([10.0, 10.0, 10.0]))["verdict"] == "cannot tell"


def test_a_goal_without_its_peer_is_not_measured_and_says_why():
    row = goal_row(GOAL, of([14.0]), None)
    assert row["verdict"] == "not measured"
    assert row["ratio"] == {"value": None, "reason": "peer: not measured"}
    assert goal_row(GOAL, None, of([1.0]))["ratio"]["reason"] == "ours: not measured"
    assert verdict({"value": None, "reason": "x"}, 1.0) == "not measured"


def test_no_worse_needs_both():
    assert no_worse({"value": 0.01}, {"value": 0.01}) == "yes"
    assert no_worse({"value": 0.02}, {"value": 0.01}) == "no"
    assert no_worse({"value": None}, {"value": 0.01}) == "not measured"


def test_share_of_bandwidth_is_null_with_the_reason_when_bytes_are_not_known():
    assert share_of_bandwidth([100.0], 200_000_000, 40e9)["value"] == pytest.approx(0.5)
    assert share_of_bandwidth([100.0], "compiled", 40e9) == {"value": None, "reason": "compiled"}
    assert median([]) == {"value": None, "reason": "not measured"}


def test_changes_of_passes():
    passes = {"quantize": {"type": "Rtn", "group_size": 128, "sym": True}, "build": {"type": "ModelBuilder"}}
    changes = {"quantize": {"group_size": 256, "sym": None}, "build": {"precision": "int4"}}
    assert changed_passes(passes, changes) == {
        "quantize": {"type": "Rtn", "group_size": 256},
        "build": {"type": "ModelBuilder", "precision": "int4"},
    }
    assert list(changed_passes(passes, {"quantize": None})) == ["build"]
    assert list(changed_passes(passes, {"select": {"type": "S"}})) == ["select", "quantize", "build"]
    assert passes["quantize"]["group_size"] == 128


def test_subjects_have_names_of_their_own_and_unknown_ones_are_refused():
    names = [subject.name for subject in SUBJECTS]
    assert len(set(names)) == len(names) > 5
    assert [one.name for one in chosen([names[2], names[0]])] == [names[0], names[2]]
    with pytest.raises(SystemExit, match="unknown subject 'nothing'"):
        chosen(["nothing"])


def test_kernel_shares_tell_prefill_from_decode_and_leave_the_warm_up_out():
    def run(start, duration):
        return {"name": "model_run", "ts": start, "dur": duration}

    def kernel(start, duration, name, operator):
        return {
            "cat": "Node",
            "name": f"{name}_kernel_time",
            "ts": start,
            "dur": duration,
            "args": {"op_name": operator},
        }

    prompts = prefill_runs(tokens=1, repeats=1)
    assert prompts == {0, 2}
    events = [
        run(0, 100), run(100, 10), run(200, 100), run(300, 10),
        kernel(1, 90, "/lm_head/MatMul", "MatMul"),
        kernel(210, 80, "/layers.0/mlp/up_proj/MatMul_Q4", "MatMulNBits"),
        kernel(301, 5, "/layers.0/attn/GroupQueryAttention", "GroupQueryAttention"),
    ]  # fmt: skip
    found = kernel_shares(events, prompts)
    assert found["prefill"]["share"]["MatMulNBits up_proj"] == pytest.approx(0.8)
    assert found["decode"]["share"]["GroupQueryAttention"] == pytest.approx(0.5)
    assert found["decode"]["share"]["between kernels"] == pytest.approx(0.5)
    assert found["decode"]["n"] == 1


def test_figures_in_the_table():
    reasons: list[str] = []
    assert figure({"value": 149.436, "ci_low": 148.1, "ci_high": 151.0}, 4) == "149.4 (148.1 to 151)"
    assert figure({"value": 0.00000123}, 2) == "1.2e-06"
    assert figure({"value": 1_640_000_000}, 3, 1e-6) == "1,640"
    assert figure({"value": None, "reason": "no such shape"}, reasons=reasons) == "– [1]"
    assert figure({"value": None, "reason": "no such shape"}, reasons=reasons) == "– [1]"
    assert reasons == ["no such shape"]


def test_divergence_of_known_logits():
    parents = [np.log(np.array([[0.5, 0.25, 0.25]])), np.log(np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]))]
    same = compared(parents, [np.pad(one, ((0, 0), (0, 1))) for one in parents])  # a padded vocabulary
    assert (same["kl_divergence"]["value"], same["top1_agreement"]["value"]) == (0.0, 1.0)
    ours = [np.log(np.array([[0.25, 0.5, 0.25]])), parents[1]]
    found = compared(parents, ours)
    assert found["kl_divergence"]["value"] == pytest.approx(0.25 * math.log(2) / 3)
    assert found["top1_agreement"]["value"] == pytest.approx(2 / 3)
    assert found["kl_divergence"]["n"] == 3
    with pytest.raises(ValueError, match="shape"):
        compared(parents[:1], [ours[0][:, :2]])


def test_a_section_is_replaced_and_the_rest_kept():
    text = replaced("# Title\n", "peers", "old")
    assert replaced(text, "peers", "new") == "# Title\n\n<!-- peers: generated -->\n\nnew\n\n<!-- peers: end -->\n"
    assert replaced(replaced(text, "training", "t"), "peers", "new").count("generated -->") == 2
