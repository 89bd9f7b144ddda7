"""What the rows of a training say: templates, what is supervised, and labels that the trained model contradicts."""

from __future__ import annotations

import math
from collections.abc import Iterator

from olivepress.recipe.methods import METHODS
from olivepress.train.curve import Curve
from olivepress.train.evidence import Evidence, RowFacts, RowLosses
from olivepress.train.finding import Change, Finding, Row

__all__ = ["examine_row_losses", "examine_rows", "too_few_learned"]

_TOO_LONG = 0.05  # of the rows, left out of the training
_MARKED_UP = 0.01
_SYSTEM = 0.5  # difference of the share of rows with a system message, from training to test
_TURNS = 1.5  # answers for each that is trained on
_CONTRADICTED = 0.02  # of the rows, and at least two of them
_ENOUGH_LEARNED = 0.7  # of the rows, for contradictions to be of the labels


def examine_rows(evidence: Evidence, facts: RowFacts, curve: Curve | None) -> Iterator[Finding]:
    """Findings of the kinds template and supervision."""
    findings = (
        _markup(evidence, facts),
        _system(facts),
        _lost(facts),
        _unlikely(facts, curve),
        _too_long(evidence, facts),
        _turns(evidence, facts),
    )
    yield from (each for each in findings if each is not None)


def _markup(evidence: Evidence, facts: RowFacts) -> Finding | None:
    share = facts.marked_up / facts.sampled
    if share < _MARKED_UP:
        return None
    summary = (
        f"{facts.marked_up} of {facts.sampled} rows contain signs of a chat template ({facts.example_of_markup}) in "
        "their own texts; the model's template puts its own around them"
    )
    instruction = evidence.recipe.data.instruction if evidence.recipe.data is not None else None
    changes: tuple[Change, ...] = ()
    if facts.marked_up_instruction and instruction is not None:
        changes = (Change(key="data.instruction", now=instruction, to=None),)
    else:
        source = evidence.recipe.data.source if evidence.recipe.data is not None else None
        changes = (Change(key="data.source", now=source, to="rows without the template's own signs"),)
    numbers = {"rows_with_template_signs": facts.marked_up, "rows_examined": facts.sampled}
    return Finding(kind="template", summary=summary, evidence=numbers, changes=changes)


def _system(facts: RowFacts) -> Finding | None:
    trained, asked = facts.system_shares.get("train", 0.0), facts.system_shares.get("test", 0.0)
    if abs(trained - asked) < _SYSTEM:
        return None
    summary = (
        f"{100 * trained:.0f} % of the training rows begin with a system message and {100 * asked:.0f} % of the test "
        "rows do: the model is asked in another form than it was trained in"
    )
    numbers = {"system_share_train": trained, "system_share_test": asked}
    changes = (Change(key="data.source", now=None, to="rows with the same system message in every split"),)
    return Finding(kind="template", summary=summary, evidence=numbers, changes=changes)


def _lost(facts: RowFacts) -> Finding | None:
    if not facts.lost:
        return None
    changes = (Change(key="model.path", now=None, to="a folder with another chat_template.jinja"),)
    return Finding(kind="template", summary=facts.lost[0], evidence={"rows_examined": facts.sampled}, changes=changes)


def _unlikely(facts: RowFacts, curve: Curve | None) -> Finding | None:
    """A first loss above that of guessing: the model has never seen such texts."""
    uniform = math.log(facts.vocabulary)
    if curve is None or curve.start <= 1.1 * uniform:
        return None
    summary = (
        f"the first loss, {curve.start:.3g} nats a token, is above that of guessing ({uniform:.3g} for a vocabulary of "
        f"{facts.vocabulary}): the template or the answers are of a kind that the base model does not know"
    )
    numbers = {"first_loss": curve.start, "loss_of_guessing": uniform}
    changes = (Change(key="model.path", now=None, to="a model that knows this template, or its instruct version"),)
    return Finding(kind="template", summary=summary, evidence=numbers, changes=changes)


def _too_long(evidence: Evidence, facts: RowFacts) -> Finding | None:
    if facts.too_long <= _TOO_LONG * facts.sampled:
        return None
    summary = (
        f"{facts.too_long} of {facts.sampled} rows are longer than {facts.max_length} tokens and not trained on; the "
        f"longest has {facts.longest}"
    )
    numbers = {"rows_too_long": facts.too_long, "rows_examined": facts.sampled, "longest_row_tokens": facts.longest}
    enough = facts.enough if facts.context is None else min(facts.enough, facts.context)
    changes: tuple[Change, ...] = (Change(key="data.max_length", now=facts.max_length, to=enough),)
    if enough <= facts.max_length:
        source = evidence.recipe.data.source if evidence.recipe.data is not None else None
        shorter = f"rows of at most {enough} tokens, which is all that the model reads"
        changes = (Change(key="data.source", now=source, to=shorter),)
    return Finding(kind="supervision", summary=summary, evidence=numbers, changes=changes)


def _turns(evidence: Evidence, facts: RowFacts) -> Finding | None:
    if facts.answers < _TURNS * facts.trained_answers or METHODS[evidence.recipe.finetune.method].pairs:
        return None
    summary = (
        f"the rows have {facts.answers} answers, of which {facts.trained_answers} are trained on: with train_on: "
        f"{evidence.recipe.finetune.train_on} the answers before the last one are not"
    )
    numbers = {
        "answers": facts.answers,
        "answers_trained_on": facts.trained_answers,
        "share_of_tokens_trained_on": facts.trained_tokens / facts.tokens,
    }
    changes = (Change(key="finetune.train_on", now=evidence.recipe.finetune.train_on, to="all_turns"),)
    return Finding(kind="supervision", summary=summary, evidence=numbers, changes=changes)


def too_few_learned(losses: RowLosses) -> str:
    """Why nothing can be said of wrong labels; empty where the model has learned enough rows.

    A model that is half trained is sure of wrong answers too: then its contradictions say nothing of the labels.
    """
    if losses.learned >= _ENOUGH_LEARNED * losses.measured:
        return ""
    return (
        f"the model has learned {losses.learned} of {losses.measured} rows, too few to tell a wrong label: train longer"
    )


def examine_row_losses(evidence: Evidence, losses: RowLosses) -> Iterator[Finding]:
    """Label noise: the trained model contradicts answers that it was trained on."""
    if losses.contradicted < max(2.0, _CONTRADICTED * losses.measured):
        return
    summary = (
        f"{losses.contradicted} of {losses.measured} training rows have an answer that the trained model contradicts "
        "clearly: it gives another one a probability of at least 85 %, and this one at most 2 %"
    )
    numbers = {
        "rows_contradicted": losses.contradicted,
        "rows_measured": losses.measured,
        "median_loss": losses.median,
        "highest_loss": losses.highest[0].loss,
    }
    source = evidence.recipe.data.source if evidence.recipe.data is not None else None
    changes = [Change(key="data.source", now=source, to="the rows below corrected or removed")]
    settings = evidence.recipe.finetune
    takes_it = "label_smoothing" not in METHODS[settings.method].ignores and settings.loss is None
    if takes_it and not settings.label_smoothing:
        changes.append(Change(key="finetune.label_smoothing", now=0.0, to=0.1))
    rows = tuple(
        Row(id=each.id, loss=each.loss, answer=each.answer, prompt=each.prompt, suggested=each.suggested)
        for each in losses.highest
    )
    yield Finding(kind="label noise", summary=summary, evidence=numbers, changes=tuple(changes), rows=rows)
