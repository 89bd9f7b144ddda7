"""``olivepress data augment``, ``mix`` and ``replay``: datasets made from prepared ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from olivepress.cli.data import data, write_and_print

__all__ = ["augment", "mix", "replay"]

_Name = Annotated[str, typer.Option("-o", "--name", metavar="NAME", help="What the new dataset is called.")]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Of every choice.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@data.command()
def augment(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A prepared dataset: its directory, or its name.")],
    name: _Name,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="FILE", help="Variations: phrase to texts, YAML or JSON.")
    ] = None,
    templates: Annotated[
        Path | None, typer.Option("--templates", metavar="FILE", help="Instruction templates with {prompt} in them.")
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", min=0.001, max=0.5, help="A copy with this share of letters mistyped.")
    ] = None,
    paraphrase: Annotated[
        int | None, typer.Option("--paraphrase", min=1, help="Other wordings of each question, from --endpoint.")
    ] = None,
    back_translate: Annotated[
        str | None, typer.Option("--back-translate", metavar="LANGUAGE", help="There and back, by --endpoint.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="OpenAI-compatible; training rows are sent to it.")
    ] = None,
    endpoint_model: Annotated[
        str, typer.Option("--endpoint-model", help="The model that it is asked for.")
    ] = "default",
    balance: Annotated[
        str | None, typer.Option("--balance", metavar="SIZE", help="Every class to one size: down, up or a number.")
    ] = None,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Add variations of training rows; balance their classes.

    Held-out rows stay as they are.
    """
    from olivepress.data.derive.augment import augment as make
    from olivepress.data.derive.augment import noisy, read_table, read_templates, table_maker, template_maker
    from olivepress.data.store.find import find_dataset

    makers: list[tuple[str, Any]] = []
    if table is not None:
        makers.append((f"table {table.name}", table_maker(read_table(table))))
    if templates is not None:
        makers.append((f"template {templates.name}", template_maker(read_templates(templates))))
    if noise is not None:
        makers.append((f"noise {noise:g}", noisy(noise)))
    makers += _asked(endpoint, endpoint_model, paraphrase, back_translate)
    if not makers and balance is None:
        raise _usage("nothing to do", "give --table, --templates, --noise, --paraphrase, --back-translate or --balance")
    made = make(find_dataset(dataset), makers, name=name, seed=seed, target=_size(balance))
    write_and_print(made, as_json, asked=name)


def _asked(url: str | None, model: str, paraphrase: int | None, language: str | None) -> list[tuple[str, Any]]:
    from olivepress.data.derive.endpoint import Endpoint, back_translator, paraphraser

    wanted = paraphrase is not None or language is not None
    if wanted != (url is not None):
        raise _usage("--endpoint goes with --paraphrase or --back-translate", "give both or none of them")
    if url is None:
        return []
    server = Endpoint(url=url, model=model)
    makers: list[tuple[str, Any]] = []
    if paraphrase is not None:
        makers.append((f"paraphrase by {model}", paraphraser(server, paraphrase)))
    if language is not None:
        makers.append((f"back-translation through {language} by {model}", back_translator(server, language)))
    return makers


def _size(balance: str | None) -> str | int | None:
    if balance is None or balance in ("down", "up"):
        return balance
    if balance.isdecimal() and int(balance):
        return int(balance)
    raise _usage(f"--balance {balance!r}: expected down, up or a number", "--balance down")


@data.command()
def mix(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET=WEIGHT...", help="Prepared datasets and weights.")],
    name: _Name,
    prefix: Annotated[
        list[str] | None, typer.Option("--prefix", metavar="NAME=TEXT", help="Put before a dataset's questions.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="Of training; as many as there are.")] = None,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Mix the training rows of several datasets by weight.

    The held-out rows of all of them are kept.
    """
    from olivepress.data.derive.mixing import mix as make
    from olivepress.data.store.find import find_dataset

    named = [_weighted(text) for text in datasets]
    prefixes = dict(_pair(text, "--prefix") for text in prefix or ())
    held = [find_dataset(one) for one, _ in named]
    made = make(held, [weight for _, weight in named], name=name, prefixes=prefixes, rows=rows, seed=seed)
    write_and_print(made, as_json, asked=name)


def _pair(text: str, what: str) -> tuple[str, str]:
    left, equals, right = text.rpartition("=") if what == "DATASET=WEIGHT" else text.partition("=")
    if not (left and equals):
        raise _usage(f"{text!r}: expected {what}", "olivepress data mix A=0.7 B=0.3 -o NAME --prefix 'A=Text: '")
    return left, right


def _weighted(text: str) -> tuple[str, float]:
    if "=" not in text:
        return text, 1.0
    left, right = _pair(text, "DATASET=WEIGHT")
    try:
        weight = float(right)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise _usage(f"{text!r}: expected a weight above 0", "olivepress data mix A=0.7 B=0.3 -o NAME")
    return left, weight


@data.command()
def replay(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The new version.")],
    earlier: Annotated[list[str], typer.Option("--earlier", metavar="DATASET", help="Oldest first; the last three.")],
    name: _Name,
    share: Annotated[float, typer.Option("--share", help="Of earlier rows among all training rows.")] = 0.2,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Add training rows of earlier versions to a new one.

    So that what was learned is not forgotten.
    """
    from olivepress.data.derive.mixing import replay as make
    from olivepress.data.store.find import find_dataset

    held = [find_dataset(one) for one in earlier]
    made = make(find_dataset(dataset), held, name=name, share=share, seed=seed)
    write_and_print(made, as_json, asked=name)


def _usage(message: str, step: str) -> Exception:
    from olivepress.core.errors import UsageError

    return UsageError(message, next_step=step)
